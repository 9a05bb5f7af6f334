/* LinearAttention: a recurrence over a matrix of state in place of scores. */
#include "axes.h"
#include "checked.h"
#include "op.h"
#include "status.h"
#include "widen.h"

#include <math.h>
#include <string.h>

enum rule { PLAIN, GATED, DELTA, GATED_DELTA };

typedef struct linear_params {
    int64_t q_num_heads, kv_num_heads, update_rule, chunk_size;
    float scale, reserved;
} linear_params;

static const infer_op_attr linear_attrs[] = {
    A_REQUIRED(linear_params, q_num_heads, INT),
    A_REQUIRED(linear_params, kv_num_heads, INT),
    A_ENUM(linear_params, update_rule, GATED_DELTA, "linear|gated|delta|gated_delta"),
    A_INT(linear_params, chunk_size, 64), /* a hint, which changes no result */
    A_FLOAT(linear_params, scale, 0),
};

enum { Q, K, V, PAST, DECAY, BETA };

typedef struct linear {
    int64_t batch, steps, heads, kv_heads, size, value_size;
    int64_t decays, betas; /* numbers a step */
} linear;

static bool has_rows(const infer_view *x, const infer_view *q) {
    return x->rank == 3 && x->dim[0] == q->dim[0] && x->dim[1] == q->dim[1];
}

static infer_status plan(const infer_op_env *env, linear *l) {
    const linear_params *p = env->params;
    const infer_view *q = env->in[Q], *k = env->in[K], *v = env->in[V];
    const infer_view *past = infer_input(env, PAST), *decay = infer_input(env, DECAY),
                     *beta = infer_input(env, BETA);
    bool gated = p->update_rule == GATED || p->update_rule == GATED_DELTA;
    bool delta = p->update_rule == DELTA || p->update_rule == GATED_DELTA;
    if (p->q_num_heads < 1 || p->kv_num_heads < 1 || p->q_num_heads % p->kv_num_heads != 0)
        return infer_fail(INFER_ERROR_VALUE, "%lld heads of queries for %lld of keys",
                          (long long)p->q_num_heads, (long long)p->kv_num_heads);
    if (gated != (decay != NULL) || delta != (beta != NULL))
        return infer_fail(INFER_ERROR_FORMAT, "decay or beta do not fit the update rule");
    if (q->rank != 3 || !has_rows(k, q) || !has_rows(v, q) || (decay && !has_rows(decay, q)) ||
        (beta && !has_rows(beta, q)))
        return infer_fail(INFER_ERROR_SHAPE, "the inputs differ in batch or steps");
    *l = (linear){.batch = q->dim[0],
                  .steps = q->dim[1],
                  .heads = p->q_num_heads,
                  .kv_heads = p->kv_num_heads,
                  .size = q->dim[2] / p->q_num_heads,
                  .value_size = v->dim[2] / p->kv_num_heads,
                  .decays = decay ? decay->dim[2] : 0,
                  .betas = beta ? beta->dim[2] : 0};
    bool fits = q->dim[2] % l->heads == 0 && k->dim[2] % l->kv_heads == 0 &&
                k->dim[2] / l->kv_heads == l->size && v->dim[2] % l->kv_heads == 0;
    fits = fits && (!decay || l->decays == l->kv_heads || l->decays == k->dim[2]) &&
           (!beta || l->betas == l->kv_heads || l->betas == 1);
    if (past)
        fits = fits && past->rank == 4 && past->dim[0] == l->batch && past->dim[1] == l->kv_heads &&
               past->dim[2] == l->size && past->dim[3] == l->value_size;
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the extents of the heads do not fit");
}

static infer_status linear_infer(infer_op_env *env) {
    const infer_view *past = infer_input(env, PAST);
    infer_view spares[2], *y = infer_out(env, 0, env->in[Q]->type, 3, &spares[0]);
    infer_view *state = infer_out(env, 1, (past ? past : env->in[Q])->type, 4, &spares[1]);
    linear l;
    size_t room;
    for (uint32_t i = 0; i < env->in_count; i++)
        if (env->in[i] && !infer_view_concrete(env->in[i]))
            return INFER_OK;
    INFER_TRY(plan(env, &l));
    y->dim[0] = state->dim[0] = l.batch;
    y->dim[1] = l.steps;
    state->dim[1] = l.kv_heads;
    state->dim[2] = l.size;
    state->dim[3] = l.value_size;
    if (__builtin_mul_overflow(l.heads, l.value_size, &y->dim[2]) ||
        !infer_mul((size_t)l.size + 1, (size_t)l.value_size, &room) ||
        !infer_mul(room, sizeof(float), &room) || !infer_round_up(room, 64, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the state does not fit memory");
    INFER_TRY(infer_view_check(y, false));
    INFER_TRY(infer_view_check(state, false));
    return infer_widen_plan(env);
}

/* One step of a head: what the state forgets, and what it learns. */
static void learn(const linear *l, const float *key, const float *value, const float *decay,
                  int64_t decays, const float *beta, float *state, float *change) {
    const int64_t n = l->value_size;
    for (int64_t d = 0; decay && d < l->size; d++) {
        float keep = expf(decay[decays == 1 ? 0 : d]);
        for (int64_t m = 0; m < n; m++)
            state[d * n + m] *= keep;
    }
    for (int64_t m = 0; m < n; m++)
        change[m] = value[m];
    if (beta) { /* only what the state does not say already */
        for (int64_t d = 0; d < l->size; d++)
            for (int64_t m = 0; m < n; m++)
                change[m] -= key[d] * state[d * n + m];
        for (int64_t m = 0; m < n; m++)
            change[m] *= *beta;
    }
    for (int64_t d = 0; d < l->size; d++)
        for (int64_t m = 0; m < n; m++)
            state[d * n + m] += key[d] * change[m];
}

static infer_status linear_body(infer_op_env *env) {
    const linear_params *p = env->params;
    const infer_view *past = infer_input(env, PAST), *decay = infer_input(env, DECAY),
                     *beta = infer_input(env, BETA);
    infer_view *y = env->out[0], *present = env->out_count > 1 ? env->out[1] : NULL;
    linear l;
    INFER_TRY(plan(env, &l));
    const int64_t n = l.value_size, group = l.heads / l.kv_heads, elements = l.size * n;
    const float scale = p->scale != 0 ? p->scale : 1 / sqrtf((float)l.size);
    float *state = env->scratch, *change = state + elements;
    for (int64_t i = 0; i < l.batch * l.kv_heads; i++) {
        int64_t b = i / l.kv_heads, h = i % l.kv_heads;
        for (int64_t d = 0; d < elements; d++)
            state[d] = past ? ((const float *)past->data)[i * elements + d] : 0;
        for (int64_t t = b * l.steps; t < (b + 1) * l.steps; t++) {
            int64_t decays = l.decays / l.kv_heads;
            learn(&l, (const float *)env->in[K]->data + (t * l.kv_heads + h) * l.size,
                  (const float *)env->in[V]->data + (t * l.kv_heads + h) * n,
                  decay ? (const float *)decay->data + t * l.decays + h * decays : NULL, decays,
                  beta ? (const float *)beta->data + t * l.betas + (l.betas == 1 ? 0 : h) : NULL,
                  state, change);
            for (int64_t g = h * group; y && g < (h + 1) * group; g++) {
                const float *query = (const float *)env->in[Q]->data + (t * l.heads + g) * l.size;
                float *to = (float *)y->data + (t * l.heads + g) * n;
                for (int64_t m = 0; m < n; m++)
                    to[m] = 0;
                for (int64_t d = 0; d < l.size; d++)
                    for (int64_t m = 0; m < n; m++)
                        to[m] += scale * query[d] * state[d * n + m];
            }
        }
        if (present)
            memcpy((float *)present->data + i * elements, state, (size_t)elements * sizeof *state);
    }
    return INFER_OK;
}

static infer_status linear_run(infer_op_env *env) {
    return infer_widen_run(env, linear_body);
}

#define T_SINGLE (T(FLOAT) | T(FLOAT16) | T(BFLOAT16))

const infer_op infer_op_linear_attention = {
    .domain = "",
    .name = "LinearAttention",
    .since = 27,
    .newest = 27,
    .params_size = sizeof(linear_params),
    .min_in = 3,
    .max_in = 6,
    .min_out = 1,
    .max_out = 2,
    .attr_count = sizeof linear_attrs / sizeof *linear_attrs,
    .attrs = linear_attrs,
    .types = {T_SINGLE, T_SAME, T_SAME, T_SINGLE, T_SAME, T_SAME},
    .infer = linear_infer,
    .run = linear_run,
};
