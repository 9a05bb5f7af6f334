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
 * glibc's:
 *             f32    f64
 *   exp       1.02   1.1
 *   sigmoid   2.5    2.5
 *   tanh      2.7    2.7
 *   erf       1.1    1.3
 * Edges are those of the C library: exp(-inf) = 0, exp(inf) = inf, overflow gives inf,
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

#include "attend.h"
#include "conv2d.h"
#include "conv_line.h"
#include "even.h"
#include "half.h"
#include "walk.h"

#include <stdbool.h>
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
 * conv_blocked    y = act(x * w + bias + add) for a part of an image (add NULL: nothing); where
 *                 what is added is late, y = act(x * w + bias) + add. scratch has
 *                 INFER_CONV_SCRATCH floats, 64-byte aligned.
 * conv_winograd   the same of less arithmetic where infer_conv_is_winograd says so. scratch has
 *                 infer_winograd_scratch floats.
 * conv_line       the same along one axis where infer_conv_is_line says so; places are its tiles.
 *                 scratch has infer_line_scratch floats.
 * conv_depthwise  the same where each output channel has one input channel; nothing is late.
 * pool_blocked    the largest (-inf of none) or the mean (0 of none) of each window; NaN does not
 *                 count as large.
 * lrn_blocked     y = x / (bias + scale * s)^(3/4), s being the sum of the squares of `size`
 *                 channels around, (size - 1) / 2 of them before: INFER_LRN_BLOCKED at most. Of the
 *                 places of c->in those of c->out, which x and y begin with.
 * shuffle_blocked one block of y, whose channel i is channel i % group * (channels / group) +
 *                 i / group of x; the extents are c->in.
 * affine_blocked  y = clip(x * scale + shift); the extents are c->in.
 * gelu            y = x / 2 (1 + erf(x / sqrt(2))) of n elements, in place allowed; the error is
 *                 below 2^-23 |x|. Of -inf it is 0 or NaN.
 * clip            y = min(high, max(low, x)); a NaN stays one. In place allowed.
 * activate        y = act(x) of n elements; places of one panel where there are slopes. In place
 *                 allowed.
 * normalize       y = (x - mean) / sqrt(variance + epsilon) * scale + bias (NULL: 0) of a row of n;
 *                 where not centered the mean is 0. In place allowed.
 * widen_panel     y = x * scale[column] of k rows of a panel of integers, rounded once.
 * gemm_scaled     gemm_packed of such panels as they would be widened, each of INFER_PANEL scales
 *                 and k rows; for few rows of a.
 * widen_half      y = x of bfloat16; n is a multiple of INFER_PANEL.
 * gemm_half       gemm_packed of a rounded to bfloat16 (to nearest even; a NaN stays one) and
 *                 packed bfloat16; sums are float. Numbers below 2^-126 may count as 0. scratch has
 *                 INFER_HALF_SCRATCH bytes, 64-byte aligned. A row's bits do not depend on the
 *                 others, nor a column's. false: nothing is done, as the processor has no products
 *                 of bfloat16 that are faster, or the system refuses them.
 * add, sub, mul, div  y[i] = a[i * sa] op b[i * sb] of n elements, sa and sb 0 or 1; y may be a
 *                 where sa is 1, and b where sb is. The bits are those of the C operator.
 *
 * attend          y = softmax(scores) * v for queries of one head (attend.h); scratch has
 *                 infer_attend_scratch floats, 64-byte aligned. A query's bits depend on itself,
 *                 the keys and `few` alone.
 *
 * Sums are chains of multiply-adds, in the order of the packed rows but for the bias, which is
 * first or last: an error of n roundings of the sum of the magnitudes at most. */
#define INFER_KERNELS_BLOCKED(X)                                                                   \
    X(void, conv_blocked_f32,                                                                      \
      (const infer_conv2d *c, const infer_conv_part *part, const float *x, const float *w,         \
       const float *bias, const float *add, float *y, float *scratch))                             \
    X(void, conv_winograd_f32,                                                                     \
      (const infer_conv2d *c, const infer_conv_part *part, const float *x, const float *w,         \
       const float *bias, const float *add, float *y, float *scratch))                             \
    X(void, conv_line_f32,                                                                         \
      (const infer_conv2d *c, const infer_conv_part *part, const float *x, const float *w,         \
       const float *bias, const float *add, float *y, float *scratch))                             \
    X(void, conv_depthwise_f32,                                                                    \
      (const infer_conv2d *c, const float *x, const float *w, const float *bias, const float *add, \
       float *y))                                                                                  \
    X(void, pool_blocked_f32, (const infer_conv2d *c, const float *x, float *y))                   \
    X(void, lrn_blocked_f32,                                                                       \
      (const infer_conv2d *c, size_t size, float scale, float bias, const float *x, float *y))     \
    X(void, shuffle_blocked_f32, (const infer_conv2d *c, size_t block, const float *x, float *y))  \
    X(void, affine_blocked_f32,                                                                    \
      (const infer_conv2d *c, const float *x, const float *scale, const float *shift, float *y))   \
    X(void, gelu_f32, (const float *x, float *y, size_t n))                                        \
    X(void, attend_f32, (const infer_attend *a, float *scratch))                                   \
    X(void, widen_panel_f32, (size_t k, const int8_t *x, const float *scale, float *y))            \
    X(void, gemm_scaled_f32,                                                                       \
      (size_t m, size_t n, size_t k, const float *a, size_t lda, const void *packed,               \
       const float *bias, float *c, size_t ldc))                                                   \
    X(void, widen_half_f32, (const uint16_t *x, float *y, size_t n))                               \
    X(bool, gemm_half_f32,                                                                         \
      (size_t m, size_t n, size_t k, const float *a, size_t lda, const uint16_t *packed,           \
       const float *bias, float *c, size_t ldc, void *scratch))                                    \
    X(void, clip_f32, (const float *x, float *y, size_t n, float low, float high))                 \
    X(void, activate_f32, (const infer_activation *a, const float *x, float *y, size_t n))         \
    X(void, normalize_f32,                                                                         \
      (const float *x, size_t n, float epsilon, bool centered, const float *scale,                 \
       const float *bias, float *y))                                                               \
    X(void, add_f32, INFER_BINARY)                                                                 \
    X(void, sub_f32, INFER_BINARY) X(void, mul_f32, INFER_BINARY) X(void, div_f32, INFER_BINARY)

#define INFER_BINARY (const void *a, size_t sa, const void *b, size_t sb, void *y, size_t n)

/* Runs of neighbours among the columns of a panel: bytes from to[r] on are those from from[r] on,
 * up to where the next run begins. to[0] is 0, all are multiples of 4. */
typedef struct infer_runs {
    size_t count, from[INFER_PANEL], to[INFER_PANEL];
} infer_runs;

/* Taps of one channel: their weights and where each sees the first place, 8 bits and a sign in 16;
 * and what is done to the sums. */
typedef struct infer_taps8 {
    size_t count;
    const int16_t *w;
    const size_t *offset;
    int32_t add, zero;
    float scale;
    bool sign;
} infer_taps8;

/* A convolution of 8-bit numbers to such, in steps of four numbers of a place, which lie together:
 * each step sees what is `at` bytes behind the place. Sixteen places are `panel` bytes before the
 * next sixteen. Of each `across` places the first `width` count. w: [outputs][steps][4]. Sums begin
 * at `add` and are multiplied by `scale`, both of an output, rounded to even, and moved by zero. */
typedef struct infer_conv8 {
    size_t steps, panel, width, across;
    const size_t *at;
    const int8_t *w;
    const int32_t *add;
    const float *scale;
    int32_t zero;
    bool sign;
} infer_conv8;

/* A convolution of three by three whose steps are single, of one image of 8 bits: extents, the
 * padding before, patches of two by two outputs along a row. The input's numbers are unsigned once
 * flip is added, and so is its zero point, which pads. */
typedef struct infer_winograd8 {
    size_t channels, in[2], out[2], before[2], columns;
    uint8_t flip, zero;
} infer_winograd8;

/* Rows of patches together, in whole panels. */
static inline size_t infer_winograd8_tiles(const infer_winograd8 *c, size_t rows) {
    return (rows * c->columns + INFER_PANEL - 1) / INFER_PANEL * INFER_PANEL;
}
/* Numbers between one of a patch's sixteen terms and the next, of the input and of sums: off each
 * other's lines of the cache. */
static inline size_t infer_winograd8_gap(const infer_winograd8 *c, size_t tiles) {
    return tiles * ((c->channels + 1) / 2 * 2) + 2 * INFER_PANEL;
}
static inline size_t infer_winograd8_apart(size_t outputs, size_t tiles) {
    return outputs * (tiles + INFER_PANEL) + INFER_PANEL;
}
/* Bytes of room that the two kernels take. */
static inline size_t infer_winograd8_input_room(const infer_winograd8 *c, size_t tiles) {
    return 64 * (tiles + INFER_PANEL) + 2 * c->columns + 64;
}
static inline size_t infer_winograd8_sums_room(size_t outputs, size_t tiles) {
    return 64 * infer_winograd8_apart(outputs, tiles) + 16 * tiles;
}

/* Words of a panel's marks, a bit for each group of four of its k rows. */
static inline size_t infer_mark_words(size_t k) {
    return k / 256 + (k % 256 != 0);
}

/* Over 8-bit numbers. B is packed: panel p holds k rounded up to whole groups of four rows, a group
 * INFER_PANEL columns, a column the four numbers of its rows, zero past k and n. `start` and `sums`
 * have whole panels. Sums are exact modulo 2^32. Numbers are rounded to even, moved by zero and
 * saturate at what 8 bits hold, signed or not; NaN counts as the smallest.
 *
 * pack_s8 packs b [k][n] and adds up its columns (sums NULL: does not); flip is added to all
 * numbers on the way, 128 to make unsigned ones signed, or 0.
 *
 * gather_s8 makes a panel of groups of four rows: of `groups` planes, `plane` bytes apart, and of
 * each tap in them. A group is what runs of neighbours have; 64 bytes may be read from the
 * beginning of each, and y has room for another group.
 *
 * gemm_u8s8: c[m][n] = a[m][k] * b[k][n] + start[n] (NULL: none). marks (NULL: not known): a bit
 * for each group of a panel, which begin at whole words, is set where a column's first two numbers,
 * or its last two, add up to more than 128 or less than -128, so that 255 times as much is beyond
 * 16 bits. axpy_i32: y += by * x.
 *
 * quantize_8: y = x / scale. requantize_8: y = (x + add) * scale[i * step]. dequantize_8: y = (x -
 * zero) * scale. rescale_f32: y = (x + add) * scale[i * step] + bias[i] (NULL: none), rounded after
 * each. range_f32: the smallest and the largest of the numbers and 0, past NaN.
 *
 * widen_8: y[rows][n] = (x ^ flip) - zero. taps_8: sums[r][n], or, where these are NULL, y as by
 * requantize_8, of rows that are ld apart in x: add + the sum of w[t] * x[offset[t] + i]. 31
 * numbers behind those of a row may be read.
 *
 * lookup_8: y = table[x], x being unsigned; in place, too. add_8: y = rest + a * by_a + b * by_b,
 * rounded after each, a and b being unsigned, signed ones moved by 128. mul_8: y = (a - zero_a) *
 * (b - zero_b) * scale. max_8: y[i] is the largest of x[t * step + i * stride], t below taps.
 * sum_f32: y[i] is their sum, in this order, over by[i] (NULL: 1), with the bits of the C
 * operators. Both take strides beyond 2 a number at a time. pick_8: y[i] = x[i * step]. */
#define INFER_KERNELS_BYTES(X)                                                                     \
    X(void, pack_s8,                                                                               \
      (size_t k, size_t n, const uint8_t *b, size_t ldb, uint8_t flip, int8_t *packed,             \
       int32_t *sums))                                                                             \
    X(void, gather_s8,                                                                             \
      (size_t groups, size_t plane, size_t taps, const size_t *tap, const infer_runs *runs,        \
       const uint8_t *x, int8_t *y))                                                               \
    X(void, gemm_u8s8,                                                                             \
      (size_t m, size_t n, size_t k, const uint8_t *a, size_t lda, const int8_t *packed,           \
       const uint64_t *marks, const int32_t *start, int32_t *c, size_t ldc))                       \
    X(void, quantize_8,                                                                            \
      (const float *x, size_t n, float scale, int32_t zero, bool sign, uint8_t *y))                \
    X(void, requantize_8,                                                                          \
      (const int32_t *x, size_t n, int32_t add, const float *scale, size_t step, int32_t zero,     \
       bool sign, uint8_t *y))                                                                     \
    X(void, dequantize_8,                                                                          \
      (const uint8_t *x, size_t n, bool sign, int32_t zero, float scale, float *y))                \
    X(void, rescale_f32,                                                                           \
      (const int32_t *x, size_t n, int32_t add, const float *scale, size_t step,                   \
       const float *bias, float *y))                                                               \
    X(void, axpy_i32, (size_t n, uint32_t by, const int32_t *x, int32_t *y))                       \
    X(void, range_f32, (const float *x, size_t n, float *low, float *high))                        \
    X(void, lookup_8, (const uint8_t *x, size_t n, const uint8_t *table, uint8_t *y))              \
    X(void, add_8,                                                                                 \
      (const uint8_t *a, const uint8_t *b, size_t n, bool sign, float by_a, float by_b,            \
       float rest, int32_t zero, uint8_t *y))                                                      \
    X(void, mul_8,                                                                                 \
      (const uint8_t *a, const uint8_t *b, size_t n, bool sign, int32_t zero_a, int32_t zero_b,    \
       float scale, int32_t zero, uint8_t *y))                                                     \
    X(void, max_8,                                                                                 \
      (const uint8_t *x, size_t taps, size_t step, size_t stride, size_t n, bool sign,             \
       uint8_t *y))                                                                                \
    X(void, sum_f32,                                                                               \
      (const float *x, size_t taps, size_t step, size_t stride, size_t n, const float *by,         \
       float *y))                                                                                  \
    X(void, pick_8, (const uint8_t *x, size_t step, size_t n, uint8_t *y))                         \
    X(void, widen_8,                                                                               \
      (size_t rows, size_t n, const uint8_t *x, size_t ldx, uint8_t flip, int32_t zero,            \
       int16_t *y, size_t ldy))                                                                    \
    X(void, taps_8,                                                                                \
      (size_t rows, size_t n, size_t ld, const infer_taps8 *t, const int16_t *x, int32_t *sums,    \
       uint8_t *y))

/* Convolutions of 8-bit numbers by Winograd's algorithm; all three are NULL where gemm_u8s8 is
 * faster.
 *
 * winograd_weights_8: what it makes of an output's weights, `groups` of four channels, two at
 * least, each tap of them, less zero: sixteen terms, step apart, of each channel.
 * winograd_input_8: what it makes of `rows` rows of patches from `first` on. winograd_sums_8: the
 * sums of so many outputs, ld apart, at the places of these, of both. */
#define INFER_KERNELS_WINOGRAD_8(X)                                                                \
    X(void, winograd_weights_8,                                                                    \
      (size_t groups, const uint8_t *w, int32_t zero, size_t step, int16_t *y))                    \
    X(void, winograd_input_8,                                                                      \
      (const infer_winograd8 *c, const uint8_t *x, size_t first, size_t rows, int16_t *y,          \
       void *room))                                                                                \
    X(void, winograd_sums_8,                                                                       \
      (const infer_winograd8 *c, size_t outputs, size_t first, size_t rows, const int16_t *w,      \
       size_t step, const int16_t *x, int32_t *sums, size_t ld, void *room))

/* Convolutions of 8-bit numbers to 8-bit numbers; NULL where products whose sums are stored are as
 * fast.
 *
 * conv_8: y[outputs][the places that count, of `count`], the first at the beginning of a row; x is
 * unsigned, and 64 bytes are read of what each step sees of every sixteenth place. */
#define INFER_KERNELS_CONV_8(X)                                                                    \
    X(void, conv_8,                                                                                \
      (const infer_conv8 *c, size_t outputs, size_t count, const uint8_t *x, uint8_t *y,           \
       size_t ldy))

/* Over decision trees.
 *
 * trees_f32: takes that many steps from the nodes from[0..count): from a node to its first child
 * or, where row[feature] <= value, the one behind it, but never past the last node, nor does it
 * begin past it. Where walks end: at, which may be `from`, and values; both have room for whole
 * lanes of INFER_WALK_LANES. Whether one of these nodes has children. The row has all features that
 * the mask allows; `last` is below 2^31. */
#define INFER_KERNELS_TREES(X)                                                                     \
    X(bool, trees_f32,                                                                             \
      (const infer_tree_nodes *t, const float *row, const uint32_t *from, uint32_t *at,            \
       float *values, size_t count, uint32_t steps))

/* Every kernel of the house. */
#define INFER_KERNELS(X)                                                                           \
    INFER_KERNELS_OF(X, float, f32)                                                                \
    INFER_KERNELS_OF(X, double, f64)                                                               \
    INFER_KERNELS_BLOCKED(X)                                                                       \
    INFER_KERNELS_BYTES(X)                                                                         \
    INFER_KERNELS_WINOGRAD_8(X) INFER_KERNELS_CONV_8(X) INFER_KERNELS_TREES(X)

typedef struct infer_kernels {
#define INFER_FIELD(result, name, parameters) result(*name) parameters;
    INFER_KERNELS(INFER_FIELD)
#undef INFER_FIELD
} infer_kernels;

/* Fills the table with the scalar reference, then with every tier cpu_flags (cpu.h) allow; but for
 * the kernels over blocks and bytes, which the second function adds where there are operators. */
void infer_kernels_init(infer_kernels *k, uint32_t cpu_flags);
void infer_kernels_init_blocked(infer_kernels *k, uint32_t cpu_flags);

/* One tier's functions over what is there; called by these two alone. */
#define INFER_KERNEL_TIERS(X) X(scalar) X(avx2) X(avx512) X(neon)
#define INFER_TIER(tier)                                                                           \
    void infer_kernels_##tier(infer_kernels *k);                                                   \
    void infer_kernels_##tier##_blocked(infer_kernels *k);
INFER_KERNEL_TIERS(INFER_TIER)
#undef INFER_TIER

/* The part of the second over bytes, and its tiers. */
void infer_kernels_init_bytes(infer_kernels *k, uint32_t cpu_flags);
void infer_kernels_scalar_bytes(infer_kernels *k);
void infer_kernels_avx2_bytes(infer_kernels *k);
void infer_kernels_vnni_bytes(infer_kernels *k);
void infer_kernels_vbmi_bytes(infer_kernels *k);
void infer_kernels_amx_bytes(infer_kernels *k);
void infer_kernels_neon_bytes(infer_kernels *k);

/* Products in bfloat16: in registers, where those are fast, and by the tiles of AMX. */
void infer_kernels_avx512_half(infer_kernels *k);
void infer_kernels_amx_half(infer_kernels *k);

/* The part over trees, and its tiers. */
void infer_kernels_init_trees(infer_kernels *k, uint32_t cpu_flags);
void infer_kernels_scalar_trees(infer_kernels *k);
void infer_kernels_avx2_trees(infer_kernels *k);
void infer_kernels_avx512_trees(infer_kernels *k);

#endif
