/* What the tiers of the kernels over bytes share. */
#ifndef INFER_KERNELS_BYTES_H
#define INFER_KERNELS_BYTES_H

#include "kernels.h"
#include "vec.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Four numbers of a row as they lie. */
VEC_INLINE uint32_t bytes_word(const uint8_t *a) {
    uint32_t word;
    memcpy(&word, a, sizeof word);
    return word;
}

/* The last one, two or three of them, then zeros. */
VEC_INLINE uint32_t bytes_rest(const uint8_t *a, size_t n) {
    uint32_t word = a[0];
    if (n > 1)
        word |= (uint32_t)a[1] << 8;
    if (n > 2)
        word |= (uint32_t)a[2] << 16;
    return word;
}

/* gather_s8 in copies of whole groups: what is too much is written over by the next. */
VEC_INLINE void bytes_gather(size_t groups, size_t plane, size_t taps, const size_t *tap,
                             const infer_runs *runs, const uint8_t *x, int8_t *y) {
    const size_t many = runs->count, second = many > 1 ? runs->from[1] : 0;
    const size_t at = many > 1 ? runs->to[1] : 0, bytes = 4 * INFER_PANEL;
    for (size_t g = 0; g < groups; g++, x += plane)
        for (size_t t = 0; t < taps; t++, y += bytes) {
            const uint8_t *from = x + tap[t];
            memcpy(y, from + runs->from[0], bytes);
            if (many > 1)
                memcpy(y + at, from + second, bytes);
            for (size_t i = 2; i < many; i++)
                memcpy(y + runs->to[i], from + runs->from[i], bytes);
        }
}

/* Signed numbers are unsigned ones whose highest bit is flipped, which adds 128. */
VEC_INLINE uint8_t flip_of(bool sign) {
    return sign ? 128 : 0;
}

/* max_8 a number at a time: the reference, and where there are too few for vectors or strides that
 * these do not have.
 * flip makes signed numbers unsigned, which keeps their order. */
VEC_INLINE void bytes_max(const uint8_t *x, size_t taps, size_t step, size_t stride, size_t n,
                          uint8_t flip, uint8_t *y) {
    for (size_t i = 0; i < n; i++, x += stride) {
        uint8_t most = 0;
        for (size_t t = 0; t < taps; t++) {
            const uint8_t v = x[t * step] ^ flip;
            most = v > most ? v : most;
        }
        y[i] = most ^ flip;
    }
}

/* sum_f32 so. Sums begin with -0, to which whatever is added stays what it is. */
VEC_INLINE void bytes_sum(const float *x, size_t taps, size_t step, size_t stride, size_t n,
                          const float *by, float *y) {
    for (size_t i = 0; i < n; i++, x += stride) {
        float sum = -0.0f;
        for (size_t t = 0; t < taps; t++)
            sum += x[t * step];
        y[i] = by ? sum / by[i] : sum;
    }
}

/* Winograd's algorithm of the AVX2 tier (avx2_winograd.c). */
void infer_kernels_avx2_winograd(infer_kernels *k);

/* A product of so few columns that their panel would be mostly empty (avx2_columns.c). */
#define INFER_FEW_COLUMNS 4
void infer_avx2_gemm_columns(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                             const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc);

/* gemm_u8s8 of the AVX2 tier, which has a file of its own, and of the VNNI tier, which the one
 * above it takes for few rows. */
void infer_avx2_gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                          const int8_t *packed, const uint64_t *marks, const int32_t *start,
                          int32_t *c, size_t ldc);
void infer_vnni_gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                          const int8_t *packed, const uint64_t *marks, const int32_t *start,
                          int32_t *c, size_t ldc);

#endif
