/* Template (real.h), for elements of SOURCE: windows as columns of a matrix, packed for gemm. */

/* Rows are (channel, tap), as in the weights; columns are the output places [first, first + count),
 * in panels. Inside of x zero is subtracted; outside lie zeros. Neighbours in a row of the output
 * are a stride apart in x: a panel is a few such runs. */
static void NAME(columns)(const infer_conv *c, const SOURCE *x, size_t first, size_t count,
                          REAL zero, REAL *packed) {
    const infer_window *w = &c->window;
    const int32_t last = w->rank - 1;
    int64_t place[INFER_WINDOW_RANK];
    size_t rest = first;
    for (int32_t i = w->rank; i-- > 0; rest /= (size_t)w->out[i])
        place[i] = (int64_t)(rest % (size_t)w->out[i]);
    for (size_t p = 0; p < count; p += INFER_PANEL, packed += c->depth * INFER_PANEL) {
        columns_run run[INFER_PANEL];
        int64_t tap[INFER_WINDOW_RANK] = {0};
        const size_t lanes = count - p < INFER_PANEL ? count - p : INFER_PANEL;
        size_t runs = 0, t = 0;
        for (size_t l = 0, n; l < lanes; l += n) {
            const size_t left = (size_t)(w->out[last] - place[last]);
            n = lanes - l < left ? lanes - l : left;
            run[runs] = (columns_run){.lane = l, .lanes = n};
            for (int32_t i = 0; i < w->rank; i++)
                run[runs].from[i] = place[i] * w->stride[i] - w->before[i];
            runs++;
            place[last] += (int64_t)n - 1;
            infer_window_next(place, w->out, w->rank);
        }
        do {
            size_t full = 0;
            for (size_t r = 0; r < runs; r++)
                full += columns_find(w, tap, &run[r]);
            REAL *to = packed + t * INFER_PANEL;
            for (size_t k = 0; k < c->channels; k++, to += c->taps * INFER_PANEL) {
                const SOURCE *plane = x + k * c->plane;
                for (size_t l = 0; l < INFER_PANEL && full < INFER_PANEL; l++)
                    to[l] = 0;
                for (size_t r = 0; r < runs; r++) {
                    const SOURCE *from = plane + run[r].at;
                    REAL *lane = to + run[r].first;
                    if (run[r].count == INFER_PANEL && w->stride[last] == 1)
                        for (size_t l = 0; l < INFER_PANEL; l++)
                            lane[l] = (REAL)from[l] - zero;
                    else
                        for (size_t l = 0; l < run[r].count; l++)
                            lane[l] = (REAL)from[l * (size_t)w->stride[last]] - zero;
                }
            }
            t++;
        } while (infer_window_next(tap, w->kernel, w->rank));
    }
}
