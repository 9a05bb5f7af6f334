/* LpNormalization, MeanVarianceNormalization and LRN. */
#include "axes.h"
#include "elementwise.h"
#include "moments.h"
#include "share.h"
#include "status.h"
#include "widen.h"

#include <math.h>

/* ---- LpNormalization ---- */

typedef struct lp_params {
    int64_t axis, p;
} lp_params;

static const infer_op_attr lp_attrs[] = {A_INT(lp_params, axis, -1), A_INT(lp_params, p, 2)};

static infer_status lp_infer(infer_op_env *env) {
    const lp_params *p = env->params;
    const infer_view *x = env->in[0];
    int32_t axis = 0;
    INFER_TRY(infer_like_first(env, INFER_TYPE_UNDEFINED));
    if (p->p != 1 && p->p != 2)
        return infer_fail(INFER_ERROR_VALUE, "p is %lld", (long long)p->p);
    if (x->rank >= 0)
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    return infer_widen_plan(env);
}

static void lp_line(const infer_op_env *env, const void *arg, int64_t at, infer_region *line) {
    const lp_params *p = env->params;
    const infer_view *x = env->in[0];
    (void)arg;
    double sum = infer_moment(x, at, line, p->p == 1 ? INFER_SUM_ABS : INFER_SUM_SQUARE, 0);
    double norm = p->p == 1 ? sum : sqrt(sum);
    infer_rescale(x, env->out[0], at, line, 0, norm == 0 ? 0 : 1 / norm, 0);
}

static infer_status lp_body(infer_op_env *env) {
    const lp_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_region line, others;
    int32_t axis = 0;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    if (infer_view_count(x) == 0)
        return INFER_OK;
    infer_region_split(x, 1u << axis, &line, &others);
    infer_region_each(env, &others, &line, 3, lp_line, NULL);
    return INFER_OK;
}

static infer_status lp_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, lp_body) : INFER_OK;
}

const infer_op infer_op_lp_normalization = {
    .domain = "",
    .name = "LpNormalization",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(lp_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 2,
    .attrs = lp_attrs,
    .types = {T_FLOAT},
    .infer = lp_infer,
    .run = lp_run,
};

/* ---- MeanVarianceNormalization ---- */

typedef struct variance_params {
    infer_list axes;
} variance_params;

static const infer_op_attr variance_attrs[] = {A_LIST(variance_params, axes, INTS)};

/* Without the attribute: all axes but that of the channels, of images. */
static infer_status variance_axes(const infer_op_env *env, uint32_t *set) {
    static const int64_t image[] = {0, 2, 3};
    const variance_params *p = env->params;
    bool given = p->axes.type != INFER_TYPE_UNDEFINED;
    const int64_t *axes = given ? infer_list_data(env, &p->axes) : image;
    *set = 0;
    for (uint64_t i = 0; i < (given ? p->axes.count : 3); i++) {
        int32_t axis = 0;
        INFER_TRY(infer_axis(axes[i], env->in[0]->rank, &axis));
        *set |= 1u << axis;
    }
    return INFER_OK;
}

static infer_status variance_infer(infer_op_env *env) {
    uint32_t set;
    INFER_TRY(infer_like_first(env, INFER_TYPE_UNDEFINED));
    if (env->in[0]->rank >= 0)
        INFER_TRY(variance_axes(env, &set));
    return infer_widen_plan(env);
}

static void variance_place(const infer_op_env *env, const void *arg, int64_t at,
                           infer_region *reduced) {
    const infer_view *x = env->in[0];
    double n = (double)infer_region_count(reduced);
    double mean = infer_moment(x, at, reduced, INFER_SUM, 0) / n;
    double var = infer_moment(x, at, reduced, INFER_SUM_SQUARE, mean) / n;
    (void)arg;
    infer_rescale(x, env->out[0], at, reduced, mean, 1 / (sqrt(var) + 1e-9), 0);
}

static infer_status variance_body(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_region reduced, kept;
    uint32_t set;
    INFER_TRY(variance_axes(env, &set));
    if (infer_view_count(x) == 0)
        return INFER_OK;
    infer_region_split(x, set, &reduced, &kept);
    infer_region_each(env, &kept, &reduced, 4, variance_place, NULL);
    return INFER_OK;
}

static infer_status variance_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, variance_body) : INFER_OK;
}

const infer_op infer_op_mean_variance_normalization = {
    .domain = "",
    .name = "MeanVarianceNormalization",
    .since = 9,
    .newest = 27,
    .params_size = sizeof(variance_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = variance_attrs,
    .types = {T_FLOAT},
    .infer = variance_infer,
    .run = variance_run,
};

/* ---- LRN ---- */

typedef struct lrn_params {
    int64_t size;
    float alpha, beta, bias, reserved;
} lrn_params;

static const infer_op_attr lrn_attrs[] = {
    A_REQUIRED(lrn_params, size, INT),
    A_FLOAT(lrn_params, alpha, 1e-4f),
    A_FLOAT(lrn_params, beta, 0.75f),
    A_FLOAT(lrn_params, bias, 1),
};

static infer_status lrn_infer(infer_op_env *env) {
    const lrn_params *p = env->params;
    const infer_view *x = env->in[0];
    if (p->size < 1)
        return infer_fail(INFER_ERROR_VALUE, "size is %lld", (long long)p->size);
    if (x->rank >= 0 && x->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d has no channels", (int)x->rank);
    INFER_TRY(infer_like_first(env, INFER_TYPE_UNDEFINED));
    return infer_widen_plan(env);
}

/* x over the power of its neighbourhood's squares, channels [first, end). Beta of 3/4, which all
 * networks have, needs no pow. */
#define LRN_PLANE(S, ctype)                                                                        \
    static void lrn_##S(const lrn_params *p, const ctype *x, ctype *y, int64_t c, int64_t first,   \
                        int64_t end, int64_t n) {                                                  \
        const ctype scale = (ctype)p->alpha / (ctype)p->size;                                      \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[c * n + i] = 0;                                                                      \
        for (int64_t k = first; k < end; k++)                                                      \
            for (int64_t i = 0; i < n; i++)                                                        \
                y[c * n + i] += x[k * n + i] * x[k * n + i];                                       \
        for (int64_t i = 0; i < n; i++) {                                                          \
            ctype sum = (ctype)p->bias + scale * y[c * n + i];                                     \
            ctype root = (ctype)sqrt((double)sum);                                                 \
            ctype power = p->beta == 0.75f ? root * (ctype)sqrt((double)root)                      \
                                           : (ctype)pow((double)sum, (double)p->beta);             \
            y[c * n + i] = x[c * n + i] / power;                                                   \
        }                                                                                          \
    }
LRN_PLANE(f32, float)
LRN_PLANE(f64, double)

typedef struct lrn_work {
    const infer_op_env *env;
    size_t planes, parts;
} lrn_work;

static void lrn_part(void *arg, size_t part, size_t worker) {
    const lrn_work *w = arg;
    const lrn_params *p = w->env->params;
    const infer_view *x = w->env->in[0], *y = w->env->out[0];
    const int64_t channels = x->dim[1], n = infer_span(x, 2, x->rank);
    const int64_t before = (p->size - 1) / 2, after = p->size - 1 - before;
    size_t plane, end;
    (void)worker;
    infer_part(w->planes, 1, w->parts, part, &plane, &end);
    for (; plane < end; plane++) {
        const int64_t c = (int64_t)plane % channels, at = ((int64_t)plane - c) * n;
        const int64_t first = c > before ? c - before : 0;
        const int64_t last = after < channels - c ? c + after + 1 : channels;
        if (x->type == INFER_TYPE_DOUBLE)
            lrn_f64(p, (const double *)x->data + at, (double *)y->data + at, c, first, last, n);
        else
            lrn_f32(p, (const float *)x->data + at, (float *)y->data + at, c, first, last, n);
    }
}

static infer_status lrn_body(infer_op_env *env) {
    const lrn_params *p = env->params;
    const infer_view *x = env->in[0];
    if (infer_view_count(x) == 0)
        return INFER_OK;
    lrn_work w = {env, (size_t)(x->dim[0] * x->dim[1]), 1};
    const double width = (double)(p->size < x->dim[1] ? p->size : x->dim[1]);
    w.parts = infer_parts(env, w.planes, (4 + width) * (double)infer_span(x, 2, x->rank));
    infer_parallel(env, w.parts, lrn_part, &w);
    return INFER_OK;
}

static infer_status lrn_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, lrn_body) : INFER_OK;
}

const infer_op infer_op_lrn = {
    .domain = "",
    .name = "LRN",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(lrn_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof lrn_attrs / sizeof *lrn_attrs,
    .attrs = lrn_attrs,
    .types = {T_FLOAT},
    .infer = lrn_infer,
    .run = lrn_run,
};
