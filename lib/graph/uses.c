/* What passes ask of a graph: who reads a value, what constants hold. */
#include "uses.h"

#include "status.h"

#include <string.h>

infer_status infer_graph_uses(infer_graph *g, graph_uses *u) {
    const graph_body *b = g->now;
    u->reads = infer_arena_array(&g->scratch, g->value_count, sizeof *u->reads);
    u->reader = infer_arena_array(&g->scratch, g->value_count, sizeof(graph_node *));
    u->maker = infer_arena_array(&g->scratch, g->value_count, sizeof(graph_node *));
    u->count = g->value_count;
    if (!u->reads || !u->reader || !u->maker)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < b->node_count; i++) {
        graph_node *n = b->nodes[i];
        for (uint32_t e = 0; !n->dead && e < n->in_count; e++) {
            uint32_t v = infer_graph_resolve(g, n->in[e]);
            if (v == INFER_NO_VALUE)
                continue;
            u->reads[v]++;
            u->reader[v] = n;
        }
        for (uint32_t o = 0; !n->dead && o < n->out_count; o++)
            if (n->out[o] != INFER_NO_VALUE)
                u->maker[n->out[o]] = n;
    }
    for (size_t i = 0; i < b->output_count; i++)
        u->reads[infer_graph_resolve(g, b->outputs[i])] += 2;
    return INFER_OK;
}

graph_node *infer_graph_sole_reader(const graph_uses *u, const graph_node *n) {
    uint32_t v = n->out[0];
    return v != INFER_NO_VALUE && u->reads[v] == 1 ? u->reader[v] : NULL;
}

graph_node *infer_graph_maker(const infer_graph *g, const graph_uses *u, uint32_t value,
                              const char *op) {
    uint32_t v = infer_graph_resolve(g, value);
    graph_node *n = v < u->count ? u->maker[v] : NULL;
    return infer_graph_is_op(n, "", op) ? n : NULL;
}

void infer_graph_absorb(graph_uses *u, graph_node *n, graph_node *to) {
    u->reads[n->out[0]] = 0;
    n->out[0] = to->out[0];
    to->dead = true;
}

bool infer_graph_are_floats(const infer_graph *g, uint32_t value, infer_view *view) {
    uint32_t v = infer_graph_resolve(g, value);
    if (v == INFER_NO_VALUE || !g->values[v].constant ||
        g->values[v].view.kind != INFER_KIND_TENSOR || g->values[v].view.type != INFER_TYPE_FLOAT)
        return false;
    *view = g->values[v].view;
    return true;
}

const float *infer_graph_floats(infer_graph *g, uint32_t value, infer_view *view) {
    if (!infer_graph_are_floats(g, value, view) || infer_graph_want(g, value) != INFER_OK)
        return NULL;
    *view = *infer_graph_view(g, value);
    return view->data;
}

infer_status infer_graph_room(infer_graph *g, const infer_view *shape, uint32_t *value,
                              float **data) {
    infer_view view = *shape;
    view.data = NULL;
    INFER_TRY(infer_graph_constant(g, "", &view, false, value));
    size_t bytes = infer_view_bytes(&view);
    if (!(*data = infer_arena_block(&g->arena, bytes)))
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    memset(*data, 0, bytes);
    g->values[*value].view.data = *data;
    g->values[*value].owned = true;
    return INFER_OK;
}

bool infer_graph_channels(infer_graph *g, uint32_t value, int32_t rank, int64_t channels,
                          float *to) {
    infer_view v;
    const float *from = infer_graph_floats(g, value, &v);
    if (!from || v.rank > rank)
        return false;
    int64_t count = infer_view_count(&v);
    if (count != 1 && (count != channels || v.rank < rank - 1 || v.dim[v.rank - rank + 1] != count))
        return false;
    for (int64_t i = 0; i < channels; i++)
        to[i] = from[count == 1 ? 0 : i];
    return true;
}

bool infer_graph_is_among(const char *name, const char *names) {
    const size_t size = strlen(name);
    for (const char *at = names; (at = strstr(at, name)); at++)
        if (at[-1] == ' ' && at[size] == ' ')
            return true;
    return false;
}
