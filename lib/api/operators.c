/* The operators of this build, as the public interface lists them. */
#include "op.h"
#include "status.h"

size_t infer_operators(void) {
    return infer_op_count();
}

static infer_status find(size_t index, const infer_op **op) {
    *op = infer_op_at(index);
    return *op ? INFER_OK
               : infer_fail(INFER_ERROR_ARGUMENT, "operator %zu was asked for, there are %zu",
                            index, infer_op_count());
}

infer_status infer_operator(size_t index, const char **domain, const char **name,
                            int *since_version, int *newest_version) {
    if (!domain || !name || !since_version || !newest_version)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_operator: an argument is NULL");
    const infer_op *op;
    INFER_TRY(find(index, &op));
    *domain = op->domain;
    *name = op->name;
    *since_version = op->since;
    *newest_version = op->newest;
    return INFER_OK;
}

_Static_assert(INFER_TYPES_SAME == T_SAME && INFER_TYPES_COMPOSITE == T_COMPOSITE,
               "sets of types are given as they are");

infer_status infer_operator_inputs(size_t index, size_t *least, size_t *most) {
    const infer_op *op;
    if (!least || !most)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_operator_inputs: an argument is NULL");
    INFER_TRY(find(index, &op));
    *least = op->min_in;
    *most = op->max_in == INFER_VARIADIC ? SIZE_MAX : op->max_in;
    return INFER_OK;
}

infer_status infer_operator_types(size_t index, size_t input, uint64_t *types) {
    const infer_op *op;
    if (!types)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_operator_types: an argument is NULL");
    INFER_TRY(find(index, &op));
    if (input >= op->max_in && op->max_in != INFER_VARIADIC)
        return infer_fail(INFER_ERROR_ARGUMENT, "input %zu was asked for, there are %u", input,
                          op->max_in);
    *types = 0;
    for (size_t i = 0; i <= input && i < sizeof op->types / sizeof *op->types; i++)
        *types = op->types[i] ? op->types[i] : *types;
    return INFER_OK;
}
