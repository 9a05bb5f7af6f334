/* CumSum and CumProd: running sums and products along an axis. */
#include "axes.h"
#include "chunk.h"
#include "op.h"
#include "status.h"

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

/* Rows of m elements (at most a chunk), `row` elements apart: each becomes what the expression
 * makes of the rows up to it, from `first` on. A single column stays in a register. */
#define WALK(name, ctype, expr)                                                                    \
    static void name(const void *x_, void *y_, size_t rows, ptrdiff_t row, size_t m,               \
                     bool exclusive, int first) {                                                  \
        const ctype *x = x_;                                                                       \
        ctype *y = y_, sum[INFER_CHUNK], a = (ctype)first;                                         \
        for (size_t r = 0; m == 1 && r < rows; r++, x += row, y += row) {                          \
            ctype b = *x, before = a;                                                              \
            a = expr;                                                                              \
            *y = exclusive ? before : a;                                                           \
        }                                                                                          \
        for (size_t i = 0; i < m; i++)                                                             \
            sum[i] = (ctype)first;                                                                 \
        for (size_t r = 0; m > 1 && r < rows; r++, x += row, y += row)                             \
            for (size_t i = 0; i < m; i++) {                                                       \
                ctype b = x[i];                                                                    \
                a = sum[i];                                                                        \
                sum[i] = expr;                                                                     \
                y[i] = exclusive ? a : sum[i];                                                     \
            }                                                                                      \
    }
#define WALKS(suffix, ctype)                                                                       \
    WALK(sum_##suffix, ctype, a + b)                                                               \
    WALK(prod_##suffix, ctype, a *b)
INFER_FLOAT_TYPES(WALKS)
WALKS(UINT32, uint32_t)
WALKS(UINT64, uint64_t)

typedef void (*walk_loop)(const void *x, void *y, size_t rows, ptrdiff_t row, size_t m,
                          bool exclusive, int first);

/* The same for elements of a rare type, whose sums are floats. */
static void walk_rare(infer_type type, const char *x, char *y, size_t rows, ptrdiff_t row, size_t m,
                      bool exclusive, bool product) {
    infer_chunk sum, more;
    for (size_t i = 0; i < m; i++)
        sum.f[i] = product;
    for (size_t r = 0; r < rows; r++, x += row, y += row) {
        infer_widen(type, x, more.f, m);
        if (exclusive)
            infer_narrow(type, sum.f, y, m, false);
        for (size_t i = 0; i < m; i++)
            sum.f[i] = product ? sum.f[i] * more.f[i] : sum.f[i] + more.f[i];
        if (!exclusive)
            infer_narrow(type, sum.f, y, m, false);
    }
}

static infer_status cumulate_run(infer_op_env *env, const walk_loop *walks, bool product) {
    const cumulate_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    int32_t axis = 0;
    INFER_TRY(infer_axis(infer_index(env->in[1], 0), x->rank, &axis));
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    infer_type type = (infer_type)x->type;
    size_t size = infer_type_size(type), rows = (size_t)x->dim[axis];
    size_t outer = (size_t)infer_span(x, 0, axis), n = (size_t)infer_span(x, axis + 1, x->rank);
    bool is_float = infer_type_kind(type) == INFER_CLASS_FLOATING, exclusive = p->exclusive != 0;
    walk_loop walk = walks[(is_float ? 0 : 2) + (size == 8)];
    ptrdiff_t row = p->reverse ? -(ptrdiff_t)n : (ptrdiff_t)n;
    for (size_t o = 0; o < outer; o++)
        for (size_t c = 0; c < n; c += INFER_CHUNK) {
            size_t m = n - c < INFER_CHUNK ? n - c : INFER_CHUNK;
            size_t at = ((o * rows + (p->reverse ? rows - 1 : 0)) * n + c) * size;
            const char *from = (const char *)x->data + at;
            char *to = (char *)y->data + at;
            if (size < sizeof(float))
                walk_rare(type, from, to, rows, row * (ptrdiff_t)size, m, exclusive, product);
            else
                walk(from, to, rows, row, m, exclusive, product);
        }
    return INFER_OK;
}

static infer_status cum_sum_run(infer_op_env *env) {
    static const walk_loop walks[] = {sum_FLOAT, sum_DOUBLE, sum_UINT32, sum_UINT64};
    return cumulate_run(env, walks, false);
}

static infer_status cum_prod_run(infer_op_env *env) {
    static const walk_loop walks[] = {prod_FLOAT, prod_DOUBLE, prod_UINT32, prod_UINT64};
    return cumulate_run(env, walks, true);
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
