/* Running: the steps of a planned context, one after the other. */
#define _POSIX_C_SOURCE 200809L
#include "clock.h"
#include "engine.h"
#include "status.h"

#include <string.h>

void infer_make_envs(infer_frame *f) {
    infer_context *c = f->context;
    const infer_image *m = &c->model->image;
    const infer_subgraph *g = &c->program->graphs[f->graph];
    for (uint32_t i = g->first; i < g->end; i++) {
        const infer_step *s = &c->program->steps[i];
        infer_view **edges = c->edges + s->node->edges;
        c->envs[i] = (infer_op_env){.params = s->params,
                                    .blob = m->blob,
                                    .blob_size = (size_t)m->header->blob.count,
                                    .in_count = s->node->in_count,
                                    .out_count = s->node->out_count,
                                    .in = (const infer_view *const *)edges,
                                    .out = edges + s->node->in_count,
                                    .kernels = &c->program->kernels,
                                    .workers = c->workers,
                                    .part_cost = c->part_cost,
                                    .parallel = infer_frame_parallel,
                                    .alloc = infer_frame_alloc,
                                    .entropy = infer_frame_entropy,
                                    .body_port = infer_frame_port,
                                    .call = infer_frame_call,
                                    .owner = f};
    }
}

void infer_lend_scratch(infer_frame *f) {
    const infer_subgraph *g = &f->context->program->graphs[f->graph];
    for (uint32_t i = g->first; i < g->end; i++)
        f->context->envs[i].scratch = f->memory + f->scratch_offset;
}

infer_status infer_step_failed(const infer_context *c, size_t step, infer_status status) {
    const infer_image *m = &c->model->image;
    const infer_image_node *n = c->program->steps[step].node;
    return infer_fail_within(status, "node %s (%s%s%s)", infer_image_chars(m, n->name),
                             infer_image_chars(m, n->domain), n->domain.size ? "." : "",
                             infer_image_chars(m, n->op));
}

static infer_status run_step(infer_frame *f, size_t step) {
    infer_context *c = f->context;
    const infer_op *op = c->program->steps[step].op;
    infer_op_env *env = &c->envs[step];
    switch ((infer_step_state)c->state[step]) {
    case INFER_STEP_PLANNED:
        return op->run(env);
    case INFER_STEP_ALIAS:
        env->out[0]->data = env->in[0]->data;
        c->born[c->model->image.edges[c->program->steps[step].node->edges]] = 0; /* shared */
        return INFER_OK;
    case INFER_STEP_FOLDED:
        return INFER_OK;
    case INFER_STEP_DYNAMIC:
        break;
    }
    return infer_run_dynamic(f, step);
}

infer_status infer_execute(infer_frame *f) {
    infer_context *c = f->context;
    const infer_subgraph *g = &c->program->graphs[f->graph];
    f->runs++;
    f->spare_count = 0;
    for (size_t i = g->first; i < g->end; i++) {
        uint64_t start = c->observer ? infer_now_ns() : 0;
        infer_status status = run_step(f, i);
        if (status != INFER_OK)
            return infer_step_failed(c, i, status);
        if (c->observer && c->state[i] != INFER_STEP_FOLDED)
            c->observer(c->observer_user, i, infer_now_ns() - start); /* a node for each step */
    }
    return INFER_OK;
}
