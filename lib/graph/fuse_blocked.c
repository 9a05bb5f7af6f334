/* Fuses what follows nodes in blocks into them: what is added to a convolution's result, then the
 * bounds that an activation clips it to. */
#include "uses.h"

#include "status.h"

#include <math.h>
#include <string.h>

static bool is_clipped(const graph_node *n) {
    return infer_graph_find_attr(n, "low") || infer_graph_find_attr(n, "high");
}

static infer_status set_bound(infer_graph *g, graph_node *n, const char *name, float f) {
    infer_attr a = {.name = name, .type = INFER_ATTR_FLOAT, .f = f};
    if (n->attr_count == n->attr_room)
        return infer_fail(INFER_ERROR_LIMIT, "no room for another attribute");
    return infer_graph_copy_attr(g, &a, false, &n->attrs[n->attr_count++]);
}

/* A bound of Clip: absent, or one constant number. */
static bool read_bound(const infer_graph *g, const graph_node *n, uint32_t index, float *f) {
    infer_view v;
    if (index >= n->in_count || n->in[index] == INFER_NO_VALUE)
        return true;
    const float *data = infer_graph_floats(g, n->in[index], &v);
    if (data && infer_view_count(&v) == 1)
        *f = data[0];
    return data && infer_view_count(&v) == 1;
}

static infer_status fuse_bounds(infer_graph *g, graph_uses *u, graph_node *n) {
    graph_node *r = infer_graph_sole_reader(u, n);
    float low = -INFINITY, high = INFINITY;
    bool relu = infer_graph_is_op(r, "", "Relu");
    if (is_clipped(n) || (!relu && !infer_graph_is_op(r, "", "Clip")) ||
        infer_graph_resolve(g, r->in[0]) != n->out[0])
        return INFER_OK;
    if (relu)
        low = 0;
    else if (!read_bound(g, r, 1, &low) || !read_bound(g, r, 2, &high))
        return INFER_OK;
    if (isnan(low) || isnan(high))
        return INFER_OK;
    INFER_TRY(set_bound(g, n, "low", low));
    INFER_TRY(set_bound(g, n, "high", high));
    infer_graph_absorb(u, n, r);
    return INFER_OK;
}

/* Whether both shapes are known and the same, so that nothing is broadcast. */
static bool same_shape(const infer_view *a, const infer_view *b) {
    bool same = a->rank == b->rank && a->rank > 0;
    for (int32_t i = 0; same && i < a->rank; i++)
        same = a->dim[i] >= 0 && a->dim[i] == b->dim[i];
    return same;
}

/* The node at place i takes that of the addition behind it: what is added is there by then. */
static infer_status fuse_addition(infer_graph *g, graph_uses *u, size_t i) {
    graph_node **nodes = g->now->nodes, *n = nodes[i], *r = infer_graph_sole_reader(u, n);
    if (n->in_count > 3 || is_clipped(n) ||
        (!infer_graph_is_op(r, "", "Add") && !infer_graph_is_op(r, "", "Sum")) || r->in_count != 2)
        return INFER_OK;
    uint32_t other = infer_graph_resolve(g, r->in[infer_graph_resolve(g, r->in[0]) == n->out[0]]);
    if (!same_shape(infer_graph_view(g, other), infer_graph_view(g, n->out[0])) ||
        g->values[other].constant)
        return INFER_OK;
    size_t at = i;
    while (nodes[at] != r)
        at++;
    n->in[3] = other;
    n->in_count = 4;
    infer_graph_absorb(u, n, r);
    if (u->reader[other] == r)
        u->reader[other] = n;
    nodes[i] = r;
    nodes[at] = n;
    return INFER_OK;
}

infer_status infer_graph_fuse_blocked(infer_graph *g) {
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < g->now->node_count; i++) {
        if (infer_graph_is_op(g->now->nodes[i], "infer", "ConvBlocked"))
            INFER_TRY(fuse_addition(g, &u, i));
        graph_node *n = g->now->nodes[i];
        if (infer_graph_is_op(n, "infer", "ConvBlocked") ||
            infer_graph_is_op(n, "infer", "AffineBlocked"))
            INFER_TRY(fuse_bounds(g, &u, n));
    }
    return INFER_OK;
}
