/* Tiles of sums in the registers of AVX-512: so many rows of two. */
#ifndef INFER_KERNELS_AVX512_TILES_H
#define INFER_KERNELS_AVX512_TILES_H

#include <stddef.h>

/* Rows of the largest: with two panels as many sums as registers hold beside what they multiply. */
#define MOST_ROWS 12

/* Calls X with the numbers of rows that tiles have, but for one. */
#define TILE_ROWS(X) X(MOST_ROWS) X(8) X(6) X(4) X(3) X(2)

#endif
