/* MatMulInteger, QLinearMatMul and com.microsoft's MatMulIntegerToFloat: products of 8-bit numbers,
 * and what they become where B is constant. */
#include "axes.h"
#include "broadcast.h"
#include "bytes.h"
#include "checked.h"
#include "chunk.h"
#include "ms.h"
#include "op.h"
#include "product.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

#include <string.h>

#define ROWS 64 /* of A and Y that are multiplied together */

/* Which inputs are what; NONE: the operator has none. */
typedef struct roles {
    uint8_t a, a_zero, b, b_zero, a_scale, b_scale, y_scale, y_zero, bias, sums;
} roles;

#define NONE UINT8_MAX
static const roles integer_roles = {0, 2, 1, 3, NONE, NONE, NONE, NONE, NONE, NONE},
                   linear_roles = {0, 2, 3, 5, 1, 4, 6, 7, NONE, NONE},
                   float_roles = {0, 4, 1, 5, 2, 3, NONE, NONE, 6, NONE},
                   packed_roles = {0, 3, 1, 4, 5, 6, 7, 8, 9, 2};

typedef struct product {
    size_t m, n, k;
    bool single;          /* one B and one row of numbers: A's matrices are one */
    infer_view a, b, all; /* stacks of matrices: the axes before the last two */
    size_t packed_at, sums_at, start_at, zeros_at, scales_at, a_at, y_at, size;
} product;

static const infer_view *role(const infer_op_env *env, uint8_t index) {
    return index == NONE ? NULL : infer_input(env, index);
}

static bool is_one(const infer_view *v) {
    return !v || infer_view_count(v) == 1;
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

/* ---- shapes ---- */

typedef struct packed_params {
    int64_t n;
} packed_params;

/* A packed B of p->n columns and as many rows as A has columns, as it was before. */
static infer_status read_packed(const infer_op_env *env, const roles *r, infer_view *b) {
    const packed_params *p = env->params;
    const infer_view *a = env->in[r->a], *w = env->in[r->b], *sums = env->in[r->sums];
    const int64_t k = a->rank > 0 ? a->dim[a->rank - 1] : -1;
    size_t packed, columns;
    *b = (infer_view){.type = w->type, .rank = 2, .dim = {k, p->n}};
    if (p->n < 0 || w->rank != 1 || sums->rank != 1 ||
        !infer_bytes_marked_size(k < 0 ? 0 : (size_t)k, (size_t)p->n, &packed, &columns) ||
        (uint64_t)sums->dim[0] != columns || (k >= 0 && (uint64_t)w->dim[0] != packed))
        return infer_fail(INFER_ERROR_SHAPE, "packed weights do not fit %lld columns",
                          (long long)p->n);
    return INFER_OK;
}

/* Shapes; *known: they are concrete, and the sizes are set. */
static infer_status plan(const infer_op_env *env, const roles *r, product *p, infer_view *y,
                         bool *known) {
    const infer_view *a = env->in[r->a], *b = env->in[r->b];
    infer_view plain;
    *known = false;
    if (r->sums != NONE) {
        INFER_TRY(read_packed(env, r, &plain));
        b = &plain;
    }
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
    INFER_TRY(check_lines(role(env, r->bias), "the bias", (int64_t)p->n, &(infer_view){.rank = 0}));
    size_t packed, sums;
    p->single = infer_view_count(&p->b) == 1 && is_one(role(env, r->a_zero)) &&
                is_one(role(env, r->a_scale));
    if (p->single) /* A's matrices are one */
        p->m *= (size_t)infer_view_count(&p->a);
    const size_t rows = p->m < ROWS ? p->m : ROWS;
    const bool packs = r->sums == NONE;
    bool fits = infer_bytes_pack_size(p->k, p->n, &packed, &sums) &&
                infer_scratch_take(&p->size, packs ? packed : 0, 1, 1, &p->packed_at) &&
                infer_scratch_take(&p->size, packs ? sums : 0, 1, 4, &p->sums_at) &&
                infer_scratch_take(&p->size, sums, 1, 4, &p->start_at) &&
                infer_scratch_take(&p->size, sums, 1, 4, &p->zeros_at) &&
                infer_scratch_take(&p->size, sums, 1, 4, &p->scales_at) &&
                infer_scratch_take(&p->size, rows, p->k, 1, &p->a_at) &&
                infer_scratch_take(&p->size, rows, p->n, 4, &p->y_at);
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the product does not fit memory");
}

/* ---- running ---- */

/* B of a matrix, packed, its zero points and scales, and what A's only zero point adds. */
typedef struct right {
    const int8_t *packed;
    bool marked;                 /* its marks are behind it */
    const int32_t *sums, *zeros; /* zeros NULL: all are 0 */
    int32_t *start;              /* NULL: nothing is added */
    const float *scales;         /* times A's and over Y's, where A has one; NULL: none */
} right;

/* A's only zero point, or 0. */
static int32_t left_zero(const infer_op_env *env, const roles *r) {
    const infer_view *zero = role(env, r->a_zero);
    return (zero && infer_view_count(zero) == 1 ? infer_byte_of(zero, 0) : 0) +
           infer_flip_left(env->in[r->a]->type);
}

static void read_right(const infer_op_env *env, const roles *r, const product *p, size_t matrix,
                       right *b) {
    const infer_view *zero = role(env, r->b_zero), *w = env->in[r->b];
    const uint8_t flip = infer_flip_right(w->type);
    int32_t *zeros = infer_scratch_at(env->scratch, p->zeros_at), any = 0;
    b->start = infer_scratch_at(env->scratch, p->start_at);
    if (r->sums == NONE) {
        int8_t *packed = infer_scratch_at(env->scratch, p->packed_at);
        int32_t *sums = infer_scratch_at(env->scratch, p->sums_at);
        env->kernels->pack_s8(p->k, p->n, (const uint8_t *)w->data + matrix * p->k * p->n, p->n,
                              flip, packed, sums);
        b->packed = packed;
        b->marked = false;
        b->sums = sums;
    } else {
        b->packed = w->data;
        b->marked = true;
        b->sums = env->in[r->sums]->data;
    }
    const size_t first = zero && (size_t)infer_view_count(zero) > p->n ? matrix * p->n : 0;
    if (is_one(zero))
        any = infer_byte_of(zero, 0) - flip;
    for (size_t j = 0; (any || !is_one(zero)) && j < p->n; j++)
        any |= zeros[j] = infer_byte_of(zero, first + j) - flip;
    b->zeros = any ? zeros : NULL;
    const int32_t left = left_zero(env, r);
    if (left)
        infer_bytes_start(env->kernels, b->sums, p->n, left, b->start);
    else
        b->start = NULL;
}

/* Rows of sums: what zero points of B and those of A that differ by row add. */
static void shift(const infer_op_env *env, const roles *r, const product *p, const right *b,
                  const uint8_t *a, size_t matrix, size_t row, size_t rows, int32_t *sums) {
    const infer_view *zero = role(env, r->a_zero);
    for (size_t i = 0; i < rows; i++, a += p->k, sums += p->n) {
        int32_t left = left_zero(env, r);
        if (!is_one(zero)) {
            size_t at = (size_t)infer_view_count(zero) == p->m ? row + i : matrix * p->m + row + i;
            const int32_t more = infer_byte_of(zero, at);
            env->kernels->axpy_i32(p->n, -(uint32_t)more, b->sums, sums);
            left += more;
        }
        if (b->zeros)
            env->kernels->axpy_i32(p->n, (uint32_t)p->k * (uint32_t)left - infer_sum_bytes(a, p->k),
                                   b->zeros, sums);
    }
}

/* Rows of Y from their sums. */
static void finish(const infer_op_env *env, const roles *r, const product *p, const int32_t *sums,
                   size_t a_matrix, size_t b_matrix, size_t row, size_t rows, size_t at) {
    const infer_view *a_scale = role(env, r->a_scale), *b_scale = role(env, r->b_scale);
    const infer_view *bias = role(env, r->bias), *y_scale = role(env, r->y_scale);
    infer_view *y = env->out[0];
    float *scales = infer_scratch_at(env->scratch, p->scales_at);
    for (size_t i = 0; i < rows; i++, sums += p->n, at += p->n) {
        if ((i == 0 && row == 0) || !is_one(a_scale)) {
            const float left = line_value(a_scale, p->m, a_matrix, row + i);
            const float over = y_scale ? line_value(y_scale, 1, 0, 0) : 1;
            const bool one = is_one(b_scale);
            const float *all = one || b_scale->type != INFER_TYPE_FLOAT ? NULL : b_scale->data;
            if (all && (size_t)infer_view_count(b_scale) > p->n)
                all += b_matrix * p->n;
            const float only = line_value(b_scale, p->n, b_matrix, 0);
            for (size_t j = 0; j < p->n; j++)
                scales[j] = left *
                            (one   ? only
                             : all ? all[j]
                                   : line_value(b_scale, p->n, b_matrix, j)) /
                            over;
        }
        if (y_scale) {
            env->kernels->requantize_8(sums, p->n, 0, scales, 1,
                                       infer_byte_of(role(env, r->y_zero), 0),
                                       y->type == INFER_TYPE_INT8, (uint8_t *)y->data + at);
            continue;
        }
        float *to = (float *)y->data + at;
        if (p->n == 1 && is_one(a_scale)) { /* rows of one number are one of many */
            env->kernels->rescale_f32(sums, rows, 0, scales, 0, NULL, to);
            for (size_t j = 0; bias && j < rows; j++)
                to[j] += *(const float *)bias->data;
            return;
        }
        const bool row_bias = bias && (p->n == 1 || !is_one(bias));
        env->kernels->rescale_f32(sums, p->n, 0, scales, 1, row_bias ? bias->data : NULL, to);
        for (size_t j = 0; bias && !row_bias && j < p->n; j++)
            to[j] += *(const float *)bias->data;
    }
}

/* Rows of sums of bytes, which are exact however they are cut. */
typedef struct byte_job {
    const infer_kernels *kernels;
    infer_grid grid;
    size_t k;
    const uint8_t *a;
    const right *b;
    int32_t *sums;
} byte_job;

static void byte_part(void *arg, size_t part, size_t worker) {
    const byte_job *j = arg;
    const infer_tile t = infer_grid_tile(&j->grid, part);
    const size_t deep = (j->k + 3) / 4 * 4;
    const uint64_t *marks =
        j->b->marked ? infer_bytes_marks(j->b->packed, j->k, j->grid.n, t.column) : NULL;
    (void)worker;
    j->kernels->gemm_u8s8(t.rows, t.columns, j->k, j->a + t.row * j->k, j->k,
                          j->b->packed + t.column * deep, marks,
                          j->b->start ? j->b->start + t.column : NULL,
                          j->sums + t.row * j->grid.n + t.column, j->grid.n);
}

static void multiply(infer_op_env *env, const roles *r, const product *p, const right *b,
                     size_t a_matrix, size_t b_matrix, size_t at) {
    const infer_view *v = env->in[r->a];
    const bool integers = env->out[0]->type == INFER_TYPE_INT32;
    const bool shifts = b->zeros || !is_one(role(env, r->a_zero));
    uint8_t *room = infer_scratch_at(env->scratch, p->a_at);
    for (size_t row = 0; row < p->m; row += ROWS) {
        size_t rows = p->m - row < ROWS ? p->m - row : ROWS;
        const uint8_t *a = (const uint8_t *)v->data + (a_matrix * p->m + row) * p->k;
        int32_t *sums = integers ? (int32_t *)env->out[0]->data + at + row * p->n
                                 : infer_scratch_at(env->scratch, p->y_at);
        if (v->type == INFER_TYPE_INT8) {
            infer_flip_bytes(a, rows * p->k, infer_flip_left(v->type), room);
            a = room;
        }
        byte_job job = {env->kernels, infer_grid_of(env, rows, p->n, p->k / 4), p->k, a, b, sums};
        infer_parallel(env, job.grid.rows * job.grid.columns, byte_part, &job);
        if (shifts)
            shift(env, r, p, b, a, a_matrix, row, rows, sums);
        if (!integers)
            finish(env, r, p, sums, a_matrix, b_matrix, row, rows, at + row * p->n);
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
    right side;
    bool known;
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(plan(env, r, &p, &spare, &known));
    if (infer_view_count(env->out[0]) == 0)
        return INFER_OK;
    if (p.single) {
        read_right(env, r, &p, 0, &side);
        multiply(env, r, &p, &side, 0, 0, 0);
        return INFER_OK;
    }
    const infer_view *both[] = {&p.a, &p.b};
    infer_broadcast_begin(&walk, both, 2, &p.all);
    size_t at = 0, last = SIZE_MAX;
    do {
        for (size_t i = 0; i < walk.inner; i++, at += p.m * p.n) {
            size_t a = walk.at[0] + walk.step[0] * i, b = walk.at[1] + walk.step[1] * i;
            if (b != last)
                read_right(env, r, &p, b, &side);
            last = b;
            multiply(env, r, &p, &side, a, b, at);
        }
    } while (infer_broadcast_next(&walk));
    return INFER_OK;
}

/* ---- packed weights ---- */

static infer_status pack_infer(infer_op_env *env) {
    const infer_view *b = env->in[0];
    infer_view spare;
    size_t packed, sums;
    if (b->rank != 2)
        return infer_fail(INFER_ERROR_SHAPE, "weights of rank %d", (int)b->rank);
    infer_view *y = infer_out(env, 0, b->type, 1, &spare);
    infer_view *z = infer_out(env, 1, INFER_TYPE_INT32, 1, &spare);
    if (!infer_view_concrete(b))
        return INFER_OK;
    if (!infer_bytes_marked_size((size_t)b->dim[0], (size_t)b->dim[1], &packed, &sums) ||
        packed > INT64_MAX)
        return infer_fail(INFER_ERROR_SHAPE, "packed weights do not fit memory");
    z->dim[0] = (int64_t)sums;
    y->dim[0] = (int64_t)packed;
    return INFER_OK;
}

static infer_status pack_run(infer_op_env *env) {
    const infer_view *b = env->in[0];
    const size_t k = (size_t)b->dim[0], n = (size_t)b->dim[1];
    if (!env->out[0])
        return INFER_OK;
    env->kernels->pack_s8(k, n, b->data, n, infer_flip_right(b->type), env->out[0]->data,
                          env->out_count > 1 && env->out[1] ? env->out[1]->data : NULL);
    infer_bytes_mark(k, n, env->out[0]->data);
    return INFER_OK;
}

/* A constant matrix B is packed now. */
static infer_status prepare(infer_rewriter *rw, const roles *r) {
    const uint8_t places[] = {r->a_zero,  r->b_zero, r->a_scale, r->b_scale,
                              r->y_scale, r->y_zero, r->bias};
    uint32_t b = rw->input(rw, r->b), in[3 + sizeof places] = {rw->input(rw, r->a)};
    infer_view w = *rw->view(rw, b);
    infer_attr n = {.name = "n", .type = INFER_ATTR_INT, .i = w.dim[1]};
    if (!w.data || w.rank != 2 || rw->view(rw, in[0])->rank < 1)
        return INFER_OK;
    INFER_TRY(rw->add_many(rw, "infer", "PackBytes", &b, 1, NULL, 0, in + 1, 2));
    for (size_t i = 0; i < sizeof places; i++)
        in[3 + i] = places[i] == NONE ? INFER_NO_VALUE : rw->input(rw, places[i]);
    return rw->replace(rw, 0, rw->add(rw, "infer", "MatMulBytes", in, 3 + sizeof places, &n, 1));
}

static bool is_byte(const infer_view *v) {
    return v->type == INFER_TYPE_INT8 || v->type == INFER_TYPE_UINT8;
}

/* Refuses what is no scale or zero point. */
static infer_status check_types(const infer_op_env *env, const roles *r) {
    const uint8_t scales[] = {r->a_scale, r->b_scale, r->y_scale};
    const uint8_t bytes[] = {r->a, r->b, r->a_zero, r->b_zero, r->y_zero};
    for (size_t i = 0; i < sizeof scales; i++) {
        const infer_view *v = role(env, scales[i]);
        if (v && v->type != INFER_TYPE_FLOAT && v->type != INFER_TYPE_FLOAT16 &&
            v->type != INFER_TYPE_BFLOAT16)
            return infer_fail(INFER_ERROR_TYPE, "input %u is no scale", scales[i]);
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        const infer_view *v = role(env, bytes[i]);
        if (v && !is_byte(v))
            return infer_fail(INFER_ERROR_TYPE, "input %u has elements of %s", bytes[i],
                              infer_type_name((infer_type)v->type));
    }
    const infer_view *bias = role(env, r->bias), *sums = role(env, r->sums);
    if ((bias && bias->type != INFER_TYPE_FLOAT) || (sums && sums->type != INFER_TYPE_INT32))
        return infer_fail(INFER_ERROR_TYPE, "the bias or the sums have a wrong type");
    return INFER_OK;
}

static infer_status packed_infer(infer_op_env *env) {
    const roles *r = &packed_roles;
    const infer_view *y_zero = role(env, r->y_zero);
    const bool scaled = role(env, r->a_scale) != NULL;
    INFER_TRY(check_types(env, r));
    if (scaled != (role(env, r->b_scale) != NULL) || (!y_zero) != !role(env, r->y_scale) ||
        (y_zero && !scaled))
        return infer_fail(INFER_ERROR_FORMAT, "a scale or a zero point is missing");
    return product_infer(env, r,
                         y_zero   ? y_zero->type
                         : scaled ? INFER_TYPE_FLOAT
                                  : INFER_TYPE_INT32);
}

static infer_status packed_run(infer_op_env *env) {
    return product_run(env, &packed_roles);
}

/* ---- the operators ---- */

static infer_status integer_infer(infer_op_env *env) {
    return product_infer(env, &integer_roles, INFER_TYPE_INT32);
}

static infer_status integer_run(infer_op_env *env) {
    return product_run(env, &integer_roles);
}

static infer_status integer_prepare(infer_rewriter *rw) {
    return prepare(rw, &integer_roles);
}

static infer_status linear_infer(infer_op_env *env) {
    INFER_TRY(check_types(env, &linear_roles));
    return product_infer(env, &linear_roles, env->in[7]->type);
}

static infer_status linear_run(infer_op_env *env) {
    return product_run(env, &linear_roles);
}

static infer_status linear_prepare(infer_rewriter *rw) {
    return prepare(rw, &linear_roles);
}

/* What is not of 8-bit integers goes through float. */
static infer_status linear_upgrade(infer_rewriter *rw) {
    static const uint32_t bytes[] = {0, 3, 7};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        if (!is_byte(rw->view(rw, rw->input(rw, bytes[i]))))
            return infer_expand(rw, "a = DequantizeLinear<axis=-2, output_dtype=1>($0, $1, $2)\n"
                                    "b = DequantizeLinear<axis=-1, output_dtype=1>($3, $4, $5)\n"
                                    "y = MatMul(a, b)\n"
                                    "@0 = QuantizeLinear<precision=1>(y, $6, $7)\n");
    return INFER_OK;
}

static infer_status float_infer(infer_op_env *env) {
    INFER_TRY(check_types(env, &float_roles));
    return product_infer(env, &float_roles, INFER_TYPE_FLOAT);
}

static infer_status float_run(infer_op_env *env) {
    return product_run(env, &float_roles);
}

static infer_status float_prepare(infer_rewriter *rw) {
    return prepare(rw, &float_roles);
}

#undef T_BYTE
#define T_BYTE  (T(INT8) | T(UINT8))
#define T_SHORT (T_BYTE | (T_FLOAT8 & ~T(FLOAT8E8M0)))
#define T_SCALE (T(FLOAT) | T(FLOAT16) | T(BFLOAT16))

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
    .prepare = integer_prepare,
    .run = integer_run,
    .work = infer_work_rows,
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
    .upgrade = linear_upgrade,
    .infer = linear_infer,
    .prepare = linear_prepare,
    .run = linear_run,
    .work = infer_work_rows,
};

const infer_op infer_op_ms_mat_mul_integer_to_float = {
    .domain = "com.microsoft",
    .name = "MatMulIntegerToFloat",
    .since = 1,
    .newest = 1,
    .min_in = 4,
    .max_in = 7,
    .min_out = 1,
    .max_out = 1,
    .types = {T_BYTE, T_BYTE, T(FLOAT), T(FLOAT), T_BYTE, T_BYTE | T(FLOAT)},
    .infer = float_infer,
    .prepare = float_prepare,
    .run = float_run,
    .work = infer_work_rows,
};

/* B [k][n] packed for the kernels, its marks behind it, and the sums of its columns. Packed numbers
 * are signed; the type is that of B, as zero points are. */
const infer_op infer_op_infer_pack_bytes = {
    .domain = "infer",
    .name = "PackBytes",
    .since = 1,
    .newest = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
    .types = {T_BYTE},
    .infer = pack_infer,
    .run = pack_run,
};

static const infer_op_attr packed_attrs[] = {A_INT(packed_params, n, 0)};

/* A, packed B and its sums, zero points of A and B, scales of A and B, scale and zero point of Y, a
 * bias: without scales the sums, without Y's zero point real numbers. */
const infer_op infer_op_infer_mat_mul_bytes = {
    .domain = "infer",
    .name = "MatMulBytes",
    .since = 1,
    .newest = 1,
    .params_size = sizeof(packed_params),
    .min_in = 3,
    .max_in = 10,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = packed_attrs,
    .types = {T_BYTE, T_BYTE, T(INT32), T_BYTE, T_BYTE, T_BYTE | T_SCALE},
    .infer = packed_infer,
    .run = packed_run,
    .work = infer_work_rows,
};
