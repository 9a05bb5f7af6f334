/* Template: the parts of convolutions along a line (conv_line.h) that are vectors' work, in the
 * words of vec.h; in float alone. One copy serves both numbers of points: with 6, the third pair is
 * left out, or counts for nothing. */

/* n tiles of one channel block from number `tile` on, for one piece of the kernel, transformed:
 * `apart` for each point. */
static void NAME(line_load)(const infer_line *l, const T *x, size_t tile, size_t n, size_t piece,
                            size_t apart, T *to) {
    const infer_line_numbers *q = l->numbers;
    infer_line_tile t = infer_line_at(l, tile);
    for (; n > 0; n--, to += INFER_PANEL, infer_line_next(l, &t)) {
        T edge[INFER_LINE_POINTS * INFER_PANEL];
        size_t step;
        const T *from = infer_line_inputs(l, x, &t, piece, edge, &step);
        for (size_t v = 0; v < INFER_PANEL; v += LANES) {
            VEC d[INFER_LINE_POINTS];
            foreach (i, INFER_LINE_POINTS)
                d[i] = V(load)(from + i * step + v);
            VEC zero = V(mul)(V(set1)(q->zero[0]), d[0]);
            VEC last = V(mul)(V(set1)(q->last[0]), d[1]);
            foreach (i, 3) {
                zero = V(fma)(V(set1)(q->zero[i + 1]), d[2 + 2 * i], zero);
                last = V(fma)(V(set1)(q->last[i + 1]), d[3 + 2 * i], last);
            }
            V(store)(to + v, zero);
            V(store)(to + (l->points - 1) * apart + v, last);
            for (size_t i = 0; i + 1 < l->points / 2; i++) {
                VEC even = V(mul)(V(set1)(q->input[i][0]), d[2]);
                VEC odd = V(mul)(V(set1)(q->input[i][0]), d[1]);
                foreach (j, 2) {
                    even = V(fma)(V(set1)(q->input[i][j + 1]), d[4 + 2 * j], even);
                    odd = V(fma)(V(set1)(q->input[i][j + 1]), d[3 + 2 * j], odd);
                }
                V(store)(to + (1 + 2 * i) * apart + v, V(fma)(V(set1)(q->q[i]), odd, even));
                V(store)(to + (2 + 2 * i) * apart + v, V(fnma)(V(set1)(q->q[i]), odd, even));
            }
        }
    }
}

/* A piece of the kernels of n channels of a block to one panel, [rows][all][n][16], into a matrix
 * for each point, `apart`. Past the last tap there are zeros. */
static void NAME(line_pack)(const infer_line *l, size_t piece, size_t n, const T *w, size_t apart,
                            T *to) {
    const infer_line_numbers *q = l->numbers;
    const size_t from = piece % l->pieces * l->taps, left = l->all - from;
    const size_t taps = left < l->taps ? left : l->taps;
    const VEC zero = V(set1)(0);
    w += (piece / l->pieces * l->all + from) * n * INFER_PANEL;
    for (size_t k = 0; k < n * INFER_PANEL; k += LANES) {
        VEC g[INFER_LINE_TAPS];
        if (k % INFER_PANEL == 0) { /* the next block's weights, and where these go next */
            for (size_t t = 0; t < taps; t++)
                __builtin_prefetch(w + (l->all + t) * n * INFER_PANEL + k, 0, 3);
            for (size_t i = 0; i < l->points; i++)
                __builtin_prefetch(to + i * apart + k + 2 * INFER_PANEL, 1, 3);
        }
        foreach (t, INFER_LINE_TAPS)
            g[t] = t < taps ? V(load)(w + t * n * INFER_PANEL + k) : zero;
        V(store)(to + k, g[0]);
        V(store)
        (to + (l->points - 1) * apart + k,
         taps == l->taps ? V(load)(w + (taps - 1) * n * INFER_PANEL + k) : zero);
        for (size_t i = 0; i + 1 < l->points / 2; i++) {
            const VEC square = V(set1)(q->square[i]), f = V(set1)(q->factor[i]);
            const VEC even = V(fma)(V(fma)(g[4], square, g[2]), square, g[0]);
            const VEC odd = V(mul)(V(mul)(f, V(set1)(q->q[i])), V(fma)(g[3], square, g[1]));
            V(store)(to + (1 + 2 * i) * apart + k, V(fma)(f, even, odd));
            V(store)(to + (2 + 2 * i) * apart + k, V(sub)(V(mul)(f, even), odd));
        }
    }
}

/* The product of one point: n tiles and a sum over `depth`, so many channels of each piece, with
 * so many half panels, added to the sums where these are begun. */
static void NAME(line_product)(const infer_line *l, size_t n, size_t channels, size_t depth,
                               size_t halves, bool begun, const T *a, const T *b, T *sums) {
    static const T zeros[INFER_PANEL];
    const infer_activation none = INFER_ACTIVATION(INFER_ACTIVATION_NONE, 0, 0);
    const NAME(conv_source) s = {.lda = INFER_PANEL, .segments = 1, .count = n, .width = n};
    NAME(conv_product)
    q = {.walk = {channels, 1, 1, 0, 0, l->most * INFER_PANEL},
         .k = depth,
         .lda = INFER_PANEL,
         .first = channels,
         .lines = 1,
         .a = a,
         .b = b,
         .panel = depth * INFER_PANEL,
         .ldi = begun ? INFER_PANEL : 0,
         .ldp = begun ? l->most * INFER_PANEL : 0,
         .plane = l->most * INFER_PANEL};
    NAME(conv_tiles_of)(&s, &q, &none, false, depth, halves, false, zeros, NULL, sums);
}

/* Results of some tiles that go through an activation together: a call of it takes as long as a
 * tile of a panel. */
#define LINE_HELD 8
typedef struct NAME(line_held) {
    size_t tiles, rows, first[LINE_HELD], count[LINE_HELD];
    T row[LINE_HELD * INFER_LINE_OUTPUTS * INFER_PANEL];
} NAME(line_held);

VEC_ONCE void NAME(line_release)(const infer_line *l, const infer_line_end *e,
                                 NAME(line_held) * h) {
    const T *from = h->row;
    NAME(activate)(&e->act, h->row, h->row, h->rows * INFER_PANEL);
    for (size_t t = 0; t < h->tiles; t++)
        for (size_t i = 0; i < h->count[t]; i++, from += INFER_PANEL) {
            const size_t at = h->first[t] + i * l->step * INFER_PANEL;
            if (e->add && e->act.late)
                NAME(add)(from, 1, e->add + at, 1, e->y + at, INFER_PANEL);
            else
                memcpy(e->y + at, from, INFER_PANEL * sizeof(T));
        }
    h->tiles = h->rows = 0;
}

/* The sums of n tiles from number `tile` on, `apart` for each point, to the outputs of a panel. */
static void NAME(line_store)(const infer_line *l, const infer_line_end *e, const T *sums,
                             size_t apart, size_t tile, size_t n) {
    const infer_line_numbers *q = l->numbers;
    const bool bounded = e->act.kind == INFER_ACTIVATION_NONE;
    const VEC low = V(set1)(bounded ? e->act.low : -INFINITY);
    const VEC high = V(set1)(bounded ? e->act.high : INFINITY);
    const size_t last = l->points - 1, step = l->step * INFER_PANEL;
    static const T zeros[INFER_PANEL]; /* where nothing is added */
    const bool adds = e->add && !e->act.late;
    const size_t plus_step = adds ? step : 0;
    NAME(line_held) held;
    held.tiles = held.rows = 0;
    infer_line_tile t = infer_line_at(l, tile);
    for (; n > 0; n--, sums += INFER_PANEL, infer_line_next(l, &t)) {
        const size_t first = (t.line * l->out + t.place) * INFER_PANEL;
        size_t count = t.place < l->out ? (l->out - 1 - t.place) / l->step + 1 : 0;
        count = count < l->outputs ? count : l->outputs;
        T *to = bounded ? e->y + first : held.row + held.rows * INFER_PANEL;
        const T *plus = adds ? e->add + first : zeros;
        const size_t width = bounded ? step : INFER_PANEL;
        for (size_t v = 0; v < INFER_PANEL; v += LANES) {
            VEC even[3], odd[3];
            const VEC start = V(load)(e->bias + v);
            foreach (i, 3) {
                even[i] = odd[i] = V(set1)(0);
                if (i == 2 && last == 5)
                    continue;
                const VEC a = V(load)(sums + (1 + 2 * i) * apart + v);
                const VEC b = V(load)(sums + (2 + 2 * i) * apart + v);
                even[i] = V(add)(a, b);
                odd[i] = V(mul)(V(set1)(q->q[i]), V(sub)(a, b));
            }
            foreach (i, INFER_LINE_OUTPUTS) {
                VEC *of = i % 2 ? odd : even;
                if (i >= count)
                    break;
                VEC s = V(add)(V(add)(of[0], of[1]), of[2]);
                if (i == 0)
                    s = V(add)(s, V(load)(sums + v));
                if (i + 1 == l->outputs)
                    s = V(add)(s, V(load)(sums + last * apart + v));
                s = V(add)(V(add)(s, start), V(load)(plus + i * plus_step + v));
                V(store)(to + i * width + v, V(min)(high, V(max)(low, s)));
                foreach (j, 3) /* the next output but one has two more powers of q */
                    of[j] = V(mul)(of[j], V(set1)(q->square[j]));
            }
        }
        if (bounded)
            continue;
        held.first[held.tiles] = first;
        held.count[held.tiles++] = count;
        held.rows += count;
        if (held.tiles == LINE_HELD || n == 1)
            NAME(line_release)(l, e, &held);
    }
}
#undef LINE_HELD

static void NAME(conv_line)(const infer_conv2d *c, const infer_conv_part *part, const T *x,
                            const T *w, const T *bias, const T *add, T *y, T *scratch) {
    static const infer_line_kernels own = {NAME(line_load), NAME(line_pack), NAME(line_product),
                                           NAME(line_store), CONV_MOST};
    infer_line_run(&own, c, part, x, w, bias, add, y, scratch);
}
