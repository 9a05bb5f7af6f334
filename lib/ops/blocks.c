/* Elements in another order: DepthToSpace, SpaceToDepth, ReverseSequence. */
#include "axes.h"
#include "movement.h"
#include "op.h"
#include "status.h"

#include <string.h>

/* ---- DepthToSpace and SpaceToDepth ---- */

typedef struct block_params {
    int64_t blocksize, mode;
} block_params;

enum { DCR, CRD };
static const infer_op_attr block_attrs[] = {A_REQUIRED(block_params, blocksize, INT),
                                            A_ENUM(block_params, mode, DCR, "DCR|CRD")};

static infer_status block_infer(infer_op_env *env, bool to_space) {
    const block_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, 4, &spare);
    int64_t b = p->blocksize, square;
    if (b <= 0 || __builtin_mul_overflow(b, b, &square))
        return infer_fail(INFER_ERROR_VALUE, "blocksize is %lld", (long long)b);
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank != 4)
        return infer_fail(INFER_ERROR_SHAPE, "the input has rank %d instead of 4", (int)x->rank);
    y->dim[0] = x->dim[0];
    for (int32_t i = 1; i < 4; i++) {
        int64_t n = x->dim[i], factor = i == 1 ? square : b;
        bool divide = (i == 1) == to_space;
        if (n < 0)
            continue;
        if (divide ? n % factor != 0 : __builtin_mul_overflow(n, factor, &y->dim[i]))
            return infer_fail(INFER_ERROR_SHAPE, "blocks of %lld do not fit axis %d of %lld",
                              (long long)b, (int)i, (long long)n);
        if (divide)
            y->dim[i] = n / factor;
    }
    return INFER_OK;
}

static infer_status depth_to_space_infer(infer_op_env *env) {
    return block_infer(env, true);
}

static infer_status space_to_depth_infer(infer_op_env *env) {
    return block_infer(env, false);
}

/* The output as [n][c][h][row of the block][w][column of it]. */
static infer_status depth_to_space_run(infer_op_env *env) {
    const block_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int64_t b = p->blocksize, size = (int64_t)infer_type_size((infer_type)x->type);
    int64_t row = x->dim[3] * size, plane = x->dim[2] * row, channels = y->dim[1];
    int64_t near = p->mode == DCR ? channels * plane : plane; /* from column to column */
    int64_t dim[] = {x->dim[0], channels, x->dim[2], b, x->dim[3], b};
    int64_t stride[] = {
        x->dim[1] * plane, p->mode == DCR ? plane : b * b * plane, row, b * near, size, near};
    infer_copy_strided(y->data, x->data, 6, dim, stride, (size_t)size);
    return INFER_OK;
}

/* The output as [n][row of the block][column of it][c][h][w]. */
static infer_status space_to_depth_run(infer_op_env *env) {
    const block_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int64_t b = p->blocksize, size = (int64_t)infer_type_size((infer_type)x->type);
    int64_t row = x->dim[3] * size, plane = x->dim[2] * row;
    int64_t dim[] = {x->dim[0], b, b, x->dim[1], y->dim[2], y->dim[3]};
    int64_t stride[] = {x->dim[1] * plane, row, size, plane, b * row, b * size};
    infer_copy_strided(y->data, x->data, 6, dim, stride, (size_t)size);
    return INFER_OK;
}

#define BLOCK_OP(op_name, snake, attributes)                                                       \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = op_name,                                                                           \
        .since = 1,                                                                                \
        .newest = 27,                                                                              \
        .params_size = sizeof(block_params),                                                       \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .attr_count = attributes,                                                                  \
        .attrs = block_attrs,                                                                      \
        .types = {T_ALL},                                                                          \
        .infer = snake##_infer,                                                                    \
        .run = snake##_run,                                                                        \
    };
BLOCK_OP("DepthToSpace", depth_to_space, 2)
BLOCK_OP("SpaceToDepth", space_to_depth, 1)

/* ---- ReverseSequence ---- */

typedef struct reverse_params {
    int64_t batch_axis, time_axis;
} reverse_params;

static const infer_op_attr reverse_attrs[] = {A_INT(reverse_params, batch_axis, 1),
                                              A_INT(reverse_params, time_axis, 0)};

static infer_status reverse_sequence_infer(infer_op_env *env) {
    const reverse_params *p = env->params;
    const infer_view *x = env->in[0], *lengths = env->in[1];
    if (p->batch_axis < 0 || p->batch_axis > 1 || p->time_axis != 1 - p->batch_axis)
        return infer_fail(INFER_ERROR_VALUE, "batch_axis %lld and time_axis %lld",
                          (long long)p->batch_axis, (long long)p->time_axis);
    if (x->rank >= 0 && x->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d has no time and batch", (int)x->rank);
    INFER_TRY(infer_check_list(lengths, "sequence_lens"));
    int64_t batch = x->rank >= 0 ? x->dim[p->batch_axis] : -1, given = infer_view_count(lengths);
    if (batch >= 0 && given >= 0 && batch != given)
        return infer_fail(INFER_ERROR_SHAPE, "%lld lengths for a batch of %lld", (long long)given,
                          (long long)batch);
    if (env->out[0]) {
        *env->out[0] = *x;
        env->out[0]->data = NULL;
    }
    return INFER_OK;
}

static infer_status reverse_sequence_run(infer_op_env *env) {
    const reverse_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int64_t batch = x->dim[p->batch_axis], time = x->dim[p->time_axis];
    size_t piece = infer_type_size((infer_type)x->type) * (size_t)infer_span(x, 2, x->rank);
    ptrdiff_t step = (ptrdiff_t)piece * (p->time_axis == 0 ? batch : 1);
    ptrdiff_t next = (ptrdiff_t)piece * (p->batch_axis == 0 ? time : 1);
    const char *from = x->data;
    char *to = y->data;
    for (int64_t b = 0; b < batch; b++, from += next, to += next) {
        int64_t length = infer_index(env->in[1], b);
        if (length < 0 || length > time)
            return infer_fail(INFER_ERROR_VALUE, "a length of %lld for %lld elements",
                              (long long)length, (long long)time);
        infer_copy_pieces(to, step, from + (length - 1) * step, -step, (size_t)length, piece);
        infer_copy_pieces(to + length * step, step, from + length * step, step,
                          (size_t)(time - length), piece);
    }
    return INFER_OK;
}

const infer_op infer_op_reverse_sequence = {
    .domain = "",
    .name = "ReverseSequence",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(reverse_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 2,
    .attrs = reverse_attrs,
    .types = {T_ALL, T(INT64)},
    .infer = reverse_sequence_infer,
    .run = reverse_sequence_run,
};
