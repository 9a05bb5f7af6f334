/* Constants that are not there yet: floats that lie unaligned in the model, and what packing makes
 * of others. Most are wanted by the image alone and made where they lie in it, so that weights are
 * read once and written once. */
#include "ir.h"
#include "status.h"

#include <string.h>

#define LEAST   4096 /* bytes: fewer are made at once */
#define MOST_IN 2    /* inputs of a recipe */

static bool is_large(const infer_view *v) {
    return v && infer_view_concrete(v) && infer_view_bytes(v) >= LEAST;
}

bool infer_graph_is_loose(const infer_view *v) {
    return v->type == INFER_TYPE_FLOAT && (uintptr_t)v->data % sizeof(float) != 0;
}

bool infer_graph_defer(infer_graph *g, graph_node *n) {
    if (!(n->op->flags & INFER_OP_PACKS) || n->in_count > MOST_IN || n->out_count != 1 ||
        n->out[0] == INFER_NO_VALUE || !is_large(&g->values[n->out[0]].view))
        return false;
    g->values[n->out[0]].recipe = n;
    g->values[n->out[0]].constant = true;
    return true;
}

const void *infer_graph_elements(infer_graph *g, uint32_t value) {
    const graph_value *v = &g->values[infer_graph_resolve(g, value)];
    if (!v->constant || (v->recipe && infer_graph_want(g, value) != INFER_OK))
        return NULL;
    return v->view.data ? v->view.data : v->source;
}

static infer_status follow(infer_graph *g, graph_node *n, void *to) {
    infer_op_env env;
    infer_view in[MOST_IN], out = g->values[n->out[0]].view, *outs[] = {&out};
    const infer_view *ins[MOST_IN];
    INFER_TRY(infer_graph_env(g, n, &env));
    for (uint32_t i = 0; i < n->in_count; i++) {
        if (n->in[i] != INFER_NO_VALUE) {
            in[i] = *env.in[i];
            if (!(in[i].data = (void *)infer_graph_elements(g, n->in[i])))
                return infer_graph_status(g, INFER_ERROR_MEMORY);
        }
        ins[i] = n->in[i] == INFER_NO_VALUE ? NULL : &in[i];
    }
    out.data = to;
    env.in = ins;
    env.out = outs;
    return n->op->run(&env);
}

infer_status infer_graph_put(infer_graph *g, uint32_t value, void *to) {
    const graph_value *v = &g->values[value];
    if (v->recipe)
        return follow(g, v->recipe, to);
    size_t bytes = infer_view_bytes(&v->view);
    if (bytes)
        memcpy(to, v->view.data ? v->view.data : v->source, bytes);
    return INFER_OK;
}

infer_status infer_graph_want(infer_graph *g, uint32_t value) {
    value = infer_graph_resolve(g, value);
    if (value == INFER_NO_VALUE || (!g->values[value].source && !g->values[value].recipe))
        return INFER_OK;
    void *data = infer_arena_block(&g->arena, infer_view_bytes(&g->values[value].view));
    if (!data)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    INFER_TRY(infer_graph_put(g, value, data));
    graph_value *v = &g->values[value];
    v->view.data = data;
    v->owned = true;
    v->source = NULL;
    v->recipe = NULL;
    return INFER_OK;
}

infer_status infer_graph_pack(infer_graph *g, const graph_node *like, const char *op,
                              const uint32_t *in, uint32_t in_count, const infer_attr *attrs,
                              size_t attr_count, uint32_t *value) {
    infer_view unknown = {.rank = -1};
    graph_node *n = infer_arena_array(&g->arena, 1, sizeof *n);
    if (!n)
        return INFER_ERROR_MEMORY;
    *n = (graph_node){.op = infer_op_find("infer", op),
                      .name = like->name,
                      .in = infer_arena_array(&g->arena, in_count, sizeof *n->in),
                      .out = infer_arena_array(&g->arena, 1, sizeof *n->out),
                      .attrs = infer_arena_array(&g->arena, attr_count, sizeof *n->attrs),
                      .in_count = in_count,
                      .in_room = in_count,
                      .out_count = 1,
                      .attr_room = attr_count};
    if (!n->in || !n->out || !n->attrs)
        return INFER_ERROR_MEMORY;
    n->version = n->op->newest;
    memcpy(n->in, in, in_count * sizeof *in);
    for (size_t i = 0; i < attr_count; i++)
        INFER_TRY(infer_graph_add_attr(g, n, &attrs[i]));
    INFER_TRY(infer_graph_new_value(g, "", &unknown, false, &n->out[0]));
    INFER_TRY(infer_graph_add_node(g, n));
    *value = infer_graph_resolve(g, n->out[0]);
    return INFER_OK;
}
