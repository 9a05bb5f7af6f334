/* The NEON tier over bytes: products of 16 bits, which every AArch64 has; the rest is left to the
 * reference. */
#include "bytes.h"
#include "kernels.h"

#include <arm_neon.h>

static void gather_s8(size_t groups, size_t plane, size_t taps, const size_t *tap,
                      const infer_runs *runs, const uint8_t *x, int8_t *y) {
    bytes_gather(groups, plane, taps, tap, runs, x, y);
}

/* One row times one panel; each column has four sums, one for each place in a group. */
static void row(size_t n, size_t k, const uint8_t *a, const int8_t *b, const int32_t *start,
                int32_t *c) {
    int32x4_t sum[INFER_PANEL];
    int32_t all[INFER_PANEL];
    foreach (q, INFER_PANEL)
        sum[q] = vdupq_n_s32(0);
    for (size_t l = 0; l < k; l += 4, b += 64) {
        uint32_t word = k - l < 4 ? bytes_rest(a + l, k - l) : bytes_word(a + l);
        uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(word)));
        int16x4_t u = vreinterpret_s16_u16(vget_low_u16(wide));
        foreach (q, INFER_PANEL / 2) {
            int16x8_t v = vmovl_s8(vld1_s8(b + 8 * q));
            sum[2 * q] = vmlal_s16(sum[2 * q], u, vget_low_s16(v));
            sum[2 * q + 1] = vmlal_s16(sum[2 * q + 1], u, vget_high_s16(v));
        }
    }
    foreach (q, INFER_PANEL / 4) {
        int32x4_t four = vpaddq_s32(vpaddq_s32(sum[4 * q], sum[4 * q + 1]),
                                    vpaddq_s32(sum[4 * q + 2], sum[4 * q + 3]));
        if (start)
            four = vaddq_s32(four, vld1q_s32(start + 4 * q));
        vst1q_s32(all + 4 * q, four);
    }
    memcpy(c, all, (n < INFER_PANEL ? n : INFER_PANEL) * sizeof *c);
}

static void gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                      const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc) {
    for (size_t j = 0; j < n; j += INFER_PANEL, packed += (k + 3) / 4 * 64)
        for (size_t i = 0; i < m; i++)
            row(n - j, k, a + i * lda, packed, start ? start + j : NULL, c + i * ldc + j);
}

static void taps_i16(size_t n, size_t taps, const int16_t *w, const size_t *offset,
                     const int16_t *x, int32_t *y) {
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        int32x4_t low = vdupq_n_s32(0), high = low;
        for (size_t t = 0; t < taps; t++) {
            int16x8_t v = vld1q_s16(x + offset[t] + i);
            low = vmlal_n_s16(low, vget_low_s16(v), w[t]);
            high = vmlal_n_s16(high, vget_high_s16(v), w[t]);
        }
        vst1q_s32(y + i, low);
        vst1q_s32(y + i + 4, high);
    }
    for (; i < n; i++) {
        uint32_t sum = 0;
        for (size_t t = 0; t < taps; t++)
            sum += (uint32_t)(w[t] * x[offset[t] + i]);
        y[i] = (int32_t)sum;
    }
}

void infer_kernels_neon_bytes(infer_kernels *k) {
    k->taps_i16 = taps_i16;
    k->gather_s8 = gather_s8;
    k->gemm_u8s8 = gemm_u8s8;
}
