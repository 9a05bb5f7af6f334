/* Gemm: alpha * A * B + beta * C, each of A and B transposed or not. */
#include "axes.h"
#include "chunk.h"
#include "convert.h"
#include "op.h"
#include "pack_weights.h"
#include "product.h"
#include "status.h"

typedef struct gemm_params {
    float alpha, beta;
    int64_t transA, transB;
} gemm_params;

static const infer_op_attr gemm_attrs[] = {
    A_FLOAT(gemm_params, alpha, 1),
    A_FLOAT(gemm_params, beta, 1),
    A_INT(gemm_params, transA, 0),
    A_INT(gemm_params, transB, 0),
};

/* ---- shapes ---- */

static int64_t extent(const infer_view *v, int32_t axis) {
    return v->rank < 0 ? -1 : v->dim[axis];
}

static infer_status check_c(const infer_view *c, const int64_t *out) {
    if (c->rank > 2)
        return infer_fail(INFER_ERROR_SHAPE, "C has rank %d", (int)c->rank);
    for (int32_t i = 0; i < c->rank; i++) {
        int64_t n = c->dim[i], of = out[2 - c->rank + i];
        if (n >= 0 && n != 1 && of >= 0 && n != of)
            return infer_fail(INFER_ERROR_SHAPE, "C has extent %lld where the product has %lld",
                              (long long)n, (long long)of);
    }
    return INFER_OK;
}

static infer_product product_of(const infer_op_env *env) {
    const gemm_params *p = env->params;
    const infer_view *a = env->in[0], *b = env->in[1];
    return (infer_product){.type = (infer_type)a->type,
                           .m = (size_t)a->dim[p->transA ? 1 : 0],
                           .n = (size_t)b->dim[p->transB ? 0 : 1],
                           .k = (size_t)a->dim[p->transA ? 0 : 1],
                           .trans_a = p->transA != 0,
                           .trans_b = p->transB != 0};
}

static infer_status gemm_infer(infer_op_env *env) {
    const gemm_params *p = env->params;
    const infer_view *a = env->in[0], *b = env->in[1];
    infer_view spare, *y = infer_out(env, 0, a->type, 2, &spare);
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2))
        return infer_fail(INFER_ERROR_SHAPE, "A and B have ranks %d and %d instead of 2",
                          (int)a->rank, (int)b->rank);
    int64_t k = extent(a, p->transA ? 0 : 1), k_b = extent(b, p->transB ? 1 : 0);
    if (k >= 0 && k_b >= 0 && k != k_b)
        return infer_fail(INFER_ERROR_SHAPE, "%lld columns of A meet %lld rows of B", (long long)k,
                          (long long)k_b);
    y->dim[0] = extent(a, p->transA ? 1 : 0);
    y->dim[1] = extent(b, p->transB ? 0 : 1);
    if (infer_has_input(env, 2))
        INFER_TRY(check_c(env->in[2], y->dim));
    if (!infer_view_concrete(a) || !infer_view_concrete(b))
        return INFER_OK;
    infer_product product = product_of(env);
    INFER_TRY(infer_product_plan(&product));
    env->scratch_size = product.scratch;
    return INFER_OK;
}

/* ---- alpha, beta and C ---- */

typedef struct ending {
    double alpha, beta;
    const infer_view *c; /* NULL: none */
    size_t row, column;  /* its strides */
} ending;

static ending ending_of(const infer_op_env *env) {
    const gemm_params *p = env->params;
    const infer_view *c = infer_has_input(env, 2) && p->beta != 0 ? env->in[2] : NULL;
    ending e = {.alpha = (double)p->alpha, .beta = (double)p->beta, .c = c};
    if (c) {
        int64_t columns = c->rank > 0 ? c->dim[c->rank - 1] : 1;
        e.column = columns != 1;
        e.row = c->rank == 2 && c->dim[0] != 1 ? (size_t)columns : 0;
    }
    return e;
}

#define FINISH_FLOAT(name, ctype, load)                                                            \
    static void name(const infer_product *p, size_t row, size_t rows, void *c_) {                  \
        const ending *e = p->user;                                                                 \
        const ctype alpha = (ctype)e->alpha, beta = (ctype)e->beta;                                \
        ctype *c = c_;                                                                             \
        for (size_t r = row; r < row + rows; r++, c += p->n) {                                     \
            for (size_t j = 0; j < p->n && alpha != 1; j++)                                        \
                c[j] *= alpha;                                                                     \
            for (size_t at = 0; at < p->n && e->c; at += INFER_CHUNK) {                            \
                infer_chunk chunk;                                                                 \
                size_t n = p->n - at < INFER_CHUNK ? p->n - at : INFER_CHUNK;                      \
                const ctype *add = load((infer_type)e->c->type, e->c->data,                        \
                                        r * e->row + at * e->column, e->column ? n : 1, &chunk);   \
                for (size_t j = 0; j < n; j++)                                                     \
                    c[at + j] += beta * add[j * e->column];                                        \
            }                                                                                      \
        }                                                                                          \
    }
FINISH_FLOAT(finish_float, float, infer_load_float)
FINISH_FLOAT(finish_double, double, infer_load_double)

/* Integers wrap where factors are one, and are scaled in double otherwise. */
#define FINISH_INT(suffix, ctype)                                                                  \
    static void finish_##suffix(const infer_product *p, size_t row, size_t rows, void *c_) {       \
        const ending *e = p->user;                                                                 \
        const ctype *add = e->c ? e->c->data : NULL;                                               \
        ctype *c = c_;                                                                             \
        for (size_t r = row; r < row + rows; r++, c += p->n)                                       \
            for (size_t j = 0; j < p->n; j++) {                                                    \
                ctype more = add ? add[r * e->row + j * e->column] : 0;                            \
                c[j] = e->alpha == 1 && (!add || e->beta == 1)                                     \
                           ? (ctype)((uint64_t)c[j] + (uint64_t)more)                              \
                           : INFER_TO_##suffix(e->alpha * (double)c[j] + e->beta * (double)more);  \
            }                                                                                      \
    }
FINISH_INT(INT32, int32_t)
FINISH_INT(INT64, int64_t)
FINISH_INT(UINT32, uint32_t)
FINISH_INT(UINT64, uint64_t)

static infer_status gemm_run(infer_op_env *env) {
    infer_product p = product_of(env);
    ending e = ending_of(env);
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    INFER_TRY(infer_product_plan(&p));
    p.user = &e;
    if (e.c || e.alpha != 1) {
        switch (infer_compute_type(p.type)) {
#define FINISH_CASE(suffix, function)                                                              \
    case INFER_TYPE_##suffix:                                                                      \
        p.finish = function;                                                                       \
        break;
            FINISH_CASE(INT32, finish_INT32)
            FINISH_CASE(INT64, finish_INT64)
            FINISH_CASE(UINT32, finish_UINT32)
            FINISH_CASE(UINT64, finish_UINT64)
            FINISH_CASE(DOUBLE, finish_double)
        default:
            p.finish = finish_float;
        }
    }
    infer_product_set_b(&p, env->in[1]->data, env->scratch);
    infer_product_run(&p, env, env->in[0]->data, y->data, env->scratch);
    return INFER_OK;
}

/* ---- loading ---- */

/* Before version 7 C was broadcast only when asked to. */
static infer_status gemm_upgrade(infer_rewriter *rw) {
    if (rw->version >= 7)
        return INFER_OK;
    const infer_attr *a = rw->attr(rw, "broadcast");
    if (a && a->type != INFER_ATTR_INT)
        return infer_fail(INFER_ERROR_FORMAT, "attribute broadcast has the wrong type (%d)",
                          (int)a->type);
    uint32_t c = rw->input(rw, 2);
    int32_t rank = c == INFER_NO_VALUE ? 2 : rw->view(rw, c)->rank;
    if (!(a && a->i) && rank >= 0 && rank != 2)
        return infer_fail(INFER_ERROR_SHAPE, "C has rank %d and broadcast is not set", (int)rank);
    rw->drop_attr(rw, "broadcast");
    return INFER_OK;
}

static int64_t int_attr(infer_rewriter *rw, const char *name) {
    const infer_attr *a = rw->attr(rw, name);
    return a ? a->i : 0;
}

static float float_attr(infer_rewriter *rw, const char *name) {
    const infer_attr *a = rw->attr(rw, name);
    return a ? a->f : 1;
}

/* x times a scalar of its type; x itself where that is one. */
static uint32_t scaled(infer_rewriter *rw, uint32_t x, uint8_t type, float by) {
    float f = by;
    double d = (double)by;
    infer_view scalar = {.type = type, .data = type == INFER_TYPE_DOUBLE ? (void *)&d : &f};
    if (by == 1 || x == INFER_NO_VALUE)
        return x;
    uint32_t inputs[] = {x, rw->constant(rw, &scalar)};
    return rw->add(rw, "", "Mul", inputs, 2, NULL, 0);
}

static uint32_t transposed(infer_rewriter *rw, uint32_t x) {
    static const int64_t swap[] = {1, 0};
    infer_attr perm = {.name = "perm", .type = INFER_ATTR_INTS, .count = 2, .data = swap};
    return rw->add(rw, "", "Transpose", &x, 1, &perm, 1);
}

/* Whether C is one row, [n] or [1, n], which the product takes as its bias. */
static bool is_row(const infer_view *c, int64_t n) {
    return (c->rank == 1 && c->dim[0] == n) || (c->rank == 2 && c->dim[0] == 1 && c->dim[1] == n);
}

static uint32_t as_list(infer_rewriter *rw, uint32_t x, int64_t n) {
    infer_view shape = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {1}, .data = &n};
    if (rw->view(rw, x)->rank == 1)
        return x;
    uint32_t inputs[] = {x, rw->constant(rw, &shape)};
    return rw->add(rw, "", "Reshape", inputs, 2, NULL, 0);
}

/* A constant B is packed now; what the packed product does not know becomes nodes beside it. C
 * stays within Gemm's one-way broadcast if it has one row. */
static infer_status gemm_prepare(infer_rewriter *rw) {
    uint32_t a = rw->input(rw, 0), b = rw->input(rw, 1), c = rw->input(rw, 2);
    infer_view w = *rw->shape(rw, b);
    infer_attr trans = {.name = "trans", .type = INFER_ATTR_INT, .i = int_attr(rw, "transB")};
    infer_attr columns = {.name = "n", .type = INFER_ATTR_INT, .i = w.dim[trans.i ? 0 : 1]};
    float alpha = float_attr(rw, "alpha"), beta = float_attr(rw, "beta");
    if (!rw->is_constant(rw, b) || (w.type != INFER_TYPE_FLOAT && w.type != INFER_TYPE_DOUBLE) ||
        columns.i == 1)
        return INFER_OK; /* one column is a product with a vector, which needs no panels */
    if (beta == 0)
        c = INFER_NO_VALUE;
    bool has_c = c != INFER_NO_VALUE;
    infer_view add = has_c ? *rw->view(rw, c) : (infer_view){.rank = 0};
    if (has_c && (add.rank < 0 || (add.rank == 2 && add.dim[0] != 1)))
        return INFER_OK;
    uint32_t packed = infer_pack_weights(rw, b, trans.i != 0);
    if (int_attr(rw, "transA"))
        a = transposed(rw, a);
    if (has_c)
        c = scaled(rw, c, w.type, beta);
    bool fused = has_c && alpha == 1 && is_row(&add, columns.i);
    uint32_t inputs[] = {a, packed, fused ? as_list(rw, c, columns.i) : INFER_NO_VALUE};
    uint32_t y = rw->add(rw, "infer", "MatMulPacked", inputs, fused ? 3 : 2, &columns, 1);
    y = scaled(rw, y, w.type, alpha);
    if (has_c && !fused) {
        uint32_t sum[] = {y, c};
        y = rw->add(rw, "", "Add", sum, 2, NULL, 0);
    }
    return rw->replace(rw, 0, y);
}

static double gemm_work(const infer_op_env *env) {
    const infer_product p = product_of(env);
    return 2 * (double)p.m * (double)p.n * (double)p.k;
}

#define T_GEMM (T_FLOAT | T(INT32) | T(INT64) | T(UINT32) | T(UINT64))

const infer_op infer_op_gemm = {
    .domain = "",
    .name = "Gemm",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(gemm_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof gemm_attrs / sizeof *gemm_attrs,
    .attrs = gemm_attrs,
    .types = {T_GEMM, T_GEMM | T_SAME, T_GEMM | T_SAME},
    .upgrade = gemm_upgrade,
    .infer = gemm_infer,
    .prepare = gemm_prepare,
    .run = gemm_run,
    .work = gemm_work,
};
