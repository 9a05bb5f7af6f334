/* An elementwise operator whose inputs are all transposed the same way is done before, and its
 * result is transposed: once, and what comes before may stay in blocks. */
#include "uses.h"

#include "status.h"

#include <string.h>

static bool joins_elements(const graph_node *n) {
    static const char *const names[] = {"Add", "Div", "Max", "Mean", "Min", "Mul", "Sub", "Sum"};
    bool joins = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        joins = joins || infer_graph_is_op(n, "", names[i]);
    return joins && n->in_count > 1 && n->out[0] != INFER_NO_VALUE;
}

/* The Transpose that makes an input of n for nobody else; its order is *perm, if that is given. */
static graph_node *transposed(const infer_graph *g, const graph_uses *u, const graph_node *n,
                              uint32_t input, const infer_attr *perm) {
    graph_node *t = infer_graph_maker(g, u, n->in[input], "Transpose");
    const infer_attr *p = t ? infer_graph_find_attr(t, "perm") : NULL;
    const infer_view *y = infer_graph_view(g, n->out[0]);
    if (!p || infer_graph_sole_reader(u, t) != n || y->rank < 0 || p->count != (size_t)y->rank ||
        infer_graph_view(g, t->out[0])->rank != y->rank ||
        (perm && memcmp(perm->data, p->data, p->count * sizeof(int64_t)) != 0))
        return NULL;
    return t;
}

/* The node at place i and the last of its Transposes change places. */
static infer_status sink(infer_graph *g, graph_uses *u, size_t i) {
    graph_node **nodes = g->now->nodes, *n = nodes[i], *last = NULL;
    const graph_node *first = transposed(g, u, n, 0, NULL);
    const infer_attr *perm = first ? infer_graph_find_attr(first, "perm") : NULL;
    size_t at = i;
    for (uint32_t e = 0; perm && e < n->in_count; e++)
        if (!transposed(g, u, n, e, perm))
            return INFER_OK;
    while (perm && !last && at-- > 0)
        for (uint32_t e = 0; e < n->in_count; e++)
            if (nodes[at] == transposed(g, u, n, e, perm))
                last = nodes[at];
    if (!last)
        return INFER_OK;
    const infer_view *y = infer_graph_view(g, n->out[0]);
    infer_view before = *y;
    for (int32_t k = 0; k < y->rank; k++)
        before.dim[((const int64_t *)perm->data)[k]] = y->dim[k];
    uint32_t value;
    INFER_TRY(infer_graph_new_value(g, "", &before, false, &value));
    for (uint32_t e = 0; e < n->in_count; e++) {
        graph_node *t = transposed(g, u, n, e, perm);
        n->in[e] = t->in[0];
    }
    last->in[0] = value;
    last->out[0] = n->out[0];
    u->maker[last->out[0]] = last;
    n->out[0] = value;
    nodes[at] = n;
    nodes[i] = last;
    return INFER_OK;
}

infer_status infer_graph_sink_transposes(infer_graph *g) {
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < g->now->node_count; i++)
        if (joins_elements(g->now->nodes[i]))
            INFER_TRY(sink(g, &u, i));
    return INFER_OK;
}
