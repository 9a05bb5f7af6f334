/* ConstantFill, an experimental operator of ONNX before version 7 that exporters of that time
 * wrote: becomes Expand. */
#include "op.h"
#include "status.h"

#include <string.h>

typedef struct fill_params {
    infer_list shape, extra_shape;
    int64_t dtype, input_as_shape;
    float value;
} fill_params;

static const infer_op_attr fill_attrs[] = {
    A_LIST(fill_params, shape, INTS), A_LIST(fill_params, extra_shape, INTS),
    A_TYPE(fill_params, dtype, INFER_TYPE_FLOAT), A_INT(fill_params, input_as_shape, 0),
    A_FLOAT(fill_params, value, 0)};

static uint32_t list_of(infer_rewriter *rw, const char *name) {
    const infer_attr *a = rw->attr(rw, name);
    infer_view list = {.type = INFER_TYPE_INT64, .rank = 1};
    if (a && a->type == INFER_ATTR_INTS) {
        list.dim[0] = (int64_t)a->count;
        list.data = (void *)a->data;
    }
    return rw->constant(rw, &list);
}

static int64_t number_of(infer_rewriter *rw, const char *name, int64_t otherwise) {
    const infer_attr *a = rw->attr(rw, name);
    return a && a->type == INFER_ATTR_INT ? a->i : otherwise;
}

static infer_status fill_upgrade(infer_rewriter *rw) {
    uint32_t x = rw->input(rw, 0), shape;
    const infer_attr *value = rw->attr(rw, "value");
    float number = value && value->type == INFER_ATTR_FLOAT ? value->f : 0;
    infer_view scalar = {.type = INFER_TYPE_FLOAT, .data = &number};
    infer_attr to = {
        .name = "to", .type = INFER_ATTR_INT, .i = number_of(rw, "dtype", INFER_TYPE_FLOAT)};
    uint32_t one = rw->constant(rw, &scalar), filler = rw->add(rw, "", "Cast", &one, 1, &to, 1);
    if (x == INFER_NO_VALUE)
        shape = list_of(rw, "shape");
    else if (number_of(rw, "input_as_shape", 0))
        shape = x;
    else
        shape = rw->add(rw, "", "Shape", &x, 1, NULL, 0);
    const infer_named names[] = {{"s", shape}, {"e", list_of(rw, "extra_shape")}, {"f", filler}};
    INFER_TRY(rw->failed);
    return infer_expand_with(rw, "t = Cast<to=7>(s)\nu = Concat<axis=0>(t, e)\n@0 = Expand(f, u)\n",
                             names, 3, NULL, NULL);
}

/* Only a forged image still has the node. */
static infer_status fill_infer(infer_op_env *env) {
    (void)env;
    return infer_fail(INFER_ERROR_FORMAT, "a ConstantFill cannot stand in an image");
}

const infer_op infer_op_constant_fill = {
    .domain = "",
    .name = "ConstantFill",
    .since = 1,
    .newest = 6,
    .params_size = sizeof(fill_params),
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 5,
    .attrs = fill_attrs,
    .types = {T_NUMERIC | T(BOOL)},
    .upgrade = fill_upgrade,
    .infer = fill_infer,
    .run = fill_infer,
};
