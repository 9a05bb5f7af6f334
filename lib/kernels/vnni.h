/* What the kernels over bytes with AVX-512 VNNI share. */
#ifndef INFER_KERNELS_VNNI_H
#define INFER_KERNELS_VNNI_H

#include "avx512_tiles.h"
#include "vec.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sum += u * v, four products a lane. Said to the assembler because gcc moves the sums of the
 * intrinsic from register to register, and out of them. */
VEC_INLINE void add_products(__m512i *sum, __m512i u, __m512i v) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(u), "v"(v));
}

/* Rows of the tile for what is left of m rows: the smallest that takes all, where rows before these
 * make it whole, as to compute them twice changes nothing; else the largest that fits. */
static inline size_t tile_rows(size_t left, size_t m) {
    static const size_t sizes[] = {1, 2, 3, 4, 6, 8, MOST_ROWS};
    size_t below = 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i] >= left && sizes[i] <= m)
            return sizes[i];
        if (sizes[i] <= left)
            below = sizes[i];
    }
    return below;
}

/* Beyond what 8 bits and a zero point of them can be. */
#define FAR 1024.0f

/* Signed numbers are unsigned ones whose highest bit is flipped, which adds 128. */
VEC_INLINE uint8_t flip_of(bool sign) {
    return sign ? 128 : 0;
}

#endif
