/* Neg, Sqrt, Exp, Log, Sigmoid, Tanh, Relu: one input, element by element. */
#include "elementwise.h"
#include "status.h"

#include <math.h>

#define UNARY_LOOP(name, ctype, expr)                                                              \
    static void name(const infer_kernels *k, const void *x_, void *y_, size_t n) {                 \
        const ctype *x = x_;                                                                       \
        ctype *y = y_;                                                                             \
        (void)k;                                                                                   \
        for (size_t i = 0; i < n; i++) {                                                           \
            ctype v = x[i];                                                                        \
            y[i] = (ctype)(expr);                                                                  \
        }                                                                                          \
    }
#define KERNEL_LOOP(name, ctype, kernel)                                                           \
    static void name(const infer_kernels *k, const void *x, void *y, size_t n) {                   \
        k->kernel((const ctype *)x, (ctype *)y, n);                                                \
    }

UNARY_LOOP(neg_FLOAT, float, -v)
UNARY_LOOP(neg_DOUBLE, double, -v)
UNARY_LOOP(sqrt_FLOAT, float, sqrtf(v))
UNARY_LOOP(sqrt_DOUBLE, double, sqrt(v))
UNARY_LOOP(log_FLOAT, float, logf(v))
UNARY_LOOP(log_DOUBLE, double, log(v))
KERNEL_LOOP(exp_FLOAT, float, exp_f32)
KERNEL_LOOP(exp_DOUBLE, double, exp_f64)
KERNEL_LOOP(sigmoid_FLOAT, float, sigmoid_f32)
KERNEL_LOOP(sigmoid_DOUBLE, double, sigmoid_f64)
KERNEL_LOOP(tanh_FLOAT, float, tanh_f32)
KERNEL_LOOP(tanh_DOUBLE, double, tanh_f64)
#define RELU_LOOP(suffix, ctype) UNARY_LOOP(relu_##suffix, ctype, v < 0 ? 0 : v)
INFER_FLOAT_TYPES(RELU_LOOP)
INFER_SIGNED_TYPES(RELU_LOOP)
#define NEG_LOOP(suffix, ctype) UNARY_LOOP(neg_##suffix, ctype, 0 - (uint64_t)v)
INFER_SIGNED_TYPES(NEG_LOOP)

#define INTEGER_CASE(suffix, op)                                                                   \
    case INFER_TYPE_##suffix:                                                                      \
        return infer_unary_run(env, op##_##suffix);
#define ALL_SIGNED(op)                                                                             \
    INTEGER_CASE(INT8, op) INTEGER_CASE(INT16, op) INTEGER_CASE(INT32, op) INTEGER_CASE(INT64, op)
#define NONE(op)

static infer_status unary_infer(infer_op_env *env) {
    return infer_like_first(env, INFER_TYPE_UNDEFINED);
}

#define UNARY_OP(op_name, snake, more_types, INTEGERS)                                             \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        switch (infer_compute_type((infer_type)env->in[0]->type)) {                                \
            INTEGERS(snake)                                                                        \
        case INFER_TYPE_DOUBLE:                                                                    \
            return infer_unary_run(env, snake##_DOUBLE);                                           \
        default:                                                                                   \
            return infer_unary_run(env, snake##_FLOAT);                                            \
        }                                                                                          \
    }                                                                                              \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = op_name,                                                                           \
        .since = 1,                                                                                \
        .newest = 27,                                                                              \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .flags = INFER_OP_INPLACE,                                                                 \
        .types = {T_FLOAT | (more_types)},                                                         \
        .upgrade = infer_drop_consumed,                                                            \
        .infer = unary_infer,                                                                      \
        .run = snake##_run,                                                                        \
    };
UNARY_OP("Neg", neg, T_SIGNED, ALL_SIGNED)
UNARY_OP("Relu", relu, T_SIGNED, ALL_SIGNED)
UNARY_OP("Sqrt", sqrt, 0, NONE)
UNARY_OP("Log", log, 0, NONE)
UNARY_OP("Exp", exp, 0, NONE)
UNARY_OP("Sigmoid", sigmoid, 0, NONE)
UNARY_OP("Tanh", tanh, 0, NONE)
