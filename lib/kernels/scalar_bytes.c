/* The reference of the kernels over bytes. */
#include "bytes.h"
#include "kernels.h"

#include <math.h>
#include <string.h>

static void pack_s8(size_t k, size_t n, const uint8_t *b, size_t ldb, uint8_t flip, int8_t *packed,
                    int32_t *sums) {
    for (size_t j = 0; j < n; j += INFER_PANEL) {
        const size_t columns = n - j < INFER_PANEL ? n - j : INFER_PANEL;
        int32_t sum[INFER_PANEL] = {0};
        for (size_t i = 0; i < k; i += 4, packed += 4 * INFER_PANEL) {
            if (columns < INFER_PANEL || k - i < 4)
                memset(packed, 0, 4 * INFER_PANEL);
            for (size_t r = 0; r < 4 && i + r < k; r++)
                for (size_t q = 0; q < columns; q++) {
                    packed[q * 4 + r] = (int8_t)(b[(i + r) * ldb + j + q] ^ flip);
                    sum[q] += packed[q * 4 + r];
                }
        }
        for (size_t q = 0; sums && q < INFER_PANEL; q++)
            sums[j + q] = sum[q];
    }
}

static void gather_s8(size_t groups, size_t plane, size_t taps, const size_t *tap,
                      const infer_runs *runs, const uint8_t *x, int8_t *y) {
    for (size_t g = 0; g < groups; g++, x += plane)
        for (size_t t = 0; t < taps; t++, y += 4 * INFER_PANEL)
            for (size_t r = 0; r < runs->count; r++) {
                const size_t to = runs->to[r];
                const size_t end = r + 1 < runs->count ? runs->to[r + 1] : 4 * INFER_PANEL;
                memcpy(y + to, x + tap[t] + runs->from[r], end - to);
            }
}

static void gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                      const int8_t *packed, const uint64_t *marks, const int32_t *start, int32_t *c,
                      size_t ldc) {
    size_t panel = (k + 3) / 4 * 4 * INFER_PANEL;
    (void)marks;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            const int8_t *b = packed + j / INFER_PANEL * panel + j % INFER_PANEL * 4;
            uint32_t sum = start ? (uint32_t)start[j] : 0;
            for (size_t l = 0; l < k; l++)
                sum += (uint32_t)(a[i * lda + l] * b[l / 4 * 4 * INFER_PANEL + l % 4]);
            c[i * ldc + j] = (int32_t)sum;
        }
}

/* Beyond what 8 bits and a zero point of them can be. */
#define FAR 1024.0f

static uint8_t rounded(float v, int32_t zero, bool sign) {
    v = v > -FAR ? v : -FAR; /* NaN as well */
    v = v < FAR ? v : FAR;
    int32_t i = (int32_t)rintf(v) + zero, low = sign ? -128 : 0;
    return (uint8_t)(i < low ? low : i > low + 255 ? low + 255 : i);
}

static void quantize_8(const float *x, size_t n, float scale, int32_t zero, bool sign, uint8_t *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = rounded(x[i] / scale, zero, sign);
}

static void requantize_8(const int32_t *x, size_t n, int32_t add, const float *scale, size_t step,
                         int32_t zero, bool sign, uint8_t *y) {
    for (size_t i = 0; i < n; i++)
        y[i] =
            rounded((float)(int32_t)((uint32_t)x[i] + (uint32_t)add) * scale[i * step], zero, sign);
}

static void dequantize_8(const uint8_t *x, size_t n, bool sign, int32_t zero, float scale,
                         float *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((sign ? (int8_t)x[i] : x[i]) - zero) * scale;
}

static void rescale_f32(const int32_t *x, size_t n, int32_t add, const float *scale, size_t step,
                        const float *bias, float *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(int32_t)((uint32_t)x[i] + (uint32_t)add) * scale[i * step] +
               (bias ? bias[i] : 0);
}

static void axpy_i32(size_t n, uint32_t by, const int32_t *x, int32_t *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = (int32_t)((uint32_t)y[i] + by * (uint32_t)x[i]);
}

static void range_f32(const float *x, size_t n, float *low, float *high) {
    *low = *high = 0;
    for (size_t i = 0; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

static void lookup_8(const uint8_t *x, size_t n, const uint8_t *table, uint8_t *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}

static int32_t byte(uint8_t x, bool sign) {
    return sign ? (int8_t)x : x;
}

static void add_8(const uint8_t *a, const uint8_t *b, size_t n, bool sign, float by_a, float by_b,
                  float rest, int32_t zero, uint8_t *y) {
    const uint8_t flip = flip_of(sign);
    for (size_t i = 0; i < n; i++)
        y[i] =
            rounded(rest + (float)(a[i] ^ flip) * by_a + (float)(b[i] ^ flip) * by_b, zero, sign);
}

static void mul_8(const uint8_t *a, const uint8_t *b, size_t n, bool sign, int32_t zero_a,
                  int32_t zero_b, float scale, int32_t zero, uint8_t *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = rounded((float)((byte(a[i], sign) - zero_a) * (byte(b[i], sign) - zero_b)) * scale,
                       zero, sign);
}

static void max_8(const uint8_t *x, size_t taps, size_t step, size_t stride, size_t n, bool sign,
                  uint8_t *y) {
    bytes_max(x, taps, step, stride, n, flip_of(sign), y);
}

static void sum_f32(const float *x, size_t taps, size_t step, size_t stride, size_t n,
                    const float *by, float *y) {
    bytes_sum(x, taps, step, stride, n, by, y);
}

static void pick_8(const uint8_t *x, size_t step, size_t n, uint8_t *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = x[i * step];
}

static void widen_8(size_t rows, size_t n, const uint8_t *x, size_t ldx, uint8_t flip, int32_t zero,
                    int16_t *y, size_t ldy) {
    for (size_t r = 0; r < rows; r++, x += ldx, y += ldy)
        for (size_t i = 0; i < n; i++)
            y[i] = (int16_t)((x[i] ^ flip) - zero);
}

static void taps_8(size_t rows, size_t n, size_t ld, const infer_taps8 *t, const int16_t *x,
                   int32_t *sums, uint8_t *y) {
    for (size_t r = 0, at = 0; r < rows; r++, x += ld)
        for (size_t i = 0; i < n; i++, at++) {
            uint32_t sum = (uint32_t)t->add;
            for (size_t k = 0; k < t->count; k++)
                sum += (uint32_t)(t->w[k] * x[t->offset[k] + i]);
            if (sums)
                sums[at] = (int32_t)sum;
            else
                y[at] = rounded((float)(int32_t)sum * t->scale, t->zero, t->sign);
        }
}

void infer_kernels_scalar_bytes(infer_kernels *k) {
#define INSTALL(result, name, parameters) k->name = name;
    INFER_KERNELS_BYTES(INSTALL)
#undef INSTALL
#define NONE(result, name, parameters) k->name = NULL;
    INFER_KERNELS_WINOGRAD_8(NONE)
    INFER_KERNELS_CONV_8(NONE)
#undef NONE
}
