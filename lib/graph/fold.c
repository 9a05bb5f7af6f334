/* Nodes of constants: their outputs are constants, too, computed now, or where they lie in others.
 */
#include "ir.h"

#include "axes.h"
#include "status.h"
#include "uses.h"

#include <string.h>

static void *fold_alloc(infer_op_env *env, size_t size) {
    infer_graph *g = env->owner;
    return infer_arena_alloc(&g->arena, size ? size : 1);
}

static bool all_constant(const infer_graph *g, const graph_node *n, const infer_op_env *env) {
    bool shape_only = n->op->flags & INFER_OP_READS_SHAPE;
    if (n->op->flags & (INFER_OP_IMPURE | INFER_OP_BODIES))
        return false;
    for (uint32_t i = 0; i < n->in_count; i++) {
        if (n->in[i] == INFER_NO_VALUE)
            continue;
        if (shape_only ? !infer_view_concrete(env->in[i])
                       : !g->values[infer_graph_resolve(g, n->in[i])].constant)
            return false;
    }
    bool places = n->op->flags & INFER_OP_PLACES;
    for (uint32_t i = 0; i < n->out_count; i++)
        if (env->out[i] && (env->out[i]->kind != INFER_KIND_TENSOR ||
                            (!places && !infer_view_concrete(env->out[i]))))
            return false;
    return true;
}

/* ---- constants within others ---- */

/* The first row of a Slice that takes rows one after the other, or -1. */
static int64_t first_row(const infer_op_env *env) {
    enum { STARTS = 1, AXES = 3, STEPS };
    const infer_view *x = env->in[0], *axes = infer_input(env, AXES),
                     *steps = infer_input(env, STEPS);
    if (infer_view_count(env->in[STARTS]) != 1 || x->rank < 1 ||
        (axes && infer_index(axes, 0) != 0) || (steps && infer_index(steps, 0) != 1))
        return -1;
    int64_t start = infer_index(env->in[STARTS], 0);
    start += start < 0 ? x->dim[0] : 0;
    return start < 0 ? 0 : start < x->dim[0] ? start : x->dim[0];
}

/* Whether elements can be read as long as the graph is there, from any of them on. */
static bool lasts(const infer_graph *g, const graph_value *v) {
    return v->source || (!v->owned && g->stays &&
                         g->stays(g->release_owner, v->view.data, infer_view_bytes(&v->view)));
}

/* Another shape is the same memory, and so are rows of what lies in the model's file. */
static bool lies_within(infer_graph *g, const graph_node *n, const infer_op_env *env) {
    if (n->out_count != 1 || n->out[0] == INFER_NO_VALUE || n->in_count == 0 ||
        n->in[0] == INFER_NO_VALUE)
        return false;
    graph_value *out = &g->values[n->out[0]];
    const graph_value *in = &g->values[infer_graph_resolve(g, n->in[0])];
    const bool rows = infer_graph_is_op(n, "", "Slice");
    if (!in->constant || in->recipe || in->view.kind != INFER_KIND_TENSOR ||
        in->view.type == INFER_TYPE_STRING || !infer_view_concrete(&out->view) ||
        (!rows && !(n->op->flags & INFER_OP_ALIAS)))
        return false;
    const char *data = in->source ? in->source : in->view.data;
    if (rows) {
        const int64_t row = first_row(env);
        const size_t bytes = infer_view_bytes(&in->view);
        if (row < 0 || bytes == 0 || bytes % (size_t)in->view.dim[0] != 0 || !lasts(g, in))
            return false;
        data += bytes / (size_t)in->view.dim[0] * (size_t)row;
    }
    out->constant = true;
    out->owned = in->owned;
    out->view.data = in->source ? NULL : (void *)data;
    out->source = in->source ? data : NULL;
    return true;
}

/* ---- computing ---- */

/* An input's elements: what lies at any address is copied for as long as the node runs. */
static infer_status lend(infer_graph *g, uint32_t value) {
    graph_value *v = &g->values[infer_graph_resolve(g, value)];
    const size_t bytes = infer_view_bytes(&v->view);
    if (!v->source)
        return infer_graph_want(g, value);
    if (v->view.data)
        return INFER_OK; /* the node reads it twice */
    if (!(v->view.data = infer_alloc(&g->allocator, bytes)))
        return INFER_ERROR_MEMORY;
    if (bytes)
        memcpy(v->view.data, v->source, bytes);
    infer_graph_let_go(g, value);
    return INFER_OK;
}

static void take_back(infer_graph *g, uint32_t value) {
    graph_value *v = &g->values[infer_graph_resolve(g, value)];
    if (!v->source)
        return;
    infer_dealloc(&g->allocator, v->view.data, infer_view_bytes(&v->view));
    v->view.data = NULL;
}

static infer_status run(infer_graph *g, graph_node *n, infer_op_env *env, uint64_t *blocks) {
    for (uint32_t i = 0; i < n->in_count; i++)
        if (n->in[i] != INFER_NO_VALUE)
            INFER_TRY(lend(g, n->in[i]));
    for (uint32_t i = 0; i < n->out_count; i++) {
        if (!env->out[i] || !infer_view_concrete(env->out[i]))
            continue;
        size_t bytes = infer_view_bytes(env->out[i]);
        if (!(env->out[i]->data = infer_arena_block(&g->arena, bytes ? bytes : 1)))
            return INFER_ERROR_MEMORY;
        *blocks |= i < 64 ? UINT64_C(1) << i : 0;
    }
    if (env->scratch_size && !(env->scratch = infer_arena_block(&g->arena, env->scratch_size)))
        return INFER_ERROR_MEMORY;
    INFER_TRY(n->op->run(env));
    if (env->scratch_size)
        infer_arena_release(&g->arena, env->scratch, env->scratch_size);
    return INFER_OK;
}

static infer_status compute(infer_graph *g, graph_node *n, infer_op_env *env) {
    uint64_t blocks = 0;
    if (infer_graph_defer(g, n))
        return INFER_OK;
    env->alloc = fold_alloc;
    env->owner = g;
    infer_status status = run(g, n, env, &blocks);
    for (uint32_t i = 0; i < n->in_count; i++)
        if (n->in[i] != INFER_NO_VALUE)
            take_back(g, n->in[i]);
    for (uint32_t i = 0; status == INFER_OK && i < n->out_count; i++) {
        if (n->out[i] == INFER_NO_VALUE)
            continue;
        /* What was placed while running is no block, and lives as long as the graph. */
        g->values[n->out[i]].constant = true;
        g->values[n->out[i]].owned = blocks >> i & 1;
    }
    return status;
}

/* Weights in another form, and the like: not to be computed, nor stored, once more. */
static bool is_worth_keeping(const infer_op_env *env) {
    const infer_view *out = env->out_count ? env->out[0] : NULL;
    return out && infer_view_concrete(out) && infer_view_bytes(out) >= 4096;
}

infer_status infer_graph_fold(infer_graph *g, graph_node *n, infer_op_env *env, bool *done) {
    *done = false;
    if (!all_constant(g, n, env))
        return INFER_OK;
    *done = lies_within(g, n, env) || (is_worth_keeping(env) && infer_graph_was_computed(g, n));
    infer_status status = *done ? INFER_OK : compute(g, n, env);
    *done = status == INFER_OK;
    return status;
}
