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
    return infer_graph_add_attr(g, n, &a);
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

/* For each value one that surely has the same batch, however large that is: the first of a run of
 * nodes that keep it. */
static infer_status find_batches(infer_graph *g, uint32_t **batch) {
    const graph_body *b = g->now;
    uint32_t *root = infer_arena_array(&g->arena, g->value_count, sizeof *root);
    if (!(*batch = root))
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < g->value_count; i++)
        root[i] = (uint32_t)i;
    for (size_t i = 0; i < b->node_count; i++) {
        const graph_node *n = b->nodes[i];
        uint32_t shared = INFER_NO_VALUE;
        bool same = infer_graph_keeps_batch(n) && n->out[0] != INFER_NO_VALUE;
        for (uint32_t e = 0; e < n->in_count; e++) {
            uint32_t v = infer_graph_resolve(g, n->in[e]);
            if (v == INFER_NO_VALUE)
                continue;
            if (g->values[v].constant) { /* may be broadcast, but has no batch of its own */
                const infer_view *c = infer_graph_view(g, v);
                same = same && (c->rank < infer_graph_view(g, n->out[0])->rank || c->dim[0] <= 1);
                continue;
            }
            same = same && (shared == INFER_NO_VALUE || shared == root[v]);
            shared = root[v];
        }
        if (same && shared != INFER_NO_VALUE)
            root[n->out[0]] = shared;
    }
    return INFER_OK;
}

/* Whether values surely have the same shape, so that nothing is broadcast. */
static bool same_shape(const infer_graph *g, const uint32_t *batch, uint32_t x, uint32_t y) {
    const infer_view *a = infer_graph_view(g, x), *b = infer_graph_view(g, y);
    bool same = a->rank == 5 && b->rank == 5;
    for (int32_t i = 0; same && i < 5; i++)
        same = a->dim[i] == b->dim[i] && (a->dim[i] >= 0 || (i == 0 && batch[x] == batch[y]));
    return same;
}

/* The node at place i takes that of the addition behind it: what is added is there by then. */
static infer_status fuse_addition(infer_graph *g, graph_uses *u, const uint32_t *batch, size_t i) {
    graph_node **nodes = g->now->nodes, *n = nodes[i], *r = infer_graph_sole_reader(u, n);
    if (n->in_count > 3 || is_clipped(n) ||
        (!infer_graph_is_op(r, "", "Add") && !infer_graph_is_op(r, "", "Sum")) || r->in_count != 2)
        return INFER_OK;
    uint32_t other = infer_graph_resolve(g, r->in[infer_graph_resolve(g, r->in[0]) == n->out[0]]);
    if (g->values[other].constant || !same_shape(g, batch, other, n->out[0]))
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
    uint32_t *batch;
    INFER_TRY(infer_graph_uses(g, &u));
    INFER_TRY(find_batches(g, &batch));
    for (size_t i = 0; i < g->now->node_count; i++) {
        if (infer_graph_is_op(g->now->nodes[i], "infer", "ConvBlocked"))
            INFER_TRY(fuse_addition(g, &u, batch, i));
        graph_node *n = g->now->nodes[i];
        if (infer_graph_is_op(n, "infer", "ConvBlocked") ||
            infer_graph_is_op(n, "infer", "AffineBlocked"))
            INFER_TRY(fuse_bounds(g, &u, n));
    }
    return INFER_OK;
}
