/* Products of bytes with few columns with AVX2, along the rows of the left. Compiled with -mavx2;
 * runs where INFER_CPU_AVX2 is set. */
#include "bytes.h"

#include <immintrin.h>

#define ROWS  4
#define DEPTH 512 /* numbers of a column, widened */

/* Column j of a panel, so many terms of it, and zeros up to whole vectors. */
static void widen_column(size_t k, const int8_t *b, int16_t *to) {
    size_t l = 0;
    for (; l < k; l++)
        to[l] = b[l / 4 * 64 + l % 4];
    for (; l % 16; l++)
        to[l] = 0;
}

VEC_INLINE __m256i widened(const uint8_t *a) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)a));
}

/* The sums of four rows, each ld behind the one before. */
static __m128i four(size_t k, const uint8_t *a, size_t ld, const int16_t *b) {
    __m256i sum[ROWS];
    uint8_t last[16] = {0};
    foreach (r, ROWS)
        sum[r] = _mm256_setzero_si256();
    for (size_t l = 0; l < k; l += 16) {
        const __m256i v = _mm256_load_si256((const __m256i *)(b + l));
        foreach (r, ROWS) {
            const uint8_t *from = a + r * ld + l;
            if (k - l < 16)
                from = memcpy(last, from, k - l);
            sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(widened(from), v));
        }
    }
    const __m256i all =
        _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

void infer_avx2_gemm_columns(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                             const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc) {
    _Alignas(32) int16_t column[DEPTH];
    for (size_t j = 0; j < n; j++) {
        size_t i = 0, depth;
        do {
            depth = k - i < DEPTH ? k - i : DEPTH;
            widen_column(depth, packed + i * INFER_PANEL + 4 * j, column);
            for (size_t r = 0; r < m; r += ROWS) {
                int32_t sums[ROWS];
                const size_t rows = m - r < ROWS ? m - r : ROWS;
                const uint8_t *from = a + r * lda + i;
                if (rows == ROWS)
                    _mm_storeu_si128((__m128i *)sums, four(depth, from, lda, column));
                else
                    for (size_t q = 0; q < rows; q++)
                        sums[q] = _mm_cvtsi128_si32(four(depth, from + q * lda, 0, column));
                for (size_t q = 0; q < rows; q++) {
                    int32_t *to = c + (r + q) * ldc + j;
                    const int32_t init = i ? *to : start ? start[j] : 0;
                    *to = (int32_t)((uint32_t)init + (uint32_t)sums[q]);
                }
            }
            i += depth;
        } while (i < k);
    }
}
