/*
 * Folds what is affine around a linear layer into it, in double precision: a scaler before, an
 * offset or factor on either side, the link behind. What is left of a scaled logistic regression is
 * one infer.Linear node.
 */
#include "affine.h"

#include "loose.h"
#include "status.h"
#include "uses.h"

#include <math.h>
#include <string.h>

/* Gemm and MatMul of more weights than that stay what they are: their packed weights serve batches
 * better, and doubles would take too much room. */
#define MOST_WEIGHTS ((size_t)1 << 20)

/* And so do those of larger graphs, of which they can only be a part. */
#define MOST_NODES 64

/* ---- reading the graph ---- */

static const graph_node *producer(const infer_graph *g, uint32_t value) {
    for (size_t i = 0; i < g->main.node_count; i++)
        for (uint32_t o = 0; o < g->main.nodes[i]->out_count; o++)
            if (g->main.nodes[i]->out[o] == value)
                return g->main.nodes[i];
    return NULL;
}

/* The one node that reads a value; NULL where there are more, or it leaves the graph. */
static graph_node *sole_reader(const infer_graph *g, uint32_t value) {
    graph_node *reader = NULL;
    size_t reads = 0;
    for (size_t i = 0; i < g->output_count; i++)
        reads += infer_graph_resolve(g, g->outputs[i].value) == value;
    for (size_t i = 0; i < g->main.node_count && reads == 0; i++)
        for (uint32_t e = 0; e < g->main.nodes[i]->in_count; e++)
            if (infer_graph_resolve(g, g->main.nodes[i]->in[e]) == value) {
                reads += reader != NULL;
                reader = g->main.nodes[i];
            }
    return reads ? NULL : reader;
}

static bool is_op(const graph_node *n, const char *domain, const char *name) {
    return n && strcmp(n->op->domain, domain) == 0 && strcmp(n->op->name, name) == 0;
}

/* Whether an attribute names what is expected; absent counts as the default. */
static bool text_is(const graph_node *n, const char *attr, const char *expected, bool by_default) {
    const infer_attr *a = infer_graph_find_attr(n, attr);
    if (!a)
        return by_default;
    return a->type == INFER_ATTR_STRING && a->count == strlen(expected) &&
           memcmp(a->data, expected, a->count) == 0;
}

/* Numbers for each of some columns, or one for all; NULL data stands for `absent`. */
typedef struct row {
    const float *data;
    size_t count;
    double absent;
} row;

static double at(const row *r, size_t i) {
    return r->data ? (double)r->data[r->count == 1 ? 0 : i] : r->absent;
}

/* A constant that an elementwise operator adds to or multiplies each row of `width` columns with.
 */
static bool constant_row(infer_graph *g, uint32_t value, size_t width, row *r) {
    infer_view v;
    const float *data = infer_graph_floats(g, value, &v);
    if (!data || v.rank > 2)
        return false;
    *r = (row){data, (size_t)infer_view_count(&v), 0};
    return r->count == 1 || (r->count == width && v.dim[v.rank - 1] == (int64_t)width);
}

static bool attr_row(const graph_node *n, const char *attr, size_t width, row *r) {
    const infer_attr *a = infer_graph_find_attr(n, attr);
    if (a)
        *r = (row){a->data, a->count, 0};
    return !a || (a->type == INFER_ATTR_FLOATS && (a->count == width || a->count == 1));
}

/* ---- steps of a chain ---- */

/* y = (x - offset) * scale, column by column. */
typedef struct step {
    row offset, scale;
    bool negative, inverse; /* -offset, 1 / scale are meant */
    uint32_t x;
} step;

static double offset_at(const step *s, size_t i) {
    return s->negative ? -at(&s->offset, i) : at(&s->offset, i);
}

static double scale_at(const step *s, size_t i) {
    return s->inverse ? 1 / at(&s->scale, i) : at(&s->scale, i);
}

/* Reads a Scaler, or an Add, Sub, Mul or Div with a constant, over rows of `width` floats. */
static bool read_step(infer_graph *g, const graph_node *n, size_t width, step *s) {
    *s = (step){.scale.absent = 1};
    bool add = is_op(n, "", "Add"), sub = is_op(n, "", "Sub"), mul = is_op(n, "", "Mul"),
         divide = is_op(n, "", "Div");
    uint32_t x = 0;
    if (is_op(n, "ai.onnx.ml", "Scaler")) {
        if (!attr_row(n, "offset", width, &s->offset) || !attr_row(n, "scale", width, &s->scale))
            return false;
    } else if (add || sub || mul || divide) {
        row *r = add || sub ? &s->offset : &s->scale;
        s->negative = add;
        s->inverse = divide;
        if ((add || mul) && constant_row(g, n->in[0], width, r))
            x = 1;
        else if (!constant_row(g, n->in[1], width, r))
            return false;
    } else {
        return false;
    }
    s->x = infer_graph_resolve(g, n->in[x]);
    const infer_view *v = &g->values[s->x].view;
    return v->type == INFER_TYPE_FLOAT && v->rank == 2 && v->dim[1] == (int64_t)width;
}

/* The step before. Gives false where there is none, or no memory to read it. */
static bool absorb_before(infer_graph *g, graph_affine *l, uint32_t *x) {
    const graph_node *n = producer(g, *x);
    step s;
    if (!n || !read_step(g, n, l->k, &s))
        return false;
    double *offset = infer_arena_array(&g->arena, l->k, sizeof *offset);
    double *factor = infer_arena_array(&g->arena, l->k, sizeof *factor);
    if (!offset || !factor)
        return false;
    for (size_t i = 0; i < l->k; i++) {
        offset[i] = offset_at(&s, i);
        factor[i] = scale_at(&s, i);
    }
    infer_graph_affine_before(l, offset, factor);
    *x = s.x;
    return true;
}

/* The step behind: w' = w scale, b' = (b - offset) scale. */
static bool absorb_after(infer_graph *g, graph_affine *l, graph_node **last) {
    graph_node *n = sole_reader(g, (*last)->out[0]);
    step s;
    if (!n || !read_step(g, n, l->n, &s))
        return false;
    for (size_t r = 0; r < l->n; r++) {
        for (size_t i = 0; i < l->k; i++)
            l->w[r * l->k + i] *= scale_at(&s, r);
        l->b[r] = (l->b[r] - offset_at(&s, r)) * scale_at(&s, r);
    }
    *last = n;
    return true;
}

/* An activation behind becomes the link. */
static void absorb_link(infer_graph *g, graph_affine *l, graph_node **last) {
    graph_node *n = sole_reader(g, (*last)->out[0]);
    if (is_op(n, "", "Sigmoid"))
        l->link = INFER_LINK_LOGISTIC;
    else if (is_op(n, "", "Exp"))
        l->link = INFER_LINK_EXP;
    else if (is_op(n, "", "Softmax") &&
             (infer_graph_int(n, "axis", -1) == -1 || infer_graph_int(n, "axis", -1) == 1))
        l->link = INFER_LINK_SOFTMAX;
    else
        return;
    *last = n;
}

static bool is_finite(const graph_affine *l) {
    for (size_t i = 0; i < l->n * l->k; i++)
        if (!isfinite((float)l->w[i]))
            return false;
    for (size_t i = 0; i < l->n; i++)
        if (!isfinite((float)l->b[i]))
            return false;
    return true;
}

static infer_status make_room(infer_graph *g, graph_affine *l) {
    l->w = infer_arena_array(&g->arena, l->n * l->k, sizeof *l->w);
    l->b = infer_arena_array(&g->arena, l->n, sizeof *l->b);
    return l->w && l->b ? INFER_OK : INFER_ERROR_MEMORY;
}

/* ---- ai.onnx.ml layers ---- */

/* Coefficients and intercepts of a LinearRegressor or LinearClassifier. */
static infer_status read_layer(infer_graph *g, const graph_node *n, graph_affine *l, bool *fits) {
    const infer_attr *w = infer_graph_find_attr(n, "coefficients"),
                     *b = infer_graph_find_attr(n, "intercepts");
    const infer_view *x = infer_graph_view(g, n->in[0]);
    *fits = w && w->type == INFER_ATTR_FLOATS && x->rank == 2 && x->dim[1] >= 1 && w->count &&
            w->count % (size_t)x->dim[1] == 0;
    if (!*fits)
        return INFER_OK;
    l->k = (size_t)x->dim[1];
    l->n = w->count / l->k;
    *fits = !b || (b->type == INFER_ATTR_FLOATS && b->count == l->n);
    if (!*fits)
        return INFER_OK;
    INFER_TRY(make_room(g, l));
    for (size_t i = 0; i < w->count; i++)
        l->w[i] = ((const float *)w->data)[i];
    for (size_t i = 0; b && i < l->n; i++)
        l->b[i] = ((const float *)b->data)[i];
    return INFER_OK;
}

/* Rows {-w, w} of a binary classifier are one row. */
static void halve(graph_affine *l) {
    if (l->n != 2 || l->b[0] != -l->b[1])
        return;
    for (size_t i = 0; i < l->k; i++)
        if (l->w[i] != -l->w[l->k + i])
            return;
    l->w += l->k;
    l->b += 1;
    l->n = 1;
    l->binary = 1;
}

static bool link_of(const graph_node *n, graph_affine *l) {
    if (text_is(n, "post_transform", "NONE", true))
        l->link = INFER_LINK_IDENTITY;
    else if (text_is(n, "post_transform", "LOGISTIC", false))
        l->link = INFER_LINK_LOGISTIC;
    else if (text_is(n, "post_transform", "SOFTMAX", false))
        l->link = INFER_LINK_SOFTMAX;
    else
        return false;
    return true;
}

/* Only where each row of coefficients has its label. */
static infer_status labels_of(infer_graph *g, const graph_node *n, graph_affine *l, bool *fits) {
    const infer_attr *ints = infer_graph_find_attr(n, "classlabels_ints");
    const infer_attr *strings = infer_graph_find_attr(n, "classlabels_strings");
    bool text = strings && strings->count;
    const infer_attr *a = text ? strings : ints;
    *fits = a && a->count == l->n && l->n >= 2 && !(text && ints && ints->count);
    if (!*fits)
        return INFER_OK;
    infer_view v = {.type = text ? INFER_TYPE_STRING : INFER_TYPE_INT64,
                    .rank = 1,
                    .dim = {(int64_t)a->count},
                    .data = (void *)a->data};
    return infer_graph_constant(g, "classes", &v, false, &l->classes);
}

/* Probabilities that add up to one are left alone by a Normalizer of norm L1. */
static void skip_normalizer(infer_graph *g, const graph_affine *l, uint32_t scores) {
    bool sums_to_one =
        l->link == INFER_LINK_SOFTMAX || (l->link == INFER_LINK_LOGISTIC && l->binary);
    for (size_t i = 0; sums_to_one && i < g->main.node_count; i++) {
        graph_node *n = g->main.nodes[i];
        if (is_op(n, "ai.onnx.ml", "Normalizer") && text_is(n, "norm", "L1", false) &&
            infer_graph_resolve(g, n->in[0]) == scores) {
            g->values[n->out[0]].replaced_by = scores;
            n->dead = true;
        }
    }
}

static infer_status fold_classifier(infer_graph *g, graph_node *n) {
    graph_affine l = {.classes = INFER_NO_VALUE};
    bool fits;
    INFER_TRY(read_layer(g, n, &l, &fits));
    fits = fits && link_of(n, &l);
    if (fits)
        INFER_TRY(labels_of(g, n, &l, &fits));
    if (!fits)
        return INFER_OK;
    halve(&l);
    uint32_t x = infer_graph_resolve(g, n->in[0]), label = n->out[0];
    while (absorb_before(g, &l, &x))
        ;
    if (!is_finite(&l))
        return INFER_OK;
    uint32_t scores = n->out_count > 1 ? n->out[1] : INFER_NO_VALUE;
    infer_view unknown = {.rank = -1};
    if (scores == INFER_NO_VALUE)
        INFER_TRY(infer_graph_new_value(g, "", &unknown, false, &scores));
    INFER_TRY(infer_graph_affine_node(g, &l, x, scores, label, n));
    skip_normalizer(g, &l, scores);
    return INFER_OK;
}

/* The chain around a layer, then the node in place of its last. */
static infer_status fold_chain(infer_graph *g, graph_affine *l, graph_node *n) {
    graph_node *last = n;
    uint32_t x = infer_graph_resolve(g, n->in[0]);
    while (absorb_before(g, l, &x))
        ;
    while (absorb_after(g, l, &last))
        ;
    absorb_link(g, l, &last);
    if (!is_finite(l))
        return INFER_OK;
    return infer_graph_affine_node(g, l, x, last->out[0], INFER_NO_VALUE, last);
}

/* onnxruntime's regressors transform several targets only: the plain operator knows. */
static infer_status fold_regressor(infer_graph *g, graph_node *n) {
    graph_affine l = {.classes = INFER_NO_VALUE};
    bool fits;
    INFER_TRY(read_layer(g, n, &l, &fits));
    if (!fits || !text_is(n, "post_transform", "NONE", true))
        return INFER_OK;
    return fold_chain(g, &l, n);
}

/* ---- Gemm and MatMul ---- */

/* Whether a chain around a product of `k` columns to n is all that leads from an input to an
 * output.
 */
static bool is_whole_model(infer_graph *g, graph_node *product, size_t k, size_t n) {
    uint32_t x = infer_graph_resolve(g, product->in[0]);
    graph_node *last = product, *next;
    graph_affine link = {0};
    step s;
    for (const graph_node *p; (p = producer(g, x)) && read_step(g, p, k, &s);)
        x = s.x;
    if (producer(g, x) || g->values[x].constant)
        return false;
    while ((next = sole_reader(g, last->out[0])) && read_step(g, next, n, &s))
        last = next;
    absorb_link(g, &link, &last);
    for (size_t i = 0; i < g->output_count; i++)
        if (infer_graph_resolve(g, g->outputs[i].value) == last->out[0])
            return true;
    return false;
}

static infer_status fold_product(infer_graph *g, graph_node *n, bool gemm) {
    const infer_view *x = infer_graph_view(g, n->in[0]);
    infer_view w;
    bool trans = gemm && infer_graph_int(n, "transB", 0);
    if (x->type != INFER_TYPE_FLOAT || x->rank != 2 || !infer_graph_are_floats(g, n->in[1], &w) ||
        w.rank != 2 || (gemm && infer_graph_int(n, "transA", 0)))
        return INFER_OK;
    graph_affine l = {.classes = INFER_NO_VALUE,
                      .n = (size_t)w.dim[trans ? 0 : 1],
                      .k = (size_t)w.dim[trans ? 1 : 0]};
    if (!l.n || !l.k || l.n > MOST_WEIGHTS / l.k || x->dim[1] != (int64_t)l.k ||
        !is_whole_model(g, n, l.k, l.n))
        return INFER_OK;
    row c = {0};
    if (gemm && n->in_count > 2 && n->in[2] != INFER_NO_VALUE &&
        !constant_row(g, n->in[2], l.n, &c))
        return INFER_OK;
    infer_quantized integers; /* serve better as they are */
    const infer_loose_f32 *from =
        infer_graph_quantized(g, n->in[1], &integers) ? NULL : infer_graph_elements(g, n->in[1]);
    if (!from)
        return INFER_OK;
    INFER_TRY(make_room(g, &l));
    double alpha = gemm ? (double)infer_graph_float(n, "alpha", 1) : 1,
           beta = gemm ? (double)infer_graph_float(n, "beta", 1) : 1;
    for (size_t r = 0; r < l.n; r++) {
        for (size_t i = 0; i < l.k; i++)
            l.w[r * l.k + i] = alpha * (double)from[trans ? r * l.k + i : i * l.n + r];
        l.b[r] = beta * at(&c, r);
    }
    return fold_chain(g, &l, n);
}

static infer_status fold(infer_graph *g, graph_node *n) {
    if (is_op(n, "ai.onnx.ml", "LinearClassifier"))
        return fold_classifier(g, n);
    if (is_op(n, "ai.onnx.ml", "LinearRegressor"))
        return fold_regressor(g, n);
    if (g->main.node_count <= MOST_NODES && (is_op(n, "", "Gemm") || is_op(n, "", "MatMul")))
        return fold_product(g, n, n->op->name[0] == 'G');
    return INFER_OK;
}

infer_status infer_graph_fold_linear(infer_graph *g) {
    for (size_t i = 0; i < g->main.node_count; i++) {
        graph_node *n = g->main.nodes[i];
        const char *name = n->name;
        infer_status status = fold(g, n);
        if (status != INFER_OK)
            return infer_fail_within(status, "node %s", name);
    }
    return INFER_OK;
}
