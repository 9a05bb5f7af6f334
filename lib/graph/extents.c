/*
 * Extents that are the same: each axis of a value has a number, which nodes hand on from what they
 * read. What no rule here knows is a number of its own.
 */
#include "extents.h"

#include "axes.h"
#include "checked.h"
#include "status.h"
#include "uses.h"

#include <string.h>

typedef struct finder {
    infer_graph *g;
    graph_extents e;
    const graph_node *n; /* at hand, with its first input and its output */
    uint32_t in, out;
    const infer_view *x, *y;
} finder;

/* Axis `to` of the output is as long as axis `from` of the first input. */
static void same(finder *f, int32_t to, int32_t from) {
    if (to >= 0 && to < f->y->rank && from >= 0 && from < f->x->rank)
        f->e.number[f->e.first[f->out] + (uint32_t)to] =
            f->e.number[f->e.first[f->in] + (uint32_t)from];
}

/* ---- rules ---- */

/* Where all that broadcasts along an axis has one number, the result has it, too: of others one
 * may be 1. */
static void broadcast(finder *f) {
    for (int32_t d = 0; d < f->y->rank; d++) {
        uint32_t number = INFER_NO_VALUE;
        bool one = true;
        for (uint32_t i = 0; i < f->n->in_count; i++) {
            const uint32_t v = infer_graph_resolve(f->g, f->n->in[i]);
            if (v == INFER_NO_VALUE)
                continue;
            const infer_view *x = &f->g->values[v].view;
            const int32_t at = d - f->y->rank + x->rank;
            one = one && x->rank >= 0 && x->rank <= f->y->rank;
            if (!one || at < 0 || x->dim[at] == 1)
                continue;
            const uint32_t its = f->e.number[f->e.first[v] + (uint32_t)at];
            one = number == INFER_NO_VALUE || number == its;
            number = its;
        }
        if (one && number != INFER_NO_VALUE)
            f->e.number[f->e.first[f->out] + (uint32_t)d] = number;
    }
}

static void like_first(finder *f) {
    for (int32_t d = 0; d < f->y->rank && f->x->rank == f->y->rank; d++)
        same(f, d, d);
}

static void batch(finder *f) {
    same(f, 0, 0);
}

/* All but the last axis. */
static void rows(finder *f) {
    for (int32_t d = 0; d + 1 < f->y->rank && f->x->rank == f->y->rank; d++)
        same(f, d, d);
}

static void to_blocks(finder *f) {
    same(f, 0, 0);
    same(f, 3, f->x->rank - 1);
    if (f->x->rank == 4)
        same(f, 2, 2);
}

static void from_blocks(finder *f) {
    same(f, 0, 0);
    same(f, f->y->rank - 1, 3);
    if (f->y->rank == 4)
        same(f, 2, 2);
}

static void concat(finder *f) {
    const infer_attr *a = infer_graph_find_attr(f->n, "axis");
    for (int32_t d = 0; a && d < f->y->rank && f->x->rank == f->y->rank; d++)
        if (d != (int32_t)(a->i < 0 ? a->i + f->y->rank : a->i))
            same(f, d, d);
}

static void transpose(finder *f) {
    const infer_attr *a = infer_graph_find_attr(f->n, "perm");
    const int32_t rank = f->y->rank;
    if (f->x->rank != rank || (a && a->count != (size_t)rank))
        return;
    for (int32_t d = 0; d < rank; d++)
        same(f, d, a ? (int32_t)((const int64_t *)a->data)[d] : rank - 1 - d);
}

/* The axes that an input names, a bit each; false where they are not known. */
static bool axes_of(const finder *f, uint32_t index, int32_t rank, uint32_t *axes) {
    const uint32_t v =
        index < f->n->in_count ? infer_graph_resolve(f->g, f->n->in[index]) : INFER_NO_VALUE;
    const infer_view *list = v == INFER_NO_VALUE ? NULL : infer_graph_view(f->g, v);
    *axes = 0;
    if (!list || !list->data || (list->type != INFER_TYPE_INT64 && list->type != INFER_TYPE_INT32))
        return false;
    for (int64_t i = 0; i < infer_view_count(list); i++) {
        int64_t axis = infer_index(list, i);
        axis += axis < 0 ? rank : 0;
        if (axis < 0 || axis >= rank)
            return false;
        *axes |= 1u << axis;
    }
    return true;
}

static void slice(finder *f) {
    uint32_t axes;
    if (f->x->rank != f->y->rank || !axes_of(f, 3, f->x->rank, &axes))
        return;
    for (int32_t d = 0; d < f->y->rank; d++)
        if (!(axes >> d & 1))
            same(f, d, d);
}

static void squeeze(finder *f) {
    uint32_t axes;
    if (f->x->rank < 0 || !axes_of(f, 1, f->x->rank, &axes))
        return;
    for (int32_t from = 0, to = 0; from < f->x->rank; from++)
        if (!(axes >> from & 1))
            same(f, to++, from);
}

static void unsqueeze(finder *f) {
    uint32_t axes;
    if (f->y->rank < 0 || !axes_of(f, 1, f->y->rank, &axes))
        return;
    for (int32_t from = 0, to = 0; to < f->y->rank; to++)
        if (!(axes >> to & 1))
            same(f, to, from++);
}

static const struct {
    const char *domain, *names; /* with blanks around each */
    void (*rule)(finder *f);
} rules[] = {
    {"",
     " Abs Add And Cast Ceil Clip Cos Div Dropout Elu Equal Erf Exp Floor Gelu Greater "
     "GreaterOrEqual HardSigmoid HardSwish Identity LeakyRelu Less LessOrEqual Log Max Mean Min "
     "Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus Softsign "
     "Sqrt Sub Sum Swish Tanh Where ",
     broadcast},
    {"", " BatchNormalization LayerNormalization LogSoftmax RMSNormalization Softmax ", like_first},
    {"", " AveragePool Conv GlobalAveragePool GlobalMaxPool MaxPool ", batch},
    {"", " Concat ", concat},
    {"", " Slice ", slice},
    {"", " Squeeze ", squeeze},
    {"", " Transpose ", transpose},
    {"", " Unsqueeze ", unsqueeze},
    {"infer", " AffineBlocked ", like_first},
    {"infer", " ConvActivated ConvBlocked PhasesBlocked PoolBlocked ", batch},
    {"infer", " FromBlocks ", from_blocks},
    {"infer", " MatMulPacked ", rows},
    {"infer", " ToBlocks ", to_blocks},
};

/* ---- the graph ---- */

infer_status infer_graph_find_extents(infer_graph *g, graph_extents *e) {
    size_t axes = 0;
    e->first = infer_arena_array(&g->scratch, g->value_count, sizeof *e->first);
    if (!e->first)
        return INFER_ERROR_MEMORY;
    for (size_t v = 0; v < g->value_count; v++) {
        e->first[v] = (uint32_t)axes;
        if (g->values[v].view.rank > 0 && !infer_add(axes, (size_t)g->values[v].view.rank, &axes))
            return INFER_ERROR_MEMORY;
    }
    e->number = infer_arena_array(&g->scratch, axes, sizeof *e->number);
    if (!e->number || axes >= INFER_NO_VALUE)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < axes; i++)
        e->number[i] = (uint32_t)i;
    for (size_t i = 0; i < g->now->node_count; i++) {
        const graph_node *n = g->now->nodes[i];
        if (n->dead || n->bound || !n->in_count || !n->out_count || n->in[0] == INFER_NO_VALUE ||
            n->out[0] == INFER_NO_VALUE)
            continue;
        finder f = {.g = g, .e = *e, .n = n, .in = infer_graph_resolve(g, n->in[0])};
        f.out = n->out[0];
        f.x = &g->values[f.in].view;
        f.y = &g->values[f.out].view;
        for (size_t r = 0; r < sizeof rules / sizeof *rules; r++)
            if (f.x->kind == INFER_KIND_TENSOR && strcmp(n->op->domain, rules[r].domain) == 0 &&
                infer_graph_is_among(n->op->name, rules[r].names))
                rules[r].rule(&f);
    }
    return INFER_OK;
}

bool infer_graph_same_shape(const infer_graph *g, const graph_extents *e, uint32_t a, uint32_t b) {
    const infer_view *x = &g->values[a].view, *y = &g->values[b].view;
    bool equal = x->rank == y->rank && x->rank >= 0;
    for (int32_t d = 0; equal && d < x->rank; d++)
        equal = x->dim[d] == y->dim[d] &&
                (x->dim[d] >= 0 ||
                 e->number[e->first[a] + (uint32_t)d] == e->number[e->first[b] + (uint32_t)d]);
    return equal;
}
