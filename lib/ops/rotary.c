/* RotaryEmbedding: pairs of numbers turned by the angle of their position; and the operator that
 * the pass fuse-rotary makes of the nodes that spell it. */
#include "axes.h"
#include "broadcast.h"
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

/* Halves of a row: to[i] = a[i] cos[i] - b[i] sin[i], to[i + half] the other way round with the
 * later cos and sin, in the kernels' operations. to is not where the others are. */
static void turn(const infer_kernels *k, size_t half, const float *x, const float *cos,
                 const float *cos_late, const float *sin, const float *sin_late, float *to) {
    float part[256];
    for (size_t i = 0, n; i < half; i += n) {
        n = half - i < 256 ? half - i : 256;
        const float *a = x + i, *b = x + half + i;
        k->mul_f32(b, 1, sin + i, 1, part, n);
        k->mul_f32(a, 1, cos + i, 1, to + i, n);
        k->sub_f32(to + i, 1, part, 1, to + i, n);
        k->mul_f32(a, 1, sin_late + i, 1, part, n);
        k->mul_f32(b, 1, cos_late + i, 1, to + half + i, n);
        k->add_f32(to + half + i, 1, part, 1, to + half + i, n);
    }
}

static infer_status rotary_body(infer_op_env *env) {
    const rotary_params *p = env->params;
    const infer_view *x = env->in[X];
    const infer_view *positions = infer_input(env, POSITIONS);
    rotary r;
    INFER_TRY(plan(env, &r));
    bool flat = x->rank == 3;
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
            if (!p->interleaved)
                turn(env->kernels, (size_t)r.pairs, from, cos, cos, sin, sin, to);
            for (int64_t k = 0; p->interleaved && k < r.pairs; k++) {
                float a = from[2 * k], c = from[2 * k + 1];
                to[2 * k] = cos[k] * a - sin[k] * c;
                to[2 * k + 1] = sin[k] * a + cos[k] * c;
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

/* ---- infer.Rotary ---- */

/* The axes before the last. */
static infer_view leading(const infer_view *v) {
    infer_view front = *v;
    front.rank--;
    return front;
}

static infer_status spelled_shape(const infer_op_env *env, infer_view *front, infer_view *all) {
    const infer_view *views[3];
    const int64_t size = env->in[X]->rank > 0 ? env->in[X]->dim[env->in[X]->rank - 1] : 0;
    if (size < 2 || size % 2)
        return infer_fail(INFER_ERROR_SHAPE, "the last axis has %lld elements", (long long)size);
    for (int i = X; i <= SIN; i++) {
        const infer_view *v = env->in[i];
        if (v->rank < 1 || v->rank > env->in[X]->rank || v->dim[v->rank - 1] != size)
            return infer_fail(INFER_ERROR_SHAPE, "input %d does not fit", i);
        front[i] = leading(v);
        views[i] = &front[i];
    }
    *all = (infer_view){.rank = 0};
    return infer_broadcast_shape(views, 3, all);
}

static infer_status spelled_infer(infer_op_env *env) {
    infer_view spare, front[3], all, *y = infer_out(env, 0, INFER_TYPE_FLOAT, -1, &spare);
    for (int i = X; i <= SIN; i++)
        if (env->in[i]->rank < 0 ||
            (env->in[i]->rank > 0 && env->in[i]->dim[env->in[i]->rank - 1] < 0))
            return INFER_OK;
    INFER_TRY(spelled_shape(env, front, &all));
    y->rank = all.rank + 1;
    for (int32_t i = 0; i < all.rank; i++)
        y->dim[i] = all.dim[i];
    y->dim[all.rank] = env->in[X]->dim[env->in[X]->rank - 1];
    return INFER_OK;
}

static infer_status spelled_run(infer_op_env *env) {
    infer_view front[3], all;
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(spelled_shape(env, front, &all));
    const infer_view *views[] = {&front[X], &front[COS], &front[SIN]};
    const size_t size = (size_t)env->in[X]->dim[env->in[X]->rank - 1], half = size / 2;
    float *to = env->out[0]->data;
    infer_broadcast walk;
    infer_broadcast_begin(&walk, views, 3, &all);
    if (walk.empty)
        return INFER_OK;
    do {
        for (size_t i = 0; i < walk.inner; i++, to += size) {
            const float *row[3];
            for (int j = X; j <= SIN; j++)
                row[j] = (const float *)env->in[j]->data + (walk.at[j] + walk.step[j] * i) * size;
            turn(env->kernels, half, row[X], row[COS], row[COS] + half, row[SIN], row[SIN] + half,
                 to);
        }
    } while (infer_broadcast_next(&walk));
    return INFER_OK;
}

/* x cos + (-x2, x1) sin, x1 and x2 being the halves of x's last axis; all broadcast before it. */
const infer_op infer_op_infer_rotary = {
    .domain = "infer",
    .name = "Rotary",
    .since = 1,
    .newest = 1,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .types = {T(FLOAT), T_SAME, T_SAME},
    .infer = spelled_infer,
    .run = spelled_run,
};
