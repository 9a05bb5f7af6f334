/* Weights rounded on request: those of products, to bfloat16, or to integers of 8 bits times a
 * scale for each column. Packing finds that they are such numbers and keeps them so
 * (ops/pack_weights.c). */
#include "status.h"
#include "uses.h"

#include <math.h>
#include <string.h>

/* A matrix by rows and columns. */
typedef struct matrix {
    float *data;
    size_t k, n, row, column; /* distances of rows and columns */
} matrix;

/* To the nearest, of two to the even one; an infinity or a NaN stays what it is. */
static void round_halves(const matrix *m) {
    for (size_t i = 0; i < m->k * m->n; i++) {
        uint16_t half;
        infer_narrow(INFER_TYPE_BFLOAT16, &m->data[i], &half, 1, false);
        infer_widen(INFER_TYPE_BFLOAT16, &half, &m->data[i], 1);
    }
}

static void round_integers(const matrix *m) {
    for (size_t j = 0; j < m->n; j++) {
        float *x = m->data + j * m->column, largest = 0;
        for (size_t i = 0; i < m->k; i++)
            largest = fmaxf(largest, fabsf(x[i * m->row]));
        const float scale = largest / 127;
        for (size_t i = 0; i < m->k && scale > 0 && isfinite(scale); i++)
            x[i * m->row] = rintf(x[i * m->row] / scale) * scale;
    }
}

static infer_status round_input(infer_graph *g, graph_node *n, bool trans) {
    infer_view w;
    const float *from = infer_graph_floats(g, n->in[1], &w);
    matrix m = {0};
    if (!from || w.rank != 2)
        return INFER_OK;
    INFER_TRY(infer_graph_room(g, &w, &n->in[1], &m.data));
    memcpy(m.data, from, (size_t)infer_view_count(&w) * sizeof *from);
    m.k = (size_t)w.dim[trans ? 1 : 0];
    m.n = (size_t)w.dim[trans ? 0 : 1];
    m.row = trans ? 1 : (size_t)w.dim[1];
    m.column = trans ? (size_t)w.dim[1] : 1;
    if (g->weights == INFER_WEIGHTS_INT8)
        round_integers(&m);
    else
        round_halves(&m);
    return INFER_OK;
}

infer_status infer_graph_round_weights(infer_graph *g) {
    for (size_t i = 0; i < g->now->node_count && g->weights != INFER_WEIGHTS_GIVEN; i++) {
        graph_node *n = g->now->nodes[i];
        const infer_attr *trans = infer_graph_find_attr(n, "transB");
        if (infer_graph_is_op(n, "", "MatMul") || infer_graph_is_op(n, "", "Gemm"))
            INFER_TRY(round_input(g, n, trans && trans->i));
    }
    return INFER_OK;
}
