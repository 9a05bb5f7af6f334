/*
 * The model under construction: loaders put values and nodes in, passes rewrite them, and emit
 * writes the image. Values are numbers; a node may only name values that are already there.
 */
#ifndef INFER_GRAPH_H
#define INFER_GRAPH_H

#include "alloc.h"
#include "op.h"

typedef struct infer_graph infer_graph;

/* A graph that takes its memory from a; limit bounds it (0: unbounded). */
infer_status infer_graph_new(const infer_allocator *a, size_t limit, infer_graph **graph);
void infer_graph_free(infer_graph *g);

/* What a model says of an input or output. symbols: rank names, NULL entries where nameless; NULL
 * for none at all. type_string as onnxruntime spells it: "tensor(float)",
 * "seq(map(int64,tensor(float)))". */
typedef struct infer_port_spec {
    const char *name;
    const char *type_string;
    infer_view view; /* kind, type, rank (-1 unknown), dim (-1 dynamic) */
    const char *const *symbols;
    bool optional; /* an input that may be left out (it has an initializer as default: value) */
} infer_port_spec;

/* An input of the model; everything is copied. */
infer_status infer_graph_input(infer_graph *g, const infer_port_spec *spec, uint32_t *value);

/* A constant. The elements at tensor->data are borrowed until the graph is freed (strings too);
 * `copy` copies them into the graph. Floats that are borrowed may lie at any address. */
infer_status infer_graph_constant(infer_graph *g, const char *name, const infer_view *tensor,
                                  bool copy, uint32_t *value);

/* From now on release(owner, data, size) hears of borrowed constants, large ones, once nothing
 * needs them any more; what it is not told of lives as long as the graph. stays(owner, data, size):
 * whether they can be read after that, too, as what lies in a mapped file. */
void infer_graph_on_release(infer_graph *g, void (*release)(void *owner, void *data, size_t size),
                            bool (*stays)(const void *owner, const void *data, size_t size),
                            void *owner);

typedef struct infer_node_spec {
    const char *domain; /* "" for ai.onnx (loaders normalise "ai.onnx" to "") */
    const char *op;
    const char *name;
    int version;            /* of the domain's operator set that the model imports */
    const uint32_t *inputs; /* INFER_NO_VALUE where an optional one is absent */
    uint32_t in_count;
    const char *const *outputs; /* names; NULL or "" where an output is not wanted */
    uint32_t out_count;
    const infer_attr *attrs; /* copied, but for tensor data, which is borrowed as in constants */
    uint32_t attr_count;
} infer_node_spec;

/* Adds a node: finds the operator, translates it to the newest version, binds its parameters and
 * infers its outputs. values[i] is output number i (INFER_NO_VALUE where it has no name). A failure
 * names domain, operator, version and node. */
infer_status infer_graph_node(infer_graph *g, const infer_node_spec *spec, uint32_t *values);

/* ---- bodies ---- */

/* Opens a body: until infer_graph_end nodes are added to it. They may name values of the graphs
 * around it. Bodies nest up to INFER_BODY_DEPTH. */
infer_status infer_graph_begin(infer_graph *g);

/* An input of the open body: what the node will give it, as far as the model says (rank -1, type
 * UNDEFINED: nothing). */
infer_status infer_graph_body_input(infer_graph *g, const char *name, const infer_view *view,
                                    uint32_t *value);

/* Closes the open body; outputs are its values, or those of graphs around it. *number is what an
 * attribute of type GRAPH names. */
infer_status infer_graph_end(infer_graph *g, const uint32_t *outputs, size_t count,
                             int64_t *number);

/* What an operator knows of input number index of its body `attr`; all zeros where it knows
 * nothing (view->rank is -1 where only the shape is not known). */
void infer_graph_body_hint(const infer_graph *g, const char *domain, const char *op,
                           const uint32_t *inputs, uint32_t in_count, const char *attr,
                           uint32_t index, infer_view *view);

/* Names an output of the model. */
infer_status infer_graph_output(infer_graph *g, const infer_port_spec *spec, uint32_t value);

/* Copies a metadata entry; the name of feature number `index` likewise. */
infer_status infer_graph_metadata(infer_graph *g, const char *key, const char *value);

/* As infer_graph_metadata, in place of an entry of the same key. */
infer_status infer_graph_set_metadata(infer_graph *g, const char *key, const char *value);
infer_status infer_graph_feature_names(infer_graph *g, const infer_string *names, size_t count);

bool infer_graph_is_constant(const infer_graph *g, uint32_t value);

/* The view of a value as far as it is known. */
const infer_view *infer_graph_view(const infer_graph *g, uint32_t value);

/* A model that is one infer.Linear node; see infer_linear_spec. Used by infer_linear, by the JSON
 * loader and by nobody else. */
infer_status infer_graph_linear(infer_graph *g, const infer_linear_spec *spec);

/* Names of passes that infer_graph_emit leaves out, with commas between; NULL: none. */
infer_status infer_graph_without(infer_graph *g, const char *names);

/* What infer_graph_emit rounds the weights of products to. */
void infer_graph_weights(infer_graph *g, infer_weights weights);

/* What infer_graph_emit may use of the processor to pack bytes, which every tier does alike. */
void infer_graph_cpu(infer_graph *g, uint32_t cpu_flags);

/* Who hears of each pass that infer_graph_emit runs; NULL: nobody. */
void infer_graph_observe(infer_graph *g, infer_pass_observer *observer, void *user);

/* Runs the passes in their order (passes.c), then writes the image: *data is *size bytes of
 * allocator memory, the caller's. Its content hash is not set. */
infer_status infer_graph_emit(infer_graph *g, void **data, size_t *size);

#endif
