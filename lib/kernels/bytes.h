/* What the tiers of the kernels over bytes share. */
#ifndef INFER_KERNELS_BYTES_H
#define INFER_KERNELS_BYTES_H

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

/* gemm_u8s8 of the VNNI tier, which the one above it takes for few rows. */
void infer_vnni_gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                          const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc);

#endif
