/* Template: the innermost products of convolutions, tiles of places by one or two panels of outputs
 * that stay in registers, in the words of vec.h; in float alone. */

/* How a sum walks over an input: pieces of so many floats, one for each column of the kernel, for
 * each of its rows, for each block of channels; and how far the next piece lies behind a piece,
 * behind the last of a row, behind the last of a block. */
typedef struct NAME(conv_walk) {
    size_t piece, columns, rows;
    size_t column, row, block;
} NAME(conv_walk);

/* What a tile brings to the second cache for a later one, while it computes a step of k: lines of
 * each panel from `at` on, `pace` floats one after the other, or what is `input` floats behind its
 * own input. */
typedef struct NAME(conv_ahead) {
    const T *at;
    size_t pace, panel, input;
} NAME(conv_ahead);

/* A tile: y[v][rows][LANES] = a * b + init, and after the last of a sum's parts the end: what is
 * added, and the lower bound. Rows of a lie lda apart. Panels of b lie `panel` apart, those of init
 * `ldp`, its rows `ldi`, panels of y and add `plane`. */
typedef struct NAME(conv_product) {
    NAME(conv_walk) walk;
    size_t k, lda;
    size_t first, lines; /* floats of the first piece; rows of the kernel until its block ends */
    const T *a, *b;
    size_t panel;
    const T *init;
    size_t ldi, ldp;
    T *y;
    const T *add;
    size_t plane;
    T low;
    bool last;
    NAME(conv_ahead) later;
} NAME(conv_product);

/* Rows that one pointer serves: their distances are in registers or addresses. */
#define TILE_STEP 3

/* Half panels of a tile, at most. Where a panel is all vectors of a tile, of one that has half of
 * its outputs at most half is computed, alone or beside the one before it. */
#define CONV_HALVES (TILE_COLS == INFER_PANEL && LANES < INFER_PANEL)
#if CONV_HALVES
#define CONV_VECS (TILE_VECS * 3 / 2)
#define CONV_MOST 3
#define CONV_ROWS 8 /* of half a panel */
#else
#define CONV_VECS TILE_VECS
#define CONV_MOST (TILE_COLS > INFER_PANEL ? 4 : 2)
#define CONV_ROWS TILE_ROWS
#endif

VEC_INLINE void NAME(conv_tile)(const size_t rows, const size_t vecs, const size_t fixed,
                                const NAME(conv_product) * p) {
    const size_t step = fixed ? rows : TILE_STEP;
    VEC sum[CONV_ROWS][CONV_VECS];
    const size_t lda = fixed ? fixed : p->lda, panel = p->panel, pace = p->later.pace,
                 apart = p->later.panel;
    const T *a = p->a, *b = p->b, *ahead = p->later.at;
    foreach (r, rows)
        foreach (v, vecs)
            sum[r][v] = V(set1)(0);
    size_t piece = p->first;
    for (size_t k = p->k, i = p->lines, j = p->walk.columns; k; piece = p->walk.piece) {
        const size_t n = k < piece ? k : piece;
        const T *at[CONV_ROWS];
        foreach (q, (rows + step - 1) / step)
            at[q] = a + q * step * lda;
        if (p->later.input)
            ahead = a + p->later.input;
        k -= n;
        VEC_STEPS(TILE_STEPS)
        for (size_t u = 0; u < n; u++, b += INFER_PANEL, ahead += pace) {
            VEC row[CONV_VECS];
            foreach (v, vecs)
                row[v] = V(load)(b + v * LANES / INFER_PANEL * panel + v * LANES % INFER_PANEL);
            foreach (v, vecs * LANES / INFER_PANEL)
                __builtin_prefetch(ahead + v * apart, 0, 2);
            foreach (r, rows) {
                VEC x = V(set1)(at[r / step][r % step * lda + u]);
                foreach (v, vecs)
                    sum[r][v] = V(fma)(x, row[v], sum[r][v]);
            }
        }
        if (--j) {
            a += p->walk.column;
        } else {
            j = p->walk.columns;
            a += --i ? p->walk.row : p->walk.block;
            i = i ? i : p->walk.rows;
        }
    }
    /* What there was joins the sum of this window as one term: small products are not rounded to
     * the last digit of a large bias, and errors grow with a window's length, not the whole sum's.
     */
    const T *init = p->init, *add = p->last ? p->add : NULL;
    T *y = p->y; /* stores may change what p has, as far as compilers know */
    const size_t ldi = p->ldi, ldp = p->ldp, plane = p->plane;
    foreach (r, rows)
        foreach (v, vecs)
            sum[r][v] = V(add)(sum[r][v], V(load)(init + r * ldi + v * LANES / INFER_PANEL * ldp +
                                                  v * LANES % INFER_PANEL));
#define AT (v * LANES / INFER_PANEL * plane + r * INFER_PANEL + v * LANES % INFER_PANEL)
    if (add)
        foreach (r, rows)
            foreach (v, vecs)
                sum[r][v] = V(add)(sum[r][v], V(load)(add + AT));
    if (p->last) {
        VEC low = V(set1)(p->low);
        foreach (r, rows)
            foreach (v, vecs)
                sum[r][v] = V(max)(low, sum[r][v]);
    }
    foreach (r, rows)
        foreach (v, vecs)
            V(store)(y + AT, sum[r][v]);
    foreach (r, rows) /* what is left of the last panel */
        for (size_t v = vecs; v * LANES % INFER_PANEL; v++)
            V(store)(y + AT, V(set1)(0));
#undef AT
}

typedef void NAME(conv_tile_fn)(const NAME(conv_product) * p);

/* Rows a panel apart, as neighbours in blocks are, of two panels; and rows any distance apart, also
 * of a single panel where a tile has two. */
#define TILE_FUNCTION(name, rows, vecs, lda)                                                       \
    static void name##rows(const NAME(conv_product) * p) {                                         \
        NAME(conv_tile)(rows, vecs, lda, p);                                                       \
    }
#define CONV_WIDE(rows)        EXPAND(TILE_FUNCTION, NAME(conv_wide), rows, TILE_VECS, INFER_PANEL)
#define APART_WIDE(rows)       EXPAND(TILE_FUNCTION, NAME(apart_wide), rows, TILE_VECS, 0)
#define APART_NARROW(rows)     EXPAND(TILE_FUNCTION, NAME(apart_narrow), rows, 1, 0)
#define TILE_ENTRY(name, rows) [rows] = JOIN(name, rows),
/* Small tiles are not worth a copy of their own. */
#define CONV_WIDE_(rows)                                                                           \
    [rows] = 2 * (rows) < TILE_ROWS ? JOIN(NAME(apart_wide), rows) : JOIN(NAME(conv_wide), rows),
#define APART_WIDE_(rows)   EXPAND(TILE_ENTRY, NAME(apart_wide), rows)
#define APART_NARROW_(rows) EXPAND(TILE_ENTRY, NAME(apart_narrow), rows)

CONV_WIDE(1)
TILE_LIST(CONV_WIDE)
APART_WIDE(1)
TILE_LIST(APART_WIDE)
#if TILE_VECS * LANES > INFER_PANEL
APART_NARROW(1)
TILE_LIST(APART_NARROW)
#define CONV_NARROW_ APART_NARROW_
#else
#undef APART_NARROW_
#define APART_NARROW_ APART_WIDE_
#define CONV_NARROW_  CONV_WIDE_
#endif

/* [rows a panel apart][two panels][rows] */
static NAME(conv_tile_fn) *const NAME(conv_tiles)[2][2][TILE_ROWS + 1] = {
    {{APART_NARROW_(1) TILE_LIST(APART_NARROW_)}, {APART_WIDE_(1) TILE_LIST(APART_WIDE_)}},
    {{CONV_NARROW_(1) TILE_LIST(CONV_NARROW_)}, {CONV_WIDE_(1) TILE_LIST(CONV_WIDE_)}}};

/* The largest tiles have their rows' distance in addresses where it is two floats, as strides of 2
 * make it in plain inputs, whose pieces are short; and of one panel where it is a panel. Elsewhere
 * distances are in registers. */
#define TILE_FIXED(name, rows, vecs, lda)                                                          \
    static void NAME(name)(const NAME(conv_product) * p) {                                         \
        NAME(conv_tile)(rows, vecs, lda, p);                                                       \
    }
TILE_FIXED(two_wide, TILE_ROWS, TILE_VECS, 2)
TILE_FIXED(two_wide_1, TILE_ROWS - 1, TILE_VECS, 2)
#if TILE_VECS * LANES > INFER_PANEL
TILE_FIXED(two_narrow, TILE_ROWS, 1, 2)
TILE_FIXED(two_narrow_1, TILE_ROWS - 1, 1, 2)
TILE_FIXED(one_narrow, TILE_ROWS, 1, INFER_PANEL)
TILE_FIXED(one_narrow_1, TILE_ROWS - 1, 1, INFER_PANEL)
TILE_FIXED(one_narrow_2, TILE_ROWS - 2, 1, INFER_PANEL)
#endif

#if CONV_HALVES
#define HALF_TILE(rows)  EXPAND(TILE_FUNCTION, NAME(half), rows, TILE_VECS / 2, 0)
#define LONG_TILE(rows)  EXPAND(TILE_FUNCTION, NAME(long), rows, CONV_VECS, 0)
#define HALF_TILE_(rows) EXPAND(TILE_ENTRY, NAME(half), rows)
#define LONG_TILE_(rows) EXPAND(TILE_ENTRY, NAME(long), rows)
HALF_TILE(1)
TILE_HALF(HALF_TILE)
LONG_TILE(1)
TILE_LONG(LONG_TILE)
static NAME(conv_tile_fn) *const NAME(half_tiles)[] = {HALF_TILE_(1) TILE_HALF(HALF_TILE_)};
static NAME(conv_tile_fn) *const NAME(long_tiles)[] = {LONG_TILE_(1) TILE_LONG(LONG_TILE_)};
_Static_assert(sizeof NAME(half_tiles) / sizeof *NAME(half_tiles) == CONV_ROWS + 1 &&
                   sizeof NAME(long_tiles) / sizeof *NAME(long_tiles) == TILE_ROWS * 2 / 3 + 1,
               "as conv_rows says");
#undef HALF_TILE
#undef LONG_TILE
#undef HALF_TILE_
#undef LONG_TILE_
#endif

/* The most rows of a tile of so many half panels, and such a tile. */
VEC_INLINE size_t NAME(conv_rows)(size_t halves) {
    return halves == 1 ? CONV_ROWS : CONV_HALVES && halves == 3 ? TILE_ROWS * 2 / 3 : TILE_ROWS;
}

static NAME(conv_tile_fn) * NAME(conv_tile_of)(size_t lda, size_t halves, size_t rows) {
#if CONV_HALVES
    if (halves != 2)
        return halves == 1 ? NAME(half_tiles)[rows] : NAME(long_tiles)[rows];
#endif
    const bool wide = halves > 2;
    static NAME(conv_tile_fn) *const two[] = {NAME(two_wide), NAME(two_wide_1)};
    const size_t less = TILE_ROWS - rows;
#if TILE_VECS * LANES > INFER_PANEL
    static NAME(conv_tile_fn) *const two_narrow[] = {NAME(two_narrow), NAME(two_narrow_1)};
    static NAME(conv_tile_fn) *const narrow[] = {NAME(one_narrow), NAME(one_narrow_1),
                                                 NAME(one_narrow_2)};
    if (lda == 2 && !wide && less < 2)
        return two_narrow[less];
    if (lda == INFER_PANEL && !wide && less < 3)
        return narrow[less];
#endif
    if (lda == 2 && less < 2)
        return two[less];
    return NAME(conv_tiles)[lda == INFER_PANEL][wide][rows];
}

#undef TILE_FIXED
#undef TILE_FUNCTION
#undef TILE_ENTRY
#undef CONV_WIDE
#undef APART_WIDE
#undef APART_NARROW
#undef CONV_WIDE_
#undef CONV_NARROW_
#undef APART_WIDE_
#undef APART_NARROW_
