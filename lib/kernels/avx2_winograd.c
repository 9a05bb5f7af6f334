/* Convolutions of bytes of three by three by Winograd's algorithm with AVX2: sixteen products where
 * there would be 36, of numbers of 12 bits at most. Exact. Compiled with -mavx2; runs where
 * INFER_CPU_AVX2 is set. */
#include "avx2_pairs.h"
#include "bytes.h"

#include <immintrin.h>

#define ROWS  PAIRS_ROWS
#define TERMS 16 /* of a patch of 4 x 4 */

VEC_INLINE __m256i load(const void *x) {
    return _mm256_loadu_si256((const __m256i *)x);
}

VEC_INLINE void store(void *y, __m256i v) {
    _mm256_storeu_si256((__m256i *)y, v);
}

/* ---- weights ---- */

/* A line of three becomes one of four: twice what the algorithm says, to remain integers. */
VEC_INLINE void spread(const __m128i *w, size_t step, __m128i *y) {
    const __m128i ends = _mm_add_epi16(w[0], w[2 * step]);
    y[0] = _mm_add_epi16(w[0], w[0]);
    y[1] = _mm_add_epi16(ends, w[step]);
    y[2] = _mm_sub_epi16(ends, w[step]);
    y[3] = _mm_add_epi16(w[2 * step], w[2 * step]);
}

static void weights_of(size_t groups, const uint8_t *w, int32_t zero, size_t step, int16_t *y) {
    const __m128i move = _mm_set1_epi16((int16_t)zero);
    for (size_t g = 0; g < groups; g += 2) {
        g = g + 2 > groups ? groups - 2 : g; /* the last one with one before it */
        __m128i tap[9], rows[3][4];
        foreach (t, 9) {
            const uint8_t *from = w + (g * 9 + t) * 4;
            const __m128i both =
                _mm_unpacklo_epi32(_mm_cvtsi32_si128((int32_t)bytes_word(from)),
                                   _mm_cvtsi32_si128((int32_t)bytes_word(from + 36)));
            tap[t] = _mm_sub_epi16(_mm_cvtepu8_epi16(both), move);
        }
        foreach (i, 3)
            spread(tap + 3 * i, 1, rows[i]);
        foreach (j, 4) {
            __m128i all[4];
            spread(&rows[0][j], 4, all);
            foreach (i, 4)
                _mm_storeu_si128((__m128i *)(y + (4 * i + j) * step + 4 * g), all[i]);
        }
    }
}

/* ---- the input ---- */

/* What a row of the input gives the patches that see it, along the row: four numbers each, `step`
 * apart. x: its places from where the first patch begins, unsigned; two places further each. */
static void cross_row(size_t columns, const uint8_t *x, int32_t twice, size_t step, int16_t *y) {
    const __m256i low = _mm256_set1_epi16(0xff), move = _mm256_set1_epi16((int16_t)twice);
    for (size_t t = 0; t < columns; t += 16) {
        const __m256i here = load(x + 2 * t), next = load(x + 2 * t + 2);
        const __m256i d0 = _mm256_and_si256(here, low), d1 = _mm256_srli_epi16(here, 8);
        const __m256i d2 = _mm256_and_si256(next, low), d3 = _mm256_srli_epi16(next, 8);
        store(y + t, _mm256_sub_epi16(d0, d2));
        store(y + step + t, _mm256_sub_epi16(_mm256_add_epi16(d1, d2), move));
        store(y + 2 * step + t, _mm256_sub_epi16(d2, d1));
        store(y + 3 * step + t, _mm256_sub_epi16(d1, d3));
    }
}

/* y = x ^ flip. */
static void flipped(size_t n, const uint8_t *x, uint8_t flip, uint8_t *y) {
    const __m256i by = _mm256_set1_epi8((char)flip);
    for (size_t i = 0; n >= 32 && i < n; i += 32) {
        i = n - i < 32 ? n - 32 : i; /* the last ones with some before them */
        store(y + i, _mm256_xor_si256(load(x + i), by));
    }
    for (size_t i = 0; n < 32 && i < n; i++)
        y[i] = x[i] ^ flip;
}

/* All rows of a channel that `rows` rows of patches see, as lines [4 along a row][4 rows][step]. */
static void cross_rows(const infer_winograd8 *c, const uint8_t *x, size_t first, size_t rows,
                       uint8_t *row, size_t step, int16_t *lines) {
    for (size_t i = 0; i < 2 * rows + 2; i++) {
        const size_t at = 2 * first + i - c->before[0]; /* wraps above the first */
        if (at < c->in[0])
            flipped(c->in[1], x + at * c->in[1], c->flip, row + c->before[1]);
        for (size_t part = i % 2; part < 4; part += 2) { /* of the patches below, and above */
            if (i < part || (i - part) / 2 >= rows)
                continue;
            int16_t *to = lines + part * step + (i - part) / 2 * c->columns;
            if (at < c->in[0])
                cross_row(c->columns, row, 2 * c->zero, 4 * step, to);
            else
                foreach (j, 4)
                    memset(to + 4 * j * step, 0, c->columns * sizeof *to);
        }
    }
}

/* Along columns, and two channels side by side: in fours of tiles 0 2 1 3. */
VEC_INLINE void down(const int16_t *even, const int16_t *odd, size_t step, size_t gap, int16_t *y) {
    __m256i a[4], b[4], u[4], v[4];
    foreach (i, 4) {
        a[i] = load(even + i * step);
        b[i] = load(odd + i * step);
    }
    u[0] = _mm256_sub_epi16(a[0], a[2]);
    u[1] = _mm256_add_epi16(a[1], a[2]);
    u[2] = _mm256_sub_epi16(a[2], a[1]);
    u[3] = _mm256_sub_epi16(a[1], a[3]);
    v[0] = _mm256_sub_epi16(b[0], b[2]);
    v[1] = _mm256_add_epi16(b[1], b[2]);
    v[2] = _mm256_sub_epi16(b[2], b[1]);
    v[3] = _mm256_sub_epi16(b[1], b[3]);
    foreach (i, 4) {
        store(y + 4 * i * gap, _mm256_unpacklo_epi16(u[i], v[i]));
        store(y + 4 * i * gap + 16, _mm256_unpackhi_epi16(u[i], v[i]));
    }
}

/* Room: a row of the input with its padding, and lines of two channels. */
static void input_of(const infer_winograd8 *c, const uint8_t *x, size_t first, size_t rows,
                     int16_t *y, void *room) {
    const size_t tiles = infer_winograd8_tiles(c, rows), step = tiles + INFER_PANEL;
    const size_t pairs = (c->channels + 1) / 2, gap = infer_winograd8_gap(c, tiles);
    int16_t *lines = room;
    uint8_t *row = (uint8_t *)(lines + 2 * TERMS * step);
    memset(row, c->zero, 2 * c->columns + 64);
    for (size_t p = 0; p < pairs; p++) {
        for (size_t q = 0; q < 2; q++) {
            int16_t *to = lines + q * TERMS * step;
            if (2 * p + q < c->channels)
                cross_rows(c, x + (2 * p + q) * c->in[0] * c->in[1], first, rows, row, step, to);
            else
                memset(to, 0, TERMS * step * sizeof *to);
        }
        for (size_t t = 0; t < tiles; t += INFER_PANEL)
            for (size_t j = 0; j < 4; j++) {
                const int16_t *from = lines + 4 * j * step + t;
                down(from, from + TERMS * step, step, gap, y + j * gap + t * 2 * pairs + p * 32);
            }
    }
}

/* ---- products ---- */

/* y[rows][16] = a * b over so many pairs of terms. */
VEC_INLINE void tile(const size_t rows, size_t pairs, const int16_t *a, size_t lda,
                     const int16_t *b, int32_t *y, size_t ldy) {
    __m256i sum[ROWS][2];
    sum_pairs(rows, pairs, a, lda, b, sum);
    foreach (r, rows) {
        store(y + r * ldy, _mm256_permute2x128_si256(sum[r][0], sum[r][1], 0x20));
        store(y + r * ldy + 8, _mm256_permute2x128_si256(sum[r][0], sum[r][1], 0x31));
    }
}

static void tile_of(size_t rows, size_t pairs, const int16_t *a, size_t lda, const int16_t *b,
                    int32_t *y, size_t ldy) {
    switch (rows) {
#define TILE(rows)                                                                                 \
    case rows:                                                                                     \
        tile(rows, pairs, a, lda, b, y, ldy);                                                      \
        break;
        TILE(1)
        TILE(2)
        TILE(3)
        TILE(4)
        TILE(5)
        TILE(6)
#undef TILE
    }
}

/* Eight patches' sums, `gap` apart, become two rows of sixteen places. */
VEC_INLINE void back(const int32_t *m, size_t gap, int32_t *y, size_t ld) {
    __m256i rows[2][4];
    foreach (j, 4) {
        __m256i v[4];
        foreach (i, 4)
            v[i] = load(m + (4 * i + j) * gap);
        rows[0][j] = _mm256_add_epi32(v[0], _mm256_add_epi32(v[1], v[2]));
        rows[1][j] = _mm256_sub_epi32(v[1], _mm256_add_epi32(v[2], v[3]));
    }
    foreach (i, 2) {
        const __m256i *r = rows[i];
        __m256i even = _mm256_add_epi32(r[0], _mm256_add_epi32(r[1], r[2]));
        __m256i odd = _mm256_sub_epi32(r[1], _mm256_add_epi32(r[2], r[3]));
        even = _mm256_srai_epi32(even, 2);
        odd = _mm256_srai_epi32(odd, 2);
        const __m256i low = _mm256_unpacklo_epi32(even, odd);
        const __m256i high = _mm256_unpackhi_epi32(even, odd);
        store(y + i * ld, _mm256_permute2x128_si256(low, high, 0x20));
        store(y + i * ld + 8, _mm256_permute2x128_si256(low, high, 0x31));
    }
}

static void sums_of(const infer_winograd8 *c, size_t outputs, size_t first, size_t rows,
                    const int16_t *w, size_t step, const int16_t *x, int32_t *sums, size_t ld,
                    void *room) {
    const size_t tiles = infer_winograd8_tiles(c, rows), gap = infer_winograd8_gap(c, tiles);
    const size_t pairs = (c->channels + 1) / 2, lda = (c->channels + 3) / 4 * 4;
    const size_t wide = tiles + INFER_PANEL, gap_m = infer_winograd8_apart(outputs, tiles),
                 parts = (outputs + ROWS - 1) / ROWS;
    const size_t left = c->out[0] - 2 * first, high = left < 2 * rows ? left : 2 * rows;
    int32_t *m = room, *places = m + TERMS * gap_m;
    for (size_t f = 0; f < TERMS; f++)
        for (size_t t = 0; t < tiles; t += INFER_PANEL)
            for (size_t i = 0, at = 0, some; i < parts; i++, at += some) {
                some = infer_even_share(outputs, parts, i);
                tile_of(some, pairs, w + f * step + at * lda, lda, x + f * gap + t * 2 * pairs,
                        m + f * gap_m + at * wide + t, wide);
            }
    for (size_t i = 0; i < outputs; i++, sums += ld) {
        for (size_t t = 0; t < tiles; t += 8)
            back(m + i * wide + t, gap_m, places + 2 * t, 2 * tiles);
        for (size_t r = 0; r < high; r++)
            memcpy(sums + r * c->out[1], places + r % 2 * 2 * tiles + r / 2 * 2 * c->columns,
                   c->out[1] * sizeof *sums);
    }
}

void infer_kernels_avx2_winograd(infer_kernels *k) {
    k->winograd_weights_8 = weights_of;
    k->winograd_input_8 = input_of;
    k->winograd_sums_8 = sums_of;
}
