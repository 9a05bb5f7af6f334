/* Template: what works on each channel alone, over blocks of channels, in the words of vec.h:
 * depthwise convolutions, LRN, affine maps; in float alone. */

#define EACH_VEC foreach (v, INFER_PANEL / LANES)

/* Kernels with more rows, and rows with more places, are computed place by place, and where they
 * lie. */
#define DEPTHWISE_ROWS 8
#define DEPTHWISE_RING 64
#define DEPTHWISE_TAPS 15 /* with fewer the ends of rows cost less than copies, but for... */
#define DEPTHWISE_FEW  8  /* ...rows of so few places */

/* What a row of output places needs to know. */
typedef struct NAME(blocked_row) {
    const infer_conv2d *c;
    size_t place, top, bottom; /* of the kernel's rows, the taps that lie inside */
    const T *x, *w, *bias;     /* of the channel block */
    size_t vecs;               /* of it that have channels: the others become zeros */
    T low, high;               /* what sums are clipped to */
    /* For runs of places: where the rows of x lie by tap, how long they are, their padding. */
    size_t row[DEPTHWISE_ROWS], width, before;
} NAME(blocked_row);

VEC_INLINE void NAME(depthwise_end)(VEC s, VEC low, VEC high, const T *add, T *y) {
    if (add)
        s = V(add)(s, V(load)(add));
    V(store)(y, V(min)(high, V(max)(low, s)));
}

/* One place, of any geometry; taps [left, right) of each kernel row lie inside. */
static void NAME(depthwise_place)(const NAME(blocked_row) * r, size_t o, size_t left, size_t right,
                                  const T *add, T *y) {
    const infer_conv2d *c = r->c;
    const VEC low = V(set1)(r->low), high = V(set1)(r->high);
    VEC sum[INFER_PANEL / LANES];
    EACH_VEC sum[v] = V(load)(r->bias + v * LANES);
    for (size_t t = r->top; t < r->bottom && left < right; t++) {
        const T *w = r->w + t * c->kernel[1] * INFER_PANEL;
        size_t row = r->place * c->stride[0] + t * c->dilation[0] - c->before[0];
        const T *x =
            r->x + (row * c->in[1] + o * c->stride[1] + left * c->dilation[1] - c->before[1]) *
                       INFER_PANEL;
        for (size_t u = left; u < right; u++, x += c->dilation[1] * INFER_PANEL)
            EACH_VEC sum[v] =
                V(fma)(V(load)(x + v * LANES), V(load)(w + u * INFER_PANEL + v * LANES), sum[v]);
    }
    EACH_VEC NAME(depthwise_end)(sum[v], low, high, add ? add + v * LANES : NULL, y + v * LANES);
}

/* A run of places from place o on, all taps of which lie inside: a row of x is read once for all
 * places and taps. */
VEC_INLINE void NAME(depthwise_run)(const size_t n, const size_t taps, const size_t stride,
                                    const NAME(blocked_row) * r, size_t o, const T *add, T *y) {
    const VEC low = V(set1)(r->low), high = V(set1)(r->high);
    EACH_VEC {
        VEC sum[8];
        if (v >= r->vecs) {
            foreach (i, n)
                V(store)(y + i * INFER_PANEL + v * LANES, V(set1)(0));
            continue;
        }
        foreach (i, n)
            sum[i] = V(load)(r->bias + v * LANES);
        for (size_t t = r->top; t < r->bottom; t++) {
            const T *w = r->w + t * taps * INFER_PANEL + v * LANES;
            const T *x =
                r->x + (r->row[t] * r->width + o * stride - r->before) * INFER_PANEL + v * LANES;
            VEC k[5];
            foreach (u, taps)
                k[u] = V(load)(w + u * INFER_PANEL);
            foreach (j, (n - 1) * stride + taps) {
                const VEC a = V(load)(x + j * INFER_PANEL);
                foreach (u, taps)
                    if (j >= u && (j - u) % stride == 0 && (j - u) / stride < n)
                        sum[(j - u) / stride] = V(fma)(a, k[u], sum[(j - u) / stride]);
            }
        }
        foreach (i, n) {
            const size_t at = i * INFER_PANEL + v * LANES;
            NAME(depthwise_end)(sum[i], low, high, add ? add + at : NULL, y + at);
        }
    }
}

typedef void NAME(depthwise_fn)(const NAME(blocked_row) * r, size_t o, const T *add, T *y);
#define DEPTHWISE(n, taps, stride)                                                                 \
    static void NAME(depthwise_##n##_##taps##_##stride)(const NAME(blocked_row) * r, size_t o,     \
                                                        const T *add, T *y) {                      \
        NAME(depthwise_run)(n, taps, stride, r, o, add, y);                                        \
    }
DEPTHWISE(8, 3, 1)
DEPTHWISE(4, 3, 1)
DEPTHWISE(8, 3, 2)
DEPTHWISE(4, 3, 2)
DEPTHWISE(8, 5, 1)
DEPTHWISE(4, 5, 1)
DEPTHWISE(8, 5, 2)
DEPTHWISE(4, 5, 2)
#undef DEPTHWISE

/* [taps of a row: 3, 5][stride - 1][places: 8, 4] */
static NAME(depthwise_fn) *const
    NAME(depthwise_runs)[2][2][2] = {{{NAME(depthwise_8_3_1), NAME(depthwise_4_3_1)},
                                      {NAME(depthwise_8_3_2), NAME(depthwise_4_3_2)}},
                                     {{NAME(depthwise_8_5_1), NAME(depthwise_4_5_1)},
                                      {NAME(depthwise_8_5_2), NAME(depthwise_4_5_2)}}};

/* One row of places, those in [first, end) by runs: the last run begins early where there is less
 * than one left. */
static void NAME(depthwise_row)(const NAME(blocked_row) * r, const infer_activation *act,
                                NAME(depthwise_fn) *const *runs, size_t first, size_t end,
                                const T *add, T *y) {
    const infer_conv2d *c = r->c;
    for (size_t o = 0, n; o < c->out[1]; o += n) {
        const size_t left = end - o;
        const bool run = runs && o >= first && o < end && end - first >= 4;
        size_t at = o, taps[2];
        n = 1;
        if (run) {
            const bool wide = left >= 8 || (left > 4 && end - first >= 8);
            const size_t places = wide ? 8 : 4;
            n = left < places ? left : places;
            at = o + n - places;
            runs[wide ? 0 : 1](r, at, add ? add + at * INFER_PANEL : NULL, y + at * INFER_PANEL);
        } else {
            infer_conv_taps(c, 1, o, &taps[0], &taps[1]);
            NAME(depthwise_place)
            (r, o, taps[0], taps[1], add ? add + o * INFER_PANEL : NULL, y + o * INFER_PANEL);
        }
    }
    if (act->kind)
        NAME(activate)(act, y, y, c->out[1] * INFER_PANEL);
}

/* Short rows are copied, with their padding, into a ring of as many as the kernel has: all of their
 * places are runs then. */
typedef struct NAME(depthwise_ring) {
    _Alignas(64) T data[DEPTHWISE_ROWS * DEPTHWISE_RING * INFER_PANEL];
    size_t width, columns, next; /* of a row; that are copied; row of x to come */
} NAME(depthwise_ring);

static bool NAME(ring_fits)(const infer_conv2d *c, NAME(depthwise_ring) * ring) {
    const size_t reach = (c->out[1] - 1) * c->stride[1] + c->kernel[1];
    const size_t whole = c->before[1] + c->in[1];
    ring->width = reach > whole ? reach : whole;
    ring->columns = c->in[1];
    return ring->width <= DEPTHWISE_RING && c->out[1] >= 4 && c->stride[1] == 1 &&
           (c->kernel[0] * c->kernel[1] >= DEPTHWISE_TAPS || c->out[1] <= DEPTHWISE_FEW);
}

/* Brings rows of x up to number `last` into the ring. */
static void NAME(ring_fill)(const infer_conv2d *c, NAME(depthwise_ring) * ring, const T *x,
                            size_t first, size_t last) {
    ring->next = ring->next > first ? ring->next : first;
    for (; ring->next <= last; ring->next++) {
        const size_t slot = ring->next % c->kernel[0];
        memcpy(ring->data + (slot * ring->width + c->before[1]) * INFER_PANEL,
               x + ring->next * c->in[1] * INFER_PANEL, ring->columns * INFER_PANEL * sizeof(T));
    }
}

static void NAME(conv_depthwise)(const infer_conv2d *c, const T *x, const T *w, const T *bias,
                                 const T *add, T *y) {
    const size_t taps = c->kernel[0] * c->kernel[1], blocks = (c->channels + 15) / INFER_PANEL;
    const size_t row = c->out[1] * INFER_PANEL;
    const infer_activation bounds = NAME(bounds_of)(c);
    const bool runs = (c->kernel[1] == 3 || c->kernel[1] == 5) && c->stride[1] <= 2 &&
                      c->dilation[0] == 1 && c->dilation[1] == 1 && c->kernel[0] <= DEPTHWISE_ROWS;
    NAME(depthwise_fn) *const *functions =
        runs ? NAME(depthwise_runs)[c->kernel[1] / 2 - 1][c->stride[1] - 1] : NULL;
    NAME(depthwise_ring) ring;
    const bool rings = runs && c->out[1] && NAME(ring_fits)(c, &ring);
    size_t inner[2] = {0, c->out[1]}, last[2]; /* places whose taps all lie inside of a row */
    if (rings) {
        memset(ring.data, 0, c->kernel[0] * ring.width * INFER_PANEL * sizeof(T));
    } else {
        infer_conv_inside(c, 1, 0, &inner[0], &inner[1]);
        infer_conv_inside(c, 1, c->kernel[1] - 1, &last[0], &last[1]);
        inner[0] = inner[0] > last[0] ? inner[0] : last[0];
        inner[1] = inner[1] < last[1] ? inner[1] : last[1];
    }
    for (size_t p = 0; p < blocks; p++) {
        const T *plane = x + p * c->in[0] * c->in[1] * INFER_PANEL;
        NAME(blocked_row)
        r = {.c = c,
             .x = plane,
             .w = w + p * taps * INFER_PANEL,
             .bias = bias + p * INFER_PANEL,
             .vecs = (c->channels - p * INFER_PANEL + LANES - 1) / LANES,
             .low = bounds.low,
             .high = bounds.high,
             .width = rings ? ring.width : c->in[1],
             .before = rings ? 0 : c->before[1]};
        const infer_activation act = INFER_ACTIVATION_AT(c->act, p);
        ring.next = 0;
        for (size_t i = 0; i < c->out[0]; i++, y += row) {
            r.place = i;
            infer_conv_taps(c, 0, i, &r.top, &r.bottom);
            const size_t first = i * c->stride[0] - c->before[0]; /* may wrap: row of tap 0 */
            for (size_t t = r.top; runs && t < r.bottom; t++)
                r.row[t] = rings ? (first + t) % c->kernel[0] : first + t;
            if (rings && r.top < r.bottom)
                NAME(ring_fill)(c, &ring, plane, first + r.top, first + r.bottom - 1);
            r.x = rings ? ring.data : plane;
            NAME(depthwise_row)(&r, &act, functions, inner[0], inner[1], add, y);
            add = add ? add + row : NULL;
        }
    }
}

/* The squares of the channels of so many blocks at one place, with the block before and the one
 * behind; 0 past the ends. */
VEC_INLINE void NAME(lrn_squares)(const infer_conv2d *c, size_t block, size_t blocks, const T *x,
                                  size_t step, T *to) {
    for (size_t i = 0; i < blocks + 2; i++, to += INFER_PANEL) {
        const size_t first =
            (block + i - 1) * INFER_PANEL; /* wraps before the first: no channels */
        const size_t n = first < c->channels ? c->channels - first : 0;
        const T *a = x + (n ? first / INFER_PANEL * step : 0);
        EACH_VEC {
            VEC u = n ? V(load)(a + v * LANES) : V(set1)(0);
            V(store)(to + v * LANES, V(mul)(u, u));
        }
        for (size_t k = n; k < INFER_PANEL; k++)
            to[k] = 0;
    }
}

static void NAME(lrn_blocked)(const infer_conv2d *c, size_t size, T scale, T bias, const T *x,
                              T *y) {
    /* At a time: what was just written is slow to read across its ends. */
    enum { PLACES = 8, BLOCKS = 8 };
    T squares[PLACES][(BLOCKS + 2) * INFER_PANEL];
    const size_t all = (c->channels + 15) / INFER_PANEL, plane = c->in[0] * c->in[1];
    const size_t places = c->out[0] * c->out[1];
    const VEC factor = V(set1)(scale), shift = V(set1)(bias);
    for (size_t b = 0, blocks; b < all; b += blocks) {
        blocks = all - b < BLOCKS ? all - b : BLOCKS;
        for (size_t place = 0, n; place < places; place += n) {
            n = places - place < PLACES ? places - place : PLACES;
            for (size_t i = 0; i < n; i++)
                NAME(lrn_squares)
            (c, b, blocks, x + (place + i) * INFER_PANEL, plane * INFER_PANEL, squares[i]);
            for (size_t q = 0; q < blocks; q++)
                for (size_t i = 0; i < n; i++)
                    EACH_VEC {
                        const T *s =
                            squares[i] + (q + 1) * INFER_PANEL - (size - 1) / 2 + v * LANES;
                        const size_t at = ((b + q) * plane + place + i) * INFER_PANEL + v * LANES;
                        VEC sum = V(load)(s);
                        for (size_t k = 1; k < size; k++)
                            sum = V(add)(sum, V(load)(s + k));
                        VEC part = V(inverse_34)(V(fma)(factor, sum, shift));
                        V(store)(y + at, V(mul)(V(load)(x + at), part));
                    }
        }
    }
}

static void NAME(affine_blocked)(const infer_conv2d *c, const T *x, const T *scale, const T *shift,
                                 T *y) {
    const size_t blocks = (c->channels + 15) / INFER_PANEL, plane = c->in[0] * c->in[1];
    const VEC low = V(set1)(c->act.low), high = V(set1)(c->act.high);
    for (size_t p = 0; p < blocks; p++, scale += INFER_PANEL, shift += INFER_PANEL) {
        VEC a[INFER_PANEL / LANES], b[INFER_PANEL / LANES];
        EACH_VEC a[v] = V(load)(scale + v * LANES);
        EACH_VEC b[v] = V(load)(shift + v * LANES);
        for (size_t i = 0; i < plane; i++, x += INFER_PANEL, y += INFER_PANEL)
            EACH_VEC {
                VEC u = V(fma)(V(load)(x + v * LANES), a[v], b[v]);
                V(store)(y + v * LANES, V(min)(high, V(max)(low, u)));
            }
    }
}

#undef EACH_VEC
#undef DEPTHWISE_ROWS
#undef DEPTHWISE_RING
#undef DEPTHWISE_TAPS
#undef DEPTHWISE_FEW
