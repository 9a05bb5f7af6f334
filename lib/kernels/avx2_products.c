/* Products of bytes with AVX2. Compiled with -mavx2; runs where INFER_CPU_AVX2 is set. Numbers are
 * widened to 16 bits, as sums of two products of 8 would saturate. */
#include "bytes.h"
#include "even.h"

#include <immintrin.h>
#include <stdbool.h>

/* A tile: rows by a panel, whose sums are in registers. A block: so many tiles' rows of A, widened,
 * times a panel of B, widened, over so many terms; the panel stays in the first cache. */
#define ROWS  6
#define TILES 7
#define DEPTH 512
#define LD    (DEPTH + 32) /* of A's copy, whose rows are to keep off each other's lines */

/* ---- few rows: B is widened in registers ---- */

/* rows x 16 columns; a column has the sums of its even and of its odd rows of B. */
VEC_INLINE void few(const size_t rows, size_t n, size_t k, const uint8_t *a, size_t lda,
                    const int8_t *b, const int32_t *start, int32_t *c, size_t ldc) {
    __m256i sum[2][4];
    foreach (r, rows)
        foreach (q, 4)
            sum[r][q] = _mm256_setzero_si256();
    for (size_t l = 0; l < k; l += 4, b += 64) {
        __m256i u[2];
        foreach (r, rows) {
            const uint8_t *from = a + r * lda + l;
            uint32_t word = k - l < 4 ? bytes_rest(from, k - l) : bytes_word(from);
            u[r] = _mm256_cvtepu8_epi16(_mm_set1_epi32((int32_t)word));
        }
        foreach (q, 4) {
            __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b + q));
            foreach (r, rows)
                sum[r][q] = _mm256_add_epi32(sum[r][q], _mm256_madd_epi16(u[r], v));
        }
    }
    foreach (r, rows) {
        int32_t row[INFER_PANEL], *to = n < INFER_PANEL ? row : c + r * ldc;
        foreach (h, 2) {
            __m256i both = _mm256_hadd_epi32(sum[r][2 * h], sum[r][2 * h + 1]);
            both = _mm256_permute4x64_epi64(both, 0xd8);
            if (start)
                both = _mm256_add_epi32(both, _mm256_loadu_si256((const __m256i *)start + h));
            _mm256_storeu_si256((__m256i *)to + h, both);
        }
        if (n < INFER_PANEL)
            memcpy(c + r * ldc, row, n * sizeof *row);
    }
}

static void gemm_few(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                     const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc) {
    for (size_t j = 0; j < n; j += INFER_PANEL, packed += (k + 3) / 4 * 64) {
        const int32_t *first = start ? start + j : NULL;
        if (m == 2)
            few(2, n - j, k, a, lda, packed, first, c + j, ldc);
        else
            few(1, n - j, k, a, lda, packed, first, c + j, ldc);
    }
}

/* ---- many rows ---- */

/* So many groups of four rows of a panel become two pairs of rows each, whose columns are in the
 * order 0 1 4 5 2 3 6 7 and the same behind 8. */
static void widen_panel(size_t groups, const int8_t *b, int16_t *to) {
    for (size_t g = 0; g < groups; g++, b += 64, to += 64) {
        __m256 v[4];
        foreach (q, 4)
            v[q] =
                _mm256_castsi256_ps(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b + q)));
        foreach (h, 2) {
            const __m256 even = _mm256_shuffle_ps(v[2 * h], v[2 * h + 1], 0x88);
            const __m256 odd = _mm256_shuffle_ps(v[2 * h], v[2 * h + 1], 0xdd);
            _mm256_store_si256((__m256i *)to + h, _mm256_castps_si256(even));
            _mm256_store_si256((__m256i *)to + 2 + h, _mm256_castps_si256(odd));
        }
    }
}

/* With zeros up to whole groups of four. */
static void widen_row(size_t k, const uint8_t *a, int16_t *to) {
    size_t l = 0;
    for (; k - l >= 16; l += 16)
        _mm256_storeu_si256((__m256i *)(to + l),
                            _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(a + l))));
    for (; l < k; l++)
        to[l] = a[l];
    for (; l % 4; l++)
        to[l] = 0;
}

/* c[rows][16] = init + a * b over so many pairs of terms; init's rows may be one and the same (ldi
 * 0), and init may be c. */
VEC_INLINE void tile(const size_t rows, size_t pairs, const int16_t *a, const int16_t *b,
                     const int32_t *init, size_t ldi, int32_t *c, size_t ldc) {
    __m256i sum[ROWS][2];
    foreach (r, rows)
        foreach (h, 2)
            sum[r][h] = _mm256_setzero_si256();
    for (size_t l = 0; l < pairs; l++, a += 2, b += 32) {
        const __m256i v[2] = {_mm256_load_si256((const __m256i *)b),
                              _mm256_load_si256((const __m256i *)b + 1)};
        foreach (r, rows) {
            int32_t pair;
            memcpy(&pair, a + r * LD, sizeof pair);
            const __m256i u = _mm256_set1_epi32(pair);
            foreach (h, 2)
                sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(u, v[h]));
        }
    }
    foreach (r, rows)
        foreach (h, 2) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)(init + r * ldi) + h);
            const __m256i all = _mm256_permute4x64_epi64(sum[r][h], 0xd8);
            _mm256_storeu_si256((__m256i *)(c + r * ldc) + h, _mm256_add_epi32(first, all));
        }
}

static void tile_of(size_t rows, size_t pairs, const int16_t *a, const int16_t *b,
                    const int32_t *init, size_t ldi, int32_t *c, size_t ldc) {
    switch (rows) {
#define TILE(rows)                                                                                 \
    case rows:                                                                                     \
        tile(rows, pairs, a, b, init, ldi, c, ldc);                                                \
        break;
        TILE(2)
        TILE(3)
        TILE(4)
        TILE(5)
        TILE(6)
#undef TILE
    default:
        tile(1, pairs, a, b, init, ldi, c, ldc);
    }
}

/* One panel of C; the first of its n columns are there. */
static void panel_of(size_t rows, size_t n, size_t groups, const int16_t *a, const int16_t *b,
                     const int32_t *start, int32_t *c, size_t ldc) {
    const size_t tiles = (rows + ROWS - 1) / ROWS;
    int32_t edge[ROWS * INFER_PANEL];
    for (size_t t = 0, r = 0, height; t < tiles; t++, r += height) {
        height = rows / tiles + (t < rows % tiles);
        int32_t *to = c + r * ldc;
        if (n >= INFER_PANEL) {
            tile_of(height, 2 * groups, a + r * LD, b, start ? start : to, start ? 0 : ldc, to,
                    ldc);
            continue;
        }
        for (size_t i = 0; i < height && !start; i++) {
            memset(edge + i * INFER_PANEL, 0, INFER_PANEL * sizeof *edge);
            memcpy(edge + i * INFER_PANEL, to + i * ldc, n * sizeof *edge);
        }
        tile_of(height, 2 * groups, a + r * LD, b, start ? start : edge, start ? 0 : INFER_PANEL,
                edge, INFER_PANEL);
        for (size_t i = 0; i < height; i++)
            memcpy(to + i * ldc, edge + i * INFER_PANEL, n * sizeof *edge);
    }
}

void infer_avx2_gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                          const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc) {
    static const int32_t zeros[INFER_PANEL];
    if (m == 1 || m == 2) {
        gemm_few(m, n, k, a, lda, packed, start, c, ldc);
        return;
    }
    const size_t most = infer_even_part(m, ROWS * TILES);
    const size_t deepest = (infer_even_part(k, DEPTH) + 3) / 4 * 4, panel = (k + 3) / 4 * 64;
    _Alignas(32) int16_t rows[ROWS * TILES * LD], columns[DEPTH * INFER_PANEL];
    size_t i = 0, depth;
    do {
        depth = k - i < deepest ? k - i : deepest;
        const size_t groups = (depth + 3) / 4;
        for (size_t r = 0, height; r < m; r += height) {
            height = m - r < most ? m - r : most;
            for (size_t q = 0; q < height; q++)
                widen_row(depth, a + (r + q) * lda + i, rows + q * LD);
            for (size_t j = 0; j < n; j += INFER_PANEL) {
                const int32_t *first = i ? NULL : start ? start + j : zeros;
                widen_panel(groups, packed + j / INFER_PANEL * panel + i * INFER_PANEL, columns);
                panel_of(height, n - j, groups, rows, columns, first, c + r * ldc + j, ldc);
            }
        }
        i += depth;
    } while (i < k);
}
