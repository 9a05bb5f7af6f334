/* Attention of many heads by the kernel for one, and the operator that the pass fuse-attention
 * makes of products around a softmax. */
#include "heads.h"

#include "axes.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

#include <math.h>

#define FEW_QUERIES 4 /* fewer read keys where they lie */
#define FEW_HEADS   8 /* and so many heads with a query each, or fewer */

/* ---- heads ---- */

/* A single query of each head that shares keys: their queries are as good as one head's. */
static bool is_merged(const infer_heads *s) {
    return s->one.queries == 1 && s->group > 1 && s->group <= INFER_ATTEND_ROWS;
}

infer_status infer_heads_plan(infer_heads *s, size_t *scratch_size, size_t *at) {
    infer_attend *a = &s->one;
    infer_attend_room room;
    size_t rows = is_merged(s) ? s->group : a->queries, floats;
    a->few = a->queries < FEW_QUERIES && (!is_merged(s) || s->group <= FEW_HEADS);
    bool fits = infer_attend_scratch(rows, a->keys, a->size, a->value_size, &room, &floats) &&
                infer_scratch_take(scratch_size, floats, 1, sizeof(float), at);
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the heads do not fit memory");
}

void infer_heads_run(const infer_heads *s, const infer_kernels *k, size_t b, size_t h,
                     float *scratch) {
    const infer_attend *o = &s->one;
    size_t head = h * s->group, step = is_merged(s) ? s->group : 1;
    for (size_t g = head; g < head + s->group; g += step) {
        infer_attend a = *o;
        a.q += b * s->q_batch + g * s->q_head;
        a.k += b * s->k_batch + h * s->k_head;
        a.v += b * s->v_batch + h * s->v_head;
        a.y += b * s->y_batch + g * s->y_head;
        a.add = a.add ? a.add + b * s->add_batch + g * s->add_head : NULL;
        a.keep = a.keep ? a.keep + b * s->keep_batch + g * s->keep_head : NULL;
        if (step > 1) {
            a.keys = infer_attend_bound(o, 0);
            a.causal = false;
            a.queries = step;
            a.ldq = s->q_head;
            a.ldy = s->y_head;
            a.add_row = s->add_head;
            a.keep_row = s->keep_head;
        }
        k->attend_f32(&a, scratch);
    }
}

/* ---- infer.Attention ---- */

typedef struct heads_params {
    int64_t q_rows, k_rows, v_rows, y_rows; /* 1: [batch][rows][heads][size] */
    int64_t inverts, zeros;
    float scale, fill;
} heads_params;

static const infer_op_attr heads_attrs[] = {
    A_INT(heads_params, q_rows, 0),  A_INT(heads_params, k_rows, 0),
    A_INT(heads_params, v_rows, 0),  A_INT(heads_params, y_rows, 0),
    A_INT(heads_params, inverts, 0), A_INT(heads_params, zeros, 0),
    A_FLOAT(heads_params, scale, 1), A_FLOAT(heads_params, fill, 0),
};

enum { Q, K, V, ADD, KEEP };
enum { BATCH, HEAD, ROW, COLUMN };

/* Extents of an input as [batch][heads][rows][columns], and the distances of its elements, 0 along
 * what is broadcast. */
typedef struct side {
    int64_t dim[4];
    size_t step[4];
} side;

static infer_status read_side(const infer_view *x, int32_t least, bool rows, side *s) {
    if (x->rank < least || x->rank > 4 || (rows && x->rank != 4))
        return infer_fail(INFER_ERROR_SHAPE, "an input has rank %d", (int)x->rank);
    size_t run = 1;
    for (int32_t i = 4; i-- > 0;) {
        int32_t from = i - (4 - x->rank);
        int32_t axis = !rows || i == BATCH || i == COLUMN ? i : i == HEAD ? ROW : HEAD;
        s->dim[axis] = from < 0 ? 1 : x->dim[from];
        s->step[axis] = s->dim[axis] == 1 ? 0 : run;
        if (s->dim[axis] > 0)
            run *= (size_t)s->dim[axis];
    }
    return INFER_OK;
}

/* *all becomes what both are broadcast to; unknown where it may be either. */
static infer_status join(int64_t *all, int64_t dim) {
    if (*all == 1 || (*all < 0 && dim >= 0 && dim != 1))
        *all = dim;
    return dim < 0 || dim == 1 || *all == dim
               ? INFER_OK
               : infer_fail(INFER_ERROR_SHAPE, "an extent of %lld meets %lld", (long long)*all,
                            (long long)dim);
}

static infer_status same(int64_t a, int64_t b, const char *what) {
    return a == b || a < 0 || b < 0 ? INFER_OK
                                    : infer_fail(INFER_ERROR_SHAPE, "%s are %lld and %lld", what,
                                                 (long long)a, (long long)b);
}

/* Extents of the result: [batch][heads][queries][size]; -1 where unknown. */
static infer_status read_sides(const infer_op_env *env, side *s, int64_t *all, int32_t *rank) {
    const heads_params *p = env->params;
    const int64_t rows[] = {p->q_rows, p->k_rows, p->v_rows, 0, 0};
    *rank = 0;
    for (int axis = 0; axis < 3; axis++)
        all[axis] = 1;
    for (uint32_t i = Q; i <= KEEP; i++) {
        const infer_view *x = infer_input(env, i);
        if (!x)
            continue;
        INFER_TRY(read_side(x, i < ADD ? 2 : 0, rows[i] != 0, &s[i]));
        *rank = x->rank > *rank ? x->rank : *rank;
        for (int axis = 0; axis < 2; axis++)
            INFER_TRY(join(&all[axis], s[i].dim[axis]));
        if (i != K && i != V)
            INFER_TRY(join(&all[ROW], s[i].dim[ROW]));
        if (i >= ADD && s[i].dim[COLUMN] != 1)
            INFER_TRY(same(s[K].dim[ROW], s[i].dim[COLUMN], "the keys and the mask"));
    }
    if (p->y_rows && *rank != 4)
        return infer_fail(INFER_ERROR_SHAPE, "inputs have rank %d", (int)*rank);
    INFER_TRY(same(s[Q].dim[COLUMN], s[K].dim[COLUMN], "the sizes of queries and keys"));
    INFER_TRY(same(s[K].dim[ROW], s[V].dim[ROW], "the numbers of keys and values"));
    all[COLUMN] = s[V].dim[COLUMN];
    return INFER_OK;
}

/* Everything about concrete inputs; adds to the scratch. */
static infer_status plan(infer_op_env *env, infer_heads *h, int64_t *all) {
    const heads_params *p = env->params;
    side s[KEEP + 1] = {0};
    int32_t rank;
    INFER_TRY(read_sides(env, s, all, &rank));
    size_t heads = (size_t)all[HEAD], queries = (size_t)all[ROW], size = (size_t)all[COLUMN], at;
    const infer_view *add = infer_input(env, ADD), *keep = infer_input(env, KEEP);
    *h = (infer_heads){.one = {.queries = queries,
                               .keys = (size_t)s[K].dim[ROW],
                               .size = (size_t)s[Q].dim[COLUMN],
                               .value_size = size,
                               .ldq = s[Q].step[ROW],
                               .ldk = s[K].step[ROW],
                               .ldv = s[V].step[ROW],
                               .ldy = p->y_rows ? heads * size : size,
                               .q = env->in[Q]->data,
                               .k = env->in[K]->data,
                               .v = env->in[V]->data,
                               .y = env->out[0] ? env->out[0]->data : NULL,
                               .add = add ? add->data : NULL,
                               .keep = keep ? keep->data : NULL,
                               .add_row = s[ADD].step[ROW],
                               .add_key = s[ADD].step[COLUMN],
                               .keep_row = s[KEEP].step[ROW],
                               .keep_key = s[KEEP].step[COLUMN],
                               .scale = p->scale,
                               .fill = p->fill,
                               .inverts = p->inverts != 0,
                               .zeros = p->zeros != 0 || s[K].dim[ROW] == 0},
                       .group = 1,
                       .q_batch = s[Q].step[BATCH],
                       .q_head = s[Q].step[HEAD],
                       .k_batch = s[K].step[BATCH],
                       .k_head = s[K].step[HEAD],
                       .v_batch = s[V].step[BATCH],
                       .v_head = s[V].step[HEAD],
                       .y_batch = heads * queries * size,
                       .y_head = p->y_rows ? size : queries * size,
                       .add_batch = s[ADD].step[BATCH],
                       .add_head = s[ADD].step[HEAD],
                       .keep_batch = s[KEEP].step[BATCH],
                       .keep_head = s[KEEP].step[HEAD]};
    return infer_heads_plan(h, &env->scratch_size, &at);
}

static infer_status heads_infer(infer_op_env *env) {
    const heads_params *p = env->params;
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_FLOAT, -1, &spare);
    side s[KEEP + 1] = {0};
    int64_t all[4];
    bool known = true;
    for (uint32_t i = Q; i <= KEEP; i++) {
        const infer_view *x = infer_input(env, i);
        if (x && x->type != (i == KEEP ? INFER_TYPE_BOOL : INFER_TYPE_FLOAT))
            return infer_fail(INFER_ERROR_TYPE, "input %u has another type", i);
        if (x && x->rank < 0)
            return INFER_OK;
        known = known && (!x || infer_view_concrete(x));
    }
    INFER_TRY(read_sides(env, s, all, &y->rank));
    for (int32_t i = 0; i < y->rank; i++) {
        int32_t axis = i + 4 - y->rank;
        y->dim[i] = all[!p->y_rows ? axis : axis == HEAD ? ROW : axis == ROW ? HEAD : axis];
    }
    if (!known)
        return INFER_OK;
    infer_heads h;
    INFER_TRY(infer_view_check(y, false));
    INFER_TRY(plan(env, &h, all));
    return infer_mul(env->scratch_size, infer_workers(env), &env->scratch_size)
               ? INFER_OK
               : infer_fail(INFER_ERROR_SHAPE, "the scores do not fit memory");
}

typedef struct heads_job {
    infer_op_env *env;
    const infer_heads *h;
    size_t heads, count, parts; /* of a batch; of all */
    size_t scratch;             /* bytes of a thread */
} heads_job;

static void heads_part(void *arg, size_t part, size_t worker) {
    const heads_job *j = arg;
    size_t first, end;
    infer_part(j->count, 1, j->parts, part, &first, &end);
    for (size_t i = first; i < end; i++)
        infer_heads_run(j->h, j->env->kernels, i / j->heads, i % j->heads,
                        (float *)((char *)j->env->scratch + worker * j->scratch));
}

static infer_status heads_run(infer_op_env *env) {
    infer_op_env measure = *env; /* whose scratch is counted up again */
    infer_heads h;
    int64_t all[4];
    measure.scratch_size = 0;
    if (!env->out[0] || infer_view_count(env->out[0]) == 0)
        return INFER_OK;
    INFER_TRY(plan(&measure, &h, all));
    heads_job job = {.env = env,
                     .h = &h,
                     .heads = (size_t)all[HEAD],
                     .count = (size_t)(all[BATCH] * all[HEAD]),
                     .scratch = measure.scratch_size};
    double cost = (double)all[ROW] * (double)h.one.keys * (double)(h.one.size + h.one.value_size);
    job.parts = infer_parts(env, job.count, cost * INFER_PRODUCT_COST);
    infer_parallel(env, job.parts, heads_part, &job);
    return INFER_OK;
}

/* Two products for each pair of a query and a key. */
static double heads_work(const infer_op_env *env) {
    infer_op_env measure = *env;
    infer_heads h;
    int64_t all[4];
    if (plan(&measure, &h, all) != INFER_OK)
        return 0;
    return 2 * (double)all[BATCH] * (double)all[HEAD] * (double)(h.group ? h.group : 1) *
           (double)all[ROW] * (double)all[COLUMN] * (double)(h.one.size + h.one.value_size);
}

/* softmax(scale * Q K^T, masked) V; the masks and what is broadcast as its nodes had it. */
const infer_op infer_op_infer_attention = {
    .domain = "infer",
    .name = "Attention",
    .since = 1,
    .newest = 1,
    .params_size = sizeof(heads_params),
    .min_in = 3,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof heads_attrs / sizeof *heads_attrs,
    .attrs = heads_attrs,
    .types = {T(FLOAT), T_SAME, T_SAME, T_SAME, T(BOOL)},
    .infer = heads_infer,
    .run = heads_run,
    .work = heads_work,
};
