/* A product of rows of which one element is one, spelled as numbers that are compared with 0, 1, 2,
 * ..., picks rows of its weights: it becomes a Gather. */
#include "uses.h"

#include "status.h"

#include <math.h>
#include <string.h>

/* Whether the last element of a list of extents is 1, as far as its makers tell. */
static bool ends_in_one(const infer_graph *g, const graph_uses *u, uint32_t list) {
    for (;;) {
        const infer_view *v = infer_graph_view(g, list);
        const graph_node *cast = infer_graph_maker(g, u, list, "Cast");
        const graph_node *join = infer_graph_maker(g, u, list, "Concat");
        if (v->data && v->rank == 1 && v->dim[0] > 0)
            return v->type == INFER_TYPE_INT64 ? ((const int64_t *)v->data)[v->dim[0] - 1] == 1
                                               : v->type == INFER_TYPE_INT32 &&
                                                     ((const int32_t *)v->data)[v->dim[0] - 1] == 1;
        if (!cast && !join)
            return false;
        list = infer_graph_resolve(g, cast ? cast->in[0] : join->in[join->in_count - 1]);
    }
}

/* Whether each row of a value has one element. */
static bool is_column(const infer_graph *g, const graph_uses *u, uint32_t value) {
    const infer_view *v = infer_graph_view(g, value);
    const graph_node *expand = infer_graph_maker(g, u, value, "Expand");
    if ((v->type != INFER_TYPE_INT32 && v->type != INFER_TYPE_INT64) || v->rank < 1)
        return false;
    if (v->dim[v->rank - 1] == 1 || !expand)
        return v->dim[v->rank - 1] == 1;
    const infer_view *x = infer_graph_view(g, infer_graph_resolve(g, expand->in[0]));
    return (x->rank == 0 || (x->rank > 0 && x->dim[x->rank - 1] == 1)) &&
           ends_in_one(g, u, infer_graph_resolve(g, expand->in[1]));
}

/* Whether a constant is one row of 0, 1, 2, ..., count of them. */
static bool is_range(const infer_graph *g, uint32_t value, int32_t rank, int64_t count) {
    const infer_view *v = infer_graph_view(g, value);
    bool range = g->values[value].constant && v->data && v->rank >= 1 && v->rank <= rank &&
                 v->dim[v->rank - 1] == count && infer_view_count(v) == count &&
                 (v->type == INFER_TYPE_INT32 || v->type == INFER_TYPE_INT64);
    for (int64_t i = 0; range && i < count; i++)
        range = (v->type == INFER_TYPE_INT32 ? ((const int32_t *)v->data)[i]
                                             : ((const int64_t *)v->data)[i]) == i;
    return range;
}

static bool all_finite(const float *data, int64_t count) {
    bool finite = true;
    for (int64_t i = 0; i < count; i++)
        finite = finite && isfinite(data[i]);
    return finite;
}

/* A constant number of a type. */
static infer_status number(infer_graph *g, infer_type type, int64_t value, uint32_t *number) {
    int32_t narrow = (int32_t)value;
    infer_view v = {.type = (uint8_t)type, .data = &value};
    if (type == INFER_TYPE_INT32)
        v.data = &narrow;
    return infer_graph_constant(g, "", &v, true, number);
}

static void become(graph_node *n, const char *op, uint32_t in_count) {
    n->op = infer_op_find("", op);
    n->attr_count = 0;
    n->in_count = in_count;
}

/* Equal, Cast and MatMul become Clip, Squeeze and Gather: numbers that are no row's pick the one
 * behind the last, which is zero. */
static infer_status fuse(infer_graph *g, const graph_uses *u, graph_node *equal) {
    graph_node *cast = infer_graph_sole_reader(u, equal), *product;
    if (!infer_graph_is_op(cast, "", "Cast"))
        return INFER_OK;
    product = infer_graph_sole_reader(u, cast);
    infer_view w;
    if (!infer_graph_is_op(product, "", "MatMul") ||
        infer_graph_resolve(g, product->in[0]) != cast->out[0] ||
        !infer_graph_are_floats(g, infer_graph_resolve(g, product->in[1]), &w) || w.rank != 2 ||
        w.dim[0] < 1 || w.dim[0] >= INT32_MAX || equal->in_room < 3 || cast->in_room < 2)
        return INFER_OK;
    const uint32_t a = infer_graph_resolve(g, equal->in[0]),
                   b = infer_graph_resolve(g, equal->in[1]);
    const uint32_t picks = g->values[a].constant ? b : a, range = picks == a ? b : a;
    const infer_view index = *infer_graph_view(g, picks);
    if (!is_column(g, u, picks) || !is_range(g, range, index.rank, w.dim[0]))
        return INFER_OK;
    const float *weights = infer_graph_floats(g, infer_graph_resolve(g, product->in[1]), &w);
    if (!weights || !all_finite(weights, infer_view_count(&w)))
        return INFER_OK;
    const infer_view rows = {.type = INFER_TYPE_FLOAT, .rank = 2, .dim = {w.dim[0] + 1, w.dim[1]}};
    int64_t last = -1;
    const infer_view axis = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {1}, .data = &last};
    uint32_t table, axes, least, most;
    float *to;
    INFER_TRY(infer_graph_room(g, &rows, &table, &to));
    memcpy(to, weights, infer_view_bytes(&w));
    INFER_TRY(infer_graph_constant(g, "", &axis, true, &axes));
    INFER_TRY(number(g, (infer_type)index.type, -1, &least));
    INFER_TRY(number(g, (infer_type)index.type, w.dim[0], &most));
    become(equal, "Clip", 3);
    become(cast, "Squeeze", 2);
    become(product, "Gather", 2);
    equal->in[0] = picks;
    equal->in[1] = least;
    equal->in[2] = most;
    cast->in[1] = axes;
    product->in[0] = table;
    product->in[1] = cast->out[0];
    g->values[equal->out[0]].view = index;
    g->values[equal->out[0]].view.dim[index.rank - 1] = 1;
    g->values[cast->out[0]].view = index;
    g->values[cast->out[0]].view.rank--;
    return INFER_OK;
}

infer_status infer_graph_fuse_one_hot(infer_graph *g) {
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < g->now->node_count; i++)
        if (infer_graph_is_op(g->now->nodes[i], "", "Equal") &&
            g->now->nodes[i]->out[0] != INFER_NO_VALUE)
            INFER_TRY(fuse(g, &u, g->now->nodes[i]));
    return INFER_OK;
}
