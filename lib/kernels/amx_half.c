/* Products in bfloat16 with AMX: tiles of 16 x 16 sums, each of 16 rows times a panel. Compiled
 * with the flags of the AVX-512 tier, -mavx512bf16, -mamx-tile and -mamx-bf16; runs where
 * INFER_CPU_AMX_BF16 is set as well. */
#include "amx.h"
#include "avx512_half.h"
#include "cpu.h"

#define ROWS  16 /* of a tile */
#define DEPTH 32 /* numbers of k in a tile of A or B */
#define TILE  (ROWS * DEPTH)

/* Eight of 16 rows of 64 bytes. */
static const amx_shapes shapes = {.palette = 1,
                                  .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                  .rows = {ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS}};

#define TILE_ADD(sum, a, b)                                                                        \
    __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::: "memory")

/* Columns of one or two panels, of one or two tiles of rows each; a and b are `steps` tiles, the
 * second of each are behind the first. */
VEC_INLINE void multiply(const bool two_rows, const bool two_panels, size_t steps,
                         const uint16_t *a, const uint16_t *b, float *sums) {
    const uint16_t *a1 = a + steps * TILE, *b1 = b + steps * TILE;
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (size_t s = 0; s < steps; s++) {
        TILE_LOAD(4, a + s * TILE, 64);
        TILE_LOAD(6, b + s * TILE, 64);
        TILE_ADD(0, 4, 6);
        if (two_panels) {
            TILE_LOAD(7, b1 + s * TILE, 64);
            TILE_ADD(1, 4, 7);
        }
        if (two_rows) {
            TILE_LOAD(5, a1 + s * TILE, 64);
            TILE_ADD(2, 5, 6);
        }
        if (two_rows && two_panels)
            TILE_ADD(3, 5, 7);
    }
    TILE_STORE(0, sums, 64);
    TILE_STORE(1, sums + ROWS * INFER_PANEL, 64);
    TILE_STORE(2, sums + 2 * ROWS * INFER_PANEL, 64);
    TILE_STORE(3, sums + 3 * ROWS * INFER_PANEL, 64);
}

/* Rows of A rounded, tile by tile; what is not there is zero. */
static void round_rows(const half_block *b, uint16_t *to) {
    for (size_t i = 0; i < b->rows; i += ROWS)
        for (size_t l = 0; l < b->depth; l += DEPTH)
            for (size_t r = i; r < i + ROWS; r++, to += DEPTH)
                _mm512_storeu_si512(to, r < b->rows
                                            ? half_round(b->a + r * b->lda + l, b->depth - l)
                                            : _mm512_setzero_si512());
}

/* A panel in whole tiles, which want pairs. */
static void pair_rows(size_t k, const uint16_t *panel, uint16_t *to) {
    to = half_pairs(k, panel, to);
    for (size_t l = (k + 1) / 2 * 2; l % DEPTH != 0; l += 2, to += HALF_PAIRS)
        _mm512_storeu_si512(to, _mm512_setzero_si512());
}

/* The sums of up to 32 x 32 become part of c. */
static void add_sums(const half_block *b, size_t row, size_t column, const float *sums) {
    for (size_t p = 0; p < 2 && column + p * INFER_PANEL < b->n; p++)
        for (size_t r = 0; r < 2 * ROWS && row + r < b->rows; r++) {
            const size_t tile = r / ROWS * 2 + p;
            half_add(b, row + r, column + p * INFER_PANEL,
                     _mm512_loadu_ps(sums + (tile * ROWS + r % ROWS) * INFER_PANEL));
        }
}

static void multiply_block(const half_block *b, uint16_t *rows) {
    _Alignas(64) float sums[4 * ROWS * INFER_PANEL];
    uint16_t *panels = rows + INFER_HALF_ROWS * INFER_HALF_K;
    const size_t steps = (b->depth + DEPTH - 1) / DEPTH;
    round_rows(b, rows);
    for (size_t j = 0; j < b->n; j += 2 * INFER_PANEL) {
        const uint16_t *from = b->packed + j / INFER_PANEL * b->panel;
        const bool two = b->n - j > INFER_PANEL;
        pair_rows(b->depth, from, panels);
        if (two)
            pair_rows(b->depth, from + b->panel, panels + steps * TILE);
        for (size_t i = 0; i < b->rows; i += 2 * ROWS) {
            const uint16_t *a = rows + i / ROWS * steps * TILE;
            if (b->rows - i > ROWS && two)
                multiply(true, true, steps, a, panels, sums);
            else if (two)
                multiply(false, true, steps, a, panels, sums);
            else if (b->rows - i > ROWS)
                multiply(true, false, steps, a, panels, sums);
            else
                multiply(false, false, steps, a, panels, sums);
            add_sums(b, i, j, sums);
        }
    }
}

static bool gemm_half_f32(size_t m, size_t n, size_t k, const float *a, size_t lda,
                          const uint16_t *packed, const float *bias, float *c, size_t ldc,
                          void *scratch) {
    if (!infer_cpu_tiles())
        return false;
    TILE_SHAPES(shapes);
    half_product(multiply_block, m, n, k, a, lda, packed, bias, c, ldc, scratch);
    TILE_RELEASE();
    return true;
}

void infer_kernels_amx_half(infer_kernels *k) {
    k->gemm_half_f32 = gemm_half_f32;
}
