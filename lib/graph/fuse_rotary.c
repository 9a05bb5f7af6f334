/* x cos + (-x2, x1) sin, x1 and x2 being the halves of x's last axis, becomes infer.Rotary:
 * positions turned in, as exporters spell it with Slice or Split, Neg and Concat. */
#include "uses.h"

#include "status.h"

typedef struct rotary {
    infer_graph *g;
    const graph_uses *u;
} rotary;

/* The node of ai.onnx that makes a value which nothing else reads; NULL where it is another. */
static graph_node *maker_of(const rotary *r, uint32_t value, const char *op) {
    graph_node *n = infer_graph_maker(r->g, r->u, value, op);
    return n && r->u->reads[infer_graph_resolve(r->g, value)] == 1 ? n : NULL;
}

static bool is_last(const infer_graph *g, const graph_node *n, int64_t axis) {
    const int32_t rank = infer_graph_view(g, infer_graph_resolve(g, n->out[0]))->rank;
    return rank > 0 && (axis == -1 || axis == rank - 1);
}

static bool read_one(const infer_graph *g, const graph_node *n, uint32_t input, int64_t *number) {
    uint32_t v = input < n->in_count ? infer_graph_resolve(g, n->in[input]) : INFER_NO_VALUE;
    if (v == INFER_NO_VALUE || !g->values[v].constant)
        return false;
    const infer_view *view = &g->values[v].view;
    if (view->type != INFER_TYPE_INT64 || infer_view_count(view) != 1)
        return false;
    *number = *(const int64_t *)view->data;
    return true;
}

/* Half number `which` of a last axis of 2 * half: of what; NO_VALUE where a value is no such. */
static uint32_t half_of(const rotary *r, uint32_t value, int which, int64_t half) {
    const infer_graph *g = r->g;
    const graph_node *slice = maker_of(r, value, "Slice"), *split = maker_of(r, value, "Split");
    int64_t start, end, axis, step = 1;
    if (split) {
        const infer_attr *a = infer_graph_find_attr(split, "axis");
        const bool is = split->out_count == 2 && a && is_last(g, split, a->i) &&
                        split->out[which] == infer_graph_resolve(g, value);
        const infer_view *v = infer_graph_view(g, infer_graph_resolve(g, value));
        return is && v->dim[v->rank - 1] == half ? infer_graph_resolve(g, split->in[0])
                                                 : INFER_NO_VALUE;
    }
    if (!slice || !read_one(g, slice, 1, &start) || !read_one(g, slice, 2, &end) ||
        !read_one(g, slice, 3, &axis) || !is_last(g, slice, axis) ||
        (slice->in_count > 4 && (!read_one(g, slice, 4, &step) || step != 1)))
        return INFER_NO_VALUE;
    start += start < 0 ? 2 * half : 0;
    end += end < 0 ? 2 * half : 0;
    end = end > 2 * half ? 2 * half : end;
    return start == which * half && end == start + half ? infer_graph_resolve(g, slice->in[0])
                                                        : INFER_NO_VALUE;
}

/* Whether a value is x with its halves changed, the second one's sign turned. */
static bool is_turned(const rotary *r, uint32_t value, uint32_t x) {
    const infer_view *v = infer_graph_view(r->g, x);
    const graph_node *n = maker_of(r, value, "Concat");
    const graph_node *neg = n && n->in_count == 2 ? maker_of(r, n->in[0], "Neg") : NULL;
    const infer_attr *axis = n ? infer_graph_find_attr(n, "axis") : NULL;
    if (!neg || !axis || !is_last(r->g, n, axis->i) || v->type != INFER_TYPE_FLOAT || v->rank < 1 ||
        v->dim[v->rank - 1] < 2 || v->dim[v->rank - 1] % 2)
        return false;
    const int64_t half = v->dim[v->rank - 1] / 2;
    return half_of(r, neg->in[0], 1, half) == x && half_of(r, n->in[1], 0, half) == x;
}

/* Whether a value has as long a last axis as x. */
static bool is_angle(const rotary *r, uint32_t value, uint32_t x) {
    const infer_view *v = infer_graph_view(r->g, infer_graph_resolve(r->g, value));
    const infer_view *w = infer_graph_view(r->g, x);
    return v->type == INFER_TYPE_FLOAT && v->rank > 0 && v->rank <= w->rank &&
           v->dim[v->rank - 1] == w->dim[w->rank - 1];
}

static void fuse(const rotary *r, graph_node *n) {
    for (int order = 0; order < 8; order++) {
        const graph_node *plain = maker_of(r, n->in[order & 1], "Mul");
        const graph_node *turned = maker_of(r, n->in[!(order & 1)], "Mul");
        if (!plain || !turned)
            return;
        uint32_t x = infer_graph_resolve(r->g, plain->in[order >> 1 & 1]);
        uint32_t cos = plain->in[!(order >> 1 & 1)], sin = turned->in[!(order >> 2)];
        if (!is_turned(r, turned->in[order >> 2], x) || !is_angle(r, cos, x) ||
            !is_angle(r, sin, x) || n->in_room < 3)
            continue;
        n->op = infer_op_find("infer", "Rotary");
        n->in[0] = x;
        n->in[1] = cos;
        n->in[2] = sin;
        n->in_count = 3;
        n->attr_count = 0;
        return;
    }
}

infer_status infer_graph_fuse_rotary(infer_graph *g) {
    const graph_body *b = g->now;
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    rotary r = {g, &u};
    for (size_t i = 0; i < b->node_count; i++)
        if (infer_graph_is_op(b->nodes[i], "", "Add") && b->nodes[i]->in_count == 2)
            fuse(&r, b->nodes[i]);
    return INFER_OK;
}
