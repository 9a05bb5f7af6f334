/* Template: gemm_packed for element type T, suffix S, in the words of vec.h.
 *
 * From two rows on, every element of C is one chain of multiply-adds over k that starts at the
 * bias, whatever the tile, the blocks or the instruction set: its bits depend on k alone. A single
 * row is bound by reading the panels and sums in several chains instead. */

/* A block of A, a few tiles of rows by so much of k, lies copied on the stack: the copy's distance
 * of rows keeps them off each other's lines, where A's own may make them collide. It stays in the
 * second cache, a panel's part in the first; the more tiles there are, the less often a product's
 * weights come from memory. */
#define GEMM_TILES 7
#define GEMM_K     (10752 / TILE_ROWS / sizeof(T) / 16 * 16)
#define GEMM_LDA   (GEMM_K + 64 / sizeof(T))

/* c[rows][vecs * LANES] = init + a * b. b points into the first panel, panel is the distance to the
 * next; init's rows may be one and the same (ldi 0), and init may be c. On their way to the second
 * cache meanwhile: what lies ahead, panels as b's, and the next tile of c. */
VEC_INLINE void NAME(tile)(const size_t rows, const size_t vecs, size_t k, const T *a, const T *b,
                           size_t panel, const T *init, size_t ldi, T *c, size_t ldc,
                           const T *ahead, const T *next) {
    VEC sum[TILE_ROWS][TILE_VECS];
    foreach (r, rows)
        foreach (v, vecs)
            sum[r][v] = V(load)(init + r * ldi + v * LANES);
    foreach (r, rows)
        foreach (v, vecs * LANES / INFER_PANEL)
            __builtin_prefetch(next + r * ldc + v * INFER_PANEL, 1, 2);
    for (size_t i = 0; i < k; i++, b += INFER_PANEL, ahead += INFER_PANEL) {
        VEC row[TILE_VECS];
        foreach (v, vecs)
            row[v] = V(load)(b + v * LANES / INFER_PANEL * panel + v * LANES % INFER_PANEL);
        foreach (v, vecs * LANES / INFER_PANEL)
            __builtin_prefetch(ahead + v * panel, 0, 2);
        foreach (r, rows) {
            VEC x = V(set1)(a[r * GEMM_LDA + i]);
            foreach (v, vecs)
                sum[r][v] = V(fma)(x, row[v], sum[r][v]);
        }
    }
    foreach (r, rows)
        foreach (v, vecs)
            V(store)(c + r * ldc + v * LANES, sum[r][v]);
}

typedef void NAME(tile_fn)(size_t k, const T *a, const T *b, size_t panel, const T *init,
                           size_t ldi, T *c, size_t ldc, const T *ahead, const T *next);

#define TILE_FUNCTION(name, rows, vecs)                                                            \
    static void name##rows(size_t k, const T *a, const T *b, size_t panel, const T *init,          \
                           size_t ldi, T *c, size_t ldc, const T *ahead, const T *next) {          \
        NAME(tile)(rows, vecs, k, a, b, panel, init, ldi, c, ldc, ahead, next);                    \
    }
#define TILE_WIDE(rows)        EXPAND(TILE_FUNCTION, NAME(wide), rows, TILE_VECS)
#define TILE_NARROW(rows)      EXPAND(TILE_FUNCTION, NAME(narrow), rows, 1)
#define TILE_WIDE_NAME(rows)   [rows] = JOIN(NAME(wide), rows),
#define TILE_NARROW_NAME(rows) [rows] = JOIN(NAME(narrow), rows),

TILE_LIST(TILE_WIDE)
static NAME(tile_fn) *const NAME(wide_tiles)[TILE_ROWS + 1] = {TILE_LIST(TILE_WIDE_NAME)};

/* A tile of two panels needs a smaller brother for the last of an odd number. */
#if TILE_VECS * LANES > INFER_PANEL
TILE_LIST(TILE_NARROW)
static NAME(tile_fn) *const NAME(narrow_tiles)[TILE_ROWS + 1] = {TILE_LIST(TILE_NARROW_NAME)};
#define NARROW_TILES NAME(narrow_tiles)
#else
#define NARROW_TILES NAME(wide_tiles)
#endif

#undef TILE_FUNCTION
#undef TILE_WIDE
#undef TILE_NARROW
#undef TILE_WIDE_NAME
#undef TILE_NARROW_NAME

/* One tile of C at column j, whole or cut off by n. first: C starts at the bias, else at itself. */
VEC_INLINE void NAME(gemm_tile)(NAME(tile_fn) * tile, size_t rows, size_t width, size_t cols,
                                size_t k, const T *a, const T *b, size_t panel, const T *bias,
                                int first, T *c, size_t ldc, const T *ahead, const T *next) {
    static const T zeros[TILE_COLS];
    const T *init = !first ? c : bias ? bias : zeros;
    size_t ldi = first ? 0 : ldc;
    if (cols == width) {
        tile(k, a, b, panel, init, ldi, c, ldc, ahead, next);
        return;
    }
    T edge[TILE_ROWS * TILE_COLS] = {0};
    for (size_t r = 0; r < rows; r++)
        memcpy(edge + r * width, init + r * ldi, cols * sizeof(T));
    tile(k, a, b, panel, edge, width, edge, width, ahead, edge);
    for (size_t r = 0; r < rows; r++)
        memcpy(c + r * ldc, edge + r * width, cols * sizeof(T));
}

/* One row times so many panels at once, each a stream of its own from memory. A column is summed
 * alike whatever panels is. */
VEC_INLINE void NAME(row_panels)(const size_t panels, size_t cols, size_t k, const T *a, const T *b,
                                 const T *bias, T *c) {
    enum { VECS = INFER_PANEL / LANES, CHAINS = VECS < 4 ? 4 / VECS : 1 };
    const size_t panel = k * INFER_PANEL;
    VEC sum[ROW_PANELS][CHAINS][VECS];
    foreach (p, panels)
        foreach (u, CHAINS)
            foreach (v, VECS)
                sum[p][u][v] = V(set1)(0);
    size_t i = 0;
    for (; k - i >= CHAINS; i += CHAINS, b += CHAINS * INFER_PANEL)
        foreach (u, CHAINS) {
            VEC x = V(set1)(a[i + u]);
            foreach (p, panels)
                foreach (v, VECS)
                    sum[p][u][v] = V(fma)(x, V(load)(b + p * panel + u * INFER_PANEL + v * LANES),
                                          sum[p][u][v]);
        }
    for (; i < k; i++, b += INFER_PANEL)
        foreach (p, panels)
            foreach (v, VECS)
                sum[p][0][v] =
                    V(fma)(V(set1)(a[i]), V(load)(b + p * panel + v * LANES), sum[p][0][v]);
    T out[ROW_PANELS * INFER_PANEL];
    foreach (p, panels)
        foreach (v, VECS) {
            VEC total = V(set1)(0);
            foreach (u, CHAINS)
                total = V(add)(total, sum[p][u][v]);
            V(store)(out + p * INFER_PANEL + v * LANES, total);
        }
    for (size_t j = 0; j < cols; j++)
        c[j] = bias ? out[j] + bias[j] : out[j];
}

static void NAME(gemm_row)(size_t n, size_t k, const T *a, const T *b, const T *bias, T *c) {
    enum { WIDTH = ROW_PANELS * INFER_PANEL };
    size_t j = 0;
    for (; n - j >= WIDTH; j += WIDTH)
        NAME(row_panels)(ROW_PANELS, WIDTH, k, a, b + j * k, bias ? bias + j : NULL, c + j);
    for (size_t cols; j < n; j += cols) {
        cols = n - j < INFER_PANEL ? n - j : INFER_PANEL;
        NAME(row_panels)(1, cols, k, a, b + j * k, bias ? bias + j : NULL, c + j);
    }
}

static void NAME(gemm_packed)(size_t m, size_t n, size_t k, const T *a, size_t lda, const T *packed,
                              const T *bias, T *c, size_t ldc) {
    T block[GEMM_TILES * TILE_ROWS * GEMM_LDA];
    if (m == 1) {
        NAME(gemm_row)(n, k, a, packed, bias, c);
        return;
    }
    /* Rows are shared out evenly, so that no tile is left with a single one. A block of A stays in
     * the second cache while the panels pass, a panel's part in the first while the tiles do. */
    const size_t tiles = m / TILE_ROWS + (m % TILE_ROWS != 0);
    const size_t passes = (tiles + GEMM_TILES - 1) / GEMM_TILES;
    const size_t most = passes ? (tiles + passes - 1) / passes : 1;
    size_t i = 0, depth;
    do {
        depth = k - i < GEMM_K ? k - i : GEMM_K;
        size_t row = 0;
        for (size_t t = 0; t < tiles; t += most) {
            size_t end = tiles - t < most ? tiles : t + most, rows = 0, width;
            for (size_t u = t; u < end; u++)
                rows += m / tiles + (u < m % tiles);
            for (size_t r = 0; depth && r < rows; r++)
                memcpy(block + r * GEMM_LDA, a + (row + r) * lda + i, depth * sizeof(T));
            for (size_t j = 0; j < n; j += width) {
                int narrow = TILE_COLS > INFER_PANEL && n - j <= INFER_PANEL;
                NAME(tile_fn) *const *list = narrow ? NARROW_TILES : NAME(wide_tiles);
                const T *b = packed + j / INFER_PANEL * (k * INFER_PANEL) + i * INFER_PANEL +
                             j % INFER_PANEL;
                width = narrow ? INFER_PANEL : TILE_COLS;
                /* The first tile sends for the next panels, which may be in memory still. */
                const bool more = j + width < n;
                const T *panels = more ? b + width / INFER_PANEL * (k * INFER_PANEL) : b;
                for (size_t u = t, r = 0, height; u < end; u++, r += height) {
                    T *at = c + (row + r) * ldc + j;
                    height = m / tiles + (u < m % tiles);
                    const T *next = u + 1 < end ? at + height * ldc
                                    : more      ? c + row * ldc + j + width
                                                : at;
                    NAME(gemm_tile)
                    (list[height], height, width, n - j < width ? n - j : width, depth,
                     block + r * GEMM_LDA, b, k * INFER_PANEL, bias ? bias + j : NULL, i == 0, at,
                     ldc, u == t ? panels : b, next);
                }
            }
            row += rows;
        }
        i += depth;
    } while (i < k);
}

#undef NARROW_TILES
