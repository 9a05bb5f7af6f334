/* A gated value that is added to itself, x + x * g, becomes x * (g + 1), g having one number for
 * each channel or row: a walk over the smaller one takes the place of one over the larger. */
#include "uses.h"

#include "status.h"

/* Whether g, of x's rank, is one number where x has rows and columns. */
static bool is_gate(const infer_view *x, const infer_view *g) {
    bool gate = x->kind == INFER_KIND_TENSOR && x->type == INFER_TYPE_FLOAT && x->rank > 2 &&
                g->kind == INFER_KIND_TENSOR && g->type == INFER_TYPE_FLOAT && g->rank == x->rank;
    for (int32_t i = 2; gate && i < x->rank; i++)
        gate = g->dim[i] == 1 && x->dim[i] != 1;
    return gate;
}

static infer_status fuse(infer_graph *g, graph_uses *u, graph_node *mul) {
    graph_node *add = infer_graph_sole_reader(u, mul);
    infer_view number = {.type = INFER_TYPE_FLOAT};
    if (!infer_graph_is_op(add, "", "Add"))
        return INFER_OK;
    uint32_t out = mul->out[0], one;
    uint32_t x = infer_graph_resolve(g, add->in[infer_graph_resolve(g, add->in[0]) == out]);
    uint32_t at = infer_graph_resolve(g, mul->in[0]) == x;
    uint32_t gate = infer_graph_resolve(g, mul->in[at]);
    if (infer_graph_resolve(g, mul->in[1 - at]) != x || g->values[gate].constant ||
        !is_gate(infer_graph_view(g, x), infer_graph_view(g, gate)))
        return INFER_OK;
    float *to;
    INFER_TRY(infer_graph_room(g, &number, &one, &to));
    *to = 1;
    const infer_op *product = mul->op;
    mul->op = add->op;
    mul->in[0] = gate;
    mul->in[1] = one;
    g->values[out].view = *infer_graph_view(g, gate);
    add->op = product;
    add->in[0] = x;
    add->in[1] = out;
    return INFER_OK;
}

infer_status infer_graph_fuse_gates(infer_graph *g) {
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < g->now->node_count; i++)
        if (infer_graph_is_op(g->now->nodes[i], "", "Mul") &&
            g->now->nodes[i]->out[0] != INFER_NO_VALUE)
            INFER_TRY(fuse(g, &u, g->now->nodes[i]));
    return INFER_OK;
}
