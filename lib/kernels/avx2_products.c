/* Products of bytes with AVX2. Compiled with -mavx2; runs where INFER_CPU_AVX2 is set. Two products
 * of 8 bits are added up in 16 at once, which holds what it must where B's two numbers add up to
 * 128 at most; elsewhere numbers are widened first. */
#include "avx2_pairs.h"
#include "bytes.h"

#include <immintrin.h>
#include <stdbool.h>

/* A tile: rows by a panel, whose sums are in registers. A block: so many tiles' rows of A times a
 * panel of B, over so many terms; the panel stays in the first cache. */
#define ROWS  PAIRS_ROWS
#define TILES 7
#define DEPTH 512
#define LD    (DEPTH + 32) /* of A's widened copy, whose rows are to keep off each other's lines */

static const int32_t zeros[INFER_PANEL];

/* ---- one row or two, and nothing known of B ---- */

/* Numbers of B become 16 bits times 256 where they lie, and so do sums: of so many terms they fit
 * 31 bits. */
#define FEW_DEPTH 256

/* A row's numbers as pairs of those of even and of odd number, zeros past k. */
static void split_row(size_t k, const uint8_t *a, int32_t *to) {
    for (size_t l = 0; l < k; l += 4) {
        const uint32_t word = k - l < 4 ? bytes_rest(a + l, k - l) : bytes_word(a + l);
        *to++ = (int32_t)(word & 0x00ff00ff);
        *to++ = (int32_t)(word >> 8 & 0x00ff00ff);
    }
}

/* rows x 16 columns: of those the first n are there, of init as many. */
VEC_INLINE void few(const size_t rows, size_t n, size_t groups, const int32_t *a, const int8_t *b,
                    const int32_t *init, size_t ldi, int32_t *c, size_t ldc) {
    const __m256i high = _mm256_set1_epi16((int16_t)0xff00);
    __m256i sum[2][2];
    foreach (r, rows)
        foreach (h, 2)
            sum[r][h] = _mm256_setzero_si256();
    for (size_t g = 0; g < groups; g++, a += 2, b += 64) {
        __m256i even[2], odd[2];
        foreach (h, 2) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)b + h);
            even[h] = _mm256_slli_epi16(v, 8);
            odd[h] = _mm256_and_si256(v, high);
        }
        foreach (r, rows) {
            const __m256i u = _mm256_set1_epi32(a[r * (FEW_DEPTH / 2)]);
            const __m256i w = _mm256_set1_epi32(a[r * (FEW_DEPTH / 2) + 1]);
            foreach (h, 2)
                sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(u, even[h]));
            foreach (h, 2)
                sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(w, odd[h]));
        }
    }
    foreach (r, rows) {
        int32_t row[INFER_PANEL] = {0};
        if (n < INFER_PANEL)
            memcpy(row, init + r * ldi, n * sizeof *row);
        const int32_t *from = n < INFER_PANEL ? row : init + r * ldi;
        int32_t *to = n < INFER_PANEL ? row : c + r * ldc;
        foreach (h, 2) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)from + h);
            _mm256_storeu_si256((__m256i *)to + h,
                                _mm256_add_epi32(first, _mm256_srai_epi32(sum[r][h], 8)));
        }
        if (n < INFER_PANEL)
            memcpy(c + r * ldc, row, n * sizeof *row);
    }
}

static void gemm_few(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                     const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc) {
    const size_t panel = (k + 3) / 4 * 64;
    int32_t pairs[2][FEW_DEPTH / 2];
    size_t i = 0, depth;
    do {
        depth = k - i < FEW_DEPTH ? k - i : FEW_DEPTH;
        for (size_t r = 0; r < m; r++)
            split_row(depth, a + r * lda + i, pairs[r]);
        for (size_t j = 0; j < n; j += INFER_PANEL) {
            const int8_t *b = packed + j / INFER_PANEL * panel + i * INFER_PANEL;
            const int32_t *init = i ? c + j : start ? start + j : zeros;
            if (m == 2)
                few(2, n - j, (depth + 3) / 4, *pairs, b, init, i ? ldc : 0, c + j, ldc);
            else
                few(1, n - j, (depth + 3) / 4, *pairs, b, init, i ? ldc : 0, c + j, ldc);
        }
        i += depth;
    } while (i < k);
}

/* ---- where products of neighbours fit 16 bits ---- */

/* The first group from g on that is marked, or end. */
static size_t next_mark(const uint64_t *marks, size_t g, size_t end) {
    while (g < end) {
        const uint64_t rest = marks[g / 64] >> g % 64;
        if (rest) {
            g += (size_t)__builtin_ctzll(rest);
            break;
        }
        g = (g / 64 + 1) * 64;
    }
    return g < end ? g : end;
}

/* Whether more than one in so many groups of those words of marks is marked: then widened numbers
 * are faster. */
static bool many_marks(const uint64_t *marks, size_t words) {
    size_t count = 0;
    for (size_t i = 0; i < words; i++)
        count += (size_t)__builtin_popcountll(marks[i]);
    return count * 6 > words * 64;
}

/* As an intrinsic, compilers put the products of a group before its sums, for which registers are
 * too few. */
VEC_INLINE void add(__m256i *sum, __m256i more) {
    __asm__("vpaddd %1, %0, %0" : "+x"(*sum) : "x"(more));
}

/* tile, over k terms; marks of the groups from `from` on. Where they are set, and at the end where
 * less than a group is left, A's lowest bits are multiplied apart from the other seven. */
VEC_INLINE void narrow_tile(const size_t rows, size_t k, const uint8_t *a, size_t lda,
                            const int8_t *b, const uint64_t *marks, size_t from,
                            const int32_t *init, size_t ldi, int32_t *c, size_t ldc) {
    const __m256i ones = _mm256_set1_epi16(1);
    const size_t groups = (k + 3) / 4, whole = k / 4;
    __m256i sum[ROWS][2];
    foreach (r, rows)
        foreach (h, 2)
            sum[r][h] = _mm256_setzero_si256();
    for (size_t g = 0; g < groups; g++) {
        const size_t end = next_mark(marks, from + g, from + whole) - from;
        const uint8_t *left = a + 4 * g;
        const int8_t *right = b + 64 * g;
        for (; g < end; g++, left += 4, right += 64)
            foreach (r, rows) {
                const uint32_t word = bytes_word(left + r * lda);
                const __m256i u = _mm256_set1_epi32((int32_t)word);
                foreach (h, 2) {
                    const __m256i v = _mm256_loadu_si256((const __m256i *)right + h);
                    const __m256i pairs = _mm256_maddubs_epi16(u, v);
                    add(&sum[r][h], _mm256_madd_epi16(pairs, ones));
                }
            }
        if (g == groups)
            break;
        foreach (r, rows) {
            const uint8_t *at = a + r * lda + 4 * g;
            const uint32_t word = g == whole ? bytes_rest(at, k - 4 * g) : bytes_word(at);
            const __m256i low = _mm256_set1_epi32((int32_t)(word & 0x01010101));
            const __m256i high = _mm256_set1_epi32((int32_t)(word >> 1 & 0x7f7f7f7f));
            foreach (h, 2) {
                const __m256i v = _mm256_loadu_si256((const __m256i *)(b + 64 * g) + h);
                const __m256i most = _mm256_madd_epi16(_mm256_maddubs_epi16(high, v), ones);
                const __m256i rest = _mm256_madd_epi16(_mm256_maddubs_epi16(low, v), ones);
                sum[r][h] = _mm256_add_epi32(sum[r][h],
                                             _mm256_add_epi32(rest, _mm256_add_epi32(most, most)));
            }
        }
    }
    foreach (r, rows)
        foreach (h, 2) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)(init + r * ldi) + h);
            _mm256_storeu_si256((__m256i *)(c + r * ldc) + h, _mm256_add_epi32(first, sum[r][h]));
        }
}

/* One row or two. */
static void narrow_few(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                       const int8_t *packed, const uint64_t *marks, const int32_t *start,
                       int32_t *c, size_t ldc) {
    const size_t groups = (k + 3) / 4, words = infer_mark_words(k);
    for (size_t j = 0; j < n; j += INFER_PANEL, packed += 64 * groups, marks += words) {
        const int32_t *init = start ? start + j : zeros;
        const size_t some = n - j < INFER_PANEL ? n - j : INFER_PANEL;
        int32_t edge[2 * INFER_PANEL], *to = some < INFER_PANEL ? edge : c + j;
        const size_t ld = some < INFER_PANEL ? INFER_PANEL : ldc;
        if (m == 2)
            narrow_tile(2, k, a, lda, packed, marks, 0, init, 0, to, ld);
        else
            narrow_tile(1, k, a, lda, packed, marks, 0, init, 0, to, ld);
        for (size_t r = 0; some < INFER_PANEL && r < m; r++)
            memcpy(c + r * ldc + j, edge + r * INFER_PANEL, some * sizeof *edge);
    }
}

/* ---- where they do not ---- */

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
    sum_pairs(rows, pairs, a, LD, b, sum);
    foreach (r, rows)
        foreach (h, 2) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)(init + r * ldi) + h);
            const __m256i all = _mm256_permute4x64_epi64(sum[r][h], 0xd8);
            _mm256_storeu_si256((__m256i *)(c + r * ldc) + h, _mm256_add_epi32(first, all));
        }
}

/* A block of A, widened when it is first needed so, and some of its terms in a panel of B. */
typedef struct block {
    size_t rows, k, lda;
    const uint8_t *a;
    int16_t *wide_a, *wide_b;
    bool widened;
} block;

/* A tile of three rows or more, which even shares have, from row r on. */
#define TILES_OF(TILE) TILE(3) TILE(4) TILE(5) TILE(6)

VEC_ONCE void narrow_of(size_t rows, const block *k, size_t r, const int8_t *b,
                        const uint64_t *marks, size_t from, const int32_t *init, size_t ldi,
                        int32_t *c, size_t ldc) {
    const uint8_t *a = k->a + r * k->lda;
    switch (rows) {
#define TILE(rows)                                                                                 \
    case rows:                                                                                     \
        narrow_tile(rows, k->k, a, k->lda, b, marks, from, init, ldi, c, ldc);                     \
        break;
        TILES_OF(TILE)
#undef TILE
    }
}

VEC_ONCE void wide_of(size_t rows, const block *k, size_t r, const int32_t *init, size_t ldi,
                      int32_t *c, size_t ldc) {
    const int16_t *a = k->wide_a + r * LD;
    const size_t pairs = (k->k + 3) / 4 * 2;
    switch (rows) {
#define TILE(rows)                                                                                 \
    case rows:                                                                                     \
        tile(rows, pairs, a, k->wide_b, init, ldi, c, ldc);                                        \
        break;
        TILES_OF(TILE)
#undef TILE
    }
}

/* marks NULL: of widened numbers. */
static void tile_of(size_t rows, const block *k, size_t r, const int8_t *b, const uint64_t *marks,
                    size_t from, const int32_t *init, size_t ldi, int32_t *c, size_t ldc) {
    if (marks)
        narrow_of(rows, k, r, b, marks, from, init, ldi, c, ldc);
    else
        wide_of(rows, k, r, init, ldi, c, ldc);
}

/* One panel of C; the first of its n columns are there. Marks of the groups from `from` on, NULL
 * where nothing is known. */
static void panel_of(block *k, size_t n, const int8_t *b, const uint64_t *marks, size_t from,
                     const int32_t *start, int32_t *c, size_t ldc) {
    const size_t tiles = (k->rows + ROWS - 1) / ROWS, groups = (k->k + 3) / 4;
    int32_t edge[ROWS * INFER_PANEL];
    if (marks && many_marks(marks + from / 64, infer_mark_words(k->k)))
        marks = NULL;
    if (!marks) {
        widen_panel(groups, b, k->wide_b);
        for (size_t q = 0; q < k->rows && !k->widened; q++)
            widen_row(k->k, k->a + q * k->lda, k->wide_a + q * LD);
        k->widened = true;
    }
    for (size_t t = 0, r = 0, height; t < tiles; t++, r += height) {
        height = infer_even_share(k->rows, tiles, t);
        int32_t *to = c + r * ldc;
        if (n >= INFER_PANEL) {
            tile_of(height, k, r, b, marks, from, start ? start : to, start ? 0 : ldc, to, ldc);
            continue;
        }
        for (size_t i = 0; i < height && !start; i++) {
            memset(edge + i * INFER_PANEL, 0, INFER_PANEL * sizeof *edge);
            memcpy(edge + i * INFER_PANEL, to + i * ldc, n * sizeof *edge);
        }
        tile_of(height, k, r, b, marks, from, start ? start : edge, start ? 0 : INFER_PANEL, edge,
                INFER_PANEL);
        for (size_t i = 0; i < height; i++)
            memcpy(to + i * ldc, edge + i * INFER_PANEL, n * sizeof *edge);
    }
}

void infer_avx2_gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                          const int8_t *packed, const uint64_t *marks, const int32_t *start,
                          int32_t *c, size_t ldc) {
    if (n <= INFER_FEW_COLUMNS && m > 2) {
        infer_avx2_gemm_columns(m, n, k, a, lda, packed, start, c, ldc);
        return;
    }
    if (m == 1 || m == 2) {
        if (marks)
            narrow_few(m, n, k, a, lda, packed, marks, start, c, ldc);
        else
            gemm_few(m, n, k, a, lda, packed, start, c, ldc);
        return;
    }
    const size_t parts = (m + ROWS * TILES - 1) / (ROWS * TILES), words = infer_mark_words(k);
    const size_t deepest = (infer_even_part(k, DEPTH) + 3) / 4 * 4, panel = (k + 3) / 4 * 64;
    _Alignas(32) int16_t rows[ROWS * TILES * LD], columns[DEPTH * INFER_PANEL];
    size_t i = 0, depth;
    do {
        depth = k - i < deepest ? k - i : deepest;
        for (size_t part = 0, r = 0, height; part < parts; part++, r += height) {
            height = infer_even_share(m, parts, part);
            block of = {height, depth, lda, a + r * lda + i, rows, columns, false};
            for (size_t j = 0, p = 0; j < n; j += INFER_PANEL, p++)
                panel_of(&of, n - j, packed + p * panel + i * INFER_PANEL,
                         marks ? marks + p * words : NULL, i / 4,
                         i       ? NULL
                         : start ? start + j
                                 : zeros,
                         c + r * ldc + j, ldc);
        }
        i += depth;
    } while (i < k);
}
