/* ZipMap: a row of scores becomes a map from class labels to scores. */
#include "checked.h"
#include "ml.h"

#include <string.h>

typedef struct zipmap_params {
    infer_list classlabels_int64s, classlabels_strings;
} zipmap_params;

static const infer_op_attr zipmap_attrs[] = {A_LIST(zipmap_params, classlabels_int64s, INTS),
                                             A_LIST(zipmap_params, classlabels_strings, STRINGS)};

static infer_status zipmap_infer(infer_op_env *env) {
    const zipmap_params *p = env->params;
    bool ints = infer_list_given(&p->classlabels_int64s);
    const infer_list *labels = ints ? &p->classlabels_int64s : &p->classlabels_strings;
    if (ints == infer_list_given(&p->classlabels_strings))
        return infer_fail(INFER_ERROR_VALUE, "one list of class labels must be set");
    int64_t rows, columns;
    INFER_TRY(infer_ml_rows(env->in[0], &rows, &columns));
    if (columns >= 0 && labels->count != (uint64_t)columns)
        return infer_fail(INFER_ERROR_SHAPE, "%llu class labels for %lld columns",
                          (unsigned long long)labels->count, (long long)columns);
    uint32_t key = ints ? INFER_TYPE_INT64 : INFER_TYPE_STRING;
    infer_view spare, *y = infer_out(env, 0, key, 1, &spare);
    y->kind = INFER_KIND_SEQUENCE;
    y->member = INFER_KIND_MAP;
    y->value_type = INFER_TYPE_FLOAT;
    y->dim[0] = rows;
    return INFER_OK;
}

/* The keys as elements: integers lie in the blob, strings are views made once for all rows. */
static infer_status make_keys(infer_op_env *env, infer_view *keys) {
    const zipmap_params *p = env->params;
    bool ints = infer_list_given(&p->classlabels_int64s);
    const infer_list *labels = ints ? &p->classlabels_int64s : &p->classlabels_strings;
    *keys = (infer_view){.type = ints ? INFER_TYPE_INT64 : INFER_TYPE_STRING, .rank = 1};
    keys->dim[0] = (int64_t)labels->count;
    if (ints) {
        keys->data = (void *)infer_list_data(env, labels);
        return INFER_OK;
    }
    infer_string *text = env->alloc(env, (size_t)labels->count * sizeof *text);
    if (!text)
        return INFER_ERROR_MEMORY;
    for (uint64_t i = 0; i < labels->count; i++)
        text[i] = infer_list_string(env, labels, i);
    keys->data = text;
    return INFER_OK;
}

/* The scores are copied, because their place may be reused once this node has run. */
static infer_status zipmap_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    infer_view keys;
    int64_t rows, columns;
    INFER_TRY(infer_ml_rows(x, &rows, &columns));
    INFER_TRY(make_keys(env, &keys));
    size_t size;
    if (!infer_mul((size_t)rows, 3 * sizeof(infer_view), &size))
        return infer_fail(INFER_ERROR_LIMIT, "%lld rows are too many", (long long)rows);
    infer_view *maps = env->alloc(env, size);
    float *scores = env->alloc(env, infer_view_bytes(x));
    if (!maps || !scores)
        return INFER_ERROR_MEMORY;
    if (infer_view_count(x) > 0)
        memcpy(scores, x->data, infer_view_bytes(x));
    infer_view *members = maps + rows;
    for (int64_t r = 0; r < rows; r++, members += 2, scores += columns) {
        members[0] = keys;
        members[1] = keys;
        members[1].type = INFER_TYPE_FLOAT;
        members[1].data = scores;
        maps[r] = (infer_view){.kind = INFER_KIND_MAP,
                               .type = keys.type,
                               .value_type = INFER_TYPE_FLOAT,
                               .rank = 1,
                               .dim = {2},
                               .data = members};
    }
    y->dim[0] = rows;
    y->data = maps;
    return INFER_OK;
}

const infer_op infer_op_zip_map = {
    INFER_ML_OP("ZipMap", 1, 1, 1, zipmap_params, zipmap_attrs),
    .types = {T(FLOAT)},
    .infer = zipmap_infer,
    .run = zipmap_run,
};
