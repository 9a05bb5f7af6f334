/* fuse-quantized: what computes each number of 8 bits from one by itself, in however many
 * operators, becomes a table of what each of the 256 gives. The operators are run to fill it. */
#include "fuse_quantized.h"

#include "status.h"

#include <string.h>

#define DEEPEST 8 /* operators in a row */

/* Operators whose elements follow from one element of each input. */
static const char elementwise[] =
    " Abs Add Clip Div Elu Erf Exp Gelu HardSigmoid HardSwish LeakyRelu Log Max Min Mul Neg Pow "
    "Relu Sigmoid Softplus Sqrt Sub Swish Tanh ";

typedef struct tabling {
    infer_graph *g;
    const graph_uses *u;
    const graph_node *like;
    uint32_t root; /* the value of bytes that all follows from; INFER_NO_VALUE: none yet */
    infer_status status;
} tabling;

static uint32_t make(tabling *t, const graph_plan *plan) {
    uint32_t value = INFER_NO_VALUE;
    if (plan->in[0] == INFER_NO_VALUE)
        return INFER_NO_VALUE;
    if (t->status == INFER_OK)
        t->status = infer_graph_make(t->g, t->like, plan, &value, 1);
    return t->status == INFER_OK && infer_graph_is_constant(t->g, value) ? value : INFER_NO_VALUE;
}

/* All numbers of a type in the order of their bits. */
static uint32_t all_numbers(tabling *t, infer_type type) {
    uint8_t bits[256];
    uint32_t value = INFER_NO_VALUE;
    for (size_t i = 0; i < sizeof bits; i++)
        bits[i] = (uint8_t)i;
    const infer_view v = {.type = (uint8_t)type, .rank = 1, .dim = {sizeof bits}, .data = bits};
    if (t->status == INFER_OK)
        t->status = infer_graph_keep(t->g, &v, &value);
    return value;
}

/* A constant of one element as a scalar, which leaves shapes as they are. */
static uint32_t scalar(tabling *t, uint32_t value) {
    infer_view v;
    const float *data = infer_graph_floats(t->g, value, &v);
    uint32_t one = INFER_NO_VALUE;
    if (!data || infer_view_count(&v) != 1)
        return INFER_NO_VALUE;
    v.rank = 0;
    if (t->status == INFER_OK)
        t->status = infer_graph_keep(t->g, &v, &one);
    return one;
}

/* The floats that a quantized value stands for, number by number of the root. */
static uint32_t numbers(tabling *t, const graph_quantized *q) {
    const graph_node *n = infer_graph_made_by(t->g, q->integers);
    const bool tabled =
        infer_graph_is_op(n, "infer", "LookupBytes") && infer_graph_view(t->g, n->in[1])->rank == 1;
    const uint32_t root = tabled ? infer_graph_resolve(t->g, n->in[0]) : q->integers;
    if (t->root != INFER_NO_VALUE && t->root != root)
        return INFER_NO_VALUE;
    t->root = root;
    const uint32_t in[] = {tabled ? n->in[1] : all_numbers(t, q->type), q->scale, q->zero};
    return make(t, &(graph_plan){"", "DequantizeLinear", in, 3, NULL});
}

static uint32_t tabulate(tabling *t, uint32_t value, int depth) {
    graph_quantized q;
    const uint32_t v = infer_graph_resolve(t->g, value);
    if (v != INFER_NO_VALUE && infer_graph_is_constant(t->g, v))
        return scalar(t, v);
    if (infer_graph_is_plain(t->g, v, &q))
        return numbers(t, &q);
    const graph_node *n = infer_graph_made_by(t->g, v);
    uint32_t in[3];
    if (!n || depth == DEEPEST || n->op->domain[0] || n->out_count != 1 || n->in_count > 3 ||
        v >= t->u->count || t->u->reads[v] != 1 || !infer_graph_is_among(n->op->name, elementwise))
        return INFER_NO_VALUE;
    for (uint32_t i = 0; i < n->in_count; i++) {
        const bool there = n->in[i] != INFER_NO_VALUE;
        in[i] = there ? tabulate(t, n->in[i], depth + 1) : INFER_NO_VALUE;
        if (there && in[i] == INFER_NO_VALUE)
            return INFER_NO_VALUE;
    }
    return make(t, &(graph_plan){"", n->op->name, in, n->in_count, n});
}

infer_status infer_graph_tabulate(infer_graph *g, const graph_uses *u, const graph_node *n,
                                  uint32_t *from, uint32_t *table, bool *found) {
    tabling t = {.g = g, .u = u, .like = n, .root = INFER_NO_VALUE};
    const uint32_t x = tabulate(&t, n->in[0], 0);
    *found = false;
    if (x == INFER_NO_VALUE || t.root == INFER_NO_VALUE)
        return t.status;
    const int32_t rank = infer_graph_view(g, t.root)->rank;
    if (rank < 0 || rank != infer_graph_view(g, n->in[0])->rank)
        return t.status;
    const uint32_t in[] = {x, n->in[1], n->in_count > 2 ? n->in[2] : INFER_NO_VALUE};
    *table = make(&t, &(graph_plan){"", "QuantizeLinear", in, 3, n});
    *from = t.root;
    *found = *table != INFER_NO_VALUE;
    return t.status;
}

/* ---- channels ---- */

#define LEAST_PLACES 512 /* of a channel: its table is half as large as what it is for at most */

/* Channels of a normalization of enough places each, whose parameters are constants; 0: it is none.
 */
static int64_t normalized_channels(infer_graph *g, const graph_node *n, const infer_view *x) {
    infer_view v;
    int64_t places = 1;
    if (!infer_graph_is_op(n, "", "BatchNormalization") || n->in_count != 5 || n->out_count != 1 ||
        infer_graph_int(n, "training_mode", 0) || x->rank < 3)
        return 0;
    for (int32_t i = 2; i < x->rank; i++)
        places *= x->dim[i] < 0 || x->dim[i] > INT32_MAX || places > INT32_MAX ? 0 : x->dim[i];
    for (uint32_t i = 1; i < 5; i++)
        if (!infer_graph_are_floats(g, n->in[i], &v) || v.rank != 1 || v.dim[0] != x->dim[1])
            return 0;
    return places < LEAST_PLACES ? 0 : x->dim[1];
}

infer_status infer_graph_tabulate_channels(infer_graph *g, const graph_uses *u, const graph_node *n,
                                           uint32_t *from, uint32_t *table, bool *found) {
    tabling t = {.g = g, .u = u, .like = n};
    const uint32_t v = infer_graph_resolve(g, n->in[0]);
    const graph_node *norm = infer_graph_made_by(g, v);
    graph_quantized q;
    *found = false;
    if (!norm || v >= u->count || u->reads[v] != 1 || !infer_graph_is_plain(g, norm->in[0], &q))
        return INFER_OK;
    const size_t channels = (size_t)normalized_channels(g, norm, infer_graph_view(g, q.integers));
    uint8_t *all = infer_arena_array(&g->scratch, channels, 256);
    if (!channels || !all)
        return channels ? infer_graph_status(g, INFER_ERROR_MEMORY) : INFER_OK;
    for (size_t i = 0; i < 256; i++)
        memset(all + i * channels, (int)i, channels);
    const infer_view view = {
        .type = (uint8_t)q.type, .rank = 2, .dim = {256, (int64_t)channels}, .data = all};
    uint32_t in[5] = {INFER_NO_VALUE, q.scale, q.zero};
    INFER_TRY(infer_graph_keep(g, &view, &in[0]));
    in[0] = make(&t, &(graph_plan){"", "DequantizeLinear", in, 3, NULL});
    memcpy(in + 1, norm->in + 1, 4 * sizeof *in);
    in[0] = make(&t, &(graph_plan){"", "BatchNormalization", in, 5, norm});
    in[1] = n->in[1];
    in[2] = n->in_count > 2 ? n->in[2] : INFER_NO_VALUE;
    in[0] = make(&t, &(graph_plan){"", "QuantizeLinear", in, 3, n});
    *table = make(&t, &(graph_plan){"", "Transpose", in, 1, NULL});
    *from = q.integers;
    *found = *table != INFER_NO_VALUE;
    return t.status;
}

infer_status infer_graph_rescale(infer_graph *g, const graph_node *like, const graph_quantized *x,
                                 const graph_quantized *y, uint32_t *from, uint32_t *table,
                                 bool *found) {
    tabling t = {.g = g, .like = like, .root = INFER_NO_VALUE};
    uint32_t in[] = {numbers(&t, x), y->scale, INFER_NO_VALUE};
    *from = t.root;
    *found = false;
    INFER_TRY(infer_graph_zero_value(g, y, &in[2])); /* which says the type */
    if (in[0] == INFER_NO_VALUE)
        return t.status;
    *table = make(&t, &(graph_plan){"", "QuantizeLinear", in, 3, NULL});
    *found = *table != INFER_NO_VALUE;
    return t.status;
}
