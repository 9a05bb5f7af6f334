/* Sums of products of 16 bits with AVX2, as the tiles of products of bytes and of Winograd's
 * algorithm have them. */
#ifndef INFER_KERNELS_AVX2_PAIRS_H
#define INFER_KERNELS_AVX2_PAIRS_H

#include "bytes.h"

#include <immintrin.h>

#define PAIRS_ROWS 6 /* by a panel: as many sums as registers hold */

/* sum[rows][16] = a * b: of so many pairs of terms, b's rows being two vectors each of eight
 * columns' pairs. */
VEC_INLINE void sum_pairs(const size_t rows, size_t pairs, const int16_t *a, size_t lda,
                          const int16_t *b, __m256i sum[][2]) {
    foreach (r, rows)
        foreach (h, 2)
            sum[r][h] = _mm256_setzero_si256();
    for (size_t l = 0; l < pairs; l++, a += 2, b += 32) {
        const __m256i v[2] = {_mm256_loadu_si256((const __m256i *)b),
                              _mm256_loadu_si256((const __m256i *)b + 1)};
        foreach (r, rows) {
            int32_t pair;
            memcpy(&pair, a + r * lda, sizeof pair);
            const __m256i u = _mm256_set1_epi32(pair);
            foreach (h, 2)
                sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(u, v[h]));
        }
    }
}

#endif
