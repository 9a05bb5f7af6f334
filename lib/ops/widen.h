/* Operators whose bodies know float and double only: everything floating is given to them in one of
 * the two. */
#ifndef INFER_OPS_WIDEN_H
#define INFER_OPS_WIDEN_H

#include "op.h"

/* What the body computes in: DOUBLE where an input or output has it, else FLOAT. */
infer_type infer_widen_type(const infer_op_env *env);

/* The last step of infer, when outputs and the body's own scratch_size are set: adds room for
 * copies of the inputs and outputs that have another floating type. */
infer_status infer_widen_plan(infer_op_env *env);

/* Calls run with those copies, and narrows what it wrote. */
infer_status infer_widen_run(infer_op_env *env, infer_status (*run)(infer_op_env *env));

/* What numbers between those of x are computed in: DOUBLE for double and for integers of 32 bits
 * and more. */
infer_type infer_type_between(const infer_view *x);

/* All elements of a numeric or boolean tensor as float or double; and back, where integers are
 * rounded to even and saturate. */
void infer_widen_all(const infer_view *from, infer_type wide, void *to);
void infer_narrow_all(infer_type wide, const void *from, const infer_view *to);

#endif
