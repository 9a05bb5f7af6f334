/* How templates name their functions, and what of the vector wrapper they use: by element type S
 * and tier. */
#ifndef INFER_SIMD_NAMES_INC_H
#define INFER_SIMD_NAMES_INC_H

#define JOIN_(a, b)     a##b
#define JOIN(a, b)      JOIN_(a, b)
#define JOIN3_(a, b, c) a##b##_##c
#define JOIN3(a, b, c)  JOIN3_(a, b, c)
#define EXPAND(m, ...)  m(__VA_ARGS__)
#define V(op)           JOIN3(v_, op, S)
#define NAME(name)      JOIN3(, name, S)
#define VEC             JOIN(vec_, S)
#define LANES           JOIN(LANES_, S)

/* A function: the polynomial of these coefficients, that of the lowest power first, by Horner's
 * rule. */
#define VEC_POLYNOMIAL(name, COEFFICIENTS)                                                         \
    VEC_INLINE VEC NAME(name)(VEC x) {                                                             \
        const T c[] = COEFFICIENTS;                                                                \
        enum { LAST = sizeof c / sizeof c[0] - 1 };                                                \
        VEC p = V(set1)(c[LAST]);                                                                  \
        foreach (i, LAST)                                                                          \
            p = V(fma)(p, x, V(set1)(c[LAST - 1 - i]));                                            \
        return p;                                                                                  \
    }

/* The tile of gemm; its columns are half a panel, one or two. */
#define TILE_ROWS JOIN(TILE_ROWS_, S)
#define TILE_VECS JOIN(TILE_VECS_, S)
#define TILE_LIST JOIN(TILE_LIST_, S)
#define TILE_HALF JOIN(TILE_HALF_, S)
#define TILE_LONG JOIN(TILE_LONG_, S)
#define TILE_COLS (TILE_VECS * LANES)
/* The block of k that a convolution works on at once: a tile's rows take up to 24 kB, most of the
 * first cache. Their copy's distance keeps rows off each other's lines. */
#define BLOCK_K   (24576 / TILE_ROWS / 64 * 64 / sizeof(T))
#define BLOCK_LDA (BLOCK_K + 64 / sizeof(T))
/* Panels that a single row is multiplied with at once. */
#define ROW_PANELS 3

#endif
