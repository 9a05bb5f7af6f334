/* If and Loop: nodes that run graphs. */
#include "control.h"
#include "axes.h"

#include <string.h>

/* ---- shared ---- */

void infer_merge_shape(infer_view *view, const infer_view *other) {
    if (view->kind != INFER_KIND_TENSOR)
        view->dim[0] = -1;
    else if (view->rank != other->rank)
        view->rank = -1;
    for (int32_t i = 0; i < view->rank; i++)
        if (view->dim[i] != other->dim[i])
            view->dim[i] = -1;
}

infer_status infer_body_formal(const infer_op_env *env, const infer_body *bodies, uint32_t count,
                               uint32_t *formal) {
    uint64_t captures = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!bodies[i].graph && env->call)
            return infer_fail(INFER_ERROR_FORMAT, "a body is missing");
        captures += bodies[i].captures;
    }
    if (captures > env->in_count)
        return infer_fail(INFER_ERROR_FORMAT, "the body captures more inputs than there are");
    *formal = env->in_count - (uint32_t)captures;
    return INFER_OK;
}

/* ---- If ---- */

typedef struct if_params {
    infer_body then_branch, else_branch;
} if_params;

static const infer_op_attr if_attrs[] = {A_REQUIRED(if_params, then_branch, GRAPH),
                                         A_REQUIRED(if_params, else_branch, GRAPH)};

/* A condition that is known chooses while loading. */
static infer_status if_upgrade(infer_rewriter *rw) {
    const infer_view *cond = rw->view(rw, rw->input(rw, 0));
    if (!cond->data || cond->type != INFER_TYPE_BOOL || infer_view_count(cond) != 1)
        return INFER_OK;
    const char *branch = *(const uint8_t *)cond->data ? "then_branch" : "else_branch";
    uint32_t *outputs = rw->alloc(rw, rw->out_count * sizeof *outputs);
    INFER_TRY(rw->failed);
    INFER_TRY(rw->inline_body(rw, branch, NULL, 0, outputs, rw->out_count));
    for (uint32_t i = 0; i < rw->out_count; i++)
        INFER_TRY(rw->replace(rw, i, outputs[i]));
    return INFER_OK;
}

static infer_status if_infer(infer_op_env *env) {
    const if_params *p = env->params;
    const infer_body bodies[] = {p->then_branch, p->else_branch};
    uint32_t formal = 0;
    INFER_TRY(infer_body_formal(env, bodies, 2, &formal));
    if (formal != 1)
        return infer_fail(INFER_ERROR_FORMAT, "%u inputs instead of one", formal);
    int64_t count = infer_view_count(env->in[0]);
    if (count >= 0 && count != 1)
        return infer_fail(INFER_ERROR_SHAPE, "the condition has %lld elements", (long long)count);
    for (uint32_t i = 0; i < env->out_count; i++) {
        infer_view then, other;
        if (!env->body_port(env, p->then_branch.graph, true, i, &then) ||
            !env->body_port(env, p->else_branch.graph, true, i, &other))
            return infer_fail(INFER_ERROR_FORMAT, "a branch has no output %u", i);
        if (then.kind != other.kind || then.type != other.type)
            return infer_fail(INFER_ERROR_TYPE, "the branches give different types for output %u",
                              i);
        infer_merge_shape(&then, &other);
        if (env->out[i])
            *env->out[i] = then;
    }
    return INFER_OK;
}

/* The branch of a condition; of one that is not known, both. */
static bool if_gives(const infer_op_env *env, uint32_t index, infer_body *body, uint32_t *first) {
    const if_params *p = env->params;
    const uint8_t *cond = env->in[0]->data;
    bool then = cond ? *cond : index == 0;
    *body = then ? p->then_branch : p->else_branch;
    *first = then ? 1 : 1 + p->then_branch.captures;
    return index < (cond ? 1 : 2);
}

static infer_status if_run(infer_op_env *env) {
    infer_body body;
    uint32_t first;
    bool placed = true;
    infer_view *out = env->alloc(env, env->out_count * sizeof *out);
    if (!out)
        return INFER_ERROR_MEMORY;
    if_gives(env, 0, &body, &first);
    for (uint32_t i = 0; i < env->out_count; i++)
        placed = placed && (!env->out[i] || env->out[i]->data);
    INFER_TRY(
        env->call(env, body.graph, env->in + first, body.captures, out, env->out_count, !placed));
    for (uint32_t i = 0; i < env->out_count; i++)
        INFER_TRY(infer_give(env, i, &out[i]));
    return INFER_OK;
}

const infer_op infer_op_if = {
    .domain = "",
    .name = "If",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(if_params),
    .min_in = 1,
    .max_in = INFER_VARIADIC,
    .min_out = 1,
    .max_out = INFER_VARIADIC,
    .flags = INFER_OP_BODIES | INFER_OP_PLACES,
    .attr_count = 2,
    .attrs = if_attrs,
    .types = {T(BOOL), T_ALL | T_COMPOSITE},
    .upgrade = if_upgrade,
    .infer = if_infer,
    .run = if_run,
    .gives = if_gives,
};

/* ---- Loop ---- */

typedef struct loop_params {
    infer_body body;
} loop_params;

static const infer_op_attr loop_attrs[] = {A_REQUIRED(loop_params, body, GRAPH)};

static void loop_body_input(const infer_view *const *in, uint32_t in_count, const char *attr,
                            uint32_t index, infer_view *view) {
    (void)attr;
    if (index < 2)
        *view = (infer_view){.type = index ? INFER_TYPE_BOOL : INFER_TYPE_INT64, .rank = -1};
    else if (index < in_count && in[index])
        *view = *in[index];
    if (view->kind == INFER_KIND_TENSOR)
        view->rank = -1; /* may change from turn to turn */
}

/* Counts: values carried through the turns, and outputs that are stacked. */
static infer_status loop_counts(infer_op_env *env, uint32_t *carried, uint32_t *stacked) {
    const loop_params *p = env->params;
    uint32_t formal = 0, outputs = 0;
    infer_view view;
    INFER_TRY(infer_body_formal(env, &p->body, 1, &formal));
    if (formal < 2)
        return infer_fail(INFER_ERROR_FORMAT, "%u inputs instead of two or more", formal);
    *carried = formal - 2;
    while (env->body_port(env, p->body.graph, true, outputs, &view))
        outputs++;
    if (outputs < 1 + *carried || env->out_count > outputs - 1)
        return infer_fail(INFER_ERROR_FORMAT,
                          "%u outputs and %u carried values; the body gives %u values",
                          env->out_count, *carried, outputs);
    *stacked = outputs - 1 - *carried;
    return INFER_OK;
}

static infer_status loop_infer(infer_op_env *env) {
    const loop_params *p = env->params;
    uint32_t carried, stacked;
    INFER_TRY(loop_counts(env, &carried, &stacked));
    for (uint32_t i = 0; i < 2; i++) {
        const infer_view *v = env->in[i];
        infer_type type = i ? INFER_TYPE_BOOL : INFER_TYPE_INT64;
        if (!v)
            continue;
        int64_t count = infer_view_count(v);
        if (v->kind != INFER_KIND_TENSOR || v->type != type || (count >= 0 && count != 1))
            return infer_fail(INFER_ERROR_TYPE, "input %u is no scalar of %s", i,
                              infer_type_name(type));
    }
    for (uint32_t i = 0; i < carried; i++)
        if (!env->in[2 + i])
            return infer_fail(INFER_ERROR_FORMAT, "input %u is missing", 2 + i);
    for (uint32_t i = 0; i < env->out_count; i++) {
        infer_view view;
        env->body_port(env, p->body.graph, true, 1 + i, &view);
        if (i < carried) {
            infer_merge_shape(&view, env->in[2 + i]);
        } else {
            if (view.kind != INFER_KIND_TENSOR || view.rank >= INFER_MAX_RANK)
                return infer_fail(INFER_ERROR_TYPE, "output %u of the body cannot be stacked",
                                  1 + i);
            if (view.rank >= 0)
                memmove(view.dim + 1, view.dim, (size_t)view.rank++ * sizeof *view.dim);
            view.dim[0] = -1;
        }
        if (env->out[i])
            *env->out[i] = view;
    }
    return INFER_OK;
}

/* An output that grows by a tensor each turn. */
typedef struct stack {
    infer_view each; /* the first turn's, which all have to be like */
    size_t bytes, used, room;
    char *data;
} stack;

static infer_status stack_push(infer_op_env *env, stack *s, const infer_view *v) {
    if (v->kind != INFER_KIND_TENSOR || v->rank >= INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_TYPE, "a value of the body cannot be stacked");
    if (!s->data) {
        s->each = *v;
        s->bytes = infer_view_bytes(v);
    }
    bool same = v->type == s->each.type && v->rank == s->each.rank;
    for (int32_t i = 0; same && i < v->rank; i++)
        same = v->dim[i] == s->each.dim[i];
    if (!same)
        return infer_fail(INFER_ERROR_SHAPE, "a stacked value changes its type or shape");
    if (!s->data || s->bytes > s->room - s->used) {
        size_t room;
        if (__builtin_mul_overflow(s->room, 2, &room) ||
            __builtin_add_overflow(room, s->bytes, &room))
            return infer_fail(INFER_ERROR_MEMORY, "the stacked values do not fit memory");
        char *grown = env->alloc(env, room);
        if (!grown)
            return INFER_ERROR_MEMORY;
        if (s->used)
            memcpy(grown, s->data, s->used);
        s->data = grown;
        s->room = room;
    }
    infer_view copy = *v;
    if (v->type == INFER_TYPE_STRING) /* the texts, too, have to outlive the turn */
        INFER_TRY(infer_view_copy(env, v, &copy));
    if (s->bytes)
        memcpy(s->data + s->used, copy.data, s->bytes);
    s->used += s->bytes;
    return INFER_OK;
}

/* All turns' values as one tensor. Without a turn its extents are what is known of the body's, else
 * zero. */
static infer_status stack_give(infer_op_env *env, uint32_t index, const stack *s, int64_t turns,
                               const infer_view *said) {
    infer_view all = turns ? s->each : *said;
    if (all.rank < 0)
        all.rank = 0;
    memmove(all.dim + 1, all.dim, (size_t)all.rank++ * sizeof *all.dim);
    for (int32_t i = 1; i < all.rank; i++)
        all.dim[i] = all.dim[i] < 0 ? 0 : all.dim[i];
    all.dim[0] = turns;
    all.data = turns ? s->data : env->alloc(env, 0);
    INFER_TRY(infer_view_check(&all, false));
    return all.data ? infer_give(env, index, &all) : INFER_ERROR_MEMORY;
}

typedef struct loop {
    const infer_view **in; /* of the body: turn, condition, carried values, captures */
    infer_view *values;    /* turn, condition, carried values */
    infer_view *out;       /* of the body */
    stack *stacks;
    uint32_t carried, stacked, captures;
} loop;

static infer_status loop_begin(infer_op_env *env, loop *l) {
    const loop_params *p = env->params;
    INFER_TRY(loop_counts(env, &l->carried, &l->stacked));
    l->captures = p->body.captures;
    uint32_t own = 2 + l->carried;
    l->in = env->alloc(env, (own + l->captures) * sizeof(infer_view *));
    l->values = env->alloc(env, own * sizeof *l->values);
    l->out = env->alloc(env, (1 + l->carried + l->stacked) * sizeof *l->out);
    l->stacks = env->alloc(env, l->stacked * sizeof *l->stacks);
    if (!l->in || !l->values || !l->out || !l->stacks)
        return INFER_ERROR_MEMORY;
    memset(l->stacks, 0, l->stacked * sizeof *l->stacks);
    for (uint32_t i = 0; i < own; i++)
        l->in[i] = &l->values[i];
    for (uint32_t i = 0; i < l->captures; i++)
        l->in[own + i] = env->in[own + i];
    for (uint32_t i = 0; i < l->carried; i++)
        l->values[2 + i] = *env->in[2 + i];
    return INFER_OK;
}

static infer_status loop_end(infer_op_env *env, loop *l, int64_t turns) {
    const loop_params *p = env->params;
    for (uint32_t i = 0; i < l->carried; i++) {
        infer_view *v = &l->values[2 + i];
        /* Without a turn it is an input, whose memory may be reused once this node has run. */
        if (turns == 0)
            INFER_TRY(infer_view_copy(env, env->in[2 + i], v));
        INFER_TRY(infer_give(env, i, v));
    }
    for (uint32_t i = 0; i < l->stacked && l->carried + i < env->out_count; i++) {
        infer_view said;
        env->body_port(env, p->body.graph, true, 1 + l->carried + i, &said);
        if (env->out[l->carried + i])
            INFER_TRY(stack_give(env, l->carried + i, &l->stacks[i], turns, &said));
    }
    return INFER_OK;
}

static infer_status loop_run(infer_op_env *env) {
    const loop_params *p = env->params;
    loop l;
    INFER_TRY(loop_begin(env, &l));
    int64_t turn = 0, turns = INT64_MAX;
    uint8_t cond = 1;
    if (env->in[0])
        turns = *(const int64_t *)env->in[0]->data;
    if (env->in[1])
        cond = *(const uint8_t *)env->in[1]->data;
    void *const data[] = {&turn, &cond};
    for (uint32_t i = 0; i < 2; i++) {
        if (!env->body_port(env, p->body.graph, false, i, &l.values[i]))
            return infer_fail(INFER_ERROR_FORMAT, "the body has no input %u", i);
        /* Scalars, or lists of one where the body says so. */
        l.values[i] = (infer_view){.type = i ? INFER_TYPE_BOOL : INFER_TYPE_INT64,
                                   .rank = l.values[i].rank == 1,
                                   .dim = {1},
                                   .data = data[i]};
    }
    for (; turn < turns && cond; turn++) {
        INFER_TRY(env->call(env, p->body.graph, l.in, 2 + l.carried + l.captures, l.out,
                            1 + l.carried + l.stacked, true));
        if (l.out[0].type != INFER_TYPE_BOOL || l.out[0].kind != INFER_KIND_TENSOR ||
            infer_view_count(&l.out[0]) != 1)
            return infer_fail(INFER_ERROR_TYPE, "the body's condition is no boolean");
        cond = *(const uint8_t *)l.out[0].data;
        memcpy(&l.values[2], &l.out[1], l.carried * sizeof *l.values);
        for (uint32_t i = 0; i < l.stacked; i++)
            INFER_TRY(stack_push(env, &l.stacks[i], &l.out[1 + l.carried + i]));
    }
    return loop_end(env, &l, turn);
}

const infer_op infer_op_loop = {
    .domain = "",
    .name = "Loop",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(loop_params),
    .min_in = 0,
    .max_in = INFER_VARIADIC,
    .min_out = 0,
    .max_out = INFER_VARIADIC,
    .flags = INFER_OP_BODIES | INFER_OP_PLACES,
    .attr_count = 1,
    .attrs = loop_attrs,
    .types = {T_ALL | T_COMPOSITE},
    .infer = loop_infer,
    .run = loop_run,
    .body_input = loop_body_input,
};
