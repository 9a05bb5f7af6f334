/* Gather: slices of a tensor picked by number along one axis. */
#include "axes.h"
#include "known_shape.h"
#include "movement.h"
#include "op.h"
#include "status.h"

#include <string.h>

typedef struct gather_params {
    int64_t axis;
} gather_params;

static const infer_op_attr gather_attrs[] = {A_INT(gather_params, axis, 0)};

static infer_status gather_infer(infer_op_env *env) {
    const gather_params *p = env->params;
    const infer_view *x = env->in[0], *index = env->in[1];
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare);
    if (x->rank < 0)
        return INFER_OK;
    int32_t axis = 0;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    if (index->rank < 0)
        return INFER_OK;
    if (x->rank - 1 + index->rank > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "data of rank %d and indices of rank %d are too many",
                          (int)x->rank, (int)index->rank);
    y->rank = x->rank - 1 + index->rank;
    int32_t to = 0;
    for (int32_t i = 0; i < axis; i++)
        y->dim[to++] = x->dim[i];
    for (int32_t i = 0; i < index->rank; i++)
        y->dim[to++] = index->dim[i];
    for (int32_t i = axis + 1; i < x->rank; i++)
        y->dim[to++] = x->dim[i];
    return INFER_OK;
}

static infer_status gather_run(infer_op_env *env) {
    const gather_params *p = env->params;
    const infer_view *x = env->in[0], *index = env->in[1];
    infer_view *y = env->out[0];
    int32_t axis = 0;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    if (!y)
        return INFER_OK;
    int64_t n = x->dim[axis], picks = infer_view_count(index);
    size_t outer = 0, size = 0;
    if (infer_view_count(y) > 0) {
        outer = (size_t)infer_span(x, 0, axis);
        size = infer_type_size((infer_type)x->type) * (size_t)infer_span(x, axis + 1, x->rank);
    }
    for (int64_t i = 0; i < picks; i++) {
        int64_t at = infer_index(index, i);
        if (at < -n || at >= n)
            return infer_fail(INFER_ERROR_VALUE, "index %lld is outside of extent %lld",
                              (long long)at, (long long)n);
        at = at < 0 ? at + n : at;
        infer_copy_pieces((char *)y->data + (size_t)i * size, (ptrdiff_t)size * picks,
                          (const char *)x->data + (size_t)at * size, (ptrdiff_t)size * n, outer,
                          size);
    }
    return INFER_OK;
}

/* ---- loading ---- */

/* Rows of a table that the model has as integers are widened after they were picked. */
static infer_status gather_prepare(infer_rewriter *rw) {
    const infer_attr *axis = rw->attr(rw, "axis");
    const infer_attr to = {.name = "to", .type = INFER_ATTR_INT, .i = INFER_TYPE_FLOAT};
    infer_quantized q;
    if ((axis && axis->i != 0 && axis->i != -2) || !rw->quantized(rw, rw->input(rw, 0), &q) ||
        q.axis > 0)
        return INFER_OK;
    const uint32_t index = rw->input(rw, 1), rows[] = {q.integers, index};
    uint32_t picked = rw->add(rw, "", "Gather", rows, 2, NULL, 0), scales = q.scales;
    if (q.axis == 0) {
        int64_t shape[] = {rw->shape(rw, scales)->dim[0], 1};
        infer_view column = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {2}, .data = shape};
        const uint32_t reshape[] = {scales, rw->constant(rw, &column)};
        const uint32_t each[] = {rw->add(rw, "", "Reshape", reshape, 2, NULL, 0), index};
        scales = rw->add(rw, "", "Gather", each, 2, NULL, 0);
    }
    const uint32_t factors[] = {rw->add(rw, "", "Cast", &picked, 1, &to, 1), scales};
    return rw->replace(rw, 0, rw->add(rw, "", "Mul", factors, 2, NULL, 0));
}

const infer_op infer_op_gather = {
    .domain = "",
    .name = "Gather",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(gather_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = gather_attrs,
    .types = {T_ALL, T_INDEX},
    .upgrade = infer_known_extent,
    .infer = gather_infer,
    .prepare = gather_prepare,
    .run = gather_run,
};
