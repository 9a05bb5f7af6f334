/* Operators whose bodies know float and double only: copies at the edges. */
#include "widen.h"

#include "checked.h"
#include "chunk.h"
#include "status.h"

#include <string.h>

#define VIEWS 16 /* inputs, and outputs, of an operator that comes here */

static bool is_floating(const infer_view *v) {
    return v && v->kind == INFER_KIND_TENSOR &&
           infer_type_kind((infer_type)v->type) == INFER_CLASS_FLOATING;
}

static bool is_double(const infer_view *v) {
    return v && v->kind == INFER_KIND_TENSOR && v->type == INFER_TYPE_DOUBLE;
}

infer_type infer_widen_type(const infer_op_env *env) {
    for (uint32_t i = 0; i < env->in_count; i++)
        if (is_double(env->in[i]))
            return INFER_TYPE_DOUBLE;
    for (uint32_t i = 0; i < env->out_count; i++)
        if (is_double(env->out[i]))
            return INFER_TYPE_DOUBLE;
    return INFER_TYPE_FLOAT;
}

/* Adds the bytes of a copy, none where the view needs none or is not known yet. */
static bool take(const infer_view *v, infer_type wide, size_t *total) {
    size_t bytes;
    if (!is_floating(v) || v->type == wide || infer_view_count(v) < 0)
        return true;
    return infer_mul((size_t)infer_view_count(v), infer_type_size(wide), &bytes) &&
           infer_add(*total, bytes, &bytes) && infer_round_up(bytes, 64, total);
}

static bool copies_size(const infer_op_env *env, infer_type wide, size_t *total) {
    bool fits = env->in_count <= VIEWS && env->out_count <= VIEWS;
    *total = 0;
    for (uint32_t i = 0; fits && i < env->in_count; i++)
        fits = take(env->in[i], wide, total);
    for (uint32_t i = 0; fits && i < env->out_count; i++)
        fits = take(env->out[i], wide, total);
    return fits;
}

infer_status infer_widen_plan(infer_op_env *env) {
    size_t copies;
    if (!copies_size(env, infer_widen_type(env), &copies) ||
        !infer_add(copies, env->scratch_size, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the tensors are too large to be widened");
    return INFER_OK;
}

static void widen(const infer_view *from, const infer_view *to) {
    infer_type type = (infer_type)from->type;
    size_t n = (size_t)infer_view_count(from);
    if (to->type == INFER_TYPE_FLOAT) {
        infer_widen(type, from->data, to->data, n);
        return;
    }
    for (size_t i = 0; i < n; i += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = n - i < INFER_CHUNK ? n - i : INFER_CHUNK;
        const double *d = infer_load_double(type, from->data, i, m, &chunk);
        memcpy((double *)to->data + i, d, m * sizeof *d);
    }
}

static void narrow(const infer_view *from, const infer_view *to) {
    size_t n = (size_t)infer_view_count(from);
    if (from->type == INFER_TYPE_FLOAT)
        infer_narrow((infer_type)to->type, from->data, to->data, n, false);
    else
        infer_store_double((infer_type)to->type, from->data, to->data, 0, n);
}

/* The view to work with: v itself, or one of the wide type whose elements lie at *at. */
static infer_view *wide_view(infer_view *v, infer_type wide, infer_view *copy, char **at) {
    if (!is_floating(v) || v->type == wide)
        return v;
    size_t bytes = 0;
    take(v, wide, &bytes); /* fits: infer has added it up */
    *copy = *v;
    copy->type = (uint8_t)wide;
    copy->data = *at;
    *at += bytes;
    return copy;
}

infer_status infer_widen_run(infer_op_env *env, infer_status (*run)(infer_op_env *env)) {
    infer_type wide = infer_widen_type(env);
    infer_view copies_in[VIEWS], copies_out[VIEWS], *in[VIEWS], *out[VIEWS];
    size_t total;
    if (!copies_size(env, wide, &total) || total > env->scratch_size)
        return infer_fail(INFER_ERROR_SHAPE, "the tensors are too large to be widened");
    if (total == 0)
        return run(env);
    char *at = env->scratch;
    for (uint32_t i = 0; i < env->in_count; i++) {
        infer_view *v = (infer_view *)(uintptr_t)env->in[i]; /* read only, as an input */
        in[i] = wide_view(v, wide, &copies_in[i], &at);
        if (in[i] != v)
            widen(v, in[i]);
    }
    for (uint32_t i = 0; i < env->out_count; i++)
        out[i] = wide_view(env->out[i], wide, &copies_out[i], &at);
    infer_op_env inner = *env;
    inner.in = (const infer_view *const *)in;
    inner.out = out;
    inner.scratch = (char *)env->scratch + total;
    inner.scratch_size = env->scratch_size - total;
    INFER_TRY(run(&inner));
    for (uint32_t i = 0; i < env->out_count; i++)
        if (out[i] != env->out[i])
            narrow(out[i], env->out[i]);
    return INFER_OK;
}
