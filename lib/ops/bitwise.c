/* BitwiseAnd, BitwiseOr, BitwiseXor, BitShift: two inputs, broadcast, integers. */
#include "elementwise.h"
#include "loops.h"

static infer_status bitwise_infer(infer_op_env *env) {
    return infer_like_all(env, INFER_TYPE_UNDEFINED);
}

#define BITWISE_LOOPS(suffix, ctype)                                                               \
    BINARY_LOOP(bitwise_and_##suffix, ctype, a &b)                                                 \
    BINARY_LOOP(bitwise_or_##suffix, ctype, a | b)                                                 \
    BINARY_LOOP(bitwise_xor_##suffix, ctype, a ^ b)                                                \
    STEP_LOOP(shift_left_##suffix, ctype, ctype, b < sizeof(ctype) * 8 ? (uint64_t)a << b : 0)     \
    STEP_LOOP(shift_right_##suffix, ctype, ctype, b < sizeof(ctype) * 8 ? a >> b : 0)
INFER_UNSIGNED_TYPES(BITWISE_LOOPS)

#define RUN(snake)                                                                                 \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        switch (env->in[0]->type) {                                                                \
            BITS_CASES(snake)                                                                      \
        default:                                                                                   \
            return INFER_ERROR_TYPE;                                                               \
        }                                                                                          \
    }
#define BITWISE_OP(op_name, first, allowed)                                                        \
    .domain = "", .name = op_name, .since = first, .newest = 27, .min_in = 2, .max_in = 2,         \
    .min_out = 1, .max_out = 1, .flags = INFER_OP_INPLACE, .types = {allowed, (allowed) | T_SAME}, \
    .infer = bitwise_infer

RUN(bitwise_and)
RUN(bitwise_or)
RUN(bitwise_xor)
const infer_op infer_op_bitwise_and = {
    BITWISE_OP("BitwiseAnd", 18, T_INTEGER),
    .run = bitwise_and_run,
};
const infer_op infer_op_bitwise_or = {
    BITWISE_OP("BitwiseOr", 18, T_INTEGER),
    .run = bitwise_or_run,
};
const infer_op infer_op_bitwise_xor = {
    BITWISE_OP("BitwiseXor", 18, T_INTEGER),
    .run = bitwise_xor_run,
};

/* ---- BitShift ---- */

typedef struct shift_params {
    int64_t direction;
} shift_params;

static const infer_op_attr shift_attrs[] = {
    {"direction", INFER_ATTR_ENUM, true, offsetof(shift_params, direction), 0, "LEFT|RIGHT"},
};

RUN(shift_left)
RUN(shift_right)

static infer_status bit_shift_run(infer_op_env *env) {
    const shift_params *p = env->params;
    return p->direction == 0 ? shift_left_run(env) : shift_right_run(env);
}

const infer_op infer_op_bit_shift = {
    BITWISE_OP("BitShift", 11, T_UNSIGNED),
    .params_size = sizeof(shift_params),
    .attr_count = 1,
    .attrs = shift_attrs,
    .run = bit_shift_run,
};
