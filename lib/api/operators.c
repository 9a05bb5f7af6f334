/* The operators of this build, as the public interface lists them. */
#include "op.h"
#include "status.h"

size_t infer_operators(void) {
    return infer_op_count();
}

infer_status infer_operator(size_t index, const char **domain, const char **name,
                            int *since_version, int *newest_version) {
    if (!domain || !name || !since_version || !newest_version)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_operator: an argument is NULL");
    if (index >= infer_op_count())
        return infer_fail(INFER_ERROR_ARGUMENT, "operator %zu was asked for, there are %zu", index,
                          infer_op_count());
    const infer_op *op = infer_op_at(index);
    *domain = op->domain;
    *name = op->name;
    *since_version = op->since;
    *newest_version = op->newest;
    return INFER_OK;
}
