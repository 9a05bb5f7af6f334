/* LayerNormalization and RMSNormalization: moments of the last axes. */
#include "axes.h"
#include "broadcast.h"
#include "elementwise.h"
#include "moments.h"
#include "share.h"
#include "status.h"
#include "widen.h"

#include <math.h>
#include <string.h>

typedef struct layer_params {
    int64_t axis, stash_type;
    float epsilon, reserved;
} layer_params;

static const infer_op_attr layer_attrs[] = {
    A_INT(layer_params, axis, -1),
    A_TYPE(layer_params, stash_type, INFER_TYPE_FLOAT),
    A_FLOAT(layer_params, epsilon, 1e-5f),
};

/* Inputs and outputs; RMSNormalization has the first. */
enum { X, SCALE, B };
enum { Y, MEAN, INV_STD_DEV };

static infer_status check_broadcast(const infer_view *x, const infer_view *v) {
    const infer_view *both[] = {x, v};
    infer_view all = {.rank = -1};
    INFER_TRY(infer_broadcast_shape(both, 2, &all));
    bool same = v->rank <= x->rank;
    for (int32_t i = 0; same && i < all.rank && all.rank == x->rank; i++)
        same = x->dim[i] < 0 || all.dim[i] < 0 || all.dim[i] == x->dim[i];
    return same ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the scale or bias does not fit");
}

static infer_status layer_shapes(infer_op_env *env) {
    const layer_params *p = env->params;
    const infer_view *x = env->in[X];
    int32_t axis = 0;
    INFER_TRY(infer_like_first(env, INFER_TYPE_UNDEFINED));
    for (uint32_t i = MEAN; i < env->out_count; i++) {
        infer_view spare;
        infer_out(env, i, (uint32_t)p->stash_type, -1, &spare);
    }
    if (p->stash_type != INFER_TYPE_FLOAT && p->stash_type != INFER_TYPE_BFLOAT16 &&
        p->stash_type != INFER_TYPE_FLOAT16 && p->stash_type != INFER_TYPE_DOUBLE)
        return infer_fail(INFER_ERROR_VALUE, "stash_type is %lld", (long long)p->stash_type);
    if (x->rank < 0)
        return INFER_OK;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    for (uint32_t i = SCALE; i < env->in_count; i++)
        if (env->in[i])
            INFER_TRY(check_broadcast(x, env->in[i]));
    for (uint32_t i = MEAN; i < env->out_count; i++) {
        if (!env->out[i])
            continue;
        env->out[i]->rank = x->rank;
        for (int32_t k = 0; k < x->rank; k++)
            env->out[i]->dim[k] = k < axis ? x->dim[k] : 1;
    }
    return INFER_OK;
}

static infer_status layer_infer(infer_op_env *env) {
    INFER_TRY(layer_shapes(env));
    return infer_widen_plan(env);
}

/* y = y * scale + bias where they broadcast in other ways than along whole rows. */
static void scale_broadcast(const infer_view *y, const infer_view *scale, const infer_view *bias) {
    const infer_view *in[] = {scale, bias};
    infer_broadcast walk;
    infer_broadcast_begin(&walk, in, 2, y);
    for (int64_t at = 0; !walk.empty;) {
        for (size_t i = 0; i < walk.inner; i++, at++) {
            double v =
                infer_real(y, at) * infer_real(scale, (int64_t)(walk.at[0] + i * walk.step[0]));
            if (bias)
                v += infer_real(bias, (int64_t)(walk.at[1] + i * walk.step[1]));
            infer_set_real(y, at, v);
        }
        if (!infer_broadcast_next(&walk))
            return;
    }
}

/* Whether v has an element for each of a row, and no axis of its own before. */
static bool is_row(const infer_view *x, int32_t axis, const infer_view *v) {
    return !v || (infer_view_count(v) == infer_span(x, axis, x->rank) &&
                  v->rank >= x->rank - axis && v->rank <= x->rank &&
                  infer_span(v, v->rank - (x->rank - axis), v->rank) == infer_view_count(v));
}

static bool wants(const infer_op_env *env, uint32_t output) {
    return env->out_count > output && env->out[output];
}

typedef struct rows_work {
    const infer_op_env *env;
    const infer_view *bias; /* NULL: none */
    bool centered, by_row, plain;
    size_t rows, parts;
    int64_t n; /* elements of a row */
} rows_work;

static void normalize_row(const rows_work *w, int64_t r) {
    const infer_op_env *env = w->env;
    const layer_params *p = env->params;
    const infer_view *x = env->in[X], *scale = env->in[SCALE], *bias = w->bias;
    const int64_t n = w->n;
    infer_region row = {.count = 0};
    infer_region_add(&row, n, 1);
    double mean = w->centered ? infer_moment(x, r * n, &row, INFER_SUM, 0) / (double)n : 0;
    double var = infer_moment(x, r * n, &row, INFER_SUM_SQUARE, mean) / (double)n;
    double inverse = 1 / sqrt(var + (double)p->epsilon);
    if (wants(env, MEAN))
        infer_set_real(env->out[MEAN], r, mean);
    if (wants(env, INV_STD_DEV))
        infer_set_real(env->out[INV_STD_DEV], r, inverse);
    if (env->out[Y] && w->by_row)
        infer_rescale_row(x, env->out[Y], r * n, n, mean, inverse, scale->data,
                          bias ? bias->data : NULL);
    else if (env->out[Y])
        infer_rescale(x, env->out[Y], r * n, &row, mean, inverse, 0);
}

static void rows_part(void *arg, size_t part, size_t worker) {
    const rows_work *w = arg;
    const infer_op_env *env = w->env;
    const layer_params *p = env->params;
    size_t row, end;
    (void)worker;
    infer_part(w->rows, 1, w->parts, part, &row, &end);
    for (; row < end; row++) {
        const size_t at = row * (size_t)w->n;
        if (w->plain)
            env->kernels->normalize_f32((const float *)env->in[X]->data + at, (size_t)w->n,
                                        p->epsilon, w->centered, env->in[SCALE]->data,
                                        w->bias ? w->bias->data : NULL,
                                        (float *)env->out[Y]->data + at);
        else
            normalize_row(w, (int64_t)row);
    }
}

static infer_status normalize(infer_op_env *env, bool centered) {
    const layer_params *p = env->params;
    const infer_view *x = env->in[X], *scale = env->in[SCALE];
    const infer_view *bias = infer_input(env, B);
    int32_t axis = 0;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    if (infer_view_count(x) == 0)
        return INFER_OK;
    rows_work w = {.env = env,
                   .bias = bias,
                   .centered = centered,
                   .by_row = is_row(x, axis, scale) && is_row(x, axis, bias),
                   .rows = (size_t)infer_span(x, 0, axis),
                   .n = infer_span(x, axis, x->rank)};
    w.plain = w.by_row && x->type == INFER_TYPE_FLOAT && env->out[Y] && !wants(env, MEAN) &&
              !wants(env, INV_STD_DEV);
    w.parts = infer_parts(env, w.rows, (w.plain ? 1 : 4) * (double)w.n);
    infer_parallel(env, w.parts, rows_part, &w);
    if (env->out[Y] && !w.by_row)
        scale_broadcast(env->out[Y], scale, bias);
    return INFER_OK;
}

static infer_status layer_body(infer_op_env *env) {
    return normalize(env, true);
}

static infer_status layer_run(infer_op_env *env) {
    return infer_widen_run(env, layer_body);
}

/* The result has the scale's type. */
static infer_status rms_infer(infer_op_env *env) {
    INFER_TRY(layer_shapes(env));
    if (env->out[Y])
        env->out[Y]->type = env->in[SCALE]->type;
    return infer_widen_plan(env);
}

static infer_status rms_body(infer_op_env *env) {
    return normalize(env, false);
}

static infer_status rms_run(infer_op_env *env) {
    return infer_widen_run(env, rms_body);
}

const infer_op infer_op_layer_normalization = {
    .domain = "",
    .name = "LayerNormalization",
    .since = 1, /* what onnxruntime saves of older models has it, too */
    .newest = 27,
    .params_size = sizeof(layer_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 3,
    .attr_count = sizeof layer_attrs / sizeof *layer_attrs,
    .attrs = layer_attrs,
    .types = {T_FLOAT, T_SAME},
    .infer = layer_infer,
    .run = layer_run,
};

const infer_op infer_op_rms_normalization = {
    .domain = "",
    .name = "RMSNormalization",
    .since = 23,
    .newest = 27,
    .params_size = sizeof(layer_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof layer_attrs / sizeof *layer_attrs,
    .attrs = layer_attrs,
    .types = {T_FLOAT},
    .infer = rms_infer,
    .run = rms_run,
};
