/* Template: the innermost products of convolutions, tiles of places by one or two panels of outputs
 * that stay in registers, in the words of vec.h; in float alone. */

/* What is done with a tile's sums. */
typedef struct NAME(conv_end) {
    const T *add;
    T low, high;
    bool last;
} NAME(conv_end);

/* What a tile brings to the second cache for a later one, while it computes: for each of its k
 * steps a line of each panel from `at` on, `pace` floats after the line before; pieces of the sum
 * lie `leap` apart. */
typedef struct NAME(conv_ahead) {
    const T *at;
    size_t pace, leap, panel;
} NAME(conv_ahead);

/* y[v][rows][LANES] = a * b + init, then the end. Rows of a lie `lda` apart, and k of them in
 * pieces of `piece`, which lie `step` apart. Panels of b lie `panel` apart, those of init `ldp`,
 * its rows `ldi`, panels of y `plane`. */
VEC_INLINE void NAME(conv_tile)(const size_t rows, const size_t vecs, const size_t lda, size_t k,
                                size_t piece, const T *a, size_t step, const T *b, size_t panel,
                                const T *init, size_t ldi, size_t ldp, T *y, size_t plane,
                                const NAME(conv_end) * e, const NAME(conv_ahead) * later) {
    VEC sum[TILE_ROWS][TILE_VECS];
    const T *ahead = later->at;
    const size_t pace = later->pace, next = later->panel;
    foreach (r, rows)
        foreach (v, vecs)
            sum[r][v] = V(set1)(0);
    for (; k; a += step) {
        const size_t n = k < piece ? k : piece;
        const T *line = ahead;
        ahead += later->leap;
        k -= n;
        for (size_t i = 0; i < n; i++, b += INFER_PANEL, line += pace) {
            VEC row[TILE_VECS];
            foreach (v, vecs)
                row[v] = V(load)(b + v * LANES / INFER_PANEL * panel + v * LANES % INFER_PANEL);
            foreach (v, vecs * LANES / INFER_PANEL)
                __builtin_prefetch(line + v * next, 0, 2);
            foreach (r, rows) {
                VEC x = V(set1)(a[r * lda + i]);
                foreach (v, vecs)
                    sum[r][v] = V(fma)(x, row[v], sum[r][v]);
            }
        }
    }
    /* What there was joins the sum of this window as one term: small products are not rounded to
     * the last digit of a large bias, and errors grow with a window's length, not the whole sum's.
     */
    foreach (r, rows)
        foreach (v, vecs)
            sum[r][v] = V(add)(sum[r][v], V(load)(init + r * ldi + v * LANES / INFER_PANEL * ldp +
                                                  v * LANES % INFER_PANEL));
#define AT (v * LANES / INFER_PANEL * plane + r * INFER_PANEL + v * LANES % INFER_PANEL)
    if (e->last && e->add)
        foreach (r, rows)
            foreach (v, vecs)
                sum[r][v] = V(add)(sum[r][v], V(load)(e->add + AT));
    if (e->last) {
        VEC low = V(set1)(e->low), high = V(set1)(e->high);
        foreach (r, rows)
            foreach (v, vecs)
                sum[r][v] = V(max)(low, sum[r][v]);
        if (e->high < INFINITY)
            foreach (r, rows)
                foreach (v, vecs)
                    sum[r][v] = V(min)(high, sum[r][v]);
    }
    foreach (r, rows)
        foreach (v, vecs)
            V(store)(y + AT, sum[r][v]);
#undef AT
}

typedef void NAME(conv_tile_fn)(size_t k, size_t piece, const T *a, size_t step, const T *b,
                                size_t panel, const T *init, size_t ldi, size_t ldp, T *y,
                                size_t plane, const NAME(conv_end) * e,
                                const NAME(conv_ahead) * later);

/* Tiles over a copy, and over blocks of channels as they are. */
#define TILE_FUNCTION(name, rows, vecs, lda)                                                       \
    static void name##rows(size_t k, size_t piece, const T *a, size_t step, const T *b,            \
                           size_t panel, const T *init, size_t ldi, size_t ldp, T *y,              \
                           size_t plane, const NAME(conv_end) * e,                                 \
                           const NAME(conv_ahead) * later) {                                       \
        NAME(conv_tile)                                                                            \
        (rows, vecs, lda, k, piece, a, step, b, panel, init, ldi, ldp, y, plane, e, later);        \
    }
#define COPY_WIDE(rows)        EXPAND(TILE_FUNCTION, NAME(copy_wide), rows, TILE_VECS, BLOCK_LDA)
#define COPY_NARROW(rows)      EXPAND(TILE_FUNCTION, NAME(copy_narrow), rows, 1, BLOCK_LDA)
#define BLOCK_WIDE(rows)       EXPAND(TILE_FUNCTION, NAME(block_wide), rows, TILE_VECS, INFER_PANEL)
#define BLOCK_NARROW(rows)     EXPAND(TILE_FUNCTION, NAME(block_narrow), rows, 1, INFER_PANEL)
#define TILE_ENTRY(name, rows) [rows] = JOIN(name, rows),
#define COPY_WIDE_(rows)       EXPAND(TILE_ENTRY, NAME(copy_wide), rows)
#define COPY_NARROW_(rows)     EXPAND(TILE_ENTRY, NAME(copy_narrow), rows)
#define BLOCK_WIDE_(rows)      EXPAND(TILE_ENTRY, NAME(block_wide), rows)
#define BLOCK_NARROW_(rows)    EXPAND(TILE_ENTRY, NAME(block_narrow), rows)

COPY_WIDE(1)
TILE_LIST(COPY_WIDE)
BLOCK_WIDE(1)
TILE_LIST(BLOCK_WIDE)
/* A tile of two panels needs a smaller brother for a single one. */
#if TILE_VECS * LANES > INFER_PANEL
COPY_NARROW(1)
TILE_LIST(COPY_NARROW)
BLOCK_NARROW(1)
TILE_LIST(BLOCK_NARROW)
#else
#undef COPY_NARROW_
#undef BLOCK_NARROW_
#define COPY_NARROW_  COPY_WIDE_
#define BLOCK_NARROW_ BLOCK_WIDE_
#endif

/* [over blocks as they are][two panels][rows] */
static NAME(conv_tile_fn) *const NAME(conv_tiles)[2][2][TILE_ROWS + 1] = {
    {{COPY_NARROW_(1) TILE_LIST(COPY_NARROW_)}, {COPY_WIDE_(1) TILE_LIST(COPY_WIDE_)}},
    {{BLOCK_NARROW_(1) TILE_LIST(BLOCK_NARROW_)}, {BLOCK_WIDE_(1) TILE_LIST(BLOCK_WIDE_)}}};

#undef TILE_FUNCTION
#undef TILE_ENTRY
#undef COPY_WIDE
#undef COPY_NARROW
#undef BLOCK_WIDE
#undef BLOCK_NARROW
#undef COPY_WIDE_
#undef COPY_NARROW_
#undef BLOCK_WIDE_
#undef BLOCK_NARROW_
