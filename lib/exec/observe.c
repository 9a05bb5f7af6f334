/* Looking at runs: the time of each node, and what it had to do. */
#include "engine.h"
#include "status.h"

#include <string.h>

infer_status infer_context_observe(infer_context *c, infer_node_observer *observer, void *user) {
    if (!c)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_context_observe: the context is NULL");
    c->observer = observer;
    c->observer_user = user;
    return INFER_OK;
}

static bool is_known(const infer_view *const *views, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (views[i] && !infer_view_concrete(views[i]))
            return false;
    return true;
}

static double sum_bytes(const infer_view *const *views, uint32_t count) {
    double bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        if (views[i] && views[i]->kind == INFER_KIND_TENSOR)
            bytes += (double)infer_view_bytes(views[i]);
    return bytes;
}

static double elements(infer_view *const *views, uint32_t count) {
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (views[i] && views[i]->kind == INFER_KIND_TENSOR)
            sum += (double)infer_view_count(views[i]);
    return sum;
}

static void work_of(infer_context *c, size_t step, infer_node_work *work) {
    const infer_op *op = c->program->steps[step].op;
    infer_op_env env = c->envs[step];
    const infer_view *const *out = (const infer_view *const *)env.out;
    /* Bodies that have not run have no env yet. */
    bool idle = c->state[step] == INFER_STEP_ALIAS || c->state[step] == INFER_STEP_FOLDED;
    if (idle || !env.kernels || !is_known(env.in, env.in_count) || !is_known(out, env.out_count))
        return;
    work->bytes = sum_bytes(env.in, env.in_count) + sum_bytes(out, env.out_count);
    work->operations = op->work ? op->work(&env) : elements(env.out, env.out_count);
}

infer_status infer_context_node_work(infer_context *c, size_t node, infer_node_work *work) {
    if (!c || !work || work->struct_size < sizeof work->struct_size)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_context_node_work: an argument is wrong");
    if (!c->has_run)
        return infer_fail(INFER_ERROR_STATE, "infer_context_node_work: the context has not run");
    const size_t size = work->struct_size;
    infer_node_work found = {.struct_size = size};
    if (node >= c->program->step_count) /* a step for each node, in their order */
        return infer_fail(INFER_ERROR_ARGUMENT, "the model has no node number %zu", node);
    work_of(c, node, &found);
    memcpy(work, &found, size < sizeof found ? size : sizeof found);
    return INFER_OK;
}
