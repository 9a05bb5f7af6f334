/* infer_predict: one row or several in, the primary output out. */
#include "checked.h"
#include "model.h"
#include "status.h"

/* model.c refuses graph models where the engine is not linked. */
extern const infer_engine infer_engine_graph __attribute__((weak));

infer_status infer_check_predict(const infer_model *m, const void *x, size_t n, const void *y) {
    if (!m || !x || !y)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_predict: an argument is NULL");
    if (m->primary == UINT32_MAX)
        return infer_fail(INFER_ERROR_TYPE, "infer_predict: the model has no numeric output");
    if (n == 0 || (m->features && n % m->features))
        return infer_fail(INFER_ERROR_SHAPE, "%zu features were given, the model takes %zu a row",
                          n, m->features);
    return INFER_OK;
}

/* Not inlined: the check of the common case, one row, stays small. */
static __attribute__((noinline)) infer_status linear_rows(const infer_model *m, const void *x,
                                                          size_t n, const void *y, size_t outputs,
                                                          size_t *rows) {
    INFER_TRY(infer_check_predict(m, x, n, y));
    size_t wanted;
    *rows = n / m->features;
    if (!infer_mul(*rows, m->scores, &wanted) || wanted != outputs)
        return infer_fail(INFER_ERROR_SHAPE,
                          "room for %zu outputs was given, %zu row(s) of %zu have %zu", outputs,
                          *rows, m->scores, *rows * m->scores);
    return INFER_OK;
}

infer_status infer_predict(infer_model *m, const float *x, size_t n, float *y, size_t outputs) {
    if (m && m->is_linear && x && y) {
        size_t rows = 1;
        if (n != m->features || outputs != m->scores)
            INFER_TRY(linear_rows(m, x, n, y, outputs, &rows));
        infer_linear_f32(&m->kernels, &m->linear, x, rows, y);
        return INFER_OK;
    }
    INFER_TRY(infer_check_predict(m, x, n, y));
    return infer_engine_graph.predict(m, x, n, y, outputs, INFER_TYPE_FLOAT);
}

infer_status infer_predict_f64(infer_model *m, const double *x, size_t n, double *y,
                               size_t outputs) {
    INFER_TRY(infer_check_predict(m, x, n, y));
    if (m->is_linear) {
        size_t rows;
        INFER_TRY(linear_rows(m, x, n, y, outputs, &rows));
        infer_linear_f64(&m->kernels, &m->linear, x, rows, y);
        return INFER_OK;
    }
    return infer_engine_graph.predict(m, x, n, y, outputs, INFER_TYPE_DOUBLE);
}
