/* Constant weights of a product as panels for the kernels. */
#ifndef INFER_OPS_PACK_WEIGHTS_H
#define INFER_OPS_PACK_WEIGHTS_H

#include "loose.h"
#include "op.h"

/* Weights that are integers times a scale for each column, as quantized models unpack them, stay
 * integers: a panel is INFER_SCALE_ROWS rows of bytes with the floats of its scales, then a row of
 * INFER_PANEL integers for each of k. Those that bfloat16 holds stay bfloat16. */
#define INFER_SCALE_ROWS ((int64_t)sizeof(float))

static inline int64_t infer_panels(int64_t n) {
    return n / INFER_PANEL + (n % INFER_PANEL != 0);
}

/* A matrix of float by its rows of k and its columns. */
typedef struct infer_matrix {
    const infer_loose_f32 *data;
    size_t k, n, row, column; /* distances of rows and columns */
} infer_matrix;

/* Of weights of rank 2, [k][n] or with trans [n][k]. */
static inline infer_matrix infer_matrix_of(const infer_view *w, bool trans) {
    const size_t rows = (size_t)w->dim[0], columns = (size_t)w->dim[1];
    return (infer_matrix){.data = w->data,
                          .k = trans ? columns : rows,
                          .n = trans ? rows : columns,
                          .row = trans ? 1 : columns,
                          .column = trans ? columns : 1};
}

/* b, a constant [k][n] or with trans [n][k] of float or double: packed, [panels][k][INFER_PANEL]
 * as it is or of BFLOAT16, or [panels][INFER_SCALE_ROWS + k][INFER_PANEL] of INT8. */
uint32_t infer_pack_weights(infer_rewriter *rw, uint32_t b, bool trans);

#endif
