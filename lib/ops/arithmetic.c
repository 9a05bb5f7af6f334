/* Add, Sub, Mul, Div: two inputs, broadcast, any numeric type. */
#include "elementwise.h"
#include "loops.h"
#include "status.h"

/* ---- loops ---- */

/* Sums and products wrap; modulo 2^bits they are the same with and without sign. The unsigned
 * promotion keeps products of 16-bit numbers out of int. */
#define WRAPPING_LOOPS(suffix, ctype)                                                              \
    BINARY_LOOP(add_##suffix, ctype, 1u * a + b)                                                   \
    BINARY_LOOP(sub_##suffix, ctype, 1u * a - b)                                                   \
    BINARY_LOOP(mul_##suffix, ctype, 1u * a * b)
#define FLOAT_LOOPS(suffix, ctype)                                                                 \
    BINARY_LOOP(add_##suffix, ctype, a + b)                                                        \
    BINARY_LOOP(sub_##suffix, ctype, a - b)                                                        \
    BINARY_LOOP(mul_##suffix, ctype, a *b)                                                         \
    BINARY_LOOP(div_##suffix, ctype, a / b)
/* Division truncates. By zero it gives 0, and the one quotient that does not fit wraps, as in
 * NumPy; neither may trap. */
#define DIV_UNSIGNED(suffix, ctype) BINARY_LOOP(div_##suffix, ctype, b == 0 ? 0 : a / b)
#define DIV_SIGNED(suffix, ctype)                                                                  \
    BINARY_LOOP(div_##suffix, ctype, b == 0 ? 0 : b == -1 ? (ctype)(0 - (uint64_t)a) : a / b)

INFER_UNSIGNED_TYPES(WRAPPING_LOOPS)
INFER_FLOAT_TYPES(FLOAT_LOOPS)
INFER_UNSIGNED_TYPES(DIV_UNSIGNED)
INFER_SIGNED_TYPES(DIV_SIGNED)

/* ---- running ---- */

#define FLOAT_CASE(suffix, op)                                                                     \
    case INFER_TYPE_##suffix:                                                                      \
        return infer_binary_run(env, op##_##suffix);
#define WRAPPING_CASE(bits, op)                                                                    \
    case INFER_TYPE_INT##bits:                                                                     \
    case INFER_TYPE_UINT##bits:                                                                    \
        return infer_binary_run(env, op##_UINT##bits);
#define SIGNED_CASES(op, bits) FLOAT_CASE(INT##bits, op) FLOAT_CASE(UINT##bits, op)

#define RUN_WRAPPING(op)                                                                           \
    static infer_status op##_run(infer_op_env *env) {                                              \
        switch (infer_compute_type((infer_type)env->in[0]->type)) {                                \
            WRAPPING_CASE(8, op)                                                                   \
            WRAPPING_CASE(16, op)                                                                  \
            WRAPPING_CASE(32, op)                                                                  \
            WRAPPING_CASE(64, op)                                                                  \
            FLOAT_CASE(DOUBLE, op)                                                                 \
        default:                                                                                   \
            return infer_binary_run(env, op##_FLOAT);                                              \
        }                                                                                          \
    }
RUN_WRAPPING(add)
RUN_WRAPPING(sub)
RUN_WRAPPING(mul)

static infer_status div_run(infer_op_env *env) {
    switch (infer_compute_type((infer_type)env->in[0]->type)) {
        SIGNED_CASES(div, 8)
        SIGNED_CASES(div, 16)
        SIGNED_CASES(div, 32)
        SIGNED_CASES(div, 64)
        FLOAT_CASE(DOUBLE, div)
    default:
        return infer_binary_run(env, div_FLOAT);
    }
}

static infer_status arithmetic_infer(infer_op_env *env) {
    return infer_like_all(env, INFER_TYPE_UNDEFINED);
}

#define ARITHMETIC_OP(op_name, snake)                                                              \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = op_name,                                                                           \
        .since = 1,                                                                                \
        .newest = 27,                                                                              \
        .min_in = 2,                                                                               \
        .max_in = 2,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .flags = INFER_OP_INPLACE,                                                                 \
        .types = {T_NUMERIC, T_NUMERIC | T_SAME},                                                  \
        .upgrade = infer_upgrade_broadcast,                                                        \
        .infer = arithmetic_infer,                                                                 \
        .run = snake##_run,                                                                        \
    };
ARITHMETIC_OP("Add", add)
ARITHMETIC_OP("Sub", sub)
ARITHMETIC_OP("Mul", mul)
ARITHMETIC_OP("Div", div)
