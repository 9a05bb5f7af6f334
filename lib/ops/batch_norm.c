/* BatchNormalization, InstanceNormalization and GroupNormalization: moments of channels. */
#include "axes.h"
#include "elementwise.h"
#include "moments.h"
#include "share.h"
#include "status.h"
#include "widen.h"

#include <math.h>

typedef struct batch_params {
    int64_t training_mode;
    float epsilon, momentum;
} batch_params;

typedef struct instance_params {
    float epsilon, reserved;
} instance_params;

typedef struct group_params {
    int64_t num_groups, stash_type;
    float epsilon, reserved;
} group_params;

static const infer_op_attr batch_attrs[] = {
    A_INT(batch_params, training_mode, 0),
    A_FLOAT(batch_params, epsilon, 1e-5f),
    A_FLOAT(batch_params, momentum, 0.9f),
};
static const infer_op_attr instance_attrs[] = {A_FLOAT(instance_params, epsilon, 1e-5f)};
static const infer_op_attr group_attrs[] = {
    A_REQUIRED(group_params, num_groups, INT),
    A_INT(group_params, stash_type, 1),
    A_FLOAT(group_params, epsilon, 1e-5f),
};

/* Y has X's shape; X has channels. */
static infer_status like_x(infer_op_env *env) {
    const infer_view *x = env->in[0];
    if (x->rank >= 0 && x->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d has no channels", (int)x->rank);
    return infer_like_first(env, INFER_TYPE_UNDEFINED);
}

static infer_status check_count(const infer_op_env *env, uint32_t index, int64_t n, int64_t other) {
    int64_t count = infer_view_count(env->in[index]);
    if (count < 0 || n < 0 || count == n || (other >= 0 && count == other))
        return INFER_OK;
    return infer_fail(INFER_ERROR_SHAPE, "input %u has %lld elements for %lld channels", index,
                      (long long)count, (long long)n);
}

/* ---- BatchNormalization ---- */

/* Inputs; and outputs, where those before version 14 are last. */
enum { X, SCALE, B, MEAN, VAR };
enum { Y, RUNNING_MEAN, RUNNING_VAR, SAVED_MEAN, SAVED_VAR };

static infer_status batch_infer(infer_op_env *env) {
    const infer_view *x = env->in[X];
    INFER_TRY(like_x(env));
    for (uint32_t i = SCALE; i <= VAR && x->rank >= 2; i++)
        INFER_TRY(check_count(env, i, x->dim[1], infer_span(x, 1, x->rank)));
    for (uint32_t i = SCALE; i < VAR && x->rank >= 2; i++)
        if (infer_view_count(env->in[i]) >= 0 && infer_view_count(env->in[VAR]) >= 0 &&
            infer_view_count(env->in[i]) != infer_view_count(env->in[VAR]))
            return infer_fail(INFER_ERROR_SHAPE, "the inputs of a channel differ in number");
    for (uint32_t i = RUNNING_MEAN; i < env->out_count; i++)
        if (env->out[i]) {
            *env->out[i] = *env->in[i % 2 ? MEAN : VAR];
            env->out[i]->data = NULL;
        }
    return infer_widen_plan(env);
}

static void set_output(const infer_op_env *env, uint32_t index, int64_t i, double value) {
    if (index < env->out_count && env->out[index])
        infer_set_real(env->out[index], i, value);
}

typedef struct batch_work {
    const infer_op_env *env;
    int64_t parameters, plane;
    size_t parts;
} batch_work;

static void normalize_channel(const batch_work *w, int64_t c) {
    const infer_op_env *env = w->env;
    const batch_params *p = env->params;
    const infer_view *x = env->in[X], *const *in = env->in;
    infer_region r = {.count = 0};
    infer_region_add(&r, x->dim[0], w->parameters * w->plane);
    infer_region_add(&r, w->plane, 1);
    double mean = infer_real(in[MEAN], c), var = infer_real(in[VAR], c);
    double n = (double)infer_region_count(&r), keep = (double)p->momentum;
    if (p->training_mode) {
        double old_mean = mean, old_var = var;
        mean = infer_moment(x, c * w->plane, &r, INFER_SUM, 0) / n;
        var = infer_moment(x, c * w->plane, &r, INFER_SUM_SQUARE, mean) / n;
        set_output(env, SAVED_MEAN, c, mean);
        set_output(env, SAVED_VAR, c, var);
        set_output(env, RUNNING_MEAN, c, old_mean * keep + mean * (1 - keep));
        set_output(env, RUNNING_VAR, c, old_var * keep + var * (1 - keep));
    } else {
        for (uint32_t i = RUNNING_MEAN; i < env->out_count; i++)
            set_output(env, i, c, i % 2 ? mean : var);
    }
    if (env->out[Y])
        infer_rescale(x, env->out[Y], c * w->plane, &r, mean,
                      infer_real(in[SCALE], c) / sqrt(var + (double)p->epsilon),
                      infer_real(in[B], c));
}

static void batch_part(void *arg, size_t part, size_t worker) {
    const batch_work *w = arg;
    size_t first, end;
    (void)worker;
    infer_part((size_t)w->parameters, 1, w->parts, part, &first, &end);
    for (; first < end; first++)
        normalize_channel(w, (int64_t)first);
}

static infer_status batch_body(infer_op_env *env) {
    const batch_params *p = env->params;
    const infer_view *x = env->in[X];
    batch_work w = {env, infer_view_count(env->in[SCALE]), infer_span(x, 2, x->rank), 1};
    if (w.parameters != x->dim[1])
        w.plane = 1; /* before version 9, where not spatial: each element of a sample has its own */
    w.parts = infer_parts(env, (size_t)w.parameters,
                          (p->training_mode ? 4 : 1) * (double)x->dim[0] * (double)w.plane);
    infer_parallel(env, w.parts, batch_part, &w);
    return INFER_OK;
}

static infer_status batch_run(infer_op_env *env) {
    return infer_widen_run(env, batch_body);
}

/* Before version 14 more outputs than one meant training. */
static infer_status batch_upgrade(infer_rewriter *rw) {
    INFER_TRY(infer_drop_consumed(rw));
    if (rw->version >= 14)
        return INFER_OK;
    if (rw->version < 7)
        rw->drop_attr(rw, "is_test");
    if (rw->version < 9)
        rw->drop_attr(rw, "spatial"); /* the number of parameters tells */
    return rw->out_count > 1 ? infer_set_int(rw, "training_mode", 1) : INFER_OK;
}

/* ---- InstanceNormalization and GroupNormalization ---- */

/* Groups of channels of each sample; scale and bias have one element a channel, or a group. */
typedef struct group_work {
    const infer_op_env *env;
    int64_t groups, channels, plane; /* groups of a sample, channels of a group */
    bool by_group;
    double epsilon;
    size_t count, parts;
} group_work;

static void normalize_group(const group_work *w, int64_t g) {
    const infer_op_env *env = w->env;
    const infer_view *x = env->in[X], *scale = env->in[SCALE], *bias = env->in[B];
    const int64_t size = w->channels * w->plane;
    infer_region all = {.count = 0}, one = {.count = 0};
    infer_region_add(&all, size, 1);
    infer_region_add(&one, w->plane, 1);
    double mean = infer_moment(x, g * size, &all, INFER_SUM, 0) / (double)size;
    double var = infer_moment(x, g * size, &all, INFER_SUM_SQUARE, mean) / (double)size;
    for (int64_t c = 0; c < w->channels; c++) {
        int64_t i = w->by_group ? g % w->groups : g % w->groups * w->channels + c;
        infer_rescale(x, env->out[Y], g * size + c * w->plane, &one, mean,
                      infer_real(scale, i) / sqrt(var + w->epsilon), infer_real(bias, i));
    }
}

static void group_part(void *arg, size_t part, size_t worker) {
    const group_work *w = arg;
    size_t first, end;
    (void)worker;
    infer_part(w->count, 1, w->parts, part, &first, &end);
    for (; first < end; first++)
        normalize_group(w, (int64_t)first);
}

static infer_status normalize_groups(infer_op_env *env, int64_t groups, double epsilon) {
    const infer_view *x = env->in[X];
    if (infer_view_count(x) == 0)
        return INFER_OK;
    group_work w = {.env = env,
                    .groups = groups,
                    .channels = x->dim[1] / groups,
                    .plane = infer_span(x, 2, x->rank),
                    .by_group = infer_view_count(env->in[SCALE]) != x->dim[1],
                    .epsilon = epsilon,
                    .count = (size_t)(x->dim[0] * groups)};
    w.parts = infer_parts(env, w.count, 4 * (double)w.channels * (double)w.plane);
    infer_parallel(env, w.parts, group_part, &w);
    return INFER_OK;
}

static infer_status instance_infer(infer_op_env *env) {
    const infer_view *x = env->in[X];
    INFER_TRY(like_x(env));
    if (x->rank >= 2) {
        INFER_TRY(check_count(env, SCALE, x->dim[1], -1));
        INFER_TRY(check_count(env, B, x->dim[1], -1));
    }
    return infer_widen_plan(env);
}

static infer_status instance_body(infer_op_env *env) {
    const instance_params *p = env->params;
    int64_t channels = env->in[X]->dim[1];
    return normalize_groups(env, channels ? channels : 1, (double)p->epsilon);
}

static infer_status instance_run(infer_op_env *env) {
    return env->out[Y] ? infer_widen_run(env, instance_body) : INFER_OK;
}

/* In version 18 scale and bias had one element a group. */
static infer_status group_infer(infer_op_env *env) {
    const group_params *p = env->params;
    const infer_view *x = env->in[X];
    INFER_TRY(like_x(env));
    if (p->num_groups < 1 || (x->rank >= 2 && x->dim[1] >= 0 && x->dim[1] % p->num_groups != 0))
        return infer_fail(INFER_ERROR_SHAPE, "num_groups is %lld", (long long)p->num_groups);
    if (x->rank >= 2) {
        INFER_TRY(check_count(env, SCALE, x->dim[1], p->num_groups));
        INFER_TRY(check_count(env, B, x->dim[1], p->num_groups));
        if (infer_view_count(env->in[SCALE]) >= 0 && infer_view_count(env->in[B]) >= 0 &&
            infer_view_count(env->in[SCALE]) != infer_view_count(env->in[B]))
            return infer_fail(INFER_ERROR_SHAPE, "scale and bias differ in number");
    }
    return infer_widen_plan(env);
}

static infer_status group_body(infer_op_env *env) {
    const group_params *p = env->params;
    return normalize_groups(env, p->num_groups, (double)p->epsilon);
}

static infer_status group_run(infer_op_env *env) {
    return env->out[Y] ? infer_widen_run(env, group_body) : INFER_OK;
}

const infer_op infer_op_batch_normalization = {
    .domain = "",
    .name = "BatchNormalization",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(batch_params),
    .min_in = 5,
    .max_in = 5,
    .min_out = 1,
    .max_out = 5,
    .attr_count = sizeof batch_attrs / sizeof *batch_attrs,
    .attrs = batch_attrs,
    .types = {T_FLOAT},
    .upgrade = batch_upgrade,
    .infer = batch_infer,
    .run = batch_run,
};

const infer_op infer_op_instance_normalization = {
    .domain = "",
    .name = "InstanceNormalization",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(instance_params),
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = instance_attrs,
    .types = {T_FLOAT, T_SAME},
    .upgrade = infer_drop_consumed,
    .infer = instance_infer,
    .run = instance_run,
};

const infer_op infer_op_group_normalization = {
    .domain = "",
    .name = "GroupNormalization",
    .since = 18,
    .newest = 27,
    .params_size = sizeof(group_params),
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof group_attrs / sizeof *group_attrs,
    .attrs = group_attrs,
    .types = {T_FLOAT, T_SAME},
    .infer = group_infer,
    .run = group_run,
};
