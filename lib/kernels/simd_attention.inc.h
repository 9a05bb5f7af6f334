/* Template: attention that never stores the scores of all keys, in the words of vec.h; in float
 * alone.
 *
 * Keys pass in blocks. Of each query the largest score so far is kept, the sum of the exponentials
 * under it and, in y, the sum of the values that they weigh; a larger score scales both down. What
 * comes of a query depends on the blocks of keys alone, not on the tile that it is in.
 *
 * With many queries a block's keys are turned into panels once, and its values copied; tiles of
 * queries pass over them as in gemm. Few queries read keys and values where they lie. */

#define ATTEND_HALF    ((TILE_ROWS + 1) / 2)
#define ATTEND_QUARTER ((TILE_ROWS + 3) / 4)

/* c[rows][vecs * LANES] = c * factor[row] (NULL: nothing) + a * b. b's panels lie `panel` apart. */
VEC_INLINE void NAME(attend_tile)(const size_t rows, const size_t vecs, size_t k, const T *a,
                                  size_t lda, const T *b, size_t panel, const T *factor, T *c,
                                  size_t ldc) {
    VEC sum[TILE_ROWS][TILE_VECS];
    foreach (r, rows)
        foreach (v, vecs)
            sum[r][v] = V(set1)(0);
    if (factor)
        foreach (r, rows)
            foreach (v, vecs)
                sum[r][v] = V(mul)(V(load)(c + r * ldc + v * LANES), V(set1)(factor[r]));
    for (size_t i = 0; i < k; i++, b += INFER_PANEL) {
        VEC row[TILE_VECS];
        foreach (v, vecs)
            row[v] = V(load)(b + v * LANES / INFER_PANEL * panel + v * LANES % INFER_PANEL);
        foreach (r, rows) {
            VEC x = V(set1)(a[r * lda + i]);
            foreach (v, vecs)
                sum[r][v] = V(fma)(x, row[v], sum[r][v]);
        }
    }
    foreach (r, rows)
        foreach (v, vecs)
            V(store)(c + r * ldc + v * LANES, sum[r][v]);
}

typedef void NAME(attend_fn)(size_t k, const T *a, size_t lda, const T *b, size_t panel,
                             const T *factor, T *c, size_t ldc);

#define ATTEND_TILE(name, rows, vecs)                                                              \
    static void NAME(name)(size_t k, const T *a, size_t lda, const T *b, size_t panel,             \
                           const T *factor, T *c, size_t ldc) {                                    \
        NAME(attend_tile)(rows, vecs, k, a, lda, b, panel, factor, c, ldc);                        \
    }
#define ATTEND_WIDE  (TILE_COLS > INFER_PANEL)
#define ATTEND_PANEL (INFER_PANEL / LANES)
ATTEND_TILE(attend_whole, TILE_ROWS, ATTEND_PANEL)
ATTEND_TILE(attend_half, ATTEND_HALF, ATTEND_PANEL)
ATTEND_TILE(attend_quarter, ATTEND_QUARTER, ATTEND_PANEL)
#if TILE_VECS * LANES > INFER_PANEL
ATTEND_TILE(attend_whole_wide, TILE_ROWS, TILE_VECS)
ATTEND_TILE(attend_half_wide, ATTEND_HALF, TILE_VECS)
ATTEND_TILE(attend_quarter_wide, ATTEND_QUARTER, TILE_VECS)
#define ATTEND_WIDER(name) NAME(name##_wide)
#else
#define ATTEND_WIDER(name) NAME(name)
#endif
#undef ATTEND_TILE

/* [two panels][height] */
static NAME(attend_fn) *const NAME(attend_tiles)[2][3] = {
    {NAME(attend_quarter), NAME(attend_half), NAME(attend_whole)},
    {ATTEND_WIDER(attend_quarter), ATTEND_WIDER(attend_half), ATTEND_WIDER(attend_whole)}};
#undef ATTEND_WIDER

/* The smallest tile for so many rows, and its height. */
VEC_INLINE int NAME(attend_height)(size_t rows, size_t *height) {
    const int which = rows > ATTEND_HALF ? 2 : rows > ATTEND_QUARTER ? 1 : 0;
    *height = which == 2 ? TILE_ROWS : which == 1 ? ATTEND_HALF : ATTEND_QUARTER;
    return which;
}

/* c[rows][columns] from products with panels of b: whole tiles where they lie, others beside. */
static void NAME(attend_product)(size_t rows, size_t columns, size_t k, const T *a, size_t lda,
                                 const T *b, size_t panel, const T *factor, T *c, size_t ldc) {
    size_t height, width;
    const int which = NAME(attend_height)(rows, &height);
    for (size_t j = 0; j < columns; j += width) {
        const bool wide = ATTEND_WIDE && columns - j > INFER_PANEL;
        NAME(attend_fn) *tile = NAME(attend_tiles)[wide][which];
        width = wide ? TILE_COLS : INFER_PANEL;
        const T *from = b + j / INFER_PANEL * panel;
        const size_t n = columns - j < width ? columns - j : width;
        if (n == width && rows == height) {
            tile(k, a, lda, from, panel, factor, c + j, ldc);
            continue;
        }
        T edge[TILE_ROWS * TILE_COLS] = {0};
        for (size_t r = 0; factor && r < rows; r++)
            memcpy(edge + r * width, c + r * ldc + j, n * sizeof(T));
        tile(k, a, lda, from, panel, factor, edge, width);
        for (size_t r = 0; r < rows; r++)
            memcpy(c + r * ldc + j, edge + r * width, n * sizeof(T));
    }
}

/* ---- a block of keys ---- */

/* Keys as panels of 16, zero past the last. */
static void NAME(attend_turn)(const T *k, size_t ldk, size_t keys, size_t size, T *packed) {
    for (size_t j = 0; j < keys; j += INFER_PANEL, packed += size * INFER_PANEL, k += 16 * ldk) {
        const size_t n = keys - j < INFER_PANEL ? keys - j : INFER_PANEL;
        size_t d = 0;
        for (; n == INFER_PANEL && size - d >= 8; d += 8) {
            V(turn)(k + d, ldk, packed + d * INFER_PANEL, INFER_PANEL);
            V(turn)(k + 8 * ldk + d, ldk, packed + d * INFER_PANEL + 8, INFER_PANEL);
        }
        for (; d < size; d++)
            for (size_t i = 0; i < INFER_PANEL; i++)
                packed[d * INFER_PANEL + i] = i < n ? k[i * ldk + d] : 0;
    }
}

/* Values as panels of 16 columns, zero past the last. */
static void NAME(attend_copy)(const T *v, size_t ldv, size_t keys, size_t size, T *packed) {
    for (size_t c = 0; c < size; c += INFER_PANEL)
        for (size_t j = 0; j < keys; j++, packed += INFER_PANEL) {
            const T *from = v + j * ldv + c;
            if (size - c >= INFER_PANEL)
                foreach (i, INFER_PANEL / LANES)
                    V(store)(packed + i * LANES, V(load)(from + i * LANES));
            else
                for (size_t i = 0; i < INFER_PANEL; i++)
                    packed[i] = i < size - c ? from[i] : 0;
        }
}

/* ---- a query ---- */

/* The scores of n keys from number `key` on as masks and the cap leave them. */
static void NAME(attend_mask)(const infer_attend *a, size_t query, size_t key, size_t n, T *s) {
    if (a->softcap > 0) {
        const VEC cap = V(set1)(a->softcap);
        for (size_t j = 0; j < n; j += LANES) /* rows of scores are whole vectors */
            V(store)(s + j, V(mul)(NAME(tanh_of)(V(div)(V(load)(s + j), cap)), cap));
    }
    if (a->keep) {
        const uint8_t *keep = a->keep + query * a->keep_row + key * a->keep_key;
        for (size_t j = 0; j < n; j++)
            s[j] = !keep[j * a->keep_key] == a->inverts ? s[j] : a->fill;
    }
    if (a->add) {
        const T *add = a->add + query * a->add_row + key * a->add_key;
        if (a->add_key)
            for (size_t j = 0; j < n; j++)
                s[j] += add[j];
        else
            for (size_t j = 0; j < n; j++)
                s[j] += *add;
    }
}

/* The scores of keys [key, key + n) become exponentials under the largest score so far; 0 where the
 * query does not see them. state: that score, and the sum. Returns what scales earlier sums. */
static T NAME(attend_weigh)(const infer_attend *a, size_t query, size_t key, size_t n, T *s,
                            T *state) {
    const size_t bound = infer_attend_bound(a, query);
    const size_t seen = bound <= key ? 0 : bound - key < n ? bound - key : n;
    const VEC none = V(set1)(-(T)INFINITY);
    VEC largest = none, sum = V(set1)(0);
    size_t j = 0;
    NAME(attend_mask)(a, query, key, seen, s);
    for (; seen - j >= LANES; j += LANES)
        largest = V(max)(V(load)(s + j), largest);
    if (j < seen)
        largest = V(max)(V(load_part)(s + j, seen - j, none), largest);
    const T before = state[0], now = V(largest)(largest), max = now > before ? now : before;
    /* Of nothing but -inf no difference is taken: their exponentials are 0. */
    const T shift = max == -(T)INFINITY ? 0 : max;
    for (j = 0; seen - j >= LANES; j += LANES) {
        VEC e = NAME(exp_of)(V(sub)(V(load)(s + j), V(set1)(shift)));
        sum = V(add)(sum, e);
        V(store)(s + j, e);
    }
    if (j < seen) {
        VEC e = NAME(exp_of)(V(sub)(V(load_part)(s + j, seen - j, none), V(set1)(shift)));
        sum = V(add)(sum, e);
        V(store_part)(s + j, e, seen - j);
    }
    for (j = seen; j < n; j++)
        s[j] = 0;
    T factor[LANES] = {1};
    if (max != before)
        V(store)(factor, NAME(exp_of)(V(set1)(before - shift)));
    state[0] = max;
    state[1] = state[1] * factor[0] + V(sum)(sum);
    return factor[0];
}

/* to[columns, rounded up] = a query, scaled, zero past its end. */
static void NAME(attend_query)(const infer_attend *a, size_t query, size_t columns, T *to) {
    const T *q = a->q + query * a->ldq;
    const VEC scale = V(set1)(a->scale), zero = V(set1)(0);
    size_t d = 0;
    for (; a->size - d >= LANES; d += LANES)
        V(store)(to + d, V(mul)(V(load)(q + d), scale));
    if (d < a->size) {
        T part[LANES];
        V(store)(part, V(mul)(V(load_part)(q + d, a->size - d, zero), scale));
        for (size_t i = 0; d < columns; d++, i++)
            to[d] = i < LANES ? part[i] : 0;
    }
}

/* ---- many queries ---- */

static void NAME(attend_many)(const infer_attend *a, const infer_attend_room *room, size_t key,
                              size_t n, T *scratch) {
    T *packed_k = scratch + room->packed_k, *packed_v = scratch + room->packed_v;
    T *q = scratch + room->q, *s = scratch + room->scores, *state = scratch + room->state;
    const size_t lds = room->keys + INFER_ATTEND_APART;
    NAME(attend_turn)(a->k + key * a->ldk, a->ldk, n, a->size, packed_k);
    NAME(attend_copy)(a->v + key * a->ldv, a->ldv, n, a->value_size, packed_v);
    for (size_t i = 0, rows; i < a->queries; i += rows) {
        T factor[TILE_ROWS] = {0};
        size_t height;
        rows = a->queries - i < TILE_ROWS ? a->queries - i : TILE_ROWS;
        NAME(attend_height)(rows, &height);
        const size_t bound = infer_attend_bound(a, i + rows - 1);
        if (bound <= key)
            continue;
        const size_t seen = bound - key < n ? bound - key : n;
        for (size_t r = 0; r < height; r++) /* the tile's rows past the last are anything */
            NAME(attend_query)(a, i + (r < rows ? r : 0), a->size, q + r * a->size);
        NAME(attend_product)
        (height, (seen + INFER_PANEL - 1) / INFER_PANEL * INFER_PANEL, a->size, q, a->size,
         packed_k, a->size * INFER_PANEL, NULL, s, lds);
        for (size_t r = 0; r < rows; r++)
            factor[r] = NAME(attend_weigh)(a, i + r, key, seen, s + r * lds, state + 2 * (i + r));
        NAME(attend_product)
        (rows, a->value_size, seen, s, lds, packed_v, n * INFER_PANEL, factor, a->y + i * a->ldy,
         a->ldy);
    }
}

/* ---- few queries ---- */

/* s[0..4) = the products of a query and four keys, or `keys` of them. */
VEC_INLINE void NAME(attend_dots)(const T *q, const T *k, size_t ldk, size_t keys, size_t size,
                                  T *s) {
    const T *row[4];
    VEC sum[4];
    size_t d = 0;
    foreach (j, 4) {
        row[j] = k + (j < keys ? j : 0) * ldk;
        sum[j] = V(set1)(0);
    }
    for (; size - d >= LANES; d += LANES) {
        VEC x = V(load)(q + d);
        foreach (j, 4)
            sum[j] = V(fma)(x, V(load)(row[j] + d), sum[j]);
    }
    if (d < size) {
        VEC x = V(load)(q + d);
        foreach (j, 4)
            sum[j] = V(fma)(x, V(load_part)(row[j] + d, size - d, V(set1)(0)), sum[j]);
    }
    V(sum4)(sum[0], sum[1], sum[2], sum[3], s);
}

#define ATTEND_VECS 4 /* of a row of values at a time */

/* y = y * factor + the sum of s[j] * v[j]. */
static void NAME(attend_add)(const T *s, const T *v, size_t ldv, size_t keys, size_t size, T factor,
                             T *y) {
    const VEC f = V(set1)(factor);
    size_t c = 0;
    for (; size - c >= ATTEND_VECS * LANES; c += ATTEND_VECS * LANES) {
        VEC sum[ATTEND_VECS];
        foreach (i, ATTEND_VECS)
            sum[i] = V(mul)(V(load)(y + c + i * LANES), f);
        for (size_t j = 0; j < keys; j++)
            foreach (i, ATTEND_VECS)
                sum[i] = V(fma)(V(set1)(s[j]), V(load)(v + j * ldv + c + i * LANES), sum[i]);
        foreach (i, ATTEND_VECS)
            V(store)(y + c + i * LANES, sum[i]);
    }
    for (size_t n; c < size; c += n) {
        n = size - c < LANES ? size - c : LANES;
        const VEC zero = V(set1)(0);
        VEC sum = V(mul)(n < LANES ? V(load_part)(y + c, n, zero) : V(load)(y + c), f);
        for (size_t j = 0; j < keys; j++) {
            const T *row = v + j * ldv + c;
            sum = V(fma)(V(set1)(s[j]), n < LANES ? V(load_part)(row, n, zero) : V(load)(row), sum);
        }
        if (n < LANES)
            V(store_part)(y + c, sum, n);
        else
            V(store)(y + c, sum);
    }
}

static void NAME(attend_few)(const infer_attend *a, const infer_attend_room *room, size_t key,
                             size_t n, T *scratch) {
    T *q = scratch + room->q, *s = scratch + room->scores, *state = scratch + room->state;
    const size_t lds = room->keys + INFER_ATTEND_APART, ldq = (a->size + 15) / 16 * 16;
    for (size_t i = 0; key == 0 && i < a->queries; i++)
        NAME(attend_query)(a, i, ldq, q + i * ldq);
    for (size_t j = 0; j < n; j += 4)
        for (size_t i = 0; i < a->queries; i++)
            NAME(attend_dots)
    (q + i * ldq, a->k + (key + j) * a->ldk, a->ldk, n - j, a->size, s + i * lds + j);
    for (size_t i = 0; i < a->queries; i++) {
        T factor = NAME(attend_weigh)(a, i, key, n, s + i * lds, state + 2 * i);
        NAME(attend_add)
        (s + i * lds, a->v + key * a->ldv, a->ldv, n, a->value_size, factor, a->y + i * a->ldy);
    }
}

static void NAME(attend)(const infer_attend *a, T *scratch) {
    infer_attend_room room;
    size_t floats;
    if (!infer_attend_scratch(a->queries, a->keys, a->size, a->value_size, &room, &floats))
        return;
    T *state = scratch + room.state;
    for (size_t i = 0; i < a->queries; i++) {
        state[2 * i] = -(T)INFINITY;
        state[2 * i + 1] = 0;
        memset(a->y + i * a->ldy, 0, a->value_size * sizeof(T));
    }
    for (size_t key = 0, n; key < a->keys; key += n) {
        n = a->keys - key < INFER_ATTEND_KEYS ? a->keys - key : INFER_ATTEND_KEYS;
        if (a->few)
            NAME(attend_few)(a, &room, key, n, scratch);
        else
            NAME(attend_many)(a, &room, key, n, scratch);
    }
    for (size_t i = 0; i < a->queries; i++) {
        T *y = a->y + i * a->ldy;
        const T sum = state[2 * i + 1], factor = 1 / sum;
        if (a->zeros && !(sum > 0))
            memset(y, 0, a->value_size * sizeof(T));
        else
            for (size_t c = 0; c < a->value_size; c++)
                y[c] *= factor;
    }
}

#undef ATTEND_HALF
#undef ATTEND_QUARTER
#undef ATTEND_WIDE
#undef ATTEND_PANEL
#undef ATTEND_VECS
