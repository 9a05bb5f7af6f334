/* Products around a softmax become attention: softmax(scale Q K^T, masked) V, as exporters spell
 * it.
 *
 * From the last product back: a Where that puts zeros for what is not a number, the softmax of the
 * last axis, what is added, what a Where fills in, scales before or behind the first product, on
 * either side of it. Transposes of heads and rows around all that go into the operator, which reads
 * and writes either way. */
#include "uses.h"

#include "status.h"

#include <math.h>
#include <string.h>

#define DEPTH 12 /* of what is computed to get a number */

/* Q, K, V, what is added, what is kept: values; K is turned where it is as the product has it. */
enum { Q, K, V, ADD, KEEP, PARTS };

typedef struct attention {
    infer_graph *g;
    const graph_uses *u;
    uint32_t part[PARTS];
    bool rows[3]; /* [batch][rows][heads][size] */
    bool inverts, zeros;
    double scale;
    float fill;
} attention;

static graph_node *maker_of(const attention *a, uint32_t value, const char *op) {
    return infer_graph_maker(a->g, a->u, value, op);
}

/* Whether nothing else reads a value. */
static bool is_private(const attention *a, uint32_t value, uint32_t reads) {
    return a->u->reads[infer_graph_resolve(a->g, value)] == reads;
}

static const infer_view *view_of(const attention *a, uint32_t value) {
    return infer_graph_view(a->g, infer_graph_resolve(a->g, value));
}

/* ---- numbers ---- */

/* Element number `at` of an INT64 constant. */
static bool read_index(const attention *a, uint32_t value, int64_t at, int64_t *index) {
    uint32_t v = infer_graph_resolve(a->g, value);
    if (v == INFER_NO_VALUE || !a->g->values[v].constant)
        return false;
    const infer_view *view = &a->g->values[v].view;
    if (view->type != INFER_TYPE_INT64 || at >= infer_view_count(view))
        return false;
    *index = ((const int64_t *)view->data)[at];
    return true;
}

/* The axes [from, to) of *of that a value has the extents of, taken from its Shape. */
static bool read_span(const attention *a, uint32_t value, uint32_t *of, int64_t *from,
                      int64_t *to) {
    const graph_node *one = maker_of(a, value, "Gather"), *some = maker_of(a, value, "Slice");
    const graph_node *n = one ? one : some;
    const graph_node *shape = maker_of(a, n ? n->in[0] : value, "Shape");
    if (!shape)
        return false;
    *of = infer_graph_resolve(a->g, shape->in[0]);
    const int32_t rank = infer_graph_view(a->g, *of)->rank;
    const infer_attr *start = infer_graph_find_attr(shape, "start");
    const infer_attr *end = infer_graph_find_attr(shape, "end");
    *from = start && !n ? start->i : 0;
    *to = end ? end->i : rank;
    if (n && (end || (start && start->i != 0) || !read_index(a, n->in[1], 0, from)))
        return false;
    if (one)
        *to = *from == -1 ? rank : *from + 1;
    else if (some && (!read_index(a, n->in[2], 0, to) || n->in_count > 4))
        return false;
    *from = *from < -rank ? 0 : *from < 0 ? *from + rank : *from;
    *to = *to < 0 ? *to + rank : *to > rank ? rank : *to;
    return *from >= 0 && *from < *to && *to <= rank;
}

/* A known extent of something, taken from its Shape. */
static bool read_extent(const attention *a, uint32_t value, double *number) {
    uint32_t of;
    int64_t from, to;
    if (!read_span(a, value, &of, &from, &to) || to != from + 1)
        return false;
    const int64_t extent = infer_graph_view(a->g, of)->dim[from];
    *number = (double)extent;
    return extent >= 0;
}

/* Whether a value has the extents of axes [from, from + count) of x. */
static bool is_span(const attention *a, uint32_t value, uint32_t x, int64_t from, int64_t count) {
    const infer_view *v = view_of(a, x);
    uint32_t of;
    int64_t first, end, extent;
    if (read_span(a, value, &of, &first, &end))
        return of == infer_graph_resolve(a->g, x) && first == from && end == from + count;
    for (int64_t i = 0; i < count; i++)
        if (!read_index(a, value, i, &extent) || extent <= 0 || v->dim[from + i] != extent)
            return false;
    return infer_view_count(view_of(a, value)) == count;
}

/* What a value is, where it is one number: a constant or computed from such. */
static bool read_number(const attention *a, uint32_t value, int depth, double *number) {
    static const char *const same[] = {"Cast", "Reshape", "Squeeze", "Unsqueeze", "Identity"};
    infer_view v;
    const float *data = infer_graph_floats(a->g, value, &v);
    if (data && infer_view_count(&v) == 1) {
        *number = (double)data[0];
        return true;
    }
    if (depth == DEPTH || infer_view_count(view_of(a, value)) != 1)
        return false;
    if (read_extent(a, value, number))
        return true;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const graph_node *n = maker_of(a, value, same[i]);
        if (n)
            return read_number(a, n->in[0], depth + 1, number);
    }
    const graph_node *n = maker_of(a, value, "Sqrt");
    if (n) {
        bool known = read_number(a, n->in[0], depth + 1, number);
        *number = known ? sqrt(*number) : 0;
        return known;
    }
    double other;
    const graph_node *div = maker_of(a, value, "Div"), *mul = maker_of(a, value, "Mul");
    n = div ? div : mul;
    if (!n || !read_number(a, n->in[0], depth + 1, number) ||
        !read_number(a, n->in[1], depth + 1, &other))
        return false;
    *number = div ? *number / other : *number * other;
    return true;
}

/* A value that is another times a number, at least 0 wide: takes the number. alone: only if nothing
 * else reads it. */
static void take_scales(attention *a, uint32_t *value, bool alone) {
    for (;;) {
        const graph_node *div = maker_of(a, *value, "Div"), *mul = maker_of(a, *value, "Mul");
        const graph_node *n = div ? div : mul;
        double number;
        if (!n || (alone && !is_private(a, *value, 1)))
            return;
        int side = read_number(a, n->in[1], 0, &number)          ? 0
                   : mul && read_number(a, n->in[0], 0, &number) ? 1
                                                                 : -1;
        /* A number of higher rank would give the product axes. */
        if (side < 0 || view_of(a, n->in[1 - side])->rank > view_of(a, n->in[side])->rank)
            return;
        a->scale = div ? a->scale / number : a->scale * number;
        *value = n->in[side];
    }
}

/* ---- transposes ---- */

static bool has_perm(const graph_node *n, const int64_t *perm, size_t rank) {
    const infer_attr *a = n ? infer_graph_find_attr(n, "perm") : NULL;
    return a && a->count == rank && memcmp(a->data, perm, rank * sizeof *perm) == 0;
}

static const int64_t heads_perm[] = {0, 2, 1, 3};

/* Takes a Transpose that brings heads before rows. */
static void take_heads(attention *a, int which) {
    const graph_node *n = maker_of(a, a->part[which], "Transpose");
    if (!a->rows[which] && has_perm(n, heads_perm, 4)) {
        a->part[which] = n->in[0];
        a->rows[which] = true;
    }
}

static const int64_t flat[] = {0, 2, 1};

/* Whether a Reshape's known extents are these axes of x; -1: any extent. */
static bool has_extents(const attention *a, const graph_node *reshape, const infer_view *x,
                        const int *axes, int32_t rank) {
    const infer_view *v = view_of(a, reshape->out[0]);
    bool same = v->rank == rank;
    for (int32_t i = 0; same && i < rank; i++)
        same = axes[i] < 0 || (x->dim[axes[i]] > 0 && v->dim[i] == x->dim[axes[i]]);
    return same;
}

/* The last two axes changed by a Transpose between two Reshapes, which make of batch and heads one
 * axis and two again. */
static bool take_reshaped_turn(attention *a) {
    const graph_node *outer = maker_of(a, a->part[K], "Reshape");
    const graph_node *turn = outer ? maker_of(a, outer->in[0], "Transpose") : NULL;
    const graph_node *inner = has_perm(turn, flat, 3) ? maker_of(a, turn->in[0], "Reshape") : NULL;
    if (!inner || view_of(a, inner->in[0])->rank != 4)
        return false;
    const uint32_t x = inner->in[0];
    const graph_node *few = maker_of(a, inner->in[1], "Concat");
    const graph_node *all = maker_of(a, outer->in[1], "Concat");
    bool fits = has_extents(a, inner, view_of(a, x), (const int[]){-1, 2, 3}, 3) &&
                has_extents(a, outer, view_of(a, x), (const int[]){0, 1, 3, 2}, 4);
    if (!fits && few && all && few->in_count == 3 && all->in_count >= 3 && all->in_count <= 4) {
        const uint32_t *last = all->in + all->in_count - 2;
        fits = is_span(a, few->in[1], x, 2, 1) && is_span(a, few->in[2], x, 3, 1) &&
               is_span(a, last[0], x, 3, 1) && is_span(a, last[1], x, 2, 1) &&
               (all->in_count == 3
                    ? is_span(a, all->in[0], x, 0, 2)
                    : is_span(a, all->in[0], x, 0, 1) && is_span(a, all->in[1], x, 1, 1));
    }
    if (fits)
        a->part[K] = x;
    return fits;
}

/* Takes what makes rows of keys columns; false where there is none. */
static bool take_turn(attention *a) {
    static const int64_t apart[] = {0, 1, 3, 2}, both[] = {0, 2, 3, 1};
    const graph_node *n = maker_of(a, a->part[K], "Transpose");
    a->rows[K] = has_perm(n, both, 4);
    if (!has_perm(n, flat, 3) && !has_perm(n, apart, 4) && !a->rows[K])
        return take_reshaped_turn(a);
    a->part[K] = n->in[0];
    return true;
}

/* ---- the pattern ---- */

static bool is_tensor(const attention *a, uint32_t value, infer_type type) {
    const infer_view *v = value == INFER_NO_VALUE ? NULL : view_of(a, value);
    return v && v->kind == INFER_KIND_TENSOR && v->type == type && v->rank >= 0 && v->rank <= 4;
}

/* Scores: a product, scaled. */
static bool match_product(attention *a, uint32_t value) {
    const double before = a->scale;
    take_scales(a, &value, true);
    const graph_node *n = maker_of(a, value, "MatMul");
    if (n && is_private(a, value, 1)) {
        a->part[Q] = n->in[0];
        a->part[K] = n->in[1];
        take_scales(a, &a->part[K], false);
        if (take_turn(a)) {
            take_scales(a, &a->part[K], false);
            take_heads(a, K);
            take_scales(a, &a->part[Q], false);
            take_heads(a, Q);
            take_scales(a, &a->part[Q], false);
            return true;
        }
    }
    a->scale = before;
    return false;
}

/* The same where some are filled in. */
static bool match_filled(attention *a, uint32_t value) {
    const graph_node *n = maker_of(a, value, "Where");
    double fill;
    if (!n)
        return match_product(a, value);
    for (uint32_t i = 1; i < 3; i++) {
        if (!is_private(a, value, 1) || !read_number(a, n->in[3 - i], 0, &fill) ||
            view_of(a, n->in[3 - i])->rank > 4 || !match_product(a, n->in[i]))
            continue;
        a->part[KEEP] = n->in[0];
        a->inverts = i == 2;
        a->fill = (float)fill;
        return true;
    }
    return false;
}

/* The same where a mask is added. */
static bool match_scores(attention *a, uint32_t value) {
    const graph_node *n = maker_of(a, value, "Add");
    if (!n)
        return match_filled(a, value);
    for (uint32_t i = 0; i < 2; i++)
        if (is_private(a, value, 1) && match_filled(a, n->in[i])) {
            a->part[ADD] = n->in[1 - i];
            return true;
        }
    return false;
}

/* What weighs the values: a softmax, perhaps with zeros in place of what is not a number. */
static bool match_weights(attention *a, uint32_t value) {
    const graph_node *where = maker_of(a, value, "Where");
    uint32_t reads = 1;
    double number;
    if (where) {
        const graph_node *nan = maker_of(a, where->in[0], "IsNaN");
        uint32_t kept = infer_graph_resolve(a->g, where->in[2]);
        if (!nan || infer_graph_resolve(a->g, nan->in[0]) != kept || !is_private(a, value, 1) ||
            !is_private(a, where->in[0], 1) || !read_number(a, where->in[1], 0, &number) ||
            number != 0)
            return false;
        a->zeros = true;
        value = kept;
        reads = 2;
    }
    const graph_node *n = maker_of(a, value, "Softmax");
    if (!n || !is_private(a, value, reads))
        return false;
    const infer_attr *axis = infer_graph_find_attr(n, "axis");
    const infer_view *x = view_of(a, n->in[0]);
    if (x->rank < 2 || (axis && axis->i != -1 && axis->i != x->rank - 1))
        return false;
    return match_scores(a, n->in[0]);
}

/* Whether the operator does what the nodes did: with one key that a mask broadcasts it does not. */
static bool is_sound(const attention *a) {
    for (int i = 0; i < PARTS; i++)
        if (i < ADD || a->part[i] != INFER_NO_VALUE)
            if (!is_tensor(a, a->part[i], i == KEEP ? INFER_TYPE_BOOL : INFER_TYPE_FLOAT) ||
                (i < ADD && view_of(a, a->part[i])->rank < (a->rows[i] ? 4 : 2)))
                return false;
    const infer_view *k = view_of(a, a->part[K]), *v = view_of(a, a->part[V]);
    const int64_t keys = k->dim[k->rank - (a->rows[K] ? 3 : 2)];
    const int64_t values = v->dim[v->rank - (a->rows[V] ? 3 : 2)];
    return keys == values || (keys != 1 && values != 1);
}

static infer_status set_int(infer_graph *g, graph_node *n, const char *name, int64_t i) {
    infer_attr a = {.name = name, .type = INFER_ATTR_INT, .i = i};
    return i ? infer_graph_add_attr(g, n, &a) : INFER_OK;
}

static infer_status set_float(infer_graph *g, graph_node *n, const char *name, float f) {
    infer_attr a = {.name = name, .type = INFER_ATTR_FLOAT, .f = f};
    return infer_graph_add_attr(g, n, &a);
}

static infer_status become(attention *a, graph_uses *u, graph_node *n) {
    static const char *const rows[] = {"q_rows", "k_rows", "v_rows"};
    graph_node *r = infer_graph_sole_reader(u, n);
    const bool transposed = infer_graph_is_op(r, "", "Transpose") && has_perm(r, heads_perm, 4);
    if (n->in_room < PARTS)
        return INFER_OK;
    n->op = infer_op_find("infer", "Attention");
    n->attr_count = 0;
    for (int i = 0; i < PARTS; i++)
        n->in[i] = a->part[i];
    n->in_count = a->part[KEEP] != INFER_NO_VALUE ? 5 : a->part[ADD] != INFER_NO_VALUE ? 4 : 3;
    for (int i = 0; i < 3; i++)
        INFER_TRY(set_int(a->g, n, rows[i], a->rows[i]));
    INFER_TRY(set_int(a->g, n, "y_rows", transposed));
    INFER_TRY(set_int(a->g, n, "inverts", a->inverts));
    INFER_TRY(set_int(a->g, n, "zeros", a->zeros));
    INFER_TRY(set_float(a->g, n, "scale", (float)a->scale));
    INFER_TRY(set_float(a->g, n, "fill", a->fill));
    if (transposed)
        infer_graph_absorb(u, n, r);
    return INFER_OK;
}

infer_status infer_graph_fuse_attention(infer_graph *g) {
    const graph_body *b = g->now;
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    for (size_t i = 0; i < b->node_count; i++) {
        graph_node *n = b->nodes[i];
        attention a = {.g = g, .u = &u, .scale = 1};
        memset(a.part, 0xff, sizeof a.part); /* INFER_NO_VALUE */
        if (!infer_graph_is_op(n, "", "MatMul") || n->out[0] == INFER_NO_VALUE ||
            infer_graph_view(g, n->out[0])->type != INFER_TYPE_FLOAT ||
            !match_weights(&a, n->in[0]))
            continue;
        a.part[V] = n->in[1];
        take_heads(&a, V);
        if (is_sound(&a))
            INFER_TRY(become(&a, &u, n));
    }
    return INFER_OK;
}
