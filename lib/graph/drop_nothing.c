/* Nodes that give what they are given go: Identity, Dropout that does not train, Cast to the type
 * that is there, Concat and Sum of one. Between convolutions they would end a run of blocks. */
#include "uses.h"

#include "status.h"

static bool is_false(const infer_graph *g, uint32_t value) {
    const infer_view *v = infer_graph_view(g, value);
    return v->type == INFER_TYPE_BOOL && v->data && infer_view_count(v) == 1 &&
           !*(const uint8_t *)v->data;
}

static bool is_nothing(const infer_graph *g, const graph_uses *u, const graph_node *n) {
    static const char *const of_one[] = {"Concat", "Sum", "Max", "Min", "Mean"};
    if (n->in_count == 0 || n->in[0] == INFER_NO_VALUE)
        return false;
    for (uint32_t o = 1; o < n->out_count; o++)
        if (n->out[o] != INFER_NO_VALUE && u->reads[n->out[o]])
            return false;
    for (size_t i = 0; i < sizeof of_one / sizeof *of_one; i++)
        if (infer_graph_is_op(n, "", of_one[i]))
            return n->in_count == 1;
    if (infer_graph_is_op(n, "", "Dropout"))
        return n->in_count < 3 || n->in[2] == INFER_NO_VALUE || is_false(g, n->in[2]);
    if (infer_graph_is_op(n, "", "Cast"))
        return infer_graph_view(g, n->in[0])->type == infer_graph_view(g, n->out[0])->type;
    return infer_graph_is_op(n, "", "Identity");
}

infer_status infer_graph_drop_nothing(infer_graph *g) {
    const graph_body *b = g->now;
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < b->node_count; i++) {
        graph_node *n = b->nodes[i];
        if (n->dead || n->out_count == 0 || n->out[0] == INFER_NO_VALUE || !is_nothing(g, &u, n))
            continue;
        /* What leaves the graph keeps its name, and is not the caller's own input. */
        bool leaves = false;
        for (size_t o = 0; o < b->output_count; o++)
            leaves = leaves || infer_graph_resolve(g, b->outputs[o]) == n->out[0];
        if (leaves)
            continue;
        g->values[n->out[0]].replaced_by = infer_graph_resolve(g, n->in[0]);
        n->dead = true;
    }
    return INFER_OK;
}
