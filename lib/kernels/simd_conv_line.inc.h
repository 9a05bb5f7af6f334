/* Template: convolutions along a line from fewer products (conv_line.h), in the words of vec.h; in
 * float alone.
 *
 * The points are 0, pairs of +-q and infinity: q is 1/2, 1 and 2, or the roots of 1/2 and of 2, so
 * that nearly all factors are exact. The inputs of some tiles are transformed once; then for one or
 * two panels and some channels the weights are, which costs little and so need not lie in the
 * model, and a product of matrices for each point follows. */

#define LINE_PAIRS 3

/* By the number of pairs: q and its square; the sum and the product of the squares of the other
 * pairs; the inverse of 2 q q times the product of q q - r r over the other pairs. */
static const struct {
    T q[LINE_PAIRS], square[LINE_PAIRS], sum[LINE_PAIRS], product[LINE_PAIRS], factor[LINE_PAIRS];
} NAME(line_of)[] = {
    [2] = {{0.70710678118654752f, 1.41421356237309505f},
           {0.5f, 2},
           {2, 0.5f},
           {0},
           {-2.0f / 3, 1.0f / 6}},
    [3] = {{0.5f, 1, 2},
           {0.25f, 1, 4},
           {5, 4.25f, 1.25f},
           {4, 1, 0.25f},
           {32.0f / 45, -2.0f / 9, 1.0f / 90}},
};
#define OF(pairs, field, i) V(set1)(NAME(line_of)[pairs].field[i])

/* o = B' d. Of a pair: x (x +- q) times the product of x x - r r over the others. */
VEC_INLINE void NAME(line_input)(const size_t pairs, const VEC *d, VEC *o) {
    const size_t last = 2 * pairs;
    const VEC all = V(set1)(pairs == 2 ? 2.5f : 5.25f); /* squares; also products of two of three */
    if (pairs == 2) {
        o[0] = V(fnma)(all, d[2], V(add)(d[0], d[4]));
        o[5] = V(fnma)(all, d[3], V(add)(d[1], d[5]));
    } else {
        o[0] = V(fma)(all, V(sub)(d[4], d[2]), V(sub)(d[0], d[6]));
        o[7] = V(fma)(all, V(sub)(d[3], d[5]), V(sub)(d[7], d[1]));
    }
    foreach (i, pairs) {
        VEC even = V(fnma)(OF(pairs, sum, i), d[last - 2], d[last]);
        VEC odd = V(fnma)(OF(pairs, sum, i), d[last - 3], d[last - 1]);
        if (pairs == 3) {
            even = V(fma)(OF(pairs, product, i), d[2], even);
            odd = V(fma)(OF(pairs, product, i), d[1], odd);
        }
        o[1 + 2 * i] = V(fma)(OF(pairs, q, i), odd, even);
        o[2 + 2 * i] = V(fnma)(OF(pairs, q, i), odd, even);
    }
}

/* n tiles of one channel block from number `tile` on, for one piece of the kernel, `apart` for each
 * point. */
VEC_INLINE void NAME(line_load)(const size_t pairs, const infer_line *l, const T *x, size_t tile,
                                size_t n, size_t piece, size_t apart, T *to) {
    const size_t points = 2 * pairs + 2, end = l->in + l->before, step = l->step;
    infer_line_tile t = infer_line_at(l, tile);
    for (; n > 0; n--, to += INFER_PANEL, infer_line_next(l, &t)) {
        const size_t first = t.place + piece * l->taps * step;
        const bool inside = first >= l->before && first + (points - 1) * step < end;
        const T *from = x + (t.line * l->in + first - l->before) * INFER_PANEL;
        foreach (v, INFER_PANEL / LANES) {
            VEC d[INFER_LINE_POINTS], o[INFER_LINE_POINTS];
            if (inside)
                foreach (i, points)
                    d[i] = V(load)(from + i * step * INFER_PANEL + v * LANES);
            else
                foreach (i, points) {
                    const size_t at = first + i * step;
                    d[i] = at >= l->before && at < end
                               ? V(load)(from + i * step * INFER_PANEL + v * LANES)
                               : V(set1)(0);
                }
            NAME(line_input)(pairs, d, o);
            foreach (i, points)
                V(store)(to + i * apart + v * LANES, o[i]);
        }
    }
}

/* Taps from `from` on of the kernels of n channels of a block to one panel, [all][n][16], into a
 * matrix for each point, `apart`. Past the last tap there are zeros. */
VEC_INLINE void NAME(line_pack)(const size_t pairs, const infer_line *l, size_t from, size_t n,
                                const T *w, size_t apart, T *to) {
    const size_t points = 2 * pairs + 2, left = l->all - from;
    const size_t taps = left < l->taps ? left : l->taps;
    const VEC zero = V(set1)(0);
    w += from * n * INFER_PANEL;
    for (size_t k = 0; k < n; k++)
        foreach (v, INFER_PANEL / LANES) {
            VEC g[INFER_LINE_TAPS];
            const T *at = w + k * INFER_PANEL + v * LANES;
            T *o = to + k * INFER_PANEL + v * LANES;
            foreach (t, INFER_LINE_TAPS)
                g[t] = t < taps ? V(load)(at + t * n * INFER_PANEL) : zero;
            V(store)(o, g[0]);
            V(store)
            (o + (points - 1) * apart,
             taps == l->taps ? V(load)(at + (taps - 1) * n * INFER_PANEL) : zero);
            foreach (i, pairs) {
                const VEC square = OF(pairs, square, i), f = OF(pairs, factor, i);
                const VEC even = V(fma)(V(fma)(g[4], square, g[2]), square, g[0]);
                const VEC odd = V(mul)(V(mul)(f, OF(pairs, q, i)), V(fma)(g[3], square, g[1]));
                V(store)(o + (1 + 2 * i) * apart, V(fma)(f, even, odd));
                V(store)(o + (2 + 2 * i) * apart, V(sub)(V(mul)(f, even), odd));
            }
        }
}

/* Where a panel's sums go. */
typedef struct NAME(line_end) {
    infer_activation bounds, act;
    const T *bias, *add;
    T *y;
} NAME(line_end);

/* The sums of n tiles from number `tile` on, `apart` for each point, to the outputs of a panel. */
VEC_INLINE void NAME(line_store)(const size_t pairs, const infer_line *l, const NAME(line_end) * e,
                                 const T *sums, size_t apart, size_t tile, size_t n) {
    const VEC low = V(set1)(e->bounds.low), high = V(set1)(e->bounds.high);
    const size_t last = 2 * pairs + 1, step = l->step * INFER_PANEL;
    T rows[INFER_LINE_POINTS * INFER_PANEL];
    infer_line_tile t = infer_line_at(l, tile);
    for (; n > 0; n--, sums += INFER_PANEL, infer_line_next(l, &t)) {
        const size_t first = (t.line * l->out + t.place) * INFER_PANEL;
        size_t count = t.place < l->out ? (l->out - 1 - t.place) / l->step + 1 : 0;
        count = count < l->outputs ? count : l->outputs;
        T *to = e->act.kind ? rows : e->y + first;
        const size_t width = e->act.kind ? INFER_PANEL : step;
        foreach (v, INFER_PANEL / LANES) {
            VEC even[LINE_PAIRS], odd[LINE_PAIRS], start = V(load)(e->bias + v * LANES);
            foreach (i, pairs) {
                VEC a = V(load)(sums + (1 + 2 * i) * apart + v * LANES);
                VEC b = V(load)(sums + (2 + 2 * i) * apart + v * LANES);
                even[i] = V(add)(a, b);
                odd[i] = V(mul)(OF(pairs, q, i), V(sub)(a, b));
            }
            for (size_t i = 0; i < count; i++) {
                VEC s = V(add)(even[0], even[1]);
                if (pairs == 3)
                    s = V(add)(s, even[2]);
                if (i == 0)
                    s = V(add)(s, V(load)(sums + v * LANES));
                if (i + 1 == l->outputs)
                    s = V(add)(s, V(load)(sums + last * apart + v * LANES));
                s = V(add)(s, start);
                if (e->add)
                    s = V(add)(s, V(load)(e->add + first + i * step + v * LANES));
                V(store)(to + i * width + v * LANES, V(min)(high, V(max)(low, s)));
                foreach (j, pairs) { /* the next output has the next power of q */
                    const VEC next = V(mul)(even[j], OF(pairs, square, j));
                    even[j] = odd[j];
                    odd[j] = next;
                }
            }
        }
        if (!e->act.kind)
            continue;
        NAME(activate)(&e->act, rows, rows, count * INFER_PANEL);
        for (size_t i = 0; i < count; i++)
            memcpy(e->y + first + i * step, rows + i * INFER_PANEL, INFER_PANEL * sizeof(T));
    }
}

#define LINE_FUNCTIONS(pairs)                                                                      \
    VEC_ONCE void NAME(line_load_##pairs)(const infer_line *l, const T *x, size_t tile, size_t n,  \
                                          size_t piece, size_t apart, T *to) {                     \
        NAME(line_load)(pairs, l, x, tile, n, piece, apart, to);                                   \
    }                                                                                              \
    VEC_ONCE void NAME(line_pack_##pairs)(const infer_line *l, size_t from, size_t n, const T *w,  \
                                          size_t apart, T *to) {                                   \
        NAME(line_pack)(pairs, l, from, n, w, apart, to);                                          \
    }                                                                                              \
    VEC_ONCE void NAME(line_store_##pairs)(const infer_line *l, const NAME(line_end) * e,          \
                                           const T *sums, size_t apart, size_t tile, size_t n) {   \
        NAME(line_store)(pairs, l, e, sums, apart, tile, n);                                       \
    }
LINE_FUNCTIONS(2)
LINE_FUNCTIONS(3)
#undef LINE_FUNCTIONS
#undef OF

/* The sums of n tiles, whose transformed inputs are at `input`, for `wide` + 1 panels. */
static void NAME(line_panels)(const infer_conv2d *c, const infer_line *l, size_t n, const T *input,
                              const T *w, size_t wide, T *packed, T *sums) {
    static const T zeros[INFER_PANEL];
    const size_t panel = c->channels * l->all * INFER_PANEL;
    const size_t blocks = (c->channels + INFER_PANEL - 1) / INFER_PANEL;
    bool begun = false;
    for (size_t piece = 0; piece < l->pieces; piece++)
        for (size_t from = 0, depth; from < c->channels; from += depth, begun = true) {
            depth =
                c->channels - from < INFER_LINE_CHANNELS ? c->channels - from : INFER_LINE_CHANNELS;
            const size_t matrix = (depth * (wide + 1) + 1) * INFER_PANEL; /* off others' lines */
            for (size_t p = 0; p <= wide; p++)
                for (size_t k = 0, some; k < depth; k += some) {
                    const T *kernels = w + p * panel + (from + k) * l->all * INFER_PANEL;
                    some = depth - k < INFER_PANEL ? depth - k : INFER_PANEL;
                    (l->points == 8 ? NAME(line_pack_3)
                                    : NAME(line_pack_2))(l, piece * l->taps, some, kernels, matrix,
                                                         packed + (p * depth + k) * INFER_PANEL);
                }
            for (size_t i = 0; i < l->points; i++) {
                NAME(conv_source)
                s = {.lda = INFER_PANEL, .segments = 1, .count = n, .width = n};
                NAME(conv_product)
                q = {.walk = {INFER_PANEL, 1, 1, 0, 0, l->most * INFER_PANEL},
                     .k = depth,
                     .lda = INFER_PANEL,
                     .a = input + i * l->input + (piece * blocks * INFER_PANEL + from) * l->most,
                     .b = packed + i * matrix,
                     .panel = depth * INFER_PANEL,
                     .ldi = begun ? INFER_PANEL : 0,
                     .ldp = begun ? l->most * INFER_PANEL : 0,
                     .plane = l->most * INFER_PANEL};
                NAME(conv_tiles_of)
                (&s, &q, &c->act, false, depth, wide, false, zeros, NULL, sums + i * l->sums);
            }
        }
}

static void NAME(conv_line)(const infer_conv2d *c, const infer_conv_part *part, const T *x,
                            const T *w, const T *bias, const T *add, T *y, T *scratch) {
    const infer_line l = infer_line_of(c);
    const size_t blocks = (c->channels + INFER_PANEL - 1) / INFER_PANEL;
    const size_t panels = part->panel + part->panels, tiles = part->place + part->places;
    const size_t plane = l.lines * l.out * INFER_PANEL;
    const size_t panel = c->channels * l.all * INFER_PANEL;
    T *input = scratch, *sums = input + l.points * l.input, *packed = sums + l.points * l.sums;
    for (size_t from = part->place, n; from < tiles; from += n) {
        n = tiles - from < l.most ? tiles - from : l.most;
        for (size_t piece = 0; piece < l.pieces; piece++)
            for (size_t b = 0; b < blocks; b++)
                (l.points == 8 ? NAME(line_load_3) : NAME(line_load_2))(
                    &l, x + b * l.lines * l.in * INFER_PANEL, from, n, piece, l.input,
                    input + (piece * blocks + b) * l.most * INFER_PANEL);
        for (size_t p = part->panel, wide; p < panels; p += wide + 1) {
            wide = TILE_COLS > INFER_PANEL && p + 1 < panels;
            NAME(line_panels)(c, &l, n, input, w + p * panel, wide, packed, sums);
            for (size_t q = p; q <= p + wide; q++) {
                const NAME(line_end) e = {.bounds = NAME(bounds_of)(c),
                                          .act = INFER_ACTIVATION_AT(c->act, q),
                                          .bias = bias + q * INFER_PANEL,
                                          .add = add ? add + q * plane : NULL,
                                          .y = y + q * plane};
                (l.points == 8 ? NAME(line_store_3) : NAME(line_store_2))(
                    &l, &e, sums + (q - p) * l.most * INFER_PANEL, l.sums, from, n);
            }
        }
    }
}
#undef LINE_PAIRS
