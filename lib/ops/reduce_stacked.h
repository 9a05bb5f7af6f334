/* A Reduce over stacked tensors as an operator of these (reduce_stacked.c). */
#ifndef INFER_OPS_REDUCE_STACKED_H
#define INFER_OPS_REDUCE_STACKED_H

#include "op.h"

/* While a model is loaded: the node becomes `op` of what is stacked, if it reduces a stack. */
infer_status infer_reduce_stacked(infer_rewriter *rw, const char *op);

#endif
