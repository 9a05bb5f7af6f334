/* Template: pools over blocks of channels, in the words of vec.h; in float alone. */

#define EACH_VEC foreach (v, INFER_PANEL / LANES)

/* n places of row i from place j on, for which the same taps lie inside. */
VEC_INLINE void NAME(pool_places)(const size_t n, const bool average, const infer_conv2d *c,
                                  const T *x, size_t i, size_t j, const size_t *rows,
                                  const size_t *columns, T count, T *y) {
    const size_t step = c->dilation[1] * INFER_PANEL, next = c->stride[1] * INFER_PANEL;
    EACH_VEC {
        VEC all[4], sum[4], some[4];
        foreach (q, n)
            all[q] = V(set1)(average ? 0 : -(T)INFINITY);
        for (size_t k = rows[0]; k < rows[1] && columns[0] < columns[1]; k++) {
            const T *a = x + ((i * c->stride[0] + k * c->dilation[0] - c->before[0]) * c->in[1] +
                              j * c->stride[1] + columns[0] * c->dilation[1] - c->before[1]) *
                                 INFER_PANEL;
            a += v * LANES;
            foreach (q, n)
                sum[q] = some[q] = V(set1)(0);
            for (size_t l = columns[0]; l < columns[1]; l++, a += step) {
                foreach (q, n) {
                    const VEC u = V(load)(a + q * next);
                    if (average)
                        some[q] = V(add)(some[q], u);
                    else
                        all[q] = V(max)(u, all[q]);
                }
                /* Sums of sums: an average over a whole image rounds no small numbers into a large
                 * one. */
                if (average && (l - columns[0]) % 16 == 15)
                    foreach (q, n) {
                        sum[q] = V(add)(sum[q], some[q]);
                        some[q] = V(set1)(0);
                    }
            }
            if (average)
                foreach (q, n)
                    all[q] = V(add)(all[q], V(add)(sum[q], some[q]));
        }
        foreach (q, n)
            V(store)
        (y + q * INFER_PANEL + v * LANES, average ? V(div)(all[q], V(set1)(count)) : all[q]);
    }
}

/* The largest of n places' windows of three columns, which lie inside of a row: of each column
 * once, then of three of these. The windows begin at x; rows of it are `line` floats apart. */
VEC_INLINE void NAME(pool_run)(const size_t n, const size_t stride, const T *x, size_t line,
                               size_t rows, T *y) {
    EACH_VEC {
        VEC most[10];
        foreach (j, (n - 1) * stride + 3)
            most[j] = V(set1)(-(T)INFINITY);
        for (size_t k = 0; k < rows; k++)
            foreach (j, (n - 1) * stride + 3)
                most[j] = V(max)(V(load)(x + k * line + j * INFER_PANEL + v * LANES), most[j]);
        foreach (q, n)
            V(store)
        (y + q * INFER_PANEL + v * LANES,
         V(max)(V(max)(most[q * stride], most[q * stride + 1]), most[q * stride + 2]));
    }
}

/* So many places from place j of row i on, at most `left`, by such runs; 0: none of them serves. */
static size_t NAME(pool_runs)(const infer_conv2d *c, const T *x, size_t i, size_t j, size_t left,
                              const size_t *rows, T *y) {
    const size_t line = c->in[1] * INFER_PANEL, next = c->dilation[0] * line;
    x += (i * c->stride[0] + rows[0] * c->dilation[0] - c->before[0]) * line +
         (j * c->stride[1] - c->before[1]) * INFER_PANEL;
    if (c->stride[1] == 1 && left >= 8) {
        NAME(pool_run)(8, 1, x, next, rows[1] - rows[0], y);
        return 8;
    }
    if (c->stride[1] == 1)
        NAME(pool_run)(4, 1, x, next, rows[1] - rows[0], y);
    else
        NAME(pool_run)(4, 2, x, next, rows[1] - rows[0], y);
    return 4;
}

/* Places whose windows lie inside of a row, four or eight at a time; the others one by one. */
VEC_INLINE void NAME(pool_rows)(const bool average, const infer_conv2d *c, const T *x, T *y) {
    const size_t blocks = (c->channels + 15) / INFER_PANEL, whole[2] = {0, c->kernel[1]};
    size_t inner[2], last[2];
    infer_conv_inside(c, 1, 0, &inner[0], &inner[1]);
    infer_conv_inside(c, 1, c->kernel[1] - 1, &last[0], &last[1]);
    inner[0] = inner[0] > last[0] ? inner[0] : last[0];
    inner[1] = inner[1] < last[1] ? inner[1] : last[1];
    for (size_t p = 0; p < blocks; p++, x += c->in[0] * c->in[1] * INFER_PANEL)
        for (size_t i = 0; i < c->out[0]; i++) {
            size_t rows[2], columns[2];
            infer_conv_taps(c, 0, i, &rows[0], &rows[1]);
            const T full = average ? infer_pool_count(c, i, inner[0]) : 1;
            const bool runs = !average && c->kernel[1] == 3 && c->dilation[1] == 1 &&
                              c->stride[1] <= 2 && rows[0] < rows[1];
            for (size_t j = 0, n; j < c->out[1]; j += n, y += n * INFER_PANEL) {
                n = j >= inner[0] && j + 4 <= inner[1] ? 4 : 1;
                if (n == 4 && runs) {
                    n = NAME(pool_runs)(c, x, i, j, inner[1] - j, rows, y);
                    continue;
                }
                if (n == 4) {
                    NAME(pool_places)(4, average, c, x, i, j, rows, whole, full, y);
                    continue;
                }
                infer_conv_taps(c, 1, j, &columns[0], &columns[1]);
                const T count = average ? infer_pool_count(c, i, j) : 1;
                NAME(pool_places)(1, average, c, x, i, j, rows, columns, count, y);
            }
        }
}

static void NAME(pool_blocked)(const infer_conv2d *c, const T *x, T *y) {
    if (c->average)
        NAME(pool_rows)(true, c, x, y);
    else
        NAME(pool_rows)(false, c, x, y);
}

#undef EACH_VEC
