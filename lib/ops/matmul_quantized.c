/* MatMulInteger and QLinearMatMul: products of 8-bit numbers, which double holds exactly. */
#include "axes.h"
#include "broadcast.h"
#include "checked.h"
#include "chunk.h"
#include "op.h"
#include "pack.h"
#include "quantize.h"
#include "scratch.h"
#include "status.h"

#include <string.h>

#define ROWS 64 /* of A and Y that are multiplied together */

/* Which inputs are what; UINT8_MAX: the operator has none. */
typedef struct roles {
    uint8_t a, a_zero, b, b_zero, a_scale, b_scale, y_scale, y_zero;
} roles;

#define NONE UINT8_MAX
static const roles integer_roles = {0, 2, 1, 3, NONE, NONE, NONE, NONE},
                   linear_roles = {0, 2, 3, 5, 1, 4, 6, 7};

typedef struct product {
    size_t m, n, k;
    infer_view a, b, all; /* stacks of matrices: the axes before the last two */
    size_t b_at, packed_at, a_at, y_at, size;
} product;

static const infer_view *role(const infer_op_env *env, uint8_t index) {
    return index == NONE ? NULL : infer_input(env, index);
}

static infer_view leading(const infer_view *v) {
    infer_view front = *v;
    front.rank = v->rank > 2 ? v->rank - 2 : 0;
    return front;
}

/* Numbers of a row of A or a column of B: one, `lines`, or as many for each matrix. */
static infer_status check_lines(const infer_view *v, const char *name, int64_t lines,
                                const infer_view *stack) {
    int64_t n = v ? infer_view_count(v) : 1;
    bool fits = n == 1 || n == lines ||
                (lines > 0 && n % lines == 0 && v->rank == stack->rank + 2 &&
                 n / lines == infer_view_count(stack));
    return fits ? INFER_OK
                : infer_fail(INFER_ERROR_SHAPE, "%s has %lld elements for %lld lines", name,
                             (long long)n, (long long)lines);
}

static float line_value(const infer_view *v, size_t lines, size_t matrix, size_t line) {
    infer_chunk chunk;
    size_t n = v ? (size_t)infer_view_count(v) : 0, at = n == 1 ? 0 : line;
    if (!v)
        return 0;
    if (n != 1 && n != lines)
        at += matrix * lines;
    return *infer_load_float((infer_type)v->type, v->data, at, 1, &chunk);
}

/* Shapes; *known: they are concrete, and the sizes are set. */
static infer_status plan(const infer_op_env *env, const roles *r, product *p, infer_view *y,
                         bool *known) {
    const infer_view *a = env->in[r->a], *b = env->in[r->b];
    *known = false;
    if (a->rank < 0 || b->rank < 0)
        return INFER_OK;
    if (a->rank == 0 || b->rank == 0)
        return infer_fail(INFER_ERROR_SHAPE, "a scalar is no matrix");
    int64_t k = a->dim[a->rank - 1], k_b = b->dim[b->rank == 1 ? 0 : b->rank - 2];
    if (k >= 0 && k_b >= 0 && k != k_b)
        return infer_fail(INFER_ERROR_SHAPE, "%lld columns of A meet %lld rows of B", (long long)k,
                          (long long)k_b);
    p->a = leading(a);
    p->b = leading(b);
    p->all = (infer_view){.rank = 0};
    const infer_view *both[] = {&p->a, &p->b};
    INFER_TRY(infer_broadcast_shape(both, 2, &p->all));
    if (p->all.rank + 2 > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "the rank is too high");
    y->rank = p->all.rank;
    memcpy(y->dim, p->all.dim, sizeof y->dim);
    if (a->rank > 1)
        y->dim[y->rank++] = a->dim[a->rank - 2];
    if (b->rank > 1)
        y->dim[y->rank++] = b->dim[b->rank - 1];
    for (uint32_t i = 0; i < env->in_count; i++)
        if (env->in[i] && !infer_view_concrete(env->in[i]))
            return INFER_OK;
    *known = true;
    p->m = a->rank > 1 ? (size_t)a->dim[a->rank - 2] : 1;
    p->n = b->rank > 1 ? (size_t)b->dim[b->rank - 1] : 1;
    p->k = (size_t)k;
    p->size = 0;
    INFER_TRY(check_lines(role(env, r->a_zero), "A's zero point", (int64_t)p->m, &p->a));
    INFER_TRY(check_lines(role(env, r->a_scale), "A's scale", (int64_t)p->m, &p->a));
    INFER_TRY(check_lines(role(env, r->b_zero), "B's zero point", (int64_t)p->n, &p->b));
    INFER_TRY(check_lines(role(env, r->b_scale), "B's scale", (int64_t)p->n, &p->b));
    INFER_TRY(check_lines(role(env, r->y_zero), "Y's zero point", 1, &p->a));
    INFER_TRY(check_lines(role(env, r->y_scale), "Y's scale", 1, &p->a));
    size_t packed, rows = p->m < ROWS ? p->m : ROWS;
    bool fits = infer_scratch_take(&p->size, p->k, p->n, sizeof(double), &p->b_at) &&
                infer_pack_size(p->k, p->n, &packed) &&
                infer_scratch_take(&p->size, packed, 1, sizeof(double), &p->packed_at) &&
                infer_scratch_take(&p->size, rows, p->k, sizeof(double), &p->a_at) &&
                infer_scratch_take(&p->size, rows, p->n, sizeof(double), &p->y_at);
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the product does not fit memory");
}

/* n elements as double. */
static void load(const infer_view *v, size_t at, size_t n, double *to) {
    for (size_t i = 0; i < n; i += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = n - i < INFER_CHUNK ? n - i : INFER_CHUNK;
        memcpy(to + i, infer_load_double((infer_type)v->type, v->data, at + i, m, &chunk),
               m * sizeof *to);
    }
}

static void pack_b(const infer_op_env *env, const roles *r, const product *p, size_t matrix) {
    const infer_view *zero = role(env, r->b_zero);
    void *scratch = env->scratch;
    double *b = infer_scratch_at(scratch, p->b_at);
    load(env->in[r->b], matrix * p->k * p->n, p->k * p->n, b);
    for (size_t j = 0; zero && j < p->n; j++) {
        double shift = (double)line_value(zero, p->n, matrix, j);
        for (size_t i = 0; shift != 0 && i < p->k; i++)
            b[i * p->n + j] -= shift;
    }
    infer_pack_b_f64(p->k, p->n, b, p->n, false, infer_scratch_at(scratch, p->packed_at));
}

/* A row of Y from the products. */
static void finish(const infer_op_env *env, const roles *r, const product *p, const double *sums,
                   float a_scale, size_t b_matrix, size_t at) {
    infer_view *y = env->out[0];
    for (size_t j = 0; j < p->n; j += INFER_CHUNK) {
        size_t n = p->n - j < INFER_CHUNK ? p->n - j : INFER_CHUNK;
        infer_chunk chunk;
        if (r->y_scale == NONE) {
            for (size_t i = 0; i < n; i++)
                ((int32_t *)y->data)[at + j + i] = (int32_t)(uint32_t)(int64_t)sums[j + i];
            continue;
        }
        float y_scale = line_value(env->in[r->y_scale], 1, 0, 0);
        float zero = line_value(env->in[r->y_zero], 1, 0, 0);
        for (size_t i = 0; i < n; i++)
            chunk.f[i] =
                (float)sums[j + i] *
                (a_scale * line_value(env->in[r->b_scale], p->n, b_matrix, j + i) / y_scale);
        infer_quantize((infer_type)y->type, chunk.f, n, &zero, 0, y->data, at + j, true);
    }
}

static void multiply(const infer_op_env *env, const roles *r, const product *p, size_t a_matrix,
                     size_t b_matrix, size_t at) {
    const infer_view *zero = role(env, r->a_zero), *scale = role(env, r->a_scale);
    void *scratch = env->scratch;
    double *a = infer_scratch_at(scratch, p->a_at), *sums = infer_scratch_at(scratch, p->y_at);
    for (size_t row = 0; row < p->m; row += ROWS) {
        size_t rows = p->m - row < ROWS ? p->m - row : ROWS;
        load(env->in[r->a], (a_matrix * p->m + row) * p->k, rows * p->k, a);
        for (size_t i = 0; zero && i < rows; i++) {
            double shift = (double)line_value(zero, p->m, a_matrix, row + i);
            for (size_t j = 0; j < p->k; j++)
                a[i * p->k + j] -= shift;
        }
        env->kernels->gemm_packed_f64(rows, p->n, p->k, a, p->k,
                                      infer_scratch_at(scratch, p->packed_at), NULL, sums, p->n);
        for (size_t i = 0; i < rows; i++)
            finish(env, r, p, sums + i * p->n, line_value(scale, p->m, a_matrix, row + i), b_matrix,
                   at + (row + i) * p->n);
    }
}

static infer_status product_infer(infer_op_env *env, const roles *r, uint32_t type) {
    infer_view spare, *y = infer_out(env, 0, type, -1, &spare);
    product p;
    bool known;
    INFER_TRY(plan(env, r, &p, y, &known));
    env->scratch_size = known ? p.size : 0;
    return INFER_OK;
}

static infer_status product_run(infer_op_env *env, const roles *r) {
    infer_view spare;
    infer_broadcast walk;
    product p;
    bool known;
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(plan(env, r, &p, &spare, &known));
    if (infer_view_count(env->out[0]) == 0)
        return INFER_OK;
    const infer_view *both[] = {&p.a, &p.b};
    infer_broadcast_begin(&walk, both, 2, &p.all);
    size_t at = 0, last = SIZE_MAX;
    do {
        for (size_t i = 0; i < walk.inner; i++, at += p.m * p.n) {
            size_t a = walk.at[0] + walk.step[0] * i, b = walk.at[1] + walk.step[1] * i;
            if (b != last)
                pack_b(env, r, &p, b);
            last = b;
            multiply(env, r, &p, a, b, at);
        }
    } while (infer_broadcast_next(&walk));
    return INFER_OK;
}

static infer_status integer_infer(infer_op_env *env) {
    return product_infer(env, &integer_roles, INFER_TYPE_INT32);
}

static infer_status integer_run(infer_op_env *env) {
    return product_run(env, &integer_roles);
}

#define T_BYTE  (T(INT8) | T(UINT8))
#define T_SHORT (T_BYTE | (T_FLOAT8 & ~T(FLOAT8E8M0)))
#define T_SCALE (T(FLOAT) | T(FLOAT16) | T(BFLOAT16))

static infer_status linear_infer(infer_op_env *env) {
    if (!(T_SCALE >> env->in[6]->type & 1) || !(T_SHORT >> env->in[7]->type & 1) ||
        !(T_SHORT >> env->in[5]->type & 1))
        return infer_fail(INFER_ERROR_TYPE, "a scale or zero point has a wrong type");
    return product_infer(env, &linear_roles, env->in[7]->type);
}

static infer_status linear_run(infer_op_env *env) {
    return product_run(env, &linear_roles);
}

const infer_op infer_op_mat_mul_integer = {
    .domain = "",
    .name = "MatMulInteger",
    .since = 10,
    .newest = 27,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .types = {T_BYTE},
    .infer = integer_infer,
    .run = integer_run,
};

const infer_op infer_op_q_linear_mat_mul = {
    .domain = "",
    .name = "QLinearMatMul",
    .since = 10,
    .newest = 27,
    .min_in = 8,
    .max_in = 8,
    .min_out = 1,
    .max_out = 1,
    .types = {T_SHORT, T_SCALE, T_SAME, T_SHORT, T_SCALE, T_SHORT | T_SCALE},
    .infer = linear_infer,
    .run = linear_run,
};
