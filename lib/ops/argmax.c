/* ArgMax and ArgMin: where along an axis the largest or smallest element stands. */
#include "axes.h"
#include "chunk.h"
#include "op.h"
#include "status.h"

typedef struct arg_params {
    int64_t axis, keepdims, select_last_index;
} arg_params;

static const infer_op_attr arg_attrs[] = {A_INT(arg_params, axis, 0),
                                          A_INT(arg_params, keepdims, 1),
                                          A_INT(arg_params, select_last_index, 0)};

static infer_status arg_infer(infer_op_env *env) {
    const arg_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_INT64, -1, &spare);
    if (x->rank < 0)
        return INFER_OK;
    int32_t axis = 0;
    if (x->rank > 0 || (p->axis != 0 && p->axis != -1)) /* a scalar counts as one element */
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    if (x->rank > 0 && x->dim[axis] == 0)
        return infer_fail(INFER_ERROR_SHAPE, "axis %d is empty", (int)axis);
    y->rank = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        if (i != axis)
            y->dim[y->rank++] = x->dim[i];
        else if (p->keepdims)
            y->dim[y->rank++] = 1;
    }
    return INFER_OK;
}

/* Rows of n candidates, numbered from `row` on, against the best so far. A NaN wins and stays, as
 * it does in NumPy. Ties go to the first row, or to the last. */
#define BEST(suffix, ctype, member)                                                                \
    static void best_##suffix(const ctype *x, size_t rows, size_t n, int64_t row, bool max,        \
                              bool last, infer_chunk *best, int64_t *where) {                      \
        for (size_t r = 0; r < rows; r++, row++, x += n) {                                         \
            for (size_t i = 0; i < n; i++) {                                                       \
                ctype v = x[i], b = best->member[i];                                               \
                bool better = max ? v > b : v < b, both_nan = v != v && b != b;                    \
                bool wins = better || (v != v && b == b) || (last && (v == b || both_nan));        \
                if (row == 0 || wins) {                                                            \
                    best->member[i] = v;                                                           \
                    where[i] = row;                                                                \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
BEST(float, float, f)
BEST(double, double, d)
BEST(int, int64_t, i)
BEST(uint, uint64_t, u)

static infer_status arg_run(infer_op_env *env, bool max) {
    const arg_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int32_t axis = 0;
    if (x->rank > 0)
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    bool last = p->select_last_index != 0, scalar = x->rank == 0;
    size_t outer = (size_t)infer_span(x, 0, axis), rows = scalar ? 1 : (size_t)x->dim[axis];
    size_t inner = scalar ? 1 : (size_t)infer_span(x, axis + 1, x->rank);
    infer_type type = (infer_type)x->type, wide = infer_wide_type(type);
    size_t together = inner == 1 ? INFER_CHUNK : 1; /* rows that lie in one piece */
    int64_t *where = y->data;
    for (size_t o = 0; o < outer; o++, where += inner) {
        for (size_t c = 0; c < inner; c += INFER_CHUNK) {
            infer_chunk best, chunk;
            size_t n = inner - c < INFER_CHUNK ? inner - c : INFER_CHUNK, count;
            for (size_t r = 0; r < rows; r += count) {
                count = rows - r < together ? rows - r : together;
                const void *from =
                    infer_load_wide(type, x->data, (o * rows + r) * inner + c, n * count, &chunk);
                int64_t first = (int64_t)r;
                if (wide == INFER_TYPE_FLOAT)
                    best_float(from, count, n, first, max, last, &best, where + c);
                else if (wide == INFER_TYPE_DOUBLE)
                    best_double(from, count, n, first, max, last, &best, where + c);
                else if (wide == INFER_TYPE_INT64)
                    best_int(from, count, n, first, max, last, &best, where + c);
                else
                    best_uint(from, count, n, first, max, last, &best, where + c);
            }
        }
    }
    return INFER_OK;
}

#define ARG_OP(op_name, snake, is_max)                                                             \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        return arg_run(env, is_max);                                                               \
    }                                                                                              \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = #op_name,                                                                          \
        .since = 1,                                                                                \
        .newest = 27,                                                                              \
        .params_size = sizeof(arg_params),                                                         \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .attr_count = 3,                                                                           \
        .attrs = arg_attrs,                                                                        \
        .types = {T_NUMERIC},                                                                      \
        .infer = arg_infer,                                                                        \
        .run = snake##_run,                                                                        \
    };
ARG_OP(ArgMax, arg_max, true)
ARG_OP(ArgMin, arg_min, false)
