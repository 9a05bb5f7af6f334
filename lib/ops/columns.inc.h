/* Template (real.h), for elements of SOURCE: windows as columns of a matrix, packed for gemm. */

/* Rows are (channel, tap), as in the weights; columns are the output places [first, first + count),
 * in panels. Inside of x zero is subtracted; outside lie zeros. */
static void NAME(columns)(const infer_conv *c, const SOURCE *x, size_t first, size_t count,
                          REAL zero, REAL *packed) {
    const infer_window *w = &c->window;
    int64_t place[INFER_WINDOW_RANK];
    size_t rest = first;
    for (int32_t i = w->rank; i-- > 0; rest /= (size_t)w->out[i])
        place[i] = (int64_t)(rest % (size_t)w->out[i]);
    for (size_t p = 0; p < count; p += INFER_PANEL, packed += c->depth * INFER_PANEL) {
        int64_t from[INFER_PANEL][INFER_WINDOW_RANK], tap[INFER_WINDOW_RANK] = {0};
        size_t lanes = count - p < INFER_PANEL ? count - p : INFER_PANEL, t = 0;
        for (size_t l = 0; l < lanes; l++) {
            for (int32_t i = 0; i < w->rank; i++)
                from[l][i] = place[i] * w->stride[i] - w->before[i];
            infer_window_next(place, w->out, w->rank);
        }
        do {
            int64_t at[INFER_PANEL];
            bool run = true; /* sixteen neighbours */
            for (size_t l = 0; l < INFER_PANEL; l++) {
                at[l] = l < lanes ? 0 : -1;
                for (int32_t i = 0; i < w->rank && at[l] >= 0; i++) {
                    int64_t k = from[l][i] + tap[i] * w->dilation[i];
                    at[l] = k >= 0 && k < w->in[i] ? at[l] * w->in[i] + k : -1;
                }
                run = run && at[l] >= 0 && at[l] == at[0] + (int64_t)l;
            }
            REAL *to = packed + t * INFER_PANEL;
            for (size_t k = 0; k < c->channels; k++, to += c->taps * INFER_PANEL) {
                const SOURCE *plane = x + k * c->plane;
                if (run)
                    for (size_t l = 0; l < INFER_PANEL; l++)
                        to[l] = (REAL)plane[at[0] + (int64_t)l] - zero;
                else
                    for (size_t l = 0; l < INFER_PANEL; l++)
                        to[l] = at[l] < 0 ? 0 : (REAL)plane[at[l]] - zero;
            }
            t++;
        } while (infer_window_next(tap, w->kernel, w->rank));
    }
}
