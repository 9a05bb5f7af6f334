/*
 * Products of slices with the same weights become one product of the whole: the unrolled steps of a
 * recurrent layer then read the weights of their inputs once.
 */
#include "uses.h"

#include "status.h"

#define PROBES 8 /* groups of the same weights that a product is compared with */

/* Where products are put together with earlier ones; places of nodes, plus 1: 0 is none. */
typedef struct joiner {
    infer_graph *g;
    graph_uses uses;
    uint32_t *latest; /* of weights: the first product of the latest group */
    uint32_t *before; /* of a first product: that of the group before */
    uint32_t *first;  /* of a product: the first one of its group */
    uint32_t *count;  /* of a first product: how many there are */
    uint32_t *whole;  /* of a first product: the value that all are slices of */
} joiner;

/* The Gather of one place along an axis which is not the last one, that a product reads; NULL where
 * there is none. */
static const graph_node *slice_of(const joiner *j, const graph_node *n, int32_t *axis) {
    const infer_graph *g = j->g;
    if (!infer_graph_is_op(n, "infer", "MatMulPacked"))
        return NULL;
    const graph_node *s = infer_graph_maker(g, &j->uses, n->in[0], "Gather");
    const infer_attr *a = s ? infer_graph_find_attr(s, "axis") : NULL;
    if (!s)
        return NULL;
    const infer_view *x = infer_graph_view(g, infer_graph_resolve(g, s->in[0]));
    const uint32_t index = infer_graph_resolve(g, s->in[1]);
    const int64_t at = a ? a->i < 0 ? a->i + x->rank : a->i : 0;
    if (at < 0 || at >= x->rank - 1 || x->dim[at] < 0 || !g->values[index].constant ||
        g->values[index].view.rank != 0)
        return NULL;
    *axis = (int32_t)at;
    return s;
}

static bool same_input(const infer_graph *g, const graph_node *a, const graph_node *b, uint32_t i) {
    const uint32_t x = i < a->in_count ? infer_graph_resolve(g, a->in[i]) : INFER_NO_VALUE;
    const uint32_t y = i < b->in_count ? infer_graph_resolve(g, b->in[i]) : INFER_NO_VALUE;
    return x == y;
}

/* Whether product b could be a slice of the one that product a is a slice of. */
static bool belongs(const joiner *j, const graph_node *a, const graph_node *b) {
    int32_t axis_a, axis_b;
    const graph_node *s = slice_of(j, a, &axis_a), *t = slice_of(j, b, &axis_b);
    return s && t && axis_a == axis_b && same_input(j->g, s, t, 0) && same_input(j->g, a, b, 1) &&
           same_input(j->g, a, b, 2) && memcmp(a->params, b->params, a->op->params_size) == 0;
}

static void find_group(joiner *j, uint32_t place) {
    graph_node **nodes = j->g->now->nodes;
    int32_t axis;
    if (!slice_of(j, nodes[place], &axis))
        return;
    uint32_t *latest = &j->latest[infer_graph_resolve(j->g, nodes[place]->in[1])];
    uint32_t first = *latest;
    for (int i = 0; i < PROBES && first; i++, first = j->before[first - 1])
        if (belongs(j, nodes[first - 1], nodes[place]))
            break;
        else if (i + 1 == PROBES)
            first = 0;
    if (!first) {
        first = place + 1;
        j->before[place] = *latest;
        *latest = first;
    }
    j->first[place] = first;
    j->count[first - 1]++;
}

/* The product of the whole, before the first one of its slices. */
static infer_status add_whole(joiner *j, uint32_t place, const graph_node *like,
                              const graph_node *slice) {
    infer_graph *g = j->g;
    graph_node *n = infer_arena_array(&g->arena, 1, sizeof *n);
    if (!n)
        return INFER_ERROR_MEMORY;
    *n = *like;
    n->in = infer_arena_array(&g->arena, like->in_room, sizeof *n->in);
    n->out = infer_arena_array(&g->arena, 1, sizeof *n->out);
    n->attr_room = n->attr_count; /* both have these, and either may get more */
    n->params = NULL;
    if (!n->in || !n->out)
        return INFER_ERROR_MEMORY;
    memcpy(n->in, like->in, like->in_count * sizeof *n->in);
    n->in[0] = slice->in[0];
    const infer_view unknown = {.type = INFER_TYPE_FLOAT, .rank = -1};
    INFER_TRY(infer_graph_new_value(g, "", &unknown, false, n->out));
    j->whole[place] = n->out[0];
    return infer_graph_add_node(g, n);
}

/* A product becomes a slice of the whole one. */
static infer_status become_slice(joiner *j, graph_node *n, uint32_t place) {
    const uint32_t first = j->first[place] - 1;
    int32_t axis;
    const graph_node *s = slice_of(j, n, &axis);
    if (first == place)
        INFER_TRY(add_whole(j, place, n, s));
    n->op = s->op;
    n->in[0] = j->whole[first];
    n->in[1] = s->in[1];
    n->in_count = 2;
    n->attrs = s->attrs;
    n->attr_count = n->attr_room = s->attr_count;
    n->params = NULL;
    return INFER_OK;
}

/* Half of the whole is wanted at least. */
static bool is_worth_it(const joiner *j, const graph_node *n, uint32_t place) {
    int32_t axis;
    const uint32_t first = j->first[place];
    const graph_node *s = first ? slice_of(j, n, &axis) : NULL;
    if (!s || j->count[first - 1] < 2)
        return false;
    const infer_view *x = infer_graph_view(j->g, infer_graph_resolve(j->g, s->in[0]));
    return x->dim[axis] / 2 <= j->count[first - 1];
}

infer_status infer_graph_join_products(infer_graph *g) {
    graph_body *b = g->now;
    const size_t count = b->node_count;
    joiner j = {.g = g};
    graph_node **nodes = infer_arena_array(&g->arena, count, sizeof(graph_node *));
    INFER_TRY(infer_graph_uses(g, &j.uses));
    j.latest = infer_arena_array(&g->arena, g->value_count, sizeof *j.latest);
    j.before = infer_arena_array(&g->arena, count, sizeof *j.before);
    j.first = infer_arena_array(&g->arena, count, sizeof *j.first);
    j.count = infer_arena_array(&g->arena, count, sizeof *j.count);
    j.whole = infer_arena_array(&g->arena, count, sizeof *j.whole);
    if (!nodes || !j.latest || !j.before || !j.first || !j.count || !j.whole)
        return INFER_ERROR_MEMORY;
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        find_group(&j, i);
        any = any || (j.first[i] && j.first[i] != i + 1);
    }
    if (!any)
        return INFER_OK;
    memcpy(nodes, b->nodes, count * sizeof(graph_node *));
    b->node_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (is_worth_it(&j, nodes[i], i)) {
            INFER_TRY(become_slice(&j, nodes[i], i));
            INFER_TRY(infer_graph_add_node(g, nodes[i]));
        } else {
            INFER_TRY(infer_graph_push_node(g, nodes[i]));
        }
    }
    return INFER_OK;
}
