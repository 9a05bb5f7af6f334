/* Optional values: Optional, OptionalHasElement, OptionalGetElement. */
#include "axes.h"
#include "op.h"
#include "status.h"

/* ---- Optional ---- */

typedef struct optional_params {
    infer_value_type type;
} optional_params;

static const infer_op_attr optional_attrs[] = {A_LIST(optional_params, type, VALUE)};

static infer_status optional_infer(infer_op_env *env) {
    const optional_params *p = env->params;
    const infer_view *x = infer_has_input(env, 0) ? env->in[0] : NULL;
    infer_view y = {.kind = INFER_KIND_OPTIONAL, .rank = 1, .dim = {x != NULL}};
    if (!x && !p->type.given)
        return infer_fail(INFER_ERROR_FORMAT, "neither a value nor a type is given");
    if (p->type.kind > INFER_KIND_MAP ||
        (p->type.given && !infer_type_size((infer_type)p->type.type)))
        return infer_fail(INFER_ERROR_FORMAT, "attribute type is no type of a value");
    y.member = x ? x->kind : p->type.kind;
    y.type = x ? x->type : p->type.type;
    y.value_type = x ? x->value_type : p->type.value_type;
    if (x && x->kind == INFER_KIND_OPTIONAL)
        return infer_fail(INFER_ERROR_TYPE, "the value is an optional itself");
    if (env->out[0])
        *env->out[0] = y;
    return INFER_OK;
}

static infer_status optional_run(infer_op_env *env) {
    if (!env->out[0])
        return INFER_OK;
    infer_view *held = env->alloc(env, sizeof *held);
    if (!held)
        return INFER_ERROR_MEMORY;
    if (infer_has_input(env, 0))
        INFER_TRY(infer_view_copy(env, env->in[0], held));
    env->out[0]->data = held;
    return INFER_OK;
}

const infer_op infer_op_optional = {
    .domain = "",
    .name = "Optional",
    .since = 15,
    .newest = 27,
    .params_size = sizeof(optional_params),
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = optional_attrs,
    .types = {T_ALL | T_COMPOSITE},
    .infer = optional_infer,
    .run = optional_run,
};

/* ---- OptionalHasElement ---- */

static infer_status has_infer(infer_op_env *env) {
    infer_view spare;
    infer_out(env, 0, INFER_TYPE_BOOL, 0, &spare);
    return INFER_OK;
}

/* What is no optional is there. */
static infer_status has_run(infer_op_env *env) {
    const infer_view *x = infer_has_input(env, 0) ? env->in[0] : NULL;
    if (env->out[0])
        *(uint8_t *)env->out[0]->data = x && (x->kind != INFER_KIND_OPTIONAL || x->dim[0] == 1);
    return INFER_OK;
}

const infer_op infer_op_optional_has_element = {
    .domain = "",
    .name = "OptionalHasElement",
    .since = 15,
    .newest = 27,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_READS_SHAPE,
    .types = {T_ALL | T_COMPOSITE},
    .infer = has_infer,
    .run = has_run,
};

/* ---- OptionalGetElement ---- */

static infer_status get_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view y = *x;
    if (x->kind == INFER_KIND_OPTIONAL)
        y = (infer_view){.kind = x->member,
                         .type = x->type,
                         .value_type = x->value_type,
                         .rank = x->member == INFER_KIND_TENSOR ? -1 : 1,
                         .dim = {x->member == INFER_KIND_MAP ? 2 : -1}};
    if (x->kind == INFER_KIND_OPTIONAL && x->member == INFER_KIND_SEQUENCE)
        y.member = x->value_type ? INFER_KIND_MAP : INFER_KIND_TENSOR;
    y.data = NULL;
    if (env->out[0])
        *env->out[0] = y;
    return INFER_OK;
}

static infer_status get_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    if (x->kind != INFER_KIND_OPTIONAL) {
        infer_view copy;
        INFER_TRY(infer_view_copy(env, x, &copy));
        return infer_give(env, 0, &copy);
    }
    if (x->dim[0] != 1)
        return infer_fail(INFER_ERROR_VALUE, "the optional is empty");
    return infer_give(env, 0, x->data);
}

const infer_op infer_op_optional_get_element = {
    .domain = "",
    .name = "OptionalGetElement",
    .since = 15,
    .newest = 27,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_PLACES,
    .types = {T_ALL | T_COMPOSITE},
    .infer = get_infer,
    .run = get_run,
};
