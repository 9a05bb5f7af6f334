/* One matrix product of any type: plan it, give it B, run it on any number of A. */
#ifndef INFER_OPS_PRODUCT_H
#define INFER_OPS_PRODUCT_H

#include "op.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct infer_product {
    infer_type type; /* float, double, float16, bfloat16, 32- or 64-bit integers */
    size_t m, n, k;
    bool trans_a, trans_b; /* A lies as [k][m], B as [n][k] */
    /* What becomes of rows [row, row + rows) of C while they are still wide: float for the rare
     * types, else their own type. NULL: nothing. */
    void (*finish)(const struct infer_product *p, size_t row, size_t rows, void *c);
    const void *user;
    /* Filled by infer_product_plan: bytes of scratch, and where things lie in it. */
    size_t scratch, b_at, a_at, c_at;
    const void *b; /* as given, or packed in scratch */
} infer_product;

infer_status infer_product_plan(infer_product *p);
void infer_product_set_b(infer_product *p, const void *b, void *scratch);
/* C is [m][n], contiguous, apart from A and B. */
void infer_product_run(const infer_product *p, infer_op_env *env, const void *a, void *c,
                       void *scratch);

/* How products are cut for threads: rows and columns of C into so many parts each. */
typedef struct infer_grid {
    size_t m, n;
    size_t rows, columns;
} infer_grid;

/* What a product of m x n x k costs, as infer_parts_worth counts: the right matrix is read once,
 * which takes as long as multiplying it with a few rows. */
double infer_product_cost(double m, double n, double k);

infer_grid infer_grid_of(infer_op_env *env, size_t m, size_t n, size_t k);

/* What part number `part` of rows * columns has of C. Where there are two rows or more each has as
 * many, as a single one is summed in another order; columns come in whole panels. */
typedef struct infer_tile {
    size_t row, rows, column, columns;
} infer_tile;

infer_tile infer_grid_tile(const infer_grid *g, size_t part);

#endif
