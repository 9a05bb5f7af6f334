/* The list of operators, and the checks that all of them have in common. */
#include "op.h"

#include "status.h"

#include <string.h>

#define OP(symbol) extern const infer_op infer_op_##symbol;
#include "list.h"
#undef OP

/* Sorted by name, then by domain: list.h is. */
static const infer_op *const operators[] = {
#define OP(symbol) &infer_op_##symbol,
#include "list.h"
#undef OP
};

#define COUNT (sizeof operators / sizeof *operators)

size_t infer_op_count(void) {
    return COUNT;
}

const infer_op *infer_op_at(size_t index) {
    return index < COUNT ? operators[index] : NULL;
}

const infer_op *infer_op_find(const char *domain, const char *name) {
    size_t low = 0, high = COUNT;
    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, operators[middle]->name);
        if (order == 0)
            order = strcmp(domain, operators[middle]->domain);
        if (order == 0)
            return operators[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- checks ---- */

static int64_t enum_names(const char *names) {
    int64_t count = 1;
    for (; *names; names++)
        count += *names == '|';
    return count;
}

/* Lists were checked when the record was read; numbers are read as they are, but these name
 * something. */
static infer_status check_params(const infer_op *op, const char *params) {
    for (size_t i = 0; i < op->attr_count; i++) {
        const infer_op_attr *a = &op->attrs[i];
        if (a->type != INFER_ATTR_ENUM && a->type != INFER_ATTR_TYPE)
            continue;
        int64_t value;
        memcpy(&value, params + a->offset, sizeof value);
        bool fits = a->type == INFER_ATTR_ENUM ? value >= 0 && value < enum_names(a->text)
                                               : value == 0 || (value > 0 && value <= UINT8_MAX &&
                                                                infer_type_size((infer_type)value));
        if (!fits)
            return infer_fail(INFER_ERROR_VALUE, "attribute %s has the number %lld", a->name,
                              (long long)value);
    }
    return INFER_OK;
}

static infer_status check_counts(const char *what, uint32_t count, uint8_t min, uint8_t max) {
    if (count >= min && (count <= max || max == INFER_VARIADIC))
        return INFER_OK;
    return infer_fail(INFER_ERROR_FORMAT, "%u %s instead of %u to %u", count, what, min, max);
}

static infer_status check_input(const infer_view *v, const infer_view *first, uint32_t index,
                                uint64_t types) {
    if (v->kind != INFER_KIND_TENSOR) {
        if (types & T_COMPOSITE)
            return INFER_OK;
        return infer_fail(INFER_ERROR_TYPE, "input %u is no tensor", index);
    }
    if (!infer_type_size((infer_type)v->type))
        return infer_fail(INFER_ERROR_TYPE, "input %u has no element type", index);
    if (types & T_SAME && first && first->kind == INFER_KIND_TENSOR) {
        if (v->type == first->type)
            return INFER_OK;
        return infer_fail(INFER_ERROR_TYPE, "input %u has elements of %s, input 0 of %s", index,
                          infer_type_name((infer_type)v->type),
                          infer_type_name((infer_type)first->type));
    }
    if (types >> v->type & 1)
        return INFER_OK;
    return infer_fail(INFER_ERROR_TYPE, "input %u cannot have elements of %s", index,
                      infer_type_name((infer_type)v->type));
}

static infer_status check_inputs(const infer_op *op, const infer_op_env *env) {
    uint64_t types = 0;
    for (uint32_t i = 0; i < env->in_count; i++) {
        if (i < sizeof op->types / sizeof *op->types && op->types[i])
            types = op->types[i];
        if (env->in[i])
            INFER_TRY(check_input(env->in[i], env->in[0], i, types));
        else if (i < op->min_in)
            return infer_fail(INFER_ERROR_FORMAT, "input %u is missing", i);
    }
    return INFER_OK;
}

static infer_status check_output(const infer_view *v, uint32_t index) {
    infer_status status = infer_view_check(v, true);
    if (status == INFER_OK && v->kind == INFER_KIND_TENSOR && !infer_type_size((infer_type)v->type))
        status = infer_fail(INFER_ERROR_TYPE, "the element type is not known");
    return status == INFER_OK ? status : infer_fail_within(status, "output %u", index);
}

infer_status infer_op_check(const infer_op *op, const infer_op_env *env) {
    INFER_TRY(check_counts("inputs", env->in_count, op->min_in, op->max_in));
    INFER_TRY(check_counts("outputs", env->out_count, op->min_out, op->max_out));
    INFER_TRY(check_params(op, env->params));
    return check_inputs(op, env);
}

infer_status infer_op_infer(const infer_op *op, infer_op_env *env) {
    INFER_TRY(infer_op_check(op, env));
    for (uint32_t i = 0; i < env->out_count; i++)
        if (env->out[i])
            *env->out[i] = (infer_view){.rank = -1};
    env->scratch_size = 0;
    INFER_TRY(op->infer(env));
    for (uint32_t i = 0; i < env->out_count; i++)
        if (env->out[i])
            INFER_TRY(check_output(env->out[i], i));
    return INFER_OK;
}

/* ---- work ---- */

static double elements(const infer_view *v) {
    return v ? (double)infer_view_count(v) : 0;
}

double infer_work_rows(const infer_op_env *env) {
    const infer_view *a = env->in[0];
    return 2 * elements(env->out[0]) * (a->rank > 0 ? (double)a->dim[a->rank - 1] : 1);
}

static double kernel_work(const infer_op_env *env, uint32_t weights) {
    const infer_view *w = env->in[weights];
    bool some = w->rank > 0 && w->dim[0] > 0;
    return some ? 2 * elements(env->out[0]) * elements(w) / (double)w->dim[0] : 0;
}

double infer_work_kernel(const infer_op_env *env) {
    return kernel_work(env, 1);
}

double infer_work_kernel_3(const infer_op_env *env) {
    return kernel_work(env, 3);
}
