/* Constant, which is gone after loading, Shape and Size. */
#include "axes.h"
#include "op.h"
#include "status.h"

/* ---- Constant ---- */

/* The attributes that hold elements, and the tensor they are. A sparse tensor arrives as a dense
 * one. */
static const struct {
    const char *name;
    uint8_t attr, type, rank;
} forms[] = {
    {"value", INFER_ATTR_TENSOR, 0, 0},
    {"sparse_value", INFER_ATTR_TENSOR, 0, 0},
    {"value_int", INFER_ATTR_INT, INFER_TYPE_INT64, 0},
    {"value_ints", INFER_ATTR_INTS, INFER_TYPE_INT64, 1},
    {"value_float", INFER_ATTR_FLOAT, INFER_TYPE_FLOAT, 0},
    {"value_floats", INFER_ATTR_FLOATS, INFER_TYPE_FLOAT, 1},
    {"value_string", INFER_ATTR_STRING, INFER_TYPE_STRING, 0},
    {"value_strings", INFER_ATTR_STRINGS, INFER_TYPE_STRING, 1},
};
#define FORM_COUNT (sizeof forms / sizeof forms[0])

static infer_status constant_upgrade(infer_rewriter *rw) {
    const infer_attr *found = NULL;
    size_t form = 0;
    for (size_t i = 0; i < FORM_COUNT; i++) {
        const infer_attr *a = rw->attr(rw, forms[i].name);
        if (!a)
            continue;
        if (found)
            return infer_fail(INFER_ERROR_FORMAT, "both %s and %s are set", found->name, a->name);
        found = a;
        form = i;
    }
    if (!found)
        return infer_fail(INFER_ERROR_FORMAT, "no value is set");
    if (found->type != forms[form].attr)
        return infer_fail(INFER_ERROR_FORMAT, "%s is of the wrong kind", found->name);
    infer_view tensor = found->tensor;
    infer_string text = {found->data, found->count};
    if (found->type != INFER_ATTR_TENSOR) {
        tensor = (infer_view){.type = forms[form].type, .rank = forms[form].rank};
        tensor.dim[0] = (int64_t)found->count;
        tensor.data = found->type == INFER_ATTR_INT      ? (void *)&found->i
                      : found->type == INFER_ATTR_FLOAT  ? (void *)&found->f
                      : found->type == INFER_ATTR_STRING ? (void *)&text
                                                         : (void *)found->data;
    }
    return rw->replace(rw, 0, rw->constant(rw, &tensor));
}

/* Only a forged image still has the node. */
static infer_status constant_infer(infer_op_env *env) {
    (void)env;
    return infer_fail(INFER_ERROR_FORMAT, "a Constant cannot stand in an image");
}

const infer_op infer_op_constant = {
    .domain = "",
    .name = "Constant",
    .since = 1,
    .newest = 27,
    .min_out = 1,
    .max_out = 1,
    .upgrade = constant_upgrade,
    .infer = constant_infer,
    .run = constant_infer,
};

/* ---- Shape ---- */

typedef struct shape_params {
    int64_t start, end;
} shape_params;

/* end is the rank where it is not given, and no rank is larger than this. */
static const infer_op_attr shape_attrs[] = {A_INT(shape_params, start, 0),
                                            A_INT(shape_params, end, INFER_MAX_RANK)};

static int32_t clamp_axis(int64_t axis, int32_t rank) {
    if (axis < 0)
        axis = axis < -rank ? 0 : axis + rank;
    return axis > rank ? rank : (int32_t)axis;
}

static infer_status shape_infer(infer_op_env *env) {
    const shape_params *p = env->params;
    int32_t rank = env->in[0]->rank;
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_INT64, 1, &spare);
    if (rank < 0)
        return INFER_OK;
    int32_t from = clamp_axis(p->start, rank), to = clamp_axis(p->end, rank);
    y->dim[0] = to > from ? to - from : 0;
    return INFER_OK;
}

static infer_status shape_run(infer_op_env *env) {
    const shape_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    int32_t from = clamp_axis(p->start, x->rank);
    for (int32_t i = 0; i < y->dim[0]; i++)
        ((int64_t *)y->data)[i] = x->dim[from + i];
    return INFER_OK;
}

const infer_op infer_op_shape = {
    .domain = "",
    .name = "Shape",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(shape_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_READS_SHAPE,
    .attr_count = 2,
    .attrs = shape_attrs,
    .types = {T_ALL},
    .infer = shape_infer,
    .run = shape_run,
};

/* ---- Size ---- */

static infer_status size_infer(infer_op_env *env) {
    infer_view spare;
    infer_out(env, 0, INFER_TYPE_INT64, 0, &spare);
    return INFER_OK;
}

static infer_status size_run(infer_op_env *env) {
    if (env->out[0])
        *(int64_t *)env->out[0]->data = infer_view_count(env->in[0]);
    return INFER_OK;
}

const infer_op infer_op_size = {
    .domain = "",
    .name = "Size",
    .since = 1,
    .newest = 27,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_READS_SHAPE,
    .types = {T_ALL},
    .infer = size_infer,
    .run = size_run,
};
