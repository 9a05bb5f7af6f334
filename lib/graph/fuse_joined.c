/* What joins channels in blocks for one reader becomes part of it: an affine map reads the parts
 * where they lie, a convolution of few outputs is one of each part, added up, and a pool is the
 * joined pools of the parts. */
#include "lay.h"

#include "status.h"

#include <string.h>

#define MOST_PARTS 64

typedef struct parts {
    uint32_t value[MOST_PARTS];
    uint32_t count;
} parts;

/* Adds what a Concat in blocks joins, and what those join that nobody else wants: each level of
 * them has another part, so that there are no more levels than parts. */
static bool gather(const infer_graph *g, const graph_uses *u, uint32_t value, bool sole,
                   uint32_t level, parts *p) {
    const uint32_t v = infer_graph_resolve(g, value);
    const graph_node *n = infer_graph_maker(g, u, v, "Concat");
    const infer_attr *axis = n ? infer_graph_find_attr(n, "axis") : NULL;
    const bool joins =
        axis && axis->i == 1 && infer_graph_view(g, v)->rank == 5 && (!sole || u->reads[v] == 1);
    if (joins && n->in_count > 1) {
        bool fits = level < MOST_PARTS;
        for (uint32_t i = 0; fits && i < n->in_count; i++)
            fits = gather(g, u, n->in[i], sole, level + 1, p);
        return fits;
    }
    if (p->count == MOST_PARTS)
        return false;
    p->value[p->count++] = v;
    return true;
}

static infer_status join_affine(infer_graph *g, const graph_uses *u, graph_node *n) {
    parts p = {.count = 0};
    if (!gather(g, u, n->in[0], false, 0, &p) || p.count < 2)
        return INFER_OK;
    const uint32_t in[] = {n->in[1], n->in[2]};
    n->op = infer_op_find("infer", "AffineJoined");
    n->in_count = n->in_room = p.count + 2;
    if (!(n->in = infer_arena_array(&g->arena, n->in_count, sizeof *n->in)))
        return INFER_ERROR_MEMORY;
    memcpy(n->in, in, sizeof in);
    memcpy(n->in + 2, p.value, p.count * sizeof *p.value);
    return INFER_OK;
}

/* A pool of joined channels becomes the joined pools: they are smaller, and what reads them may
 * take the parts. */
static infer_status join_pools(infer_graph *g, const graph_uses *u, graph_node *n) {
    parts p = {.count = 0};
    infer_attr axis = infer_lay_int("axis", 1);
    if (!gather(g, u, n->in[0], true, 0, &p) || p.count < 2)
        return INFER_OK;
    for (uint32_t i = 0; i < p.count; i++) {
        uint32_t y = INFER_NO_VALUE;
        INFER_TRY(infer_lay_add(g, "infer", "PoolBlocked", n, &p.value[i], 1, n->attrs,
                                n->attr_count, &y));
        p.value[i] = y;
    }
    n->op = infer_op_find("", "Concat");
    n->version = n->op->newest;
    n->attr_count = 0;
    n->in_count = n->in_room = p.count;
    if (!(n->in = infer_arena_array(&g->arena, p.count, sizeof *n->in)))
        return INFER_ERROR_MEMORY;
    memcpy(n->in, p.value, p.count * sizeof *n->in);
    return infer_graph_add_attr(g, n, &axis);
}

/* ---- convolutions ---- */

enum { X, WEIGHTS, BIAS, ADD };

/* The weights of channels [first, first + channels) of a convolution that has `all`: of each panel
 * the rows of these, which begin with a block. */
static infer_status cut_weights(infer_graph *g, const float *from, size_t panels, size_t row,
                                size_t all, size_t first, size_t channels, uint32_t *value) {
    const infer_view shape = infer_lay_flat((int64_t)(panels * channels * row));
    float *to;
    INFER_TRY(infer_graph_room(g, &shape, value, &to));
    for (size_t p = 0; p < panels; p++)
        memcpy(to + p * channels * row, from + (p * all + first) * row,
               channels * row * sizeof *to);
    return INFER_OK;
}

/* Whether a convolution may be one of each part, and what is written and read in between is less
 * than the joined value. */
static bool pays(const infer_graph *g, const graph_node *n, const parts *p, size_t *row) {
    const infer_attr *kernel = infer_graph_find_attr(n, "kernel_shape");
    const int64_t channels = infer_graph_int(n, "channels", 0),
                  outputs = infer_graph_int(n, "outputs", 0);
    infer_view w;
    if (p->count < 2 || infer_graph_int(n, "plain", 0) || infer_graph_int(n, "group", 1) != 1 ||
        !kernel || kernel->count != 2 || !infer_graph_are_floats(g, n->in[WEIGHTS], &w) ||
        2 * outputs * (p->count - 1) > channels)
        return false;
    const int64_t *taps = kernel->data;
    *row = (size_t)(taps[0] * taps[1]) * INFER_BLOCK;
    for (uint32_t i = 0; i < p->count; i++) {
        const infer_view *v = infer_graph_view(g, p->value[i]);
        if (v->rank != 5 || v->dim[1] < 1 || g->values[p->value[i]].constant)
            return false;
    }
    return (size_t)infer_view_count(&w) == (size_t)infer_blocks(outputs) * (size_t)channels * *row;
}

static void set_int(graph_node *n, const char *name, int64_t i) {
    for (size_t k = 0; k < n->attr_count; k++)
        if (strcmp(n->attrs[k].name, name) == 0)
            n->attrs[k].i = i;
}

/* n's sum over all parts but the last is that of new nodes, each of which is added by the next. */
static infer_status split_conv(infer_graph *g, const graph_uses *u, graph_node *n) {
    static const char *const names[] = {"kernel_shape", "strides",  "pads",
                                        "dilations",    "auto_pad", NULL};
    parts p = {.count = 0};
    size_t row, first = 0;
    infer_view w,
        none = infer_lay_flat(infer_blocks(infer_graph_int(n, "outputs", 0)) * INFER_BLOCK);
    if (n->in_count > ADD + 2 || !gather(g, u, n->in[X], true, 0, &p) || !pays(g, n, &p, &row))
        return INFER_OK; /* of the first: another sum comes behind the activation */
    const size_t all = (size_t)infer_graph_int(n, "channels", 0),
                 panels = (size_t)none.dim[0] / INFER_BLOCK;
    const float *weights = infer_graph_floats(g, n->in[WEIGHTS], &w);
    uint32_t sum = n->in_count > ADD ? n->in[ADD] : INFER_NO_VALUE, zeros, cut;
    float *bias;
    INFER_TRY(infer_graph_room(g, &none, &zeros, &bias));
    for (uint32_t i = 0; i + 1 < p.count; i++) {
        const size_t channels = (size_t)infer_graph_view(g, p.value[i])->dim[1] * INFER_BLOCK;
        uint32_t in[] = {p.value[i], INFER_NO_VALUE, zeros, sum}, y = INFER_NO_VALUE;
        infer_attr attrs[8];
        size_t count = infer_lay_copy(n, names, attrs);
        attrs[count++] = infer_lay_int("channels", (int64_t)channels);
        attrs[count++] = infer_lay_int("outputs", infer_graph_int(n, "outputs", 0));
        INFER_TRY(cut_weights(g, weights, panels, row, all, first, channels, &in[WEIGHTS]));
        INFER_TRY(infer_lay_add(g, "infer", "ConvBlocked", n, in, sum == INFER_NO_VALUE ? 3 : 4,
                                attrs, count, &y));
        first += channels;
        sum = y;
    }
    INFER_TRY(cut_weights(g, weights, panels, row, all, first, all - first, &cut));
    n->in[X] = p.value[p.count - 1];
    n->in[WEIGHTS] = cut;
    n->in[ADD] = sum;
    n->in_count = n->in_count > ADD ? n->in_count : ADD + 1;
    set_int(n, "channels", (int64_t)(all - first));
    return INFER_OK;
}

infer_status infer_graph_fuse_joined(infer_graph *g) {
    graph_body *b = g->now;
    const size_t count = b->node_count;
    graph_node **nodes = infer_arena_array(&g->arena, count, sizeof(graph_node *));
    graph_uses u;
    if (!nodes)
        return INFER_ERROR_MEMORY;
    if (count)
        memcpy(nodes, b->nodes, count * sizeof(graph_node *));
    INFER_TRY(infer_graph_uses(g, &u));
    b->node_count = 0;
    for (size_t i = 0; i < count; i++) {
        graph_node *n = nodes[i];
        if (infer_graph_is_op(n, "infer", "AffineBlocked"))
            INFER_TRY(join_affine(g, &u, n));
        else if (infer_graph_is_op(n, "infer", "PoolBlocked"))
            INFER_TRY(join_pools(g, &u, n));
        else if (infer_graph_is_blocked_conv(n))
            INFER_TRY(split_conv(g, &u, n));
        INFER_TRY(infer_graph_push_node(g, n));
    }
    return INFER_OK;
}
