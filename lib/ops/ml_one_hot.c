/* OneHotEncoder: each element becomes a row of zeros with a one at its category. */
#include "convert.h"
#include "ml_keys.h"

#include <math.h>
#include <string.h>

/* The categories lie sorted, each with its position. */
typedef struct one_hot_params {
    infer_list keys_tensor, values_tensor;
    int64_t zeros, width; /* width: how many categories there are */
} one_hot_params;

static const infer_op_attr one_hot_attrs[] = {
    A_REQUIRED(one_hot_params, keys_tensor, TENSOR),
    A_REQUIRED(one_hot_params, values_tensor, TENSOR),
    A_INT(one_hot_params, zeros, 1),
    A_REQUIRED(one_hot_params, width, INT),
};

static infer_status one_hot_upgrade(infer_rewriter *rw) {
    infer_view cats;
    INFER_TRY(infer_ml_take_list(rw, "cats_int64s", "cats_strings", &cats));
    if (rw->attr(rw, "width"))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute width is not known");
    INFER_TRY(infer_set_int(rw, "width", cats.dim[0]));
    return infer_ml_set_positions(rw, &cats, false);
}

static infer_status one_hot_infer(infer_op_env *env) {
    const one_hot_params *p = env->params;
    const infer_view *x = env->in[0];
    uint32_t key = x->type == INFER_TYPE_STRING ? INFER_TYPE_STRING : INFER_TYPE_INT64;
    if (p->keys_tensor.type != key || p->values_tensor.type != INFER_TYPE_INT64 ||
        p->keys_tensor.count != p->values_tensor.count || p->width < 0)
        return infer_fail(INFER_ERROR_TYPE, "categories of type %s for an input of type %s",
                          infer_type_name((infer_type)p->keys_tensor.type),
                          infer_type_name((infer_type)x->type));
    if (x->rank >= INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d and an axis are too many", (int)x->rank);
    INFER_TRY(infer_ml_like(env, INFER_TYPE_FLOAT));
    if (env->out[0] && x->rank >= 0)
        env->out[0]->dim[env->out[0]->rank++] = p->width;
    return INFER_OK;
}

/* Element i as a category, where it can be one: numbers are cast to integers. */
static bool category(const infer_view *x, int64_t i, int64_t *value) {
    infer_chunk chunk;
    if (x->type == INFER_TYPE_INT32 || x->type == INFER_TYPE_INT64) {
        *value = infer_index(x, i);
        return true;
    }
    double d = *infer_load_double((infer_type)x->type, x->data, (size_t)i, 1, &chunk);
    *value = infer_to_int64(d);
    return d >= -0x1p63 && d < 0x1p63;
}

static infer_status one_hot_run(infer_op_env *env) {
    const one_hot_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    const int64_t *positions = infer_list_data(env, &p->values_tensor);
    int64_t n = infer_view_count(x), value = 0;
    float *to = y->data;
    if (infer_view_count(y) > 0)
        memset(to, 0, infer_view_bytes(y));
    infer_view one = {.type = INFER_TYPE_INT64, .rank = 0, .data = &value};
    bool text = x->type == INFER_TYPE_STRING;
    for (int64_t i = 0; i < n; i++, to += p->width) {
        uint64_t at = 0;
        bool found =
            text ? infer_ml_find(env, &p->keys_tensor, x, i, &at)
                 : category(x, i, &value) && infer_ml_find(env, &p->keys_tensor, &one, 0, &at);
        if (found && positions[at] >= 0 && positions[at] < p->width)
            to[positions[at]] = 1;
        else if (!p->zeros)
            return infer_fail(INFER_ERROR_VALUE, "element %lld is no known category", (long long)i);
    }
    return INFER_OK;
}

const infer_op infer_op_one_hot_encoder = {
    INFER_ML_OP("OneHotEncoder", 1, 1, 1, one_hot_params, one_hot_attrs),
    .types = {T_ML | T(STRING)},
    .upgrade = one_hot_upgrade,
    .infer = one_hot_infer,
    .run = one_hot_run,
};
