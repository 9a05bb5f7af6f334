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
void infer_product_run(const infer_product *p, const infer_kernels *k, const void *a, void *c,
                       void *scratch);

#endif
