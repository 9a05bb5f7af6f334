/* Operators whose bodies know float and double only: copies at the edges. */
#include "widen.h"

#include "checked.h"
#include "chunk.h"
#include "status.h"

#include <math.h>
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

infer_type infer_type_between(const infer_view *x) {
    infer_type type = (infer_type)x->type;
    bool wide = type == INFER_TYPE_DOUBLE ||
                (infer_type_kind(type) != INFER_CLASS_FLOATING && infer_type_bits(type) >= 32);
    return wide ? INFER_TYPE_DOUBLE : INFER_TYPE_FLOAT;
}

void infer_widen_all(const infer_view *from, infer_type wide, void *to) {
    infer_type type = (infer_type)from->type;
    size_t n = (size_t)infer_view_count(from);
    for (size_t i = 0; i < n; i += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = n - i < INFER_CHUNK ? n - i : INFER_CHUNK;
        if (wide == INFER_TYPE_DOUBLE)
            memcpy((double *)to + i, infer_load_double(type, from->data, i, m, &chunk),
                   m * sizeof(double));
        else
            memcpy((float *)to + i, infer_load_float(type, from->data, i, m, &chunk),
                   m * sizeof(float));
    }
}

/* Integers of at most 64 bits: the nearest there is. */
static void round_to(infer_type type, const double *from, void *data, size_t at, size_t n) {
    infer_chunk whole;
    unsigned bits = type == INFER_TYPE_BOOL ? 1 : infer_type_bits(type);
    bool sign = infer_type_kind(type) == INFER_CLASS_SIGNED;
    double span = ldexp(1, (int)bits), low = sign ? -span / 2 : 0, high = low + span;
    for (size_t i = 0; i < n; i++) {
        double d = rint(from[i]);
        if (!(d >= low))
            d = low;
        /* The end of 64 bits has no double before it: all of them are below it. */
        if (d >= high)
            whole.u[i] = sign ? ((uint64_t)1 << (bits - 1)) - 1 : UINT64_MAX >> (64 - bits);
        else
            whole.u[i] = sign ? (uint64_t)(int64_t)d : (uint64_t)d;
    }
    infer_store_int(type, whole.i, data, at, n);
}

void infer_narrow_all(infer_type wide, const void *from, const infer_view *to) {
    infer_type type = (infer_type)to->type;
    size_t n = (size_t)infer_view_count(to);
    bool floating = infer_type_kind(type) == INFER_CLASS_FLOATING;
    if (floating && wide == INFER_TYPE_DOUBLE) {
        infer_store_double(type, from, to->data, 0, n);
    } else if (floating) {
        if (type == INFER_TYPE_FLOAT)
            memcpy(to->data, from, n * sizeof(float));
        else
            infer_narrow(type, from, to->data, n, false);
    } else {
        for (size_t i = 0; i < n; i += INFER_CHUNK) {
            infer_chunk chunk;
            size_t m = n - i < INFER_CHUNK ? n - i : INFER_CHUNK;
            round_to(type, infer_load_double(wide, from, i, m, &chunk), to->data, i, m);
        }
    }
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
            infer_widen_all(v, wide, in[i]->data);
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
            infer_narrow_all(wide, out[i]->data, env->out[i]);
    return INFER_OK;
}
