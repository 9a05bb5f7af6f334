/*
 * Models that say "dequantize, compute, quantize" compute with the integers: a QuantizeLinear
 * becomes the convolution, the product, the sum or the table of what is before it, and what moves
 * data moves the integers and has its DequantizeLinear behind it. What nobody reads any more goes
 * with the pass. Other types than INT8 and UINT8, and scales in blocks, stay as they are.
 */
#include "fuse_quantized.h"

#include "status.h"

#include <math.h>
#include <string.h>

/* Operators that move elements of input 0, or choose among them by their order. */
static const char moving[] =
    " DepthToSpace Expand Flatten Gather Identity MaxPool Reshape Resize Slice Split "
    "Squeeze Tile Transpose Unsqueeze ";

static bool moves(const graph_node *n) {
    if (n->op->domain[0] || !infer_graph_is_among(n->op->name, moving))
        return false;
    if (infer_graph_is_op(n, "", "MaxPool"))
        return n->out_count < 2 || n->out[1] == INFER_NO_VALUE;
    if (infer_graph_is_op(n, "", "Resize")) /* nearest, and no number of its own outside */
        return infer_graph_says(n, "mode", "nearest", true) &&
               !infer_graph_says(n, "coordinate_transformation_mode", "tf_crop_and_resize", false);
    return true;
}

/* What a pass has to say of one body. */
typedef struct fusing {
    infer_graph *g;
    graph_uses u;
} fusing;

static bool is_sole(const fusing *f, uint32_t value) {
    const uint32_t v = infer_graph_resolve(f->g, value);
    return v < f->u.count && f->u.reads[v] == 1;
}

/* ---- data movement ---- */

/* The node with these inputs gives integers, and each output has a DequantizeLinear behind it. */
static infer_status sink(fusing *f, graph_node *n, const graph_quantized *q,
                         const uint32_t *integers) {
    infer_graph *g = f->g;
    uint32_t in[] = {0, q->scale, q->zero}, value, count = n->out_count;
    uint32_t *out = infer_arena_array(&g->scratch, count, sizeof *out);
    if (!out)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    while (n->out[count - 1] == INFER_NO_VALUE)
        count--;
    INFER_TRY(infer_graph_make(g, n, &(graph_plan){"", n->op->name, integers, n->in_count, n}, out,
                               count));
    for (uint32_t o = 0; o < count; o++) {
        in[0] = out[o];
        INFER_TRY(
            infer_graph_make(g, n, &(graph_plan){"", "DequantizeLinear", in, 3, NULL}, &value, 1));
        if (n->out[o] != INFER_NO_VALUE)
            g->values[n->out[o]].replaced_by = value;
    }
    n->dead = true;
    return INFER_OK;
}

static infer_status move(fusing *f, graph_node *n, bool *done) {
    graph_quantized q;
    if (!moves(n) || infer_graph_is_constant(f->g, n->in[0]) ||
        !infer_graph_is_plain(f->g, n->in[0], &q))
        return INFER_OK;
    uint32_t *in = infer_arena_array(&f->g->scratch, n->in_count, sizeof *in);
    if (!in)
        return infer_graph_status(f->g, INFER_ERROR_MEMORY);
    memcpy(in, n->in, n->in_count * sizeof *in);
    in[0] = q.integers;
    *done = true;
    return sink(f, n, &q, in);
}

/* ---- Concat ---- */

/* All inputs as integers of y's scale; *in NULL where that is not so. */
static infer_status join(fusing *f, const graph_node *n, const graph_quantized *y, uint32_t **in) {
    infer_graph *g = f->g;
    graph_quantized q;
    *in = NULL;
    for (uint32_t i = 0; i < n->in_count; i++)
        if (!infer_graph_is_plain(g, n->in[i], &q) || q.type != y->type)
            return INFER_OK;
    uint32_t *all = infer_arena_array(&g->scratch, n->in_count, sizeof *all);
    if (!all)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    for (uint32_t i = 0; i < n->in_count; i++) {
        uint32_t table[2];
        bool found;
        infer_graph_is_plain(g, n->in[i], &q);
        all[i] = q.integers;
        if (infer_graph_same_scale(g, y, &q))
            continue;
        INFER_TRY(infer_graph_rescale(g, n, &q, y, &table[0], &table[1], &found));
        if (!found)
            return INFER_OK;
        INFER_TRY(infer_graph_make(g, n, &(graph_plan){"infer", "LookupBytes", table, 2, NULL},
                                   &all[i], 1));
    }
    *in = all;
    return INFER_OK;
}

/* ---- what a QuantizeLinear becomes ---- */

/* The least and the most that a Clip or Relu leaves; false where it is no such. */
static bool bounds(infer_graph *g, const graph_node *n, float *low, float *high) {
    *low = infer_graph_is_op(n, "", "Relu") ? 0 : -INFINITY;
    *high = INFINITY;
    for (uint32_t i = 1; infer_graph_is_op(n, "", "Clip") && i < n->in_count; i++) {
        infer_view v;
        if (n->in[i] == INFER_NO_VALUE)
            continue;
        const float *bound = infer_graph_floats(g, n->in[i], &v);
        if (!bound || infer_view_count(&v) != 1 || isnan(*bound))
            return false;
        *(i == 1 ? low : high) = *bound;
    }
    return (infer_graph_is_op(n, "", "Relu") || infer_graph_is_op(n, "", "Clip")) && *low <= *high;
}

/* What a bound is among the integers. */
static int32_t quantized_bound(infer_graph *g, const graph_quantized *y, float bound) {
    const int32_t low = y->type == INFER_TYPE_INT8 ? -128 : 0, high = low + 255;
    const float at = rintf(bound / *y->scales) + (float)infer_graph_zero(g, y);
    return at <= (float)low ? low : at >= (float)high ? high : (int32_t)at;
}

/* The QuantizeLinear n becomes the plan, and a table behind it where the operator before it has
 * bounds that the type does not have. */
static infer_status become(fusing *f, graph_node *n, const graph_quantized *y,
                           const graph_node *bounded, const graph_plan *plan) {
    infer_graph *g = f->g;
    const int32_t least = y->type == INFER_TYPE_INT8 ? -128 : 0, most = least + 255;
    float low = -INFINITY, high = INFINITY;
    if (bounded)
        bounds(g, bounded, &low, &high);
    const int32_t from = quantized_bound(g, y, low), to = quantized_bound(g, y, high);
    if (from == least && to == most)
        return infer_graph_remake(g, n, plan);
    uint8_t table[256];
    for (int32_t v = least; v <= most; v++)
        table[(uint8_t)v] = (uint8_t)(v < from ? from : v > to ? to : v);
    const infer_view view = {.type = (uint8_t)y->type, .rank = 1, .dim = {256}, .data = table};
    uint32_t in[2];
    INFER_TRY(infer_graph_make(g, n, plan, &in[0], 1));
    INFER_TRY(infer_graph_keep(g, &view, &in[1]));
    return infer_graph_remake(g, n, &(graph_plan){"infer", "LookupBytes", in, 2, NULL});
}

/* Sums and products of two values of the result's type. */
static infer_status plan_binary(fusing *f, const graph_node *n, const graph_quantized *y,
                                uint32_t *in, graph_plan *plan, bool *fits) {
    infer_graph *g = f->g;
    graph_quantized q[2];
    const bool product = infer_graph_is_op(n, "", "Mul");
    *fits = false;
    if ((!product && !infer_graph_is_op(n, "", "Add") && !infer_graph_is_op(n, "", "Sum")) ||
        n->in_count != 2)
        return INFER_OK;
    for (uint32_t i = 0; i < 2; i++) {
        if (!infer_graph_is_plain(g, n->in[i], &q[i]) || q[i].type != y->type)
            return INFER_OK;
        in[3 * i] = q[i].integers;
        in[3 * i + 1] = q[i].scale;
        in[3 * i + 2] = q[i].zero;
    }
    in[6] = y->scale;
    in[7] = y->zero;
    *plan = product ? (graph_plan){"com.microsoft", "QLinearMul", in, 8, NULL}
                    : (graph_plan){"infer", "AddBytes", in, 8, NULL};
    *fits = true;
    return INFER_OK;
}

static infer_status quantize(fusing *f, graph_node *n, bool *done) {
    infer_graph *g = f->g;
    graph_quantized y, x;
    graph_plan plan;
    uint32_t in[INFER_GRAPH_MOST_IN], *all;
    if (!infer_graph_quantizes(g, n, &y))
        return INFER_OK;
    *done = true;
    if (infer_graph_is_plain(g, n->in[0], &x) && infer_graph_same_scale(g, &x, &y))
        return infer_graph_remake(g, n, &(graph_plan){"", "Identity", &x.integers, 1, NULL});
    INFER_TRY(infer_graph_tabulate(g, &f->u, n, &in[0], &in[1], done));
    if (!*done)
        INFER_TRY(infer_graph_tabulate_channels(g, &f->u, n, &in[0], &in[1], done));
    if (*done)
        return infer_graph_remake(g, n, &(graph_plan){"infer", "LookupBytes", in, 2, NULL});
    const graph_node *maker = infer_graph_made_by(g, n->in[0]), *bounded = NULL;
    float low, high;
    if (maker && is_sole(f, n->in[0]) && bounds(g, maker, &low, &high)) {
        bounded = maker;
        maker = is_sole(f, maker->in[0]) ? infer_graph_made_by(g, maker->in[0]) : NULL;
    }
    if (!maker || !is_sole(f, n->in[0]))
        return INFER_OK;
    INFER_TRY(infer_graph_plan_product(g, maker, &y, in, &plan, done));
    if (!*done)
        INFER_TRY(plan_binary(f, maker, &y, in, &plan, done));
    if (!*done && infer_graph_is_op(maker, "", "Concat") && !bounded) {
        INFER_TRY(join(f, maker, &y, &all));
        plan = (graph_plan){"", "Concat", all, maker->in_count, maker};
        *done = all != NULL;
    }
    return *done ? become(f, n, &y, bounded, &plan) : INFER_OK;
}

/* ---- the pass ---- */

/* A product whose result is of floats; not where a QuantizeLinear behind it will have it. */
static infer_status multiply(fusing *f, graph_node *n, bool *done) {
    graph_quantized y;
    graph_plan plan;
    uint32_t in[INFER_GRAPH_MOST_IN];
    const graph_node *reader = n->out_count ? infer_graph_sole_reader(&f->u, n) : NULL;
    if (infer_graph_is_op(n, "", "MatMul") && reader && infer_graph_quantizes(f->g, reader, &y))
        return INFER_OK;
    INFER_TRY(infer_graph_plan_floats(f->g, n, in, &plan, done));
    return *done ? infer_graph_remake(f->g, n, &plan) : INFER_OK;
}

static infer_status put_back(fusing *f, graph_node *n) {
    infer_status (*const ways[])(fusing *, graph_node *, bool *) = {quantize, move, multiply};
    bool done = n->in_count == 0 || n->out_count == 0 || n->in[0] == INFER_NO_VALUE ||
                n->out[0] == INFER_NO_VALUE;
    if (done)
        return infer_graph_push_node(f->g, n);
    for (size_t i = 0; i < sizeof ways / sizeof *ways && !done; i++)
        INFER_TRY(ways[i](f, n, &done));
    return done ? INFER_OK : infer_graph_push_node(f->g, n);
}

static bool has_pairs(const graph_body *b) {
    bool found = false;
    for (size_t i = 0; i < b->node_count; i++)
        found = found || infer_graph_is_op(b->nodes[i], "", "DequantizeLinear");
    return found;
}

/* Nodes are taken out and put back one by one, so that what is added lies before its reader. */
infer_status infer_graph_fuse_quantized(infer_graph *g) {
    graph_body *b = g->now;
    fusing f = {.g = g};
    const size_t count = b->node_count;
    if (!has_pairs(b))
        return INFER_OK;
    INFER_TRY(infer_graph_uses(g, &f.u));
    graph_node **nodes = infer_arena_array(&g->scratch, count, sizeof(graph_node *));
    if (!nodes)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    memcpy(nodes, b->nodes, count * sizeof(graph_node *));
    b->node_count = 0;
    for (size_t i = 0; i < count; i++)
        if (!nodes[i]->dead)
            INFER_TRY(put_back(&f, nodes[i]));
    return INFER_OK;
}
