/* What the files that turn a parsed ONNX model into a graph share. */
#ifndef INFER_ONNX_GRAPH_H
#define INFER_ONNX_GRAPH_H

#include "graph.h"
#include "onnx_reader.h"

/* ---- onnx_names.c: names to numbers ---- */

/* A hash table over names that live longer than it does. */
typedef struct infer_onnx_names {
    const infer_allocator *allocator;
    struct name_slot *slots;
    size_t capacity; /* a power of two, at least twice the names */
} infer_onnx_names;

/* Room for `count` names. */
infer_status infer_onnx_names_init(infer_onnx_names *names, const infer_allocator *a, size_t count);
void infer_onnx_names_free(infer_onnx_names *names);

/* false where the name is there already. */
bool infer_onnx_names_add(infer_onnx_names *names, const char *name, uint32_t number);
bool infer_onnx_names_find(const infer_onnx_names *names, const char *name, uint32_t *number);

/* ---- onnx_type.c ---- */

/* Describes an input or output; everything in it lives as long as the reader. */
infer_status infer_onnx_port(infer_onnx_reader *r, const Infer__Onnx__ValueInfoProto *info,
                             infer_port_spec *spec);

/* The type of a tensor known by its view, in place of what the model does not say. */
infer_status infer_onnx_port_of(infer_onnx_reader *r, const infer_view *view,
                                infer_port_spec *spec);

/* Kind and types alone; shapes are left unknown. */
infer_status infer_onnx_value_type(const Infer__Onnx__TypeProto *type, infer_view *view);

/* ---- onnx_node.c ---- */

/* A loader at work. */
typedef struct infer_onnx_builder {
    infer_onnx_reader *reader;
    infer_graph *graph;
    const Infer__Onnx__ModelProto *model;
    infer_onnx_names functions; /* numbers in model->functions */
    infer_arena scratch;        /* of one node */
    size_t budget;              /* nodes that inlining may still add */
} infer_onnx_builder;

/* A function body being expanded. */
typedef struct infer_onnx_call {
    const struct infer_onnx_call *outer;
    const Infer__Onnx__FunctionProto *function;
    const Infer__Onnx__NodeProto *node; /* that calls it */
    int depth;
} infer_onnx_call;

/* Where names mean something: the graph, one expansion of a function, or a body. */
typedef struct infer_onnx_scope {
    const struct infer_onnx_scope *outer; /* of a body: the names around it */
    infer_onnx_names values;
    Infer__Onnx__OperatorSetIdProto *const *imports;
    size_t import_count;
    const infer_onnx_call *call; /* NULL in the graph */
} infer_onnx_scope;

/* "" for ai.onnx however it is spelled. */
const char *infer_onnx_domain(const char *domain);

/* Checks the versions that a model or function imports. */
infer_status infer_onnx_check_imports(Infer__Onnx__OperatorSetIdProto *const *imports,
                                      size_t count);

/* Makes the model's functions known. */
infer_status infer_onnx_functions(infer_onnx_builder *b);

/* The number of the function that a node calls; INFER_NO_VALUE where it is an operator. */
infer_status infer_onnx_find_function(infer_onnx_builder *b, const Infer__Onnx__NodeProto *node,
                                      uint32_t *number);

/* Binds a name to a value; an error where it has one. */
infer_status infer_onnx_define(infer_onnx_scope *scope, const char *name, uint32_t value);

/* Adds nodes in their order, functions inlined. */
infer_status infer_onnx_nodes(infer_onnx_builder *b, infer_onnx_scope *scope,
                              Infer__Onnx__NodeProto *const *nodes, size_t count);

/* The value of a name here or around; an error where it has none. The empty name is no value. */
infer_status infer_onnx_use(const infer_onnx_scope *scope, const char *name, uint32_t *value);

/* ---- onnx_missing.c ---- */

/* Tells of every node whose operator this library does not have. */
infer_status infer_onnx_missing(infer_onnx_reader *r, const Infer__Onnx__ModelProto *m,
                                infer_missing_operator *found, void *user);

/* ---- onnx_body.c ---- */

/* Adds a graph's initializers, but those whose names are taken (inputs that have defaults). */
infer_status infer_onnx_initializers(infer_onnx_builder *b, infer_onnx_scope *scope,
                                     const Infer__Onnx__GraphProto *graph);

/* Builds the graph of attribute `name` of the node that spec begins to describe (its inputs are
 * there), and makes an attribute of it. */
infer_status infer_onnx_body(infer_onnx_builder *b, const infer_onnx_scope *scope,
                             const infer_node_spec *spec, const char *name,
                             const Infer__Onnx__GraphProto *graph, infer_attr *attr);

/* ---- onnx_attr.c ---- */

/* The attribute that stands in for one of a node: itself, or what a reference in a function body
 * leads to. NULL where the call leaves it out. */
infer_status infer_onnx_resolve(const infer_onnx_call *call,
                                const Infer__Onnx__AttributeProto *attribute,
                                const Infer__Onnx__AttributeProto **resolved);

/* Converts an attribute of a node called `name`. Lists are borrowed from the message or from
 * `scratch`; narrow: long ones are as INFER_OP_NARROW says; loose: as infer_onnx_loose_tensor. */
infer_status infer_onnx_attr(infer_onnx_reader *r, infer_arena *scratch, const char *name,
                             const Infer__Onnx__AttributeProto *attribute, bool narrow, bool loose,
                             infer_attr *attr);

#endif
