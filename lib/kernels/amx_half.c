/* Products in bfloat16 with AMX: tiles of 16 x 16 sums, each of 16 rows times a panel. Compiled
 * with the flags of the AVX-512 tier, -mavx512bf16, -mamx-tile and -mamx-bf16; runs where
 * INFER_CPU_AMX_BF16 is set as well. */
#include "amx.h"
#include "cpu.h"
#include "half.h"
#include "kernels.h"
#include "vec.h"

#include <immintrin.h>

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

VEC_INLINE __mmask16 lanes(size_t n) {
    return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffff);
}

/* Rows of A rounded, tile by tile; what is not there is zero. */
static void round_rows(size_t rows, size_t k, const float *a, size_t lda, uint16_t *to) {
    for (size_t i = 0; i < rows; i += ROWS)
        for (size_t l = 0; l < k; l += DEPTH) {
            const __mmask16 low = lanes(k - l), high = k - l > 16 ? lanes(k - l - 16) : 0;
            for (size_t r = i; r < i + ROWS; r++, to += DEPTH) {
                __m512i both = _mm512_setzero_si512();
                if (r < rows) {
                    const float *x = a + r * lda + l;
                    both = (__m512i)_mm512_cvtne2ps_pbh(high ? _mm512_maskz_loadu_ps(high, x + 16)
                                                             : _mm512_setzero_ps(),
                                                        _mm512_maskz_loadu_ps(low, x));
                }
                _mm512_storeu_si512(to, both);
            }
        }
}

/* k rows of a panel, two at a time: a tile wants the two numbers of each column side by side. */
static void pair_rows(size_t k, const uint16_t *panel, uint16_t *to) {
    uint16_t order[DEPTH];
    for (size_t j = 0; j < DEPTH; j++)
        order[j] = (uint16_t)(j / 2 + j % 2 * INFER_PANEL);
    const __m512i pairs = _mm512_loadu_si512(order);
    size_t l = 0;
    for (; k - l >= 2; l += 2, to += DEPTH)
        _mm512_storeu_si512(
            to, _mm512_permutexvar_epi16(pairs, _mm512_loadu_si512(panel + l * INFER_PANEL)));
    if (l < k) {
        const __m512i last = _mm512_maskz_loadu_epi16(0xffff, panel + l * INFER_PANEL);
        _mm512_storeu_si512(to, _mm512_permutexvar_epi16(pairs, last));
        l += 2;
        to += DEPTH;
    }
    for (; l % DEPTH != 0; l += 2, to += DEPTH)
        _mm512_storeu_si512(to, _mm512_setzero_si512());
}

/* What a product of a block of rows and one of k is about. */
typedef struct block {
    size_t rows, n, depth, panel; /* panel: the distance of panels */
    const uint16_t *packed;
    const float *bias; /* NULL: none */
    bool first;        /* the first of k: c is written, else added to */
    float *c;
    size_t ldc;
} block;

/* The sums of up to 32 x 32 become part of c. */
static void add_sums(const block *b, size_t row, size_t column, const float *sums) {
    for (size_t p = 0; p < 2 && column + p * INFER_PANEL < b->n; p++) {
        const size_t j = column + p * INFER_PANEL;
        const __mmask16 mask = lanes(b->n - j);
        const __m512 bias =
            b->bias ? _mm512_maskz_loadu_ps(mask, b->bias + j) : _mm512_setzero_ps();
        for (size_t r = 0; r < 2 * ROWS && row + r < b->rows; r++) {
            float *to = b->c + (row + r) * b->ldc + j;
            const size_t tile = r / ROWS * 2 + p;
            const __m512 sum = _mm512_loadu_ps(sums + (tile * ROWS + r % ROWS) * INFER_PANEL);
            const __m512 start = b->first ? bias : _mm512_maskz_loadu_ps(mask, to);
            _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(start, sum));
        }
    }
}

static void multiply_block(const block *b, const uint16_t *rows, uint16_t *panels) {
    _Alignas(64) float sums[4 * ROWS * INFER_PANEL];
    const size_t steps = (b->depth + DEPTH - 1) / DEPTH;
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
    uint16_t *rows = scratch, *panels = rows + INFER_HALF_ROWS * INFER_HALF_K;
    TILE_SHAPES(shapes);
    for (size_t i = 0; i < m; i += INFER_HALF_ROWS) {
        size_t l = 0;
        block b = {.rows = m - i < INFER_HALF_ROWS ? m - i : INFER_HALF_ROWS,
                   .n = n,
                   .panel = k * INFER_PANEL,
                   .bias = bias,
                   .c = c + i * ldc,
                   .ldc = ldc};
        do {
            b.depth = k - l < INFER_HALF_K ? k - l : INFER_HALF_K;
            b.packed = packed + l * INFER_PANEL;
            b.first = l == 0;
            round_rows(b.rows, b.depth, a + i * lda + l, lda, rows);
            multiply_block(&b, rows, panels);
            l += b.depth;
        } while (l < k);
    }
    TILE_RELEASE();
    return true;
}

void infer_kernels_amx_half(infer_kernels *k) {
    k->gemm_half_f32 = gemm_half_f32;
}
