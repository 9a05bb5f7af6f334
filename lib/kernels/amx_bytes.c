/* Products of bytes with AMX: tiles of 16 x 16 sums, each of 16 rows times a panel. Compiled with
 * the flags of the AVX-512 tier, -mamx-tile and -mamx-int8; runs where INFER_CPU_AMX_INT8 is set.
 */
#include "amx.h"
#include "avx512_tiles.h"
#include "bytes.h"
#include "cpu.h"
#include "kernels.h"
#include "vec.h"

#include <immintrin.h>

#define ROWS  16 /* of a tile, at most */
#define DEPTH 64 /* numbers of k in a tile of A or B, at most */
#define GROUP 4  /* rows of B that lie together */

/* What is smaller takes less time in the wide registers: to shape and to release tiles takes as
 * long as some forty thousand multiply-adds there, and tiles that are less deep are not worth their
 * sums. */
#define LEAST_ROWS  4
#define LEAST_DEPTH 32
#define LEAST_WORK  ((size_t)1 << 16)

/* Rows whose ends are copied at a time. */
#define BLOCK_ROWS 128

#define TILE_ADD(sum, a, b)                                                                        \
    __asm__ volatile("tdpbusd %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::: "memory")

/* What the tiles of one product are: `rows` of A and of sums, `depth` numbers of k, a multiple of
 * GROUP. The last `depth` numbers of rows are read from `ends` where k is no multiple of it: there
 * those that other tiles have counted, and those past k, are zero, so that no tile of B ends past
 * its panel. */
typedef struct product {
    size_t rows, depth, whole; /* whole: tiles along k that are read where they lie */
    size_t k, lda, n, ldc, panel;
    bool has_ends;
    size_t end; /* where in a panel the tile of the ends begins */
    const int8_t *packed;
    const int32_t *start; /* NULL: none */
} product;

static const int32_t zeros[INFER_PANEL];

/* The products of a tile or two of A, `row` bytes between rows, and one or two of B. */
VEC_INLINE void add_products(const bool two_rows, const bool two_panels, const uint8_t *a,
                             const uint8_t *a1, size_t row, const int8_t *b, const int8_t *b1) {
    TILE_LOAD(6, b, DEPTH);
    TILE_LOAD(4, a, row);
    TILE_ADD(0, 4, 6);
    if (two_panels) {
        TILE_LOAD(7, b1, DEPTH);
        TILE_ADD(1, 4, 7);
    }
    if (two_rows) {
        TILE_LOAD(5, a1, row);
        TILE_ADD(2, 5, 6);
    }
    if (two_rows && two_panels)
        TILE_ADD(3, 5, 7);
}

/* Rows of a panel that is not whole. */
static void store_part(size_t rows, size_t columns, const int32_t *sums, int32_t *c, size_t ldc) {
    const __mmask16 mask = (__mmask16)((1u << columns) - 1);
    for (size_t r = 0; r < rows; r++, sums += INFER_PANEL, c += ldc)
        _mm512_mask_storeu_epi32(c, mask, _mm512_load_si512(sums));
}

/* Tile t becomes rows of c, of which so many columns are there. */
#define STORE(t, c, columns)                                                                       \
    do {                                                                                           \
        if ((columns) >= INFER_PANEL) {                                                            \
            TILE_STORE(t, c, p->ldc * sizeof(int32_t));                                            \
        } else {                                                                                   \
            TILE_STORE(t, sums, INFER_PANEL * sizeof(int32_t));                                    \
            store_part(p->rows, columns, sums, c, p->ldc);                                         \
        }                                                                                          \
    } while (0)

/* Sums of one or two tiles of rows, the second `second` rows behind the first, and one or two
 * panels from column j on. */
VEC_INLINE void multiply(const bool two_rows, const bool two_panels, const product *p, size_t j,
                         const uint8_t *a, size_t second, const uint8_t *ends, int32_t *c) {
    _Alignas(64) int32_t sums[ROWS * INFER_PANEL];
    const int8_t *b = p->packed + j / INFER_PANEL * p->panel, *b1 = two_panels ? b + p->panel : b;
    const int32_t *start = p->start ? p->start + j : zeros;
    const int32_t *start1 = p->start && two_panels ? start + INFER_PANEL : zeros;
    const uint8_t *a1 = a + second * p->lda;
    int32_t *c1 = c + second * p->ldc;
    const size_t columns = p->n - j;
    TILE_LOAD(0, start, 0); /* the same for all rows */
    TILE_LOAD(1, start1, 0);
    TILE_LOAD(2, start, 0);
    TILE_LOAD(3, start1, 0);
    for (size_t s = 0; s < p->whole; s++) {
        const size_t at = s * DEPTH * INFER_PANEL;
        add_products(two_rows, two_panels, a + s * DEPTH, a1 + s * DEPTH, p->lda, b + at, b1 + at);
    }
    if (p->has_ends)
        add_products(two_rows, two_panels, ends, ends + second * DEPTH, DEPTH, b + p->end,
                     b1 + p->end);
    STORE(0, c, columns);
    if (two_rows)
        STORE(2, c1, columns);
    if (two_panels)
        STORE(1, c + INFER_PANEL, columns - INFER_PANEL);
    if (two_rows && two_panels)
        STORE(3, c1 + INFER_PANEL, columns - INFER_PANEL);
}

/* The ends of rows, DEPTH bytes for each. */
static void copy_ends(const product *p, size_t rows, const uint8_t *a, uint8_t *ends) {
    const size_t done = p->whole * DEPTH, left = p->k - done;
    /* The numbers of whole tiles that the tile of the ends begins with. */
    const size_t before = p->depth - (left + GROUP - 1) / GROUP * GROUP;
    const __mmask64 mask = byte_lanes(left) << before;
    for (size_t r = 0; r < rows; r++, a += p->lda)
        _mm512_store_si512(ends + r * DEPTH, _mm512_maskz_loadu_epi8(mask, a + done - before));
}

static void multiply_block(const product *p, size_t m, const uint8_t *a, int32_t *c) {
    _Alignas(64) uint8_t ends[BLOCK_ROWS * DEPTH];
    if (p->has_ends)
        copy_ends(p, m, a, ends);
    for (size_t j = 0; j < p->n; j += 2 * INFER_PANEL)
        for (size_t i = 0; i < m; i += 2 * p->rows) {
            const bool two_panels = p->n - j > INFER_PANEL, two_rows = m - i > p->rows;
            /* The last rows are made whole by some before them: twice computed is as once. */
            const size_t first = m - i < p->rows ? m - p->rows : i;
            const size_t left = m - first - p->rows;
            const size_t second = left < p->rows ? left : p->rows;
            const uint8_t *from = a + first * p->lda, *end = ends + first * DEPTH;
            int32_t *to = c + first * p->ldc + j;
            if (two_rows && two_panels)
                multiply(true, true, p, j, from, second, end, to);
            else if (two_rows)
                multiply(true, false, p, j, from, second, end, to);
            else if (two_panels)
                multiply(false, true, p, j, from, 0, end, to);
            else
                multiply(false, false, p, j, from, 0, end, to);
        }
}

static void gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                      const int8_t *packed, const uint64_t *marks, const int32_t *start, int32_t *c,
                      size_t ldc) {
    if (m < LEAST_ROWS || k < LEAST_DEPTH || m * n < LEAST_WORK / k || !infer_cpu_tiles()) {
        infer_vnni_gemm_u8s8(m, n, k, a, lda, packed, marks, start, c, ldc);
        return;
    }
    const size_t groups = (k + GROUP - 1) / GROUP, tiles = (m + ROWS - 1) / ROWS;
    product p = {.rows = (m + tiles - 1) / tiles, /* alike, as a tile's time is that of its rows */
                 .depth = groups < DEPTH / GROUP ? groups * GROUP : DEPTH,
                 .whole = k / DEPTH,
                 .k = k,
                 .lda = lda,
                 .n = n,
                 .ldc = ldc,
                 .panel = groups * GROUP * INFER_PANEL,
                 .packed = packed,
                 .start = start};
    p.has_ends = p.whole * DEPTH < k;
    p.end = p.panel - p.depth * INFER_PANEL;
    amx_shapes shapes = {.palette = 1};
    for (size_t t = 0; t < 8; t++) {
        const bool sums = t < 4, left = t < 6;
        shapes.rows[t] = (uint8_t)(left ? p.rows : p.depth / GROUP);
        shapes.bytes[t] = (uint16_t)(sums || !left ? DEPTH : p.depth);
    }
    TILE_SHAPES(shapes);
    /* Blocks of whole tiles; the last has as many rows as a tile at least. */
    const size_t most = BLOCK_ROWS / p.rows * p.rows;
    for (size_t i = 0, rows; i < m; i += rows) {
        rows = m - i < most ? m - i : most;
        if (rows < p.rows) {
            i = m - p.rows;
            rows = p.rows;
        }
        multiply_block(&p, rows, a + i * lda, c + i * ldc);
    }
    TILE_RELEASE();
}

void infer_kernels_amx_bytes(infer_kernels *k) {
    k->conv_8 = NULL; /* tiles multiply so fast that sums may be stored */
    k->gemm_u8s8 = gemm_u8s8;
}
