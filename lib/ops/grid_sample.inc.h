/* Template (real.h): GridSample between elements. */

/* Weights of the elements around a place, from `base` on. */
static int NAME(grid_weights)(enum mode mode, REAL at, REAL *weight, int64_t *base) {
    const REAL a = (REAL)-0.75, whole = floor(at), x = at - whole;
    *base = (int64_t)whole;
    if (mode == LINEAR) {
        weight[0] = 1 - x;
        weight[1] = x;
        return 2;
    }
    const REAL near[] = {x, 1 - x}, far[] = {x + 1, 2 - x};
    for (int i = 0; i < 2; i++) {
        weight[1 + i] = ((a + 2) * near[i] - (a + 3)) * near[i] * near[i] + 1;
        weight[3 * i] = ((a * far[i] - 5 * a) * far[i] + 8 * a) * far[i] - 4 * a;
    }
    *base -= 1;
    return 4;
}

/* One place of the output for all channels, x and y of one sample. */
static void NAME(sample)(const grid_plan *p, const REAL *x, const double *position, REAL *y) {
    REAL weight[GRID_RANK][4];
    int64_t element[GRID_RANK][4], index[GRID_RANK] = {0}, taps[GRID_RANK];
    REAL factors[GRID_TAPS];
    size_t from[GRID_TAPS], count = 0; /* of the elements that are there */
    for (int32_t i = 0; i < p->rank; i++) {
        int64_t base;
        taps[i] = NAME(grid_weights)(p->mode, (REAL)position[i], weight[i], &base);
        for (int64_t k = 0; k < taps[i]; k++)
            element[i][k] = element_at(p, i, base + k);
    }
    do {
        REAL factor = 1;
        int64_t at = 0;
        for (int32_t i = 0; i < p->rank && at >= 0; i++) {
            factor *= weight[i][index[i]];
            at = element[i][index[i]] < 0 ? -1 : at * p->in[i] + element[i][index[i]];
        }
        if (at < 0)
            continue;
        factors[count] = factor;
        from[count++] = (size_t)at;
    } while (infer_window_next(index, taps, p->rank));
    for (size_t c = 0; c < p->channels; c++, x += p->plane) {
        REAL sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += factors[i] * x[from[i]];
        y[c * p->places] = sum;
    }
}

#undef REAL
#undef S
