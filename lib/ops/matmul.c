/* MatMul, and what it becomes where B is constant: a product with weights packed at load. */
#include "axes.h"
#include "broadcast.h"
#include "checked.h"
#include "op.h"
#include "pack.h"
#include "pack_weights.h"
#include "product.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

#include <math.h>

/* ---- MatMul ---- */

/* Both inputs as stacks of matrices; extents are -1 where unknown. */
typedef struct stacks {
    int64_t m, n, k;
    infer_view a, b, all; /* the axes before the last two; all: broadcast */
} stacks;

static infer_view leading(const infer_view *v) {
    infer_view front = *v;
    front.rank = v->rank > 2 ? v->rank - 2 : 0;
    return front;
}

static infer_status read_stacks(const infer_view *a, const infer_view *b, stacks *s) {
    if (a->rank == 0 || b->rank == 0)
        return infer_fail(INFER_ERROR_SHAPE, "a scalar is no matrix");
    int64_t k = b->dim[b->rank == 1 ? 0 : b->rank - 2];
    s->k = a->dim[a->rank - 1];
    s->m = a->rank == 1 ? 1 : a->dim[a->rank - 2];
    s->n = b->rank == 1 ? 1 : b->dim[b->rank - 1];
    if (s->k >= 0 && k >= 0 && s->k != k)
        return infer_fail(INFER_ERROR_SHAPE, "%lld columns of A meet %lld rows of B",
                          (long long)s->k, (long long)k);
    s->a = leading(a);
    s->b = leading(b);
    s->all = (infer_view){.rank = 0};
    const infer_view *both[] = {&s->a, &s->b};
    return infer_broadcast_shape(both, 2, &s->all);
}

/* One B serves all of A's matrices: they are one matrix. */
static bool is_single(const stacks *s) {
    return infer_view_count(&s->b) == 1;
}

static infer_product product_of(const infer_view *a, const stacks *s) {
    size_t stacked = is_single(s) ? (size_t)infer_view_count(&s->a) : 1;
    return (infer_product){.type = (infer_type)a->type,
                           .m = (size_t)s->m * stacked,
                           .n = (size_t)s->n,
                           .k = (size_t)s->k};
}

static infer_status matmul_infer(infer_op_env *env) {
    const infer_view *a = env->in[0], *b = env->in[1];
    infer_view spare, *y = infer_out(env, 0, a->type, -1, &spare);
    stacks s;
    if (a->rank < 0 || b->rank < 0)
        return INFER_OK;
    INFER_TRY(read_stacks(a, b, &s));
    infer_view out = s.all;
    if (out.rank + (a->rank > 1) + (b->rank > 1) > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "the rank is too high");
    if (a->rank > 1)
        out.dim[out.rank++] = s.m;
    if (b->rank > 1)
        out.dim[out.rank++] = s.n;
    y->rank = out.rank;
    for (int32_t i = 0; i < out.rank; i++)
        y->dim[i] = out.dim[i];
    if (!infer_view_concrete(a) || !infer_view_concrete(b))
        return INFER_OK;
    infer_product p = product_of(a, &s);
    INFER_TRY(infer_product_plan(&p));
    size_t workers = is_single(&s) ? 1 : infer_workers(env);
    if (!infer_mul(p.scratch, workers, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the product does not fit memory");
    return INFER_OK;
}

/* Products number [first, end) of a stack, in one thread. */
typedef struct stack_work {
    infer_op_env *env;
    const stacks *s;
    const infer_product *p;
    size_t count, parts;
} stack_work;

static void stack_part(void *arg, size_t part, size_t worker) {
    const stack_work *w = arg;
    const infer_view *a = w->env->in[0], *b = w->env->in[1];
    const infer_view *both[] = {&w->s->a, &w->s->b};
    infer_op_env env = *w->env;
    infer_product p = *w->p;
    infer_broadcast walk;
    size_t first, end, size = infer_type_size(p.type), last = SIZE_MAX, at = 0;
    infer_part(w->count, 1, w->parts, part, &first, &end);
    infer_broadcast_begin(&walk, both, 2, &w->s->all);
    env.workers = 1;
    env.scratch = env.scratch ? (char *)env.scratch + worker * p.scratch : NULL;
    if (walk.empty)
        return;
    do {
        for (size_t i = 0; i < walk.inner && at < end; i++, at++) {
            size_t at_a = walk.at[0] + walk.step[0] * i, at_b = walk.at[1] + walk.step[1] * i;
            if (at < first)
                continue;
            if (at_b != last)
                infer_product_set_b(&p, (const char *)b->data + at_b * p.k * p.n * size,
                                    env.scratch);
            last = at_b;
            infer_product_run(&p, &env, (const char *)a->data + at_a * p.m * p.k * size,
                              (char *)w->env->out[0]->data + at * p.m * p.n * size, env.scratch);
        }
    } while (at < end && infer_broadcast_next(&walk));
}

static infer_status matmul_run(infer_op_env *env) {
    const infer_view *a = env->in[0], *b = env->in[1];
    infer_view *y = env->out[0];
    stacks s;
    if (!y)
        return INFER_OK;
    INFER_TRY(read_stacks(a, b, &s));
    infer_product p = product_of(a, &s);
    INFER_TRY(infer_product_plan(&p));
    if (is_single(&s)) {
        infer_product_set_b(&p, b->data, env->scratch);
        infer_product_run(&p, env, a->data, y->data, env->scratch);
        return INFER_OK;
    }
    stack_work w = {env, &s, &p, (size_t)infer_view_count(&s.all), 1};
    w.parts =
        infer_parts(env, w.count, (double)p.m * (double)p.n * (double)p.k * INFER_PRODUCT_COST);
    infer_parallel(env, w.parts, stack_part, &w);
    return INFER_OK;
}

/* ---- packed weights ---- */

enum activation { NONE, RELU, SIGMOID, TANH, GELU, GELU_TANH };

typedef struct packed_params {
    int64_t n; /* columns; the last panel may be wider */
    int64_t activation;
} packed_params;

static const infer_op_attr packed_attrs[] = {
    A_INT(packed_params, n, 0),
    A_ENUM(packed_params, activation, NONE, "none|relu|sigmoid|tanh|gelu|gelu_tanh"),
};

/* Columns of narrow weights that are widened at a time: what the second cache holds. */
#define NARROW_ELEMENTS 131072

static size_t narrow_columns(size_t k, size_t n) {
    size_t all = (n + INFER_PANEL - 1) / INFER_PANEL * INFER_PANEL;
    size_t fits = NARROW_ELEMENTS / (k ? k : 1) / (4 * INFER_PANEL) * (4 * INFER_PANEL);
    fits = fits ? fits : 2 * INFER_PANEL;
    return fits < all ? fits : all;
}

static bool is_narrow(const infer_view *w) {
    return w->type == INFER_TYPE_INT8 || w->type == INFER_TYPE_BFLOAT16;
}

static infer_status packed_infer(infer_op_env *env) {
    const packed_params *p = env->params;
    const infer_view *a = env->in[0], *w = env->in[1];
    const infer_view *bias = infer_has_input(env, 2) ? env->in[2] : NULL;
    infer_view spare, *y = infer_out(env, 0, a->type, a->rank, &spare);
    const bool narrow = is_narrow(w);
    const int64_t scales = w->type == INFER_TYPE_INT8 ? INFER_SCALE_ROWS : 0;
    const int64_t rows = w->rank == 3 ? w->dim[1] - scales : w->dim[1];
    if (narrow ? a->type != INFER_TYPE_FLOAT : w->type != a->type)
        return infer_fail(INFER_ERROR_TYPE, "the weights have another type");
    if (w->rank != 3 || rows < 0 || w->dim[2] != INFER_PANEL || p->n < 0 ||
        w->dim[0] != infer_panels(p->n))
        return infer_fail(INFER_ERROR_SHAPE, "packed weights do not have %lld columns",
                          (long long)p->n);
    if (p->activation != NONE && a->type != INFER_TYPE_FLOAT)
        return infer_fail(INFER_ERROR_TYPE, "an activation of what is no float");
    if (bias && (bias->rank != 1 || (bias->dim[0] >= 0 && bias->dim[0] != p->n)))
        return infer_fail(INFER_ERROR_SHAPE, "the bias does not fit %lld columns", (long long)p->n);
    if (a->rank < 0)
        return INFER_OK;
    if (a->rank == 0)
        return infer_fail(INFER_ERROR_SHAPE, "a scalar is no matrix");
    int64_t k = a->dim[a->rank - 1];
    if (k >= 0 && k != rows)
        return infer_fail(INFER_ERROR_SHAPE, "%lld columns of A meet %lld rows of B", (long long)k,
                          (long long)rows);
    for (int32_t i = 0; i < a->rank - 1; i++)
        y->dim[i] = a->dim[i];
    y->dim[a->rank - 1] = p->n;
    size_t at, columns = narrow_columns((size_t)rows, (size_t)p->n);
    if (narrow && infer_view_concrete(a) &&
        !infer_scratch_take(&env->scratch_size, columns * infer_workers(env), (size_t)rows,
                            sizeof(float), &at))
        return infer_fail(INFER_ERROR_SHAPE, "the weights do not fit memory");
    return INFER_OK;
}

/* Rows from which on products in bfloat16 pay. */
#define HALF_LEAST_ROWS 8

/* The same scratch serves either way of computing. */
static infer_status half_infer(infer_op_env *env) {
    size_t least;
    INFER_TRY(packed_infer(env));
    if (!infer_mul(INFER_HALF_SCRATCH, infer_workers(env), &least))
        return infer_fail(INFER_ERROR_SHAPE, "so many threads do not fit memory");
    if (infer_view_concrete(env->in[0]) && env->scratch_size < least)
        env->scratch_size = least;
    return INFER_OK;
}

/* What is computed before it is activated: it should still be in the second cache then. */
#define BLOCK_ROWS     128
#define BLOCK_ELEMENTS 65536

static void activate(const infer_kernels *k, int64_t activation, float *c, size_t n) {
    const infer_activation by_tanh = INFER_ACTIVATION(INFER_ACTIVATION_GELU_TANH, 0, 0);
    if (activation == SIGMOID)
        k->sigmoid_f32(c, c, n);
    else if (activation == TANH)
        k->tanh_f32(c, c, n);
    else if (activation == GELU)
        k->gelu_f32(c, c, n);
    else if (activation == GELU_TANH)
        k->activate_f32(&by_tanh, c, c, n);
    else
        k->clip_f32(c, c, n, 0, INFINITY);
}

typedef struct packed_work {
    const infer_kernels *kernels;
    infer_grid grid;
    infer_type type, weights; /* element types */
    int64_t activation;
    bool half; /* products in bfloat16 */
    size_t k;
    const void *a, *w, *bias; /* NULL: none */
    void *narrow;             /* NULL, or each thread's scratch for narrow weights */
    void *c;
} packed_work;

/* What was computed of some rows, in place. */
static void finish_rows(const packed_work *w, float *c, size_t rows, size_t columns) {
    for (size_t r = 0; w->activation != NONE && r < rows; r++)
        activate(w->kernels, w->activation, c + r * w->grid.n, columns);
}

/* Rows are shared out evenly, as a single one would be summed in another order. */
static void run_active(const packed_work *w, const float *a, const float *b, const float *bias,
                       float *c, size_t m, size_t n) {
    const size_t blocks = m / BLOCK_ROWS + (m % BLOCK_ROWS != 0), ldc = w->grid.n;
    for (size_t i = 0, row = 0, rows; i < blocks; i++, row += rows) {
        rows = m / blocks + (i < m % blocks);
        size_t step = BLOCK_ELEMENTS / rows / (2 * INFER_PANEL) * (2 * INFER_PANEL);
        for (size_t j = 0; j < n; j += step) {
            size_t columns = n - j < step ? n - j : step;
            float *to = c + row * ldc + j;
            w->kernels->gemm_packed_f32(rows, columns, w->k, a + row * w->k, w->k, b + j * w->k,
                                        bias ? bias + j : NULL, to, ldc);
            finish_rows(w, to, rows, columns);
        }
    }
}

/* One panel, as it was before it was packed; where the next is. */
static const char *widen_panel(const packed_work *w, const char *panel, float *to) {
    const size_t count = w->k * INFER_PANEL;
    if (w->weights == INFER_TYPE_BFLOAT16) {
        w->kernels->widen_half_f32((const uint16_t *)(const void *)panel, to, count);
        return panel + count * sizeof(uint16_t);
    }
    const char *integers = panel + INFER_SCALE_ROWS * INFER_PANEL;
    w->kernels->widen_panel_f32(w->k, (const int8_t *)integers, (const float *)(const void *)panel,
                                to);
    return integers + count;
}

/* Rows up to which widening a panel costs more than it saves. */
#define SCALED_ROWS 20

/* Panels widened in registers, or a few at a time. */
static void run_narrow(const packed_work *w, const infer_tile *t, float *wide) {
    const size_t k = w->k, ldc = w->grid.n;
    const size_t step = narrow_columns(k, ldc),
                 rows = (w->weights == INFER_TYPE_INT8 ? INFER_SCALE_ROWS : 0) + k;
    const char *b = (const char *)w->w +
                    t->column / INFER_PANEL * rows * INFER_PANEL * infer_type_size(w->weights);
    const float *a = (const float *)w->a + t->row * k;
    float *c = (float *)w->c + t->row * ldc;
    if (w->weights == INFER_TYPE_INT8 && t->rows <= SCALED_ROWS) {
        c += t->column;
        w->kernels->gemm_scaled_f32(t->rows, t->columns, k, a, k, b,
                                    w->bias ? (const float *)w->bias + t->column : NULL, c, ldc);
        finish_rows(w, c, t->rows, t->columns);
        return;
    }
    for (size_t j = t->column, columns; j < t->column + t->columns; j += columns) {
        const float *bias = w->bias ? (const float *)w->bias + j : NULL;
        columns = t->column + t->columns - j;
        columns = columns < step ? columns : step;
        for (size_t i = 0; i < columns; i += INFER_PANEL)
            b = widen_panel(w, b, wide + i * k);
        w->kernels->gemm_packed_f32(t->rows, columns, k, a, k, wide, bias, c + j, ldc);
        finish_rows(w, c + j, t->rows, columns);
    }
}

/* Both rounded to bfloat16, where the processor has that. Few rows wait for the weights anyway. */
static bool run_half(const packed_work *w, const infer_tile *t, void *scratch) {
    if (!w->half || w->grid.m < HALF_LEAST_ROWS)
        return false;
    const uint16_t *b = (const uint16_t *)w->w + t->column * w->k;
    const float *bias = w->bias ? (const float *)w->bias + t->column : NULL;
    for (size_t i = 0, rows; i < t->rows; i += rows) {
        rows = t->rows - i < INFER_HALF_ROWS ? t->rows - i : INFER_HALF_ROWS;
        const float *a = (const float *)w->a + (t->row + i) * w->k;
        float *c = (float *)w->c + (t->row + i) * w->grid.n + t->column;
        if (!w->kernels->gemm_half_f32(rows, t->columns, w->k, a, w->k, b, bias, c, w->grid.n,
                                       scratch))
            return false;
        finish_rows(w, c, rows, t->columns);
    }
    return true;
}

static void packed_part(void *arg, size_t part, size_t worker) {
    const packed_work *w = arg;
    const infer_tile t = infer_grid_tile(&w->grid, part);
    const size_t size = infer_type_size(w->type), n = w->grid.n;
    if (w->narrow) {
        const size_t wide = narrow_columns(w->k, n) * w->k * sizeof(float);
        if (!run_half(w, &t, (char *)w->narrow + worker * INFER_HALF_SCRATCH))
            run_narrow(w, &t, (float *)(void *)((char *)w->narrow + worker * wide));
        return;
    }
    const void *a = infer_behind(w->a, t.row * w->k * size);
    const void *b = infer_behind(w->w, t.column * w->k * size);
    const void *bias = w->bias ? (const char *)w->bias + t.column * size : NULL;
    void *c = (char *)w->c + (t.row * n + t.column) * size;
    if (w->activation != NONE)
        run_active(w, a, b, bias, c, t.rows, t.columns);
    else if (w->type == INFER_TYPE_FLOAT)
        w->kernels->gemm_packed_f32(t.rows, t.columns, w->k, a, w->k, b, bias, c, n);
    else
        w->kernels->gemm_packed_f64(t.rows, t.columns, w->k, a, w->k, b, bias, c, n);
}

static infer_status run_packed(infer_op_env *env, bool half) {
    const packed_params *p = env->params;
    const infer_view *a = env->in[0], *w = env->in[1], *y = env->out[0];
    if (!y)
        return INFER_OK;
    size_t m = (size_t)infer_span(a, 0, a->rank - 1);
    size_t k = (size_t)w->dim[1] - (w->type == INFER_TYPE_INT8 ? INFER_SCALE_ROWS : 0);
    packed_work work = {.kernels = env->kernels,
                        .grid = infer_grid_of(env, m, (size_t)p->n, k),
                        .type = (infer_type)a->type,
                        .weights = (infer_type)w->type,
                        .activation = p->activation,
                        .half = half,
                        .k = k,
                        .a = a->data,
                        .w = w->data,
                        .bias = infer_has_input(env, 2) ? env->in[2]->data : NULL,
                        .narrow = is_narrow(w) ? env->scratch : NULL,
                        .c = y->data};
    infer_parallel(env, work.grid.rows * work.grid.columns, packed_part, &work);
    return INFER_OK;
}

static infer_status packed_run(infer_op_env *env) {
    return run_packed(env, false);
}

static infer_status half_run(infer_op_env *env) {
    return run_packed(env, true);
}

static infer_status matmul_prepare(infer_rewriter *rw) {
    uint32_t a = rw->input(rw, 0), b = rw->input(rw, 1);
    infer_view w = *rw->shape(rw, b);
    if (!rw->is_constant(rw, b) || w.rank != 2 || w.dim[1] == 1 ||
        (w.type != INFER_TYPE_FLOAT && w.type != INFER_TYPE_DOUBLE))
        return INFER_OK; /* one column is a product with a vector, which needs no panels */
    uint32_t packed = infer_pack_weights(rw, b, false);
    INFER_TRY(rw->set_input(rw, 0, a));
    INFER_TRY(rw->set_input(rw, 1, packed));
    INFER_TRY(infer_set_int(rw, "n", w.dim[1]));
    return rw->become(rw, "infer", "MatMulPacked");
}

/* ---- the operators ---- */

#define T_PRODUCT (T_FLOAT | T(INT32) | T(INT64) | T(UINT32) | T(UINT64))

const infer_op infer_op_mat_mul = {
    .domain = "",
    .name = "MatMul",
    .since = 1,
    .newest = 27,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T_PRODUCT, T_PRODUCT | T_SAME},
    .infer = matmul_infer,
    .prepare = matmul_prepare,
    .run = matmul_run,
    .work = infer_work_rows,
};

/* clang-format off */
#define PACKED_OP(op_name)                                                                         \
    .domain = "infer", .name = op_name, .since = 1, .newest = 1,                                   \
    .params_size = sizeof(packed_params), .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1,    \
    .attr_count = sizeof packed_attrs / sizeof *packed_attrs, .attrs = packed_attrs
/* clang-format on */

/* A times packed weights, wide or narrow (pack_weights.h), plus, where it is given, a bias [n]. */
const infer_op infer_op_infer_mat_mul_packed = {
    PACKED_OP("MatMulPacked"),
    .revision = 1,
    .types = {T(FLOAT) | T(DOUBLE), T(FLOAT) | T(DOUBLE) | T(INT8) | T(BFLOAT16), T_SAME},
    .infer = packed_infer,
    .run = packed_run,
    .work = infer_work_rows,
};

/* The same where A may be rounded to bfloat16, too: on request alone. */
const infer_op infer_op_infer_mat_mul_half = {
    PACKED_OP("MatMulHalf"), .types = {T(FLOAT), T(BFLOAT16), T_SAME},
    .infer = half_infer,     .run = half_run,
    .work = infer_work_rows,
};
