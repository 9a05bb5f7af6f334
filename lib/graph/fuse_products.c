/* Fuses what follows products with packed weights into them: a bias, then an activation. */
#include "uses.h"

#include "status.h"

#include <string.h>

/* Operators that the product does on the way, as its attribute names them. */
static const struct {
    const char *op, *approximate, *name;
} activations[] = {{"Relu", NULL, "relu"},
                   {"Sigmoid", NULL, "sigmoid"},
                   {"Tanh", NULL, "tanh"},
                   {"Gelu", "none", "gelu"},
                   {"Gelu", "tanh", "gelu_tanh"}};

static bool has_bias(const graph_node *n) {
    return n->in_count > 2 && n->in[2] != INFER_NO_VALUE;
}

/* A sum with one constant row, as long as the product's. */
static infer_status fuse_bias(infer_graph *g, graph_uses *u, graph_node *n) {
    graph_node *r = infer_graph_sole_reader(u, n);
    infer_view v;
    const infer_view *y = infer_graph_view(g, n->out[0]);
    if (!infer_graph_is_op(r, "", "Add") || has_bias(n) || n->in_room < 3)
        return INFER_OK;
    uint32_t row = infer_graph_resolve(g, r->in[infer_graph_resolve(g, r->in[0]) == n->out[0]]);
    const float *data = infer_graph_floats(g, row, &v);
    if (!data || y->rank < 1 || v.rank < 1 || v.rank > y->rank || v.dim[v.rank - 1] < 0 ||
        v.dim[v.rank - 1] != y->dim[y->rank - 1] || infer_view_count(&v) != v.dim[v.rank - 1])
        return INFER_OK;
    if (v.rank > 1) {
        infer_view flat = {.type = INFER_TYPE_FLOAT, .rank = 1, .dim = {v.dim[v.rank - 1]}};
        float *copy;
        INFER_TRY(infer_graph_room(g, &flat, &row, &copy));
        memcpy(copy, data, infer_view_bytes(&flat));
    }
    n->in[2] = row;
    n->in_count = 3;
    infer_graph_absorb(u, n, r);
    return INFER_OK;
}

static infer_status fuse_activation(infer_graph *g, graph_uses *u, graph_node *n) {
    graph_node *r = infer_graph_sole_reader(u, n);
    const char *name = NULL;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (infer_graph_is_op(r, "", activations[i].op) &&
            infer_graph_approximates(r, activations[i].approximate))
            name = activations[i].name;
    if (!name || infer_graph_find_attr(n, "activation"))
        return INFER_OK;
    infer_attr a = {
        .name = "activation", .type = INFER_ATTR_STRING, .count = strlen(name), .data = name};
    INFER_TRY(infer_graph_add_attr(g, n, &a));
    infer_graph_absorb(u, n, r);
    return infer_graph_bind(g, n);
}

infer_status infer_graph_fuse_products(infer_graph *g) {
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < g->now->node_count; i++) {
        graph_node *n = g->now->nodes[i];
        if (!infer_graph_is_op(n, "infer", "MatMulPacked") ||
            infer_graph_view(g, n->out[0])->type != INFER_TYPE_FLOAT)
            continue;
        INFER_TRY(fuse_bias(g, &u, n));
        INFER_TRY(fuse_activation(g, &u, n));
    }
    return INFER_OK;
}
