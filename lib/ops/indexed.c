/* Places in a tensor that are named by a tensor of indices. */
#include "indexed.h"

#include "axes.h"
#include "status.h"

#include <string.h>

infer_status infer_index_row(const infer_view *indices, int64_t at, size_t n, int64_t extent,
                             int64_t *to) {
    uint64_t limit = (uint64_t)extent, outside = 0;
    if (indices->type == INFER_TYPE_INT32)
        for (size_t i = 0; i < n; i++)
            to[i] = ((const int32_t *)indices->data)[at + (int64_t)i];
    else
        memcpy(to, (const int64_t *)indices->data + at, n * sizeof *to);
    for (size_t i = 0; i < n; i++) {
        /* An extent is no larger than memory, so the sum of a negative index and it fits. */
        to[i] += to[i] < 0 ? extent : 0;
        outside |= (uint64_t)to[i] >= limit;
    }
    for (size_t i = 0; i < n && outside; i++)
        if ((uint64_t)to[i] >= limit)
            return infer_fail(INFER_ERROR_VALUE, "index %lld is outside of extent %lld",
                              (long long)infer_index(indices, at + (int64_t)i), (long long)extent);
    return INFER_OK;
}

/* ---- elements ---- */

infer_status infer_element_check(const infer_view *data, const infer_view *indices,
                                 int64_t given_axis) {
    int32_t axis = 0;
    if (data->rank >= 0)
        INFER_TRY(infer_axis(given_axis, data->rank, &axis));
    if (data->rank < 0 || indices->rank < 0)
        return INFER_OK;
    if (data->rank != indices->rank)
        return infer_fail(INFER_ERROR_SHAPE, "data of rank %d and indices of rank %d",
                          (int)data->rank, (int)indices->rank);
    for (int32_t i = 0; i < data->rank; i++)
        if (i != axis && data->dim[i] >= 0 && indices->dim[i] > data->dim[i])
            return infer_fail(INFER_ERROR_SHAPE, "axis %d has %lld indices for an extent of %lld",
                              (int)i, (long long)indices->dim[i], (long long)data->dim[i]);
    return INFER_OK;
}

infer_status infer_element_begin(infer_element_walk *w, const infer_view *data,
                                 const infer_view *indices, int64_t axis) {
    INFER_TRY(infer_axis(axis, data->rank, &w->axis));
    w->indices = indices;
    w->rank = data->rank;
    size_t step = 1;
    for (int32_t i = data->rank; i-- > 0; step *= (size_t)data->dim[i]) {
        w->stride[i] = i == w->axis ? 0 : step;
        w->index[i] = 0;
        if (i == w->axis)
            w->axis_step = step;
    }
    w->extent = data->dim[w->axis];
    w->n = indices->dim[w->rank - 1];
    w->step = w->stride[w->rank - 1];
    w->at = 0;
    w->base = 0;
    return INFER_OK;
}

infer_status infer_element_row(const infer_element_walk *w, int64_t i, size_t n,
                               int64_t *elements) {
    INFER_TRY(infer_index_row(w->indices, w->at + i, n, w->extent, elements));
    int64_t base = (int64_t)(w->base + (size_t)i * w->step), step = (int64_t)w->step;
    for (size_t k = 0; k < n; k++)
        elements[k] = elements[k] * (int64_t)w->axis_step + base + (int64_t)k * step;
    return INFER_OK;
}

bool infer_element_next(infer_element_walk *w) {
    w->at += w->n;
    for (int32_t i = w->rank - 1; i-- > 0;) {
        w->base += w->stride[i];
        if (++w->index[i] < w->indices->dim[i])
            return true;
        w->base -= w->stride[i] * (size_t)w->indices->dim[i];
        w->index[i] = 0;
    }
    return false;
}

/* ---- tuples ---- */

infer_status infer_tuple_shape(const infer_view *data, const infer_view *indices, int64_t batch,
                               infer_view *slices) {
    slices->rank = -1;
    if (batch < 0 || batch >= INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_VALUE, "batch_dims is %lld", (long long)batch);
    if (indices->rank == 0 || data->rank == 0)
        return infer_fail(INFER_ERROR_SHAPE, "a scalar has no places");
    if (data->rank < 0 || indices->rank < 0)
        return INFER_OK;
    if (batch >= data->rank || batch >= indices->rank)
        return infer_fail(INFER_ERROR_SHAPE, "batch_dims is %lld for ranks %d and %d",
                          (long long)batch, (int)data->rank, (int)indices->rank);
    for (int32_t i = 0; i < batch; i++)
        if (data->dim[i] >= 0 && indices->dim[i] >= 0 && data->dim[i] != indices->dim[i])
            return infer_fail(INFER_ERROR_SHAPE, "axis %d has extents %lld and %lld", (int)i,
                              (long long)data->dim[i], (long long)indices->dim[i]);
    int64_t length = indices->dim[indices->rank - 1];
    if (length < 0)
        return INFER_OK;
    if (length > data->rank - batch)
        return infer_fail(INFER_ERROR_SHAPE, "indices of %lld axes, of which there are %lld",
                          (long long)length, (long long)(data->rank - batch));
    int32_t first = (int32_t)(batch + length), rank = indices->rank - 1 + data->rank - first;
    if (rank > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "data of rank %d and indices of rank %d are too many",
                          (int)data->rank, (int)indices->rank);
    slices->rank = rank;
    int32_t to = 0;
    for (int32_t i = 0; i < indices->rank - 1; i++)
        slices->dim[to++] = indices->dim[i];
    for (int32_t i = first; i < data->rank; i++)
        slices->dim[to++] = data->dim[i];
    return INFER_OK;
}

void infer_tuple_begin(infer_tuple_walk *w, const infer_view *data, const infer_view *indices,
                       int64_t batch) {
    w->indices = indices;
    w->length = indices->dim[indices->rank - 1];
    w->batches = infer_span(indices, 0, (int32_t)batch);
    w->tuples = infer_span(indices, (int32_t)batch, indices->rank - 1);
    w->slice = (size_t)infer_span(data, (int32_t)(batch + w->length), data->rank);
    size_t step = w->slice;
    for (int64_t i = w->length; i-- > 0; step *= (size_t)w->extent[i]) {
        w->extent[i] = data->dim[batch + i];
        w->stride[i] = step;
    }
    w->batch = step;
}

infer_status infer_tuple_row(const infer_tuple_walk *w, int64_t batch, int64_t i, size_t n,
                             int64_t *elements) {
    int64_t at = (batch * w->tuples + i) * w->length;
    for (size_t t = 0; t < n; t++) {
        elements[t] = batch * (int64_t)w->batch;
        for (int64_t k = 0; k < w->length; k++, at++) {
            int64_t place = infer_index(w->indices, at);
            if (place < -w->extent[k] || place >= w->extent[k])
                return infer_fail(INFER_ERROR_VALUE, "index %lld is outside of extent %lld",
                                  (long long)place, (long long)w->extent[k]);
            place += place < 0 ? w->extent[k] : 0;
            elements[t] += place * (int64_t)w->stride[k];
        }
    }
    return INFER_OK;
}
