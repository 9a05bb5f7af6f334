/*
 * Steps whose shapes depend on data: inferred and placed as they come, in the memory of one run.
 * What nobody reads any more makes place for what comes, as a plan would have it.
 */
#include "engine.h"
#include "status.h"

#define SMALL ((size_t)4096) /* bytes that are not worth the books */

/* Whether nobody reads a value behind this step that lies in memory of its own. */
static bool is_over(const infer_frame *f, size_t step, uint32_t value) {
    const infer_context *c = f->context;
    return value != INFER_IMAGE_NONE && c->born[value] == f->runs &&
           c->program->last_use[value] == step;
}

/* Output 0 moves into an input that is read here for the last time. */
static bool move_in(infer_frame *f, size_t step, const infer_op *op, const infer_op_env *env,
                    const uint32_t *edges) {
    infer_context *c = f->context;
    for (uint32_t i = 0; op->flags & INFER_OP_INPLACE && i < env->in_count && i < 2; i++) {
        if (!is_over(f, step, edges[i]) ||
            infer_view_bytes(env->in[i]) != infer_view_bytes(env->out[0]))
            continue;
        env->out[0]->data = env->in[i]->data;
        c->born[edges[i]] = 0;
        return true;
    }
    return false;
}

/* The smallest spare piece that is large enough, and not much too large. */
static void *take_spare(infer_frame *f, size_t bytes) {
    size_t best = f->spare_count;
    for (size_t i = 0; i < f->spare_count; i++)
        if (f->spare[i].size >= bytes && f->spare[i].size / 2 <= bytes &&
            (best == f->spare_count || f->spare[i].size < f->spare[best].size))
            best = i;
    if (best == f->spare_count)
        return NULL;
    void *data = f->spare[best].data;
    f->spare[best] = f->spare[--f->spare_count];
    return data;
}

static void leave_spare(infer_frame *f, uint32_t value) {
    infer_context *c = f->context;
    c->born[value] = 0;
    if (f->spare_count == INFER_SPARE_PIECES)
        return;
    f->spare[f->spare_count].data = c->values[value].data;
    f->spare[f->spare_count++].size = infer_view_bytes(&c->values[value]);
}

static infer_status place(infer_frame *f, size_t step, const infer_op *op, infer_op_env *env,
                          const uint32_t *edges, uint32_t index) {
    infer_view *out = env->out[index];
    const size_t bytes = infer_view_bytes(out);
    if (bytes < SMALL || out->type == INFER_TYPE_STRING) {
        out->data = env->alloc(env, bytes);
        return out->data ? INFER_OK : INFER_ERROR_MEMORY;
    }
    if ((index || !move_in(f, step, op, env, edges)) && !(out->data = take_spare(f, bytes)) &&
        !(out->data = env->alloc(env, bytes)))
        return INFER_ERROR_MEMORY;
    f->context->born[edges[env->in_count + index]] = f->runs;
    return INFER_OK;
}

static void leave(infer_frame *f, size_t step, const uint32_t *edges, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (is_over(f, step, edges[i]))
            leave_spare(f, edges[i]);
}

/* Outputs whose extents only the operator can know are placed by it. */
infer_status infer_run_dynamic(infer_frame *f, size_t step) {
    infer_context *c = f->context;
    const infer_op *op = c->program->steps[step].op;
    infer_op_env *env = &c->envs[step];
    const uint32_t *edges = c->model->image.edges + c->program->steps[step].node->edges;
    const bool places = op->flags & INFER_OP_PLACES;
    INFER_TRY(infer_op_infer(op, env));
    for (uint32_t i = 0; i < env->out_count; i++) {
        infer_view *out = env->out[i];
        if (!out || out->kind != INFER_KIND_TENSOR || (places && !infer_view_concrete(out)))
            continue;
        if (!infer_view_concrete(out))
            return infer_fail(INFER_ERROR_SHAPE, "output %u: the shape cannot be determined", i);
        INFER_TRY(place(f, step, op, env, edges, i));
    }
    if (env->scratch_size && !(env->scratch = infer_arena_alloc(&f->dynamic, env->scratch_size)))
        return INFER_ERROR_MEMORY;
    INFER_TRY(op->run(env));
    leave(f, step, edges, env->in_count + env->out_count);
    return INFER_OK;
}
