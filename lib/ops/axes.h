/* Axes, indices and shapes as operators are given them: from parameters and tensors nobody trusts.
 */
#ifndef INFER_OPS_AXES_H
#define INFER_OPS_AXES_H

#include "op.h"
#include "status.h"

/* An axis counted from the end where negative, as a number in [0, rank). */
static inline infer_status infer_axis(int64_t axis, int64_t rank, int32_t *out) {
    if (axis < -rank || axis >= rank)
        return infer_fail(INFER_ERROR_SHAPE, "axis %lld is outside of rank %lld", (long long)axis,
                          (long long)rank);
    *out = (int32_t)(axis < 0 ? axis + rank : axis);
    return INFER_OK;
}

/* Element number i of an INT32 or INT64 tensor. */
static inline int64_t infer_index(const infer_view *v, int64_t i) {
    return v->type == INFER_TYPE_INT32 ? ((const int32_t *)v->data)[i]
                                       : ((const int64_t *)v->data)[i];
}

/* The set of axes that a tensor lists, one bit an axis. unique: a repeated axis is an error. */
static inline infer_status infer_axes(const infer_view *axes, int32_t rank, bool unique,
                                      uint32_t *set) {
    int64_t n = infer_view_count(axes);
    *set = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t axis = 0;
        INFER_TRY(infer_axis(infer_index(axes, i), rank, &axis));
        if (unique && *set >> axis & 1)
            return infer_fail(INFER_ERROR_VALUE, "axis %d is named twice", (int)axis);
        *set |= 1u << axis;
    }
    return INFER_OK;
}

/* Refuses a known rank other than 0 and 1: lists may come as a scalar. */
static inline infer_status infer_check_list(const infer_view *v, const char *name) {
    if (v->rank > 1)
        return infer_fail(INFER_ERROR_SHAPE, "%s must be a list, but has rank %d", name,
                          (int)v->rank);
    return INFER_OK;
}

/* Refuses what is known not to have one element. */
static inline infer_status infer_check_scalar(const infer_view *v, const char *name) {
    int64_t count = infer_view_count(v);
    if (count >= 0 && count != 1)
        return infer_fail(INFER_ERROR_SHAPE, "%s has %lld elements instead of one", name,
                          (long long)count);
    return INFER_OK;
}

/* The extents that a list gives, of which none may be negative, as those of y; nothing where they
 * are not known. */
static inline infer_status infer_read_shape(const infer_view *list, infer_view *y) {
    int64_t rank = infer_view_count(list);
    INFER_TRY(infer_check_list(list, "the shape"));
    if (rank < 0)
        return INFER_OK;
    if (rank > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "a shape of %lld extents", (long long)rank);
    y->rank = (int32_t)rank;
    for (int32_t i = 0; i < y->rank && (list->data || rank == 0); i++) {
        y->dim[i] = infer_index(list, i);
        if (y->dim[i] < 0)
            return infer_fail(INFER_ERROR_SHAPE, "extent %lld", (long long)y->dim[i]);
    }
    return INFER_OK;
}

/* Output number index as a tensor of this type and rank (-1: unknown), its extents unknown. What
 * nobody wants is filled in *spare. */
static inline infer_view *infer_out(infer_op_env *env, uint32_t index, uint32_t type, int32_t rank,
                                    infer_view *spare) {
    infer_view *v = index < env->out_count && env->out[index] ? env->out[index] : spare;
    v->kind = INFER_KIND_TENSOR;
    v->type = (uint8_t)type;
    v->rank = rank;
    for (int32_t i = 0; i < INFER_MAX_RANK; i++)
        v->dim[i] = -1;
    return v;
}

static inline bool infer_has_input(const infer_op_env *env, uint32_t index) {
    return index < env->in_count && env->in[index];
}

/* Input number index, NULL where it is absent. */
static inline const infer_view *infer_input(const infer_op_env *env, uint32_t index) {
    return infer_has_input(env, index) ? env->in[index] : NULL;
}

/* Refuses another rank, and extents that are known (not -1) on both sides and differ. v may be
 * absent or of unknown rank. */
static inline infer_status infer_expect(const infer_view *v, const char *name, int32_t rank,
                                        const int64_t *dim) {
    bool fits = !v || v->rank < 0 || v->rank == rank;
    for (int32_t i = 0; fits && v && i < v->rank; i++)
        fits = v->dim[i] < 0 || dim[i] < 0 || v->dim[i] == dim[i];
    return fits ? INFER_OK
                : infer_fail(INFER_ERROR_SHAPE, "%s does not fit the other inputs", name);
}

/* The product of extents [from, to); -1 where one is unknown. The view exists, so it cannot
 * overflow unless an extent is 0: then the product may be asked for without it, hence the unsigned
 * way. */
static inline int64_t infer_span(const infer_view *v, int32_t from, int32_t to) {
    uint64_t n = 1;
    for (int32_t i = from; i < to; i++) {
        if (v->dim[i] < 0)
            return -1;
        if (__builtin_mul_overflow(n, (uint64_t)v->dim[i], &n) || n > INT64_MAX)
            return -1;
    }
    return (int64_t)n;
}

#endif
