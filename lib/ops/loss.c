/* NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. */
#include "axes.h"
#include "checked.h"
#include "moments.h"
#include "op.h"
#include "status.h"
#include "widen.h"

#include <string.h>

enum reduction { NONE, SUM, MEAN };

typedef struct loss_params {
    int64_t ignore_index, reduction;
} loss_params;

static const infer_op_attr loss_attrs[] = {
    A_INT(loss_params, ignore_index, -0x1p63), /* not given: no label is */
    A_ENUM(loss_params, reduction, MEAN, "none|sum|mean"),
};

enum { SCORES, LABELS, WEIGHTS };

static infer_status loss_shapes(infer_op_env *env) {
    const loss_params *p = env->params;
    const infer_view *x = env->in[SCORES], *labels = env->in[LABELS];
    const infer_view *weights = infer_input(env, WEIGHTS);
    infer_view spare, *y = infer_out(env, 0, x->type, p->reduction == NONE ? -1 : 0, &spare);
    if (x->rank >= 0 && x->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "scores of rank %d", (int)x->rank);
    if (weights && (weights->rank == 0 || weights->rank > 1 ||
                    (weights->rank == 1 && weights->dim[0] >= 0 && x->rank >= 2 && x->dim[1] >= 0 &&
                     weights->dim[0] != x->dim[1])))
        return infer_fail(INFER_ERROR_SHAPE, "the weights do not fit the classes");
    if (p->reduction == NONE) {
        y->rank = labels->rank;
        memcpy(y->dim, labels->dim, sizeof y->dim);
    }
    if (x->rank < 0 || labels->rank < 0)
        return INFER_OK;
    bool fits = labels->rank == x->rank - 1;
    for (int32_t i = 0; fits && i < labels->rank; i++) {
        int64_t a = labels->dim[i], b = x->dim[i == 0 ? 0 : i + 1];
        fits = a < 0 || b < 0 || a == b;
    }
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the labels do not fit the scores");
}

/* Losses from log probabilities: lines of `plane` neighbours, classes apart by as much. */
static infer_status reduce(const infer_op_env *env, const infer_view *log_prob) {
    const loss_params *p = env->params;
    const infer_view *labels = env->in[LABELS];
    const infer_view *weights = infer_input(env, WEIGHTS);
    infer_view *y = env->out[0];
    int64_t classes = log_prob->dim[1], plane = infer_span(log_prob, 2, log_prob->rank);
    int64_t count = infer_view_count(labels);
    double sum = 0, total = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t label = infer_index(labels, i);
        double loss = 0, weight = 0;
        if (label != p->ignore_index) {
            if (label < 0 || label >= classes)
                return infer_fail(INFER_ERROR_VALUE, "label %lld of %lld classes", (long long)label,
                                  (long long)classes);
            weight = weights ? infer_real(weights, label) : 1;
            loss =
                -weight * infer_real(log_prob, (i / plane * classes + label) * plane + i % plane);
        }
        sum += loss;
        total += weight;
        if (y && p->reduction == NONE)
            infer_set_real(y, i, loss);
    }
    if (y && p->reduction != NONE)
        infer_set_real(y, 0, p->reduction == MEAN ? sum / total : sum);
    return INFER_OK;
}

static infer_status likelihood_infer(infer_op_env *env) {
    INFER_TRY(loss_shapes(env));
    return infer_widen_plan(env);
}

static infer_status likelihood_body(infer_op_env *env) {
    return reduce(env, env->in[SCORES]);
}

static infer_status likelihood_run(infer_op_env *env) {
    return infer_widen_run(env, likelihood_body);
}

/* ---- SoftmaxCrossEntropyLoss ---- */

/* The scratch has a line of scores, and all log probabilities where nobody wants them. */
static infer_status entropy_infer(infer_op_env *env) {
    const infer_view *x = env->in[SCORES];
    infer_view *log_prob = env->out_count > 1 ? env->out[1] : NULL;
    INFER_TRY(loss_shapes(env));
    if (log_prob) {
        *log_prob = *x;
        log_prob->data = NULL;
    }
    if (!infer_view_concrete(x))
        return INFER_OK;
    size_t element = infer_type_size(infer_widen_type(env)), line, all;
    if (!infer_mul((size_t)x->dim[1], element, &line) || !infer_round_up(line, 64, &line) ||
        !infer_mul((size_t)infer_view_count(x), element, &all) ||
        !infer_add(line, log_prob ? 0 : all, &all) || !infer_round_up(all, 64, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the scores do not fit memory");
    return infer_widen_plan(env);
}

static infer_status entropy_body(infer_op_env *env) {
    const infer_view *x = env->in[SCORES];
    infer_view log_prob = *x, line = {.type = x->type, .data = env->scratch};
    size_t element = infer_type_size((infer_type)x->type);
    int64_t classes = x->dim[1], plane = infer_span(x, 2, x->rank);
    size_t room = ((size_t)classes * element + 63) & ~(size_t)63; /* as infer counted it */
    bool wanted = env->out_count > 1 && env->out[1];
    log_prob.data = wanted ? env->out[1]->data : (char *)env->scratch + room;
    for (int64_t i = 0; classes > 0 && i < infer_view_count(x) / classes; i++) {
        int64_t first = i / plane * classes * plane + i % plane;
        for (int64_t c = 0; c < classes; c++)
            infer_set_real(&line, c, infer_real(x, first + c * plane));
        if (x->type == INFER_TYPE_DOUBLE)
            env->kernels->log_softmax_f64(line.data, line.data, (size_t)classes);
        else
            env->kernels->log_softmax_f32(line.data, line.data, (size_t)classes);
        for (int64_t c = 0; c < classes; c++)
            infer_set_real(&log_prob, first + c * plane, infer_real(&line, c));
    }
    return reduce(env, &log_prob);
}

static infer_status entropy_run(infer_op_env *env) {
    return infer_widen_run(env, entropy_body);
}

const infer_op infer_op_negative_log_likelihood_loss = {
    .domain = "",
    .name = "NegativeLogLikelihoodLoss",
    .since = 12,
    .newest = 27,
    .params_size = sizeof(loss_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof loss_attrs / sizeof *loss_attrs,
    .attrs = loss_attrs,
    .types = {T_FLOAT, T_INDEX, T_SAME},
    .infer = likelihood_infer,
    .run = likelihood_run,
};

const infer_op infer_op_softmax_cross_entropy_loss = {
    .domain = "",
    .name = "SoftmaxCrossEntropyLoss",
    .since = 12,
    .newest = 27,
    .params_size = sizeof(loss_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 2,
    .attr_count = sizeof loss_attrs / sizeof *loss_attrs,
    .attrs = loss_attrs,
    .types = {T_FLOAT, T_INDEX, T_SAME},
    .infer = entropy_infer,
    .run = entropy_run,
};
