/* Template: products of bytes with few columns, along the rows of the left. TERM: a number of a
 * column as it is multiplied; STEP: so many at a time; and `four`, the sums of four rows, each ld
 * behind the one before, with a column of whole steps. */

#define ROWS  4
#define DEPTH 512 /* numbers of a column that are taken together */

/* A column of a panel, so many terms of it, and zeros up to whole steps. */
static void take_column(size_t k, const int8_t *b, TERM *to) {
    size_t l = 0;
    for (; l < k; l++)
        to[l] = b[l / 4 * 64 + l % 4];
    for (; l % STEP; l++)
        to[l] = 0;
}

static __m128i four(size_t k, const uint8_t *a, size_t ld, const TERM *b);

static void few_columns(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                        const int8_t *packed, const int32_t *start, int32_t *c, size_t ldc) {
    _Alignas(64) TERM column[DEPTH];
    for (size_t j = 0; j < n; j++) {
        size_t i = 0, depth;
        do {
            depth = k - i < DEPTH ? k - i : DEPTH;
            take_column(depth, packed + i * INFER_PANEL + 4 * j, column);
            for (size_t r = 0; r < m; r += ROWS) {
                int32_t sums[ROWS];
                const size_t rows = m - r < ROWS ? m - r : ROWS;
                const uint8_t *from = a + r * lda + i;
                if (rows == ROWS)
                    _mm_storeu_si128((__m128i *)sums, four(depth, from, lda, column));
                else
                    for (size_t q = 0; q < rows; q++)
                        sums[q] = _mm_cvtsi128_si32(four(depth, from + q * lda, 0, column));
                for (size_t q = 0; q < rows; q++) {
                    int32_t *to = c + (r + q) * ldc + j;
                    const int32_t init = i ? *to : start ? start[j] : 0;
                    *to = (int32_t)((uint32_t)init + (uint32_t)sums[q]);
                }
            }
            i += depth;
        } while (i < k);
    }
}
