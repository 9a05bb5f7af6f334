/* RotaryEmbedding: pairs of numbers turned by the angle of their position. */
#include "axes.h"
#include "elementwise.h"
#include "status.h"
#include "widen.h"

#include <string.h>

typedef struct rotary_params {
    int64_t num_heads, rotary_embedding_dim, interleaved;
} rotary_params;

static const infer_op_attr rotary_attrs[] = {
    A_INT(rotary_params, num_heads, 0),
    A_INT(rotary_params, rotary_embedding_dim, 0),
    A_INT(rotary_params, interleaved, 0),
};

enum { X, COS, SIN, POSITIONS };

typedef struct rotary {
    int64_t batch, heads, steps, size, pairs;
} rotary;

/* X is [batch][heads][steps][size] or [batch][steps][heads * size]. */
static infer_status plan(const infer_op_env *env, rotary *r) {
    const rotary_params *p = env->params;
    const infer_view *x = env->in[X], *cos = env->in[COS], *sin = env->in[SIN];
    const infer_view *positions = infer_input(env, POSITIONS);
    bool flat = x->rank == 3;
    if (x->rank != 3 && x->rank != 4)
        return infer_fail(INFER_ERROR_SHAPE, "X has rank %d", (int)x->rank);
    if (flat && (p->num_heads < 1 || x->dim[2] % p->num_heads != 0))
        return infer_fail(INFER_ERROR_SHAPE, "num_heads is %lld", (long long)p->num_heads);
    *r = (rotary){.batch = x->dim[0],
                  .heads = flat ? p->num_heads : x->dim[1],
                  .steps = x->dim[flat ? 1 : 2],
                  .size = flat ? x->dim[2] / p->num_heads : x->dim[3]};
    int64_t turned = p->rotary_embedding_dim ? p->rotary_embedding_dim : r->size;
    r->pairs = turned / 2;
    if (turned < 0 || turned > r->size || turned % 2 != 0)
        return infer_fail(INFER_ERROR_SHAPE, "%lld of %lld numbers are turned", (long long)turned,
                          (long long)r->size);
    bool fits = cos->rank == (positions ? 2 : 3) && sin->rank == cos->rank &&
                cos->dim[cos->rank - 1] == r->pairs && sin->dim[0] == cos->dim[0] &&
                sin->dim[sin->rank - 1] == r->pairs;
    if (positions)
        fits = fits && positions->rank == 2 && positions->dim[0] == r->batch &&
               positions->dim[1] == r->steps;
    else
        fits =
            fits && cos->dim[0] == r->batch && cos->dim[1] == r->steps && sin->dim[1] == r->steps;
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the caches or positions do not fit");
}

static infer_status rotary_infer(infer_op_env *env) {
    rotary r;
    INFER_TRY(infer_like_first(env, INFER_TYPE_UNDEFINED));
    for (uint32_t i = 0; i < env->in_count; i++)
        if (env->in[i] && !infer_view_concrete(env->in[i]))
            return INFER_OK;
    INFER_TRY(plan(env, &r));
    return infer_widen_plan(env);
}

static infer_status rotary_body(infer_op_env *env) {
    const rotary_params *p = env->params;
    const infer_view *x = env->in[X];
    const infer_view *positions = infer_input(env, POSITIONS);
    rotary r;
    INFER_TRY(plan(env, &r));
    bool flat = x->rank == 3;
    int64_t step = p->interleaved ? 2 : 1, other = p->interleaved ? 1 : r.pairs;
    for (int64_t i = 0; i < r.batch * r.steps; i++) {
        int64_t place = positions ? infer_index(positions, i) : i, b = i / r.steps;
        if (positions && (place < 0 || place >= env->in[COS]->dim[0]))
            return infer_fail(INFER_ERROR_VALUE, "position %lld of %lld", (long long)place,
                              (long long)env->in[COS]->dim[0]);
        const float *cos = (const float *)env->in[COS]->data + place * r.pairs;
        const float *sin = (const float *)env->in[SIN]->data + place * r.pairs;
        for (int64_t h = 0; h < r.heads; h++) {
            int64_t row = flat ? i * r.heads + h : (b * r.heads + h) * r.steps + i % r.steps;
            const float *from = (const float *)x->data + row * r.size;
            float *to = (float *)env->out[0]->data + row * r.size;
            for (int64_t k = 0; k < r.pairs; k++) {
                float a = from[k * step], c = from[k * step + other];
                to[k * step] = cos[k] * a - sin[k] * c;
                to[k * step + other] = sin[k] * a + cos[k] * c;
            }
            memcpy(to + 2 * r.pairs, from + 2 * r.pairs,
                   (size_t)(r.size - 2 * r.pairs) * sizeof *to);
        }
    }
    return INFER_OK;
}

static infer_status rotary_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, rotary_body) : INFER_OK;
}

const infer_op infer_op_rotary_embedding = {
    .domain = "",
    .name = "RotaryEmbedding",
    .since = 23,
    .newest = 27,
    .params_size = sizeof(rotary_params),
    .min_in = 3,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof rotary_attrs / sizeof *rotary_attrs,
    .attrs = rotary_attrs,
    .types = {T(FLOAT) | T(FLOAT16) | T(BFLOAT16), T_SAME, T_SAME, T(INT64)},
    .infer = rotary_infer,
    .run = rotary_run,
};
