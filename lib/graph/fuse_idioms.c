/* Operators that exporters spell out become one node again: Gelu, Swish, HardSwish,
 * LayerNormalization, RMSNormalization. */
#include "uses.h"

#include "status.h"

#include <math.h>
#include <string.h>

/*
 * A pattern is a term, matched from the last node back:
 *     Op(term, ...)      a node of ai.onnx; the terms of Add and Mul in either order
 *     Scale(term, 2.5)   a product with a number, or a quotient by its reciprocal
 *     Mean(term)         ReduceMean over the last axis, which stays
 *     Hard(term)         HardSigmoid with the numbers of HardSwish
 *     {term|term}        the first that matches
 *     x                  any value, the same at each place of that letter
 *     2.5                a constant of one element
 */
#define ERF_PART  "Add(Erf(Scale(x,0.70710678)),1)"
#define SQUARE(d) "{Pow(" d ",2)|Mul(" d "," d ")}"
#define CUBE      "{Pow(x,3)|Mul(x,Mul(x,x))|Mul(x,Pow(x,2))}"
#define CUBIC                                                                                      \
    "{Scale(" CUBE ",0.044715)|Mul(x,{Mul(x,Scale(x,0.044715))|Scale(" SQUARE("x") ",0.044715)})}"
#define TANH_PART                                                                                  \
    "Add(Tanh({Scale(Add(x," CUBIC "),0.79788456)|Mul(Scale(x,0.79788456),"                        \
    "Add({Mul(x,Scale(x,0.044715))|Scale(" SQUARE("x") ",0.044715)},1))}),1)"
/* 0.5 x part in each of its orders. */
#define HALF_X(part)                                                                               \
    "{Mul(Scale(x,0.5)," part ")|Scale(Mul(x," part "),0.5)|Mul(x,Scale(" part ",0.5))}"
#define SIX_PART "Clip(Add(x,3),0,6)"
#define CENTERED "Sub(x,Mean(x))"
#define ROOT(d)  "Sqrt(Add(Mean(" SQUARE(d) "),e))"
#define UNIT(d)  "{Div(" d "," ROOT(d) ")|Mul(" d ",{Reciprocal(" ROOT(d) ")|Div(1," ROOT(d) ")})}"

/* What a pattern becomes: its inputs are the values of these letters, e is the epsilon. */
static const struct idiom {
    const char *pattern, *op, *inputs, *approximate;
} idioms[] = {
    {HALF_X(ERF_PART), "Gelu", "x", "none"},
    {HALF_X(TANH_PART), "Gelu", "x", "tanh"},
    {"Mul(x,Sigmoid(x))", "Swish", "x", NULL},
    {"{Scale(Mul(x," SIX_PART "),0.16666667)|Mul(x,{Scale(" SIX_PART ",0.16666667)|Hard(x)})}",
     "HardSwish", "x", NULL},
    {"Add(Mul(" UNIT(CENTERED) ",g),b)", "LayerNormalization", "xgb", NULL},
    {"Mul(" UNIT("x") ",g)", "RMSNormalization", "xg", NULL},
};

#define SEEN 24

typedef struct matching {
    infer_graph *g;
    const graph_uses *u;
    uint32_t value[26]; /* of each letter */
    graph_node *seen[SEEN];
    size_t seen_count;
} matching;

static const char *match(matching *m, const char *p, uint32_t value);

/* Behind the term at p. */
static const char *skip(const char *p) {
    int depth = 0;
    for (; depth || !strchr(",|)}", *p); p++)
        depth += (*p == '(' || *p == '{') - (*p == ')' || *p == '}');
    return p;
}

static bool scalar(infer_graph *g, uint32_t value, float *f) {
    infer_view v;
    const float *data = infer_graph_floats(g, value, &v);
    if (data && infer_view_count(&v) == 1)
        *f = data[0];
    return data && infer_view_count(&v) == 1;
}

static double read_number(const char *p) {
    double whole = 0, unit = 1;
    for (; *p >= '0' && *p <= '9'; p++)
        whole = whole * 10 + (*p - '0');
    for (p += *p == '.'; *p >= '0' && *p <= '9'; p++)
        whole += (*p - '0') * (unit /= 10);
    return whole;
}

static bool is_number(infer_graph *g, uint32_t value, double number) {
    float f;
    return scalar(g, value, &f) && fabs((double)f - number) <= 1e-6 * number;
}

/* ReduceMean over the last axis. */
static bool is_mean(const infer_graph *g, const graph_node *n) {
    const infer_attr *keep = infer_graph_find_attr(n, "keepdims");
    uint32_t axes = n->in_count > 1 ? infer_graph_resolve(g, n->in[1]) : INFER_NO_VALUE;
    const infer_view *x = infer_graph_view(g, infer_graph_resolve(g, n->in[0]));
    if ((keep && !keep->i) || axes == INFER_NO_VALUE || !g->values[axes].constant)
        return false;
    const infer_view *v = &g->values[axes].view;
    if (v->type != INFER_TYPE_INT64 || infer_view_count(v) != 1)
        return false;
    int64_t axis = *(const int64_t *)v->data;
    return axis == -1 || (x->rank > 0 && axis == x->rank - 1);
}

/* HardSigmoid with alpha 1/6 and beta 0.5. */
static bool is_hard(const graph_node *n) {
    const infer_attr *alpha = infer_graph_find_attr(n, "alpha");
    const infer_attr *beta = infer_graph_find_attr(n, "beta");
    return strcmp(n->op->name, "HardSigmoid") == 0 && alpha && fabsf(alpha->f * 6 - 1) <= 1e-6f &&
           (!beta || beta->f == 0.5f);
}

static bool is_named(const char *p, size_t size, const char *name) {
    return strlen(name) == size && memcmp(p, name, size) == 0;
}

/* Two terms against two inputs, the second of which may come first. */
static const char *match_both(matching *m, const char *p, const graph_node *n, bool swaps) {
    for (int from = 0; from <= swaps; from++) {
        const matching before = *m;
        const char *end = match(m, p, n->in[from]);
        if (end)
            end = match(m, end + 1, n->in[1 - from]);
        if (end)
            return end;
        *m = before;
    }
    return NULL;
}

/* Scale(term, number): from behind the term, whatever the node. */
static const char *match_scale(matching *m, const char *p, const graph_node *n) {
    const char *behind = skip(p);
    double number = read_number(behind + 1);
    bool divides = strcmp(n->op->name, "Div") == 0;
    if (!divides && strcmp(n->op->name, "Mul") != 0)
        return NULL;
    for (int at = divides ? 1 : 0; at < 2; at++)
        if (is_number(m->g, n->in[at], divides ? 1 / number : number))
            return match(m, p, n->in[1 - at]) ? skip(behind + 1) : NULL;
    return NULL;
}

static const char *match_node(matching *m, const char *p, const graph_node *n) {
    size_t size = strcspn(p, "(");
    const char *name = n->op->name, *first = p + size + 1, *end;
    bool both = is_named(p, size, "Add") || is_named(p, size, "Mul");
    if (is_named(p, size, "Scale")) {
        end = match_scale(m, first, n);
    } else if (is_named(p, size, "Mean")) {
        if (strcmp(name, "ReduceMean") != 0 || !is_mean(m->g, n))
            return NULL;
        end = match(m, first, n->in[0]);
    } else if (is_named(p, size, "Hard")) {
        end = is_hard(n) ? match(m, first, n->in[0]) : NULL;
    } else if (!is_named(p, size, name)) {
        return NULL;
    } else if (n->in_count == 3) {
        end = match_both(m, first, n, false);
        end = end && *end == ',' ? match(m, end + 1, n->in[2]) : NULL;
    } else if (n->in_count == 2) {
        end = match_both(m, first, n, both);
    } else {
        end = match(m, first, n->in[0]);
    }
    return end && *end == ')' ? end + 1 : NULL;
}

static const char *match(matching *m, const char *p, uint32_t value) {
    uint32_t v = infer_graph_resolve(m->g, value);
    if (v == INFER_NO_VALUE)
        return NULL;
    if (*p == '{') {
        do {
            const matching before = *m;
            const char *end = match(m, ++p, v);
            if (end) {
                while (*end != '}')
                    end = skip(end + 1);
                return end + 1;
            }
            *m = before;
            p = skip(p);
        } while (*p == '|');
        return NULL;
    }
    if (*p >= '0' && *p <= '9')
        return is_number(m->g, v, read_number(p)) ? skip(p) : NULL;
    if (*p >= 'a' && *p <= 'z') {
        uint32_t *bound = &m->value[*p - 'a'];
        if (*bound != INFER_NO_VALUE && *bound != v)
            return NULL;
        *bound = v;
        return p + 1;
    }
    graph_node *n = v < m->u->count ? m->u->maker[v] : NULL;
    if (!n || n->dead || n->op->domain[0] || m->seen_count == SEEN)
        return NULL;
    m->seen[m->seen_count++] = n;
    return match_node(m, p, n);
}

/* Whether nothing else reads what lies between: a value that many read is not computed twice. */
static bool is_private(const matching *m) {
    for (size_t i = 1; i < m->seen_count; i++) {
        uint32_t reads = 0, v = m->seen[i]->out[0];
        for (size_t j = 0; j < m->seen_count; j++) {
            bool again = false;
            for (size_t k = 0; k < j; k++)
                again = again || m->seen[k] == m->seen[j];
            for (uint32_t e = 0; !again && e < m->seen[j]->in_count; e++)
                reads += infer_graph_resolve(m->g, m->seen[j]->in[e]) == v;
        }
        if (m->seen[i] != m->seen[0] && reads != m->u->reads[v])
            return false;
    }
    return true;
}

/* The scale and the bias of a normalization are rows of it; others may broadcast otherwise. */
static bool are_rows(const matching *m, const struct idiom *idiom) {
    const infer_view *x = infer_graph_view(m->g, m->value['x' - 'a']);
    for (const char *c = idiom->inputs + 1; *c; c++) {
        const infer_view *v = infer_graph_view(m->g, m->value[*c - 'a']);
        if (v->type != INFER_TYPE_FLOAT || v->rank != 1 || x->rank < 1 || v->dim[0] < 0 ||
            v->dim[0] != x->dim[x->rank - 1])
            return false;
    }
    return true;
}

static infer_status become(matching *m, const struct idiom *idiom, graph_node *n, float epsilon) {
    uint32_t count = (uint32_t)strlen(idiom->inputs);
    if (count > n->in_room)
        return INFER_OK;
    n->op = infer_op_find("", idiom->op);
    n->attr_count = 0;
    n->in_count = count;
    for (uint32_t i = 0; i < count; i++)
        n->in[i] = m->value[idiom->inputs[i] - 'a'];
    infer_attr e = {.name = "epsilon", .type = INFER_ATTR_FLOAT, .f = epsilon};
    infer_attr a = {.name = "approximate", .type = INFER_ATTR_STRING, .data = idiom->approximate};
    if (count > 1)
        INFER_TRY(infer_graph_add_attr(m->g, n, &e));
    if (idiom->approximate) {
        a.count = strlen(idiom->approximate);
        INFER_TRY(infer_graph_add_attr(m->g, n, &a));
    }
    return INFER_OK;
}

static infer_status fuse(const matching *empty, graph_node *n) {
    for (size_t i = 0; i < sizeof idioms / sizeof *idioms; i++) {
        matching m = *empty;
        float epsilon = 0;
        if (!match(&m, idioms[i].pattern, n->out[0]) || !is_private(&m))
            continue;
        if (infer_graph_view(m.g, m.value['x' - 'a'])->type != INFER_TYPE_FLOAT ||
            !are_rows(&m, &idioms[i]) ||
            (idioms[i].inputs[1] && !scalar(m.g, m.value['e' - 'a'], &epsilon)))
            continue;
        for (size_t k = 1; k < m.seen_count; k++)
            m.seen[k]->dead = true;
        return become(&m, &idioms[i], n, epsilon);
    }
    return INFER_OK;
}

infer_status infer_graph_fuse_idioms(infer_graph *g) {
    const graph_body *b = g->now;
    graph_uses u;
    INFER_TRY(infer_graph_uses(g, &u));
    matching m = {.g = g, .u = &u};
    for (size_t i = 0; i < sizeof m.value / sizeof *m.value; i++)
        m.value[i] = INFER_NO_VALUE;
    /* From the last on: a normalization is met before what of it would be one without bias. */
    for (size_t i = b->node_count; i-- > 0;) {
        graph_node *n = b->nodes[i];
        if (infer_graph_is_op(n, "", "Add") || infer_graph_is_op(n, "", "Mul") ||
            infer_graph_is_op(n, "", "Div"))
            if (n->out[0] != INFER_NO_VALUE)
                INFER_TRY(fuse(&m, n));
    }
    return INFER_OK;
}
