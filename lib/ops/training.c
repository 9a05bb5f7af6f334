/* Adagrad, Adam and Momentum: one step of an optimizer on any number of tensors. */
#include "axes.h"
#include "chunk.h"

#include <math.h>

typedef struct training_params {
    float norm_coefficient, norm_coefficient_post, decay_factor, epsilon, alpha, beta;
    int64_t mode;
} training_params;

enum mode { NESTEROV, STANDARD };

static const infer_op_attr adagrad_attrs[] = {A_FLOAT(training_params, norm_coefficient, 0),
                                              A_FLOAT(training_params, decay_factor, 0),
                                              A_FLOAT(training_params, epsilon, 1e-6)};
static const infer_op_attr adam_attrs[] = {
    A_FLOAT(training_params, norm_coefficient, 0),
    A_FLOAT(training_params, norm_coefficient_post, 0), A_FLOAT(training_params, epsilon, 1e-6),
    A_FLOAT(training_params, alpha, 0.9F), A_FLOAT(training_params, beta, 0.999F)};
static const infer_op_attr momentum_attrs[] = {
    A_REQUIRED(training_params, norm_coefficient, FLOAT),
    A_REQUIRED(training_params, alpha, FLOAT),
    A_REQUIRED(training_params, beta, FLOAT),
    {"mode", INFER_ATTR_ENUM, true, offsetof(training_params, mode), 0, "nesterov|standard"}};

/* What an optimizer keeps for each tensor, besides the tensor (first) and its gradient. */
#define KEPT_MAX 2

/* One element: x and what is kept are replaced. rate and count are the step's. */
typedef void step_function(const training_params *p, double rate, int64_t count, double *x,
                           double g, double *kept);

static void adagrad_step(const training_params *p, double rate, int64_t count, double *x, double g,
                         double *kept) {
    g += (double)p->norm_coefficient * *x;
    kept[0] += g * g;
    *x -= rate / (1 + (double)count * (double)p->decay_factor) * g /
          (sqrt(kept[0]) + (double)p->epsilon);
}

static void adam_step(const training_params *p, double rate, int64_t count, double *x, double g,
                      double *kept) {
    double alpha = (double)p->alpha, beta = (double)p->beta;
    g += (double)p->norm_coefficient * *x;
    kept[0] = alpha * kept[0] + (1 - alpha) * g;
    kept[1] = beta * kept[1] + (1 - beta) * g * g;
    if (count > 0)
        rate *= sqrt(1 - pow(beta, (double)count)) / (1 - pow(alpha, (double)count));
    *x -= rate * kept[0] / (sqrt(kept[1]) + (double)p->epsilon);
    *x *= 1 - (double)p->norm_coefficient_post;
}

static void momentum_step(const training_params *p, double rate, int64_t count, double *x, double g,
                          double *kept) {
    double alpha = (double)p->alpha;
    g += (double)p->norm_coefficient * *x;
    kept[0] = alpha * kept[0] + (count > 0 ? (double)p->beta : 1) * g;
    *x -= rate * (p->mode == STANDARD ? kept[0] : g + alpha * kept[0]);
}

/* Inputs: rate, count, then the tensors, their gradients, what is kept of each. */
static infer_status training_infer(infer_op_env *env, uint32_t kept) {
    uint32_t tensors = (env->in_count - 2) / (2 + kept);
    if ((env->in_count - 2) % (2 + kept) || env->out_count != tensors * (1 + kept))
        return infer_fail(INFER_ERROR_FORMAT,
                          "%u inputs and %u outputs are no whole number of "
                          "tensors",
                          env->in_count, env->out_count);
    for (uint32_t i = 0; i < 2; i++) {
        int64_t count = infer_view_count(env->in[i]);
        if (count >= 0 && count != 1)
            return infer_fail(INFER_ERROR_SHAPE, "input %u is no scalar", i);
    }
    for (uint32_t i = 0; i < env->in_count - 2; i++) {
        const infer_view *v = env->in[2 + i], *x = env->in[2 + i % tensors];
        if (!v)
            return infer_fail(INFER_ERROR_FORMAT, "input %u is missing", 2 + i);
        int64_t n = infer_view_count(v), m = infer_view_count(x);
        if (v->type != x->type || (n >= 0 && m >= 0 && n != m))
            return infer_fail(INFER_ERROR_SHAPE, "input %u is not like input %u", 2 + i,
                              2 + i % tensors);
    }
    for (uint32_t i = 0; i < env->out_count; i++)
        if (env->out[i]) {
            *env->out[i] = *env->in[2 + (i < tensors ? i : i + tensors)];
            env->out[i]->data = NULL;
        }
    return INFER_OK;
}

static infer_status training_run(infer_op_env *env, uint32_t kept, step_function *advance) {
    uint32_t tensors = (env->in_count - 2) / (2 + kept);
    infer_chunk one;
    double rate = *infer_load_double((infer_type)env->in[0]->type, env->in[0]->data, 0, 1, &one);
    int64_t count = *(const int64_t *)env->in[1]->data;
    for (uint32_t t = 0; t < tensors; t++) {
        infer_type type = (infer_type)env->in[2 + t]->type;
        size_t n = (size_t)infer_view_count(env->in[2 + t]);
        for (size_t at = 0; at < n; at++) {
            double all[2 + KEPT_MAX], *x = &all[0], *g = &all[1];
            for (uint32_t k = 0; k < 2 + kept; k++)
                all[k] = *infer_load_double(type, env->in[2 + t + k * tensors]->data, at, 1, &one);
            advance(env->params, rate, count, x, *g, g + 1);
            for (uint32_t k = 0; k < 1 + kept; k++) {
                infer_view *out = env->out[t + k * tensors];
                if (out)
                    infer_store_double(type, k ? &all[1 + k] : x, out->data, at, 1);
            }
        }
    }
    return INFER_OK;
}

#define TRAINING_OP(op_name, snake, kept)                                                          \
    static infer_status snake##_infer(infer_op_env *env) {                                         \
        return training_infer(env, kept);                                                          \
    }                                                                                              \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        return training_run(env, kept, snake##_step);                                              \
    }                                                                                              \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "ai.onnx.preview.training",                                                      \
        .name = op_name,                                                                           \
        .since = 1,                                                                                \
        .newest = 1,                                                                               \
        .params_size = sizeof(training_params),                                                    \
        .min_in = 4 + kept,                                                                        \
        .max_in = INFER_VARIADIC,                                                                  \
        .min_out = 1,                                                                              \
        .max_out = INFER_VARIADIC,                                                                 \
        .attr_count = sizeof snake##_attrs / sizeof *snake##_attrs,                                \
        .attrs = snake##_attrs,                                                                    \
        .types = {T(FLOAT) | T(DOUBLE), T(INT64), T(FLOAT) | T(DOUBLE)},                           \
        .infer = snake##_infer,                                                                    \
        .run = snake##_run,                                                                        \
    };
TRAINING_OP("Adagrad", adagrad, 1)
TRAINING_OP("Adam", adam, 2)
TRAINING_OP("Momentum", momentum, 1)
