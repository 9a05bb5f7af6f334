/* What products in bfloat16 share, whether wide registers or tiles multiply: blocks of rows and of
 * k, numbers rounded and paired, sums that become part of c. */
#ifndef INFER_KERNELS_AVX512_HALF_H
#define INFER_KERNELS_AVX512_HALF_H

#include "avx512_tiles.h"
#include "half.h"
#include "kernels.h"
#include "vec.h"

#include <immintrin.h>

#define HALF_PAIRS (2 * INFER_PANEL) /* numbers of a register: pairs, one for each column */

/* n numbers of a row rounded, at most HALF_PAIRS, then zeros. */
VEC_INLINE __m512i half_round(const float *x, size_t n) {
    const __mmask16 low = lanes(n), high = n > 16 ? lanes(n - 16) : 0;
    return (__m512i)_mm512_cvtne2ps_pbh(high ? _mm512_maskz_loadu_ps(high, x + 16)
                                             : _mm512_setzero_ps(),
                                        _mm512_maskz_loadu_ps(low, x));
}

/* k rows of a panel, two at a time: the two numbers of each column side by side, zero past k. What
 * is behind them. */
VEC_INLINE uint16_t *half_pairs(size_t k, const uint16_t *panel, uint16_t *to) {
    uint16_t order[HALF_PAIRS];
    for (size_t j = 0; j < HALF_PAIRS; j++)
        order[j] = (uint16_t)(j / 2 + j % 2 * INFER_PANEL);
    const __m512i pairs = _mm512_loadu_si512(order);
    for (size_t l = 0; l < k; l += 2, to += HALF_PAIRS) {
        const __mmask32 mask = k - l < 2 ? 0xffff : 0xffffffff;
        const __m512i two = _mm512_maskz_loadu_epi16(mask, panel + l * INFER_PANEL);
        _mm512_storeu_si512(to, _mm512_permutexvar_epi16(pairs, two));
    }
    return to;
}

/* A product of some rows of A and some of k. */
typedef struct half_block {
    size_t rows, n, depth, panel; /* panel: the distance of panels */
    const float *a;
    const uint16_t *packed;
    const float *bias; /* NULL: none */
    bool first;        /* the first of k: c is written, else added to */
    float *c;
    size_t lda, ldc;
} half_block;

/* Sums of a row of c, a panel from column j on, become part of it. */
VEC_INLINE void half_add(const half_block *b, size_t row, size_t j, __m512 sum) {
    const __mmask16 mask = lanes(b->n - j);
    float *to = b->c + row * b->ldc + j;
    __m512 start = _mm512_setzero_ps();
    if (!b->first)
        start = _mm512_maskz_loadu_ps(mask, to);
    else if (b->bias)
        start = _mm512_maskz_loadu_ps(mask, b->bias + j);
    _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(start, sum));
}

/* gemm_half block by block; `multiply` does one in the scratch. */
VEC_INLINE void half_product(void (*multiply)(const half_block *b, uint16_t *scratch), size_t m,
                             size_t n, size_t k, const float *a, size_t lda, const uint16_t *packed,
                             const float *bias, float *c, size_t ldc, void *scratch) {
    for (size_t i = 0; i < m; i += INFER_HALF_ROWS) {
        size_t l = 0;
        do {
            const half_block b = {.rows = m - i < INFER_HALF_ROWS ? m - i : INFER_HALF_ROWS,
                                  .n = n,
                                  .depth = k - l < INFER_HALF_K ? k - l : INFER_HALF_K,
                                  .panel = k * INFER_PANEL,
                                  .a = a + i * lda + l,
                                  .packed = packed + l * INFER_PANEL,
                                  .bias = bias,
                                  .first = l == 0,
                                  .c = c + i * ldc,
                                  .lda = lda,
                                  .ldc = ldc};
            multiply(&b, scratch);
            l += b.depth;
        } while (l < k);
    }
}

#endif
