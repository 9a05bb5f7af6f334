/* Template: 3 x 3 convolutions by Winograd's F(4 x 4, 3 x 3), in the words of vec.h; in float
 * alone.
 *
 * Tiles of 6 x 6 inputs and kernels are transformed so that 4 x 4 outputs are sums over channels of
 * 36 products, transformed back: a quarter of the multiply-adds. The inputs of some tiles are
 * transformed once; then for one or two panels and some channels the weights are, which costs
 * little and so need not lie in the model, and 36 products of matrices follow. The points are 0,
 * +-a, +-b and infinity, with a b = 1: the matrices hold no large numbers, and the worst error of
 * the tests is a fifth of that of the points 0, +-1 and +-2. */

#define WINOGRAD_A 0.70710678118654752f /* a a = 1 / 2 */
#define WINOGRAD_B 1.41421356237309505f /* b b = 2 */

/* o[0..6) = B' d: six elements of a row or column. */
VEC_INLINE void NAME(winograd_input)(const VEC *d, const size_t step, VEC *o) {
    const VEC a = V(set1)(WINOGRAD_A), b = V(set1)(WINOGRAD_B);
    const VEC aa = V(set1)(0.5f), bb = V(set1)(2), sum = V(set1)(2.5f);
#define D(i) d[(i)*step]
    VEC even = V(fnma)(bb, D(2), D(4)), odd = V(fnma)(bb, D(1), D(3));
    VEC near = V(fnma)(aa, D(2), D(4)), far = V(fnma)(aa, D(1), D(3));
    o[0] = V(fnma)(sum, D(2), V(add)(D(0), D(4)));
    o[1] = V(fma)(a, odd, even);
    o[2] = V(fnma)(a, odd, even);
    o[3] = V(fma)(b, far, near);
    o[4] = V(fnma)(b, far, near);
    o[5] = V(fnma)(sum, D(3), V(add)(D(1), D(5)));
#undef D
}

/* Rows 1 and 2 of G g, of three elements: those of the points a and -a. */
VEC_INLINE void NAME(winograd_near)(const VEC *g, const size_t step, VEC *plus, VEC *minus) {
    const VEC odd = V(set1)(-2 * WINOGRAD_A / 3);
    VEC near = V(fma)(V(set1)(-2.0f / 3), g[0], V(mul)(V(set1)(-1.0f / 3), g[2 * step]));
    *plus = V(fma)(odd, g[step], near);
    *minus = V(fnma)(odd, g[step], near);
}

/* Rows 3 and 4: those of b and -b. Rows 0 and 5 are g's first and last. */
VEC_INLINE void NAME(winograd_far)(const VEC *g, const size_t step, VEC *plus, VEC *minus) {
    const VEC odd = V(set1)(WINOGRAD_B / 6);
    VEC far = V(fma)(V(set1)(1.0f / 6), g[0], V(mul)(V(set1)(1.0f / 3), g[2 * step]));
    *plus = V(fma)(odd, g[step], far);
    *minus = V(fnma)(odd, g[step], far);
}

/* o[0..4) = A' m: six elements. */
VEC_INLINE void NAME(winograd_output)(const VEC *m, const size_t step, VEC *o) {
    const VEC a = V(set1)(WINOGRAD_A), b = V(set1)(WINOGRAD_B);
    const VEC aa = V(set1)(0.5f), bb = V(set1)(2);
#define M(i) m[(i)*step]
    VEC near = V(add)(M(1), M(2)), near_odd = V(mul)(a, V(sub)(M(1), M(2)));
    VEC far = V(add)(M(3), M(4)), far_odd = V(mul)(b, V(sub)(M(3), M(4)));
    o[0] = V(add)(V(add)(M(0), near), far);
    o[1] = V(add)(near_odd, far_odd);
    o[2] = V(fma)(bb, far, V(mul)(aa, near));
    o[3] = V(fma)(bb, far_odd, V(fma)(aa, near_odd, M(5)));
#undef M
}

/* Tile number `tile` of one channel block into the 36 places of `to`, which lie `step` apart. */
VEC_ONCE void NAME(winograd_load)(const infer_conv2d *c, const T *x, size_t row, size_t column,
                                  size_t step, T *to) {
    /* The patch's place in the padded input; what of it lies inside. */
    const size_t top = c->before[0], left = c->before[1], width = c->in[1];
    bool inside =
        row >= top && row - top + 6 <= c->in[0] && column >= left && column - left + 6 <= width;
    const T *patch = x;
    size_t line = width * INFER_PANEL;
    T copy[36 * INFER_PANEL];
    if (inside) {
        patch += ((row - top) * width + (column - left)) * INFER_PANEL;
    } else {
        patch = copy;
        line = 6 * INFER_PANEL;
        for (size_t i = 0; i < 6; i++)
            for (size_t j = 0; j < 6; j++) {
                const size_t r = row + i - top, q = column + j - left; /* wrap before the first */
                if (r < c->in[0] && q < width)
                    memcpy(copy + (i * 6 + j) * INFER_PANEL, x + (r * width + q) * INFER_PANEL,
                           INFER_PANEL * sizeof(T));
                else
                    memset(copy + (i * 6 + j) * INFER_PANEL, 0, INFER_PANEL * sizeof(T));
            }
    }
    for (size_t v = 0; v < INFER_PANEL / LANES; v++) {
        VEC d[6], e[36], f[6];
        foreach (j, 6) {
            foreach (i, 6)
                d[i] = V(load)(patch + i * line + j * INFER_PANEL + v * LANES);
            NAME(winograd_input)(d, 1, f);
            foreach (i, 6)
                e[i * 6 + j] = f[i];
        }
        foreach (i, 6) {
            NAME(winograd_input)(e + i * 6, 1, f);
            foreach (j, 6)
                V(store)(to + (i * 6 + j) * step + v * LANES, f[j]);
        }
    }
}

/* A row of three of a kernel's numbers into six matrices; returns the one behind them. */
VEC_INLINE T *NAME(winograd_row)(const VEC *g, size_t step, T *to) {
    VEC o[6] = {g[0], g[0], g[0], g[0], g[0], g[2]};
    NAME(winograd_near)(g, 1, o + 1, o + 2);
    NAME(winograd_far)(g, 1, o + 3, o + 4);
    for (size_t j = 0; j < 6; j++, to += step)
        V(store)(to, o[j]);
    return to;
}

/* The kernels of n channels of a block to one panel, [9][n][16], into 36 matrices `step` apart:
 * row by row, as registers hold few more than three numbers and what becomes of them. */
VEC_ONCE void NAME(winograd_pack)(size_t n, const T *w, size_t step, T *to) {
    for (size_t k = 0; k < n; k++, w += INFER_PANEL, to += INFER_PANEL) {
        for (size_t i = 0; i < 36 && LANES == INFER_PANEL; i++) /* lines in the second cache */
            __builtin_prefetch(to + i * step + 2 * INFER_PANEL, 1, 3);
        for (size_t v = 0; v < INFER_PANEL; v += LANES) {
            VEC g[9], plus[3], minus[3];
            T *at = to + v;
            foreach (i, 9)
                g[i] = V(load)(w + i * n * INFER_PANEL + v);
            at = NAME(winograd_row)(g, step, at);
            foreach (j, 3)
                NAME(winograd_near)(g + j, 3, plus + j, minus + j);
            at = NAME(winograd_row)(plus, step, at);
            at = NAME(winograd_row)(minus, step, at);
            foreach (j, 3)
                NAME(winograd_far)(g + j, 3, plus + j, minus + j);
            at = NAME(winograd_row)(plus, step, at);
            at = NAME(winograd_row)(minus, step, at);
            NAME(winograd_row)(g + 6, step, at);
        }
    }
}

/* The 36 sums of one tile, `step` apart, to the outputs of one panel. */
VEC_ONCE void NAME(winograd_store)(const infer_conv2d *c, const T *sums, size_t step, const T *bias,
                                   const T *add, size_t row, size_t column,
                                   const infer_activation *act, T *y) {
    const infer_activation bounds = NAME(bounds_of)(c);
    const VEC low = V(set1)(bounds.low), high = V(set1)(bounds.high);
    const size_t rows = c->out[0] - row < 4 ? c->out[0] - row : 4;
    const size_t columns = c->out[1] - column < 4 ? c->out[1] - column : 4;
    for (size_t v = 0; v < INFER_PANEL / LANES; v++) {
        VEC m[6], e[24], f[4], first = V(load)(bias + v * LANES);
        foreach (j, 6) {
            foreach (i, 6)
                m[i] = V(load)(sums + (i * 6 + j) * step + v * LANES);
            NAME(winograd_output)(m, 1, f);
            foreach (i, 4)
                e[i * 6 + j] = f[i];
        }
        foreach (i, 4) {
            if (i >= rows)
                continue;
            NAME(winograd_output)(e + i * 6, 1, f);
            foreach (j, 4) {
                if (j >= columns)
                    continue;
                size_t at = ((row + i) * c->out[1] + column + j) * INFER_PANEL + v * LANES;
                VEC s = V(add)(f[j], first);
                if (add && !act->late)
                    s = V(add)(s, V(load)(add + at));
                V(store)(y + at, V(min)(high, V(max)(low, s)));
            }
        }
    }
    for (size_t i = 0; act->kind && i < rows; i++) {
        const size_t at = ((row + i) * c->out[1] + column) * INFER_PANEL;
        NAME(activate)(act, y + at, y + at, columns * INFER_PANEL);
        if (add && act->late)
            NAME(add)(y + at, 1, add + at, 1, y + at, columns * INFER_PANEL);
    }
}

/* Brings part number i of 36 of the weights of so many channels closer: while products are
 * computed, so that the next transform need not wait for memory. */
static void NAME(winograd_fetch)(const T *w, size_t left, size_t at, size_t channels, size_t i) {
    const size_t lines = channels * 9, some = left > at ? (left - at) / INFER_PANEL : 0;
    const size_t end = lines * (i + 1) / 36 < some ? lines * (i + 1) / 36 : some;
    for (size_t line = lines * i / 36; line < end; line++)
        __builtin_prefetch(w + at + line * INFER_PANEL, 0, 2);
}

/* The sums of n tiles, whose transformed inputs are at `input`, for so many half panels. `left`:
 * floats of the weights from these panels' on. */
static void NAME(winograd_panels)(const infer_conv2d *c, const infer_winograd *g, size_t n,
                                  const T *input, const T *w, size_t left, size_t halves, T *packed,
                                  T *sums) {
    static const T zeros[INFER_PANEL];
    const size_t panel = c->channels * 9 * INFER_PANEL, panels = (halves + 1) / 2;
    const size_t most =
        TILE_COLS > INFER_PANEL ? INFER_WINOGRAD_CHANNELS : 2 * INFER_WINOGRAD_CHANNELS;
    for (size_t from = 0, depth; from < c->channels; from += depth) {
        depth = c->channels - from < most ? c->channels - from : most;
        const size_t matrix = (depth * panels + 1) * INFER_PANEL; /* off each other's lines */
        const size_t next =
            from + depth < c->channels ? (from + depth) * 9 * INFER_PANEL : panels * panel;
        for (size_t p = 0; p < panels; p++)
            for (size_t k = 0, some; k < depth; k += some) {
                const T *kernels = w + p * panel + (from + k) * 9 * INFER_PANEL;
                some = depth - k < INFER_PANEL ? depth - k : INFER_PANEL;
                NAME(winograd_pack)(some, kernels, matrix, packed + (p * depth + k) * INFER_PANEL);
            }
        for (size_t i = 0; i < 36; i++) {
            for (size_t p = 0; p < panels; p++)
                NAME(winograd_fetch)(w, left, next + p * panel, depth, i);
            NAME(conv_source)
            s = {.lda = INFER_PANEL, .segments = 1, .count = n, .width = n};
            NAME(conv_product)
            q = {.walk = {INFER_PANEL, 1, 1, 0, 0, g->most * INFER_PANEL},
                 .k = depth,
                 .first = INFER_PANEL,
                 .lines = 1,
                 .lda = INFER_PANEL,
                 .a = input + i * g->input + from * g->most,
                 .b = packed + i * matrix,
                 .panel = depth * INFER_PANEL,
                 .ldi = from ? INFER_PANEL : 0,
                 .ldp = from ? g->most * INFER_PANEL : 0,
                 .plane = g->most * INFER_PANEL};
            NAME(conv_tiles_of)
            (&s, &q, &c->act, false, depth, halves, false, zeros, NULL, sums + i * g->sums);
        }
    }
}

/* The image of a tile, the first row and column of its outputs. */
typedef struct NAME(winograd_place) {
    size_t image, row, column;
} NAME(winograd_place);

VEC_INLINE NAME(winograd_place) NAME(winograd_at)(const infer_winograd *g, size_t tile) {
    const size_t image = tile / g->of_image, of = tile % g->of_image;
    return (NAME(winograd_place)){image, of / g->columns * 4, of % g->columns * 4};
}

static void NAME(conv_winograd)(const infer_conv2d *c, const infer_conv_part *part, const T *x,
                                const T *w, const T *bias, const T *add, T *y, T *scratch) {
    const infer_winograd g = infer_winograd_of(c);
    const size_t blocks = (c->channels + 15) / INFER_PANEL, all = (c->outputs + 15) / INFER_PANEL;
    const size_t panels = part->panel + part->panels, tiles = part->place + part->places;
    const size_t plane = c->out[0] * c->out[1] * INFER_PANEL;
    T *input = scratch, *sums = input + 36 * g.input, *packed = sums + 36 * g.sums;
    const size_t panel = c->channels * 9 * INFER_PANEL;
    /* Two panels have as much room as one of as many channels again. */
    const bool joins = TILE_COLS > INFER_PANEL || c->channels <= INFER_WINOGRAD_CHANNELS;
    for (size_t from = part->place, n; from < tiles; from += n) {
        n = tiles - from < g.most ? tiles - from : g.most;
        for (size_t b = 0; b < blocks; b++)
            for (size_t t = 0; t < n; t++) {
                const NAME(winograd_place) at = NAME(winograd_at)(&g, from + t);
                const T *block = x + (at.image * blocks + b) * c->in[0] * c->in[1] * INFER_PANEL;
                T *to = input + (b * g.most + t) * INFER_PANEL;
                NAME(winograd_load)(c, block, at.row, at.column, g.input, to);
            }
        for (size_t p = part->panel, next; p < panels; p = next) {
            const size_t halves = infer_conv_halves(c, p, joins ? panels : p + 1, CONV_MOST);
            next = p + (halves + 1) / 2;
            NAME(winograd_panels)
            (c, &g, n, input, w + p * panel, (panels - p) * panel, halves, packed, sums);
            for (size_t q = p; q < next; q++) {
                const infer_activation act = INFER_ACTIVATION_AT(c->act, q);
                for (size_t t = 0; t < n; t++) {
                    const T *sum = sums + ((q - p) * g.most + t) * INFER_PANEL;
                    const NAME(winograd_place) at = NAME(winograd_at)(&g, from + t);
                    const size_t to = (at.image * all + q) * plane;
                    NAME(winograd_store)
                    (c, sum, g.sums, bias + q * INFER_PANEL, add ? add + to : NULL, at.row,
                     at.column, &act, y + to);
                }
            }
        }
    }
}
