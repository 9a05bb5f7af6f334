/* MaxPool, AveragePool and LpPool, and the same over whole planes: GlobalMaxPool,
 * GlobalAveragePool, GlobalLpPool. */
#include "axes.h"
#include "op.h"
#include "pool_rows.h"
#include "real.h"
#include "share.h"
#include "status.h"
#include "widen.h"
#include "window.h"

#include <tgmath.h>

typedef struct pool_params {
    infer_window_params window;
    int64_t ceil_mode, storage_order, count_include_pad, p;
} pool_params;

typedef struct global_params {
    int64_t p;
} global_params;

#define POOL_ATTRS                                                                                 \
    INFER_WINDOW_ATTRS(pool_params, window), INFER_WINDOW_DILATIONS(pool_params, window),          \
        INFER_WINDOW_AUTO_PAD(pool_params, window), A_INT(pool_params, ceil_mode, 0)

static const infer_op_attr max_attrs[] = {POOL_ATTRS, A_INT(pool_params, storage_order, 0)};
static const infer_op_attr average_attrs[] = {POOL_ATTRS, A_INT(pool_params, count_include_pad, 0)};
static const infer_op_attr norm_attrs[] = {POOL_ATTRS, A_INT(pool_params, p, 2)};
static const infer_op_attr global_attrs[] = {A_INT(global_params, p, 2)};

/* ---- one plane ---- */

/* How many taps of the window at a place an average counts. */
static int64_t terms(const infer_window *w, const int64_t *place, bool with_padding) {
    int64_t count = 1;
    for (int32_t i = 0; i < w->rank; i++) {
        int64_t at = place[i] * w->stride[i] - w->before[i], step = w->dilation[i];
        int64_t low = with_padding ? -w->before[i] : 0;
        int64_t high = w->in[i] + (with_padding ? w->after[i] : 0);
        int64_t first = at < low ? (low - at + step - 1) / step : 0;
        int64_t end = high > at ? (high - at + step - 1) / step : 0;
        end = end < w->kernel[i] ? end : w->kernel[i];
        count *= end > first ? end - first : 0;
    }
    return count;
}

#define SUMS
#define REAL   float
#define S      f32
#define LOWEST -(REAL)INFINITY
#include "pool.inc.h"
#define SUMS
#define REAL   double
#define S      f64
#define LOWEST -(REAL)INFINITY
#include "pool.inc.h"
#define REAL   int8_t
#define S      i8
#define LOWEST INT8_MIN
#include "pool.inc.h"
#define REAL   uint8_t
#define S      u8
#define LOWEST 0
#include "pool.inc.h"

enum pool { MAX, AVERAGE, NORM };

typedef struct pooling {
    enum pool kind;
    infer_type type;
    infer_window w;
    size_t planes, plane, places;
    bool with_padding, by_columns, whole; /* whole: the one window is all of the plane */
    int64_t p;
} pooling;

/* Indices count within the whole tensor; by columns, the first spatial axis runs fastest. */
static void finish_indices(const pooling *q, size_t number, int64_t *index) {
    const infer_window *w = &q->w;
    for (size_t i = 0; i < q->places; i++) {
        int64_t rest = index[i], step = (int64_t)q->plane, at = q->by_columns ? 0 : rest;
        for (int32_t k = w->rank; q->by_columns && k-- > 0; rest /= w->in[k]) {
            step /= w->in[k];
            at += rest % w->in[k] * step;
        }
        index[i] = (int64_t)(number * q->plane) + at;
    }
}

static float whole_f32(enum pool kind, const float *x, size_t n, float p);
static double whole_f64(enum pool kind, const double *x, size_t n, double p);

#define PLANE(S, ctype)                                                                            \
    static void plane_##S(const pooling *q, size_t i, const void *x_, void *y_, int64_t *index) {  \
        const ctype *x = (const ctype *)x_ + i * q->plane;                                         \
        ctype *y = (ctype *)y_ + i * q->places;                                                    \
        if (q->kind == MAX)                                                                        \
            max_##S(&q->w, x, q->places, y, index);                                                \
        else if (q->kind == AVERAGE && q->whole)                                                   \
            *y = whole_##S(AVERAGE, x, q->plane, 1);                                               \
        else if (q->kind == AVERAGE)                                                               \
            average_##S(&q->w, x, q->places, y, q->with_padding);                                  \
        else                                                                                       \
            norm_##S(&q->w, x, q->places, y, (ctype)q->p);                                         \
    }
PLANE(f32, float)
PLANE(f64, double)

/* Planes; a part has some of them. */
typedef struct planes_job {
    const pooling *q;
    const void *x;
    void *y;
    int64_t *indices;
    size_t parts;
} planes_job;

static void planes_part(void *arg, size_t part, size_t worker) {
    const planes_job *j = arg;
    const pooling *q = j->q;
    const void *x = j->x;
    void *y = j->y;
    size_t from, end;
    (void)worker;
    infer_part(q->planes, 1, j->parts, part, &from, &end);
    for (size_t i = from; i < end; i++) {
        int64_t *index = j->indices ? j->indices + i * q->places : NULL;
        if (q->type == INFER_TYPE_FLOAT)
            plane_f32(q, i, x, y, index);
        else if (q->type == INFER_TYPE_DOUBLE)
            plane_f64(q, i, x, y, index);
        else if (q->type == INFER_TYPE_INT8)
            max_i8(&q->w, (const int8_t *)x + i * q->plane, q->places, (int8_t *)y + i * q->places,
                   index);
        else
            max_u8(&q->w, (const uint8_t *)x + i * q->plane, q->places,
                   (uint8_t *)y + i * q->places, index);
        if (index)
            finish_indices(q, i, index);
    }
}

/* ---- windows ---- */

static infer_status read_window(const infer_op_env *env, infer_window *w) {
    const pool_params *p = env->params;
    INFER_TRY(infer_window_read(env, &p->window, env->in[0], NULL, w));
    return infer_window_out(w, p->window.auto_pad, p->ceil_mode != 0);
}

static infer_status window_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    infer_window w;
    if (x->rank < 0) {
        if (env->out_count > 1)
            infer_out(env, 1, INFER_TYPE_INT64, -1, &spare);
        return INFER_OK;
    }
    INFER_TRY(read_window(env, &w));
    y->dim[0] = x->dim[0];
    y->dim[1] = x->dim[1];
    for (int32_t i = 0; i < w.rank; i++)
        y->dim[i + 2] = w.out[i];
    if (env->out_count > 1 && env->out[1]) {
        *env->out[1] = *y;
        env->out[1]->type = INFER_TYPE_INT64;
        INFER_TRY(infer_view_check(env->out[1], true));
    }
    INFER_TRY(infer_view_check(y, true));
    return infer_widen_plan(env);
}

/* With what the pools need that go row by row. */
static infer_status rows_infer(infer_op_env *env, bool average) {
    infer_window w;
    INFER_TRY(window_infer(env));
    if (env->in[0]->rank < 0)
        return INFER_OK;
    INFER_TRY(read_window(env, &w));
    return infer_pool_rows_plan(env, &w, average);
}

static infer_status max_infer(infer_op_env *env) {
    return rows_infer(env, false);
}

static infer_status average_infer(infer_op_env *env) {
    return rows_infer(env, true);
}

static infer_status norm_infer(infer_op_env *env) {
    const pool_params *p = env->params;
    if (p->p < 1)
        return infer_fail(INFER_ERROR_VALUE, "p is %lld", (long long)p->p);
    return window_infer(env);
}

static infer_status window_body(infer_op_env *env, enum pool kind) {
    const pool_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0], *indices = env->out_count > 1 ? env->out[1] : NULL;
    pooling q = {.kind = kind, .type = (infer_type)x->type};
    INFER_TRY(read_window(env, &q.w));
    q.planes = (size_t)infer_span(x, 0, 2);
    q.plane = infer_window_count(q.w.in, q.w.rank);
    q.places = infer_window_count(q.w.out, q.w.rank);
    q.whole = q.places == 1;
    for (int32_t i = 0; i < q.w.rank; i++)
        q.whole = q.whole && q.w.kernel[i] == q.w.in[i] && !q.w.before[i] && q.w.dilation[i] == 1;
    q.with_padding = p->count_include_pad != 0;
    q.by_columns = p->storage_order != 0;
    q.p = p->p;
    planes_job job = {&q, x->data, y->data, indices ? indices->data : NULL, 1};
    const size_t taps = infer_window_count(q.w.kernel, q.w.rank);
    job.parts = infer_parts(env, q.planes, (double)q.places * (double)taps);
    infer_parallel(env, job.parts, planes_part, &job);
    return INFER_OK;
}

static infer_status max_body(infer_op_env *env) {
    return window_body(env, MAX);
}

static infer_status average_body(infer_op_env *env) {
    return window_body(env, AVERAGE);
}

static infer_status norm_body(infer_op_env *env) {
    return window_body(env, NORM);
}

/* Row by row, or else by a body. */
static infer_status rows_run(infer_op_env *env, bool average) {
    const pool_params *p = env->params;
    infer_window w;
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(read_window(env, &w));
    if (infer_pool_rows_run(env, &w, average, p->count_include_pad != 0))
        return INFER_OK;
    return infer_widen_run(env, average ? average_body : max_body);
}

static infer_status max_run(infer_op_env *env) {
    return rows_run(env, false);
}

static infer_status average_run(infer_op_env *env) {
    return rows_run(env, true);
}

static infer_status norm_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, norm_body) : INFER_OK;
}

/* ---- whole planes ---- */

/* One window of every place of a plane, taken as one axis. */
static infer_status global_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d has no channels", (int)x->rank);
    for (int32_t i = 0; i < x->rank; i++)
        y->dim[i] = i < 2 ? x->dim[i] : 1;
    return infer_widen_plan(env);
}

static infer_status global_norm_infer(infer_op_env *env) {
    const global_params *p = env->params;
    if (p->p < 1)
        return infer_fail(INFER_ERROR_VALUE, "p is %lld", (long long)p->p);
    return global_infer(env);
}

/* In four, none of which waits for another. */
#define LARGEST(S, ctype)                                                                          \
    static ctype largest_##S(const ctype *x, size_t n) {                                           \
        ctype a = -(ctype)INFINITY, b = a, c = a, d = a;                                           \
        for (; n >= 4; n -= 4, x += 4) {                                                           \
            a = x[0] > a ? x[0] : a;                                                               \
            b = x[1] > b ? x[1] : b;                                                               \
            c = x[2] > c ? x[2] : c;                                                               \
            d = x[3] > d ? x[3] : d;                                                               \
        }                                                                                          \
        for (; n; n--, x++)                                                                        \
            a = *x > a ? *x : a;                                                                   \
        a = b > a ? b : a;                                                                         \
        c = d > c ? d : c;                                                                         \
        return c > a ? c : a;                                                                      \
    }
LARGEST(f32, float)
LARGEST(f64, double)

#define LANES 16 /* partial sums */

#define WHOLE(S, ctype)                                                                            \
    static ctype whole_##S(enum pool kind, const ctype *x, size_t n, ctype p) {                    \
        double sum[LANES] = {0};                                                                   \
        size_t i = 0;                                                                              \
        if (kind == MAX)                                                                           \
            return largest_##S(x, n);                                                              \
        for (; kind == AVERAGE && i + LANES <= n; i += LANES)                                      \
            for (size_t l = 0; l < LANES; l++)                                                     \
                sum[l] += (double)x[i + l];                                                        \
        for (; i < n; i++)                                                                         \
            sum[0] += kind == AVERAGE ? (double)x[i] : (double)pow(fabs(x[i]), p);                 \
        for (size_t l = 1; l < LANES; l++)                                                         \
            sum[0] += sum[l];                                                                      \
        return (ctype)(kind == AVERAGE ? sum[0] / (double)n : pow(sum[0], 1 / (double)p));         \
    }
WHOLE(f32, float)
WHOLE(f64, double)

typedef struct whole_job {
    const infer_view *x;
    void *y;
    enum pool kind;
    double p;
    size_t planes, n, parts;
} whole_job;

static void whole_part(void *arg, size_t part, size_t worker) {
    const whole_job *j = arg;
    size_t from, end;
    (void)worker;
    infer_part(j->planes, 1, j->parts, part, &from, &end);
    for (size_t i = from; i < end; i++)
        if (j->x->type == INFER_TYPE_DOUBLE)
            ((double *)j->y)[i] =
                whole_f64(j->kind, (const double *)j->x->data + i * j->n, j->n, j->p);
        else
            ((float *)j->y)[i] =
                whole_f32(j->kind, (const float *)j->x->data + i * j->n, j->n, (float)j->p);
}

static infer_status global_body(infer_op_env *env, enum pool kind, int64_t p) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    whole_job j = {x, y->data, kind, (double)p, (size_t)infer_view_count(y), 1, 1};
    for (int32_t i = 2; i < x->rank; i++)
        j.n *= (size_t)x->dim[i];
    j.parts = infer_parts(env, j.planes, (double)j.n);
    infer_parallel(env, j.parts, whole_part, &j);
    return INFER_OK;
}

static infer_status global_max_body(infer_op_env *env) {
    return global_body(env, MAX, 1);
}

static infer_status global_average_body(infer_op_env *env) {
    return global_body(env, AVERAGE, 1);
}

static infer_status global_norm_body(infer_op_env *env) {
    const global_params *p = env->params;
    return global_body(env, NORM, p->p);
}

static infer_status global_max_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, global_max_body) : INFER_OK;
}

static infer_status global_average_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, global_average_body) : INFER_OK;
}

static infer_status global_norm_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, global_norm_body) : INFER_OK;
}

/* ---- the operators ---- */

/* In version 1 p was a float. */
static infer_status norm_upgrade(infer_rewriter *rw) {
    const infer_attr *a = rw->attr(rw, "p");
    if (rw->version >= 2 || !a || a->type != INFER_ATTR_FLOAT)
        return INFER_OK;
    float p = a->f;
    if (!(p >= 1 && p <= 1000) || p != floorf(p))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "p is %g: no integer from 1 on", (double)p);
    return infer_set_int(rw, "p", (int64_t)p);
}

#define COUNT(list) sizeof(list) / sizeof *(list)

/* X(Name, snake, params, attributes, number, outputs, types, upgrade, infer) */
#define POOL_OPS(X)                                                                                \
    X(MaxPool, max_pool, pool_params, max_attrs, COUNT(max_attrs), 2,                              \
      T_FLOAT | T(INT8) | T(UINT8), NULL, max_infer, max_run)                                      \
    X(AveragePool, average_pool, pool_params, average_attrs, COUNT(average_attrs), 1, T_FLOAT,     \
      NULL, average_infer, average_run)                                                            \
    X(LpPool, lp_pool, pool_params, norm_attrs, COUNT(norm_attrs), 1, T_FLOAT, norm_upgrade,       \
      norm_infer, norm_run)                                                                        \
    X(GlobalMaxPool, global_max_pool, global_params, NULL, 0, 1, T_FLOAT, NULL, global_infer,      \
      global_max_run)                                                                              \
    X(GlobalAveragePool, global_average_pool, global_params, NULL, 0, 1, T_FLOAT, NULL,            \
      global_infer, global_average_run)                                                            \
    X(GlobalLpPool, global_lp_pool, global_params, global_attrs, 1, 1, T_FLOAT, norm_upgrade,      \
      global_norm_infer, global_norm_run)

#define POOL_OP(op_name, snake, params, list, number, outputs, kinds, rewrite, shape, body)        \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = #op_name,                                                                          \
        .since = 1,                                                                                \
        .newest = 27,                                                                              \
        .params_size = sizeof(params),                                                             \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = outputs,                                                                        \
        .attr_count = number,                                                                      \
        .attrs = list,                                                                             \
        .types = {kinds},                                                                          \
        .upgrade = rewrite,                                                                        \
        .infer = shape,                                                                            \
        .run = body,                                                                               \
    };
POOL_OPS(POOL_OP)
