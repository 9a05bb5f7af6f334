/*
 * Elementwise operators in a row become one node, infer.Chain: what only they read among each other
 * never leaves the first cache. All of a chain's values have one shape for certain.
 */
#include "chain.h"
#include "extents.h"
#include "status.h"
#include "uses.h"

#include <string.h>

typedef struct fuser {
    infer_graph *g;
    graph_uses uses;
    graph_extents extents;
    uint32_t *maker;  /* of a value: the place of its node, or NO_MAKER */
    int8_t *code;     /* of a node: its number as a step, or -1 */
    uint32_t *member; /* of a node: the place of the last node of its chain plus 1 */
} fuser;

#define NO_MAKER UINT32_MAX

/* ---- what may be a step ---- */

static int8_t step_code(const infer_op *op) {
    for (int8_t i = 0; infer_chain_op(i); i++)
        if (infer_chain_op(i) == op)
            return i;
    return -1;
}

static bool same_extents(const infer_view *a, const infer_view *b) {
    return a->rank == b->rank && a->rank >= 0 &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

static bool same_shape(const fuser *f, uint32_t a, uint32_t b) {
    return infer_graph_same_shape(f->g, &f->extents, a, b);
}

/* What operand v is to a result y that has the shape of its full operands. */
static infer_chain_kind kind_of(const infer_view *v, const infer_view *y) {
    int64_t count = infer_view_count(v);
    if (same_extents(v, y) || v->rank > y->rank)
        return INFER_CHAIN_FULL;
    if (count == 1)
        return INFER_CHAIN_ONE;
    return count > 1 && v->rank > 0 && v->dim[v->rank - 1] == count && y->dim[y->rank - 1] == count
               ? INFER_CHAIN_ROW
               : INFER_CHAIN_FULL;
}

static bool is_float(const infer_view *v) {
    return v->kind == INFER_KIND_TENSOR && v->type == INFER_TYPE_FLOAT && v->rank >= 0;
}

/* Whether a node's output has the shape of each large operand for certain. */
static bool is_as_large(const fuser *f, const graph_node *n) {
    const infer_graph *g = f->g;
    const infer_view *y = infer_graph_view(g, n->out[0]);
    bool any = false;
    for (uint32_t e = 0; e < n->in_count; e++) {
        uint32_t v = infer_graph_resolve(g, n->in[e]);
        if (v == INFER_NO_VALUE)
            continue;
        const infer_view *x = &g->values[v].view;
        if (!is_float(x))
            return false;
        if (kind_of(x, y) != INFER_CHAIN_FULL)
            continue;
        if (!same_shape(f, v, n->out[0]))
            return false;
        any = true;
    }
    return any;
}

/* Clip's bounds and the only operand of others are no matter of broadcasting. */
static bool operands_fit(const fuser *f, const graph_node *n) {
    const infer_view *y = infer_graph_view(f->g, n->out[0]);
    bool bounds = n->op->min_in == 1 && n->op->max_in != INFER_VARIADIC;
    for (uint32_t e = 0; e < n->in_count; e++) {
        const infer_view *x = n->in[e] == INFER_NO_VALUE ? NULL : infer_graph_view(f->g, n->in[e]);
        if (x && bounds &&
            (e > 0) != (infer_view_count(x) == 1 && kind_of(x, y) != INFER_CHAIN_FULL))
            return false;
    }
    return true;
}

static infer_status look(fuser *f) {
    infer_graph *g = f->g;
    const graph_body *b = g->now;
    INFER_TRY(infer_graph_uses(g, &f->uses));
    INFER_TRY(infer_graph_find_extents(g, &f->extents));
    f->maker = infer_arena_array(&g->arena, g->value_count, sizeof *f->maker);
    f->code = infer_arena_array(&g->arena, b->node_count, sizeof *f->code);
    f->member = infer_arena_array(&g->arena, b->node_count, sizeof *f->member);
    if (!f->maker || !f->code || !f->member)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < g->value_count; i++)
        f->maker[i] = NO_MAKER;
    for (size_t i = 0; i < b->node_count; i++) {
        const graph_node *n = b->nodes[i];
        f->code[i] = -1;
        for (uint32_t o = 0; o < n->out_count; o++)
            if (n->out[o] != INFER_NO_VALUE)
                f->maker[n->out[o]] = (uint32_t)i;
        if (n->dead || n->bound || n->out_count != 1 || n->in_count > INFER_CHAIN_ARGS ||
            n->op->params_size > INFER_CHAIN_PARAMS ||
            (n->op->max_in == INFER_VARIADIC && n->in_count != 2) ||
            !is_float(infer_graph_view(g, n->out[0])))
            continue;
        if (step_code(n->op) >= 0 && is_as_large(f, n) && operands_fit(f, n))
            f->code[i] = step_code(n->op);
    }
    return INFER_OK;
}

/* ---- which belong together ---- */

typedef struct group {
    uint32_t place[INFER_CHAIN_STEPS]; /* ascending; the last one's output is the chain's */
    size_t count;
} group;

/* How often the group's nodes from number `from` on read a value. */
static uint32_t reads_within(const fuser *f, const group *c, size_t from, uint32_t value) {
    uint32_t reads = 0;
    for (size_t i = from; i < c->count; i++) {
        const graph_node *n = f->g->now->nodes[c->place[i]];
        for (uint32_t e = 0; e < n->in_count; e++)
            reads += infer_graph_resolve(f->g, n->in[e]) == value;
    }
    return reads;
}

static bool absorb_one(const fuser *f, group *c, uint32_t end) {
    graph_node **nodes = f->g->now->nodes;
    for (size_t i = 0; i < c->count; i++) {
        const graph_node *n = nodes[c->place[i]];
        for (uint32_t e = 0; e < n->in_count; e++) {
            uint32_t v = infer_graph_resolve(f->g, n->in[e]);
            uint32_t at = v == INFER_NO_VALUE ? NO_MAKER : f->maker[v];
            if (at == NO_MAKER || f->code[at] < 0 || f->member[at] ||
                !same_shape(f, v, nodes[end]->out[0]) ||
                f->uses.reads[v] != reads_within(f, c, 0, v))
                continue;
            size_t to = c->count++;
            for (; to > 0 && c->place[to - 1] > at; to--)
                c->place[to] = c->place[to - 1];
            c->place[to] = at;
            f->member[at] = end + 1;
            return true;
        }
    }
    return false;
}

/* ---- the chain ---- */

typedef struct builder {
    infer_chain_step step[INFER_CHAIN_STEPS];
    uint32_t in[INFER_CHAIN_INPUTS];
    int64_t kind[INFER_CHAIN_INPUTS];
    size_t in_count, slots;
    uint32_t held[INFER_CHAIN_SLOTS]; /* the value in a slot, or NO_VALUE */
} builder;

static bool add_input(const fuser *f, builder *b, uint32_t v, const infer_view *y, int64_t *arg) {
    size_t i = 0;
    while (i < b->in_count && b->in[i] != v)
        i++;
    *arg = (int64_t)i;
    if (i < b->in_count)
        return true;
    if (i == INFER_CHAIN_INPUTS)
        return false;
    b->in[i] = v;
    b->kind[i] = kind_of(&f->g->values[v].view, y);
    b->in_count++;
    return true;
}

/* A slot for the result of step i: a free one; or, of an operator that may work in place, its
 * operand's that nobody reads any more. */
static bool take_slot(const fuser *f, builder *b, const group *c, size_t i, uint32_t value) {
    infer_chain_step *s = &b->step[i];
    const infer_op *op = infer_chain_op(s->op);
    bool early = op->flags & INFER_OP_INPLACE;
    for (size_t k = 0; early && k < INFER_CHAIN_SLOTS; k++)
        if (b->held[k] != INFER_NO_VALUE && !reads_within(f, c, i + 1, b->held[k]) &&
            s->arg[2] != -2 - (int64_t)k)
            b->held[k] = INFER_NO_VALUE;
    size_t k = 0;
    while (k < INFER_CHAIN_SLOTS && b->held[k] != INFER_NO_VALUE)
        k++;
    if (k == INFER_CHAIN_SLOTS)
        return false;
    b->held[k] = value;
    s->slot = (int64_t)k;
    b->slots = k + 1 > b->slots ? k + 1 : b->slots;
    for (k = 0; k < INFER_CHAIN_SLOTS; k++)
        if (b->held[k] != INFER_NO_VALUE && b->held[k] != value &&
            !reads_within(f, c, i + 1, b->held[k]))
            b->held[k] = INFER_NO_VALUE;
    return true;
}

static bool build(const fuser *f, const group *c, builder *b) {
    for (size_t k = 0; k < INFER_CHAIN_SLOTS; k++)
        b->held[k] = INFER_NO_VALUE;
    for (size_t i = 0; i < c->count; i++) {
        const graph_node *n = f->g->now->nodes[c->place[i]];
        const infer_view *y = infer_graph_view(f->g, n->out[0]);
        infer_chain_step *s = &b->step[i];
        *s = (infer_chain_step){
            .op = f->code[c->place[i]], .arg_count = n->in_count, .arg = {-1, -1, -1}};
        memcpy(s->params, n->params, n->op->params_size);
        for (uint32_t e = 0; e < n->in_count; e++) {
            uint32_t v = infer_graph_resolve(f->g, n->in[e]);
            size_t k = 0;
            if (v == INFER_NO_VALUE)
                continue;
            while (k < INFER_CHAIN_SLOTS && b->held[k] != v)
                k++;
            if (k < INFER_CHAIN_SLOTS)
                s->arg[e] = -2 - (int64_t)k;
            else if (!add_input(f, b, v, y, &s->arg[e]))
                return false;
        }
        if (!take_slot(f, b, c, i, n->out[0]))
            return false;
    }
    return true;
}

static infer_status set_list(infer_graph *g, graph_node *n, const char *name, const void *data,
                             size_t count) {
    infer_attr a = {.name = name, .type = INFER_ATTR_INTS, .count = count, .data = data};
    return infer_graph_add_attr(g, n, &a);
}

/* The last node becomes the chain. */
static infer_status become_chain(fuser *f, const group *c, const builder *b) {
    infer_graph *g = f->g;
    graph_node *n = g->now->nodes[c->place[c->count - 1]];
    infer_attr slots = {.name = "slots", .type = INFER_ATTR_INT, .i = (int64_t)b->slots};
    n->in = infer_arena_array(&g->arena, b->in_count, sizeof *n->in);
    n->attrs = infer_arena_array(&g->arena, 3, sizeof *n->attrs);
    n->op = infer_op_find("infer", "Chain");
    if (!n->in || !n->attrs || !n->op)
        return INFER_ERROR_MEMORY;
    memcpy(n->in, b->in, b->in_count * sizeof *n->in);
    n->in_count = n->in_room = (uint32_t)b->in_count;
    n->attr_room = 3;
    n->attr_count = 0;
    n->version = n->op->newest;
    INFER_TRY(set_list(g, n, "code", b->step, c->count * sizeof *b->step / sizeof(int64_t)));
    INFER_TRY(set_list(g, n, "kinds", b->kind, b->in_count));
    INFER_TRY(infer_graph_add_attr(g, n, &slots));
    for (size_t i = 0; i + 1 < c->count; i++)
        g->now->nodes[c->place[i]]->dead = true;
    return infer_graph_bind(g, n);
}

infer_status infer_graph_fuse_chains(infer_graph *g) {
    fuser f = {.g = g};
    INFER_TRY(look(&f));
    for (size_t i = g->now->node_count; i-- > 0;) {
        group c = {{(uint32_t)i}, 1};
        builder b = {0};
        if (f.code[i] < 0 || f.member[i])
            continue;
        f.member[i] = (uint32_t)i + 1;
        while (c.count < INFER_CHAIN_STEPS && absorb_one(&f, &c, (uint32_t)i))
            continue;
        if (c.count > 1 && build(&f, &c, &b))
            INFER_TRY(become_chain(&f, &c, &b));
    }
    return INFER_OK;
}
