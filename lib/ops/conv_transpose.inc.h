/* Template (real.h): ConvTranspose as a matrix product whose rows are added to where they belong.
 */

static void NAME(transposed)(const transpose_plan *p, const infer_kernels *k, const REAL *x,
                             const REAL *weights, const REAL *bias, REAL *y, void *scratch) {
    REAL *packed = infer_scratch_at(scratch, p->packed_at),
         *rows = infer_scratch_at(scratch, p->rows_at);
    REAL *product = infer_scratch_at(scratch, p->product_at);
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
                const REAL *row = product + i * p->taps * p->plane;
                for (size_t j = 0; j < p->places; j++)
                    y[j] = bias ? bias[g * p->outputs + m + i] : 0;
                infer_taps t;
                for (infer_taps_begin(&t, &p->back); infer_taps_next(&t);) {
                    const REAL *a = row + t.number * p->plane + t.to;
                    REAL *b = y + t.from;
                    for (int64_t j = 0; j < t.count; j++)
                        b[j * t.step] += a[j];
                }
            }
        }
    }
}

#undef REAL
#undef S
