/* Attention: softmax of scaled products of queries and keys, times values. In float it is the
 * kernel's, which never stores the scores, but where these are wanted or masks are integers. */
#include "axes.h"
#include "broadcast.h"
#include "checked.h"
#include "chunk.h"
#include "heads.h"
#include "op.h"
#include "pack.h"
#include "real.h"
#include "scratch.h"
#include "status.h"
#include "widen.h"

#include <math.h>
#include <string.h>

#define FEW_QUERIES  4       /* fewer are multiplied without packing the keys */
#define BLOCK_ROWS   64      /* queries whose scores are there at a time */
#define BLOCK_SCORES 1048576 /* and their number at most, but for a single query */

typedef struct attention_params {
    int64_t q_num_heads, kv_num_heads, is_causal, qk_matmul_output_mode, softmax_precision;
    float scale, softcap;
} attention_params;

static const infer_op_attr attention_attrs[] = {
    A_INT(attention_params, q_num_heads, 0),
    A_INT(attention_params, kv_num_heads, 0),
    A_INT(attention_params, is_causal, 0),
    A_INT(attention_params, qk_matmul_output_mode, 0),
    A_TYPE(attention_params, softmax_precision, INFER_TYPE_UNDEFINED),
    A_FLOAT(attention_params, scale, (double)NAN), /* not given: 1 / sqrt(head size) */
    A_FLOAT(attention_params, softcap, 0),
};

/* Inputs and outputs. */
enum { Q, K, V, MASK, PAST_KEY, PAST_VALUE, LENGTHS };
enum { Y, PRESENT_KEY, PRESENT_VALUE, QK };

typedef struct attention {
    size_t batch, heads, kv_heads, queries, keys, past, size, value_size;
    double scale, softcap;
    bool causal, packs, fused;
    int64_t output_mode;
    size_t block; /* queries at a time */
    size_t k_at, v_at, packed_k_at, packed_v_at, rows_at, scores_at;
    infer_heads each; /* where fused */
    size_t each_at;
} attention;

/* The mask, broadcast to [batch][heads][queries], of rows that may be shorter than the keys. */
typedef struct attention_mask {
    const infer_view *mask;
    const int64_t *lengths;
    size_t batch_step, head_step, row_step, width;
} attention_mask;

#define load_f32 infer_load_float
#define load_f64 infer_load_double

#define REAL float
#define S    f32
#include "attention.inc.h"
#define REAL double
#define S    f64
#include "attention.inc.h"

static void attend_fused(const attention *a, const attention_mask *m, const infer_op_env *env) {
    infer_heads s = a->each;
    const bool bools = m->mask && m->mask->type == INFER_TYPE_BOOL;
    s.one.q = env->in[Q]->data;
    s.one.y = env->out[Y] ? env->out[Y]->data : NULL;
    s.one.add = m->mask && !bools ? m->mask->data : NULL;
    s.one.keep = bools ? m->mask->data : NULL;
    s.add_batch = s.keep_batch = m->batch_step;
    s.add_head = s.keep_head = m->head_step;
    s.one.add_row = s.one.keep_row = m->row_step;
    for (size_t n = 0; n < a->batch * a->kv_heads; n++) {
        const size_t b = n / a->kv_heads;
        head_f32 head = read_head_f32(a, env, n);
        s.one.k = head.k;
        s.one.v = head.v;
        s.one.ldk = head.ldk;
        s.one.ldv = head.ldv;
        s.one.keys = m->mask && m->width < a->keys ? m->width : a->keys;
        if (m->lengths && m->lengths[b] < (int64_t)s.one.keys)
            s.one.keys = m->lengths[b] > 0 ? (size_t)m->lengths[b] : 0;
        if (s.one.y)
            infer_heads_run(&s, env->kernels, b, n % a->kv_heads,
                            infer_scratch_at(env->scratch, a->each_at));
    }
}

/* ---- shapes ---- */

static infer_status misfit(const char *what) {
    return infer_fail(INFER_ERROR_SHAPE, "%s does not fit the others", what);
}

/* Extents of Q, K or V: [batch][heads][rows][size], or [batch][rows][heads * size]. */
static infer_status read_side(const infer_view *x, int64_t heads, const char *name, int64_t *dim) {
    if (x->rank != 3 && x->rank != 4)
        return infer_fail(INFER_ERROR_SHAPE, "%s has rank %d", name, (int)x->rank);
    dim[0] = x->dim[0];
    if (x->rank == 4) {
        memcpy(dim, x->dim, 4 * sizeof *dim);
        return heads == 0 || heads == dim[1] ? INFER_OK : misfit("the number of heads");
    }
    if (heads < 1 || x->dim[2] % heads != 0)
        return infer_fail(INFER_ERROR_SHAPE, "%s has %lld numbers for %lld heads", name,
                          (long long)x->dim[2], (long long)heads);
    dim[1] = heads;
    dim[2] = x->dim[1];
    dim[3] = x->dim[2] / heads;
    return INFER_OK;
}

static bool has_dims(const infer_view *x, int64_t a, int64_t b, int64_t c, int64_t d) {
    return x->rank == 4 && x->dim[0] == a && x->dim[1] == b && (c < 0 || x->dim[2] == c) &&
           x->dim[3] == d;
}

static infer_status read_mask(const infer_op_env *env, const attention *a, attention_mask *m) {
    const infer_view *mask = infer_input(env, MASK), *lengths = infer_input(env, LENGTHS);
    const size_t full[] = {a->batch, a->heads, a->queries};
    *m = (attention_mask){.mask = mask, .lengths = lengths ? lengths->data : NULL};
    if (lengths && (lengths->rank != 1 || lengths->dim[0] != (int64_t)a->batch))
        return misfit("nonpad_kv_seqlen");
    if (!mask)
        return INFER_OK;
    if (mask->rank < 1 || mask->rank > 4 || mask->dim[mask->rank - 1] > (int64_t)a->keys)
        return misfit("attn_mask");
    m->width = (size_t)mask->dim[mask->rank - 1];
    size_t *step[] = {&m->batch_step, &m->head_step, &m->row_step}, run = m->width;
    for (int32_t i = mask->rank - 2; i >= 0; i--) {
        int32_t axis = i + 4 - mask->rank;
        if (mask->dim[i] != 1 && mask->dim[i] != (int64_t)full[axis])
            return misfit("attn_mask");
        *step[axis] = mask->dim[i] == 1 ? 0 : run;
        run *= (size_t)mask->dim[i];
    }
    return INFER_OK;
}

/* Whether the kernel computes it, in float by then. */
static bool is_fused(const infer_op_env *env) {
    const infer_view *mask = infer_input(env, MASK);
    return infer_widen_type(env) == INFER_TYPE_FLOAT && !(env->out_count > QK && env->out[QK]) &&
           (!mask || mask->type == INFER_TYPE_BOOL ||
            infer_type_kind((infer_type)mask->type) == INFER_CLASS_FLOATING);
}

static infer_status plan_fused(infer_op_env *env, attention *a) {
    const bool flat = env->in[Q]->rank == 3;
    const size_t size = a->size, wide = a->value_size;
    a->each = (infer_heads){
        .one = {.queries = a->queries,
                .keys = a->keys,
                .size = size,
                .value_size = wide,
                .ldq = flat ? a->heads * size : size,
                .ldy = flat ? a->heads * wide : wide,
                .add_key = 1,
                .keep_key = 1,
                .first = a->past + 1,
                .scale = (float)a->scale,
                .softcap = (float)a->softcap,
                .fill = -INFINITY,
                .causal = a->causal,
                .zeros = a->keys == 0},
        .group = a->heads / a->kv_heads,
        .q_batch = a->heads * a->queries * size,
        .y_batch = a->heads * a->queries * wide,
        .q_head = flat ? size : a->queries * size,
        .y_head = flat ? wide : a->queries * wide,
    };
    return infer_heads_plan(&a->each, &env->scratch_size, &a->each_at);
}

/* Everything about concrete inputs; adds to the scratch. */
static infer_status plan(infer_op_env *env, attention *a) {
    const attention_params *p = env->params;
    const infer_view *past_k = infer_input(env, PAST_KEY), *past_v = infer_input(env, PAST_VALUE);
    int64_t q[4], k[4], v[4], past = 0;
    if (env->in[Q]->rank != env->in[K]->rank || env->in[Q]->rank != env->in[V]->rank)
        return misfit("the rank of an input");
    INFER_TRY(read_side(env->in[Q], p->q_num_heads, "Q", q));
    INFER_TRY(read_side(env->in[K], p->kv_num_heads, "K", k));
    INFER_TRY(read_side(env->in[V], p->kv_num_heads, "V", v));
    if (q[0] != k[0] || q[0] != v[0] || k[1] != v[1] || k[2] != v[2] || q[3] != k[3])
        return misfit("the shape of an input");
    if (k[1] == 0 || q[1] % k[1] != 0)
        return infer_fail(INFER_ERROR_SHAPE, "%lld heads of queries for %lld of keys",
                          (long long)q[1], (long long)k[1]);
    if (!past_k != !past_v)
        return infer_fail(INFER_ERROR_FORMAT, "only one of past_key and past_value is given");
    if (past_k) {
        past = past_k->rank == 4 ? past_k->dim[2] : -1;
        if (!has_dims(past_k, k[0], k[1], past, k[3]) || !has_dims(past_v, v[0], v[1], past, v[3]))
            return misfit("a past state");
    }
    *a = (attention){.batch = (size_t)q[0],
                     .heads = (size_t)q[1],
                     .kv_heads = (size_t)k[1],
                     .queries = (size_t)q[2],
                     .past = (size_t)past,
                     .size = (size_t)q[3],
                     .value_size = (size_t)v[3],
                     .softcap = (double)p->softcap,
                     .causal = p->is_causal != 0,
                     .packs = q[2] >= FEW_QUERIES,
                     .fused = is_fused(env),
                     .output_mode = p->qk_matmul_output_mode};
    a->scale = isnan(p->scale) ? 1 / sqrt((double)q[3]) : (double)p->scale;
    size_t element = infer_type_size(infer_widen_type(env)), packed_k = 0, packed_v = 0;
    bool fits = infer_add((size_t)k[2], (size_t)past, &a->keys);
    size_t most = a->keys ? BLOCK_SCORES / a->keys : BLOCK_ROWS;
    a->block = most < 1 ? 1 : most < BLOCK_ROWS ? most : BLOCK_ROWS;
    a->block = a->block > a->queries ? a->queries : a->block;
    fits =
        fits &&
        infer_scratch_take(&env->scratch_size, past_k ? a->keys : 0, a->size, element, &a->k_at) &&
        infer_scratch_take(&env->scratch_size, past_v ? a->keys : 0, a->value_size, element,
                           &a->v_at);
    if (fits && a->fused)
        return plan_fused(env, a);
    fits = fits && infer_pack_size(a->size, a->keys, &packed_k) &&
           infer_pack_size(a->keys, a->value_size, &packed_v) &&
           infer_scratch_take(&env->scratch_size, a->packs ? packed_k : 0, 1, element,
                              &a->packed_k_at) &&
           infer_scratch_take(&env->scratch_size, a->packs ? packed_v : 0, 1, element,
                              &a->packed_v_at) &&
           infer_scratch_take(&env->scratch_size, a->block, a->size, element, &a->rows_at) &&
           infer_scratch_take(&env->scratch_size, a->block, a->keys, element, &a->scores_at);
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the scores do not fit memory");
}

static void set_dims(infer_view *y, size_t a, size_t b, size_t c, size_t d) {
    y->dim[0] = (int64_t)a;
    y->dim[1] = (int64_t)b;
    y->dim[2] = (int64_t)c;
    y->dim[3] = (int64_t)d;
}

static infer_status attention_infer(infer_op_env *env) {
    const attention_params *p = env->params;
    uint8_t type = env->in[Q]->type, value_type = env->in[V]->type;
    infer_view spare, *y = infer_out(env, Y, type, env->in[Q]->rank, &spare);
    infer_view spares[3], *key = infer_out(env, PRESENT_KEY, type, 4, &spares[0]);
    infer_view *value = infer_out(env, PRESENT_VALUE, value_type, 4, &spares[1]);
    infer_view *qk = infer_out(env, QK, type, 4, &spares[2]);
    attention a;
    attention_mask m;
    if (p->qk_matmul_output_mode < 0 || p->qk_matmul_output_mode > 3)
        return infer_fail(INFER_ERROR_VALUE, "qk_matmul_output_mode is %lld",
                          (long long)p->qk_matmul_output_mode);
    for (uint32_t i = 0; i < env->in_count; i++)
        if (env->in[i] && !infer_view_concrete(env->in[i]))
            return INFER_OK;
    if (infer_input(env, LENGTHS) && infer_input(env, LENGTHS)->type != INFER_TYPE_INT64)
        return infer_fail(INFER_ERROR_TYPE, "nonpad_kv_seqlen is no int64");
    INFER_TRY(plan(env, &a));
    INFER_TRY(read_mask(env, &a, &m));
    if (y->rank == 4) {
        set_dims(y, a.batch, a.heads, a.queries, a.value_size);
    } else {
        size_t width;
        if (!infer_mul(a.heads, a.value_size, &width))
            return misfit("the number of heads");
        set_dims(y, a.batch, a.queries, width, 0);
    }
    set_dims(key, a.batch, a.kv_heads, a.keys, a.size);
    set_dims(value, a.batch, a.kv_heads, a.keys, a.value_size);
    set_dims(qk, a.batch, a.heads, a.queries, a.keys);
    for (uint32_t i = 0; i < env->out_count; i++)
        if (env->out[i])
            INFER_TRY(infer_view_check(env->out[i], true));
    return infer_widen_plan(env);
}

static infer_status attention_body(infer_op_env *env) {
    infer_op_env measure = *env; /* whose scratch is counted up again */
    attention a;
    attention_mask m;
    measure.scratch_size = 0;
    INFER_TRY(plan(&measure, &a));
    INFER_TRY(read_mask(env, &a, &m));
    if (a.fused)
        attend_fused(&a, &m, env);
    else if (infer_widen_type(env) == INFER_TYPE_DOUBLE)
        attend_f64(&a, &m, env);
    else
        attend_f32(&a, &m, env);
    return INFER_OK;
}

static infer_status attention_run(infer_op_env *env) {
    return infer_widen_run(env, attention_body);
}

#define T_MASK (T_FLOAT | T_INTEGER | T(BOOL))

const infer_op infer_op_attention = {
    .domain = "",
    .name = "Attention",
    .since = 23,
    .newest = 27,
    .params_size = sizeof(attention_params),
    .min_in = 3,
    .max_in = 7,
    .min_out = 1,
    .max_out = 4,
    .attr_count = sizeof attention_attrs / sizeof *attention_attrs,
    .attrs = attention_attrs,
    .types = {T_FLOAT, T_SAME, T_FLOAT, T_MASK, T_SAME, T_FLOAT | T(INT64)},
    .infer = attention_infer,
    .run = attention_run,
};
