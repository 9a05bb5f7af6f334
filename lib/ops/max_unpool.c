/* MaxUnpool: values go back to where MaxPool found them. */
#include "axes.h"
#include "op.h"
#include "status.h"
#include "window.h"

#include <string.h>

static const infer_op_attr unpool_attrs[] = {
    {"kernel_shape", INFER_ATTR_INTS, true, offsetof(infer_window_params, kernel_shape), 0, NULL},
    A_LIST(infer_window_params, strides, INTS),
    A_LIST(infer_window_params, pads, INTS),
};

/* The shape that indices count in: that of the pool's input, as far as it can be told. */
static infer_status pooled_from(infer_op_env *env, infer_view *from) {
    const infer_view *x = env->in[0];
    infer_window w;
    int64_t add[INFER_WINDOW_RANK] = {0};
    INFER_TRY(infer_window_read(env, env->params, x, NULL, &w));
    INFER_TRY(infer_window_transposed(&w, INFER_PAD_NOTSET, add, NULL));
    *from = *x;
    from->data = NULL;
    for (int32_t i = 0; i < w.rank; i++)
        from->dim[i + 2] = w.out[i];
    return infer_view_check(from, true);
}

static infer_status unpool_infer(infer_op_env *env) {
    const infer_view *x = env->in[0], *index = env->in[1];
    const infer_view *shape = infer_input(env, 2);
    infer_view spare, from, *y = infer_out(env, 0, x->type, x->rank, &spare);
    if (x->rank < 0)
        return INFER_OK;
    bool same = index->rank < 0 || index->rank == x->rank;
    for (int32_t i = 0; same && i < index->rank; i++)
        same = index->dim[i] < 0 || x->dim[i] < 0 || index->dim[i] == x->dim[i];
    if (!same)
        return infer_fail(INFER_ERROR_SHAPE, "the indices do not have the values' shape");
    INFER_TRY(pooled_from(env, &from));
    if (!shape) {
        memcpy(y->dim, from.dim, sizeof y->dim);
        return INFER_OK;
    }
    INFER_TRY(infer_check_list(shape, "output_shape"));
    int64_t listed = infer_view_count(shape);
    if (listed >= 0 && listed != x->rank)
        return infer_fail(INFER_ERROR_SHAPE, "output_shape has %lld entries", (long long)listed);
    for (int32_t i = 0; shape->data && i < x->rank; i++) {
        y->dim[i] = infer_index(shape, i);
        if (y->dim[i] < 0 || (from.dim[i] >= 0 && y->dim[i] < from.dim[i]))
            return infer_fail(INFER_ERROR_SHAPE, "axis %d gets extent %lld, less than %lld", (int)i,
                              (long long)y->dim[i], (long long)from.dim[i]);
    }
    return INFER_OK;
}

static infer_status unpool_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    const int64_t *index = env->in[1]->data;
    infer_view *y = env->out[0], from;
    if (!y)
        return INFER_OK;
    INFER_TRY(pooled_from(env, &from));
    int64_t n = infer_view_count(x), places = infer_view_count(&from);
    size_t size = infer_type_size((infer_type)x->type);
    if (infer_view_bytes(y))
        memset(y->data, 0, infer_view_bytes(y));
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = index[i], at = 0, step = 1;
        if (rest < 0 || rest >= places)
            return infer_fail(INFER_ERROR_VALUE, "index %lld of %lld places", (long long)rest,
                              (long long)places);
        for (int32_t k = x->rank; k-- > 0; rest /= from.dim[k], step *= y->dim[k]) {
            if (rest % from.dim[k] >= y->dim[k])
                return infer_fail(INFER_ERROR_VALUE, "output_shape changed");
            at += rest % from.dim[k] * step;
        }
        memcpy((char *)y->data + (size_t)at * size, (const char *)x->data + (size_t)i * size, size);
    }
    return INFER_OK;
}

const infer_op infer_op_max_unpool = {
    .domain = "",
    .name = "MaxUnpool",
    .since = 9,
    .newest = 27,
    .params_size = sizeof(infer_window_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof unpool_attrs / sizeof *unpool_attrs,
    .attrs = unpool_attrs,
    .types = {T_FLOAT, T(INT64)},
    .infer = unpool_infer,
    .run = unpool_run,
};
