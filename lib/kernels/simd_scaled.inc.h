/* Template: gemm_scaled, products with panels of integers and scales that stay so in memory: a tile
 * widens a row of them in registers, multiplies and is done with it. Worth it for the few rows that
 * make use of a widened panel once or twice. A row's bits are
 * those of gemm_packed of two rows and the widened panels. */

#define SCALED_K   (1536 / sizeof(T))
#define SCALED_LDA (SCALED_K + 64 / sizeof(T))

/* c[rows][TILE_COLS] = init + a * b: b points to integers of the first panel, panel bytes before
 * those of the next; init as in gemm_packed. The panels ahead are sent for, as they come from
 * memory. */
VEC_INLINE void NAME(scaled_tile)(const size_t rows, size_t k, const T *a, const int8_t *b,
                                  size_t panel, const int8_t *ahead, const VEC *scale,
                                  const T *init, size_t ldi, T *c, size_t ldc) {
    VEC sum[TILE_ROWS][TILE_VECS];
    foreach (r, rows)
        foreach (v, TILE_VECS)
            sum[r][v] = V(load)(init + r * ldi + v * LANES);
    for (size_t i = 0; i < k; i++, b += INFER_PANEL, ahead += INFER_PANEL) {
        VEC row[TILE_VECS];
        foreach (v, TILE_VECS)
            row[v] = V(mul)(V(widen)(b + v * LANES / INFER_PANEL * panel + v * LANES % INFER_PANEL),
                            scale[v]);
        foreach (v, TILE_VECS * LANES / INFER_PANEL)
            __builtin_prefetch(ahead + v * panel, 0, 3);
        foreach (r, rows) {
            VEC x = V(set1)(a[r * SCALED_LDA + i]);
            foreach (v, TILE_VECS)
                sum[r][v] = V(fma)(x, row[v], sum[r][v]);
        }
    }
    foreach (r, rows)
        foreach (v, TILE_VECS)
            V(store)(c + r * ldc + v * LANES, sum[r][v]);
}

typedef void NAME(scaled_tile_fn)(size_t k, const T *a, const int8_t *b, size_t panel,
                                  const int8_t *ahead, const VEC *scale, const T *init, size_t ldi,
                                  T *c, size_t ldc);

#define SCALED_TILE(name, rows)                                                                    \
    static void name##rows(size_t k, const T *a, const int8_t *b, size_t panel,                    \
                           const int8_t *ahead, const VEC *scale, const T *init, size_t ldi, T *c, \
                           size_t ldc) {                                                           \
        NAME(scaled_tile)(rows, k, a, b, panel, ahead, scale, init, ldi, c, ldc);                  \
    }
#define SCALED_TILE_OF(rows)   EXPAND(SCALED_TILE, NAME(scaled), rows)
#define SCALED_TILE_NAME(rows) [rows] = JOIN(NAME(scaled), rows),

SCALED_TILE_OF(1)
TILE_LIST(SCALED_TILE_OF)
static NAME(scaled_tile_fn) *const
    NAME(scaled_tiles)[TILE_ROWS + 1] = {SCALED_TILE_NAME(1) TILE_LIST(SCALED_TILE_NAME)};

#undef SCALED_TILE
#undef SCALED_TILE_OF
#undef SCALED_TILE_NAME

static void NAME(gemm_scaled)(size_t m, size_t n, size_t k, const T *a, size_t lda,
                              const void *packed, const T *bias, T *c, size_t ldc) {
    static const T zeros[TILE_COLS];
    const size_t scales = INFER_PANEL * sizeof(T), panel = scales + k * INFER_PANEL;
    const size_t tiles = m / TILE_ROWS + (m % TILE_ROWS != 0);
    const size_t deepest = infer_even_part(k, SCALED_K);
    T block[TILE_ROWS * SCALED_LDA];
    size_t i = 0, depth;
    do {
        depth = k - i < deepest ? k - i : deepest;
        for (size_t t = 0, row = 0, rows; t < tiles; t++, row += rows) {
            rows = infer_even_share(m, tiles, t);
            for (size_t r = 0; depth && r < rows; r++)
                memcpy(block + r * SCALED_LDA, a + (row + r) * lda + i, depth * sizeof(T));
            for (size_t j = 0, cols; j < n; j += cols) {
                const char *at = (const char *)packed + j / INFER_PANEL * panel;
                /* A panel that is not there is the one before: its sums are left. */
                const size_t next = n - j > INFER_PANEL ? panel : 0;
                T *to = c + row * ldc + j, edge[TILE_ROWS * TILE_COLS];
                const T *init = i ? to : bias ? bias + j : zeros;
                size_t ldi = i ? ldc : 0, ldt = ldc;
                VEC scale[TILE_VECS];
                foreach (v, TILE_VECS)
                    scale[v] =
                        V(load)((const T *)(const void *)(at + v * LANES / INFER_PANEL * next) +
                                v * LANES % INFER_PANEL);
                cols = n - j < TILE_COLS ? n - j : TILE_COLS;
                const bool more = n - j > TILE_COLS;
                if (cols < TILE_COLS) {
                    memset(edge, 0, sizeof edge);
                    for (size_t r = 0; r < rows; r++)
                        memcpy(edge + r * TILE_COLS, init + r * ldi, cols * sizeof(T));
                    init = edge;
                    ldi = ldt = TILE_COLS;
                }
                const int8_t *b = (const int8_t *)at + scales + i * INFER_PANEL;
                NAME(scaled_tiles)
                [rows](depth, block, b, next, more ? b + TILE_COLS / INFER_PANEL * panel : b, scale,
                       init, ldi, cols < TILE_COLS ? edge : to, ldt);
                for (size_t r = 0; cols < TILE_COLS && r < rows; r++)
                    memcpy(to + r * ldc, edge + r * TILE_COLS, cols * sizeof(T));
            }
        }
        i += depth;
    } while (i < k);
}
