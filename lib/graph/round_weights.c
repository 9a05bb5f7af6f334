/* Weights rounded on request: those of products, to bfloat16, or to integers of 8 bits times a
 * scale for each column. Packing finds that they are such numbers and keeps them so
 * (ops/pack_weights.c). Who asks for bfloat16 lets products round their other input, too. */
#include "narrow.h"
#include "pack_weights.h"
#include "status.h"
#include "uses.h"

#include <math.h>

/* To the nearest, of two to the even one; an infinity or a NaN stays what it is. */
static void round_halves(const infer_matrix *m, float *to) {
    for (size_t i = 0; i < m->k * m->n; i++) {
        const float weight = m->data[i];
        uint16_t half;
        infer_narrow(INFER_TYPE_BFLOAT16, &weight, &half, 1, false);
        infer_widen(INFER_TYPE_BFLOAT16, &half, &to[i], 1);
    }
}

static void round_integers(const infer_matrix *m, float *to) {
    for (size_t j = 0; j < m->n; j++) {
        float largest = 0;
        for (size_t i = 0; i < m->k; i++)
            largest = fmaxf(largest, fabsf(m->data[i * m->row + j * m->column]));
        const float scale = largest / 127;
        const bool rounds = scale > 0 && isfinite(scale);
        for (size_t i = 0; i < m->k; i++) {
            const size_t at = i * m->row + j * m->column;
            to[at] = rounds ? rintf(m->data[at] / scale) * scale : m->data[at];
        }
    }
}

static infer_status round_input(infer_graph *g, graph_node *n, bool trans) {
    infer_view w;
    float *to;
    if (!infer_graph_floats(g, n->in[1], &w) || w.rank != 2)
        return INFER_OK;
    const infer_matrix m = infer_matrix_of(&w, trans);
    INFER_TRY(infer_graph_room(g, &w, &n->in[1], &to));
    if (g->weights == INFER_WEIGHTS_INT8)
        round_integers(&m, to);
    else
        round_halves(&m, to);
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

infer_status infer_graph_halve_products(infer_graph *g) {
    for (size_t i = 0; i < g->now->node_count && g->weights == INFER_WEIGHTS_BFLOAT16; i++) {
        graph_node *n = g->now->nodes[i];
        if (!infer_graph_is_op(n, "infer", "MatMulPacked") ||
            infer_graph_view(g, infer_graph_resolve(g, n->in[1]))->type != INFER_TYPE_BFLOAT16)
            continue;
        n->op = infer_op_find("infer", "MatMulHalf");
        INFER_TRY(infer_graph_bind(g, n));
    }
    return INFER_OK;
}
