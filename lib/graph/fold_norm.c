/* Folds what scales and shifts each channel behind a Conv or ConvTranspose into its weights: a
 * BatchNormalization, constants that are added or multiplied; and those behind a
 * BatchNormalization that stays into that. */
#include "uses.h"

#include "status.h"

#include <math.h>
#include <string.h>

/* y = x * scale + shift, channel by channel. */
typedef struct affine {
    double *scale, *shift;
    int64_t channels;
    int32_t rank; /* of x */
} affine;

static infer_status affine_room(infer_graph *g, affine *a) {
    a->scale = infer_arena_array(&g->arena, (size_t)a->channels, sizeof *a->scale);
    a->shift = infer_arena_array(&g->arena, (size_t)a->channels, sizeof *a->shift);
    return a->scale && a->shift ? INFER_OK : INFER_ERROR_MEMORY;
}

/* A BatchNormalization of constants that does not train; its outputs but the first are not wanted.
 */
static bool read_norm(infer_graph *g, const graph_node *n, affine *a) {
    const infer_attr *training = infer_graph_find_attr(n, "training_mode");
    const infer_attr *epsilon = infer_graph_find_attr(n, "epsilon");
    const float *in[4];
    infer_view v;
    if (training && training->i)
        return false;
    for (uint32_t i = 0; i < 4; i++)
        if (!(in[i] = infer_graph_floats(g, n->in[i + 1], &v)) || v.rank != 1 ||
            v.dim[0] != a->channels)
            return false;
    for (uint32_t i = 1; i < n->out_count; i++)
        if (n->out[i] != INFER_NO_VALUE)
            return false;
    for (int64_t i = 0; i < a->channels; i++) {
        double e = epsilon ? (double)epsilon->f : (double)1e-5f;
        a->scale[i] = (double)in[0][i] / sqrt((double)in[3][i] + e);
        a->shift[i] = (double)in[1][i] - (double)in[2][i] * a->scale[i];
    }
    return true;
}

/* An Add, Sub, Mul or Div of x and a constant. */
static bool read_arithmetic(infer_graph *g, const graph_node *n, uint32_t x, affine *a) {
    bool add = infer_graph_is_op(n, "", "Add"), sub = infer_graph_is_op(n, "", "Sub"),
         mul = infer_graph_is_op(n, "", "Mul"), divide = infer_graph_is_op(n, "", "Div");
    if (!add && !sub && !mul && !divide)
        return false;
    uint32_t at = infer_graph_resolve(g, n->in[0]) == x ? 1 : 0;
    float *c = infer_arena_array(&g->arena, (size_t)a->channels, sizeof *c);
    if ((at == 0 && (sub || divide)) || !c ||
        !infer_graph_channels(g, n->in[at], a->rank, a->channels, c))
        return false;
    for (int64_t i = 0; i < a->channels; i++) {
        double v = (double)c[i];
        a->scale[i] = mul ? v : divide ? 1 / v : 1;
        a->shift[i] = add ? v : sub ? -v : 0;
    }
    return true;
}

static bool read_step(infer_graph *g, const graph_node *n, uint32_t x, affine *a) {
    if (infer_graph_is_op(n, "", "BatchNormalization"))
        return infer_graph_resolve(g, n->in[0]) == x && read_norm(g, n, a);
    return n && read_arithmetic(g, n, x, a);
}

/* Follows the chain behind n and gathers it in `all`, which n makes of what it was. */
static infer_status gather(infer_graph *g, graph_uses *u, graph_node *n, affine *all, bool *any) {
    affine step = *all;
    INFER_TRY(affine_room(g, all));
    INFER_TRY(affine_room(g, &step));
    for (int64_t i = 0; i < all->channels; i++)
        all->scale[i] = 1;
    for (graph_node *r; (r = infer_graph_sole_reader(u, n)); *any = true) {
        bool finite = read_step(g, r, n->out[0], &step);
        for (int64_t i = 0; finite && i < all->channels; i++)
            finite = isfinite((float)(all->scale[i] * step.scale[i])) &&
                     isfinite((float)(all->shift[i] * step.scale[i] + step.shift[i]));
        if (!finite)
            break;
        for (int64_t i = 0; i < all->channels; i++) {
            all->scale[i] *= step.scale[i];
            all->shift[i] = all->shift[i] * step.scale[i] + step.shift[i];
        }
        infer_graph_absorb(u, n, r);
    }
    return INFER_OK;
}

/* Elements of input number index (absent: `absent`), scaled and shifted channel by channel, become
 * a constant of shape `v` in its place. Channels are its axis number `axis`. */
static infer_status rescale(infer_graph *g, graph_node *n, uint32_t index, const affine *a,
                            const double *shift, float absent, const infer_view *v, int32_t axis) {
    infer_view old;
    const float *from = index < n->in_count ? infer_graph_floats(g, n->in[index], &old) : NULL;
    float *to;
    uint32_t value;
    INFER_TRY(infer_graph_room(g, v, &value, &to));
    const size_t count = (size_t)infer_view_count(v);
    size_t each = count / (size_t)(a->channels * (axis ? v->dim[0] : 1));
    for (size_t j = 0; j < count; j++) {
        size_t i = j / each % (size_t)a->channels;
        to[j] = (float)((from ? (double)from[j] : (double)absent) * a->scale[i] +
                        (shift ? shift[i] : 0));
    }
    if (n->in_room <= index)
        return infer_fail(INFER_ERROR_LIMIT, "no room for another input");
    n->in[index] = value;
    n->in_count = n->in_count > index ? n->in_count : index + 1;
    return INFER_OK;
}

/* The weights of convolution n, output by output; they are packed so, and not made twice. */
static infer_status scale_rows(infer_graph *g, graph_node *n, const affine *a) {
    const infer_view scale = {
        .type = INFER_TYPE_DOUBLE, .rank = 1, .dim = {a->channels}, .data = a->scale};
    uint32_t in[] = {infer_graph_resolve(g, n->in[1]), INFER_NO_VALUE};
    INFER_TRY(infer_graph_constant(g, "", &scale, true, &in[1]));
    return infer_graph_pack(g, n, "ScaleRows", in, 2, NULL, 0, &n->in[1]);
}

static infer_status fold_conv(infer_graph *g, graph_uses *u, graph_node *n) {
    infer_view w, b;
    bool has_bias = n->in_count > 2 && n->in[2] != INFER_NO_VALUE, any = false;
    if (!infer_graph_are_floats(g, n->in[1], &w) || w.rank < 2 || infer_view_count(&w) == 0 ||
        (has_bias && !infer_graph_floats(g, n->in[2], &b)))
        return INFER_OK;
    const infer_attr *group = infer_graph_find_attr(n, "group");
    const int32_t axis = infer_graph_is_op(n, "", "ConvTranspose");
    if (axis && group && group->i != 1)
        return INFER_OK;
    affine a = {.channels = w.dim[axis], .rank = w.rank};
    INFER_TRY(gather(g, u, n, &a, &any));
    if (!any)
        return INFER_OK;
    infer_view bias = {.type = INFER_TYPE_FLOAT, .rank = 1, .dim = {a.channels}};
    INFER_TRY(axis ? rescale(g, n, 1, &a, NULL, 0, &w, axis) : scale_rows(g, n, &a));
    return rescale(g, n, 2, &a, a.shift, 0, &bias, 0);
}

static infer_status fold_batch(infer_graph *g, graph_uses *u, graph_node *n) {
    infer_view v;
    int32_t rank = infer_graph_view(g, n->in[0])->rank;
    bool any = false;
    if (rank < 2 || !infer_graph_floats(g, n->in[1], &v) || v.rank != 1 || v.dim[0] == 0)
        return INFER_OK;
    affine a = {.channels = v.dim[0], .rank = rank};
    INFER_TRY(affine_room(g, &a));
    if (!read_norm(g, n, &a))
        return INFER_OK;
    INFER_TRY(gather(g, u, n, &a, &any));
    if (!any)
        return INFER_OK;
    INFER_TRY(rescale(g, n, 1, &a, NULL, 0, &v, 0));
    return rescale(g, n, 2, &a, a.shift, 0, &v, 0);
}

infer_status infer_graph_fold_norm(infer_graph *g) {
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < g->now->node_count; i++) {
        graph_node *n = g->now->nodes[i];
        if (infer_graph_is_op(n, "", "Conv") || infer_graph_is_op(n, "", "ConvTranspose"))
            INFER_TRY(fold_conv(g, &u, n));
        else if (infer_graph_is_op(n, "", "BatchNormalization"))
            INFER_TRY(fold_batch(g, &u, n));
    }
    return INFER_OK;
}
