/* Places in a tensor that are named by a tensor of indices: for what gathers from them and what
 * scatters to them. */
#ifndef INFER_OPS_INDEXED_H
#define INFER_OPS_INDEXED_H

#include "op.h"

/* n indices from place `at` on, those counted from the end turned into plain ones; n is at most a
 * chunk. Refuses what is outside of the extent. */
infer_status infer_index_row(const infer_view *indices, int64_t at, size_t n, int64_t extent,
                             int64_t *to);

/* GatherElements, ScatterElements: indices has the rank of data, and the element at a place of it
 * belongs to the same place of data, but that its coordinate on the axis is what it says. */
typedef struct infer_element_walk {
    const infer_view *indices;
    int64_t extent;   /* of data on the axis */
    int64_t n;        /* indices on the last axis */
    size_t axis_step; /* elements of data from one index on the axis to the next */
    size_t step;      /* elements of data from one place of the last axis to the next */
    int32_t rank, axis;
    int64_t at;  /* of the row in indices */
    size_t base; /* of the row in data, in elements */
    size_t stride[INFER_MAX_RANK];
    int64_t index[INFER_MAX_RANK];
} infer_element_walk;

/* Refuses known shapes that do not fit one another. */
infer_status infer_element_check(const infer_view *data, const infer_view *indices, int64_t axis);
/* At the first row; indices has elements. */
infer_status infer_element_begin(infer_element_walk *w, const infer_view *data,
                                 const infer_view *indices, int64_t axis);
/* The elements of data that n places of the row name from place i on; n is at most a chunk. */
infer_status infer_element_row(const infer_element_walk *w, int64_t i, size_t n, int64_t *elements);
bool infer_element_next(infer_element_walk *w);

/* GatherND, ScatterND: the last axis of indices holds places of the axes of data from batch on;
 * what lies behind those is one slice. */
typedef struct infer_tuple_walk {
    const infer_view *indices;
    size_t slice;            /* elements of data */
    int64_t tuples, batches; /* tuples of each batch */
    int64_t length;          /* of a tuple */
    size_t batch;            /* elements of data */
    int64_t extent[INFER_MAX_RANK];
    size_t stride[INFER_MAX_RANK];
} infer_tuple_walk;

/* The shape of gathered slices into *slices; its rank is -1 where it is not known. */
infer_status infer_tuple_shape(const infer_view *data, const infer_view *indices, int64_t batch,
                               infer_view *slices);
void infer_tuple_begin(infer_tuple_walk *w, const infer_view *data, const infer_view *indices,
                       int64_t batch);
/* The first element of data of each of n tuples of a batch from tuple i on; n is at most a chunk.
 */
infer_status infer_tuple_row(const infer_tuple_walk *w, int64_t batch, int64_t i, size_t n,
                             int64_t *elements);

#endif
