/* Concat: tensors behind one another along one axis. */
#include "axes.h"
#include "movement.h"
#include "op.h"
#include "share.h"
#include "status.h"

#include <string.h>

typedef struct concat_params {
    int64_t axis;
} concat_params;

static const infer_op_attr concat_attrs[] = {A_REQUIRED(concat_params, axis, INT)};

static infer_status concat_upgrade(infer_rewriter *rw) {
    if (rw->version < 4 && !rw->attr(rw, "axis"))
        return infer_set_int(rw, "axis", 1);
    return INFER_OK;
}

/* Takes what x knows of the extents other than that of the axis. */
static infer_status join(const infer_view *x, int32_t axis, infer_view *y) {
    if (x->rank != y->rank)
        return infer_fail(INFER_ERROR_SHAPE, "inputs of rank %d and %d", (int)y->rank,
                          (int)x->rank);
    for (int32_t i = 0; i < x->rank; i++) {
        if (i == axis || x->dim[i] < 0)
            continue;
        if (y->dim[i] >= 0 && y->dim[i] != x->dim[i])
            return infer_fail(INFER_ERROR_SHAPE, "axis %d has extents %lld and %lld", (int)i,
                              (long long)y->dim[i], (long long)x->dim[i]);
        y->dim[i] = x->dim[i];
    }
    return INFER_OK;
}

static infer_status concat_infer(infer_op_env *env) {
    const concat_params *p = env->params;
    infer_view spare, *y = infer_out(env, 0, env->in[0]->type, -1, &spare);
    int32_t axis = -1;
    int64_t sum = 0;
    for (uint32_t i = 0; i < env->in_count; i++) {
        const infer_view *x = env->in[i];
        if (!x)
            return infer_fail(INFER_ERROR_FORMAT, "input %u is absent", i);
        if (x->rank < 0) {
            sum = -1;
            continue;
        }
        if (y->rank < 0) {
            y->rank = x->rank;
            INFER_TRY(infer_axis(p->axis, y->rank, &axis));
        }
        INFER_TRY(join(x, axis, y));
        if (sum < 0 || x->dim[axis] < 0)
            sum = -1;
        else if (__builtin_add_overflow(sum, x->dim[axis], &sum))
            return infer_fail(INFER_ERROR_SHAPE, "extents overflow");
    }
    if (y->rank >= 0)
        y->dim[axis] = sum;
    return INFER_OK;
}

/* Pieces of one input, each behind another. */
typedef struct pieces_job {
    char *to;
    const char *from;
    size_t step, piece, outer, unit, parts; /* bytes that stay together where there is one piece */
} pieces_job;

static void pieces_part(void *arg, size_t part, size_t worker) {
    const pieces_job *j = arg;
    size_t first, end;
    (void)worker;
    if (j->outer == 1) {
        infer_part(j->piece, j->unit, j->parts, part, &first, &end);
        memcpy(j->to + first, j->from + first, end - first);
        return;
    }
    infer_part(j->outer, 1, j->parts, part, &first, &end);
    infer_copy_pieces(j->to + first * j->step, (ptrdiff_t)j->step, j->from + first * j->piece,
                      (ptrdiff_t)j->piece, end - first, j->piece);
}

static infer_status concat_run(infer_op_env *env) {
    const concat_params *p = env->params;
    infer_view *y = env->out[0];
    int32_t axis = 0;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(infer_axis(p->axis, y->rank, &axis));
    size_t outer = (size_t)infer_span(y, 0, axis), size = infer_type_size((infer_type)y->type);
    size_t step = size * (size_t)infer_span(y, axis, y->rank);
    char *to = y->data;
    for (uint32_t i = 0; i < env->in_count; i++) {
        size_t piece = size * (size_t)infer_span(env->in[i], axis, y->rank);
        if (piece == 0)
            continue;
        pieces_job job = {to, env->in[i]->data, step, piece, outer, 4096, 1};
        job.parts = outer == 1 ? infer_parts(env, piece / job.unit + 1, (double)job.unit / 8)
                               : infer_parts(env, outer, (double)piece / 8);
        infer_parallel(env, job.parts, pieces_part, &job);
        to += piece;
    }
    return INFER_OK;
}

const infer_op infer_op_concat = {
    .domain = "",
    .name = "Concat",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(concat_params),
    .min_in = 1,
    .max_in = INFER_VARIADIC,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = concat_attrs,
    .types = {T_ALL, T_ALL | T_SAME},
    .upgrade = concat_upgrade,
    .infer = concat_infer,
    .run = concat_run,
};
