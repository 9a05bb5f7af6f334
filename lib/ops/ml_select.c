/* Operators of ai.onnx.ml that pick and join columns: ArrayFeatureExtractor, FeatureVectorizer. */
#include "ml.h"
#include "movement.h"

#include <string.h>

/* ---- ArrayFeatureExtractor ---- */

/* A list of columns, whatever the shape of the indices; a vector counts as one row. */
static infer_status extractor_infer(infer_op_env *env) {
    const infer_view *x = env->in[0], *index = env->in[1];
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare);
    if (x->rank == 0)
        return infer_fail(INFER_ERROR_SHAPE, "a scalar has no features");
    if (x->rank < 0)
        return INFER_OK;
    y->rank = x->rank == 1 ? 2 : x->rank;
    y->dim[0] = 1;
    for (int32_t i = 0; i < x->rank - 1; i++)
        y->dim[i] = x->dim[i];
    y->dim[y->rank - 1] = infer_view_count(index);
    return INFER_OK;
}

static infer_status extractor_run(infer_op_env *env) {
    const infer_view *x = env->in[0], *index = env->in[1];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int64_t width = x->dim[x->rank - 1], picks = infer_view_count(index);
    size_t size = infer_type_size((infer_type)x->type),
           rows = (size_t)infer_span(x, 0, x->rank - 1);
    for (int64_t i = 0; i < picks; i++) {
        int64_t at = infer_index(index, i);
        if (at < 0 || at >= width)
            return infer_fail(INFER_ERROR_VALUE, "index %lld is outside of %lld features",
                              (long long)at, (long long)width);
        infer_copy_pieces((char *)y->data + (size_t)i * size, (ptrdiff_t)size * picks,
                          (const char *)x->data + (size_t)at * size, (ptrdiff_t)size * width, rows,
                          size);
    }
    return INFER_OK;
}

const infer_op infer_op_array_feature_extractor = {
    .domain = "ai.onnx.ml",
    .name = "ArrayFeatureExtractor",
    .since = 1,
    .newest = 5,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T_ML | T(STRING), T(INT64)},
    .infer = extractor_infer,
    .run = extractor_run,
};

/* ---- FeatureVectorizer ---- */

typedef struct vectorizer_params {
    infer_list inputdimensions;
} vectorizer_params;

static const infer_op_attr vectorizer_attrs[] = {A_LIST(vectorizer_params, inputdimensions, INTS)};

/* Rows and columns of an input: axes behind the first are one. */
static infer_status input_extent(const infer_view *x, int64_t *rows, int64_t *columns) {
    *rows = *columns = -1;
    if (x->rank == 0)
        return infer_fail(INFER_ERROR_SHAPE, "a scalar has no features");
    if (x->rank > 0) {
        *rows = x->rank == 1 ? 1 : x->dim[0];
        *columns = infer_span(x, x->rank == 1 ? 0 : 1, x->rank);
    }
    return INFER_OK;
}

/* Columns that input number i takes in the output: its own unless the attribute says otherwise. */
static infer_status taken(infer_op_env *env, uint32_t i, int64_t columns, int64_t *width) {
    const vectorizer_params *p = env->params;
    *width = columns;
    if (!infer_list_given(&p->inputdimensions))
        return INFER_OK;
    if (p->inputdimensions.count != env->in_count)
        return infer_fail(INFER_ERROR_VALUE, "inputdimensions has %llu entries for %u inputs",
                          (unsigned long long)p->inputdimensions.count, env->in_count);
    *width = ((const int64_t *)infer_list_data(env, &p->inputdimensions))[i];
    if (*width < 0)
        return infer_fail(INFER_ERROR_VALUE, "inputdimensions has an entry of %lld",
                          (long long)*width);
    return INFER_OK;
}

static infer_status vectorizer_infer(infer_op_env *env) {
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_FLOAT, 2, &spare);
    int64_t total = 0;
    for (uint32_t i = 0; i < env->in_count; i++) {
        if (!env->in[i])
            return infer_fail(INFER_ERROR_FORMAT, "input %u is absent", i);
        int64_t rows, columns, width;
        INFER_TRY(input_extent(env->in[i], &rows, &columns));
        INFER_TRY(taken(env, i, columns, &width));
        if (rows >= 0 && y->dim[0] >= 0 && rows != y->dim[0])
            return infer_fail(INFER_ERROR_SHAPE, "inputs of %lld and %lld rows",
                              (long long)y->dim[0], (long long)rows);
        y->dim[0] = rows >= 0 ? rows : y->dim[0];
        if (total < 0 || width < 0)
            total = -1;
        else if (__builtin_add_overflow(total, width, &total))
            return infer_fail(INFER_ERROR_SHAPE, "extents overflow");
    }
    y->dim[1] = total;
    return INFER_OK;
}

/* Inputs with fewer columns than they were given are filled up with zeros, others are cut. */
static infer_status vectorizer_run(infer_op_env *env) {
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    size_t width = (size_t)y->dim[1], column = 0;
    for (uint32_t i = 0; i < env->in_count; i++) {
        const infer_view *x = env->in[i];
        int64_t rows, columns, room;
        INFER_TRY(input_extent(x, &rows, &columns));
        INFER_TRY(taken(env, i, columns, &room));
        int64_t used = columns < room ? columns : room;
        for (int64_t r = 0; r < rows; r++) {
            float *to = (float *)y->data + (size_t)r * width + column;
            for (int64_t c = 0; c < used; c += INFER_CHUNK) {
                infer_chunk chunk;
                size_t n = (size_t)(used - c < INFER_CHUNK ? used - c : INFER_CHUNK);
                memcpy(to + c,
                       infer_load_float((infer_type)x->type, x->data, (size_t)(r * columns + c), n,
                                        &chunk),
                       n * sizeof *to);
            }
            memset(to + used, 0, (size_t)(room - used) * sizeof *to);
        }
        column += (size_t)room;
    }
    return INFER_OK;
}

const infer_op infer_op_feature_vectorizer = {
    INFER_ML_OP("FeatureVectorizer", 1, INFER_VARIADIC, 1, vectorizer_params, vectorizer_attrs),
    .types = {T_ML},
    .infer = vectorizer_infer,
    .run = vectorizer_run,
};
