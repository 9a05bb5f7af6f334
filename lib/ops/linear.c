/* infer.Linear: a linear, logistic or softmax model in one node (see infer_linear_record). */
#include "linear.h"

#include "checked.h"
#include "layout.h"
#include "op.h"
#include "share.h"
#include "status.h"

#include <string.h>

enum { X, WEIGHTS, BIAS, WEIGHTS_F64, BIAS_F64, CLASSES };

static const infer_view *in_or_null(const infer_op_env *env, uint32_t i) {
    return i < env->in_count ? env->in[i] : NULL;
}

static bool shaped(const infer_view *v, int32_t rank, int64_t rows, int64_t columns) {
    return v && v->rank == rank && v->dim[0] == rows && (rank == 1 || v->dim[1] == columns);
}

static infer_status infer(infer_op_env *env) {
    const infer_linear_record *p = env->params;
    const infer_view *x = env->in[X], *w = env->in[WEIGHTS], *classes = in_or_null(env, CLASSES);
    if (w->rank != 2 || w->dim[0] < 1 || w->dim[1] < 1 || !shaped(env->in[BIAS], 1, w->dim[0], 0) ||
        p->link > INFER_LINK_EXP || p->binary > 1 || (p->binary && w->dim[0] != 1))
        return infer_fail(INFER_ERROR_FORMAT, "weights, bias and link do not fit each other");
    const infer_view *w64 = in_or_null(env, WEIGHTS_F64), *b64 = in_or_null(env, BIAS_F64);
    if ((w64 || b64) && (!shaped(w64, 2, w->dim[0], w->dim[1]) || !shaped(b64, 1, w->dim[0], 0)))
        return infer_fail(INFER_ERROR_FORMAT, "the double weights do not fit the float ones");
    int64_t features = w->dim[1], scores = p->binary ? 2 : w->dim[0];
    if (classes && !shaped(classes, 1, scores, 0))
        return infer_fail(INFER_ERROR_FORMAT, "there are %lld scores a row and not as many classes",
                          (long long)scores);
    if (x->rank > 2 || x->rank == 0 ||
        (x->rank > 0 && x->dim[x->rank - 1] >= 0 && x->dim[x->rank - 1] != features))
        return infer_fail(INFER_ERROR_SHAPE, "the model takes %lld features, %lld were given",
                          (long long)features, (long long)(x->rank > 0 ? x->dim[x->rank - 1] : 0));
    int64_t rows = x->rank == 1 ? 1 : x->rank == 2 ? x->dim[0] : -1;
    if (env->out[0])
        *env->out[0] = (infer_view){.type = INFER_TYPE_FLOAT, .rank = 2, .dim = {rows, scores}};
    if (env->out_count > 1 && env->out[1]) {
        if (!classes)
            return infer_fail(INFER_ERROR_FORMAT, "a label is wanted and there are no classes");
        *env->out[1] = (infer_view){.type = classes->type, .rank = 1, .dim = {rows}};
    }
    size_t bytes = 0;
    if (!infer_mul((size_t)features + (size_t)scores, sizeof(double), &bytes))
        return infer_fail(INFER_ERROR_SHAPE, "the model does not fit memory");
    env->scratch_size = bytes; /* one row, converted, and its scores */
    return INFER_OK;
}

/* Row r of X as float; as double where X is double. */
static const void *row_of(const infer_view *x, int64_t r, size_t n, void *room) {
    size_t at = (size_t)r * n;
    if (x->type == INFER_TYPE_FLOAT)
        return (const float *)x->data + at;
    if (x->type == INFER_TYPE_DOUBLE)
        return (const double *)x->data + at;
    float *f = room;
    for (size_t i = 0; i < n; i++)
        f[i] = x->type == INFER_TYPE_INT64 ? (float)((const int64_t *)x->data)[at + i]
                                           : (float)((const int32_t *)x->data)[at + i];
    return f;
}

static size_t largest(const float *z, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (z[i] > z[best])
            best = i;
    return best;
}

static void put_label(const infer_view *classes, size_t best, const infer_view *out, int64_t row) {
    if (classes->type == INFER_TYPE_INT64)
        ((int64_t *)out->data)[row] = ((const int64_t *)classes->data)[best];
    else
        ((infer_string *)out->data)[row] = ((const infer_string *)classes->data)[best];
}

/* The products of some rows of floats. */
typedef struct products_job {
    infer_op_env *env;
    const infer_linear_model *m;
    float *z;
    size_t rows, parts;
} products_job;

static void products_part(void *arg, size_t part, size_t worker) {
    const products_job *j = arg;
    size_t first, end;
    (void)worker;
    infer_part(j->rows, 1, j->parts, part, &first, &end);
    infer_linear_products_f32(j->env->kernels, j->m,
                              (const float *)j->env->in[X]->data + first * j->m->features,
                              end - first, j->z + first * j->m->scores);
}

static infer_status run(infer_op_env *env) {
    const infer_linear_record *p = env->params;
    const infer_view *x = env->in[X], *w = env->in[WEIGHTS], *w64 = in_or_null(env, WEIGHTS_F64);
    infer_linear_model m = {.features = (size_t)w->dim[1],
                            .outputs = (size_t)w->dim[0],
                            .scores = p->binary ? 2 : (size_t)w->dim[0],
                            .w = w->data,
                            .b = env->in[BIAS]->data,
                            .w64 = w64 ? w64->data : NULL,
                            .b64 = w64 ? env->in[BIAS_F64]->data : NULL,
                            .link = p->link,
                            .binary = p->binary,
                            .wide = w64 && p->wide == 1};
    const infer_view *label = env->out_count > 1 ? env->out[1] : NULL;
    int64_t rows = x->rank == 1 ? 1 : x->dim[0];
    double *room = env->scratch, *z64 = room + m.features;
    float *z = env->out[0] ? env->out[0]->data : (float *)z64;
    const bool many = x->type == INFER_TYPE_FLOAT && env->out[0] && rows > 1;
    if (many) {
        products_job job = {env, &m, z, (size_t)rows, 1};
        job.parts =
            infer_parts(env, job.rows, (double)m.features * (double)m.outputs * INFER_PRODUCT_COST);
        infer_parallel(env, job.parts, products_part, &job);
    }
    for (int64_t r = 0; r < rows; r++) {
        const void *row = row_of(x, r, m.features, room);
        if (x->type == INFER_TYPE_DOUBLE) {
            infer_linear_product_f64(env->kernels, &m, row, z64);
            size_t best = 0;
            for (size_t i = 1; i < m.scores; i++)
                best = z64[i] > z64[best] ? i : best;
            if (label)
                put_label(env->in[CLASSES], best, label, r);
            infer_linear_link_f64(env->kernels, &m, z64);
            for (size_t i = 0; env->out[0] && i < m.scores; i++)
                z[i] = (float)z64[i];
        } else {
            if (!many)
                infer_linear_product_f32(env->kernels, &m, row, z);
            if (label)
                put_label(env->in[CLASSES], largest(z, m.scores), label, r);
            infer_linear_link_f32(env->kernels, &m, z);
        }
        z += env->out[0] ? m.scores : 0;
    }
    return INFER_OK;
}

/* Built by the library alone: there are no attributes that a model could set. */
const infer_op infer_op_infer_linear = {
    .domain = "infer",
    .name = "Linear",
    .since = 1,
    .newest = 1,
    .revision = 1,
    .params_size = sizeof(infer_linear_record),
    .min_in = 3,
    .max_in = 6,
    .min_out = 1,
    .max_out = 2,
    .types = {T(FLOAT) | T(DOUBLE) | T(INT32) | T(INT64), T(FLOAT), T(FLOAT), T(DOUBLE), T(DOUBLE),
              T(INT64) | T(STRING)},
    .infer = infer,
    .run = run,
};
