/* A Transpose that undoes the one before goes with it. Axes of one element may be put in between:
 * they are put where they end up. So Fourier transforms of frames come, which products make row by
 * row and convolutions would make channel by channel. */
#include "uses.h"

#include "status.h"

static const infer_attr *perm_of(const graph_node *n, int32_t rank) {
    const infer_attr *p = n ? infer_graph_find_attr(n, "perm") : NULL;
    return p && rank >= 0 && p->count == (size_t)rank ? p : NULL;
}

/* Which axes of its output a constant Unsqueeze puts in, a bit each; none where there is no node.
 */
static bool added_axes(const infer_graph *g, const graph_node *n, int32_t rank, uint32_t *ones) {
    const infer_view *axes = n ? infer_graph_view(g, infer_graph_resolve(g, n->in[1])) : NULL;
    *ones = 0;
    if (axes && (axes->type != INFER_TYPE_INT64 || !axes->data || axes->rank != 1))
        return false;
    for (int64_t i = 0; axes && i < axes->dim[0]; i++) {
        int64_t axis = ((const int64_t *)axes->data)[i];
        axis += axis < 0 ? rank : 0;
        if (axis < 0 || axis >= rank)
            return false;
        *ones |= 1u << axis;
    }
    return true;
}

/* Whether the axes of what `first` reads end up in their order behind `second`, but for `ones`,
 * those of `added` there. */
static bool undoes(const int64_t *first, const int64_t *second, int32_t rank, uint32_t added,
                   uint32_t *ones) {
    int64_t from[INFER_MAX_RANK], last = -1;
    int32_t n = 0;
    for (int32_t i = 0; i < rank; i++)
        from[i] = added >> i & 1 ? -1 : first[n++];
    *ones = 0;
    for (int32_t i = 0; i < rank; i++) {
        int64_t axis = from[second[i]];
        if (axis < 0)
            *ones |= 1u << i;
        else if (axis < last)
            return false;
        else
            last = axis;
    }
    return true;
}

static infer_status axes_of(infer_graph *g, uint32_t ones, uint32_t *value) {
    int64_t axes[INFER_MAX_RANK];
    infer_view v = {.type = INFER_TYPE_INT64, .rank = 1, .data = axes};
    for (int32_t i = 0; i < INFER_MAX_RANK; i++)
        if (ones >> i & 1)
            axes[v.dim[0]++] = i;
    return infer_graph_constant(g, "", &v, true, value);
}

static bool leaves(const infer_graph *g, uint32_t value) {
    bool found = false;
    for (size_t o = 0; o < g->now->output_count; o++)
        found = found || infer_graph_resolve(g, g->now->outputs[o]) == value;
    return found;
}

static infer_status merge(infer_graph *g, graph_uses *u, graph_node *n) {
    graph_node *put = infer_graph_maker(g, u, n->in[0], "Unsqueeze");
    const graph_node *t = infer_graph_maker(g, u, put ? put->in[0] : n->in[0], "Transpose");
    const int32_t rank = infer_graph_view(g, n->out[0])->rank;
    const int32_t inner = t ? infer_graph_view(g, t->out[0])->rank : -1;
    const infer_attr *first = perm_of(t, inner), *second = perm_of(n, rank);
    uint32_t added, ones;
    if (!first || !second || (put && infer_graph_sole_reader(u, put) != n) ||
        !added_axes(g, put, rank, &added) || inner + __builtin_popcount(added) != rank ||
        !undoes(first->data, second->data, rank, added, &ones))
        return INFER_OK;
    if (!put) {
        n->dead = !leaves(g, n->out[0]);
        if (n->dead)
            g->values[n->out[0]].replaced_by = infer_graph_resolve(g, t->in[0]);
        return INFER_OK;
    }
    put->in[0] = t->in[0];
    put->out[0] = n->out[0];
    u->maker[n->out[0]] = put;
    n->dead = true;
    return axes_of(g, ones, &put->in[1]);
}

infer_status infer_graph_merge_transposes(infer_graph *g) {
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < g->now->node_count; i++)
        if (infer_graph_is_op(g->now->nodes[i], "", "Transpose"))
            INFER_TRY(merge(g, &u, g->now->nodes[i]));
    return INFER_OK;
}
