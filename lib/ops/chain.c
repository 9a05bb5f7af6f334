/*
 * infer.Chain: several elementwise operators over float, one after the other on a block of elements
 * that stays in the first cache. Each step is the operator's own run on a view of the block, so the
 * bits are those of the operators one by one.
 */
#include "chain.h"

#include "share.h"
#include "status.h"

#include <string.h>

#define BLOCK 1024 /* elements */

#define CHAIN_OPS(X)                                                                               \
    X(add)                                                                                         \
    X(sub)                                                                                         \
    X(mul) X(div) X(max) X(min) X(pow) X(neg) X(abs) X(sqrt) X(reciprocal) X(exp) X(log) X(tanh)   \
        X(sigmoid) X(erf) X(relu) X(clip) X(leaky_relu) X(hard_sigmoid) X(hard_swish) X(swish)     \
            X(gelu) X(softplus) X(floor) X(ceil) X(elu)

#define EXTERN(snake) extern const infer_op infer_op_##snake;
CHAIN_OPS(EXTERN)
#define ADDRESS(snake) &infer_op_##snake,
static const infer_op *const chain_ops[] = {CHAIN_OPS(ADDRESS)};

const infer_op *infer_chain_op(int64_t index) {
    return index >= 0 && index < (int64_t)(sizeof chain_ops / sizeof *chain_ops) ? chain_ops[index]
                                                                                 : NULL;
}

typedef struct chain_params {
    infer_list code, kinds;
    int64_t slots;
} chain_params;

static const infer_op_attr chain_attrs[] = {A_REQUIRED(chain_params, code, INTS),
                                            A_REQUIRED(chain_params, kinds, INTS),
                                            A_INT(chain_params, slots, 0)};

typedef struct chain {
    infer_chain_step step[INFER_CHAIN_STEPS];
    size_t count, slots;
    const int64_t *kind;
} chain;

/* ---- shapes ---- */

/* The step's operator must take its arguments, and read only slots that were written. */
static infer_status check_step(const infer_op_env *env, const infer_chain_step *s,
                               const int64_t *kind, size_t slots, uint32_t *written) {
    const infer_op *op = infer_chain_op(s->op);
    infer_view block = {.type = INFER_TYPE_FLOAT, .rank = 1, .dim = {BLOCK}}, out;
    const infer_view *in[INFER_CHAIN_ARGS] = {NULL};
    if (!op || op->params_size > INFER_CHAIN_PARAMS || s->arg_count < 1 ||
        s->arg_count > INFER_CHAIN_ARGS || s->slot < 0 || s->slot >= (int64_t)slots)
        return infer_fail(INFER_ERROR_FORMAT, "chain: a step is no operator's");
    for (int64_t i = 0; i < s->arg_count; i++) {
        int64_t a = s->arg[i];
        bool slot = a < -1 && a >= -1 - INFER_CHAIN_SLOTS && (*written >> (-2 - a) & 1);
        if (a == -1)
            continue;
        if (!slot && (a < 0 || a >= env->in_count))
            return infer_fail(INFER_ERROR_FORMAT, "chain: argument %lld is not there",
                              (long long)a);
        /* Only the elements of the block may be written where they are read. */
        if (slot && -2 - a == s->slot && (i > 1 || !(op->flags & INFER_OP_INPLACE)))
            return infer_fail(INFER_ERROR_FORMAT, "chain: a step writes what it reads");
        in[i] = &block;
    }
    bool one = s->arg[0] >= 0 && kind[s->arg[0]] == INFER_CHAIN_ONE;
    bool other = s->arg_count == 2 && s->arg[1] != -1 &&
                 (s->arg[1] < 0 || kind[s->arg[1]] != INFER_CHAIN_ONE);
    /* A result is as long as a block: one operand is. */
    if (one && (!other || (op->min_in != 2 && op->max_in != INFER_VARIADIC)))
        return infer_fail(INFER_ERROR_FORMAT, "chain: a step computes one number");
    *written |= 1u << s->slot;
    infer_view *to = &out;
    infer_op_env step = {.params = s->params,
                         .blob = "",
                         .in_count = (uint32_t)s->arg_count,
                         .out_count = 1,
                         .in = in,
                         .out = &to,
                         .kernels = env->kernels};
    return infer_op_check(op, &step);
}

static infer_status read_chain(const infer_op_env *env, chain *c) {
    const chain_params *p = env->params;
    const size_t words = sizeof *c->step / sizeof(int64_t);
    size_t count = (size_t)(p->code.count / words);
    if (!count || p->code.count % words || count > INFER_CHAIN_STEPS || p->slots < 1 ||
        p->slots > INFER_CHAIN_SLOTS || p->kinds.count != env->in_count)
        return infer_fail(INFER_ERROR_FORMAT, "chain: the code has %llu numbers",
                          (unsigned long long)p->code.count);
    c->count = count;
    c->slots = (size_t)p->slots;
    c->kind = infer_list_data(env, &p->kinds);
    memcpy(c->step, infer_list_data(env, &p->code), count * sizeof *c->step);
    return INFER_OK;
}

/* What is known of the output: from every input that is as large. */
static infer_status join(infer_view *out, const infer_view *full, uint32_t index) {
    bool same = full->rank == out->rank;
    for (int32_t i = 0; same && i < full->rank; i++) {
        same = full->dim[i] < 0 || out->dim[i] < 0 || full->dim[i] == out->dim[i];
        out->dim[i] = out->dim[i] < 0 ? full->dim[i] : out->dim[i];
    }
    return same ? INFER_OK
                : infer_fail(INFER_ERROR_SHAPE, "chain: input %u is of another shape", index);
}

static bool is_small(const infer_view *v, int64_t kind, const infer_view *out) {
    int64_t count = infer_view_count(v), last = out->rank > 0 ? out->dim[out->rank - 1] : -1;
    if (v->rank > out->rank)
        return false;
    if (count < 0 || kind == INFER_CHAIN_ONE)
        return count < 0 || count == 1;
    return kind == INFER_CHAIN_ROW && v->rank > 0 && v->dim[v->rank - 1] == count &&
           (last < 0 || count == last);
}

static infer_status chain_infer(infer_op_env *env) {
    chain c;
    infer_view shape = {.rank = -1};
    uint32_t written = 0;
    size_t rows = 0;
    INFER_TRY(read_chain(env, &c));
    for (uint32_t i = 0; i < env->in_count; i++) {
        if (!env->in[i] || env->in[i]->rank < 0 || c.kind[i] < 0 || c.kind[i] > INFER_CHAIN_ROW)
            return infer_fail(INFER_ERROR_FORMAT, "chain: input %u is not known", i);
        rows += c.kind[i] == INFER_CHAIN_ROW;
        if (c.kind[i] != INFER_CHAIN_FULL)
            continue;
        if (shape.rank < 0)
            shape = *env->in[i];
        INFER_TRY(join(&shape, env->in[i], i));
    }
    if (shape.rank < 0)
        return infer_fail(INFER_ERROR_FORMAT, "chain: no input is as large as the output");
    for (uint32_t i = 0; i < env->in_count; i++)
        if (c.kind[i] != INFER_CHAIN_FULL && !is_small(env->in[i], c.kind[i], &shape))
            return infer_fail(INFER_ERROR_SHAPE, "chain: input %u is of another shape", i);
    for (size_t i = 0; i < c.count; i++)
        INFER_TRY(check_step(env, &c.step[i], c.kind, c.slots, &written));
    shape.data = NULL;
    if (env->out[0])
        *env->out[0] = shape;
    env->scratch_size = (rows + infer_workers(env) * c.slots) * BLOCK * sizeof(float);
    return INFER_OK;
}

/* ---- running ---- */

typedef struct work {
    infer_op_env *env;
    chain c;
    const float *row[INFER_CHAIN_INPUTS]; /* repeated through a block, or one row longer than it */
    float *slots;                         /* of all workers */
    size_t n, length, period; /* elements; of a block; of a row, 0 where there is none */
    size_t blocks, parts;
} work;

/* Where an argument's elements for the block at `at` are; *many is whether it has more than one. */
static void *argument(const work *w, int64_t a, size_t at, float *slots, bool *many) {
    *many = true;
    if (a < 0)
        return slots + (size_t)(-2 - a) * BLOCK;
    if (w->c.kind[a] == INFER_CHAIN_FULL)
        return (float *)w->env->in[a]->data + at;
    if (w->c.kind[a] == INFER_CHAIN_ROW)
        return (void *)(w->row[a] + (w->period > BLOCK ? at % w->period : 0));
    *many = false;
    return w->env->in[a]->data;
}

/* Views are large and steps are short: only what is read of a view is written. */
static void set_view(infer_view *v, void *data, bool many, size_t n) {
    v->rank = many;
    v->dim[0] = (int64_t)n;
    v->data = data;
}

typedef struct stage {
    infer_view view[INFER_CHAIN_ARGS], y;
    const infer_view *in[INFER_CHAIN_ARGS];
    infer_view *out;
    infer_op_env env;
} stage;

static void open_stage(stage *t, const work *w) {
    for (size_t k = 0; k < INFER_CHAIN_ARGS; k++) {
        t->view[k].kind = INFER_KIND_TENSOR;
        t->view[k].type = INFER_TYPE_FLOAT;
    }
    t->y.kind = INFER_KIND_TENSOR;
    t->y.type = INFER_TYPE_FLOAT;
    t->out = &t->y;
    t->env = (infer_op_env){
        .blob = "", .out_count = 1, .in = t->in, .out = &t->out, .kernels = w->env->kernels};
}

static void run_steps(const work *w, stage *t, size_t at, size_t n, float *slots) {
    float *result = (float *)w->env->out[0]->data + at;
    for (size_t i = 0; i < w->c.count; i++) {
        const infer_chain_step *s = &w->c.step[i];
        const infer_op *op = chain_ops[s->op];
        bool last = i + 1 == w->c.count, direct = last && op->flags & INFER_OP_INPLACE, many;
        for (int64_t k = 0; k < s->arg_count; k++) {
            t->in[k] = s->arg[k] == -1 ? NULL : &t->view[k];
            if (s->arg[k] != -1) {
                void *data = argument(w, s->arg[k], at, slots, &many);
                set_view(&t->view[k], data, many, n);
            }
        }
        set_view(&t->y, direct ? result : slots + (size_t)s->slot * BLOCK, true, n);
        t->env.params = s->params;
        t->env.in_count = (uint32_t)s->arg_count;
        op->run(&t->env);
        if (last && !direct)
            memcpy(result, t->y.data, n * sizeof(float));
    }
}

/* Blocks are cut at rows that are longer than they. */
static void run_part(void *arg, size_t part, size_t worker) {
    const work *w = arg;
    size_t first, end;
    float *slots = w->slots + worker * w->c.slots * BLOCK;
    stage t;
    open_stage(&t, w);
    infer_part(w->blocks, 1, w->parts, part, &first, &end);
    size_t each = w->period > BLOCK ? (w->period + BLOCK - 1) / BLOCK : 1; /* blocks of a row */
    for (size_t b = first; b < end; b++) {
        size_t at = b * w->length, limit = w->n;
        if (each > 1) {
            at = b / each * w->period + b % each * BLOCK;
            limit = (b / each + 1) * w->period;
        }
        run_steps(w, &t, at, limit - at < w->length ? limit - at : w->length, slots);
    }
}

/* Rows that are shorter than a block are repeated in it. */
static void lay_rows(work *w, float *room) {
    for (uint32_t i = 0; i < w->env->in_count; i++) {
        if (w->c.kind[i] != INFER_CHAIN_ROW)
            continue;
        w->row[i] = w->env->in[i]->data;
        if (w->period > BLOCK)
            continue;
        for (size_t at = 0; at < w->length; at += w->period)
            memcpy(room + at, w->env->in[i]->data, w->period * sizeof(float));
        w->row[i] = room;
        room += BLOCK;
    }
}

static infer_status chain_run(infer_op_env *env) {
    work w = {.env = env, .length = BLOCK, .parts = 1};
    const infer_view *y = env->out[0];
    size_t rows = 0;
    if (!y || !(w.n = (size_t)infer_view_count(y)))
        return INFER_OK;
    INFER_TRY(read_chain(env, &w.c));
    for (uint32_t i = 0; i < env->in_count; i++)
        rows += w.c.kind[i] == INFER_CHAIN_ROW;
    if (rows)
        w.period = (size_t)y->dim[y->rank - 1];
    if (w.period && w.period <= BLOCK)
        w.length = BLOCK / w.period * w.period;
    w.blocks = w.period > BLOCK ? w.n / w.period * ((w.period + BLOCK - 1) / BLOCK)
                                : (w.n + w.length - 1) / w.length;
    lay_rows(&w, env->scratch);
    w.slots = (float *)env->scratch + rows * BLOCK;
    w.parts = infer_parts(env, w.blocks, (double)w.c.count * BLOCK);
    infer_parallel(env, w.parts, run_part, &w);
    return INFER_OK;
}

const infer_op infer_op_infer_chain = {
    .domain = "infer",
    .name = "Chain",
    .since = 1,
    .newest = 1,
    .params_size = sizeof(chain_params),
    .attr_count = 3,
    .attrs = chain_attrs,
    .min_in = 1,
    .max_in = INFER_CHAIN_INPUTS,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_INPLACE,
    .types = {T(FLOAT)},
    .infer = chain_infer,
    .run = chain_run,
};
