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
                      const int8_t *packed, const uint64_t *marks, const int32_t *start, int32_t *c,
                      size_t ldc) {
    (void)marks; /* nothing saturates */
    for (size_t j = 0; j < n; j += INFER_PANEL, packed += (k + 3) / 4 * 64)
        for (size_t i = 0; i < m; i++)
            row(n - j, k, a + i * lda, packed, start ? start + j : NULL, c + i * ldc + j);
}

/* ---- elements ---- */

/* A quarter of the table at a time: what is past it leaves what was there. */
static void lookup_8(const uint8_t *x, size_t n, const uint8_t *table, uint8_t *y) {
    uint8x16x4_t t[4];
    foreach (q, 4)
        t[q] = vld1q_u8_x4(table + 64 * q);
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        const uint8x16_t v = vld1q_u8(x + i);
        uint8x16_t found = vqtbl4q_u8(t[0], v);
        foreach (q, 3)
            found = vqtbx4q_u8(found, t[q + 1], vsubq_u8(v, vdupq_n_u8((uint8_t)(64 * q + 64))));
        vst1q_u8(y + i, found);
    }
    for (; i < n; i++)
        y[i] = table[x[i]];
}

/* Eight numbers. */
VEC_INLINE int16x8_t wide(const uint8_t *x, bool sign) {
    const uint8x8_t v = vld1_u8(x);
    return sign ? vmovl_s8(vreinterpret_s8_u8(v)) : vreinterpretq_s16_u16(vmovl_u8(v));
}

/* Beyond what 8 bits and a zero point of them can be. NaN, which there is none of, is as zero. */
#define FAR 1024.0f

VEC_INLINE void store(float32x4_t low, float32x4_t high, int32_t zero, bool sign, uint8_t *y) {
    const float32x4_t most = vdupq_n_f32(FAR), least = vdupq_n_f32(-FAR);
    const int32x4_t move = vdupq_n_s32(zero);
    low = vminq_f32(vmaxq_f32(low, least), most);
    high = vminq_f32(vmaxq_f32(high, least), most);
    const int16x8_t all = vcombine_s16(vqmovn_s32(vaddq_s32(vcvtnq_s32_f32(low), move)),
                                       vqmovn_s32(vaddq_s32(vcvtnq_s32_f32(high), move)));
    vst1_u8(y, sign ? vreinterpret_u8_s8(vqmovn_s16(all)) : vqmovun_s16(all));
}

VEC_INLINE float32x4_t half(int16x8_t v, bool second) {
    return vcvtq_f32_s32(vmovl_s16(second ? vget_high_s16(v) : vget_low_s16(v)));
}

typedef struct last_bytes {
    uint8_t a[8], b[8], y[8];
} last_bytes;

static void add_8(const uint8_t *a, const uint8_t *b, size_t n, bool sign, float by_a, float by_b,
                  float rest, int32_t zero, uint8_t *y) {
    const float32x4_t more = vdupq_n_f32(rest);
    const int16x8_t back = vdupq_n_s16(sign ? 128 : 0); /* a flip of the highest bit adds it */
    for (size_t i = 0; i < n; i += 8) {
        last_bytes last = {{0}, {0}, {0}};
        const bool whole = n - i >= 8;
        const int16x8_t u =
            vaddq_s16(wide(whole ? a + i : memcpy(last.a, a + i, n - i), sign), back);
        const int16x8_t v =
            vaddq_s16(wide(whole ? b + i : memcpy(last.b, b + i, n - i), sign), back);
        float32x4_t sum[2];
        foreach (q, 2)
            sum[q] = vaddq_f32(vaddq_f32(more, vmulq_n_f32(half(u, q), by_a)),
                               vmulq_n_f32(half(v, q), by_b));
        store(sum[0], sum[1], zero, sign, whole ? y + i : last.y);
        if (!whole)
            memcpy(y + i, last.y, n - i);
    }
}

static void mul_8(const uint8_t *a, const uint8_t *b, size_t n, bool sign, int32_t zero_a,
                  int32_t zero_b, float scale, int32_t zero, uint8_t *y) {
    const int16x8_t za = vdupq_n_s16((int16_t)zero_a), zb = vdupq_n_s16((int16_t)zero_b);
    for (size_t i = 0; i < n; i += 8) {
        last_bytes last = {{0}, {0}, {0}};
        const bool whole = n - i >= 8;
        const int16x8_t u = wide(whole ? a + i : memcpy(last.a, a + i, n - i), sign);
        const int16x8_t v = wide(whole ? b + i : memcpy(last.b, b + i, n - i), sign);
        float32x4_t product[2];
        foreach (q, 2)
            product[q] =
                vmulq_n_f32(vmulq_f32(half(vsubq_s16(u, za), q), half(vsubq_s16(v, zb), q)), scale);
        store(product[0], product[1], zero, sign, whole ? y + i : last.y);
        if (!whole)
            memcpy(y + i, last.y, n - i);
    }
}

/* The last of neighbours come with some before them, a second time. So do the last of pairs' first
 * ones: behind the last a byte less may be there, so these are the second ones of what begins a
 * byte before. */
static void max_8(const uint8_t *x, size_t taps, size_t step, size_t stride, size_t n, bool sign,
                  uint8_t *y) {
    const uint8_t by = flip_of(sign);
    const uint8x16_t flip = vdupq_n_u8(by);
    size_t i = 0;
    if (stride == 1 && n >= 16)
        for (; i < n; i += 16) {
            i = n - i < 16 ? n - 16 : i;
            uint8x16_t most = vdupq_n_u8(0);
            for (size_t t = 0; t < taps; t++)
                most = vmaxq_u8(most, veorq_u8(vld1q_u8(x + t * step + i), flip));
            vst1q_u8(y + i, veorq_u8(most, flip));
        }
    else if (stride == 2 && n > 16)
        for (; i < n; i += 16) {
            const bool last = n - i <= 16;
            const uint8_t *from = last ? x + 2 * n - 33 : x + 2 * i;
            uint8x16_t a = vdupq_n_u8(0), b = a;
            for (size_t t = 0; t < taps; t++, from += step) {
                a = vmaxq_u8(a, veorq_u8(vld1q_u8(from), flip));
                b = vmaxq_u8(b, veorq_u8(vld1q_u8(from + 16), flip));
            }
            a = last ? vuzp2q_u8(a, b) : vuzp1q_u8(a, b);
            vst1q_u8(last ? y + n - 16 : y + i, veorq_u8(a, flip));
        }
    else if (stride <= 2 && n > 8)
        for (; i < n; i += 8) {
            const bool last = n - i <= 8;
            const uint8_t *from = x + i * stride;
            if (last)
                from = stride == 1 ? x + n - 8 : x + 2 * n - 17;
            uint8x8_t a = vdup_n_u8(0), b = a;
            for (size_t t = 0; t < taps; t++, from += step) {
                a = vmax_u8(a, veor_u8(vld1_u8(from), vget_low_u8(flip)));
                if (stride == 2)
                    b = vmax_u8(b, veor_u8(vld1_u8(from + 8), vget_low_u8(flip)));
            }
            if (stride == 2)
                a = last ? vuzp2_u8(a, b) : vuzp1_u8(a, b);
            vst1_u8(last ? y + n - 8 : y + i, veor_u8(a, vget_low_u8(flip)));
        }
    else
        bytes_max(x, taps, step, stride, n, by, y);
}

/* Behind the last of strides of two a number less may be there. */
static void sum_f32(const float *x, size_t taps, size_t step, size_t stride, size_t n,
                    const float *by, float *y) {
    size_t i = 0;
    for (; stride <= 2 && n - i >= 4 + stride - 1; i += 4) {
        const float *from = x + i * stride;
        float32x4_t sum = vdupq_n_f32(-0.0f);
        for (size_t t = 0; t < taps; t++, from += step) {
            float32x4_t v = vld1q_f32(from);
            if (stride == 2)
                v = vuzp1q_f32(v, vld1q_f32(from + 4));
            sum = vaddq_f32(sum, v);
        }
        vst1q_f32(y + i, by ? vdivq_f32(sum, vld1q_f32(by + i)) : sum);
    }
    bytes_sum(x + i * stride, taps, step, stride, n - i, by ? by + i : NULL, y + i);
}

static void pick_8(const uint8_t *x, size_t step, size_t n, uint8_t *y) {
    size_t i = 0;
    for (; step == 2 && n - i > 16; i += 16) /* of the last a byte less may be there */
        vst1q_u8(y + i, vld2q_u8(x + 2 * i).val[0]);
    for (; i < n; i++)
        y[i] = x[i * step];
}

static void widen_8(size_t rows, size_t n, const uint8_t *x, size_t ldx, uint8_t flip, int32_t zero,
                    int16_t *y, size_t ldy) {
    const int16x8_t move = vdupq_n_s16((int16_t)zero);
    for (size_t r = 0; r < rows; r++, x += ldx, y += ldy) {
        size_t i = 0;
        for (; n - i >= 8; i += 8) {
            const uint8x8_t v = veor_u8(vld1_u8(x + i), vdup_n_u8(flip));
            vst1q_s16(y + i, vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(v)), move));
        }
        for (; i < n; i++)
            y[i] = (int16_t)((x[i] ^ flip) - zero);
    }
}

static void taps_8(size_t rows, size_t n, size_t ld, const infer_taps8 *t, const int16_t *x,
                   int32_t *sums, uint8_t *y) {
    for (size_t r = 0; r < rows; r++, x += ld)
        for (size_t i = 0; i < n; i += 8) {
            const size_t at = r * n + i, left = n - i < 8 ? n - i : 8;
            int32_t last[8];
            int32x4_t low = vdupq_n_s32(t->add), high = low;
            for (size_t k = 0; k < t->count; k++) {
                const int16x8_t v = vld1q_s16(x + t->offset[k] + i);
                low = vmlal_n_s16(low, vget_low_s16(v), t->w[k]);
                high = vmlal_n_s16(high, vget_high_s16(v), t->w[k]);
            }
            if (sums) {
                vst1q_s32(last, low);
                vst1q_s32(last + 4, high);
                memcpy(sums + at, last, left * sizeof *sums);
                continue;
            }
            store(vmulq_n_f32(vcvtq_f32_s32(low), t->scale),
                  vmulq_n_f32(vcvtq_f32_s32(high), t->scale), t->zero, t->sign,
                  left == 8 ? y + at : (uint8_t *)last);
            if (left < 8)
                memcpy(y + at, last, left);
        }
}

void infer_kernels_neon_bytes(infer_kernels *k) {
    k->widen_8 = widen_8;
    k->taps_8 = taps_8;
    k->max_8 = max_8;
    k->sum_f32 = sum_f32;
    k->pick_8 = pick_8;
    k->lookup_8 = lookup_8;
    k->add_8 = add_8;
    k->mul_8 = mul_8;
    k->gather_s8 = gather_s8;
    k->gemm_u8s8 = gemm_u8s8;
}
