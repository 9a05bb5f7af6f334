/* Det: determinants of matrices, by elimination with the largest pivot of each column. */
#include "axes.h"
#include "checked.h"
#include "chunk.h"
#include "op.h"
#include "status.h"

#include <math.h>

static infer_status det_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare);
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d has no matrices", (int)x->rank);
    int64_t rows = x->dim[x->rank - 2], columns = x->dim[x->rank - 1];
    if (rows >= 0 && columns >= 0 && rows != columns)
        return infer_fail(INFER_ERROR_SHAPE, "matrices of %lld x %lld", (long long)rows,
                          (long long)columns);
    y->rank = x->rank - 2;
    for (int32_t i = 0; i < y->rank; i++)
        y->dim[i] = x->dim[i];
    size_t n = (size_t)(rows < 0 || columns < 0 ? 0 : rows), cells;
    if (!infer_mul(n, n, &cells) || !infer_mul(cells, sizeof(double), &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "matrices of %zu rows are too large", n);
    return INFER_OK;
}

static double determinant(double *a, size_t n) {
    double det = 1;
    for (size_t c = 0; c < n; c++) {
        size_t pivot = c;
        for (size_t r = c + 1; r < n; r++)
            if (fabs(a[r * n + c]) > fabs(a[pivot * n + c]))
                pivot = r;
        double top = a[pivot * n + c];
        if (top == 0)
            return 0;
        if (pivot != c) {
            det = -det;
            for (size_t i = c; i < n; i++) {
                double other = a[c * n + i];
                a[c * n + i] = a[pivot * n + i];
                a[pivot * n + i] = other;
            }
        }
        det *= top;
        for (size_t r = c + 1; r < n; r++) {
            double factor = a[r * n + c] / top;
            for (size_t i = c + 1; i < n; i++)
                a[r * n + i] -= factor * a[c * n + i];
        }
    }
    return det;
}

static infer_status det_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    size_t n = (size_t)x->dim[x->rank - 1], cells = n * n, count = (size_t)infer_view_count(y);
    infer_type type = (infer_type)x->type;
    double *a = env->scratch;
    for (size_t m = 0; m < count; m++) {
        for (size_t at = 0; at < cells; at += INFER_CHUNK) {
            infer_chunk chunk;
            size_t some = cells - at < INFER_CHUNK ? cells - at : INFER_CHUNK;
            const double *from = infer_load_double(type, x->data, m * cells + at, some, &chunk);
            for (size_t i = 0; i < some; i++)
                a[at + i] = from[i];
        }
        double det = determinant(a, n);
        infer_store_double(type, &det, y->data, m, 1);
    }
    return INFER_OK;
}

const infer_op infer_op_det = {
    .domain = "",
    .name = "Det",
    .since = 11,
    .newest = 27,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .types = {T_FLOAT},
    .infer = det_infer,
    .run = det_run,
};
