/* Who makes and who reads each value of the graph at hand. */
#ifndef INFER_GRAPH_USES_H
#define INFER_GRAPH_USES_H

#include "ir.h"

#include <string.h>

typedef struct graph_uses {
    uint32_t *reads;     /* of each value, outputs of the graph included */
    graph_node **reader; /* one of the nodes that read it */
    graph_node **maker;  /* the node that makes it; NULL: none does */
    size_t count;        /* values there were */
} graph_uses;

/* In the scratch of a pass; values made later are not in it. */
infer_status infer_graph_uses(infer_graph *g, graph_uses *u);

/* The one node that reads a node's first output; NULL where there are more, or it leaves the graph.
 */
graph_node *infer_graph_sole_reader(const graph_uses *u, const graph_node *n);

/* The node of ai.onnx that makes a value, if it is this operator; NULL where it is not. */
graph_node *infer_graph_maker(const infer_graph *g, const graph_uses *u, uint32_t value,
                              const char *op);

/* Node `to`, the sole reader of `n`, becomes part of it: n makes its output from now on. */
void infer_graph_absorb(graph_uses *u, graph_node *n, graph_node *to);

static inline bool infer_graph_is_op(const graph_node *n, const char *domain, const char *name) {
    return n && !n->dead && strcmp(n->op->domain, domain) == 0 && strcmp(n->op->name, name) == 0;
}

/* A convolution over blocks of channels, with an activation or without. */
static inline bool infer_graph_is_blocked_conv(const graph_node *n) {
    return infer_graph_is_op(n, "infer", "ConvBlocked") ||
           infer_graph_is_op(n, "infer", "ConvActivated");
}

/* Whether a list of names, with blanks around each, has this one. */
bool infer_graph_is_among(const char *name, const char *names);

/* Whether a value is a FLOAT constant; its view, perhaps without data. */
bool infer_graph_are_floats(const infer_graph *g, uint32_t value, infer_view *view);

/* The elements of a FLOAT constant; NULL where the value is none. */
const float *infer_graph_floats(infer_graph *g, uint32_t value, infer_view *view);

/* A FLOAT constant of count elements, the caller's to fill. */
infer_status infer_graph_room(infer_graph *g, const infer_view *shape, uint32_t *value,
                              float **data);

/* Reads a constant that scales or shifts each channel of values of this rank, or all of them, as
 * one element a channel; false where it is something else. */
bool infer_graph_channels(infer_graph *g, uint32_t value, int32_t rank, int64_t channels,
                          float *to);

#endif
