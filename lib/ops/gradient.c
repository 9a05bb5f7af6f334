/* Gradient: the derivatives of a tensor with respect to others, as nodes that reverse-mode
 * differentiation makes while the model is loaded. */
#include "op.h"
#include "status.h"

#include <string.h>

/* ---- rules ---- */

/* The adjoints of a node's inputs from that of its output: g is the latter, y the output, a and b
 * the inputs, at and bt these with their last two axes exchanged. An adjoint is summed over
 * broadcast axes afterwards. NULL: the input has no derivative. */
static const struct rule {
    const char *op, *inputs[2];
} rules[] = {
    {"Abs", {"s = Sign(a)\n@0 = Mul(g, s)\n"}},
    {"Add", {"@0 = Identity(g)\n", "@0 = Identity(g)\n"}},
    {"Cast", {"@0 = CastLike(g, a)\n"}},
    {"Cos", {"s = Sin(a)\nt = Neg(s)\n@0 = Mul(g, t)\n"}},
    {"Div", {"@0 = Div(g, b)\n", "s = Mul(g, y)\nt = Neg(s)\n@0 = Div(t, b)\n"}},
    {"Exp", {"@0 = Mul(g, y)\n"}},
    {"Flatten", {"s = Shape(a)\n@0 = Reshape(g, s)\n"}},
    {"Identity", {"@0 = Identity(g)\n"}},
    {"Log", {"@0 = Div(g, a)\n"}},
    {"MatMul", {"@0 = MatMul(g, bt)\n", "@0 = MatMul(at, g)\n"}},
    {"Mul", {"@0 = Mul(g, b)\n", "@0 = Mul(g, a)\n"}},
    {"Neg", {"@0 = Neg(g)\n"}},
    {"Reciprocal", {"s = Mul(y, y)\nt = Neg(s)\n@0 = Mul(g, t)\n"}},
    {"Relu", {"s = Sign(y)\n@0 = Mul(g, s)\n"}},
    {"Reshape", {"s = Shape(a)\n@0 = Reshape(g, s)\n", NULL}},
    {"Sigmoid", {"s = Mul(y, y)\nt = Sub(y, s)\n@0 = Mul(g, t)\n"}},
    {"Sin", {"s = Cos(a)\n@0 = Mul(g, s)\n"}},
    {"Sqrt", {"s = Add(y, y)\n@0 = Div(g, s)\n"}},
    {"Squeeze", {"s = Shape(a)\n@0 = Reshape(g, s)\n", NULL}},
    {"Sub", {"@0 = Identity(g)\n", "@0 = Neg(g)\n"}},
    {"Tanh", {"s = Mul(y, y)\nt = Mul(g, s)\n@0 = Sub(g, t)\n"}},
    {"Unsqueeze", {"s = Shape(a)\n@0 = Reshape(g, s)\n", NULL}},
};

static const struct rule *find_rule(const infer_op *op) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules && !op->domain[0]; i++)
        if (strcmp(rules[i].op, op->name) == 0)
            return &rules[i];
    return NULL;
}

/* ---- the graph between xs and y ---- */

#define NODES 1024

typedef struct entry {
    uint32_t value;    /* as the model has it */
    uint32_t there;    /* the same, computed from the inputs of Gradient */
    uint32_t adjoint;  /* NO_VALUE: none so far */
    bool depends;      /* on one of xs */
    bool given;        /* one of xs or zs */
    infer_producer by; /* op NULL where nothing of the graph makes it */
} entry;

/* Entries in an order in which they can be computed. */
typedef struct tape {
    infer_rewriter *rw;
    entry *entries;
    size_t count;
} tape;

static entry *find(const tape *t, uint32_t value) {
    for (size_t i = 0; i < t->count; i++)
        if (t->entries[i].value == value)
            return &t->entries[i];
    return NULL;
}

static infer_status add_entry(tape *t, const entry *e) {
    if (t->count == NODES)
        return infer_fail(INFER_ERROR_LIMIT, "more than %d values to differentiate", NODES);
    t->entries[t->count++] = *e;
    return INFER_OK;
}

/* The same node on what its inputs are there. */
static infer_status again(tape *t, entry *e) {
    uint32_t in[8], out[1];
    if (e->by.in_count > 8 || e->by.out_count != 1 || e->by.op->flags & INFER_OP_BODIES)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%s is not differentiated", e->by.op->name);
    for (uint32_t i = 0; i < e->by.in_count; i++) {
        const entry *from = find(t, e->by.in[i]);
        in[i] = from ? from->there : e->by.in[i];
    }
    INFER_TRY(t->rw->add_many(t->rw, e->by.op->domain, e->by.op->name, in, e->by.in_count,
                              e->by.attrs, e->by.attr_count, out, 1));
    e->there = out[0];
    return INFER_OK;
}

/* Records value and all it is made of. The depth is bounded by the number of entries: a chain's
 * ends are visited first. */
static infer_status record(tape *t, uint32_t value, int depth) {
    if (value == INFER_NO_VALUE || find(t, value))
        return INFER_OK;
    if (depth > NODES)
        return infer_fail(INFER_ERROR_LIMIT, "more than %d nodes to differentiate", NODES);
    entry e = {.value = value, .there = value, .adjoint = INFER_NO_VALUE};
    if (!t->rw->producer(t->rw, value, &e.by))
        return add_entry(t, &e);
    bool moved = false;
    for (uint32_t i = 0; i < e.by.in_count; i++) {
        INFER_TRY(record(t, e.by.in[i], depth + 1));
        const entry *from = find(t, e.by.in[i]);
        e.depends = e.depends || (from && from->depends);
        moved = moved || (from && from->there != from->value);
    }
    if (moved)
        INFER_TRY(again(t, &e));
    return add_entry(t, &e);
}

/* ---- differentiating ---- */

static uint32_t transposed(infer_rewriter *rw, uint32_t value) {
    const infer_view *v = rw->view(rw, value);
    int64_t perm[INFER_MAX_RANK];
    if (v->rank < 2)
        return INFER_NO_VALUE;
    for (int32_t i = 0; i < v->rank; i++)
        perm[i] = i < v->rank - 2 ? i : 2 * v->rank - 3 - i;
    infer_attr attr = {
        .name = "perm", .type = INFER_ATTR_INTS, .count = (size_t)v->rank, .data = perm};
    return rw->add(rw, "", "Transpose", &value, 1, &attr, 1);
}

static infer_status add_adjoint(infer_rewriter *rw, entry *e, uint32_t g) {
    uint32_t both[] = {g, e->there};
    g = rw->add(rw, "infer", "SumTo", both, 2, NULL, 0);
    if (e->adjoint != INFER_NO_VALUE) {
        uint32_t sum[] = {e->adjoint, g};
        g = rw->add(rw, "", "Add", sum, 2, NULL, 0);
    }
    e->adjoint = g;
    return rw->failed;
}

static infer_status differentiate(tape *t, const entry *e) {
    const struct rule *rule = find_rule(e->by.op);
    uint32_t in[2] = {INFER_NO_VALUE, INFER_NO_VALUE};
    if (!rule || e->by.in_count > 2)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%s is not differentiated", e->by.op->name);
    for (uint32_t i = 0; i < e->by.in_count; i++) {
        const entry *from = find(t, e->by.in[i]);
        in[i] = from ? from->there : e->by.in[i];
    }
    bool product = strcmp(rule->op, "MatMul") == 0;
    const infer_named names[] = {{"g", e->adjoint},
                                 {"y", e->there},
                                 {"a", in[0]},
                                 {"b", in[1]},
                                 {"at", product ? transposed(t->rw, in[0]) : INFER_NO_VALUE},
                                 {"bt", product ? transposed(t->rw, in[1]) : INFER_NO_VALUE}};
    if (product && (names[4].value == INFER_NO_VALUE || names[5].value == INFER_NO_VALUE))
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "a MatMul of vectors or unknown ranks is not differentiated");
    for (uint32_t i = 0; i < e->by.in_count; i++) {
        entry *from = find(t, e->by.in[i]);
        uint32_t g;
        if (!from || !from->depends || !rule->inputs[i])
            continue;
        INFER_TRY(infer_expand_with(t->rw, rule->inputs[i], names, sizeof names / sizeof *names,
                                    NULL, &g));
        INFER_TRY(add_adjoint(t->rw, from, g));
    }
    return INFER_OK;
}

/* Names xs or zs, whose values the node's inputs stand for. */
static infer_status record_given(tape *t, const char *attr, bool depends, uint32_t *next) {
    const infer_attr *a = t->rw->attr(t->rw, attr);
    if (a && a->type != INFER_ATTR_STRINGS)
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s is no list of texts", attr);
    for (size_t i = 0; a && i < a->count; i++, ++*next) {
        infer_string name = ((const infer_string *)a->data)[i];
        entry e = {.value = t->rw->named(t->rw, name.data, name.size),
                   .there = t->rw->input(t->rw, *next),
                   .adjoint = INFER_NO_VALUE,
                   .depends = depends,
                   .given = true};
        if (e.value == INFER_NO_VALUE || e.there == INFER_NO_VALUE)
            return infer_fail(INFER_ERROR_FORMAT, "%s: \"%.*s\" is no value or has no input", attr,
                              (int)(name.size > 60 ? 60 : name.size), name.data);
        if (find(t, e.value))
            return infer_fail(INFER_ERROR_FORMAT, "a value is named twice");
        INFER_TRY(add_entry(t, &e));
    }
    return INFER_OK;
}

static infer_status give_adjoint(infer_rewriter *rw, const entry *x, uint32_t index) {
    uint32_t g = x->adjoint;
    if (g == INFER_NO_VALUE) { /* y does not depend on it */
        const infer_named names[] = {{"x", x->there}};
        INFER_TRY(infer_expand_with(rw, "@0 = Sub(x, x)\n", names, 1, NULL, &g));
    }
    return rw->replace(rw, index, g);
}

static infer_status gradient_upgrade(infer_rewriter *rw) {
    tape t = {rw, rw->alloc(rw, NODES * sizeof(entry)), 0};
    INFER_TRY(rw->failed);
    uint32_t next = 0, xs;
    INFER_TRY(record_given(&t, "xs", true, &next));
    xs = next;
    INFER_TRY(record_given(&t, "zs", false, &next));
    const infer_attr *y = rw->attr(rw, "y");
    if (!y || y->type != INFER_ATTR_STRING || next != rw->in_count || rw->out_count > xs)
        return infer_fail(INFER_ERROR_FORMAT, "xs, zs and y do not fit the inputs and outputs");
    uint32_t target = rw->named(rw, y->data, y->count);
    if (target == INFER_NO_VALUE)
        return infer_fail(INFER_ERROR_FORMAT, "y is no value of the graph");
    INFER_TRY(record(&t, target, 0));
    entry *last = find(&t, target);
    const infer_named names[] = {{"y", last->there}};
    INFER_TRY(infer_expand_with(rw, "s = Shape(y)\nc = CastLike({1.0}, y)\n@0 = Expand(c, s)\n",
                                names, 1, NULL, &last->adjoint));
    for (size_t i = t.count; i-- > 0;) {
        const entry *e = &t.entries[i];
        if (e->depends && !e->given && e->adjoint != INFER_NO_VALUE)
            INFER_TRY(differentiate(&t, e));
    }
    for (uint32_t i = 0; i < rw->out_count; i++)
        INFER_TRY(give_adjoint(rw, &t.entries[i], i));
    return INFER_OK;
}

/* Only a forged image still has the node. */
static infer_status gradient_infer(infer_op_env *env) {
    (void)env;
    return infer_fail(INFER_ERROR_FORMAT, "a Gradient cannot stand in an image");
}

typedef struct gradient_params {
    infer_list xs, zs, y;
} gradient_params;

static const infer_op_attr gradient_attrs[] = {A_REQUIRED(gradient_params, xs, STRINGS),
                                               A_LIST(gradient_params, zs, STRINGS),
                                               A_REQUIRED(gradient_params, y, STRING)};

const infer_op infer_op_gradient = {
    .domain = "ai.onnx.preview.training",
    .name = "Gradient",
    .since = 1,
    .newest = 1,
    .params_size = sizeof(gradient_params),
    .min_in = 1,
    .max_in = INFER_VARIADIC,
    .min_out = 1,
    .max_out = INFER_VARIADIC,
    .attr_count = 3,
    .attrs = gradient_attrs,
    .types = {T_ALL},
    .upgrade = gradient_upgrade,
    .infer = gradient_infer,
    .run = gradient_infer,
};
