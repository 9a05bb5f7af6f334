/* Add, Sub, Mul, Div, Mod: two inputs, broadcast, any numeric type. */
#include "bytes.h"
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
FLOAT_LOOPS(DOUBLE, double)
INFER_UNSIGNED_TYPES(DIV_UNSIGNED)
INFER_SIGNED_TYPES(DIV_SIGNED)

/* ---- running ---- */

#define RUN_WRAPPING(op)                                                                           \
    static infer_status op##_run(infer_op_env *env) {                                              \
        switch (infer_compute_type((infer_type)env->in[0]->type)) {                                \
            BITS_CASES(op)                                                                         \
            BINARY_CASE(DOUBLE, op)                                                                \
        default:                                                                                   \
            return infer_binary_run(env, env->kernels->op##_f32);                                  \
        }                                                                                          \
    }
RUN_WRAPPING(add)
RUN_WRAPPING(sub)
RUN_WRAPPING(mul)

static infer_status div_run(infer_op_env *env) {
    switch (infer_compute_type((infer_type)env->in[0]->type)) {
        INTEGER_BINARY_CASES(div)
        BINARY_CASE(DOUBLE, div)
    default:
        return infer_binary_run(env, env->kernels->div_f32);
    }
}

static infer_status arithmetic_infer(infer_op_env *env) {
    return infer_like_all(env, INFER_TYPE_UNDEFINED);
}

#define ARITHMETIC_OP(op_name, snake, prepares)                                                    \
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
        .prepare = prepares,                                                                       \
        .run = snake##_run,                                                                        \
    };
ARITHMETIC_OP("Add", add, infer_bytes_fuse_bias)
ARITHMETIC_OP("Sub", sub, NULL)
ARITHMETIC_OP("Mul", mul, infer_bytes_fuse_scale)
ARITHMETIC_OP("Div", div, NULL)

/* ---- Mod ---- */

typedef struct mod_params {
    int64_t fmod;
} mod_params;

static const infer_op_attr mod_attrs[] = {A_INT(mod_params, fmod, 0)};

/* The remainder has the sign of the divisor, or with fmod that of the dividend; by zero it is 0 for
 * integers. */
#define SAME_SIGN(r, b)             ((r) != 0 && ((r) < 0) != ((b) < 0) ? (r) + (b) : (r))
#define MOD_UNSIGNED(suffix, ctype) STEP_LOOP(mod_##suffix, ctype, ctype, b == 0 ? 0 : a % b)
#define MOD_SIGNED(suffix, ctype)                                                                  \
    STEP_LOOP(mod_##suffix, ctype, ctype, b == 0 || b == -1 ? 0 : SAME_SIGN(a % b, b))             \
    STEP_LOOP(fmod_##suffix, ctype, ctype, b == 0 || b == -1 ? 0 : a % b)
INFER_UNSIGNED_TYPES(MOD_UNSIGNED)
INFER_SIGNED_TYPES(MOD_SIGNED)
STEP_LOOP(fmod_FLOAT, float, float, fmodf(a, b))
STEP_LOOP(fmod_DOUBLE, double, double, fmod(a, b))
STEP_LOOP(mod_FLOAT, float, float, SAME_SIGN(fmodf(a, b), b))
STEP_LOOP(mod_DOUBLE, double, double, SAME_SIGN(fmod(a, b), b))

static infer_status fmod_run(infer_op_env *env) {
    switch (infer_compute_type((infer_type)env->in[0]->type)) {
#define FMOD_CASE(suffix, ctype) BINARY_CASE(suffix, fmod)
#define MOD_CASE(suffix, ctype)  BINARY_CASE(suffix, mod)
        INFER_SIGNED_TYPES(FMOD_CASE)
        INFER_UNSIGNED_TYPES(MOD_CASE)
        BINARY_CASE(DOUBLE, fmod)
    default:
        return infer_binary_run(env, fmod_FLOAT);
    }
}

static infer_status mod_run(infer_op_env *env) {
    const mod_params *p = env->params;
    if (p->fmod)
        return fmod_run(env);
    switch (infer_compute_type((infer_type)env->in[0]->type)) {
        INTEGER_BINARY_CASES(mod)
        BINARY_CASE(DOUBLE, mod)
    default:
        return infer_binary_run(env, mod_FLOAT);
    }
}

const infer_op infer_op_mod = {
    .domain = "",
    .name = "Mod",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(mod_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_INPLACE,
    .attr_count = 1,
    .attrs = mod_attrs,
    .types = {T_NUMERIC, T_NUMERIC | T_SAME},
    .infer = arithmetic_infer,
    .run = mod_run,
};
