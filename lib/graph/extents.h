/* Which extents are surely the same, although the model does not tell how large they are. */
#ifndef INFER_GRAPH_EXTENTS_H
#define INFER_GRAPH_EXTENTS_H

#include "ir.h"

/* Axes with one number are equally long, whatever the inputs are. */
typedef struct graph_extents {
    uint32_t *first; /* of each value: where its axes are among the numbers */
    uint32_t *number;
} graph_extents;

/* Of the values of the graph at hand, in the scratch of a pass. */
infer_status infer_graph_find_extents(infer_graph *g, graph_extents *e);

/* Whether two values have one shape for certain. */
bool infer_graph_same_shape(const infer_graph *g, const graph_extents *e, uint32_t a, uint32_t b);

#endif
