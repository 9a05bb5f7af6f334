/* Maps become tensors: CastMap, DictVectorizer. */
#include "cast.h"
#include "convert.h"
#include "ml_keys.h"

#include <stdlib.h>
#include <string.h>

static infer_status check_types(const infer_view *x, uint64_t keys, uint64_t values) {
    if (x->kind != INFER_KIND_MAP)
        return infer_fail(INFER_ERROR_TYPE, "input 0 is no map");
    if (x->type < 32 && x->value_type < 32 && keys >> x->type & 1 && values >> x->value_type & 1)
        return INFER_OK;
    return infer_fail(INFER_ERROR_TYPE, "input 0 cannot be a map from %s to %s",
                      infer_type_name((infer_type)x->type),
                      infer_type_name((infer_type)x->value_type));
}

/* Elements that stand where a map has no key: zeros, empty strings. */
static void clear(infer_view *y) {
    int64_t n = infer_view_count(y);
    if (y->type != INFER_TYPE_STRING && n > 0)
        memset(y->data, 0, infer_view_bytes(y));
    for (int64_t i = 0; y->type == INFER_TYPE_STRING && i < n; i++)
        ((infer_string *)y->data)[i] = (infer_string){"", 0};
}

/* ---- CastMap ---- */

enum { TO_FLOAT, TO_STRING, TO_INT64 };
enum { DENSE, SPARSE };

typedef struct cast_map_params {
    int64_t cast_to, map_form, max_map;
} cast_map_params;

static const infer_op_attr cast_map_attrs[] = {
    A_ENUM(cast_map_params, cast_to, TO_FLOAT, "TO_FLOAT|TO_STRING|TO_INT64"),
    A_ENUM(cast_map_params, map_form, DENSE, "DENSE|SPARSE"),
    A_INT(cast_map_params, max_map, 1),
};

/* One row. The entries of a dense one are counted when they are there. */
static infer_status cast_map_infer(infer_op_env *env) {
    static const uint8_t types[] = {INFER_TYPE_FLOAT, INFER_TYPE_STRING, INFER_TYPE_INT64};
    const cast_map_params *p = env->params;
    INFER_TRY(check_types(env->in[0], T(INT64), T(FLOAT) | T(STRING)));
    if (p->map_form == SPARSE && p->max_map < 1)
        return infer_fail(INFER_ERROR_VALUE, "max_map is %lld", (long long)p->max_map);
    infer_view spare, *y = infer_out(env, 0, types[p->cast_to], 2, &spare);
    y->dim[0] = 1;
    y->dim[1] = p->map_form == SPARSE ? p->max_map : -1;
    return INFER_OK;
}

/* Element i of values becomes element `to` of y. */
static infer_status cast_value(infer_op_env *env, const infer_view *values, int64_t i,
                               infer_view *y, int64_t to) {
    if (values->type == INFER_TYPE_STRING) {
        infer_string text = ((const infer_string *)values->data)[i];
        if (y->type != INFER_TYPE_STRING)
            return infer_text_to_number(text, (infer_type)y->type, y->data, (size_t)to, false);
        infer_view one = {.type = INFER_TYPE_STRING, .rank = 1, .dim = {1}, .data = &text}, copy;
        INFER_TRY(infer_view_copy(env, &one, &copy));
        ((infer_string *)y->data)[to] = *(const infer_string *)copy.data;
        return INFER_OK;
    }
    float value = ((const float *)values->data)[i];
    if (y->type == INFER_TYPE_STRING) {
        char *text = env->alloc(env, INFER_NUMBER_TEXT);
        if (!text)
            return INFER_ERROR_MEMORY;
        size_t size = infer_number_to_text(INFER_TYPE_FLOAT, &value, 0, text);
        ((infer_string *)y->data)[to] = (infer_string){text, size};
    } else if (y->type == INFER_TYPE_FLOAT) {
        ((float *)y->data)[to] = value;
    } else {
        ((int64_t *)y->data)[to] = infer_to_int64(value);
    }
    return INFER_OK;
}

typedef struct place {
    int64_t key, index;
} place;

static int by_key(const void *a, const void *b) {
    const place *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static infer_status cast_dense(infer_op_env *env, const infer_view *keys,
                               const infer_view *values) {
    int64_t n = infer_view_count(keys);
    infer_view shape = {.type = env->out[0]->type, .rank = 2, .dim = {1, n}};
    INFER_TRY(infer_place(env, 0, &shape));
    place *order = env->alloc(env, (size_t)n * sizeof *order);
    if (!order)
        return INFER_ERROR_MEMORY;
    for (int64_t i = 0; i < n; i++)
        order[i] = (place){((const int64_t *)keys->data)[i], i};
    if (n > 1)
        qsort(order, (size_t)n, sizeof *order, by_key);
    for (int64_t i = 0; i < n; i++)
        INFER_TRY(cast_value(env, values, order[i].index, env->out[0], i));
    return INFER_OK;
}

static infer_status cast_sparse(infer_op_env *env, const infer_view *keys,
                                const infer_view *values) {
    const cast_map_params *p = env->params;
    clear(env->out[0]);
    int64_t n = infer_view_count(keys);
    for (int64_t i = 0; i < n; i++) {
        int64_t key = ((const int64_t *)keys->data)[i];
        if (key < 0 || key >= p->max_map)
            return infer_fail(INFER_ERROR_VALUE, "key %lld is outside of max_map %lld",
                              (long long)key, (long long)p->max_map);
        INFER_TRY(cast_value(env, values, i, env->out[0], key));
    }
    return INFER_OK;
}

static infer_status cast_map_run(infer_op_env *env) {
    const cast_map_params *p = env->params;
    const infer_view *keys, *values;
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(infer_ml_map(env->in[0], &keys, &values));
    return p->map_form == DENSE ? cast_dense(env, keys, values) : cast_sparse(env, keys, values);
}

const infer_op infer_op_cast_map = {
    INFER_ML_OP("CastMap", 1, 1, 1, cast_map_params, cast_map_attrs),
    .flags = INFER_OP_PLACES,
    .types = {T_COMPOSITE},
    .infer = cast_map_infer,
    .run = cast_map_run,
};

/* ---- DictVectorizer ---- */

/* The vocabulary lies sorted, each key with its position. */
typedef struct dict_params {
    infer_list keys_tensor, values_tensor;
    int64_t width; /* of the vocabulary */
} dict_params;

static const infer_op_attr dict_attrs[] = {
    A_REQUIRED(dict_params, keys_tensor, TENSOR),
    A_REQUIRED(dict_params, values_tensor, TENSOR),
    A_REQUIRED(dict_params, width, INT),
};

static infer_status dict_upgrade(infer_rewriter *rw) {
    infer_view words;
    INFER_TRY(infer_ml_take_list(rw, "int64_vocabulary", "string_vocabulary", &words));
    if (rw->attr(rw, "width"))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute width is not known");
    INFER_TRY(infer_set_int(rw, "width", words.dim[0]));
    return infer_ml_set_positions(rw, &words, false);
}

static infer_status dict_infer(infer_op_env *env) {
    const dict_params *p = env->params;
    const infer_view *x = env->in[0];
    INFER_TRY(check_types(x, T(INT64) | T(STRING), T(INT64) | T(FLOAT) | T(DOUBLE) | T(STRING)));
    if (p->keys_tensor.type != x->type || p->values_tensor.type != INFER_TYPE_INT64 ||
        p->keys_tensor.count != p->values_tensor.count || p->width < 0)
        return infer_fail(INFER_ERROR_TYPE, "a vocabulary of %s for keys of %s",
                          infer_type_name((infer_type)p->keys_tensor.type),
                          infer_type_name((infer_type)x->type));
    infer_view spare, *y = infer_out(env, 0, x->value_type, 1, &spare);
    y->dim[0] = p->width;
    return INFER_OK;
}

/* Keys that the vocabulary does not have are passed over, as in scikit-learn. */
static infer_status dict_run(infer_op_env *env) {
    const dict_params *p = env->params;
    infer_view *y = env->out[0], copy;
    const infer_view *keys, *values;
    if (!y)
        return INFER_OK;
    INFER_TRY(infer_ml_map(env->in[0], &keys, &values));
    if (values->type == INFER_TYPE_STRING) { /* the output outlives the map */
        INFER_TRY(infer_view_copy(env, values, &copy));
        values = &copy;
    }
    clear(y);
    const int64_t *positions = infer_list_data(env, &p->values_tensor);
    size_t size = infer_type_size((infer_type)y->type);
    int64_t n = infer_view_count(keys);
    for (int64_t i = 0; i < n; i++) {
        uint64_t at;
        if (!infer_ml_find(env, &p->keys_tensor, keys, i, &at) || positions[at] < 0 ||
            positions[at] >= p->width)
            continue;
        memcpy((char *)y->data + (size_t)positions[at] * size,
               (const char *)values->data + (size_t)i * size, size);
    }
    return INFER_OK;
}

const infer_op infer_op_dict_vectorizer = {
    INFER_ML_OP("DictVectorizer", 1, 1, 1, dict_params, dict_attrs),
    .types = {T_COMPOSITE},
    .upgrade = dict_upgrade,
    .infer = dict_infer,
    .run = dict_run,
};
