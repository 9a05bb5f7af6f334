/* Template (real.h): the loops of moments.c. */

#define TERMS(expr)                                                                                \
    for (; step == 1 && i + LANES <= n; i += LANES)                                                \
        for (int l = 0; l < LANES; l++) {                                                          \
            double v = (double)x[i + l] - shift;                                                   \
            sum[l] += expr;                                                                        \
        }                                                                                          \
    for (; i < n; i++) {                                                                           \
        double v = (double)x[i * step] - shift;                                                    \
        sum[0] += expr;                                                                            \
    }

static double NAME(line)(const REAL *x, int64_t n, int64_t step, enum infer_moment what,
                         double shift) {
    double sum[LANES] = {0};
    int64_t i = 0;
    if (what == INFER_SUM) {
        TERMS(v)
    } else if (what == INFER_SUM_ABS) {
        TERMS(fabs(v))
    } else {
        TERMS(v * v)
    }
    for (int l = 1; l < LANES; l++)
        sum[0] += sum[l];
    return sum[0];
}
#undef TERMS

static void NAME(rescale)(const REAL *x, REAL *y, int64_t n, int64_t step, REAL sub, REAL mul,
                          REAL add) {
    if (step == 1)
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - sub) * mul + add;
    else
        for (int64_t i = 0; i < n; i++)
            y[i * step] = (x[i * step] - sub) * mul + add;
}

static void NAME(rescale_row)(const REAL *x, REAL *y, int64_t n, REAL sub, REAL mul,
                              const REAL *scale, const REAL *add) {
    if (add)
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - sub) * mul * scale[i] + add[i];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - sub) * mul * scale[i];
}

#undef REAL
#undef S
