/* Graphs inside nodes: the bodies of If, Loop, Scan and their like. */
#include "onnx_graph.h"
#include "status.h"

#include <string.h>

typedef Infer__Onnx__GraphProto graph_proto;

/* ---- initializers ---- */

static infer_status add_constant(infer_onnx_builder *b, infer_onnx_scope *scope, const char *name,
                                 const infer_view *view) {
    uint32_t value;
    if (!name || !name[0])
        return infer_fail(INFER_ERROR_FORMAT, "an initializer has no name");
    if (scope->outer && infer_onnx_names_find(&scope->values, name, &value))
        return INFER_OK; /* the input of a body is always given */
    INFER_TRY(infer_graph_constant(b->graph, name, view, false, &value));
    return infer_onnx_define(scope, name, value);
}

infer_status infer_onnx_initializers(infer_onnx_builder *b, infer_onnx_scope *scope,
                                     const graph_proto *g) {
    infer_view view;
    for (size_t i = 0; i < g->n_initializer; i++) {
        INFER_TRY(infer_onnx_loose_tensor(b->reader, g->initializer[i], &view));
        INFER_TRY(add_constant(b, scope, g->initializer[i]->name, &view));
    }
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        INFER_TRY(infer_onnx_sparse(b->reader, g->sparse_initializer[i], &view));
        INFER_TRY(add_constant(b, scope, g->sparse_initializer[i]->values->name, &view));
    }
    return INFER_OK;
}

/* ---- bodies ---- */

/* What the body says counts, then what the node gives. Of extents nothing is believed: a loop may
 * change them from turn to turn. */
static infer_status add_input(infer_onnx_builder *b, infer_onnx_scope *scope,
                              const infer_node_spec *spec, const char *attr, uint32_t index,
                              const Infer__Onnx__ValueInfoProto *info) {
    infer_port_spec said;
    infer_view view;
    uint32_t value;
    INFER_TRY(infer_onnx_port(b->reader, info, &said));
    infer_graph_body_hint(b->graph, spec->domain, spec->op, spec->inputs, spec->in_count, attr,
                          index, &view);
    if (said.type_string)
        view = said.view;
    for (int32_t i = 0; i < view.rank; i++)
        view.dim[i] = -1;
    view.data = NULL;
    INFER_TRY(infer_graph_body_input(b->graph, said.name, &view, &value));
    return infer_onnx_define(scope, said.name, value);
}

static infer_status fill(infer_onnx_builder *b, infer_onnx_scope *scope,
                         const infer_node_spec *spec, const char *name, const graph_proto *g,
                         infer_attr *attr) {
    for (size_t i = 0; i < g->n_input; i++)
        INFER_TRY(add_input(b, scope, spec, name, (uint32_t)i, g->input[i]));
    INFER_TRY(infer_onnx_initializers(b, scope, g));
    INFER_TRY(infer_onnx_nodes(b, scope, g->node, g->n_node));
    infer_arena_reset(&b->scratch);
    uint32_t *outputs = infer_arena_array(&b->scratch, g->n_output, sizeof *outputs);
    if (!outputs)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < g->n_output; i++) {
        const char *output = g->output[i]->name ? g->output[i]->name : "";
        INFER_TRY(infer_onnx_use(scope, output, &outputs[i]));
        if (outputs[i] == INFER_NO_VALUE)
            return infer_fail(INFER_ERROR_FORMAT, "output \"%s\" is never computed", output);
    }
    *attr = (infer_attr){.name = name, .type = INFER_ATTR_GRAPH};
    return infer_graph_end(b->graph, outputs, g->n_output, &attr->i);
}

infer_status infer_onnx_body(infer_onnx_builder *b, const infer_onnx_scope *scope,
                             const infer_node_spec *spec, const char *name, const graph_proto *g,
                             infer_attr *attr) {
    infer_onnx_scope inner = {.outer = scope,
                              .imports = scope->imports,
                              .import_count = scope->import_count,
                              .call = scope->call};
    size_t names = g->n_input + g->n_initializer + g->n_sparse_initializer;
    for (size_t i = 0; i < g->n_node; i++)
        names += g->node[i]->n_output;
    /* The node around it is not done: what it has in scratch stays. */
    infer_arena outer_scratch = b->scratch;
    infer_arena_init(&b->scratch, &b->reader->arena.allocator, b->reader->arena.limit);
    infer_status status = infer_graph_begin(b->graph);
    if (status == INFER_OK)
        status = infer_onnx_names_init(&inner.values, &b->reader->arena.allocator, names);
    if (status == INFER_OK)
        status = fill(b, &inner, spec, name, g, attr);
    infer_onnx_names_free(&inner.values);
    infer_arena_free(&b->scratch);
    b->scratch = outer_scratch;
    return status == INFER_OK ? status : infer_fail_within(status, "graph \"%s\"", name);
}
