/* Cast, CastLike: every element type to every other; BitCast: the bits as they are. */
#include "cast.h"

#include "checked.h"
#include "chunk.h"
#include "common_loops.h"
#include "convert.h"
#include "narrow.h"
#include "op.h"
#include "status.h"

#include <string.h>

typedef struct cast_params {
    int64_t to, saturate;
    int64_t round_mode; /* infer_scale_round */
} cast_params;

static const infer_op_attr cast_attrs[] = {
    A_REQUIRED(cast_params, to, TYPE),
    A_INT(cast_params, saturate, 1),
    A_ENUM(cast_params, round_mode, INFER_SCALE_UP, "up|down|nearest"),
};

#define T_CAST (T_ALL & ~(T(COMPLEX64) | T(COMPLEX128)))

/* ---- numbers ---- */

/* n wide elements to a type that C computes in, or to bool. */
#define TO_CASE(suffix, ctype)                                                                     \
    case INFER_TYPE_##suffix:                                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            ((ctype *)to)[i] = CONVERT(suffix, ctype, from[i]);                                    \
        break;
#define FROM(name, wide)                                                                           \
    static void name(const wide *from, infer_type type, void *to, size_t n) {                      \
        switch (type) {                                                                            \
            INFER_NUMERIC_TYPES(TO_CASE)                                                           \
        default:                                                                                   \
            for (size_t i = 0; i < n; i++)                                                         \
                ((uint8_t *)to)[i] = from[i] != 0;                                                 \
        }                                                                                          \
    }
#define CONVERT(suffix, ctype, value) INFER_TO_##suffix(value)
FROM(from_float, float)
FROM(from_double, double)
#undef CONVERT
#define CONVERT(suffix, ctype, value) (ctype)(value)
FROM(from_int, int64_t)
FROM(from_uint, uint64_t)

static void from_wide(infer_type wide, const void *from, infer_type type, void *to, size_t n) {
    if (wide == INFER_TYPE_FLOAT)
        from_float(from, type, to, n);
    else if (wide == INFER_TYPE_DOUBLE)
        from_double(from, type, to, n);
    else if (wide == INFER_TYPE_INT64)
        from_int(from, type, to, n);
    else
        from_uint(from, type, to, n);
}

/* Through float, from which rounding on must not be a second rounding. */
static void to_rare(const cast_params *p, infer_type wide, const void *from, infer_type type,
                    void *to, size_t n) {
    infer_chunk room, doubles;
    const float *f = from;
    if (wide != INFER_TYPE_FLOAT) {
        const double *d = from;
        if (wide != INFER_TYPE_DOUBLE) {
            from_wide(wide, from, INFER_TYPE_DOUBLE, doubles.d, n);
            d = doubles.d;
        }
        for (size_t i = 0; i < n; i++)
            room.f[i] = infer_round_to_odd(d[i]);
        f = room.f;
    }
    if (type == INFER_TYPE_FLOAT8E8M0)
        infer_to_scale(f, to, n, p->saturate != 0, (infer_scale_round)p->round_mode);
    else
        infer_narrow(type, f, to, n, p->saturate != 0);
}

/* Keeps the low bits of integers that have fewer than eight, and their sign. */
static void keep_bits(infer_type type, uint8_t *x, size_t n) {
    uint8_t mask = (uint8_t)((1u << infer_type_bits(type)) - 1);
    uint8_t sign = infer_type_kind(type) == INFER_CLASS_SIGNED ? (mask >> 1) + 1 : 0;
    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)(((x[i] & mask) ^ sign) - sign);
}

static void cast_numbers(const cast_params *p, const infer_view *x, infer_view *y, size_t count) {
    infer_type from = (infer_type)x->type, to = (infer_type)y->type, wide = infer_wide_type(from);
    infer_type held = infer_compute_type(to);
    size_t size = infer_type_size(to);
    for (size_t at = 0; at < count; at += INFER_CHUNK) {
        infer_chunk chunk;
        size_t n = count - at < INFER_CHUNK ? count - at : INFER_CHUNK;
        const void *values = infer_load_wide(from, x->data, at, n, &chunk);
        char *target = (char *)y->data + at * size;
        if (infer_type_kind(to) == INFER_CLASS_FLOATING && held != to)
            to_rare(p, wide, values, to, target, n);
        else
            from_wide(wide, values, held, target, n);
        if (held != to && infer_type_kind(to) != INFER_CLASS_FLOATING)
            keep_bits(to, (uint8_t *)target, n);
    }
}

/* ---- text ---- */

static infer_status cast_to_text(infer_op_env *env, const infer_view *x, infer_view *y,
                                 size_t count) {
    size_t bytes;
    char *text = NULL;
    if (infer_mul(count, INFER_NUMBER_TEXT, &bytes))
        text = env->alloc(env, bytes);
    else
        infer_fail(INFER_ERROR_MEMORY, "the text of %zu numbers does not fit memory", count);
    if (!text)
        return INFER_ERROR_MEMORY;
    infer_string *to = y->data;
    for (size_t i = 0; i < count; i++, text += INFER_NUMBER_TEXT)
        to[i] = (infer_string){text, infer_number_to_text((infer_type)x->type, x->data, i, text)};
    return INFER_OK;
}

static infer_status cast_from_text(const cast_params *p, const infer_view *x, infer_view *y,
                                   size_t count) {
    for (size_t i = 0; i < count; i++)
        INFER_TRY(infer_text_to_number(((const infer_string *)x->data)[i], (infer_type)y->type,
                                       y->data, i, p->saturate != 0));
    return INFER_OK;
}

/* ---- the operator ---- */

/* The types that version 1 names in words. */
static infer_status cast_upgrade(infer_rewriter *rw) {
    const infer_attr *a = rw->attr(rw, "to");
    if (rw->version >= 6 || !a || a->type != INFER_ATTR_STRING)
        return INFER_OK;
    for (int64_t type = 1; infer_type_size((infer_type)type); type++) {
        const char *name = infer_type_name((infer_type)type);
        bool same = strlen(name) == a->count;
        for (size_t i = 0; same && i < a->count; i++)
            same = (((const char *)a->data)[i] | 0x20) == name[i];
        if (same)
            return infer_set_int(rw, "to", type);
    }
    return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute to: no type is called %.*s",
                      (int)(a->count < 40 ? a->count : 40), (const char *)a->data);
}

static infer_status cast_infer(infer_op_env *env) {
    const cast_params *p = env->params;
    if (!(T_CAST >> p->to & 1))
        return infer_fail(INFER_ERROR_TYPE, "there is no cast to %s",
                          infer_type_name((infer_type)p->to));
    if (!env->out[0])
        return INFER_OK;
    *env->out[0] = *env->in[0];
    env->out[0]->type = (uint8_t)p->to;
    env->out[0]->data = NULL;
    return INFER_OK;
}

static infer_status cast_prepare(infer_rewriter *rw) {
    const infer_attr *to = rw->attr(rw, "to");
    if (!to || rw->view(rw, rw->input(rw, 0))->type != to->i)
        return INFER_OK;
    rw->drop_attr(rw, "to");
    rw->drop_attr(rw, "saturate");
    rw->drop_attr(rw, "round_mode");
    return rw->become(rw, "", "Identity");
}

static infer_status cast_run(infer_op_env *env) {
    const cast_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    size_t count = (size_t)infer_view_count(x);
    if (!y || count == 0)
        return INFER_OK;
    if (y->type == x->type) {
        memcpy(y->data, x->data, infer_view_bytes(x));
        return INFER_OK;
    }
    if (y->type == INFER_TYPE_STRING)
        return cast_to_text(env, x, y, count);
    if (x->type == INFER_TYPE_STRING)
        return cast_from_text(p, x, y, count);
    if (!infer_common_cast((infer_type)x->type, x->data, (infer_type)y->type, y->data, count))
        cast_numbers(p, x, y, count);
    return INFER_OK;
}

const infer_op infer_op_cast = {
    .domain = "",
    .name = "Cast",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(cast_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof cast_attrs / sizeof *cast_attrs,
    .attrs = cast_attrs,
    .types = {T_CAST},
    .upgrade = cast_upgrade,
    .infer = cast_infer,
    .prepare = cast_prepare,
    .run = cast_run,
};

/* ---- CastLike ---- */

static infer_status cast_like_infer(infer_op_env *env) {
    if (!env->out[0])
        return INFER_OK;
    *env->out[0] = *env->in[0];
    env->out[0]->type = env->in[1]->type;
    env->out[0]->data = NULL;
    return INFER_OK;
}

const infer_op infer_op_cast_like = {
    .domain = "",
    .name = "CastLike",
    .since = 15,
    .newest = 27,
    .params_size = sizeof(cast_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof cast_attrs / sizeof *cast_attrs - 1,
    .attrs = cast_attrs + 1, /* all but `to` */
    .types = {T_CAST, T_CAST},
    .infer = cast_like_infer,
    .run = cast_run,
};

/* ---- BitCast ---- */

typedef struct bit_cast_params {
    int64_t to;
} bit_cast_params;

static const infer_op_attr bit_cast_attrs[] = {A_REQUIRED(bit_cast_params, to, TYPE)};

static infer_status bit_cast_infer(infer_op_env *env) {
    const bit_cast_params *p = env->params;
    infer_type from = (infer_type)env->in[0]->type, to = (infer_type)p->to;
    if (to == INFER_TYPE_STRING || infer_type_bits(from) != infer_type_bits(to))
        return infer_fail(INFER_ERROR_TYPE, "the bits of %s are no %s", infer_type_name(from),
                          infer_type_name(to));
    if (!env->out[0])
        return INFER_OK;
    *env->out[0] = *env->in[0];
    env->out[0]->type = (uint8_t)to;
    env->out[0]->data = NULL;
    return INFER_OK;
}

static infer_status bit_cast_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    size_t bytes = infer_view_bytes(x);
    if (!y || bytes == 0)
        return INFER_OK;
    memmove(y->data, x->data, bytes);
    if (infer_type_bits((infer_type)y->type) < 8)
        keep_bits((infer_type)y->type, y->data, bytes);
    return INFER_OK;
}

const infer_op infer_op_bit_cast = {
    .domain = "",
    .name = "BitCast",
    .since = 26,
    .newest = 27,
    .params_size = sizeof(bit_cast_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_INPLACE,
    .attr_count = 1,
    .attrs = bit_cast_attrs,
    .types = {T_ALL & ~T(STRING)},
    .infer = bit_cast_infer,
    .run = bit_cast_run,
};
