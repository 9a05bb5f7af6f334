/* Template (real.h): one plane of a pool, tap by tap over whole rows of output places. */

/* b becomes the larger of both; a's numbers are `step` apart. */
static void NAME(larger)(const REAL *restrict a, int64_t step, int64_t n, REAL *restrict b) {
    if (step == 1)
        for (int64_t i = 0; i < n; i++)
            b[i] = a[i] > b[i] ? a[i] : b[i];
    else if (step == 2)
        for (int64_t i = 0; i < n; i++)
            b[i] = a[2 * i] > b[i] ? a[2 * i] : b[i];
    else
        for (int64_t i = 0; i < n; i++)
            b[i] = a[i * step] > b[i] ? a[i * step] : b[i];
}

static void NAME(max)(const infer_window *w, const REAL *x, size_t places, REAL *y,
                      int64_t *index) {
    infer_taps t;
    for (size_t i = 0; i < places; i++)
        y[i] = LOWEST;
    for (size_t i = 0; index && i < places; i++)
        index[i] = 0;
    for (infer_taps_begin(&t, w); infer_taps_next(&t);) {
        const REAL *a = x + t.from;
        REAL *b = y + t.to;
        if (index)
            for (int64_t i = 0; i < t.count; i++) {
                bool larger = a[i * t.step] > b[i];
                b[i] = larger ? a[i * t.step] : b[i];
                index[t.to + i] = larger ? t.from + i * t.step : index[t.to + i];
            }
        else
            NAME(larger)(a, t.step, t.count, b);
    }
}

#ifdef SUMS
static void NAME(average)(const infer_window *w, const REAL *x, size_t places, REAL *y,
                          bool with_padding) {
    infer_taps t;
    int64_t place[INFER_WINDOW_RANK] = {0};
    for (size_t i = 0; i < places; i++)
        y[i] = 0;
    for (infer_taps_begin(&t, w); infer_taps_next(&t);)
        for (int64_t i = 0; i < t.count; i++)
            y[t.to + i] += x[t.from + i * t.step];
    for (size_t i = 0; i < places; i++) {
        int64_t count = terms(w, place, with_padding);
        y[i] = count > 0 ? y[i] / (REAL)count : 0;
        infer_window_next(place, w->out, w->rank);
    }
}

static void NAME(norm)(const infer_window *w, const REAL *x, size_t places, REAL *y, REAL p) {
    infer_taps t;
    for (size_t i = 0; i < places; i++)
        y[i] = 0;
    for (infer_taps_begin(&t, w); infer_taps_next(&t);)
        for (int64_t i = 0; i < t.count; i++) {
            REAL v = fabs(x[t.from + i * t.step]);
            y[t.to + i] += p == 1 ? v : p == 2 ? v * v : pow(v, p);
        }
    for (size_t i = 0; i < places; i++)
        y[i] = p == 1 ? y[i] : p == 2 ? sqrt(y[i]) : pow(y[i], 1 / p);
}
#undef SUMS
#endif

#undef LOWEST
#undef REAL
#undef S
