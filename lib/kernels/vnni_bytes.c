/* Products of bytes with AVX-512 VNNI. Compiled with the flags of the AVX-512 tier and
 * -mavx512vnni; runs where INFER_CPU_AVX512_VNNI is set as well. */
#include "bytes.h"
#include "kernels.h"

#include <immintrin.h>

/* rows x panels sums in registers. Panels past the last are the last again and not stored. */
VEC_INLINE void tile(const size_t rows, const size_t panels, size_t n, size_t k, const uint8_t *a,
                     size_t lda, const int8_t *packed, const int32_t *start, int32_t *c,
                     size_t ldc) {
    const size_t panel = (k + 3) / 4 * 64;
    const int8_t *b[4];
    __m512i sum[8][4];
    foreach (p, panels) {
        const bool there = p * INFER_PANEL < n;
        b[p] = there ? packed + p * panel : b[p - 1];
        __m512i first =
            start && there ? _mm512_loadu_si512(start + p * INFER_PANEL) : _mm512_setzero_si512();
        foreach (r, rows)
            sum[r][p] = first;
    }
    size_t l = 0, at = 0;
    for (; l + 4 <= k; l += 4, at += 64) {
        __m512i v[4];
        foreach (p, panels)
            v[p] = _mm512_loadu_si512(b[p] + at);
        foreach (r, rows) {
            __m512i u = _mm512_set1_epi32((int32_t)bytes_word(a + r * lda + l));
            foreach (p, panels)
                sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], u, v[p]);
        }
    }
    if (l < k)
        foreach (r, rows) {
            __m512i u = _mm512_set1_epi32((int32_t)bytes_rest(a + r * lda + l, k - l));
            foreach (p, panels)
                sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], u, _mm512_loadu_si512(b[p] + at));
        }
    foreach (p, panels) {
        if (p * INFER_PANEL >= n)
            break;
        size_t columns = n - p * INFER_PANEL;
        __mmask16 mask = (__mmask16)(columns < INFER_PANEL ? (1u << columns) - 1 : 0xffff);
        foreach (r, rows)
            _mm512_mask_storeu_epi32(c + r * ldc + p * INFER_PANEL, mask, sum[r][p]);
    }
}

static void gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                      const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc) {
    const size_t panel = (k + 3) / 4 * 64;
    size_t i = 0;
    if (m > 1)
        for (size_t j = 0; j < n; j += 2 * INFER_PANEL) {
            const int8_t *b = packed + j / INFER_PANEL * panel;
            const int32_t *first = start ? start + j : NULL;
            i = 0;
#define ROWS(rows)                                                                                 \
    for (; m - i >= (rows); i += (rows))                                                           \
        tile(rows, 2, n - j, k, a + i * lda, lda, b, first, c + i * ldc + j, ldc);
            ROWS(8)
            ROWS(2)
#undef ROWS
        }
    if (i < m)
        for (size_t j = 0; j < n; j += 4 * INFER_PANEL)
            tile(1, 4, n - j, k, a + i * lda, lda, packed + j / INFER_PANEL * panel,
                 start ? start + j : NULL, c + i * ldc + j, ldc);
}

void infer_kernels_vnni_bytes(infer_kernels *k) {
    k->gemm_u8s8 = gemm_u8s8;
}
