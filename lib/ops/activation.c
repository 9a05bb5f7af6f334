/* Activations: operators of one input whose parameters are a few floats, and PRelu. */
#include "broadcast.h"
#include "convert.h"
#include "elementwise.h"
#include "loops.h"
#include "status.h"

#include <string.h>

/* One record for all; each operator has its own attributes of it. */
typedef struct activation_params {
    float alpha, beta, gamma, bias, lambd;
} activation_params;

#define PARAMS(ctype)                                                                              \
    const activation_params *p = env->params;                                                      \
    const ctype alpha = (ctype)p->alpha, beta = (ctype)p->beta, gamma = (ctype)p->gamma,           \
                bias = (ctype)p->bias, lambd = (ctype)p->lambd;                                    \
    (void)alpha, (void)beta, (void)gamma, (void)bias, (void)lambd
#define NO_PARAMS (void)env

/* ---- piecewise ---- */

/* The parameters are numbers of type wide. */
#define PIECE_LOOP(name, ctype, wide, expr)                                                        \
    static void name(const infer_op_env *env, const void *x_, void *y_, size_t n) {                \
        const ctype *x = x_;                                                                       \
        ctype *y = y_;                                                                             \
        PARAMS(wide);                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            ctype v = x[i];                                                                        \
            y[i] = (ctype)(expr);                                                                  \
        }                                                                                          \
    }
/* v between 0 and 1; a NaN stays one. */
#define UNIT(v)         ((v) < 0 ? 0 : (v) > 1 ? 1 : (v))
#define POSITIVE(v, no) ((v) < 0 ? (no) : (v))

#define SHRINK(v, TO) (v)<-lambd ? TO((v) + bias) : (v)> lambd ? TO((v)-bias) : 0
#define PIECES(suffix, ctype)                                                                      \
    PIECE_LOOP(thresholded_relu_##suffix, ctype, ctype, v > alpha ? v : 0)                         \
    PIECE_LOOP(shrink_##suffix, ctype, ctype, SHRINK(v, ))
INFER_FLOAT_TYPES(PIECES)

PIECE_LOOP(leaky_relu_DOUBLE, double, double, POSITIVE(v, alpha *v))
PIECE_LOOP(hard_sigmoid_DOUBLE, double, double, UNIT(alpha *v + beta))
UNARY_LOOP(hard_swish_DOUBLE, double, v *UNIT(v / 6 + 0.5))

/* Those that convolutions apply as well. */
#define ACTIVATION_LOOP(snake, kind, alpha, beta)                                                  \
    static void snake##_FLOAT(const infer_op_env *env, const void *x, void *y, size_t n) {         \
        const activation_params *p = env->params;                                                  \
        const infer_activation a = INFER_ACTIVATION(INFER_ACTIVATION_##kind, alpha, beta);         \
        (void)p;                                                                                   \
        env->kernels->activate_f32(&a, x, y, n);                                                   \
    }
ACTIVATION_LOOP(leaky_relu, LEAKY, p->alpha, 0)
ACTIVATION_LOOP(hard_sigmoid, HARD_SIGMOID, p->alpha, p->beta)
ACTIVATION_LOOP(hard_swish, HARD_SWISH, 1.0f / 6, 0.5f)
ACTIVATION_LOOP(swish, SWISH, p->alpha, 0)
ACTIVATION_LOOP(gelu_tanh, GELU_TANH, 0, 0)
KERNEL_LOOP(gelu_erf_FLOAT, float, gelu_f32)

/* Integers are compared and shifted as numbers, then truncated. */
#define SHRINK_INTEGER(suffix, ctype)                                                              \
    PIECE_LOOP(shrink_##suffix, ctype, double, SHRINK((double)v, INFER_TO_##suffix))
INFER_INTEGER_TYPES(SHRINK_INTEGER)

/* ---- through exponentials ---- */

/* e^v - 1 for v <= 0 keeps its digits near zero as 2t / (1 - t), t = tanh(v / 2). */
#define LESS_ONE(t)   (2 * (t) / (1 - (t)))
#define HALF_BELOW(v) ((v) < 0 ? (v) / 2 : 0)
/* tanh(log(1 + e)) is w / (w + 2), w = e (e + 2); it is 1 long before e overflows. */
#define MISH_MAX 20

/* member of a chunk, suffix S of kernels, suffix M of the C library. */
#define EXPONENTIALS(suffix, ctype, member, S, M)                                                  \
    AROUND_LOOP(elu_##suffix, ctype, member, tanh_##S, PARAMS(ctype), HALF_BELOW(v),               \
                POSITIVE(v, alpha *LESS_ONE(t)))                                                   \
    AROUND_LOOP(selu_##suffix, ctype, member, tanh_##S, PARAMS(ctype), HALF_BELOW(v),              \
                gamma *POSITIVE(v, alpha *LESS_ONE(t)))                                            \
    PIECE_LOOP(celu_##suffix, ctype, ctype, POSITIVE(v, alpha *expm1##M(v / alpha)))               \
    AROUND_LOOP(softplus_##suffix, ctype, member, exp_##S, NO_PARAMS, -fabs##M(v),                 \
                POSITIVE(v, 0) + log1p##M(t))                                                      \
    AROUND_LOOP(mish_##suffix, ctype, member, exp_##S, NO_PARAMS, v > MISH_MAX ? MISH_MAX : v,     \
                v * (t * (t + 2) / (t * (t + 2) + 2)))
EXPONENTIALS(FLOAT, float, f, f32, f)
EXPONENTIALS(DOUBLE, double, d, f64, )

AROUND_LOOP(swish_DOUBLE, double, d, sigmoid_f64, PARAMS(double), alpha *v, v *t)
/* (1 + tanh(u)) / 2 is sigmoid(2u), which keeps its digits below zero. */
AROUND_LOOP(gelu_tanh_DOUBLE, double, d, sigmoid_f64, NO_PARAMS,
            2 * 0.79788456080286535588 * (v + 0.044715 * v * v * v), v *t)
AROUND_LOOP(gelu_erf_DOUBLE, double, d, erf_f64, NO_PARAMS, v * 0.70710678118654752440,
            0.5 * v * (1 + t))

/* ---- the operators ---- */

#define A(field, value) A_FLOAT(activation_params, field, value)
#define ACTIVATION(op_name, snake, first, ...)                                                     \
    static const infer_op_attr snake##_attrs[] = {__VA_ARGS__};                                    \
    FLOAT_RUN(snake)                                                                               \
    const infer_op infer_op_##snake = {                                                            \
        ACTIVATION_OP(op_name, first, infer_drop_consumed, snake##_attrs),                         \
        .types = {T_FLOAT},                                                                        \
        .run = snake##_run,                                                                        \
    };
#define ACTIVATION_OP(op_name, first, upgrade_, attributes)                                        \
    UNARY_OP_OF(op_name, first, upgrade_, infer_like_input),                                       \
        .params_size = sizeof(activation_params),                                                  \
        .attr_count = sizeof attributes / sizeof *attributes, .attrs = attributes,                 \
        .flags = INFER_OP_INPLACE
ACTIVATION("Celu", celu, 12, A(alpha, 1))
ACTIVATION("Elu", elu, 1, A(alpha, 1))
ACTIVATION("HardSigmoid", hard_sigmoid, 1, A(alpha, 0.2), A(beta, 0.5))
ACTIVATION("LeakyRelu", leaky_relu, 1, A(alpha, 0.01))
ACTIVATION("Swish", swish, 24, A(alpha, 1))
ACTIVATION("ThresholdedRelu", thresholded_relu, 1, A(alpha, 1)) /* experimental before 10 */

FLOAT_OP("HardSwish", hard_swish, 14)
FLOAT_OP("Mish", mish, 18)
FLOAT_OP("Softplus", softplus, 1)

/* ---- Selu ---- */

static const infer_op_attr selu_attrs[] = {A(alpha, 1.67326319217681884765625),
                                           A(gamma, 1.05070102214813232421875)};
FLOAT_RUN(selu)

/* Version 1 has its own defaults. */
static infer_status selu_upgrade(infer_rewriter *rw) {
    static const infer_attr first[] = {
        {.name = "alpha", .type = INFER_ATTR_FLOAT, .f = 1.6732f},
        {.name = "gamma", .type = INFER_ATTR_FLOAT, .f = 1.0507f},
    };
    for (size_t i = 0; i < 2 && rw->version < 6; i++)
        if (!rw->attr(rw, first[i].name))
            INFER_TRY(rw->set_attr(rw, &first[i]));
    return infer_drop_consumed(rw);
}

const infer_op infer_op_selu = {
    ACTIVATION_OP("Selu", 1, selu_upgrade, selu_attrs),
    .types = {T_FLOAT},
    .run = selu_run,
};

/* ---- Shrink ---- */

static const infer_op_attr shrink_attrs[] = {A(bias, 0), A(lambd, 0.5)};

static infer_status shrink_run(infer_op_env *env) {
    switch (infer_compute_type((infer_type)env->in[0]->type)) {
#define SHRINK_CASE(suffix, ctype)                                                                 \
    case INFER_TYPE_##suffix:                                                                      \
        return infer_unary_run(env, shrink_##suffix);
        INFER_INTEGER_TYPES(SHRINK_CASE)
        SHRINK_CASE(DOUBLE, double)
    default:
        return infer_unary_run(env, shrink_FLOAT);
    }
}

const infer_op infer_op_shrink = {
    ACTIVATION_OP("Shrink", 9, NULL, shrink_attrs),
    .types = {T_NUMERIC},
    .run = shrink_run,
};

/* ---- Gelu ---- */

typedef struct gelu_params {
    int64_t approximate;
} gelu_params;

static const infer_op_attr gelu_attrs[] = {A_ENUM(gelu_params, approximate, 0, "none|tanh")};
FLOAT_RUN(gelu_erf)
FLOAT_RUN(gelu_tanh)

static infer_status gelu_run(infer_op_env *env) {
    const gelu_params *p = env->params;
    return p->approximate ? gelu_tanh_run(env) : gelu_erf_run(env);
}

const infer_op infer_op_gelu = {
    UNARY_OP("Gelu", 20), .params_size = sizeof(gelu_params), .attr_count = 1,
    .attrs = gelu_attrs,  .flags = INFER_OP_INPLACE,          .types = {T_FLOAT},
    .run = gelu_run,
};

/* ---- PRelu ---- */

/* Versions before 7 have one slope, or one a channel. */
static infer_status prelu_upgrade(infer_rewriter *rw) {
    uint32_t slope = rw->input(rw, 1);
    if (rw->version >= 7 || slope == INFER_NO_VALUE)
        return INFER_OK;
    const infer_view *v = rw->view(rw, slope);
    if (v->rank == 1 && v->dim[0] != 1)
        INFER_TRY(infer_set_int(rw, "axis", 1));
    INFER_TRY(infer_set_int(rw, "broadcast", 1));
    return infer_upgrade_broadcast(rw);
}

static infer_status prelu_infer(infer_op_env *env) {
    infer_view shape = {.rank = -1};
    const infer_view *x = env->in[0];
    INFER_TRY(infer_broadcast_shape(env->in, 2, &shape));
    if (shape.rank >= 0 && infer_view_concrete(x) &&
        (shape.rank != x->rank || memcmp(shape.dim, x->dim, (size_t)x->rank * sizeof *x->dim) != 0))
        return infer_fail(INFER_ERROR_SHAPE, "the slope does not broadcast to the shape of X");
    return infer_like_input(env);
}

#define PRELU_FLOAT(suffix, ctype) BINARY_LOOP(prelu_##suffix, ctype, a < 0 ? a * b : a)
#define PRELU_SIGNED(suffix, ctype)                                                                \
    BINARY_LOOP(prelu_##suffix, ctype, a < 0 ? (ctype)((uint64_t)a * (uint64_t)b) : a)
INFER_FLOAT_TYPES(PRELU_FLOAT)
PRELU_SIGNED(INT32, int32_t)
PRELU_SIGNED(INT64, int64_t)

static infer_status prelu_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    switch (infer_compute_type((infer_type)x->type)) {
    case INFER_TYPE_INT32:
        return infer_binary_run(env, prelu_INT32);
    case INFER_TYPE_INT64:
        return infer_binary_run(env, prelu_INT64);
    case INFER_TYPE_UINT32: /* nothing is negative */
    case INFER_TYPE_UINT64:
        if (env->out[0] && env->out[0]->data != x->data)
            memcpy(env->out[0]->data, x->data, infer_view_bytes(x));
        return INFER_OK;
    case INFER_TYPE_DOUBLE:
        return infer_binary_run(env, prelu_DOUBLE);
    default:
        return infer_binary_run(env, prelu_FLOAT);
    }
}

const infer_op infer_op_prelu = {
    .domain = "",
    .name = "PRelu",
    .since = 1,
    .newest = 27,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T_FLOAT | T(INT32) | T(INT64) | T(UINT32) | T(UINT64), T_SAME},
    .upgrade = prelu_upgrade,
    .infer = prelu_infer,
    .run = prelu_run,
};
