/*
 * Planning what bodies give: a node whose condition is known has the outputs of its branch, one
 * whose branches give the same shapes has these.
 */
#include "control.h"
#include "engine.h"
#include "status.h"

bool infer_all_concrete(infer_view *const *views, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (views[i] && !infer_view_concrete(views[i]))
            return false;
    return true;
}

/* What a planned body gives as a value: data where they are known, rank -1 where the shape is not.
 */
static infer_view body_gives(const infer_context *c, const infer_subgraph *g, uint32_t value) {
    const infer_image *m = &c->model->image;
    infer_view v = c->values[value];
    for (uint32_t i = g->first; i < g->end; i++) {
        const infer_image_node *n = c->program->steps[i].node;
        const uint32_t *out = m->edges + n->edges + n->in_count;
        for (uint32_t o = 0; o < n->out_count; o++) {
            if (out[o] != value)
                continue;
            v.rank = c->state[i] == INFER_STEP_DYNAMIC ? -1 : v.rank;
            v.data = c->state[i] == INFER_STEP_FOLDED ? v.data : NULL;
            return v;
        }
    }
    return v; /* an input or a constant */
}

/* Plans a body for its node's inputs, and finds what it gives. */
static infer_status ask_body(infer_frame *f, const infer_op_env *env, const infer_body *b,
                             uint32_t first, infer_plan_use use, infer_view *gives) {
    infer_context *c = f->context;
    const infer_subgraph *g = &c->program->graphs[b->graph];
    if (g->in_count != b->captures || env->out_count != g->out_count)
        return infer_fail(INFER_ERROR_FORMAT, "the body has other inputs and outputs");
    for (uint32_t i = 0; i < g->in_count; i++) {
        if (!env->in[first + i])
            return infer_fail(INFER_ERROR_VALUE, "input %u of the body is missing", i);
        c->values[g->inputs[i]] = *env->in[first + i];
    }
    INFER_TRY(infer_plan_for_inputs(&c->frames[b->graph], use));
    for (uint32_t i = 0; i < env->out_count; i++)
        gives[i] = body_gives(c, g, g->outputs[i]);
    return INFER_OK;
}

/* Whether a step behind this one reads an output of it. */
static bool is_read(const infer_frame *f, uint32_t step) {
    const infer_program *all = f->context->program;
    const infer_image *m = &f->context->model->image;
    const infer_image_node *n = all->steps[step].node;
    const uint32_t *out = m->edges + n->edges + n->in_count;
    for (uint32_t i = step + 1; i < all->graphs[f->graph].end; i++) {
        const infer_image_node *reader = all->steps[i].node;
        for (uint32_t e = 0; e < reader->in_count; e++)
            for (uint32_t o = 0; o < n->out_count; o++)
                if (out[o] != INFER_IMAGE_NONE && m->edges[reader->edges + e] == out[o])
                    return true;
    }
    return false;
}

/* Joins what bodies give. One that cannot be planned gives nothing: its run would fail alike, and
 * says why. */
static infer_status ask_bodies(infer_frame *f, const infer_op *op, const infer_op_env *env,
                               infer_plan_use use, infer_view *joined, bool *any) {
    infer_view *gives = infer_arena_array(&f->planned, env->out_count, sizeof *gives);
    infer_body body;
    uint32_t first;
    *any = false;
    if (!gives)
        return INFER_ERROR_MEMORY;
    for (uint32_t k = 0; op->gives(env, k, &body, &first); k++) {
        infer_status status = ask_body(f, env, &body, first, use, gives);
        if (status == INFER_ERROR_MEMORY)
            return status;
        if (status != INFER_OK)
            continue;
        for (uint32_t i = 0; i < env->out_count; i++) {
            if (*any)
                infer_merge_shape(&gives[i], &joined[i]);
            joined[i] = gives[i];
        }
        *any = true;
    }
    return INFER_OK;
}

/* Outputs that bodies give have the shapes that these plan for them, and the data where it is sure
 * which one runs. */
infer_status infer_ask_bodies(infer_frame *f, uint32_t step, infer_plan_use wanted) {
    infer_op_env *env = &f->context->envs[step];
    const infer_op *op = f->context->program->steps[step].op;
    infer_body second;
    uint32_t first;
    bool is_sure = !op->gives(env, 1, &second, &first), any = false;
    infer_plan_use use =
        is_sure && wanted != INFER_PLAN_SHAPES ? INFER_PLAN_AHEAD : INFER_PLAN_SHAPES;
    if (!is_sure && (infer_all_concrete(env->out, env->out_count) || !is_read(f, step)))
        return INFER_OK;
    infer_view *joined = infer_arena_array(&f->planned, env->out_count, sizeof *joined);
    if (!joined)
        return INFER_ERROR_MEMORY;
    infer_status status = ask_bodies(f, op, env, use, joined, &any);
    if (status == INFER_ERROR_MEMORY && !is_sure) {
        f->context->budget.refused = 0;
        return INFER_OK; /* the body need not be run */
    }
    for (uint32_t i = 0; any && i < env->out_count; i++) {
        infer_view *out = env->out[i], *v = &joined[i];
        if (!out || v->kind != INFER_KIND_TENSOR || v->kind != out->kind || v->type != out->type ||
            v->type == INFER_TYPE_STRING || !infer_view_concrete(v))
            continue;
        *out = *v;
        out->data = is_sure ? v->data : NULL;
    }
    return status;
}
