/* infer.Linear nodes, and models that are one, made from arrays. */
#include "affine.h"

#include "checked.h"
#include "ir.h"
#include "status.h"

#include <math.h>
#include <string.h>

/* double[rows][columns] as a float constant (rank 2, or 1 for columns 0); *exact is cleared where
 * it is not, *wide is set where it cannot stand in for the double. */
static infer_status float_constant(infer_graph *g, const double *from, size_t rows, size_t columns,
                                   bool *exact, uint32_t *wide, uint32_t *value) {
    size_t n = rows * (columns ? columns : 1);
    float *f = infer_arena_array(&g->arena, n, sizeof *f);
    if (!f)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        f[i] = (float)from[i];
        *exact = *exact && (double)f[i] == from[i];
        *wide = *wide || !isfinite(f[i]);
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

/* A standardised feature whose mean is this many deviations from zero loses as many bits in float
 * once the offset is folded: such models compute in double. */
#define WIDE_FROM 64

void infer_graph_affine_before(graph_affine *l, const double *offset, const double *factor) {
    for (size_t r = 0; r < l->n; r++) {
        double before = 0, shift = 0;
        for (size_t i = 0; i < l->k; i++) {
            double *w = &l->w[r * l->k + i], o = offset ? offset[i] : 0;
            before += fabs(*w);
            *w *= factor ? factor[i] : 1;
            l->b[r] -= *w * o;
            shift += fabs(*w * o);
        }
        if (shift > WIDE_FROM * before)
            l->wide = 1;
    }
}

infer_status infer_graph_affine_node(infer_graph *g, const graph_affine *l, uint32_t x,
                                     uint32_t scores, uint32_t label, graph_node *n) {
    bool exact = true;
    uint32_t wide = l->wide;
    *n = (graph_node){.op = infer_op_find("infer", "Linear"), .name = "linear", .version = 1};
    n->in = infer_arena_array(&g->arena, 6, sizeof *n->in);
    n->out = infer_arena_array(&g->arena, 2, sizeof *n->out);
    infer_linear_record *record = infer_arena_array(&g->arena, 1, sizeof *record);
    if (!n->in || !n->out || !record)
        return INFER_ERROR_MEMORY;
    n->in_count = n->in_room = 6;
    n->in[0] = x;
    n->in[3] = n->in[4] = INFER_NO_VALUE;
    INFER_TRY(float_constant(g, l->w, l->n, l->k, &exact, &wide, &n->in[1]));
    INFER_TRY(float_constant(g, l->b, l->n, 0, &exact, &wide, &n->in[2]));
    if (!exact || wide) {
        INFER_TRY(double_constant(g, l->w, l->n, l->k, &n->in[3]));
        INFER_TRY(double_constant(g, l->b, l->n, 0, &n->in[4]));
    }
    n->in[5] = l->classes;
    n->out_count = label == INFER_NO_VALUE ? 1 : 2;
    n->out[0] = scores;
    n->out[1] = label;
    record->link = l->link;
    record->binary = l->binary;
    record->wide = wide;
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
    for (size_t i = 0; i < s->feature_count; i++)
        if ((s->mean && !isfinite(s->mean[i])) ||
            (s->scale && (!isfinite(s->scale[i]) || s->scale[i] == 0)))
            return infer_fail(
                INFER_ERROR_VALUE,
                "the mean of feature %zu is not finite, or its scale is not or is zero", i);
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

static infer_status standardise(infer_graph *g, const infer_linear_spec *s, graph_affine *l) {
    double *factor = infer_arena_array(&g->arena, l->k, sizeof *factor);
    if (!factor)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < l->k; i++)
        factor[i] = s->scale ? 1 / s->scale[i] : 1;
    infer_graph_affine_before(l, s->mean, factor);
    for (size_t i = 0; i < l->n * l->k; i++)
        if (!isfinite(l->w[i]) || !isfinite(l->b[i / l->k]))
            return infer_fail(INFER_ERROR_VALUE, "coefficient %zu is not finite once scaled", i);
    return INFER_OK;
}

infer_status infer_graph_linear(infer_graph *g, const infer_linear_spec *s) {
    size_t count = 0;
    INFER_TRY(check_spec(s, &count));
    graph_affine l = {.n = s->output_count,
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
    if (s->mean || s->scale)
        INFER_TRY(standardise(g, s, &l));
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
    graph_node *n = infer_arena_array(&g->arena, 1, sizeof *n);
    if (!n)
        return INFER_ERROR_MEMORY;
    INFER_TRY(infer_graph_affine_node(g, &l, x, scores, label, n));
    INFER_TRY(infer_graph_push_node(g, n));
    if (s->class_count)
        INFER_TRY(add_output(g, "label", label));
    return add_output(g, s->class_count ? "probabilities" : "output", scores);
}
