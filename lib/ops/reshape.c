/* Operators that give the same elements another shape: Reshape, Flatten, Squeeze, Unsqueeze,
 * Identity. */
#include "axes.h"
#include "known_shape.h"
#include "op.h"
#include "status.h"

#include <string.h>

static infer_status alias_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (y && y->data != x->data)
        memcpy(y->data, x->data, infer_view_bytes(x));
    return INFER_OK;
}

/* What the family has in common; versions and attributes differ. */
#define ALIAS_OP(op_name, inputs_min, inputs_max)                                                  \
    .domain = "", .name = op_name, .since = 1, .newest = 27, .min_in = inputs_min,                 \
    .max_in = inputs_max, .min_out = 1, .max_out = 1, .flags = INFER_OP_ALIAS

/* ---- Reshape ---- */

typedef struct reshape_params {
    int64_t allowzero;
} reshape_params;

static const infer_op_attr reshape_attrs[] = {A_INT(reshape_params, allowzero, 0)};

static infer_status reshape_upgrade(infer_rewriter *rw) {
    if (rw->version >= 5)
        return infer_known_list(rw, 1);
    rw->drop_attr(rw, "consumed_inputs"); /* a hint of where results may lie, nothing else */
    return infer_attr_to_input(rw, "shape", 1);
}

/* Resolves the -1 of a shape. Extents copied from the same place of the input cancel out, so that a
 * batch of unknown size does not hide the rest. */
static infer_status reshape_rest(const infer_view *x, infer_view *y, uint32_t copied,
                                 int32_t rest) {
    uint64_t have = 1, used = 1;
    bool known = true;
    for (int32_t i = 0; i < x->rank; i++) {
        if (copied >> i & 1 && x->dim[i] != 0)
            continue;
        known = known && x->dim[i] >= 0;
        if (known && __builtin_mul_overflow(have, (uint64_t)x->dim[i], &have))
            return infer_fail(INFER_ERROR_SHAPE, "extents overflow");
    }
    for (int32_t i = 0; i < y->rank; i++) {
        if (i == rest || (copied >> i & 1 && x->dim[i] != 0))
            continue;
        known = known && y->dim[i] >= 0;
        if (known && __builtin_mul_overflow(used, (uint64_t)y->dim[i], &used))
            return infer_fail(INFER_ERROR_SHAPE, "extents overflow");
    }
    if (!known)
        return INFER_OK;
    if (rest < 0 ? have != used : used == 0 || have % used != 0)
        return infer_fail(INFER_ERROR_SHAPE, "%llu elements do not fit the shape",
                          (unsigned long long)have);
    if (rest >= 0)
        y->dim[rest] = (int64_t)(have / used);
    return INFER_OK;
}

static infer_status reshape_infer(infer_op_env *env) {
    const reshape_params *p = env->params;
    const infer_view *x = env->in[0], *shape = env->in[1];
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare);
    INFER_TRY(infer_check_list(shape, "shape"));
    int64_t rank = infer_view_count(shape);
    if (rank > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "shape has %lld entries", (long long)rank);
    if (rank < 0)
        return INFER_OK;
    y->rank = (int32_t)rank;
    if (rank > 0 && !shape->data)
        return INFER_OK;
    uint32_t copied = 0;
    int32_t rest = -1;
    bool zero = false;
    for (int32_t i = 0; i < y->rank; i++) {
        int64_t n = infer_index(shape, i);
        if (n < -1)
            return infer_fail(INFER_ERROR_VALUE, "extent %lld in shape", (long long)n);
        if (n == -1) {
            if (rest >= 0)
                return infer_fail(INFER_ERROR_VALUE, "shape has more than one -1");
            rest = i;
        } else if (n > 0 || p->allowzero) {
            zero = zero || n == 0;
            y->dim[i] = n;
        } else if (x->rank >= 0) {
            if (i >= x->rank)
                return infer_fail(INFER_ERROR_SHAPE, "shape copies axis %d of rank %d", (int)i,
                                  (int)x->rank);
            copied |= 1u << i;
            y->dim[i] = x->dim[i];
        }
    }
    if (zero && rest >= 0)
        return infer_fail(INFER_ERROR_VALUE, "shape has both 0 and -1 where allowzero is set");
    return x->rank < 0 ? INFER_OK : reshape_rest(x, y, copied, rest);
}

const infer_op infer_op_reshape = {
    ALIAS_OP("Reshape", 2, 2),
    .params_size = sizeof(reshape_params),
    .attr_count = 1,
    .attrs = reshape_attrs,
    .types = {T_ALL, T(INT64)},
    .upgrade = reshape_upgrade,
    .infer = reshape_infer,
    .run = alias_run,
};

/* ---- Flatten ---- */

typedef struct flatten_params {
    int64_t axis;
} flatten_params;

static const infer_op_attr flatten_attrs[] = {A_INT(flatten_params, axis, 1)};

static infer_status flatten_infer(infer_op_env *env) {
    const flatten_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, 2, &spare);
    if (x->rank < 0)
        return INFER_OK;
    int32_t axis = x->rank;
    if (p->axis != x->rank)
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    y->dim[0] = infer_span(x, 0, axis);
    y->dim[1] = infer_span(x, axis, x->rank);
    return INFER_OK;
}

const infer_op infer_op_flatten = {
    ALIAS_OP("Flatten", 1, 1), .params_size = sizeof(flatten_params),
    .attr_count = 1,           .attrs = flatten_attrs,
    .types = {T_ALL},          .infer = flatten_infer,
    .run = alias_run,
};

/* ---- Squeeze and Unsqueeze ---- */

static infer_status axes_upgrade(infer_rewriter *rw) {
    return rw->version < 13 ? infer_attr_to_input(rw, "axes", 1) : INFER_OK;
}

static infer_status squeeze_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    const infer_view *axes = infer_has_input(env, 1) ? env->in[1] : NULL;
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare);
    if (axes)
        INFER_TRY(infer_check_list(axes, "axes"));
    if (x->rank < 0 || (axes && !axes->data))
        return INFER_OK;
    uint32_t gone = 0;
    if (axes)
        INFER_TRY(infer_axes(axes, x->rank, false, &gone));
    bool all = gone == 0; /* no axes, or an empty list of them: every axis of extent 1 */
    int32_t rank = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        bool named = gone >> i & 1;
        if (named && x->dim[i] >= 0 && x->dim[i] != 1)
            return infer_fail(INFER_ERROR_SHAPE, "axis %d has extent %lld, not 1", (int)i,
                              (long long)x->dim[i]);
        if (all && x->dim[i] < 0)
            return INFER_OK;
        if (!named && !(all && x->dim[i] == 1))
            y->dim[rank++] = x->dim[i];
    }
    y->rank = rank;
    return INFER_OK;
}

const infer_op infer_op_squeeze = {
    ALIAS_OP("Squeeze", 1, 2), .types = {T_ALL, T(INT64)}, .upgrade = axes_upgrade,
    .infer = squeeze_infer,    .run = alias_run,
};

static infer_status unsqueeze_infer(infer_op_env *env) {
    const infer_view *x = env->in[0], *axes = env->in[1];
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare);
    INFER_TRY(infer_check_list(axes, "axes"));
    int64_t added = infer_view_count(axes);
    if (x->rank < 0 || added < 0)
        return INFER_OK;
    if (added > INFER_MAX_RANK - x->rank)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d and %lld axes are too many", (int)x->rank,
                          (long long)added);
    y->rank = x->rank + (int32_t)added;
    if (!axes->data)
        return INFER_OK;
    uint32_t ones = 0;
    INFER_TRY(infer_axes(axes, y->rank, true, &ones));
    for (int32_t i = 0, from = 0; i < y->rank; i++)
        y->dim[i] = ones >> i & 1 ? 1 : x->dim[from++];
    return INFER_OK;
}

const infer_op infer_op_unsqueeze = {
    ALIAS_OP("Unsqueeze", 2, 2), .types = {T_ALL, T(INT64)}, .upgrade = axes_upgrade,
    .infer = unsqueeze_infer,    .run = alias_run,
};

/* ---- Identity ---- */

static infer_status identity_infer(infer_op_env *env) {
    if (env->out[0]) {
        *env->out[0] = *env->in[0];
        env->out[0]->data = NULL;
    }
    return INFER_OK;
}

/* A composite's members live until the context's next run, so that its views may be shared. */
static infer_status identity_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (y && x->kind != INFER_KIND_TENSOR)
        *y = *x;
    return x->kind == INFER_KIND_TENSOR ? alias_run(env) : INFER_OK;
}

const infer_op infer_op_identity = {
    ALIAS_OP("Identity", 1, 1),
    .types = {T_ALL | T_COMPOSITE},
    .infer = identity_infer,
    .run = identity_run,
};
