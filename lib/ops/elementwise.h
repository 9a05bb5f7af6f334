/* What operators share that compute each element of their output from one element of each input. */
#ifndef INFER_OPS_ELEMENTWISE_H
#define INFER_OPS_ELEMENTWISE_H

#include "op.h"

/* n elements of y from n of x; y may be x where their elements have one size. The environment has
 * the kernels and the parameters. */
typedef void (*infer_unary_loop)(const infer_op_env *env, const void *x, void *y, size_t n);

/* n elements of y from those of a and b, which advance by sa and sb (0 or 1) elements. y may be a
 * where sa is 1, or b where sb is. */
typedef void (*infer_binary_loop)(const void *a, size_t sa, const void *b, size_t sb, void *y,
                                  size_t n);

/* The loops below compute in infer_compute_type of the inputs; rare floats are widened for them
 * and, where the output has their type, narrowed again. */
infer_status infer_unary_run(infer_op_env *env, infer_unary_loop loop);
infer_status infer_binary_run(infer_op_env *env, infer_binary_loop loop);

/* The output has the type given (UNDEFINED: input 0's) and input 0's shape, or all inputs'
 * broadcast shape. */
infer_status infer_like_first(infer_op_env *env, infer_type type);
infer_status infer_like_input(infer_op_env *env); /* input 0's both */
infer_status infer_like_all(infer_op_env *env, infer_type type);

/* Version 1: a hint of where results may lie, nothing else. */
infer_status infer_drop_consumed(infer_rewriter *rw);

/* Versions before 7 broadcast only when asked to, and B from a given axis of A on. */
infer_status infer_upgrade_broadcast(infer_rewriter *rw);

#endif
