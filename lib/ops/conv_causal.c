/* CausalConvWithState: a depthwise convolution along a sequence that goes on where the last ended.
 */
#include "axes.h"
#include "op.h"
#include "status.h"
#include "widen.h"

#include <string.h>

typedef struct causal_params {
    int64_t activation;
} causal_params;

static const infer_op_attr causal_attrs[] = {
    A_ENUM(causal_params, activation, 0, "none|silu|swish")};

/* Inputs. */
enum { X, W, B, PAST };

static infer_status causal_infer(infer_op_env *env) {
    const infer_view *x = env->in[X], *w = env->in[W];
    infer_view spare, *y = infer_out(env, 0, x->type, 3, &spare);
    infer_view spare_state, *state = infer_out(env, 1, x->type, 3, &spare_state);
    if (x->rank < 0 || w->rank < 0)
        return INFER_OK;
    if (x->rank != 3 || w->rank != 3)
        return infer_fail(INFER_ERROR_SHAPE, "ranks %d and %d instead of 3", (int)x->rank,
                          (int)w->rank);
    if (w->dim[2] == 0)
        return infer_fail(INFER_ERROR_SHAPE, "a kernel without elements");
    int64_t carried = w->dim[2] < 0 ? -1 : w->dim[2] - 1;
    int64_t weights[] = {x->dim[1], 1, -1}, bias[] = {x->dim[1]};
    int64_t past[] = {x->dim[0], x->dim[1], carried};
    INFER_TRY(infer_expect(w, "weight", 3, weights));
    INFER_TRY(infer_expect(infer_input(env, B), "bias", 1, bias));
    INFER_TRY(infer_expect(infer_input(env, PAST), "past_state", 3, past));
    memcpy(y->dim, x->dim, 3 * sizeof *x->dim);
    memcpy(state->dim, past, sizeof past);
    size_t element = infer_type_size(infer_widen_type(env));
    if (x->dim[2] < 0 || carried < 0)
        return INFER_OK;
    if (__builtin_add_overflow((uint64_t)x->dim[2], (uint64_t)carried, &env->scratch_size) ||
        __builtin_mul_overflow(env->scratch_size, element, &env->scratch_size) ||
        __builtin_add_overflow(env->scratch_size, 63, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the sequence is too long");
    env->scratch_size &= ~(size_t)63;
    return infer_widen_plan(env);
}

static infer_status causal_body(infer_op_env *env) {
    const causal_params *p = env->params;
    const infer_view *x = env->in[X], *w = env->in[W];
    const infer_view *bias = infer_input(env, B), *past = infer_input(env, PAST);
    infer_view *y = env->out[0], *state = env->out_count > 1 ? env->out[1] : NULL;
    size_t rows = (size_t)infer_span(x, 0, 2), channels = (size_t)x->dim[1];
    size_t length = (size_t)x->dim[2], k = (size_t)w->dim[2], carried = k - 1;
    const float *weights = w->data, *b = bias ? bias->data : NULL;
    float *line = env->scratch;
    for (size_t r = 0; r < rows; r++) {
        const float *taps = weights + r % channels * k;
        if (past)
            memcpy(line, (const float *)past->data + r * carried, carried * sizeof *line);
        else
            memset(line, 0, carried * sizeof *line);
        memcpy(line + carried, (const float *)x->data + r * length, length * sizeof *line);
        if (state)
            memcpy((float *)state->data + r * carried, line + length, carried * sizeof *line);
        if (!y)
            continue;
        float *out = (float *)y->data + r * length;
        for (size_t i = 0; i < length; i++)
            out[i] = b ? b[r % channels] : 0;
        for (size_t t = 0; t < k; t++)
            for (size_t i = 0; i < length; i++)
                out[i] += taps[t] * line[i + t];
        if (p->activation == 0)
            continue;
        env->kernels->sigmoid_f32(out, line, length);
        for (size_t i = 0; i < length; i++)
            out[i] *= line[i];
    }
    return INFER_OK;
}

static infer_status causal_run(infer_op_env *env) {
    return infer_widen_run(env, causal_body);
}

const infer_op infer_op_causal_conv_with_state = {
    .domain = "",
    .name = "CausalConvWithState",
    .since = 27,
    .newest = 27,
    .params_size = sizeof(causal_params),
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 2,
    .attr_count = 1,
    .attrs = causal_attrs,
    .types = {T(FLOAT) | T(FLOAT16) | T(BFLOAT16), T_SAME},
    .infer = causal_infer,
    .run = causal_run,
};
