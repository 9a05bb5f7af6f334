/* Split: a tensor cut along one axis. */
#include "axes.h"
#include "movement.h"
#include "op.h"
#include "status.h"

typedef struct split_params {
    int64_t axis, num_outputs;
} split_params;

static const infer_op_attr split_attrs[] = {A_INT(split_params, axis, 0),
                                            A_INT(split_params, num_outputs, 0)};

/* The parts are an attribute, or in version 1 an input of floats. */
static infer_status split_upgrade(infer_rewriter *rw) {
    if (rw->version >= 13)
        return INFER_OK;
    uint32_t parts = rw->version < 2 ? rw->input(rw, 1) : INFER_NO_VALUE;
    infer_attr to = {.name = "to", .type = INFER_ATTR_INT, .i = INFER_TYPE_INT64};
    if (parts != INFER_NO_VALUE)
        return rw->set_input(rw, 1, rw->add(rw, "", "Cast", &parts, 1, &to, 1));
    return infer_attr_to_input(rw, "split", 1);
}

/* The extent of part number i of n; -1 where it is not known. */
static infer_status part_of(infer_op_env *env, int64_t n, uint32_t i, int64_t *part) {
    const infer_view *list = infer_has_input(env, 1) ? env->in[1] : NULL;
    *part = -1;
    if (list && list->data) {
        *part = infer_index(list, i);
        if (*part < 0)
            return infer_fail(INFER_ERROR_VALUE, "a part of %lld elements", (long long)*part);
    } else if (!list && n >= 0) {
        int64_t count = env->out_count, equal = n / count + (n % count != 0), left;
        if (__builtin_mul_overflow(equal, (int64_t)i, &left) || left > n)
            return infer_fail(INFER_ERROR_SHAPE, "%lld elements in %lld equal parts", (long long)n,
                              (long long)count);
        left = n - left;
        *part = left < equal ? left : equal;
    }
    return INFER_OK;
}

static infer_status split_infer(infer_op_env *env) {
    const split_params *p = env->params;
    const infer_view *x = env->in[0];
    int64_t parts = infer_has_input(env, 1) ? infer_view_count(env->in[1]) : env->out_count;
    if (infer_has_input(env, 1))
        INFER_TRY(infer_check_list(env->in[1], "split"));
    if ((parts >= 0 && parts != env->out_count) ||
        (p->num_outputs != 0 && p->num_outputs != env->out_count))
        return infer_fail(INFER_ERROR_SHAPE, "%lld parts for %u outputs",
                          (long long)(p->num_outputs ? p->num_outputs : parts), env->out_count);
    int32_t axis = 0;
    int64_t sum = 0, part = 0, n = -1;
    if (x->rank >= 0) {
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
        n = x->dim[axis];
    }
    for (uint32_t i = 0; i < env->out_count; i++) {
        infer_view spare, *y = infer_out(env, i, x->type, x->rank, &spare);
        INFER_TRY(part_of(env, n, i, &part));
        for (int32_t d = 0; d < x->rank; d++)
            y->dim[d] = d == axis ? part : x->dim[d];
        if (sum >= 0 && (part < 0 || __builtin_add_overflow(sum, part, &sum)))
            sum = -1;
    }
    if (n >= 0 && part >= 0 && sum != n)
        return infer_fail(INFER_ERROR_SHAPE, "parts of %lld elements for an extent of %lld",
                          (long long)sum, (long long)n);
    return INFER_OK;
}

static infer_status split_run(infer_op_env *env) {
    const split_params *p = env->params;
    const infer_view *x = env->in[0];
    int32_t axis = 0;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    if (infer_view_count(x) == 0)
        return INFER_OK;
    size_t size = infer_type_size((infer_type)x->type), outer = (size_t)infer_span(x, 0, axis);
    size_t inner = size * (size_t)infer_span(x, axis + 1, x->rank);
    size_t step = inner * (size_t)x->dim[axis];
    const char *from = x->data;
    for (uint32_t i = 0; i < env->out_count; i++) {
        int64_t part = 0;
        INFER_TRY(part_of(env, x->dim[axis], i, &part));
        size_t piece = (size_t)part * inner;
        if (env->out[i] && env->out[i]->dim[axis] != part)
            return infer_fail(INFER_ERROR_VALUE, "the parts changed");
        if (env->out[i] && piece)
            infer_copy_pieces(env->out[i]->data, (ptrdiff_t)piece, from, (ptrdiff_t)step, outer,
                              piece);
        from += piece;
    }
    return INFER_OK;
}

const infer_op infer_op_split = {
    .domain = "",
    .name = "Split",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(split_params),
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = INFER_VARIADIC,
    .attr_count = 2,
    .attrs = split_attrs,
    .types = {T_ALL, T(INT64)},
    .upgrade = split_upgrade,
    .infer = split_infer,
    .run = split_run,
};
