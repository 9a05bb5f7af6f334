/* Equal, Less, Greater and their kin, and logic: broadcast inputs, boolean output. */
#include "common_loops.h"
#include "elementwise.h"
#include "loops.h"
#include "status.h"

#include <string.h>

#define COMPARE_LOOP(name, ctype, expr) STEP_LOOP(name, ctype, uint8_t, expr)

#define NUMERIC_LOOPS(suffix, ctype)                                                               \
    COMPARE_LOOP(less_##suffix, ctype, a < b)                                                      \
    COMPARE_LOOP(less_or_equal_##suffix, ctype, a <= b)
INFER_NUMERIC_TYPES(NUMERIC_LOOPS)

#define EQUAL_LOOP(suffix, ctype) COMPARE_LOOP(equal_##suffix, ctype, a == b)
INFER_FLOAT_TYPES(EQUAL_LOOP)
EQUAL_LOOP(UINT8, uint8_t)
EQUAL_LOOP(UINT16, uint16_t)

static bool same_text(infer_string a, infer_string b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

COMPARE_LOOP(equal_STRING, infer_string, same_text(a, b))
COMPARE_LOOP(equal_BOOL, uint8_t, !a == !b)
COMPARE_LOOP(and_BOOL, uint8_t, a &&b)
COMPARE_LOOP(or_BOOL, uint8_t, a || b)
COMPARE_LOOP(xor_BOOL, uint8_t, !a != !b)

static infer_status and_run(infer_op_env *env) {
    return infer_binary_run(env, and_BOOL);
}
static infer_status or_run(infer_op_env *env) {
    return infer_binary_run(env, or_BOOL);
}
static infer_status xor_run(infer_op_env *env) {
    return infer_binary_run(env, xor_BOOL);
}

static infer_status equal_run(infer_op_env *env) {
    switch (infer_compute_type((infer_type)env->in[0]->type)) {
#define EQUAL_CASE(bits, loop)                                                                     \
    case INFER_TYPE_INT##bits:                                                                     \
    case INFER_TYPE_UINT##bits:                                                                    \
        return infer_binary_run(env, loop);
        EQUAL_CASE(8, equal_UINT8)
        EQUAL_CASE(16, equal_UINT16)
        EQUAL_CASE(32, infer_common_equal_32)
        EQUAL_CASE(64, infer_common_equal_64)
    case INFER_TYPE_BOOL:
        return infer_binary_run(env, equal_BOOL);
    case INFER_TYPE_STRING:
        return infer_binary_run(env, equal_STRING);
    case INFER_TYPE_DOUBLE:
        return infer_binary_run(env, equal_DOUBLE);
    default:
        return infer_binary_run(env, equal_FLOAT);
    }
}

#define ORDER_CASE(suffix, ctype, op)                                                              \
    case INFER_TYPE_##suffix:                                                                      \
        return infer_binary_run(env, op##_##suffix);
#define LESS_CASE(suffix, ctype)          ORDER_CASE(suffix, ctype, less)
#define LESS_OR_EQUAL_CASE(suffix, ctype) ORDER_CASE(suffix, ctype, less_or_equal)

static infer_status less_run(infer_op_env *env) {
    switch (infer_compute_type((infer_type)env->in[0]->type)) {
        INFER_NUMERIC_TYPES(LESS_CASE)
    default:
        return infer_fail(INFER_ERROR_TYPE, "elements without an order");
    }
}

static infer_status less_or_equal_run(infer_op_env *env) {
    switch (infer_compute_type((infer_type)env->in[0]->type)) {
        INFER_NUMERIC_TYPES(LESS_OR_EQUAL_CASE)
    default:
        return infer_fail(INFER_ERROR_TYPE, "elements without an order");
    }
}

/* a > b is b < a. */
static infer_status run_swapped(infer_op_env *env, infer_status (*run)(infer_op_env *env)) {
    const infer_view *in[] = {env->in[1], env->in[0]};
    infer_op_env swapped = *env;
    swapped.in = in;
    return run(&swapped);
}

static infer_status greater_run(infer_op_env *env) {
    return run_swapped(env, less_run);
}

static infer_status greater_or_equal_run(infer_op_env *env) {
    return run_swapped(env, less_or_equal_run);
}

static infer_status compare_infer(infer_op_env *env) {
    return infer_like_all(env, INFER_TYPE_BOOL);
}

#define COMPARE_OP(op_name, snake, first, allowed)                                                 \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = op_name,                                                                           \
        .since = first,                                                                            \
        .newest = 27,                                                                              \
        .min_in = 2,                                                                               \
        .max_in = 2,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .types = {allowed, (allowed) | T_SAME},                                                    \
        .upgrade = infer_upgrade_broadcast,                                                        \
        .infer = compare_infer,                                                                    \
        .run = snake##_run,                                                                        \
    };
COMPARE_OP("Equal", equal, 1, T_NUMERIC | T(BOOL) | T(STRING))
COMPARE_OP("Less", less, 1, T_NUMERIC)
COMPARE_OP("LessOrEqual", less_or_equal, 12, T_NUMERIC)
COMPARE_OP("Greater", greater, 1, T_NUMERIC)
COMPARE_OP("GreaterOrEqual", greater_or_equal, 12, T_NUMERIC)
COMPARE_OP("And", and, 1, T(BOOL))
COMPARE_OP("Or", or, 1, T(BOOL))
COMPARE_OP("Xor", xor, 1, T(BOOL))

/* ---- Not ---- */

static void not_loop(const infer_op_env *env, const void *x_, void *y_, size_t n) {
    const uint8_t *x = x_;
    uint8_t *y = y_;
    (void)env;
    for (size_t i = 0; i < n; i++)
        y[i] = !x[i];
}

static infer_status not_infer(infer_op_env *env) {
    return infer_like_first(env, INFER_TYPE_BOOL);
}

static infer_status not_run(infer_op_env *env) {
    return infer_unary_run(env, not_loop);
}

const infer_op infer_op_not = {
    .domain = "",
    .name = "Not",
    .since = 1,
    .newest = 27,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_INPLACE,
    .types = {T(BOOL)},
    .infer = not_infer,
    .run = not_run,
};
