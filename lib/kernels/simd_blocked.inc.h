/* Template: what works on each channel alone, over blocks of channels, in the words of vec.h:
 * depthwise convolutions, pools, affine maps; in float alone. */

#define EACH_VEC foreach (v, INFER_PANEL / LANES)

/* What a row of output places needs to know. */
typedef struct NAME(blocked_row) {
    const infer_conv2d *c;
    size_t place, top, bottom; /* of the kernel's rows, the taps that lie inside */
    const T *x, *w, *bias;     /* of the channel block */
    T low, high;               /* what sums are clipped to */
} NAME(blocked_row);

/* So many places at once, from place o on; taps [left, right) of each kernel row. */
VEC_INLINE void NAME(depthwise_places)(const size_t n, const NAME(blocked_row) * r, size_t o,
                                       size_t left, size_t right, const T *add, T *y) {
    const infer_conv2d *c = r->c;
    const size_t stride = c->stride[1] * INFER_PANEL;
    VEC sum[4][INFER_PANEL / LANES];
    foreach (i, n)
        EACH_VEC sum[i][v] = V(load)(r->bias + v * LANES);
    for (size_t t = r->top; t < r->bottom; t++) {
        const T *w = r->w + t * c->kernel[1] * INFER_PANEL;
        size_t row = r->place * c->stride[0] + t * c->dilation[0] - c->before[0];
        const T *x =
            r->x + (row * c->in[1] + o * c->stride[1] + left * c->dilation[1] - c->before[1]) *
                       INFER_PANEL;
        for (size_t u = left; u < right; u++, x += c->dilation[1] * INFER_PANEL)
            EACH_VEC {
                VEC weight = V(load)(w + u * INFER_PANEL + v * LANES);
                foreach (i, n)
                    sum[i][v] = V(fma)(V(load)(x + i * stride + v * LANES), weight, sum[i][v]);
            }
    }
    VEC low = V(set1)(r->low), high = V(set1)(r->high);
    foreach (i, n)
        EACH_VEC {
            VEC s = sum[i][v];
            if (add)
                s = V(add)(s, V(load)(add + i * INFER_PANEL + v * LANES));
            V(store)(y + i * INFER_PANEL + v * LANES, V(min)(high, V(max)(low, s)));
        }
}

static void NAME(conv_depthwise)(const infer_conv2d *c, const T *x, const T *w, const T *bias,
                                 const T *add, T *y) {
    const size_t taps = c->kernel[0] * c->kernel[1], blocks = (c->channels + 15) / INFER_PANEL;
    const infer_activation bounds = NAME(bounds_of)(c);
    size_t inner[2]; /* places whose taps all lie inside of a row */
    infer_conv_inside(c, 1, 0, &inner[0], &inner[1]);
    size_t last[2];
    infer_conv_inside(c, 1, c->kernel[1] - 1, &last[0], &last[1]);
    inner[0] = inner[0] > last[0] ? inner[0] : last[0];
    inner[1] = inner[1] < last[1] ? inner[1] : last[1];
    for (size_t p = 0; p < blocks; p++) {
        NAME(blocked_row)
        r = {.c = c,
             .x = x + p * c->in[0] * c->in[1] * INFER_PANEL,
             .w = w + p * taps * INFER_PANEL,
             .bias = bias + p * INFER_PANEL,
             .low = bounds.low,
             .high = bounds.high};
        for (size_t i = 0; i < c->out[0]; i++) {
            r.place = i;
            infer_conv_taps(c, 0, i, &r.top, &r.bottom);
            for (size_t o = 0, n; o < c->out[1]; o += n) {
                size_t left = 0, right = c->kernel[1];
                bool four = o >= inner[0] && o + 4 <= inner[1];
                n = four ? 4 : 1;
                if (four)
                    NAME(depthwise_places)(4, &r, o, left, right, add, y);
                else {
                    infer_conv_taps(c, 1, o, &left, &right);
                    NAME(blocked_row) inside = r;
                    inside.bottom = left < right ? r.bottom : r.top;
                    NAME(depthwise_places)(1, &inside, o, left, right, add, y);
                }
                y += n * INFER_PANEL;
                add = add ? add + n * INFER_PANEL : NULL;
            }
            T *row = y - c->out[1] * INFER_PANEL;
            if (c->act.kind)
                NAME(activate)(&c->act, row, row, c->out[1] * INFER_PANEL);
        }
    }
}

static void NAME(pool_blocked)(const infer_conv2d *c, const T *x, T *y) {
    const size_t blocks = (c->channels + 15) / INFER_PANEL;
    for (size_t p = 0; p < blocks; p++, x += c->in[0] * c->in[1] * INFER_PANEL)
        for (size_t i = 0; i < c->out[0]; i++)
            for (size_t j = 0; j < c->out[1]; j++, y += INFER_PANEL) {
                size_t rows[2], columns[2];
                infer_conv_taps(c, 0, i, &rows[0], &rows[1]);
                infer_conv_taps(c, 1, j, &columns[0], &columns[1]);
                VEC all[INFER_PANEL / LANES];
                EACH_VEC all[v] = V(set1)(c->average ? 0 : -(T)INFINITY);
                for (size_t k = rows[0]; k < rows[1] && columns[0] < columns[1]; k++) {
                    const T *a =
                        x + ((i * c->stride[0] + k * c->dilation[0] - c->before[0]) * c->in[1] +
                             j * c->stride[1] + columns[0] * c->dilation[1] - c->before[1]) *
                                INFER_PANEL;
                    VEC sum[INFER_PANEL / LANES], some[INFER_PANEL / LANES];
                    EACH_VEC sum[v] = some[v] = V(set1)(0);
                    for (size_t l = columns[0]; l < columns[1];
                         l++, a += c->dilation[1] * INFER_PANEL) {
                        EACH_VEC {
                            VEC u = V(load)(a + v * LANES);
                            if (c->average)
                                some[v] = V(add)(some[v], u);
                            else
                                all[v] = V(max)(u, all[v]);
                        }
                        /* Sums of sums: an average over a whole image rounds no small numbers
                         * into a large one. */
                        if ((l - columns[0]) % 16 == 15)
                            EACH_VEC {
                                sum[v] = V(add)(sum[v], some[v]);
                                some[v] = V(set1)(0);
                            }
                    }
                    if (c->average)
                        EACH_VEC all[v] = V(add)(all[v], V(add)(sum[v], some[v]));
                }
                VEC count = V(set1)(c->average ? infer_pool_count(c, i, j) : 1);
                EACH_VEC V(store)(y + v * LANES, c->average ? V(div)(all[v], count) : all[v]);
            }
}

/* The squares of block `b` and its neighbours at one place; zero where there are no channels. */
VEC_INLINE void NAME(lrn_squares)(const infer_conv2d *c, size_t b, const T *x, size_t step, T *to) {
    for (size_t i = 0; i < 3; i++) {
        const size_t first = (b + i - 1) * INFER_PANEL; /* wraps before the first: no channels */
        const size_t n = first < c->channels ? c->channels - first : 0;
        const T *a = x + (n ? first / INFER_PANEL * step : 0);
        T *out = to + i * INFER_PANEL;
        EACH_VEC {
            VEC u = n ? V(load)(a + v * LANES) : V(set1)(0);
            V(store)(out + v * LANES, V(mul)(u, u));
        }
        for (size_t k = n; k < INFER_PANEL; k++)
            out[k] = 0;
    }
}

static void NAME(lrn_blocked)(const infer_conv2d *c, size_t size, T scale, T bias, const T *x,
                              T *y) {
    enum { PLACES = 32 }; /* at a time: what was just written is slow to read across its ends */
    T squares[PLACES][3 * INFER_PANEL];
    const size_t blocks = (c->channels + 15) / INFER_PANEL, plane = c->in[0] * c->in[1];
    const VEC factor = V(set1)(scale), shift = V(set1)(bias);
    for (size_t b = 0; b < blocks; b++)
        for (size_t place = 0, n; place < plane; place += n) {
            n = plane - place < PLACES ? plane - place : PLACES;
            for (size_t i = 0; i < n; i++)
                NAME(lrn_squares)
            (c, b, x + (place + i) * INFER_PANEL, plane * INFER_PANEL, squares[i]);
            for (size_t i = 0; i < n; i++)
                EACH_VEC {
                    const T *s = squares[i] + INFER_PANEL - (size - 1) / 2 + v * LANES;
                    const size_t at = (b * plane + place + i) * INFER_PANEL + v * LANES;
                    VEC sum = V(load)(s);
                    for (size_t k = 1; k < size; k++)
                        sum = V(add)(sum, V(load)(s + k));
                    VEC root = V(sqrt)(V(fma)(factor, sum, shift));
                    V(store)(y + at, V(div)(V(load)(x + at), V(mul)(root, V(sqrt)(root))));
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
