/* Matrix products: the kernels' for float and double, plain loops for integers, rare floats widened
 * block by block. */
#include "product.h"

#include "checked.h"
#include "pack.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

#include <string.h>

#define ROWS 64 /* of A and C that are converted together */

static bool is_rare(const infer_product *p) {
    return infer_compute_type(p->type) != p->type;
}

static bool is_float(const infer_product *p) {
    return infer_type_kind(p->type) == INFER_CLASS_FLOATING;
}

static size_t wide_size(const infer_product *p) {
    return infer_type_size(infer_compute_type(p->type));
}

/* One row or one column needs no packed B: it would be read but once. */
static bool is_packed(const infer_product *p) {
    return is_float(p) && (is_rare(p) || (p->m != 1 && p->n != 1));
}

/* A row-major A can be used where it lies; one column or row is both. */
static bool copies_a(const infer_product *p) {
    return is_float(p) && (is_rare(p) || (p->trans_a && p->m != 1 && p->k != 1));
}

static size_t block_rows(const infer_product *p) {
    return p->m < ROWS ? p->m : ROWS;
}

/* ---- the plan ---- */

infer_status infer_product_plan(infer_product *p) {
    size_t packed, total = 0, element = wide_size(p);
    bool fits = true;
    if (is_packed(p))
        fits = infer_pack_size(p->k, p->n, &packed) &&
               infer_scratch_take(&total, packed, 1, element, &p->b_at);
    if (copies_a(p))
        fits = fits && infer_scratch_take(&total, block_rows(p), p->k, element, &p->a_at);
    p->c_at = total;
    if (is_rare(p)) /* B is widened there before any of C is computed */
        fits = fits && infer_scratch_take(&total, p->k > block_rows(p) ? p->k : block_rows(p), p->n,
                                          element, &p->c_at);
    p->scratch = total;
    return fits ? INFER_OK
                : infer_fail(INFER_ERROR_SHAPE, "a product of %zu x %zu x %zu does not fit memory",
                             p->m, p->k, p->n);
}

/* ---- B ---- */

void infer_product_set_b(infer_product *p, const void *b, void *scratch) {
    size_t ldb = p->trans_b ? p->k : p->n;
    p->b = b;
    if (!is_packed(p))
        return;
    void *packed = infer_scratch_at(scratch, p->b_at);
    if (is_rare(p)) {
        float *wide = infer_scratch_at(scratch, p->c_at);
        infer_widen(p->type, b, wide, p->k * p->n);
        b = wide;
    }
    if (p->type == INFER_TYPE_DOUBLE)
        infer_pack_b_f64(p->k, p->n, b, ldb, p->trans_b, packed);
    else
        infer_pack_b_f32(p->k, p->n, b, ldb, p->trans_b, packed);
    p->b = packed;
}

/* ---- plain loops ---- */

typedef struct strides {
    size_t a_m, a_k, b_k, b_n;
} strides;

static strides strides_of(const infer_product *p) {
    return (strides){.a_m = p->trans_a ? 1 : p->k,
                     .a_k = p->trans_a ? p->m : 1,
                     .b_k = p->trans_b ? 1 : p->n,
                     .b_n = p->trans_b ? p->k : 1};
}

/* Rows of B are added up, which needs no order of sums within a vector. */
#define PLAIN(name, ctype)                                                                         \
    static void name(const infer_product *p, const void *a_, void *c_) {                           \
        const ctype *a = a_, *b = p->b;                                                            \
        ctype *c = c_;                                                                             \
        strides s = strides_of(p);                                                                 \
        for (size_t i = 0; i < p->m; i++, c += p->n) {                                             \
            for (size_t j = 0; j < p->n; j++)                                                      \
                c[j] = 0;                                                                          \
            for (size_t l = 0; l < p->k; l++) {                                                    \
                const ctype scale = a[i * s.a_m + l * s.a_k], *row = b + l * s.b_k;                \
                if (s.b_n == 1)                                                                    \
                    for (size_t j = 0; j < p->n; j++)                                              \
                        c[j] += scale * row[j];                                                    \
                else                                                                               \
                    for (size_t j = 0; j < p->n; j++)                                              \
                        c[j] += scale * row[j * s.b_n];                                            \
            }                                                                                      \
        }                                                                                          \
    }
PLAIN(plain_f32, float)
PLAIN(plain_f64, double)
/* Integers wrap, so that their sign does not matter. */
PLAIN(plain_u32, uint32_t)
PLAIN(plain_u64, uint64_t)

/* ---- kernels ---- */

#define CUT_ROWS    56 /* in a part: whole tiles of every tier */
#define CUT_COLUMNS (2 * INFER_PANEL)

#define READ_ROWS 3 /* that take as long as reading what they are multiplied with */

double infer_product_cost(double m, double n, double k) {
    return (m > READ_ROWS ? m : READ_ROWS) * n * k * INFER_PRODUCT_COST;
}

infer_grid infer_grid_of(infer_op_env *env, size_t m, size_t n, size_t k) {
    infer_grid g = {m, n, 1, 1};
    if (infer_workers(env) == 1 || m == 0 || n == 0)
        return g;
    size_t parts = infer_parts_worth(env, infer_product_cost((double)m, (double)n, (double)k));
    size_t columns = (n + CUT_COLUMNS - 1) / CUT_COLUMNS;
    g.rows = m / CUT_ROWS < parts ? m / CUT_ROWS : parts;
    g.rows = g.rows ? g.rows : 1;
    g.columns = (parts + g.rows - 1) / g.rows;
    g.columns = g.columns < columns ? g.columns : columns;
    return g;
}

infer_tile infer_grid_tile(const infer_grid *g, size_t part) {
    infer_tile t;
    infer_part(g->m, 1, g->rows, part / g->columns, &t.row, &t.rows);
    infer_part(g->n, CUT_COLUMNS, g->columns, part % g->columns, &t.column, &t.columns);
    t.rows -= t.row;
    t.columns -= t.column;
    return t;
}

typedef struct product_work {
    const infer_product *p;
    const infer_kernels *kernels;
    infer_grid grid;
    const void *a;
    void *c;
} product_work;

#define KERNEL_PATHS(S, ctype)                                                                     \
    static void gather_a_##S(const infer_product *p, const ctype *a, size_t row, size_t rows,      \
                             ctype *to) {                                                          \
        for (size_t l = 0; l < p->k; l++)                                                          \
            for (size_t r = 0; r < rows; r++)                                                      \
                to[r * p->k + l] = a[l * p->m + row + r];                                          \
    }                                                                                              \
    static void gemm_part_##S(void *arg, size_t part, size_t worker) {                             \
        const product_work *w = arg;                                                               \
        const infer_product *p = w->p;                                                             \
        infer_tile t = infer_grid_tile(&w->grid, part);                                            \
        (void)worker;                                                                              \
        const void *a = infer_behind(w->a, t.row * p->k * sizeof(ctype));                          \
        const void *b = infer_behind(p->b, t.column * p->k * sizeof(ctype));                       \
        w->kernels->gemm_packed_##S(t.rows, t.columns, p->k, a, p->k, b, NULL,                     \
                                    (ctype *)w->c + t.row * p->n + t.column, p->n);                \
    }                                                                                              \
    static void run_##S(const infer_product *p, infer_op_env *env, const ctype *a, ctype *c,       \
                        ctype *room) {                                                             \
        const infer_kernels *k = env->kernels;                                                     \
        bool copies = copies_a(p);                                                                 \
        size_t step = copies || p->finish ? block_rows(p) : p->m;                                  \
        for (size_t row = 0; row < p->m; row += step) {                                            \
            size_t rows = p->m - row < step ? p->m - row : step;                                   \
            const ctype *from = copies ? room : a + row * p->k;                                    \
            ctype *to = c + row * p->n;                                                            \
            if (copies)                                                                            \
                gather_a_##S(p, a, row, rows, room);                                               \
            if (is_packed(p)) {                                                                    \
                product_work w = {p, k, infer_grid_of(env, rows, p->n, p->k), from, to};           \
                infer_parallel(env, w.grid.rows *w.grid.columns, gemm_part_##S, &w);               \
            } else if (p->n == 1) {                                                                \
                k->matvec_##S(rows, p->k, from, p->k, p->b, NULL, to);                             \
            } else if (p->trans_b) {                                                               \
                k->matvec_##S(p->n, p->k, p->b, p->k, from, NULL, to);                             \
            } else {                                                                               \
                plain_##S(p, a, c);                                                                \
            }                                                                                      \
            if (p->finish)                                                                         \
                p->finish(p, row, rows, to);                                                       \
        }                                                                                          \
    }
KERNEL_PATHS(f32, float)
KERNEL_PATHS(f64, double)

/* Rows [row, row + rows) of A as float. */
static void widen_a(const infer_product *p, const char *a, size_t row, size_t rows, float *to) {
    size_t size = infer_type_size(p->type);
    if (!p->trans_a) {
        infer_widen(p->type, a + row * p->k * size, to, rows * p->k);
        return;
    }
    float some[ROWS];
    for (size_t l = 0; l < p->k; l++) {
        infer_widen(p->type, a + (l * p->m + row) * size, some, rows);
        for (size_t r = 0; r < rows; r++)
            to[r * p->k + l] = some[r];
    }
}

static void run_rare(const infer_product *p, const infer_kernels *k, const void *a, char *c,
                     void *scratch) {
    float *wide_a = infer_scratch_at(scratch, p->a_at),
          *wide_c = infer_scratch_at(scratch, p->c_at);
    size_t size = infer_type_size(p->type), step = block_rows(p);
    for (size_t row = 0; row < p->m; row += step) {
        size_t rows = p->m - row < step ? p->m - row : step;
        widen_a(p, a, row, rows, wide_a);
        k->gemm_packed_f32(rows, p->n, p->k, wide_a, p->k, p->b, NULL, wide_c, p->n);
        if (p->finish)
            p->finish(p, row, rows, wide_c);
        infer_narrow(p->type, wide_c, c + row * p->n * size, rows * p->n, false);
    }
}

void infer_product_run(const infer_product *p, infer_op_env *env, const void *a, void *c,
                       void *scratch) {
    if (p->m == 0 || p->n == 0)
        return;
    if (p->type == INFER_TYPE_FLOAT) {
        run_f32(p, env, a, c, infer_scratch_at(scratch, p->a_at));
    } else if (p->type == INFER_TYPE_DOUBLE) {
        run_f64(p, env, a, c, infer_scratch_at(scratch, p->a_at));
    } else if (is_rare(p)) {
        run_rare(p, env->kernels, a, c, scratch);
    } else {
        if (infer_type_size(p->type) == 4)
            plain_u32(p, a, c);
        else
            plain_u64(p, a, c);
        if (p->finish)
            p->finish(p, 0, p->m, c);
    }
}
