/* Operators of one input without parameters, element by element. */
#include "common_loops.h"
#include "elementwise.h"
#include "loops.h"
#include "status.h"

#define BOTH(name, f32, f64)                                                                       \
    UNARY_LOOP(name##_FLOAT, float, f32)                                                           \
    UNARY_LOOP(name##_DOUBLE, double, f64)

/* The C library's rounding in operations that every machine has vectors of: numbers below 2^23 (or
 * 2^52) lose their fraction when that is added. The sign of zero stays. */
#define ROUNDING(ctype, M, BIG)                                                                    \
    static inline ctype rint_##M(ctype v) {                                                        \
        ctype a = fabs##M(v), r = (a + (BIG)) - (BIG);                                             \
        return a < (BIG) ? copysign##M(r, v) : v;                                                  \
    }                                                                                              \
    static inline ctype floor_##M(ctype v) {                                                       \
        ctype r = rint_##M(v);                                                                     \
        return copysign##M(r - (r > v), v);                                                        \
    }                                                                                              \
    static inline ctype ceil_##M(ctype v) {                                                        \
        ctype r = rint_##M(v);                                                                     \
        return copysign##M(r + (r < v), v);                                                        \
    }
ROUNDING(float, f, 0x1p23f)
ROUNDING(double, , 0x1p52)

/* To a few units in the last place, by sines, cosines and floats: the C library's own tangent and
 * inverse functions take 150 kB of tables in static programs, for each kind of processor anew. */
static inline double tan_(double v) {
    return sin(v) / cos(v);
}
/* atan(v) - near is the arc tangent of (v - tan(near)) / (1 + v tan(near)), which a float's error
 * leaves so small that both are the same. */
static inline double atan_(double v) {
    if (!(fabs(v) > 0x1p-27))
        return v;
    if (fabs(v) > 0x1p60)
        return copysign(3.141592653589793 / 2, v);
    const double near = (double)atanf((float)v), s = sin(near), c = cos(near);
    return near + (v * c - s) / (c + v * s);
}
static inline double asin_(double v) {
    return atan_(v / sqrt((1 - v) * (1 + v)));
}
static inline double acos_(double v) {
    return 2 * atan_(sqrt((1 - v) / (1 + v)));
}
#define asin_f asinf
#define acos_f acosf
#define atan_f atanf
#define tan_f  tanf

/* X(name, operator, first version, function; those with an f behind are of floats) */
#define LIBRARY_OPS(X)                                                                             \
    X(acos, "Acos", 7, acos_)                                                                      \
    X(acosh, "Acosh", 9, acosh)                                                                    \
    X(asin, "Asin", 7, asin_)                                                                      \
    X(asinh, "Asinh", 9, asinh)                                                                    \
    X(atan, "Atan", 7, atan_)                                                                      \
    X(atanh, "Atanh", 9, atanh)                                                                    \
    X(ceil, "Ceil", 1, ceil_)                                                                      \
    X(cos, "Cos", 7, cos)                                                                          \
    X(cosh, "Cosh", 9, cosh)                                                                       \
    X(floor, "Floor", 1, floor_)                                                                   \
    X(log, "Log", 1, log)                                                                          \
    X(round, "Round", 11, rint_)                                                                   \
    X(sin, "Sin", 7, sin)                                                                          \
    X(sinh, "Sinh", 9, sinh)                                                                       \
    X(tan, "Tan", 7, tan_)
#define LIBRARY_LOOPS(snake, name, first, function) BOTH(snake, function##f(v), function(v))
LIBRARY_OPS(LIBRARY_LOOPS)

BOTH(reciprocal, 1 / v, 1 / v)
UNARY_LOOP(sqrt_DOUBLE, double, sqrt(v))
#define sqrt_FLOAT infer_common_sqrt
BOTH(softsign, v / (1 + fabsf(v)), v / (1 + fabs(v)))
KERNEL_LOOP(exp_FLOAT, float, exp_f32)
KERNEL_LOOP(exp_DOUBLE, double, exp_f64)
KERNEL_LOOP(sigmoid_FLOAT, float, sigmoid_f32)
KERNEL_LOOP(sigmoid_DOUBLE, double, sigmoid_f64)
KERNEL_LOOP(tanh_FLOAT, float, tanh_f32)
KERNEL_LOOP(tanh_DOUBLE, double, tanh_f64)

#define LIBRARY_OP(snake, op_name, first, function) FLOAT_OP(op_name, snake, first)
LIBRARY_OPS(LIBRARY_OP)
FLOAT_OP("Exp", exp, 1)
FLOAT_OP("Reciprocal", reciprocal, 1)
FLOAT_OP("Sigmoid", sigmoid, 1)
FLOAT_OP("Softsign", softsign, 1)
FLOAT_OP("Sqrt", sqrt, 1)
FLOAT_OP("Tanh", tanh, 1)

/* ---- with integers ---- */

BOTH(abs, fabsf(v), fabs(v))
KERNEL_LOOP(erf_FLOAT, float, erf_f32)
KERNEL_LOOP(erf_DOUBLE, double, erf_f64)
BOTH(neg, -v, -v)
UNARY_LOOP(relu_DOUBLE, double, v < 0 ? 0 : v)
static void relu_FLOAT(const infer_op_env *env, const void *x, void *y, size_t n) {
    env->kernels->clip_f32(x, y, n, 0, INFINITY);
}
BOTH(sign, v > 0 ? 1 : v < 0 ? -1 : v, v > 0 ? 1 : v < 0 ? -1 : v)

#define SIGNED_LOOPS(suffix, ctype)                                                                \
    UNARY_LOOP(abs_##suffix, ctype, v < 0 ? (ctype)(0 - (uint64_t)v) : v)                          \
    UNARY_LOOP(neg_##suffix, ctype, 0 - (uint64_t)v)                                               \
    UNARY_LOOP(relu_##suffix, ctype, v < 0 ? 0 : v)                                                \
    UNARY_LOOP(sign_##suffix, ctype, (v > 0) - (v < 0))
INFER_SIGNED_TYPES(SIGNED_LOOPS)
#define UNSIGNED_LOOPS(suffix, ctype)                                                              \
    UNARY_LOOP(abs_##suffix, ctype, v)                                                             \
    UNARY_LOOP(sign_##suffix, ctype, v > 0)
INFER_UNSIGNED_TYPES(UNSIGNED_LOOPS)
/* A version of the operator had integers; what it gives is truncated. */
#define ERF_LOOP(suffix, ctype) UNARY_LOOP(erf_##suffix, ctype, erf((double)v))
INFER_INTEGER_TYPES(ERF_LOOP)

#define INTEGER_CASE(suffix, op)                                                                   \
    case INFER_TYPE_##suffix:                                                                      \
        return infer_unary_run(env, op##_##suffix);
#define SIGNED_CASES(op)                                                                           \
    INTEGER_CASE(INT8, op) INTEGER_CASE(INT16, op) INTEGER_CASE(INT32, op) INTEGER_CASE(INT64, op)
#define INTEGER_CASES(op)                                                                          \
    SIGNED_CASES(op)                                                                               \
    INTEGER_CASE(UINT8, op)                                                                        \
    INTEGER_CASE(UINT16, op) INTEGER_CASE(UINT32, op) INTEGER_CASE(UINT64, op)

#define NUMERIC_OP(snake, op_name, first, more_types, CASES)                                       \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        switch (infer_compute_type((infer_type)env->in[0]->type)) {                                \
            CASES(snake)                                                                           \
            INTEGER_CASE(DOUBLE, snake)                                                            \
        default:                                                                                   \
            return infer_unary_run(env, snake##_FLOAT);                                            \
        }                                                                                          \
    }                                                                                              \
    const infer_op infer_op_##snake = {                                                            \
        UNARY_OP(op_name, first),                                                                  \
        .flags = INFER_OP_INPLACE,                                                                 \
        .types = {T_FLOAT | (more_types)},                                                         \
        .run = snake##_run,                                                                        \
    };
NUMERIC_OP(abs, "Abs", 1, T_INTEGER, INTEGER_CASES)
NUMERIC_OP(erf, "Erf", 9, T_INTEGER, INTEGER_CASES)
NUMERIC_OP(neg, "Neg", 1, T_SIGNED, SIGNED_CASES)
NUMERIC_OP(relu, "Relu", 1, T_SIGNED, SIGNED_CASES)
NUMERIC_OP(sign, "Sign", 9, T_INTEGER, INTEGER_CASES)

/* ---- bits ---- */

#define NOT_LOOP(suffix, ctype) UNARY_LOOP(bitwise_not_##suffix, ctype, ~v)
INFER_UNSIGNED_TYPES(NOT_LOOP)

static infer_status bitwise_not_run(infer_op_env *env) {
    switch (infer_type_size((infer_type)env->in[0]->type)) {
    case 1:
        return infer_unary_run(env, bitwise_not_UINT8);
    case 2:
        return infer_unary_run(env, bitwise_not_UINT16);
    case 4:
        return infer_unary_run(env, bitwise_not_UINT32);
    default:
        return infer_unary_run(env, bitwise_not_UINT64);
    }
}

const infer_op infer_op_bitwise_not = {
    UNARY_OP("BitwiseNot", 18),
    .flags = INFER_OP_INPLACE,
    .types = {T_INTEGER},
    .run = bitwise_not_run,
};

/* ---- questions ---- */

static infer_status question_infer(infer_op_env *env) {
    return infer_like_first(env, INFER_TYPE_BOOL);
}

MAP_LOOP(is_nan_FLOAT, float, uint8_t, v != v)
MAP_LOOP(is_nan_DOUBLE, double, uint8_t, v != v)
FLOAT_RUN(is_nan)

const infer_op infer_op_is_nan = {
    UNARY_OP_OF("IsNaN", 9, NULL, question_infer),
    .types = {T_FLOAT | T_FLOAT8},
    .run = is_nan_run,
};

typedef struct is_inf_params {
    int64_t detect_negative, detect_positive;
} is_inf_params;

static const infer_op_attr is_inf_attrs[] = {A_INT(is_inf_params, detect_negative, 1),
                                             A_INT(is_inf_params, detect_positive, 1)};

#define IS_INF_LOOP(suffix, ctype)                                                                 \
    static void is_inf_##suffix(const infer_op_env *env, const void *x_, void *y_, size_t n) {     \
        const is_inf_params *p = env->params;                                                      \
        const ctype *x = x_;                                                                       \
        uint8_t *y = y_;                                                                           \
        const ctype high = p->detect_positive ? (ctype)INFINITY : (ctype)NAN;                      \
        const ctype low = p->detect_negative ? -(ctype)INFINITY : (ctype)NAN;                      \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = x[i] == high || x[i] == low;                                                    \
    }
INFER_FLOAT_TYPES(IS_INF_LOOP)
FLOAT_RUN(is_inf)

const infer_op infer_op_is_inf = {
    UNARY_OP_OF("IsInf", 10, NULL, question_infer),
    .params_size = sizeof(is_inf_params),
    .attr_count = 2,
    .attrs = is_inf_attrs,
    .types = {T_FLOAT | T_FLOAT8},
    .run = is_inf_run,
};
