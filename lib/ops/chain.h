/* Runs of elementwise operators as one: what infer.Chain and the pass that makes it agree upon. */
#ifndef INFER_OPS_CHAIN_H
#define INFER_OPS_CHAIN_H

#include "op.h"

#define INFER_CHAIN_STEPS  32
#define INFER_CHAIN_INPUTS 16
#define INFER_CHAIN_SLOTS  8
#define INFER_CHAIN_ARGS   3
#define INFER_CHAIN_PARAMS 24 /* bytes of a step's record at most */

/* What an input is to the values of the chain. Numbers are in images. */
typedef enum infer_chain_kind {
    INFER_CHAIN_FULL = 0, /* as large as they */
    INFER_CHAIN_ONE = 1,  /* one number */
    INFER_CHAIN_ROW = 2   /* as long as their last axis, the same for all others */
} infer_chain_kind;

/* A step as the attribute `code` has it, in 64-bit numbers. An argument is an input's number, or
 * -2 - s for slot s, or -1 where it is absent. The last step's slot is the output. */
typedef struct infer_chain_step {
    int64_t op; /* infer_chain_op */
    int64_t slot;
    int64_t arg_count, arg[INFER_CHAIN_ARGS];
    int64_t params[INFER_CHAIN_PARAMS / 8];
} infer_chain_step;

/* Operator number index of those that can be in a chain, NULL where there is none. Numbers are in
 * images: the list only grows. */
const infer_op *infer_chain_op(int64_t index);

#endif
