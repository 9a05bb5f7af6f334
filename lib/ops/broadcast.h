/* Broadcasting: several shapes walked as one, with as few and as long inner loops as possible. */
#ifndef INFER_OPS_BROADCAST_H
#define INFER_OPS_BROADCAST_H

#include "op.h"

/* The broadcast of count shapes (NULL entries are skipped), ONNX's multidirectional rule; unknown
 * extents stay -1 where nothing decides them. Sets out->rank and out->dim. */
infer_status infer_broadcast_shape(const infer_view *const *in, uint32_t count, infer_view *out);

#define INFER_BROADCAST_MAX 4

/* A walk over a broadcast shape for up to four operands. Axes that run together for every operand
 * are merged; what is left is outer loops over an inner one, in which an operand's stride is 0
 * or 1. */
typedef struct infer_broadcast {
    uint32_t count;                   /* operands */
    int32_t rank;                     /* outer axes */
    size_t inner;                     /* elements of the inner loop */
    size_t step[INFER_BROADCAST_MAX]; /* inner stride in elements: 0 or 1 */
    size_t dim[INFER_MAX_RANK];
    size_t stride[INFER_BROADCAST_MAX][INFER_MAX_RANK]; /* in elements */
    size_t at[INFER_BROADCAST_MAX];                     /* element offset of each operand now */
    size_t index[INFER_MAX_RANK];
    bool empty;
} infer_broadcast;

void infer_broadcast_begin(infer_broadcast *b, const infer_view *const *in, uint32_t count,
                           const infer_view *out);
/* Moves to the next inner loop; false at the end. */
bool infer_broadcast_next(infer_broadcast *b);

#endif
