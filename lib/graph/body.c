/* Bodies: the graphs inside If, Loop, Scan and their like, closed by making what they read of the
 * graph around them inputs. */
#include "ir.h"
#include "status.h"

#include <string.h>

/* ---- lists ---- */

static infer_status push(infer_graph *g, uint32_t **list, size_t *room, size_t *count,
                         uint32_t value) {
    INFER_TRY(infer_grow(&g->allocator, list, room, *count, sizeof **list));
    (*list)[(*count)++] = value;
    return INFER_OK;
}

infer_status infer_graph_add_output(infer_graph *g, graph_body *b, uint32_t value) {
    return push(g, &b->outputs, &b->output_room, &b->output_count, value);
}

infer_status infer_graph_push_node(infer_graph *g, graph_node *n) {
    graph_body *b = g->now;
    INFER_TRY(
        infer_grow(&g->allocator, &b->nodes, &b->node_room, b->node_count, sizeof(graph_node *)));
    b->nodes[b->node_count++] = n;
    for (uint32_t o = 0; o < n->out_count; o++)
        if (n->out[o] != INFER_NO_VALUE)
            g->values[n->out[o]].maker = n;
    return INFER_OK;
}

graph_node *infer_graph_made_by(const infer_graph *g, uint32_t value) {
    const uint32_t v = infer_graph_resolve(g, value);
    graph_node *n = v == INFER_NO_VALUE ? NULL : g->values[v].maker;
    bool makes = false;
    if (!n || n->dead || g->values[v].home != g->now)
        return NULL;
    for (uint32_t o = 0; o < n->out_count; o++)
        makes = makes || n->out[o] == v;
    return makes ? n : NULL;
}

static void free_body(const infer_allocator *a, graph_body *b) {
    infer_dealloc(a, b->nodes, b->node_room * sizeof(graph_node *));
    infer_dealloc(a, b->inputs, b->input_room * sizeof *b->inputs);
    infer_dealloc(a, b->captured, b->captured_room * sizeof *b->captured);
    infer_dealloc(a, b->outputs, b->output_room * sizeof *b->outputs);
}

void infer_graph_free_bodies(infer_graph *g) {
    free_body(&g->allocator, &g->main);
    for (size_t i = 0; i < g->body_count; i++)
        free_body(&g->allocator, g->bodies[i]);
    infer_dealloc(&g->allocator, g->bodies, g->body_room * sizeof(graph_body *));
}

/* ---- building ---- */

infer_status infer_graph_begin(infer_graph *g) {
    int depth = 1;
    for (const graph_body *b = g->now; b->outer; b = b->outer)
        depth++;
    if (depth > INFER_BODY_DEPTH)
        return infer_fail(INFER_ERROR_LIMIT, "graphs are nested more than %d deep",
                          INFER_BODY_DEPTH);
    graph_body *b = infer_arena_array(&g->arena, 1, sizeof *b);
    if (!b)
        return INFER_ERROR_MEMORY;
    INFER_TRY(
        infer_grow(&g->allocator, &g->bodies, &g->body_room, g->body_count, sizeof(graph_body *)));
    b->outer = g->now;
    b->number = (uint32_t)g->body_count;
    g->bodies[g->body_count++] = b;
    g->now = b;
    return INFER_OK;
}

infer_status infer_graph_body_input(infer_graph *g, const char *name, const infer_view *view,
                                    uint32_t *value) {
    graph_body *b = g->now;
    infer_view known = *view;
    known.data = NULL;
    INFER_TRY(infer_view_check(&known, true));
    INFER_TRY(infer_graph_new_value(g, name, &known, false, value));
    return push(g, &b->inputs, &b->input_room, &b->input_count, *value);
}

infer_status infer_graph_end(infer_graph *g, const uint32_t *outputs, size_t count,
                             int64_t *number) {
    graph_body *b = g->now;
    for (size_t i = 0; i < count; i++) {
        uint32_t value;
        INFER_TRY(infer_graph_local(g, outputs[i], &value));
        INFER_TRY(infer_graph_add_output(g, b, value));
    }
    *number = b->number;
    g->now = b->outer;
    return INFER_OK;
}

/* Recursion as deep as bodies nest. */
static infer_status capture(infer_graph *g, graph_body *b, uint32_t value, uint32_t *local) {
    *local = value;
    if (!b || g->values[value].home == b)
        return INFER_OK;
    uint32_t outer;
    INFER_TRY(capture(g, b->outer, value, &outer));
    size_t own = b->input_count - b->captured_count;
    for (size_t i = 0; i < b->captured_count; i++)
        if (b->captured[i] == outer) {
            *local = b->inputs[own + i];
            return INFER_OK;
        }
    infer_view view = g->values[outer].view;
    view.data = NULL;
    INFER_TRY(infer_graph_new_value(g, g->values[outer].name, &view, false, local));
    g->values[*local].home = b;
    INFER_TRY(push(g, &b->captured, &b->captured_room, &b->captured_count, outer));
    return push(g, &b->inputs, &b->input_room, &b->input_count, *local);
}

infer_status infer_graph_local(infer_graph *g, uint32_t value, uint32_t *local) {
    value = infer_graph_resolve(g, value);
    *local = value;
    if (value == INFER_NO_VALUE || g->values[value].constant)
        return INFER_OK;
    return capture(g, g->now, value, local);
}

infer_status infer_graph_add_captures(infer_graph *g, graph_node *n) {
    for (size_t i = 0; i < n->op->attr_count; i++) {
        const infer_attr *a = infer_graph_find_attr(n, n->op->attrs[i].name);
        if (n->op->attrs[i].type != INFER_ATTR_GRAPH || !a || a->type != INFER_ATTR_GRAPH)
            continue;
        const graph_body *b = g->bodies[a->i];
        size_t room = n->in_count + b->captured_count;
        uint32_t *in = infer_arena_array(&g->arena, room, sizeof *in);
        if (!in)
            return INFER_ERROR_MEMORY;
        if (n->in_count)
            memcpy(in, n->in, n->in_count * sizeof *in);
        if (b->captured_count)
            memcpy(in + n->in_count, b->captured, b->captured_count * sizeof *in);
        n->in = in;
        n->in_room = n->in_count = (uint32_t)room;
    }
    return INFER_OK;
}

infer_status infer_graph_splice(infer_graph *g, graph_body *b, const uint32_t *inputs,
                                uint32_t in_count) {
    size_t own = b->input_count - b->captured_count;
    if (own != in_count)
        return infer_fail(INFER_ERROR_FORMAT, "the body has %zu inputs and is given %u", own,
                          in_count);
    for (size_t i = 0; i < own; i++)
        g->values[b->inputs[i]].replaced_by = infer_graph_resolve(g, inputs[i]);
    for (size_t i = 0; i < b->captured_count; i++)
        g->values[b->inputs[own + i]].replaced_by = b->captured[i];
    for (size_t i = 0; i < b->node_count; i++) {
        graph_node *n = b->nodes[i];
        for (uint32_t o = 0; o < n->out_count; o++)
            if (n->out[o] != INFER_NO_VALUE)
                g->values[n->out[o]].home = g->now;
        for (size_t a = 0; a < n->attr_count; a++)
            if (n->attrs[a].type == INFER_ATTR_GRAPH)
                g->bodies[n->attrs[a].i]->outer = g->now;
        INFER_TRY(infer_graph_push_node(g, n));
    }
    b->node_count = 0;
    return INFER_OK;
}

void infer_graph_body_hint(const infer_graph *g, const char *domain, const char *op_name,
                           const uint32_t *inputs, uint32_t in_count, const char *attr,
                           uint32_t index, infer_view *view) {
    const infer_op *op = infer_op_find(domain, op_name);
    const infer_view *in[64];
    *view = (infer_view){.rank = -1};
    if (!op || !op->body_input)
        return;
    /* Further inputs than these are known by what the body says itself. */
    if (in_count > sizeof in / sizeof *in)
        in_count = sizeof in / sizeof *in;
    for (uint32_t i = 0; i < in_count; i++)
        in[i] = inputs[i] == INFER_NO_VALUE ? NULL : infer_graph_view(g, inputs[i]);
    op->body_input(in, in_count, attr, index, view);
    view->data = NULL;
}

/* ---- which are called ---- */

infer_status infer_graph_live(infer_graph *g, graph_body ***bodies, size_t *count) {
    graph_body **list = infer_arena_array(&g->arena, g->body_count + 1, sizeof(graph_body *));
    if (!list)
        return INFER_ERROR_MEMORY;
    size_t n = 0;
    list[n++] = &g->main;
    for (size_t at = 0; at < n; at++)
        for (size_t i = 0; i < list[at]->node_count; i++) {
            const graph_node *node = list[at]->nodes[i];
            for (size_t a = 0; a < node->attr_count; a++)
                if (node->attrs[a].type == INFER_ATTR_GRAPH && n <= g->body_count)
                    list[n++] = g->bodies[node->attrs[a].i];
        }
    *bodies = list;
    *count = n;
    return INFER_OK;
}
