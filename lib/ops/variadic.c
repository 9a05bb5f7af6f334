/* Max, Min, Sum, Mean: any number of inputs, broadcast, folded one after another. */
#include "common_loops.h"
#include "elementwise.h"
#include "loops.h"
#include "status.h"

#include <math.h>
#include <string.h>

/* NaN wins. What is left are one instruction and a branch that is always guessed. */
#define ORDER_LOOPS(suffix, ctype)                                                                 \
    BINARY_LOOP(max_##suffix, ctype, a != a ? a : a > b ? a : b)                                   \
    BINARY_LOOP(min_##suffix, ctype, a != a ? a : a < b ? a : b)
ORDER_LOOPS(DOUBLE, double)
INFER_INTEGER_TYPES(ORDER_LOOPS)
#define max_FLOAT               infer_common_max
#define min_FLOAT               infer_common_min
#define SUM_LOOP(suffix, ctype) BINARY_LOOP(sum_##suffix, ctype, a + b)
INFER_FLOAT_TYPES(SUM_LOOP)

static infer_status variadic_infer(infer_op_env *env) {
    for (uint32_t i = 0; i < env->in_count; i++)
        if (!env->in[i])
            return infer_fail(INFER_ERROR_FORMAT, "input %u is absent", i);
    return infer_like_all(env, INFER_TYPE_UNDEFINED);
}

/* Where one of two operands is a single number, a bound: its place; -1 otherwise. Neither operand
 * of a Max or Min is special, but for NaN. */
static int bound_of(const infer_op_env *env) {
    for (int i = 1; i >= 0 && env->in_count == 2; i--) {
        const infer_view *b = env->in[i], *x = env->in[1 - i], *y = env->out[0];
        if (b->type == INFER_TYPE_FLOAT && y && infer_view_count(b) == 1 &&
            infer_view_count(x) == infer_view_count(y) && !isnan(*(const float *)b->data))
            return i;
    }
    return -1;
}

static infer_status bounded(infer_op_env *env, int at, bool max) {
    const infer_view *x = env->in[1 - at];
    const float bound = *(const float *)env->in[at]->data;
    env->kernels->clip_f32(x->data, env->out[0]->data, (size_t)infer_view_count(x),
                           max ? bound : -INFINITY, max ? INFINITY : bound);
    return INFER_OK;
}

/* y = fold(a, b); y may be a where that has y's shape. */
static infer_status fold_two(const infer_op_env *env, const infer_view *a, const infer_view *b,
                             infer_binary_loop loop) {
    const infer_view *in[] = {a, b};
    infer_op_env two = *env;
    two.in = in;
    two.in_count = 2;
    return infer_binary_run(&two, loop);
}

static infer_status fold(infer_op_env *env, infer_binary_loop loop) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    if (env->in_count == 1)
        memcpy(y->data, x->data, infer_view_bytes(x));
    for (uint32_t i = 1; i < env->in_count; i++)
        INFER_TRY(fold_two(env, i == 1 ? x : y, env->in[i], loop));
    return INFER_OK;
}

#define FOLD_CASE(suffix, op)                                                                      \
    case INFER_TYPE_##suffix:                                                                      \
        return fold(env, op##_##suffix);
#define MAX_CASE(suffix, ctype) FOLD_CASE(suffix, max)
#define MIN_CASE(suffix, ctype) FOLD_CASE(suffix, min)
#define SUM_CASE(suffix, ctype) FOLD_CASE(suffix, sum)
#define FOLD_RUN(snake, TYPES, CASE)                                                               \
    static infer_status snake(infer_op_env *env) {                                                 \
        switch (infer_compute_type((infer_type)env->in[0]->type)) {                                \
            TYPES(CASE)                                                                            \
        default:                                                                                   \
            return INFER_ERROR_TYPE;                                                               \
        }                                                                                          \
    }
FOLD_RUN(max_fold, INFER_NUMERIC_TYPES, MAX_CASE)
FOLD_RUN(min_fold, INFER_NUMERIC_TYPES, MIN_CASE)
FOLD_RUN(sum_run, INFER_FLOAT_TYPES, SUM_CASE)

static infer_status max_run(infer_op_env *env) {
    const int bound = bound_of(env);
    return bound < 0 ? max_fold(env) : bounded(env, bound, true);
}

static infer_status min_run(infer_op_env *env) {
    const int bound = bound_of(env);
    return bound < 0 ? min_fold(env) : bounded(env, bound, false);
}

/* ---- Mean ---- */

#define SCALE_LOOP(suffix, ctype)                                                                  \
    static void scale_##suffix(const infer_op_env *env, const void *x_, void *y_, size_t n) {      \
        const ctype *x = x_, count = (ctype)env->in_count;                                         \
        ctype *y = y_;                                                                             \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = x[i] / count;                                                                   \
    }
INFER_FLOAT_TYPES(SCALE_LOOP)

static infer_status mean_run(infer_op_env *env) {
    infer_op_env sum = *env;
    const infer_view *in[] = {env->out[0]};
    INFER_TRY(sum_run(env));
    if (!env->out[0])
        return INFER_OK;
    sum.in = in;
    return infer_unary_run(&sum, in[0]->type == INFER_TYPE_DOUBLE ? scale_DOUBLE : scale_FLOAT);
}

#define VARIADIC_OP(op_name, snake, allowed)                                                       \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = op_name,                                                                           \
        .since = 1,                                                                                \
        .newest = 27,                                                                              \
        .min_in = 1,                                                                               \
        .max_in = INFER_VARIADIC,                                                                  \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .types = {allowed, (allowed) | T_SAME},                                                    \
        .upgrade = infer_drop_consumed,                                                            \
        .infer = variadic_infer,                                                                   \
        .run = snake##_run,                                                                        \
    };
VARIADIC_OP("Max", max, T_NUMERIC)
VARIADIC_OP("Mean", mean, T_FLOAT)
VARIADIC_OP("Min", min, T_NUMERIC)
VARIADIC_OP("Sum", sum, T_FLOAT)
