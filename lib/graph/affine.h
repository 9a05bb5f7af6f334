/* An affine map with its link on its way to an infer.Linear node. */
#ifndef INFER_GRAPH_AFFINE_H
#define INFER_GRAPH_AFFINE_H

#include "ir.h"

typedef struct graph_affine {
    size_t n, k;
    double *w, *b;               /* [n][k], [n], in the graph's arena */
    uint32_t link, binary, wide; /* as in infer_linear_record */
    uint32_t classes;            /* constant value or INFER_NO_VALUE */
} graph_affine;

/* Reads x as (x - offset) * factor from now on, k of each (NULL: 0, 1): w' = w factor,
 * b' = b - sum w factor offset. */
void infer_graph_affine_before(graph_affine *l, const double *offset, const double *factor);

/* Makes n the infer.Linear node from x to scores and, where it is a value, label. */
infer_status infer_graph_affine_node(infer_graph *g, const graph_affine *l, uint32_t x,
                                     uint32_t scores, uint32_t label, graph_node *n);

#endif
