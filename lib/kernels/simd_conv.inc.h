/* Template: convolutions over blocks of channels, in the words of vec.h; in float alone.
 *
 * A convolution is a product: rows are output places, columns output channels, and what is summed
 * over are channels and taps. A window of that sum's length is copied for as many places as the
 * second cache holds, each place's inputs in a row: padding, strides, dilations and the ends of
 * rows of the image are behind us then. Panels of weights pass, tiles of places by one or two
 * panels stay in registers. A place's 16 channels are copied at once, so that copying costs a small
 * part of what a panel or more of products does. */

#define CONV_TILES (INFER_CONV_SCRATCH / (TILE_ROWS * BLOCK_LDA))

/* One window of the sum: chunks are what lies together in the input, 16 channels of a tap, or a row
 * of a plain input's kernel. */
typedef struct NAME(conv_window) {
    size_t block, row, column; /* the next chunk: of channels, of the kernel */
    size_t start, depth;       /* place in the sum, and length */
} NAME(conv_window);

/* Copies of one chunk of n floats (16 are written) for places [from, to) of an output row. */
VEC_INLINE void NAME(conv_row)(const infer_conv2d *c, const T *x, size_t row, size_t tap,
                               size_t from, size_t to, T *a) {
    size_t first, end, o = from;
    const VEC zero = V(set1)(0);
    infer_conv_inside(c, 1, tap, &first, &end);
    first = first < from ? from : first > to ? to : first;
    end = end < first ? first : end > to ? to : end;
    for (; o < first; o++, a += BLOCK_LDA)
        foreach (v, INFER_PANEL / LANES)
            V(store)(a + v * LANES, zero);
    if (o < end)
        x +=
            (row * c->in[1] + o * c->stride[1] + tap * c->dilation[1] - c->before[1]) * INFER_PANEL;
    for (size_t step = c->stride[1] * INFER_PANEL; o < end; o++, a += BLOCK_LDA, x += step)
        foreach (v, INFER_PANEL / LANES)
            V(store)(a + v * LANES, V(load)(x + v * LANES));
    for (; o < to; o++, a += BLOCK_LDA)
        foreach (v, INFER_PANEL / LANES)
            V(store)(a + v * LANES, zero);
}

/* Copies the next chunk for `count` places from number `place` on. */
static void NAME(conv_chunk)(const infer_conv2d *c, const NAME(conv_window) * w, const T *x,
                             size_t place, size_t count, T *a) {
    const size_t width = c->out[1], plane = c->in[0] * c->in[1];
    size_t o = place / width, from = place % width, done = 0;
    size_t first, end;
    infer_conv_inside(c, 0, w->row, &first, &end);
    x += w->block * plane * INFER_PANEL;
    for (; done < count; o++, from = 0) {
        size_t to = count - done < width - from ? from + count - done : width;
        if (o < first || o >= end) {
            for (size_t i = 0; i < to - from; i++)
                memset(a + (done + i) * BLOCK_LDA, 0, INFER_PANEL * sizeof(T));
        } else {
            size_t row = o * c->stride[0] + w->row * c->dilation[0] - c->before[0];
            NAME(conv_row)(c, x, row, w->column, from, to, a + done * BLOCK_LDA);
        }
        done += to - from;
    }
}

/* Copies as many chunks as fit for the places, behind the window before. */
static void NAME(conv_copy)(const infer_conv2d *c, NAME(conv_window) * w, const T *x, size_t place,
                            size_t count, T *a) {
    w->start += w->depth;
    w->depth = 0;
    while (w->block * INFER_PANEL < c->channels) {
        size_t left = c->channels - w->block * INFER_PANEL;
        size_t n = left < INFER_PANEL ? left : INFER_PANEL;
        if (w->depth + n > BLOCK_K)
            return;
        NAME(conv_chunk)(c, w, x, place, count, a + w->depth);
        w->depth += n;
        if (++w->column < c->kernel[1])
            continue;
        w->column = 0;
        if (++w->row < c->kernel[0])
            continue;
        w->row = 0;
        w->block++;
    }
}

/* ---- plain inputs ---- */

/* Chunks that are copied together: as short as these are, a place's share a line or few. */
#define PLAIN_CHUNKS 32

/* Copies n chunks for places [from, to) of an output row: row[i] is where the input's row of chunk
 * i begins, NULL outside. Where all is inside, `width` floats are copied for each chunk. */
VEC_INLINE void NAME(plain_row)(const infer_conv2d *c, const size_t width, const T *const *row,
                                size_t n, size_t from, size_t to, T *a) {
    const size_t taps = c->kernel[1], step = c->dilation[1], before = c->before[1];
    for (size_t o = from; o < to; o++, a += BLOCK_LDA) {
        const size_t at = o * c->stride[1];
        const bool inside =
            step == 1 && taps <= width && at >= before && at - before + width <= c->in[1];
        for (size_t i = 0; i < n; i++) {
            T *out = a + i * taps;
            if (row[i] && inside)
                memcpy(out, row[i] + at - before, width * sizeof(T));
            else
                for (size_t t = 0; t < taps; t++) {
                    size_t column = at + t * step;
                    bool is = row[i] && column >= before && column - before < c->in[1];
                    out[t] = is ? row[i][column - before] : 0;
                }
        }
    }
}

/* Copies the next n chunks, which the window passes. */
static void NAME(plain_chunks)(const infer_conv2d *c, NAME(conv_window) * w, size_t n, const T *x,
                               size_t place, size_t count, T *a) {
    size_t o = place / c->out[1], from = place % c->out[1], done = 0;
    for (; done < count; o++, from = 0) {
        const T *row[PLAIN_CHUNKS];
        size_t to = count - done < c->out[1] - from ? from + count - done : c->out[1];
        size_t block = w->block, tap = w->row;
        for (size_t i = 0; i < n; i++) {
            size_t at = o * c->stride[0] + tap * c->dilation[0], top = c->before[0];
            row[i] = at >= top && at - top < c->in[0] ? x + (block * c->in[0] + at - top) * c->in[1]
                                                      : NULL;
            tap = tap + 1 < c->kernel[0] ? tap + 1 : 0;
            block += tap == 0;
        }
        if (c->kernel[1] <= 4)
            NAME(plain_row)(c, 4, row, n, from, to, a + done * BLOCK_LDA);
        else if (c->kernel[1] <= 8)
            NAME(plain_row)(c, 8, row, n, from, to, a + done * BLOCK_LDA);
        else
            NAME(plain_row)(c, 16, row, n, from, to, a + done * BLOCK_LDA);
        done += to - from;
    }
    w->row += n;
    w->block += w->row / c->kernel[0];
    w->row %= c->kernel[0];
}

static void NAME(plain_copy)(const infer_conv2d *c, NAME(conv_window) * w, const T *x, size_t place,
                             size_t count, T *a) {
    const size_t taps = c->kernel[1];
    w->start += w->depth;
    w->depth = 0;
    for (size_t n; w->block < c->channels; w->depth += n * taps) {
        const size_t fit = (BLOCK_K - w->depth) / taps;
        const size_t left = (c->channels - w->block) * c->kernel[0] - w->row;
        n = left < PLAIN_CHUNKS ? left : PLAIN_CHUNKS;
        n = n < fit ? n : fit;
        if (n == 0)
            return;
        NAME(plain_chunks)(c, w, n, x, place, count, a + w->depth);
    }
}

/* ---- tiles ---- */

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

/* A kernel of one tap that visits every place: rows of the product are the input's places. */
VEC_INLINE bool NAME(conv_is_direct)(const infer_conv2d *c) {
    bool direct = !c->plain && c->group == 1;
    for (int axis = 0; axis < 2; axis++)
        direct = direct && c->kernel[axis] == 1 && c->stride[axis] == 1 && c->before[axis] == 0 &&
                 c->out[axis] == c->in[axis];
    return direct;
}

/* Tile number t's share of the panels after its own, whose k rows at `b` all the tiles of a panel
 * bring together; `length` rows are a whole panel. */
static NAME(conv_ahead)
    NAME(conv_share)(const T *b, size_t length, size_t k, size_t t, size_t tiles) {
    const size_t pace = (INFER_PANEL + tiles - 1) / tiles;
    if (t * pace >= INFER_PANEL)
        return (NAME(conv_ahead)){b, 0, 0, 0};
    return (NAME(conv_ahead)){b + t * pace * k, pace, pace * INFER_PANEL, length * INFER_PANEL};
}

/* The products of one window of the sum with a part's panels, for `count` places from number
 * `place` on. a is their copy or, where direct, the input. */
static void NAME(conv_panels)(const infer_conv2d *c, const infer_conv_part *part,
                              const NAME(conv_window) * w, bool direct, const T *a, const T *packed,
                              const T *bias, const T *add, T *y, size_t place, size_t count) {
    const size_t taps = c->kernel[0] * c->kernel[1], plane = c->out[0] * c->out[1] * INFER_PANEL;
    const size_t panels = part->panel + part->panels;
    const size_t tiles = (count + TILE_ROWS - 1) / TILE_ROWS;
    const size_t row = direct ? INFER_PANEL : BLOCK_LDA;
    for (size_t p = 0, step; p < panels; p += step) {
        size_t first, end, next_first, next_end;
        infer_conv_range(c, p, &first, &end);
        step = 1;
        if (p < part->panel) {
            packed += (end - first) * taps * INFER_PANEL;
            continue;
        }
        infer_conv_range(c, p + 1 < panels ? p + 1 : p, &next_first, &next_end);
        step = TILE_COLS > INFER_PANEL && p + 1 < panels && first == next_first && end == next_end
                   ? 2
                   : 1;
        /* The part of the sum that is both the panel's and in the window. */
        const size_t begin = first * taps, stop = end * taps, length = stop - begin;
        const size_t from = w->start > begin ? w->start : begin;
        const size_t to = w->start + w->depth < stop ? w->start + w->depth : stop;
        const size_t piece = direct ? INFER_PANEL : to - from;
        const T *rows_at =
            direct ? a + from / INFER_PANEL * plane + place * INFER_PANEL : a + from - w->start;
        const T *weights = packed + (from - begin) * INFER_PANEL;
        for (size_t t = 0, at = 0, rows; from < to && t < tiles; t++, at += rows) {
            const size_t begins = p * plane + (place + at) * INFER_PANEL;
            const T *init = from == begin ? bias + p * INFER_PANEL : y + begins;
            NAME(conv_end) e = {add ? add + begins : NULL, c->low, c->high, to == stop};
            rows = count / tiles + (t < count % tiles);
            NAME(conv_ahead) later = {weights, 0, 0, 0};
            if (direct && p == part->panel && t + 1 < tiles)
                later = (NAME(conv_ahead)){rows_at + (at + rows) * row, INFER_PANEL, plane, 0};
            else if (p + step < panels)
                later = NAME(conv_share)(weights + step * length * INFER_PANEL, length, to - from,
                                         t, tiles);
            NAME(conv_tile_fn) *tile = NAME(conv_tiles)[direct][step > 1][rows];
            tile(to - from, piece, rows_at + at * row, plane, weights, length * INFER_PANEL, init,
                 from == begin ? 0 : INFER_PANEL, from == begin ? INFER_PANEL : plane, y + begins,
                 plane, &e, &later);
        }
        packed += step * length * INFER_PANEL;
    }
}

static void NAME(conv_blocked)(const infer_conv2d *c, const infer_conv_part *part, const T *x,
                               const T *w, const T *bias, const T *add, T *y, T *scratch) {
    const size_t places = part->place + part->places, most = CONV_TILES * TILE_ROWS;
    const size_t passes = (part->places + most - 1) / most;
    const size_t depth = c->channels * c->kernel[0] * c->kernel[1];
    const bool direct = NAME(conv_is_direct)(c);
    for (size_t i = 0, place = part->place, count; i < passes; i++, place += count) {
        /* Whole tiles but for the last, shared out evenly. */
        const size_t tiles = (places - place + TILE_ROWS - 1) / TILE_ROWS;
        count = (tiles + passes - i - 1) / (passes - i) * TILE_ROWS;
        count = count < places - place ? count : places - place;
        NAME(conv_window) window = {0};
        while (window.start + window.depth < depth) {
            if (direct) {
                window.start += window.depth;
                window.depth = depth - window.start < BLOCK_K ? depth - window.start : BLOCK_K;
            } else if (c->plain) {
                NAME(plain_copy)(c, &window, x, place, count, scratch);
            } else {
                NAME(conv_copy)(c, &window, x, place, count, scratch);
            }
            NAME(conv_panels)
            (c, part, &window, direct, direct ? x : scratch, w, bias, add, y, place, count);
        }
    }
}
