/* Attention of many heads by the kernel for one. */
#ifndef INFER_OPS_HEADS_H
#define INFER_OPS_HEADS_H

#include "op.h"

/* What all heads share, its pointers those of the first batch and head, and the distances of
 * batches and heads. */
typedef struct infer_heads {
    infer_attend one;
    size_t group; /* heads of queries for one of keys and values */
    size_t q_batch, q_head, k_batch, k_head, v_batch, v_head, y_batch, y_head;
    size_t add_batch, add_head, keep_batch, keep_head;
} infer_heads;

/* Decides how the kernel works and adds what it needs to the scratch, once extents are set. */
infer_status infer_heads_plan(infer_heads *s, size_t *scratch_size, size_t *at);

/* The queries of head `h` of keys of batch b. */
void infer_heads_run(const infer_heads *s, const infer_kernels *k, size_t b, size_t h,
                     float *scratch);

#endif
