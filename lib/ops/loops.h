/* Bodies of the loops of elementwise operators, as macros over a name, a C type and an expression.
 */
#ifndef INFER_OPS_LOOPS_H
#define INFER_OPS_LOOPS_H

#include "chunk.h"
#include "elementwise.h"

#include <math.h>

/* y[i] = expr(v = x[i]), in an element type of its own. */
#define MAP_LOOP(name, from, to, expr)                                                             \
    static void name(const infer_op_env *env, const void *x_, void *y_, size_t n) {                \
        const from *x = x_;                                                                        \
        to *y = y_;                                                                                \
        (void)env;                                                                                 \
        for (size_t i = 0; i < n; i++) {                                                           \
            from v = x[i];                                                                         \
            y[i] = (to)(expr);                                                                     \
        }                                                                                          \
    }
#define UNARY_LOOP(name, ctype, expr) MAP_LOOP(name, ctype, ctype, expr)

/* A kernel as it is. */
#define KERNEL_LOOP(name, ctype, kernel)                                                           \
    static void name(const infer_op_env *env, const void *x, void *y, size_t n) {                  \
        env->kernels->kernel((const ctype *)x, (ctype *)y, n);                                     \
    }

/* A kernel between two expressions: t = kernel(before(v = x[i])), y[i] = after(v, t); p is what
 * `params` makes of the environment. member is the chunk's of ctype. */
#define AROUND_LOOP(name, ctype, member, kernel, params, before, after)                            \
    static void name(const infer_op_env *env, const void *x_, void *y_, size_t n) {                \
        params;                                                                                    \
        for (size_t at = 0; at < n; at += INFER_CHUNK) {                                           \
            const ctype *x = (const ctype *)x_ + at;                                               \
            ctype *y = (ctype *)y_ + at;                                                           \
            size_t m = n - at < INFER_CHUNK ? n - at : INFER_CHUNK;                                \
            infer_chunk chunk;                                                                     \
            for (size_t i = 0; i < m; i++) {                                                       \
                ctype v = x[i];                                                                    \
                chunk.member[i] = before;                                                          \
            }                                                                                      \
            env->kernels->kernel(chunk.member, chunk.member, m);                                   \
            for (size_t i = 0; i < m; i++) {                                                       \
                ctype v = x[i], t = chunk.member[i];                                               \
                y[i] = after;                                                                      \
            }                                                                                      \
        }                                                                                          \
    }

/* Three loops, so that each has constant strides; results in an element type of their own. */
#define STRIDES_LOOP(name, from, to, expr)                                                         \
    void name(const void *a_, size_t sa, const void *b_, size_t sb, void *y_, size_t n) {          \
        const from *pa = a_, *pb = b_;                                                             \
        to *y = y_;                                                                                \
        if (sa && sb) {                                                                            \
            for (size_t i = 0; i < n; i++) {                                                       \
                from a = pa[i], b = pb[i];                                                         \
                y[i] = (to)(expr);                                                                 \
            }                                                                                      \
        } else if (sa) {                                                                           \
            const from b = *pb;                                                                    \
            for (size_t i = 0; i < n; i++) {                                                       \
                from a = pa[i];                                                                    \
                y[i] = (to)(expr);                                                                 \
            }                                                                                      \
        } else {                                                                                   \
            const from a = *pa;                                                                    \
            for (size_t i = 0; i < n; i++) {                                                       \
                from b = pb[sb * i];                                                               \
                y[i] = (to)(expr);                                                                 \
            }                                                                                      \
        }                                                                                          \
    }
#define BINARY_LOOP(name, ctype, expr) static STRIDES_LOOP(name, ctype, ctype, expr)

/* One loop for all strides, where the expression costs more than they do or nobody waits for it;
 * results in an element type of their own. */
#define STEP_LOOP(name, from, to, expr)                                                            \
    static void name(const void *a_, size_t sa, const void *b_, size_t sb, void *y_, size_t n) {   \
        const from *pa = a_, *pb = b_;                                                             \
        to *y = y_;                                                                                \
        for (size_t i = 0; i < n; i++) {                                                           \
            from a = pa[sa * i], b = pb[sb * i];                                                   \
            y[i] = (to)(expr);                                                                     \
        }                                                                                          \
    }

/* Cases of a switch over the type: the binary loop op##_suffix. */
#define BINARY_CASE(suffix, op)                                                                    \
    case INFER_TYPE_##suffix:                                                                      \
        return infer_binary_run(env, op##_##suffix);
/* With and without sign by the loop without. */
#define BITS_CASE(bits, op)                                                                        \
    case INFER_TYPE_INT##bits:                                                                     \
    case INFER_TYPE_UINT##bits:                                                                    \
        return infer_binary_run(env, op##_UINT##bits);
#define BITS_CASES(op)             BITS_CASE(8, op) BITS_CASE(16, op) BITS_CASE(32, op) BITS_CASE(64, op)
#define INTEGER_CASES_OF(op, bits) BINARY_CASE(INT##bits, op) BINARY_CASE(UINT##bits, op)
#define INTEGER_BINARY_CASES(op)                                                                   \
    INTEGER_CASES_OF(op, 8)                                                                        \
    INTEGER_CASES_OF(op, 16) INTEGER_CASES_OF(op, 32) INTEGER_CASES_OF(op, 64)

/* ---- operators of one input ---- */

#define FLOAT_RUN(snake)                                                                           \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        return infer_unary_run(env, infer_compute_type((infer_type)env->in[0]->type) ==            \
                                            INFER_TYPE_DOUBLE                                      \
                                        ? snake##_DOUBLE                                           \
                                        : snake##_FLOAT);                                          \
    }

/* The operator of these loops that has no attributes. */
#define FLOAT_OP(op_name, snake, first)                                                            \
    FLOAT_RUN(snake)                                                                               \
    const infer_op infer_op_##snake = {                                                            \
        UNARY_OP(op_name, first),                                                                  \
        .flags = INFER_OP_INPLACE,                                                                 \
        .types = {T_FLOAT},                                                                        \
        .run = snake##_run,                                                                        \
    };

/* What an operator of one input and one output of its shape has in common with the others. */
#define UNARY_OP_OF(op_name, first, upgrade_, infer_)                                              \
    .domain = "", .name = op_name, .since = first, .newest = 27, .min_in = 1, .max_in = 1,         \
    .min_out = 1, .max_out = 1, .upgrade = upgrade_, .infer = infer_
#define UNARY_OP(op_name, first) UNARY_OP_OF(op_name, first, infer_drop_consumed, infer_like_input)

#endif
