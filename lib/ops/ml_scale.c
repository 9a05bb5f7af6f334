/* Operators of ai.onnx.ml that change numbers one by one or by row: Scaler, Normalizer, Imputer,
 * Binarizer. */
#include "ml.h"

#include <math.h>

/* Which element of a per-feature list belongs to column c: lists of one element serve every column.
 */
#define PER_FEATURE(list, count, c) ((list)[(count) == 1 ? 0 : (c)])

/* Calls body with x, n and at for runs of at most INFER_CHUNK elements that stay within a row. */
#define EACH_RUN(total, width, start, n)                                                           \
    for (size_t start = 0, n; start < (total) && (n = run_length(total, width, start)) > 0;        \
         start += n)

static size_t run_length(size_t total, size_t width, size_t start) {
    size_t n = width - start % width;
    n = n < INFER_CHUNK ? n : INFER_CHUNK;
    return n < total - start ? n : total - start;
}

static size_t last_extent(const infer_view *x) {
    return x->rank > 0 && x->dim[x->rank - 1] > 0 ? (size_t)x->dim[x->rank - 1] : 1;
}

/* A list that has one element, or one per feature of a known input. */
static infer_status check_length(const infer_view *x, const infer_list *list, const char *name) {
    int64_t features = x->rank > 0 ? x->dim[x->rank - 1] : x->rank == 0 ? 1 : -1;
    if (list->count == 0)
        return infer_fail(INFER_ERROR_VALUE, "%s is empty", name);
    if (list->count != 1 && features >= 0 && list->count != (uint64_t)features)
        return infer_fail(INFER_ERROR_SHAPE, "%s has %llu entries for %lld features", name,
                          (unsigned long long)list->count, (long long)features);
    return INFER_OK;
}

/* ---- Scaler ---- */

typedef struct scaler_params {
    infer_list scale, offset;
} scaler_params;

static const infer_op_attr scaler_attrs[] = {A_LIST(scaler_params, scale, FLOATS),
                                             A_LIST(scaler_params, offset, FLOATS)};

static infer_status scaler_infer(infer_op_env *env) {
    const scaler_params *p = env->params;
    const infer_view *x = env->in[0];
    bool scale = infer_list_given(&p->scale), offset = infer_list_given(&p->offset);
    if (scale && offset && p->scale.count != p->offset.count)
        return infer_fail(INFER_ERROR_VALUE, "scale and offset differ in length");
    if (scale)
        INFER_TRY(check_length(x, &p->scale, "scale"));
    if (offset)
        INFER_TRY(check_length(x, &p->offset, "offset"));
    if (x->rank > 2 && ((scale && p->scale.count > 1) || (offset && p->offset.count > 1)))
        return infer_fail(INFER_ERROR_SHAPE, "a scale per feature needs an input of rank 1 or 2");
    return infer_ml_like(env, INFER_TYPE_FLOAT);
}

static infer_status scaler_run(infer_op_env *env) {
    static const float one = 1, zero = 0;
    const scaler_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    bool has_scale = infer_list_given(&p->scale), has_offset = infer_list_given(&p->offset);
    const float *scale = has_scale ? infer_list_data(env, &p->scale) : &one;
    const float *offset = has_offset ? infer_list_data(env, &p->offset) : &zero;
    uint64_t scales = has_scale ? p->scale.count : 1, offsets = has_offset ? p->offset.count : 1;
    size_t width = last_extent(x), total = (size_t)infer_view_count(x);
    float *to = y->data;
    EACH_RUN(total, width, at, n) {
        infer_chunk chunk;
        const double *from = infer_load_double((infer_type)x->type, x->data, at, n, &chunk);
        size_t column = at % width;
        for (size_t i = 0; i < n; i++)
            to[at + i] = (float)((from[i] - PER_FEATURE(offset, offsets, column + i)) *
                                 PER_FEATURE(scale, scales, column + i));
    }
    return INFER_OK;
}

const infer_op infer_op_scaler = {
    INFER_ML_OP("Scaler", 1, 1, 1, scaler_params, scaler_attrs),
    .types = {T_ML},
    .infer = scaler_infer,
    .run = scaler_run,
};

/* ---- Normalizer ---- */

enum { NORM_MAX, NORM_L1, NORM_L2 };

typedef struct normalizer_params {
    int64_t norm;
} normalizer_params;

static const infer_op_attr normalizer_attrs[] = {
    A_ENUM(normalizer_params, norm, NORM_MAX, "MAX|L1|L2")};

static infer_status normalizer_infer(infer_op_env *env) {
    int64_t rows, columns;
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &columns));
    return infer_ml_like(env, INFER_TYPE_FLOAT);
}

static infer_status normalizer_run(infer_op_env *env) {
    const normalizer_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    infer_chunk chunk;
    infer_type type = (infer_type)x->type;
    size_t width = last_extent(x), total = (size_t)infer_view_count(x);
    float *to = y->data;
    for (size_t row = 0; row < total; row += width) {
        double norm = p->norm == NORM_MAX ? -INFINITY : 0;
        EACH_RUN(width, width, at, n) {
            const double *from = infer_load_double(type, x->data, row + at, n, &chunk);
            for (size_t i = 0; i < n; i++)
                if (p->norm == NORM_MAX) /* of the numbers, not of their sizes */
                    norm = from[i] > norm ? from[i] : norm;
                else
                    norm += p->norm == NORM_L1 ? fabs(from[i]) : from[i] * from[i];
        }
        if (p->norm == NORM_L2)
            norm = sqrt(norm);
        if (norm == 0)
            norm = 1;
        EACH_RUN(width, width, at, n) {
            const double *from = infer_load_double(type, x->data, row + at, n, &chunk);
            for (size_t i = 0; i < n; i++)
                to[row + at + i] = (float)(from[i] / norm);
        }
    }
    return INFER_OK;
}

const infer_op infer_op_normalizer = {
    INFER_ML_OP("Normalizer", 1, 1, 1, normalizer_params, normalizer_attrs),
    .types = {T_ML},
    .infer = normalizer_infer,
    .run = normalizer_run,
};

/* ---- Imputer ---- */

typedef struct imputer_params {
    infer_list imputed_value_floats, imputed_value_int64s;
    int64_t replaced_value_int64;
    float replaced_value_float;
    uint32_t reserved;
} imputer_params;

static const infer_op_attr imputer_attrs[] = {
    A_LIST(imputer_params, imputed_value_floats, FLOATS),
    A_LIST(imputer_params, imputed_value_int64s, INTS),
    A_INT(imputer_params, replaced_value_int64, 0),
    A_FLOAT(imputer_params, replaced_value_float, 0),
};

static bool is_float(const infer_view *x) {
    return x->type == INFER_TYPE_FLOAT || x->type == INFER_TYPE_DOUBLE;
}

static infer_status imputer_infer(infer_op_env *env) {
    const imputer_params *p = env->params;
    const infer_view *x = env->in[0];
    bool floats = infer_list_given(&p->imputed_value_floats);
    bool ints = infer_list_given(&p->imputed_value_int64s);
    if (floats == ints || floats != is_float(x))
        return infer_fail(INFER_ERROR_VALUE,
                          "one list of imputed values must be set, of the input's kind");
    INFER_TRY(check_length(x, floats ? &p->imputed_value_floats : &p->imputed_value_int64s,
                           "the list of imputed values"));
    return infer_ml_like(env, x->type);
}

#define IMPUTE(suffix, ctype, list_type)                                                           \
    static void impute_##suffix(const ctype *x, ctype *y, size_t total, size_t width,              \
                                const list_type *list, uint64_t count, list_type replaced) {       \
        bool nan = replaced != replaced;                                                           \
        for (size_t i = 0; i < total; i++) {                                                       \
            bool missing = nan ? x[i] != x[i] : x[i] == (ctype)replaced;                           \
            y[i] = missing ? (ctype)PER_FEATURE(list, count, i % width) : x[i];                    \
        }                                                                                          \
    }
IMPUTE(float, float, float)
IMPUTE(double, double, float)
IMPUTE(int64, int64_t, int64_t)

/* Values for 32-bit elements must fit; what is replaced need not, for then nothing is. */
static infer_status impute_int32(const int32_t *x, int32_t *y, size_t total, size_t width,
                                 const int64_t *list, uint64_t count, int64_t replaced) {
    for (size_t i = 0; i < total; i++) {
        y[i] = x[i];
        if (x[i] != replaced)
            continue;
        int64_t value = PER_FEATURE(list, count, i % width);
        if (value < INT32_MIN || value > INT32_MAX)
            return infer_fail(INFER_ERROR_VALUE, "imputed value %lld does not fit int32",
                              (long long)value);
        y[i] = (int32_t)value;
    }
    return INFER_OK;
}

static infer_status imputer_run(infer_op_env *env) {
    const imputer_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    const infer_list *list = is_float(x) ? &p->imputed_value_floats : &p->imputed_value_int64s;
    const void *values = infer_list_data(env, list);
    size_t width = last_extent(x), total = (size_t)infer_view_count(x);
    switch (x->type) {
    case INFER_TYPE_FLOAT:
        impute_float(x->data, y->data, total, width, values, list->count, p->replaced_value_float);
        return INFER_OK;
    case INFER_TYPE_DOUBLE:
        impute_double(x->data, y->data, total, width, values, list->count, p->replaced_value_float);
        return INFER_OK;
    case INFER_TYPE_INT64:
        impute_int64(x->data, y->data, total, width, values, list->count, p->replaced_value_int64);
        return INFER_OK;
    default:
        return impute_int32(x->data, y->data, total, width, values, list->count,
                            p->replaced_value_int64);
    }
}

const infer_op infer_op_imputer = {
    INFER_ML_OP("Imputer", 1, 1, 1, imputer_params, imputer_attrs),
    .types = {T_ML},
    .infer = imputer_infer,
    .run = imputer_run,
};

/* ---- Binarizer ---- */

typedef struct binarizer_params {
    float threshold;
    uint32_t reserved;
} binarizer_params;

static const infer_op_attr binarizer_attrs[] = {A_FLOAT(binarizer_params, threshold, 0)};

static infer_status binarizer_infer(infer_op_env *env) {
    return infer_ml_like(env, env->in[0]->type);
}

static infer_status binarizer_run(infer_op_env *env) {
    const binarizer_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    size_t total = (size_t)infer_view_count(x);
    double threshold = p->threshold;
    EACH_RUN(total, total, at, n) {
        infer_chunk chunk, ones;
        const double *from = infer_load_double((infer_type)x->type, x->data, at, n, &chunk);
        if (is_float(x)) {
            for (size_t i = 0; i < n; i++)
                ones.d[i] = from[i] > threshold;
            infer_store_double((infer_type)x->type, ones.d, y->data, at, n);
        } else {
            for (size_t i = 0; i < n; i++)
                ones.i[i] = from[i] > threshold;
            infer_store_int((infer_type)x->type, ones.i, y->data, at, n);
        }
    }
    return INFER_OK;
}

const infer_op infer_op_binarizer = {
    INFER_ML_OP("Binarizer", 1, 1, 1, binarizer_params, binarizer_attrs),
    .types = {T_ML},
    .infer = binarizer_infer,
    .run = binarizer_run,
};
