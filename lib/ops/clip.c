/* Clip: every element between two bounds, each of which may be missing. */
#include "chunk.h"
#include "elementwise.h"
#include "status.h"

#include <float.h>
#include <math.h>

/* Version 6 has bounds even where the model names none. */
static infer_status default_bound(infer_rewriter *rw, const char *name, float value) {
    if (rw->attr(rw, name))
        return INFER_OK;
    return rw->set_attr(rw, &(infer_attr){.name = name, .type = INFER_ATTR_FLOAT, .f = value});
}

static infer_status clip_upgrade(infer_rewriter *rw) {
    if (rw->version >= 11)
        return INFER_OK;
    INFER_TRY(infer_drop_consumed(rw));
    if (rw->version >= 6) {
        INFER_TRY(default_bound(rw, "min", -FLT_MAX));
        INFER_TRY(default_bound(rw, "max", FLT_MAX));
    }
    INFER_TRY(infer_float_to_input(rw, "min", 1));
    return infer_float_to_input(rw, "max", 2);
}

static infer_status clip_infer(infer_op_env *env) {
    for (uint32_t i = 1; i < env->in_count; i++) {
        int64_t count = env->in[i] ? infer_view_count(env->in[i]) : 1;
        if (count >= 0 && count != 1)
            return infer_fail(INFER_ERROR_SHAPE, "a bound has %lld elements instead of one",
                              (long long)count);
    }
    return infer_like_first(env, INFER_TYPE_UNDEFINED);
}

/* NaN passes; the upper bound wins where they cross. */
#define CLIP_LOOP(suffix, ctype)                                                                   \
    static void clip_##suffix(const void *x_, const void *lo, const void *hi, void *y_,            \
                              size_t n) {                                                          \
        const ctype *x = x_;                                                                       \
        ctype *y = y_;                                                                             \
        const bool has_min = lo != NULL, has_max = hi != NULL;                                     \
        const ctype min = has_min ? *(const ctype *)lo : 0,                                        \
                    max = has_max ? *(const ctype *)hi : 0;                                        \
        for (size_t i = 0; i < n; i++) {                                                           \
            ctype v = x[i];                                                                        \
            v = has_min && v < min ? min : v;                                                      \
            y[i] = has_max && v > max ? max : v;                                                   \
        }                                                                                          \
    }
INFER_NUMERIC_TYPES(CLIP_LOOP)

static void clip_rare(infer_type type, const char *x, const void *lo, const void *hi, char *y,
                      size_t n) {
    float min, max;
    size_t size = infer_type_size(type);
    if (lo)
        infer_widen(type, lo, &min, 1);
    if (hi)
        infer_widen(type, hi, &max, 1);
    for (size_t i = 0; i < n; i += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = n - i < INFER_CHUNK ? n - i : INFER_CHUNK;
        infer_widen(type, x + i * size, chunk.f, m);
        clip_FLOAT(chunk.f, lo ? &min : NULL, hi ? &max : NULL, chunk.f, m);
        infer_narrow(type, chunk.f, y + i * size, m, false);
    }
}

static infer_status clip_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    const void *lo = env->in_count > 1 && env->in[1] ? env->in[1]->data : NULL;
    const void *hi = env->in_count > 2 && env->in[2] ? env->in[2]->data : NULL;
    size_t n = (size_t)infer_view_count(x);
    if (!y)
        return INFER_OK;
    if (x->type == INFER_TYPE_FLOAT) {
        env->kernels->clip_f32(x->data, y->data, n, lo ? *(const float *)lo : -INFINITY,
                               hi ? *(const float *)hi : INFINITY);
        return INFER_OK;
    }
    switch (x->type) {
#define CLIP_CASE(suffix, ctype)                                                                   \
    case INFER_TYPE_##suffix:                                                                      \
        clip_##suffix(x->data, lo, hi, y->data, n);                                                \
        break;
        INFER_NUMERIC_TYPES(CLIP_CASE)
    default:
        clip_rare((infer_type)x->type, x->data, lo, hi, y->data, n);
    }
    return INFER_OK;
}

const infer_op infer_op_clip = {
    .domain = "",
    .name = "Clip",
    .since = 1,
    .newest = 27,
    .min_in = 1,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_INPLACE,
    .types = {T_NUMERIC, T_NUMERIC | T_SAME, T_NUMERIC | T_SAME},
    .upgrade = clip_upgrade,
    .infer = clip_infer,
    .run = clip_run,
};
