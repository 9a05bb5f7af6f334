/* What shapes that are known in part tell while a model is loaded (known_shape.c). */
#ifndef INFER_OPS_KNOWN_SHAPE_H
#define INFER_OPS_KNOWN_SHAPE_H

#include "op.h"

/* A pick of one known extent from a Shape: a constant, which replaces the node. */
infer_status infer_known_extent(infer_rewriter *rw);

/* A shape, input number `index`, that is joined from constants and one other number: a constant
 * with -1 in its place. What the other number is must follow from the elements. */
infer_status infer_known_list(infer_rewriter *rw, uint32_t index);

#endif
