/* Tiles of sums in the registers of AVX-512, so many rows of two, and the lanes of what is not
 * whole.
 */
#ifndef INFER_KERNELS_AVX512_TILES_H
#define INFER_KERNELS_AVX512_TILES_H

#include "vec.h"

#include <immintrin.h>
#include <stddef.h>

/* Rows of the largest: with two panels as many sums as registers hold beside what they multiply. */
#define MOST_ROWS 12

/* Calls X with the numbers of rows that tiles have, the largest first, but for one. */
#define TILE_ROWS(X) X(MOST_ROWS) X(8) X(6) X(4) X(3) X(2)

/* Rows of the tile for what is left of m rows: the smallest that takes all, where rows before these
 * make it whole, which is for products that may be computed twice; else the largest that fits. With
 * m = left the largest that fits in any case. */
static inline size_t tile_rows(size_t left, size_t m) {
#define ITEM(rows) rows,
    static const size_t sizes[] = {TILE_ROWS(ITEM) 1};
#undef ITEM
    size_t rows = 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i] >= left && sizes[i] <= m)
            rows = sizes[i];
        else if (sizes[i] <= left)
            return rows > sizes[i] ? rows : sizes[i];
    }
    return rows;
}

/* The first n lanes, or all where there are fewer: of sixteen numbers, and of 64 bytes. */
VEC_INLINE __mmask16 lanes(size_t n) {
    return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffff);
}

VEC_INLINE __mmask64 byte_lanes(size_t n) {
    return n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0;
}

#endif
