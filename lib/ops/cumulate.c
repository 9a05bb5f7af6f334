/* CumSum and CumProd: running sums and products along an axis. */
#include "axes.h"
#include "chunk.h"
#include "op.h"
#include "status.h"

#include <string.h>

typedef struct cumulate_params {
    int64_t exclusive, reverse;
} cumulate_params;

static const infer_op_attr cumulate_attrs[] = {A_INT(cumulate_params, exclusive, 0),
                                               A_INT(cumulate_params, reverse, 0)};

static infer_status cumulate_infer(infer_op_env *env) {
    const infer_view *x = env->in[0], *axis = env->in[1];
    int32_t checked = 0;
    INFER_TRY(infer_check_scalar(axis, "axis"));
    if (x->rank >= 0 && axis->data && infer_view_concrete(axis))
        INFER_TRY(infer_axis(infer_index(axis, 0), x->rank, &checked));
    if (env->out[0]) {
        *env->out[0] = *x;
        env->out[0]->data = NULL;
    }
    return INFER_OK;
}

/* One step: row y of n elements from the one before it, and x. */
#define STEP(name, ctype, expr)                                                                    \
    static void name(const void *before_, const void *x_, void *y_, size_t n) {                    \
        const ctype *before = before_, *x = x_;                                                    \
        ctype *y = y_;                                                                             \
        for (size_t i = 0; i < n; i++) {                                                           \
            ctype a = before[i], b = x[i];                                                         \
            y[i] = expr;                                                                           \
        }                                                                                          \
    }
#define STEPS(suffix, ctype)                                                                       \
    STEP(sum_##suffix, ctype, a + b)                                                               \
    STEP(prod_##suffix, ctype, a *b)
INFER_FLOAT_TYPES(STEPS)
STEPS(UINT32, uint32_t)
STEPS(UINT64, uint64_t)

typedef void (*step_loop)(const void *before, const void *x, void *y, size_t n);

/* One row after another. An element that is summed up in a rare type keeps its sum in float. */
static void cumulate(const infer_op_env *env, step_loop step, size_t rows, size_t n, const char *x,
                     char *y, bool product) {
    const cumulate_params *p = env->params;
    infer_type type = (infer_type)env->in[0]->type;
    bool rare = infer_compute_type(type) != type;
    size_t size = infer_type_size(type);
    ptrdiff_t row = (ptrdiff_t)(n * size) * (p->reverse ? -1 : 1);
    for (size_t at = 0; at < n; at += INFER_CHUNK) {
        size_t m = n - at < INFER_CHUNK ? n - at : INFER_CHUNK;
        infer_chunk sum, more;
        const char *from = x + at * size;
        char *to = y + at * size;
        if (p->reverse) {
            from += (rows - 1) * n * size;
            to += (rows - 1) * n * size;
        }
        for (size_t i = 0; i < m; i++) {
            if (rare)
                sum.f[i] = product;
            else if (type == INFER_TYPE_FLOAT || type == INFER_TYPE_DOUBLE)
                infer_store_double(type, &(double){product}, &sum, i, 1);
            else
                infer_store_int(type, &(int64_t){product}, &sum, i, 1);
        }
        const void *before = &sum;
        for (size_t r = 0; r < rows; r++, from += row, to += row) {
            if (rare) {
                infer_widen(type, from, more.f, m);
                if (p->exclusive)
                    infer_narrow(type, sum.f, to, m, false);
                step(sum.f, more.f, sum.f, m);
                if (!p->exclusive)
                    infer_narrow(type, sum.f, to, m, false);
                continue;
            }
            /* Exclusive: the row before has all but its own last term. */
            if (p->exclusive && r == 0)
                memcpy(to, &sum, m * size);
            else
                step(before, p->exclusive ? from - row : from, to, m);
            before = to;
        }
    }
}

static infer_status cumulate_run(infer_op_env *env, const step_loop *steps, bool product) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    int32_t axis = 0;
    INFER_TRY(infer_axis(infer_index(env->in[1], 0), x->rank, &axis));
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    infer_type type = (infer_type)x->type;
    size_t size = infer_type_size(type), rows = (size_t)x->dim[axis];
    size_t outer = (size_t)infer_span(x, 0, axis), n = (size_t)infer_span(x, axis + 1, x->rank);
    bool is_float = infer_type_kind(type) == INFER_CLASS_FLOATING;
    step_loop step = steps[(is_float ? 0 : 2) + (size == 8)];
    for (size_t o = 0; o < outer; o++) {
        size_t at = o * rows * n * size;
        cumulate(env, step, rows, n, (const char *)x->data + at, (char *)y->data + at, product);
    }
    return INFER_OK;
}

static infer_status cum_sum_run(infer_op_env *env) {
    static const step_loop steps[] = {sum_FLOAT, sum_DOUBLE, sum_UINT32, sum_UINT64};
    return cumulate_run(env, steps, false);
}

static infer_status cum_prod_run(infer_op_env *env) {
    static const step_loop steps[] = {prod_FLOAT, prod_DOUBLE, prod_UINT32, prod_UINT64};
    return cumulate_run(env, steps, true);
}

#define CUMULATE_OP(op_name, snake, first)                                                         \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = op_name,                                                                           \
        .since = first,                                                                            \
        .newest = 27,                                                                              \
        .params_size = sizeof(cumulate_params),                                                    \
        .min_in = 2,                                                                               \
        .max_in = 2,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .attr_count = 2,                                                                           \
        .attrs = cumulate_attrs,                                                                   \
        .types = {T_FLOAT | T(INT32) | T(INT64) | T(UINT32) | T(UINT64), T_INDEX},                 \
        .infer = cumulate_infer,                                                                   \
        .run = snake##_run,                                                                        \
    };
CUMULATE_OP("CumSum", cum_sum, 11)
CUMULATE_OP("CumProd", cum_prod, 26)
