/* The table of kernels: numbers in, numbers out, one variant per instruction set.
 *
 * For all of them: n == 0 is allowed; pointers need the alignment of their element only; inputs
 * are not read and outputs not written past the extents given; no state, any thread.
 *
 * Sums. A variant gives the same bits for the same numbers, whatever their alignment. A row of the
 * SIMD variants' matvec depends on k alone, so rows may be shared out among calls; so may the rows
 * of gemm_packed from two on: each element is a chain of multiply-adds over k that starts at the
 * bias, the same bits in every SIMD variant. A single row sums each column alike whatever n is.
 * OpenBLAS promises none of this.
 *
 * exp, sigmoid, tanh, erf (in place allowed: y == x). Largest errors of the SIMD variants against
 * the exact value in units in the last place, found over all floats and over 50 million doubles;
 * the scalar variant is the C library's exp, tanh and erf, and keeps to the same bounds with
 * glibc's: f32    f64 exp         1.02   1.1 sigmoid     2.5    2.5 tanh        2.7    2.7 erf 1.1
 * 1.3 Edges are those of the C library: exp(-inf) = 0, exp(inf) = inf, overflow gives inf,
 * underflow passes through the subnormals to 0; sigmoid ends in 0 and 1, tanh and erf in -1 and 1;
 * those of -0.0 are -0.0; NaN gives NaN. How: simd_math.inc.h.
 *
 * softmax, log_softmax, logsumexp (one row, in place allowed) subtract the row's maximum first.
 * A NaN anywhere makes the whole row NaN. Where the maximum is an infinity the difference of
 * infinities is NaN, as in NumPy: softmax of a row of -inf is NaN everywhere, and so is a row
 * with +inf wherever the sum is touched by it. logsumexp gives -inf for a row of -inf (and for
 * n == 0) and inf for a row with inf and no NaN, the limits.
 */
#ifndef INFER_KERNELS_H
#define INFER_KERNELS_H

#include "conv2d.h"

#include <stddef.h>
#include <stdint.h>

/* Columns of a panel of packed weights, everywhere and for every element type. */
#define INFER_PANEL 16

/* X(result, name, parameters) for one element type T with suffix S.
 *
 * dot           sum of a[i] * b[i].
 * matvec        y[r] = sum over c of w[r * ldw + c] * x[c], plus bias[r] (NULL: none), for n rows
 *               of k columns. y overlaps no input.
 * gemm_packed   c[m][n] = a[m][k] * b[k][n] + bias[n] (NULL: none). b is packed (pack.h): panel p
 *               holds k rows of INFER_PANEL columns, zero past n. c overlaps no input. lda and ldc
 *               are the distances of rows in elements. m == 1 is matvec with packed weights. */
#define INFER_KERNELS_OF(X, T, S)                                                                  \
    X(T, dot_##S, (const T *a, const T *b, size_t n))                                              \
    X(void, matvec_##S,                                                                            \
      (size_t n, size_t k, const T *w, size_t ldw, const T *x, const T *bias, T *y))               \
    X(void, gemm_packed_##S,                                                                       \
      (size_t m, size_t n, size_t k, const T *a, size_t lda, const T *packed, const T *bias, T *c, \
       size_t ldc))                                                                                \
    X(void, exp_##S, (const T *x, T *y, size_t n))                                                 \
    X(void, sigmoid_##S, (const T *x, T *y, size_t n))                                             \
    X(void, tanh_##S, (const T *x, T *y, size_t n))                                                \
    X(void, erf_##S, (const T *x, T *y, size_t n))                                                 \
    X(void, softmax_##S, (const T *x, T *y, size_t n))                                             \
    X(void, log_softmax_##S, (const T *x, T *y, size_t n))                                         \
    X(T, logsumexp_##S, (const T *x, size_t n))

/* Over blocks of channels (conv2d.h), in float alone. bias, scale and shift have whole panels. y
 * overlaps no input; but affine_blocked may be in place.
 *
 * conv_blocked    y = clip(x * w + bias + add) for one image (add NULL: nothing). scratch has
 *                 INFER_CONV_SCRATCH floats, 64-byte aligned.
 * conv_winograd   the same of less arithmetic where infer_conv_is_winograd says so. scratch has
 *                 infer_winograd_scratch floats.
 * conv_depthwise  the same where each output channel has one input channel.
 * pool_blocked    the largest (-inf of none) or the mean (0 of none) of each window; NaN does not
 *                 count as large.
 * affine_blocked  y = clip(x * scale + shift); the extents are c->in.
 * gelu            y = x / 2 (1 + erf(x / sqrt(2))) of n elements, in place allowed; the error is
 *                 below 2^-23 |x|.
 * add, sub, mul, div  y[i] = a[i * sa] op b[i * sb] of n elements, sa and sb 0 or 1; y may be a
 * where sa is 1, and b where sb is. The bits are those of the C operator.
 *
 * Sums are chains of multiply-adds, in the order of the packed rows but for the bias, which is
 * first or last: an error of n roundings of the sum of the magnitudes at most. */
#define INFER_KERNELS_BLOCKED(X)                                                                   \
    X(void, conv_blocked_f32,                                                                      \
      (const infer_conv2d *c, const float *x, const float *w, const float *bias, const float *add, \
       float *y, float *scratch))                                                                  \
    X(void, conv_winograd_f32,                                                                     \
      (const infer_conv2d *c, const float *x, const float *w, const float *bias, const float *add, \
       float *y, float *scratch))                                                                  \
    X(void, conv_depthwise_f32,                                                                    \
      (const infer_conv2d *c, const float *x, const float *w, const float *bias, const float *add, \
       float *y))                                                                                  \
    X(void, pool_blocked_f32, (const infer_conv2d *c, const float *x, float *y))                   \
    X(void, affine_blocked_f32,                                                                    \
      (const infer_conv2d *c, const float *x, const float *scale, const float *shift, float *y))   \
    X(void, gelu_f32, (const float *x, float *y, size_t n))                                        \
    X(void, add_f32, INFER_BINARY)                                                                 \
    X(void, sub_f32, INFER_BINARY) X(void, mul_f32, INFER_BINARY) X(void, div_f32, INFER_BINARY)

#define INFER_BINARY (const void *a, size_t sa, const void *b, size_t sb, void *y, size_t n)

/* Every kernel of the house. */
#define INFER_KERNELS(X)                                                                           \
    INFER_KERNELS_OF(X, float, f32) INFER_KERNELS_OF(X, double, f64) INFER_KERNELS_BLOCKED(X)

typedef struct infer_kernels {
#define INFER_FIELD(result, name, parameters) result(*name) parameters;
    INFER_KERNELS(INFER_FIELD)
#undef INFER_FIELD
} infer_kernels;

/* Fills the table with the scalar reference, then with every tier cpu_flags (cpu.h) allow; but for
 * the kernels over blocks, which the second function adds where there are operators. */
void infer_kernels_init(infer_kernels *k, uint32_t cpu_flags);
void infer_kernels_init_blocked(infer_kernels *k, uint32_t cpu_flags);

/* One tier's functions over what is there; called by these two alone. */
#define INFER_KERNEL_TIERS(X) X(scalar) X(avx2) X(avx512) X(neon)
#define INFER_TIER(tier)                                                                           \
    void infer_kernels_##tier(infer_kernels *k);                                                   \
    void infer_kernels_##tier##_blocked(infer_kernels *k);
INFER_KERNEL_TIERS(INFER_TIER)
#undef INFER_TIER

#endif
