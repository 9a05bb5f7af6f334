/* infer.Linear nodes: made from arrays, or folded from a scaler and a linear layer. */
#include "checked.h"
#include "ir.h"
#include "status.h"

#include <math.h>
#include <string.h>

/* A linear model on its way to a node, in double precision. */
typedef struct linear {
    size_t n, k;
    double *w, *b; /* [n][k], [n], in the graph's arena */
    uint32_t link, binary;
    uint32_t classes; /* constant value or INFER_NO_VALUE */
} linear;

/* double[rows][columns] as a float constant (rank 2, or 1 for columns 0); *exact says whether it
 * is. */
static infer_status float_constant(infer_graph *g, const double *from, size_t rows, size_t columns,
                                   bool *exact, uint32_t *value) {
    size_t n = rows * (columns ? columns : 1);
    float *f = infer_arena_array(&g->arena, n, sizeof *f);
    if (!f)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        f[i] = (float)from[i];
        *exact = *exact && (double)f[i] == from[i];
    }
    infer_view v = {.type = INFER_TYPE_FLOAT,
                    .rank = columns ? 2 : 1,
                    .data = f,
                    .dim = {(int64_t)rows, (int64_t)columns}};
    return infer_graph_constant(g, "", &v, false, value);
}

static infer_status double_constant(infer_graph *g, double *from, size_t rows, size_t columns,
                                    uint32_t *value) {
    infer_view v = {.type = INFER_TYPE_DOUBLE,
                    .rank = columns ? 2 : 1,
                    .data = from,
                    .dim = {(int64_t)rows, (int64_t)columns}};
    return infer_graph_constant(g, "", &v, false, value);
}

/* Fills inputs 1 to 5 and the record of an infer.Linear node. */
static infer_status make_node(infer_graph *g, const linear *l, uint32_t x, uint32_t scores,
                              uint32_t label, graph_node *n) {
    bool exact = true;
    *n = (graph_node){.op = infer_op_find("infer", "Linear"), .name = "linear", .version = 1};
    n->in = infer_arena_array(&g->arena, 6, sizeof *n->in);
    n->out = infer_arena_array(&g->arena, 2, sizeof *n->out);
    infer_linear_record *record = infer_arena_array(&g->arena, 1, sizeof *record);
    if (!n->in || !n->out || !record)
        return INFER_ERROR_MEMORY;
    n->in_count = n->in_room = 6;
    n->in[0] = x;
    n->in[3] = n->in[4] = INFER_NO_VALUE;
    INFER_TRY(float_constant(g, l->w, l->n, l->k, &exact, &n->in[1]));
    INFER_TRY(float_constant(g, l->b, l->n, 0, &exact, &n->in[2]));
    if (!exact) {
        INFER_TRY(double_constant(g, l->w, l->n, l->k, &n->in[3]));
        INFER_TRY(double_constant(g, l->b, l->n, 0, &n->in[4]));
    }
    n->in[5] = l->classes;
    n->out_count = label == INFER_NO_VALUE ? 1 : 2;
    n->out[0] = scores;
    n->out[1] = label;
    record->link = l->link;
    record->binary = l->binary;
    n->params = record;
    n->bound = true;
    infer_op_env env;
    INFER_TRY(infer_graph_env(g, n, &env));
    return infer_op_infer(n->op, &env);
}

/* ---- from arrays ---- */

static infer_status class_constant(infer_graph *g, const infer_linear_spec *s, uint32_t *value) {
    infer_view v = {.type = INFER_TYPE_INT64,
                    .rank = 1,
                    .dim = {(int64_t)s->class_count},
                    .data = (void *)s->class_ints};
    if (s->class_ints)
        return infer_graph_constant(g, "classes", &v, true, value);
    infer_string *strings = infer_arena_array(&g->arena, s->class_count, sizeof *strings);
    if (!strings)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < s->class_count; i++) {
        if (!s->class_strings[i])
            return infer_fail(INFER_ERROR_ARGUMENT, "class label %zu is NULL", i);
        strings[i].size = strlen(s->class_strings[i]);
        strings[i].data = infer_arena_string(&g->arena, s->class_strings[i], strings[i].size);
        if (!strings[i].data)
            return INFER_ERROR_MEMORY;
    }
    v.type = INFER_TYPE_STRING;
    v.data = strings;
    return infer_graph_constant(g, "classes", &v, false, value);
}

static infer_status check_spec(const infer_linear_spec *s, size_t *count) {
    if (!s->feature_count || !s->output_count || !s->coefficients)
        return infer_fail(INFER_ERROR_ARGUMENT, "a linear model needs features, outputs and "
                                                "coefficients");
    size_t bytes;
    if (!infer_mul(s->feature_count, s->output_count, count) ||
        !infer_mul(*count, sizeof(double), &bytes) || bytes > INT64_MAX)
        return infer_fail(INFER_ERROR_ARGUMENT, "the coefficients do not fit memory");
    if (s->link > INFER_LINK_EXP || s->reserved)
        return infer_fail(INFER_ERROR_ARGUMENT, "link is %u, which is none", s->link);
    bool two = s->output_count == 1 && s->class_count == 2;
    if (s->class_count &&
        ((!s->class_ints && !s->class_strings) || (s->class_count != s->output_count && !two)))
        return infer_fail(INFER_ERROR_ARGUMENT, "%zu classes do not fit %zu rows of coefficients",
                          s->class_count, s->output_count);
    if (s->class_ints && s->class_strings)
        return infer_fail(INFER_ERROR_ARGUMENT, "classes are given both as integers and strings");
    for (size_t i = 0; i < *count; i++)
        if (!isfinite(s->coefficients[i]))
            return infer_fail(INFER_ERROR_VALUE, "coefficient %zu is not finite", i);
    for (size_t i = 0; s->intercepts && i < s->output_count; i++)
        if (!isfinite(s->intercepts[i]))
            return infer_fail(INFER_ERROR_VALUE, "intercept %zu is not finite", i);
    return INFER_OK;
}

static infer_status name_features(infer_graph *g, const infer_linear_spec *s) {
    infer_string *names = infer_arena_array(&g->arena, s->feature_count, sizeof *names);
    if (!names)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < s->feature_count; i++) {
        if (!s->feature_names[i])
            return infer_fail(INFER_ERROR_ARGUMENT, "feature name %zu is NULL", i);
        names[i] = (infer_string){s->feature_names[i], strlen(s->feature_names[i])};
    }
    return infer_graph_feature_names(g, names, s->feature_count);
}

static infer_status add_output(infer_graph *g, const char *name, uint32_t value) {
    const infer_view *v = infer_graph_view(g, value);
    static const char *const rows[] = {"rows", NULL};
    const char *type = v->type == INFER_TYPE_FLOAT   ? "tensor(float)"
                       : v->type == INFER_TYPE_INT64 ? "tensor(int64)"
                                                     : "tensor(string)";
    infer_port_spec port = {.name = name, .type_string = type, .view = *v, .symbols = rows};
    return infer_graph_output(g, &port, value);
}

infer_status infer_graph_linear(infer_graph *g, const infer_linear_spec *s) {
    size_t count = 0;
    INFER_TRY(check_spec(s, &count));
    linear l = {.n = s->output_count,
                .k = s->feature_count,
                .link = s->link,
                .binary = s->output_count == 1 && s->class_count == 2,
                .classes = INFER_NO_VALUE};
    l.w = infer_arena_array(&g->arena, count, sizeof *l.w);
    l.b = infer_arena_array(&g->arena, l.n, sizeof *l.b);
    if (!l.w || !l.b)
        return INFER_ERROR_MEMORY;
    memcpy(l.w, s->coefficients, count * sizeof *l.w);
    if (s->intercepts)
        memcpy(l.b, s->intercepts, l.n * sizeof *l.b);
    if (s->class_count)
        INFER_TRY(class_constant(g, s, &l.classes));
    if (s->feature_names)
        INFER_TRY(name_features(g, s));
    static const char *const rows[] = {"rows", NULL};
    infer_port_spec in = {.name = "features",
                          .type_string = "tensor(float)",
                          .symbols = rows,
                          .view = {.type = INFER_TYPE_FLOAT, .rank = 2, .dim = {-1, (int64_t)l.k}}};
    infer_view unknown = {.rank = -1};
    uint32_t x, scores, label = INFER_NO_VALUE;
    INFER_TRY(infer_graph_input(g, &in, &x));
    INFER_TRY(infer_graph_new_value(g, "scores", &unknown, false, &scores));
    if (s->class_count)
        INFER_TRY(infer_graph_new_value(g, "label", &unknown, false, &label));
    INFER_TRY(
        infer_grow(&g->allocator, &g->nodes, &g->node_room, g->node_count, sizeof(graph_node *)));
    graph_node *n = infer_arena_array(&g->arena, 1, sizeof *n);
    if (!n)
        return INFER_ERROR_MEMORY;
    INFER_TRY(make_node(g, &l, x, scores, label, n));
    g->nodes[g->node_count++] = n;
    if (s->class_count)
        INFER_TRY(add_output(g, "label", label));
    return add_output(g, s->class_count ? "probabilities" : "output", scores);
}

/* ---- from a pipeline ---- */

static const graph_node *producer(const infer_graph *g, uint32_t value) {
    for (size_t i = 0; i < g->node_count; i++)
        for (uint32_t o = 0; o < g->nodes[i]->out_count; o++)
            if (g->nodes[i]->out[o] == value)
                return g->nodes[i];
    return NULL;
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

/* Element i of a list that has one entry for all or one for each. */
static bool list_of(const graph_node *n, const char *attr, size_t k, const infer_attr **a) {
    *a = infer_graph_find_attr(n, attr);
    return !*a || ((*a)->type == INFER_ATTR_FLOATS && ((*a)->count == k || (*a)->count == 1));
}

static double at(const infer_attr *a, size_t i, double absent) {
    return a ? (double)((const float *)a->data)[a->count == 1 ? 0 : i] : absent;
}

/* (x - offset) * scale goes into the weights: w' = w scale, b' = b - sum w scale offset. */
static bool absorb_scaler(infer_graph *g, linear *l, uint32_t *x) {
    const graph_node *s = producer(g, *x);
    const infer_attr *offset, *scale;
    if (!is_op(s, "ai.onnx.ml", "Scaler") || !list_of(s, "offset", l->k, &offset) ||
        !list_of(s, "scale", l->k, &scale))
        return false;
    for (size_t r = 0; r < l->n; r++)
        for (size_t i = 0; i < l->k; i++) {
            double *w = &l->w[r * l->k + i];
            *w *= at(scale, i, 1);
            l->b[r] -= *w * at(offset, i, 0);
        }
    *x = infer_graph_resolve(g, s->in[0]);
    return true;
}

/* Coefficients and intercepts of a LinearRegressor or LinearClassifier. */
static bool read_layer(infer_graph *g, const graph_node *n, linear *l) {
    const infer_attr *w = infer_graph_find_attr(n, "coefficients"),
                     *b = infer_graph_find_attr(n, "intercepts");
    const infer_view *x = infer_graph_view(g, n->in[0]);
    if (!w || w->type != INFER_ATTR_FLOATS || x->rank != 2 || x->dim[1] < 1 ||
        w->count % (size_t)x->dim[1] || !w->count)
        return false;
    l->k = (size_t)x->dim[1];
    l->n = w->count / l->k;
    l->w = infer_arena_array(&g->arena, w->count, sizeof *l->w);
    l->b = infer_arena_array(&g->arena, l->n, sizeof *l->b);
    if (!l->w || !l->b || (b && (b->type != INFER_ATTR_FLOATS || b->count != l->n)))
        return false;
    for (size_t i = 0; i < w->count; i++)
        l->w[i] = ((const float *)w->data)[i];
    for (size_t i = 0; b && i < l->n; i++)
        l->b[i] = ((const float *)b->data)[i];
    return true;
}

/* Rows {-w, w} of a binary classifier are one row. */
static void halve(linear *l) {
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

static bool link_of(const graph_node *n, linear *l) {
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

static infer_status labels_of(infer_graph *g, const graph_node *n, linear *l, bool *fits) {
    const infer_attr *ints = infer_graph_find_attr(n, "classlabels_ints");
    const infer_attr *strings = infer_graph_find_attr(n, "classlabels_strings");
    const infer_attr *a = strings && strings->count ? strings : ints;
    *fits = a && a->count == l->n && l->n >= 2;
    if (!*fits)
        return INFER_OK;
    infer_view v = {.type = a == ints ? INFER_TYPE_INT64 : INFER_TYPE_STRING,
                    .rank = 1,
                    .dim = {(int64_t)a->count},
                    .data = (void *)a->data};
    return infer_graph_constant(g, "classes", &v, false, &l->classes);
}

/* Probabilities that add up to one are left alone by a Normalizer of norm L1. */
static void skip_normalizer(infer_graph *g, const linear *l, uint32_t scores) {
    bool sums_to_one =
        l->link == INFER_LINK_SOFTMAX || (l->link == INFER_LINK_LOGISTIC && l->binary);
    for (size_t i = 0; sums_to_one && i < g->node_count; i++) {
        graph_node *n = g->nodes[i];
        if (is_op(n, "ai.onnx.ml", "Normalizer") && text_is(n, "norm", "L1", false) &&
            infer_graph_resolve(g, n->in[0]) == scores) {
            g->values[n->out[0]].replaced_by = scores;
            n->dead = true;
        }
    }
}

static infer_status fold(infer_graph *g, graph_node *n) {
    bool classifier = is_op(n, "ai.onnx.ml", "LinearClassifier"), fits = true;
    linear l = {.classes = INFER_NO_VALUE};
    if ((!classifier && !is_op(n, "ai.onnx.ml", "LinearRegressor")) || !read_layer(g, n, &l) ||
        !link_of(n, &l))
        return INFER_OK;
    if (classifier)
        INFER_TRY(labels_of(g, n, &l, &fits));
    /* onnxruntime's regressors transform several targets only: the plain operator knows. */
    if (!fits || (!classifier && l.link != INFER_LINK_IDENTITY))
        return INFER_OK;
    uint32_t x = infer_graph_resolve(g, n->in[0]);
    if (classifier)
        halve(&l);
    while (absorb_scaler(g, &l, &x))
        ;
    uint32_t scores = n->out[classifier && n->out_count > 1], label = n->out[0];
    infer_view unknown = {.rank = -1};
    if (classifier && n->out_count < 2)
        scores = INFER_NO_VALUE;
    if (scores == INFER_NO_VALUE)
        INFER_TRY(infer_graph_new_value(g, "", &unknown, false, &scores));
    const char *name = n->name;
    INFER_TRY(make_node(g, &l, x, scores, classifier ? label : INFER_NO_VALUE, n));
    n->name = name;
    skip_normalizer(g, &l, scores);
    return INFER_OK;
}

infer_status infer_graph_fold_linear(infer_graph *g) {
    for (size_t i = 0; i < g->node_count; i++) {
        infer_status status = fold(g, g->nodes[i]);
        if (status != INFER_OK)
            return infer_fail_within(status, "node %s (%s)", g->nodes[i]->name,
                                     g->nodes[i]->op->name);
    }
    return INFER_OK;
}
