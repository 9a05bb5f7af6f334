/* Broadcasting: several shapes walked as one. */
#include "broadcast.h"

#include "status.h"

#include <string.h>

/* Extent number i of the result, of which v has its own counted from the end; 1 where it has none.
 */
static int64_t extent(const infer_view *v, int32_t rank, int32_t i) {
    int32_t own = i - (rank - v->rank);
    return own < 0 ? 1 : v->dim[own];
}

infer_status infer_broadcast_shape(const infer_view *const *in, uint32_t count, infer_view *out) {
    int32_t rank = 0;
    for (uint32_t k = 0; k < count; k++) {
        if (!in[k])
            continue;
        if (in[k]->rank < 0) {
            out->rank = -1;
            return INFER_OK;
        }
        if (in[k]->rank > rank)
            rank = in[k]->rank;
    }
    int64_t dim[INFER_MAX_RANK];
    for (int32_t i = 0; i < rank; i++) {
        dim[i] = 1;
        for (uint32_t k = 0; k < count; k++) {
            int64_t n = in[k] ? extent(in[k], rank, i) : 1;
            if (n == 1 || n == dim[i])
                continue;
            if (n >= 0 && dim[i] >= 0 && dim[i] != 1)
                return infer_fail(INFER_ERROR_SHAPE,
                                  "extents %lld and %lld of axis %d do not broadcast",
                                  (long long)dim[i], (long long)n, (int)i);
            if (n >= 0 || dim[i] == 1) /* what is unknown follows what is known */
                dim[i] = n;
        }
    }
    out->rank = rank;
    memcpy(out->dim, dim, (size_t)rank * sizeof *dim);
    return INFER_OK;
}

/* Whether axis b, of n elements, continues the axis before it for every operand. */
static bool joins(const infer_broadcast *b, int32_t before, const size_t *stride, size_t n) {
    for (uint32_t k = 0; k < b->count; k++)
        if (b->stride[k][before] != stride[k] * n)
            return false;
    return true;
}

void infer_broadcast_begin(infer_broadcast *b, const infer_view *const *in, uint32_t count,
                           const infer_view *out) {
    size_t run[INFER_BROADCAST_MAX], axis[INFER_BROADCAST_MAX][INFER_MAX_RANK];
    b->count = count;
    b->rank = 0;
    b->empty = false;
    for (uint32_t k = 0; k < count; k++) {
        b->at[k] = 0;
        run[k] = 1;
    }
    /* Strides from the last axis on, then axes from the first on. */
    for (int32_t i = out->rank; i-- > 0;) {
        b->empty = b->empty || out->dim[i] == 0;
        for (uint32_t k = 0; k < count; k++) {
            size_t n = in[k] ? (size_t)extent(in[k], out->rank, i) : 1;
            axis[k][i] = n == 1 ? 0 : run[k];
            run[k] *= n;
        }
    }
    for (int32_t i = 0; i < out->rank; i++) {
        size_t n = (size_t)out->dim[i], stride[INFER_BROADCAST_MAX];
        if (n == 1)
            continue;
        for (uint32_t k = 0; k < count; k++)
            stride[k] = axis[k][i];
        bool join = b->rank > 0 && joins(b, b->rank - 1, stride, n);
        int32_t to = join ? b->rank - 1 : b->rank++;
        b->dim[to] = join ? b->dim[to] * n : n;
        for (uint32_t k = 0; k < count; k++)
            b->stride[k][to] = stride[k];
        b->index[to] = 0;
    }
    /* The last axis is the inner loop: nothing lies behind it, so strides there are 0 or 1. */
    b->inner = 1;
    for (uint32_t k = 0; k < count; k++)
        b->step[k] = 0;
    if (b->rank > 0) {
        b->rank--;
        b->inner = b->dim[b->rank];
        for (uint32_t k = 0; k < count; k++)
            b->step[k] = b->stride[k][b->rank];
    }
}

bool infer_broadcast_next(infer_broadcast *b) {
    for (int32_t i = b->rank; i-- > 0;) {
        for (uint32_t k = 0; k < b->count; k++)
            b->at[k] += b->stride[k][i];
        if (++b->index[i] < b->dim[i])
            return true;
        for (uint32_t k = 0; k < b->count; k++)
            b->at[k] -= b->stride[k][i] * b->dim[i];
        b->index[i] = 0;
    }
    return false;
}
