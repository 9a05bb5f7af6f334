/* Template (real.h): ConvTranspose as a matrix product whose rows are added to where they belong.
 */

/* Row (output channel, tap) of the product goes to the places that the tap reaches. */
static void NAME(spread)(const infer_window *back, const REAL *row, const int64_t *tap, REAL *y) {
    int64_t first[INFER_WINDOW_RANK], n[INFER_WINDOW_RANK], index[INFER_WINDOW_RANK] = {0};
    const int32_t last = back->rank - 1;
    if (back->rank == 0) {
        *y += *row;
        return;
    }
    for (int32_t i = 0; i < back->rank; i++) {
        infer_window_range(back, i, tap[i], &first[i], &n[i]);
        n[i] -= first[i];
        if (n[i] == 0)
            return;
    }
    do {
        int64_t from = 0, to = 0;
        for (int32_t i = 0; i < back->rank; i++) {
            int64_t o = first[i] + (i < last ? index[i] : 0);
            from = from * back->out[i] + o;
            to = to * back->in[i] + o * back->stride[i] + tap[i] * back->dilation[i] -
                 back->before[i];
        }
        const REAL *a = row + from;
        REAL *b = y + to;
        for (int64_t i = 0; i < n[last]; i++)
            b[i * back->stride[last]] += a[i];
    } while (infer_window_next(index, n, last));
}

static void NAME(transposed)(const transpose_plan *p, const infer_kernels *k, const REAL *x,
                             const REAL *weights, const REAL *bias, REAL *y, char *scratch) {
    REAL *packed = (REAL *)(scratch + p->packed_at), *rows = (REAL *)(scratch + p->rows_at);
    REAL *product = (REAL *)(scratch + p->product_at);
    for (size_t n = 0; n < p->batch * p->group; n++, x += p->channels * p->plane) {
        size_t g = n % p->group;
        const REAL *w = weights + g * p->channels * p->outputs * p->taps;
        NAME(infer_pack_b)(p->channels, p->plane, x, p->plane, false, packed);
        for (size_t m = 0; m < p->outputs; m += p->step) {
            size_t count = p->outputs - m < p->step ? p->outputs - m : p->step;
            for (size_t r = 0; r < count * p->taps; r++)
                for (size_t c = 0; c < p->channels; c++)
                    rows[r * p->channels + c] = w[(c * p->outputs + m) * p->taps + r];
            k->NAME(gemm_packed)(count * p->taps, p->plane, p->channels, rows, p->channels, packed,
                                 NULL, product, p->plane);
            for (size_t i = 0; i < count; i++, y += p->places) {
                int64_t tap[INFER_WINDOW_RANK] = {0};
                const REAL *row = product + i * p->taps * p->plane;
                for (size_t j = 0; j < p->places; j++)
                    y[j] = bias ? bias[g * p->outputs + m + i] : 0;
                do {
                    NAME(spread)(&p->back, row, tap, y);
                    row += p->plane;
                } while (infer_window_next(tap, p->back.kernel, p->back.rank));
            }
        }
    }
}

#undef REAL
#undef S
