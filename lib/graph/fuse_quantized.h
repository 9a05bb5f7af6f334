/* What the files of the pass fuse-quantized share: values that are integers times a scale, and the
 * nodes that are put in place of others. */
#ifndef INFER_GRAPH_FUSE_QUANTIZED_H
#define INFER_GRAPH_FUSE_QUANTIZED_H

#include "uses.h"

/* Floats that are integers less a zero point, times a scale; `scale` and `zero` are constants. */
typedef struct graph_quantized {
    uint32_t integers, scale, zero; /* zero INFER_NO_VALUE: it is 0 */
    infer_type type;                /* INT8, UINT8; INT32 of biases */
    int64_t count, axis;            /* of scales, along an axis if there are several */
    const float *scales;
} graph_quantized;

/* Whether a value is such, made by a DequantizeLinear of the graph or of constants. */
bool infer_graph_dequantized(infer_graph *g, uint32_t value, graph_quantized *q);

/* Whether it is of 8 bits with one scale. */
bool infer_graph_is_plain(infer_graph *g, uint32_t value, graph_quantized *q);

/* Whether a node is a QuantizeLinear to 8 bits with one scale; q->integers is what it makes. */
bool infer_graph_quantizes(infer_graph *g, const graph_node *n, graph_quantized *q);

/* The one zero point, or the first. */
int32_t infer_graph_zero(infer_graph *g, const graph_quantized *q);

/* The same as a value, which has the type of the integers. */
infer_status infer_graph_zero_value(infer_graph *g, const graph_quantized *q, uint32_t *value);

bool infer_graph_same_scale(infer_graph *g, const graph_quantized *a, const graph_quantized *b);

/* A small constant. */
infer_status infer_graph_keep(infer_graph *g, const infer_view *view, uint32_t *value);

/* What is known of a node that is to be. */
typedef struct graph_plan {
    const char *domain, *op;
    const uint32_t *in;
    uint32_t in_count;
    const graph_node *attrs; /* the node whose attributes it takes; NULL: none */
} graph_plan;

/* A new node behind those that are there; its outputs. */
infer_status infer_graph_make(infer_graph *g, const graph_node *like, const graph_plan *plan,
                              uint32_t *values, uint32_t count);
/* The same in place of a node, whose one output is its own from now on. */
infer_status infer_graph_remake(infer_graph *g, graph_node *n, const graph_plan *to);

/* ---- products (fuse_quantized_products.c) ---- */

/* A Conv, MatMul or Gemm of quantized values and of a quantized result. *fits: it is one, and *plan
 * and in[] (of INFER_GRAPH_MOST_IN) what it becomes. */
#define INFER_GRAPH_MOST_IN 9
infer_status infer_graph_plan_product(infer_graph *g, const graph_node *n, const graph_quantized *y,
                                      uint32_t *in, graph_plan *plan, bool *fits);
/* The same of a MatMul or Gemm whose result is of floats. */
infer_status infer_graph_plan_floats(infer_graph *g, const graph_node *n, uint32_t *in,
                                     graph_plan *plan, bool *fits);

/* ---- tables (fuse_quantized_tables.c) ---- */

/* Where the integers that a QuantizeLinear makes follow from those of one value, each by itself:
 * *from is that value and *table what each of its 256 numbers becomes. */
infer_status infer_graph_tabulate(infer_graph *g, const graph_uses *u, const graph_node *n,
                                  uint32_t *from, uint32_t *table, bool *found);
/* The same of a BatchNormalization, with a table for each channel. */
infer_status infer_graph_tabulate_channels(infer_graph *g, const graph_uses *u, const graph_node *n,
                                           uint32_t *from, uint32_t *table, bool *found);
/* The same of a value under another scale. */
infer_status infer_graph_rescale(infer_graph *g, const graph_node *like, const graph_quantized *x,
                                 const graph_quantized *y, uint32_t *from, uint32_t *table,
                                 bool *found);

#endif
