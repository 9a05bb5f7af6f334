/* Products of bytes with few columns with AVX2: of numbers widened to 16 bits. Compiled with
 * -mavx2; runs where INFER_CPU_AVX2 is set. */
#include "bytes.h"

#include <immintrin.h>

#define TERM int16_t
#define STEP 16
#include "bytes_columns.inc.h"

VEC_INLINE __m256i widened(const uint8_t *a) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)a));
}

static __m128i four(size_t k, const uint8_t *a, size_t ld, const int16_t *b) {
    __m256i sum[ROWS];
    uint8_t last[STEP] = {0};
    foreach (r, ROWS)
        sum[r] = _mm256_setzero_si256();
    for (size_t l = 0; l < k; l += STEP) {
        const __m256i v = _mm256_load_si256((const __m256i *)(b + l));
        foreach (r, ROWS) {
            const uint8_t *from = a + r * ld + l;
            if (k - l < STEP)
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
    few_columns(m, n, k, a, lda, packed, start, c, ldc);
}
