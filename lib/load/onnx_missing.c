/* The nodes of an ONNX model whose operators this library does not have: all of them, before
 * anything is built. */
#include "onnx_graph.h"
#include "status.h"

#include <string.h>

typedef Infer__Onnx__NodeProto node_proto;
typedef Infer__Onnx__GraphProto graph_proto;
typedef Infer__Onnx__FunctionProto function_proto;

/* A walk through the graph and the functions that it calls. */
typedef struct walk {
    const Infer__Onnx__ModelProto *model;
    infer_onnx_builder builder; /* for its table of functions */
    Infer__Onnx__OperatorSetIdProto *const *imports;
    size_t import_count;
    uint32_t *queue; /* functions that are called, in the order of their first call */
    bool *queued;
    size_t queue_count;
    infer_missing_operator *found;
    void *user;
} walk;

static const char *text(const char *s) {
    return s ? s : "";
}

/* 0 where the operator set is not imported. */
static int version_of(const walk *w, const char *domain) {
    for (size_t i = 0; i < w->import_count; i++)
        if (strcmp(infer_onnx_domain(w->imports[i]->domain), domain) == 0)
            return (int)w->imports[i]->version;
    return w->model->ir_version < 3 && !domain[0] ? 1 : 0;
}

static infer_status see_graph(walk *w, const graph_proto *graph);

static infer_status see_node(walk *w, const node_proto *node) {
    const char *domain = infer_onnx_domain(node->domain), *name = text(node->op_type);
    uint32_t function;
    infer_arena_reset(&w->builder.scratch);
    INFER_TRY(infer_onnx_find_function(&w->builder, node, &function));
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->g)
            INFER_TRY(see_graph(w, node->attribute[i]->g));
    if (function != INFER_NO_VALUE) {
        if (!w->queued[function])
            w->queue[w->queue_count++] = function;
        w->queued[function] = true;
        return INFER_OK;
    }
    const infer_op *op = infer_op_find(domain, name);
    int version = version_of(w, domain);
    bool there = op && strcmp(domain, "infer") != 0 &&
                 (!version || (version >= op->since && version <= op->newest));
    if (!there)
        w->found(w->user, domain, name, version, text(node->name));
    return INFER_OK;
}

/* Bodies are messages in messages, which parsing has bounded. */
static infer_status see_graph(walk *w, const graph_proto *graph) {
    for (size_t i = 0; i < graph->n_node; i++)
        INFER_TRY(see_node(w, graph->node[i]));
    return INFER_OK;
}

static infer_status see_all(walk *w) {
    const Infer__Onnx__ModelProto *m = w->model;
    w->queue = infer_onnx_alloc(w->builder.reader, m->n_functions * sizeof *w->queue);
    w->queued = infer_onnx_alloc(w->builder.reader, m->n_functions * sizeof *w->queued);
    if (!w->queue || !w->queued)
        return INFER_ERROR_MEMORY;
    memset(w->queued, 0, m->n_functions * sizeof *w->queued);
    INFER_TRY(infer_onnx_functions(&w->builder));
    INFER_TRY(see_graph(w, m->graph));
    for (size_t i = 0; i < w->queue_count; i++) {
        const function_proto *f = m->functions[w->queue[i]];
        w->imports = f->n_opset_import ? f->opset_import : m->opset_import;
        w->import_count = f->n_opset_import ? f->n_opset_import : m->n_opset_import;
        for (size_t k = 0; k < f->n_node; k++)
            INFER_TRY(see_node(w, f->node[k]));
    }
    return INFER_OK;
}

infer_status infer_onnx_missing(infer_onnx_reader *r, const Infer__Onnx__ModelProto *m,
                                infer_missing_operator *found, void *user) {
    if (!m->graph)
        return infer_fail(INFER_ERROR_FORMAT, "the model has no graph");
    walk w = {.model = m,
              .builder = {.reader = r, .model = m},
              .imports = m->opset_import,
              .import_count = m->n_opset_import,
              .found = found,
              .user = user};
    infer_arena_init(&w.builder.scratch, &r->arena.allocator, r->arena.limit);
    infer_status status = see_all(&w);
    infer_onnx_names_free(&w.builder.functions);
    infer_arena_free(&w.builder.scratch);
    return status;
}
