/* Template: gemm_packed for element type T, suffix S, in the words of vec.h.
 *
 * From two rows on, every element of C is one chain of multiply-adds over k that starts at the
 * bias, whatever the tile, the blocks or the instruction set: its bits depend on k alone. A single
 * row is bound by reading the panels and sums in several chains instead. */

/* The loops, from the outermost: GEMM_K of k, GEMM_COLUMNS of B, GEMM_TILES tiles of A's rows, a
 * tile's columns, a tile. A's part lies copied on the stack: the copy's distance of rows keeps them
 * off each other's lines, where A's own may make them collide. A tall tile works long on what it
 * reads: A's part is one tile and stays in the first cache, while B's, which stays in the second,
 * passes at each tile. Low ones need B's part from the first cache: it is a panel, A's is in the
 * second, and the more tiles A's part has, the less often weights come from memory. */
#if TILE_ROWS > 8
#define GEMM_TILES   1
#define GEMM_K       (1536 / sizeof(T))
#define GEMM_COLUMNS 512
#define GEMM_NEAR    8 /* steps of k from the second cache to the first */
#else
#define GEMM_TILES   7
#define GEMM_K       (10752 / TILE_ROWS / sizeof(T) / 16 * 16)
#define GEMM_COLUMNS SIZE_MAX
#define GEMM_NEAR    0
#endif
#define GEMM_LDA (GEMM_K + 64 / sizeof(T))

/* What is sent for while a tile is computed: panels of B, the next tile of C, as many rows of A. */
typedef struct NAME(sent) {
    const T *b, *c, *a;
    size_t lda;
} NAME(sent);

/* c[rows][vecs * LANES] = init + a * b. b points into the first panel, panel is the distance to the
 * next; init's rows may be one and the same (ldi 0), and init may be c. Rows of C and A are sent
 * for one by one: together they would keep the panels waiting. */
VEC_INLINE void NAME(tile)(const size_t rows, const size_t vecs, size_t k, const T *a, const T *b,
                           size_t panel, const T *init, size_t ldi, T *c, size_t ldc,
                           const NAME(sent) * sent) {
    VEC sum[TILE_ROWS][TILE_VECS];
    foreach (r, rows)
        foreach (v, vecs)
            sum[r][v] = V(load)(init + r * ldi + v * LANES);
    const T *near = sent->b, *next_c = sent->c, *next_a = sent->a;
    for (size_t r = 0, i = 0, until; i < k; r++, i = until) {
        until = r + 1 < rows ? i + k / rows : k;
        foreach (v, vecs * LANES / INFER_PANEL) {
            __builtin_prefetch(next_c + v * INFER_PANEL, 1, 2);
            __builtin_prefetch(next_a + v * INFER_PANEL, 0, 2);
        }
        next_c += ldc;
        next_a += sent->lda;
        const T *x = a + i;
        VEC_STEPS(TILE_STEPS)
        for (const T *const end = a + until; x < end; x++, b += INFER_PANEL, near += INFER_PANEL) {
#define ROW(v) V(load)(b + (v)*LANES / INFER_PANEL * panel + (v)*LANES % INFER_PANEL)
            foreach (v, vecs * LANES / INFER_PANEL)
                __builtin_prefetch(near + v * panel, 0, GEMM_NEAR ? 3 : 2);
            /* What is fewer stays in registers, as there are no more beside the sums. */
            if (TILE_ROWS < TILE_VECS) {
                VEC u[TILE_ROWS];
                foreach (q, rows)
                    u[q] = V(set1)(x[q * GEMM_LDA]);
                foreach (v, vecs) {
                    const VEC row = ROW(v);
                    foreach (q, rows)
                        sum[q][v] = V(fma)(u[q], row, sum[q][v]);
                }
            } else {
                VEC row[TILE_VECS];
                foreach (v, vecs)
                    row[v] = ROW(v);
                foreach (q, rows) {
                    const VEC u = V(set1)(x[q * GEMM_LDA]);
                    foreach (v, vecs)
                        sum[q][v] = V(fma)(u, row[v], sum[q][v]);
                }
            }
#undef ROW
        }
    }
    foreach (r, rows)
        foreach (v, vecs)
            V(store)(c + r * ldc + v * LANES, sum[r][v]);
}

typedef void NAME(tile_fn)(size_t k, const T *a, const T *b, size_t panel, const T *init,
                           size_t ldi, T *c, size_t ldc, const NAME(sent) * sent);

#define TILE_FUNCTION(name, rows, vecs)                                                            \
    static void name##rows(size_t k, const T *a, const T *b, size_t panel, const T *init,          \
                           size_t ldi, T *c, size_t ldc, const NAME(sent) * sent) {                \
        NAME(tile)(rows, vecs, k, a, b, panel, init, ldi, c, ldc, sent);                           \
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
                                int first, T *c, size_t ldc, const NAME(sent) * sent) {
    static const T zeros[TILE_COLS];
    const T *init = !first ? c : bias ? bias : zeros;
    size_t ldi = first ? 0 : ldc;
    if (cols == width) {
        tile(k, a, b, panel, init, ldi, c, ldc, sent);
        return;
    }
    T edge[TILE_ROWS * TILE_COLS] = {0};
    for (size_t r = 0; r < rows; r++)
        memcpy(edge + r * width, init + r * ldi, cols * sizeof(T));
    tile(k, a, b, panel, edge, width, edge, width, sent);
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

typedef struct NAME(product) {
    size_t m, n, k, lda, ldc, tiles;
    const T *a, *packed, *bias;
    T *c;
} NAME(product);

/* Rows are shared out evenly, so that no tile is left with a single one. */
VEC_INLINE size_t NAME(tile_height)(const NAME(product) * p, size_t tile) {
    return infer_even_share(p->m, p->tiles, tile);
}

/* The tiles t to end of A's rows, which begin at row, times the columns j to until of B: depth
 * terms from i on. Returns the next tile's row. */
static size_t NAME(gemm_part)(const NAME(product) * p, size_t t, size_t end, size_t row, size_t j,
                              size_t until, size_t i, size_t depth) {
    T block[GEMM_TILES * TILE_ROWS * GEMM_LDA];
    size_t rows = 0, width;
    for (size_t u = t; u < end; u++)
        rows += NAME(tile_height)(p, u);
    for (size_t r = 0; depth && r < rows; r++)
        memcpy(block + r * GEMM_LDA, p->a + (row + r) * p->lda + i, depth * sizeof(T));
    const bool last = end == p->tiles;
    const size_t slice = depth / ((until - j + TILE_COLS - 1) / TILE_COLS);
    const T *rows_ahead = last ? block : p->a + (row + rows) * p->lda + i;
    NAME(sent) sent = {.lda = last ? 0 : p->lda};
    for (; j < until; j += width, rows_ahead += slice) {
        const int narrow = TILE_COLS > INFER_PANEL && p->n - j <= INFER_PANEL;
        NAME(tile_fn) *const *list = narrow ? NARROW_TILES : NAME(wide_tiles);
        const T *b =
            p->packed + j / INFER_PANEL * (p->k * INFER_PANEL) + i * INFER_PANEL + j % INFER_PANEL;
        width = narrow ? INFER_PANEL : TILE_COLS;
        const bool more = j + width < until;
        const T *panels = more ? b + width / INFER_PANEL * (p->k * INFER_PANEL) : b;
        for (size_t u = t, r = 0, height; u < end; u++, r += height) {
            T *at = p->c + (row + r) * p->ldc + j;
            height = NAME(tile_height)(p, u);
            /* Whoever meets panels first sends for the next, which may be in memory still. */
            sent.b = (GEMM_NEAR ? t == 0 : u == t) ? panels : b + GEMM_NEAR * INFER_PANEL;
            sent.c = u + 1 < end ? at + height * p->ldc
                     : more      ? p->c + row * p->ldc + j + width
                                 : at;
            sent.a = rows_ahead + r * sent.lda;
            NAME(gemm_tile)
            (list[height], height, width, p->n - j < width ? p->n - j : width, depth,
             block + r * GEMM_LDA, b, p->k * INFER_PANEL, p->bias ? p->bias + j : NULL, i == 0, at,
             p->ldc, &sent);
        }
    }
    return row + rows;
}

static void NAME(gemm_packed)(size_t m, size_t n, size_t k, const T *a, size_t lda, const T *packed,
                              const T *bias, T *c, size_t ldc) {
    if (m == 1) {
        NAME(gemm_row)(n, k, a, packed, bias, c);
        return;
    }
    const size_t tiles = m / TILE_ROWS + (m % TILE_ROWS != 0);
    const size_t most = infer_even_part(tiles, GEMM_TILES), deepest = infer_even_part(k, GEMM_K);
    const NAME(product) p = {m, n, k, lda, ldc, tiles, a, packed, bias, c};
    size_t i = 0, depth;
    do {
        depth = k - i < deepest ? k - i : deepest;
        for (size_t j = 0, columns; j < n; j += columns) {
            columns = n - j < GEMM_COLUMNS ? n - j : GEMM_COLUMNS;
            for (size_t t = 0, end, row = 0; t < tiles; t = end) {
                end = tiles - t < most ? tiles : t + most;
                row = NAME(gemm_part)(&p, t, end, row, j, j + columns, i, depth);
            }
        }
        i += depth;
    } while (i < k);
}

#undef NARROW_TILES
