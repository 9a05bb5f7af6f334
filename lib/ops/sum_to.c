/* infer.SumTo: a tensor summed over the axes along which it was broadcast from another's shape. */
#include "axes.h"
#include "broadcast.h"
#include "chunk.h"

#include <string.h>

static infer_status sum_to_infer(infer_op_env *env) {
    const infer_view *x = env->in[0], *like = env->in[1];
    infer_view shape = {.rank = -1};
    INFER_TRY(infer_broadcast_shape(env->in, 2, &shape));
    for (int32_t i = 0; i < shape.rank && x->rank >= 0; i++)
        if (x->rank != shape.rank || (x->dim[i] >= 0 && x->dim[i] != shape.dim[i]))
            return infer_fail(INFER_ERROR_SHAPE, "the shapes do not broadcast");
    if (env->out[0]) {
        *env->out[0] = *like;
        env->out[0]->data = NULL;
    }
    size_t count = (size_t)(infer_view_count(like) > 0 ? infer_view_count(like) : 0);
    if (__builtin_mul_overflow(count, sizeof(double), &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "%zu sums do not fit memory", count);
    return INFER_OK;
}

static infer_status sum_to_run(infer_op_env *env) {
    const infer_view *x = env->in[0], *like = env->in[1];
    infer_view *y = env->out[0];
    infer_broadcast walk;
    double *sums = env->scratch;
    size_t count = (size_t)infer_view_count(like), at = 0;
    if (!y)
        return INFER_OK;
    for (size_t i = 0; i < count; i++)
        sums[i] = 0;
    infer_broadcast_begin(&walk, env->in, 2, x);
    if (!walk.empty)
        do {
            for (size_t i = 0; i < walk.inner; i++) {
                infer_chunk one;
                sums[walk.at[1] + i * walk.step[1]] +=
                    *infer_load_double((infer_type)x->type, x->data, at + i, 1, &one);
            }
            at += walk.inner;
        } while (infer_broadcast_next(&walk));
    infer_store_double((infer_type)y->type, sums, y->data, 0, count);
    return INFER_OK;
}

const infer_op infer_op_infer_sum_to = {
    .domain = "infer",
    .name = "SumTo",
    .since = 1,
    .newest = 1,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T_FLOAT, T_FLOAT | T_SAME},
    .infer = sum_to_infer,
    .run = sum_to_run,
};
