/* Products in bfloat16 with AVX-512. Compiled with the flags of the AVX-512 tier and -mavx512bf16;
 * runs where INFER_CPU_FAST_BF16 is set. */
#include "avx512_half.h"
#include "avx512_tiles.h"

#include <string.h>

/* sum += a * b, two products a lane. Said to the assembler, as those of bytes (vnni.h). */
VEC_INLINE void add_products(__m512 *sum, __m512i a, __m512i b) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
}

/* The same pair for all columns. */
VEC_INLINE __m512i pair_of(const uint16_t *a) {
    int32_t pair;
    memcpy(&pair, a, sizeof pair);
    return _mm512_set1_epi32(pair);
}

/* Sums of so many rows of A and two panels, [rows][2][16]. */
VEC_INLINE void tile(const size_t rows, size_t steps, const uint16_t *a, const uint16_t *panels,
                     float *sums) {
    __m512 sum[MOST_ROWS][2];
    foreach (r, rows)
        sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (size_t s = 0; s < steps; s++) {
        __m512i v[2];
        foreach (p, 2)
            v[p] = _mm512_loadu_si512(panels + (p * steps + s) * HALF_PAIRS);
        foreach (r, rows) {
            const __m512i u = pair_of(a + r * INFER_HALF_K + 2 * s);
            foreach (p, 2)
                add_products(&sum[r][p], u, v[p]);
        }
    }
    foreach (r, rows)
        foreach (p, 2)
            _mm512_storeu_ps(sums + (2 * r + p) * INFER_PANEL, sum[r][p]);
}

/* Rows from number i on times the two panels from column j on, of which one may not be there; how
 * many rows. */
static size_t multiply_rows(const half_block *b, size_t i, size_t j, const uint16_t *a,
                            const uint16_t *panels) {
    _Alignas(64) float sums[MOST_ROWS * 2 * INFER_PANEL];
    const size_t steps = (b->depth + 1) / 2, there = b->n - j > INFER_PANEL;
    const size_t rows = tile_rows(b->rows - i, b->rows - i);
    a += i * INFER_HALF_K;
    switch (rows) {
#define TILE(rows)                                                                                 \
    case rows:                                                                                     \
        tile(rows, steps, a, panels, sums);                                                        \
        break;
        TILE_ROWS(TILE)
#undef TILE
    default:
        tile(1, steps, a, panels, sums);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t p = 0; p <= there; p++)
            half_add(b, i + r, j + p * INFER_PANEL,
                     _mm512_load_ps(sums + (2 * r + p) * INFER_PANEL));
    return rows;
}

static void multiply(const half_block *b, uint16_t *rows) {
    uint16_t *panels = rows + INFER_HALF_ROWS * INFER_HALF_K;
    for (size_t r = 0; r < b->rows; r++)
        for (size_t l = 0; l < b->depth; l += HALF_PAIRS)
            _mm512_storeu_si512(rows + r * INFER_HALF_K + l,
                                half_round(b->a + r * b->lda + l, b->depth - l));
    for (size_t j = 0; j < b->n; j += 2 * INFER_PANEL) {
        const uint16_t *from = b->packed + j / INFER_PANEL * b->panel;
        uint16_t *second = half_pairs(b->depth, from, panels);
        half_pairs(b->depth, b->n - j > INFER_PANEL ? from + b->panel : from, second);
        for (size_t i = 0; i < b->rows;)
            i += multiply_rows(b, i, j, rows, panels);
    }
}

static bool gemm_half_f32(size_t m, size_t n, size_t k, const float *a, size_t lda,
                          const uint16_t *packed, const float *bias, float *c, size_t ldc,
                          void *scratch) {
    half_product(multiply, m, n, k, a, lda, packed, bias, c, ldc, scratch);
    return true;
}

void infer_kernels_avx512_half(infer_kernels *k) {
    k->gemm_half_f32 = gemm_half_f32;
}
