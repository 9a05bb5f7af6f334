/* Fuses what follows nodes in blocks into them: what is added to a convolution's result, an
 * activation, a number that scales it and one that shifts it, bounds that it is clipped to. */
#include "uses.h"

#include "blocked.h"
#include "conv2d.h"
#include "status.h"

#include <math.h>

#define LATE 5 /* the input that is added behind an activation */

/* What a node's result goes through. */
typedef struct ending {
    infer_activation act;
    uint32_t slopes; /* or NO_VALUE */
    bool clipped;
} ending;

/* One constant number among the operands; from: the first that is asked. */
static bool read_number(infer_graph *g, const graph_node *n, uint32_t from, uint32_t *at,
                        float *f) {
    infer_view v;
    for (*at = from; *at < n->in_count; ++*at) {
        if (!infer_graph_are_floats(g, n->in[*at], &v) || infer_view_count(&v) != 1)
            continue;
        const float *data = infer_graph_floats(g, n->in[*at], &v);
        if (data)
            *f = data[0];
        return data && !isnan(*f);
    }
    return false;
}

/* A bound of Clip: absent, or one constant number. */
static bool read_bound(infer_graph *g, const graph_node *n, uint32_t index, float *f) {
    uint32_t at;
    return index >= n->in_count || n->in[index] == INFER_NO_VALUE ||
           (read_number(g, n, index, &at, f) && at == index);
}

/* Operators that are activations of conv2d.h; alpha and beta where the node does not tell. */
static const struct {
    const char *op, *approximate;
    infer_activation_kind kind;
    float alpha, beta;
} activations[] = {
    {"Gelu", "none", INFER_ACTIVATION_GELU, 0, 0},
    {"Gelu", "tanh", INFER_ACTIVATION_GELU_TANH, 0, 0},
    {"HardSigmoid", NULL, INFER_ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f},
    {"HardSwish", NULL, INFER_ACTIVATION_HARD_SWISH, 1.0f / 6, 0.5f},
    {"LeakyRelu", NULL, INFER_ACTIVATION_LEAKY, 0.01f, 0},
    {"Sigmoid", NULL, INFER_ACTIVATION_SIGMOID, 0, 0},
    {"Swish", NULL, INFER_ACTIVATION_SWISH, 1, 0},
};

static bool take_activation(const graph_node *r, ending *e) {
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (!e->act.kind && !e->clipped && infer_graph_is_op(r, "", activations[i].op) &&
            infer_graph_approximates(r, activations[i].approximate)) {
            e->act.kind = activations[i].kind;
            e->act.alpha = infer_graph_float(r, "alpha", activations[i].alpha);
            e->act.beta = infer_graph_float(r, "beta", activations[i].beta);
            return true;
        }
    return false;
}

/* PRelu: one slope, or one for each channel as blocks have them. */
static bool take_slopes(infer_graph *g, const graph_node *r, ending *e) {
    infer_view v;
    if (e->act.kind || e->clipped || !infer_graph_is_op(r, "", "PRelu") ||
        infer_graph_view(g, r->out[0])->rank != 5)
        return false;
    const float *slopes = infer_graph_floats(g, r->in[1], &v);
    const int64_t count = slopes ? infer_view_count(&v) : 0;
    if (count != 1 && count != infer_graph_view(g, r->out[0])->dim[1] * INFER_BLOCK)
        return false;
    e->act.kind = INFER_ACTIVATION_LEAKY;
    e->act.alpha = *slopes;
    e->slopes = count == 1 ? INFER_NO_VALUE : infer_graph_resolve(g, r->in[1]);
    return true;
}

/* A product with a number, then a sum: in this order each is rounded as the operators would. */
static bool take_affine(infer_graph *g, const graph_node *r, ending *e) {
    const bool mul = infer_graph_is_op(r, "", "Mul"), add = infer_graph_is_op(r, "", "Add");
    const bool shifts = e->act.shift < 0 || e->act.shift > 0;
    uint32_t at;
    float f;
    if (!e->act.kind || e->clipped || shifts || (!mul && !add) || !read_number(g, r, 0, &at, &f))
        return false;
    if (mul && (e->act.scale < 1 || e->act.scale > 1))
        return false;
    *(mul ? &e->act.scale : &e->act.shift) = f;
    return true;
}

static bool take_bounds(infer_graph *g, const graph_node *r, ending *e) {
    float low = -INFINITY, high = INFINITY;
    uint32_t at;
    bool takes;
    if (infer_graph_is_op(r, "", "Relu"))
        takes = (low = 0, true);
    else if (infer_graph_is_op(r, "", "Clip"))
        takes = read_bound(g, r, 1, &low) && read_bound(g, r, 2, &high);
    else if (infer_graph_is_op(r, "", "Max"))
        takes = r->in_count == 2 && read_number(g, r, 0, &at, &low);
    else
        takes =
            infer_graph_is_op(r, "", "Min") && r->in_count == 2 && read_number(g, r, 0, &at, &high);
    if (e->clipped || !takes)
        return false;
    e->act.low = low;
    e->act.high = high;
    return e->clipped = true;
}

static infer_status set_float(infer_graph *g, graph_node *n, const char *name, float f) {
    infer_attr a = {.name = name, .type = INFER_ATTR_FLOAT, .f = f};
    return infer_graph_add_attr(g, n, &a);
}

/* The nodes behind n, each the only reader of the one before, as far as they end what n does: also
 * behind one that only moves its elements. */
static infer_status fuse_ending(infer_graph *g, graph_uses *u, graph_node *n) {
    const bool conv = infer_graph_is_op(n, "infer", "ConvBlocked");
    ending e = {.act = INFER_ACTIVATION(INFER_ACTIVATION_NONE, 0, 0), .slopes = INFER_NO_VALUE};
    graph_node *last = n, *moves = infer_graph_sole_reader(u, n);
    if (conv && infer_graph_is_op(moves, "infer", "PhasesBlocked") &&
        infer_graph_view(g, moves->out[0])->rank == 5)
        last = moves;
    for (graph_node *r; (r = infer_graph_sole_reader(u, last));) {
        if (!(conv && (take_activation(r, &e) || take_slopes(g, r, &e) || take_affine(g, r, &e))) &&
            !take_bounds(g, r, &e))
            break;
        infer_graph_absorb(u, last, r);
    }
    if (e.clipped) {
        INFER_TRY(set_float(g, n, "low", e.act.low));
        INFER_TRY(set_float(g, n, "high", e.act.high));
    }
    if (!e.act.kind)
        return INFER_OK;
    if (e.slopes != INFER_NO_VALUE) {
        n->in[3] = n->in_count > 3 ? n->in[3] : INFER_NO_VALUE;
        n->in[4] = e.slopes;
        n->in_count = 5;
    }
    infer_attr kind = {.name = "activation", .type = INFER_ATTR_INT, .i = e.act.kind};
    n->op = infer_op_find("infer", "ConvActivated");
    INFER_TRY(infer_graph_add_attr(g, n, &kind));
    INFER_TRY(set_float(g, n, "alpha", e.act.alpha));
    INFER_TRY(set_float(g, n, "beta", e.act.beta));
    INFER_TRY(set_float(g, n, "scale", e.act.scale));
    return set_float(g, n, "shift", e.act.shift);
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
        bool same = infer_graph_keeps_batch(g, n) && n->out[0] != INFER_NO_VALUE;
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

/* Whether what is added to a convolution may come behind its activation: the kernels of single
 * channels do not know that. */
static bool may_be_late(const graph_node *n) {
    return infer_graph_is_op(n, "infer", "ConvActivated") && infer_graph_int(n, "group", 1) == 1 &&
           (n->in_count <= 3 || n->in[3] == INFER_NO_VALUE) && n->in_count <= LATE;
}

/* The node at place i takes that of the addition behind it: what is added is there by then. */
static infer_status fuse_addition(infer_graph *g, graph_uses *u, const uint32_t *batch, size_t i) {
    graph_node **nodes = g->now->nodes, *n = nodes[i], *r = infer_graph_sole_reader(u, n);
    const bool late = may_be_late(n);
    if ((!late && n->in_count > 3) ||
        (!infer_graph_is_op(r, "", "Add") && !infer_graph_is_op(r, "", "Sum")) || r->in_count != 2)
        return INFER_OK;
    uint32_t other = infer_graph_resolve(g, r->in[infer_graph_resolve(g, r->in[0]) == n->out[0]]);
    if (g->values[other].constant || !same_shape(g, batch, other, n->out[0]))
        return INFER_OK;
    size_t at = i;
    while (nodes[at] != r)
        at++;
    for (uint32_t e = n->in_count; late && e < LATE; e++)
        n->in[e] = INFER_NO_VALUE;
    n->in[late ? LATE : 3] = other;
    n->in_count = late ? LATE + 1 : 4;
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
            INFER_TRY(fuse_ending(g, &u, n));
        if (may_be_late(n))
            INFER_TRY(fuse_addition(g, &u, batch, i));
    }
    return INFER_OK;
}
