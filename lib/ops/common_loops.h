/* Loops over the element types that models use most, for vectors; all others are left to loops that
 * are small (cast.c, compare.c, variadic.c). */
#ifndef INFER_OPS_COMMON_LOOPS_H
#define INFER_OPS_COMMON_LOOPS_H

#include "elementwise.h"

/* As infer_binary_loop. NaN wins in the first two; the others give bytes. */
#define INFER_COMMON_LOOPS(X)                                                                      \
    X(infer_common_max, float, float, (int)(a > b) | (int)(a != a) ? a : b)                        \
    X(infer_common_min, float, float, (int)(a < b) | (int)(a != a) ? a : b)                        \
    X(infer_common_equal_32, uint32_t, uint8_t, a == b)                                            \
    X(infer_common_equal_64, uint64_t, uint8_t, a == b)
#define INFER_COMMON_LOOP(name, from, to, expr)                                                    \
    void name(const void *a, size_t sa, const void *b, size_t sb, void *y, size_t n);
INFER_COMMON_LOOPS(INFER_COMMON_LOOP)
#undef INFER_COMMON_LOOP

/* As infer_unary_loop. */
void infer_common_sqrt(const infer_op_env *env, const void *x, void *y, size_t n);

/* y[i], of n, is the largest of so many numbers `step` apart from x[i * stride] on; NaN is none. */
void infer_common_largest(const float *x, size_t taps, size_t step, size_t stride, size_t n,
                          float *y);

/* Converts n elements; false where these types are none of the common ones. */
bool infer_common_cast(infer_type from, const void *x, infer_type to, void *y, size_t n);

#endif
