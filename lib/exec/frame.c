/* Frames: what one graph of a model needs to run, and how a node runs its bodies. */
#define _DEFAULT_SOURCE /* getentropy */
#include "engine.h"
#include "status.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- what a step's env offers ---- */

void *infer_frame_alloc(infer_op_env *env, size_t size) {
    infer_frame *f = env->owner;
    return infer_arena_alloc(&f->dynamic, size ? size : 1);
}

void infer_frame_parallel(infer_op_env *env, size_t parts, size_t worth, infer_work *work,
                          void *arg) {
    infer_pool_run(((infer_frame *)env->owner)->context->pool, parts, worth, work, arg);
}

/* Asked of the system each time: a copy of the process, by fork or from a snapshot, draws other
 * numbers than this one. */
uint64_t infer_frame_entropy(infer_op_env *env) {
    uint64_t drawn;
    (void)env;
    if (getentropy(&drawn, sizeof drawn) != 0) { /* a system without: what differs at least */
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        drawn = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    return drawn;
}

bool infer_frame_port(infer_op_env *env, uint32_t graph, bool output, uint32_t index,
                      infer_view *view) {
    const infer_context *c = ((infer_frame *)env->owner)->context;
    const infer_image *m = &c->model->image;
    const infer_subgraph *g = &c->program->graphs[graph];
    if (index >= (output ? g->out_count : g->in_count))
        return false;
    const infer_image_value *v = &m->values[(output ? g->outputs : g->inputs)[index]];
    *view = (infer_view){.kind = v->kind,
                         .type = v->type,
                         .member = v->member,
                         .value_type = v->value_type,
                         .rank = v->rank};
    for (int32_t i = 0; i < v->rank; i++)
        view->dim[i] = m->extents[v->extents + (uint32_t)i];
    return true;
}

/* ---- running ---- */

infer_status infer_run_frame(infer_frame *f) {
    INFER_TRY(infer_plan_for_inputs(f, INFER_PLAN_RUN));
    return infer_execute(f);
}

static void *arena_alloc(infer_op_env *env, size_t size) {
    return infer_arena_alloc(env->owner, size ? size : 1);
}

infer_status infer_keep(infer_arena *arena, const infer_view *from, infer_view *to) {
    infer_op_env env = {.alloc = arena_alloc, .owner = arena};
    return infer_view_copy(&env, from, to);
}

/* Opening has made sure that the graph is there, lies behind the caller's and is nobody else's. */
infer_status infer_frame_call(infer_op_env *env, uint32_t graph, const infer_view *const *in,
                              uint32_t in_count, infer_view *out, uint32_t out_count, bool keep) {
    infer_context *c = ((infer_frame *)env->owner)->context;
    const infer_subgraph *g = &c->program->graphs[graph];
    infer_frame *f = &c->frames[graph];
    if (in_count != g->in_count || out_count != g->out_count)
        return infer_fail(INFER_ERROR_FORMAT,
                          "the body takes %u inputs and gives %u outputs, not "
                          "%u and %u",
                          g->in_count, g->out_count, in_count, out_count);
    if (c->calls-- == 0) {
        c->calls = 0;
        return infer_fail(INFER_ERROR_LIMIT, "loops run more than %llu times",
                          (unsigned long long)c->model->options.iteration_limit);
    }
    infer_arena_reset(&f->dynamic);
    for (uint32_t i = 0; i < in_count; i++) {
        if (!in[i])
            return infer_fail(INFER_ERROR_VALUE, "input %u of the body is missing", i);
        c->values[g->inputs[i]] = *in[i];
    }
    INFER_TRY(infer_run_frame(f));
    if (!keep) {
        for (uint32_t i = 0; i < out_count; i++)
            out[i] = c->values[g->outputs[i]];
        return INFER_OK;
    }
    infer_arena *results = &f->results[f->turn ^= 1];
    infer_arena_reset(results);
    for (uint32_t i = 0; i < out_count; i++)
        INFER_TRY(infer_keep(results, &c->values[g->outputs[i]], &out[i]));
    return INFER_OK;
}
