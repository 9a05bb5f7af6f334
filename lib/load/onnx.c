/* The ONNX loader: recognises the format, parses it, and builds the graph. */
#include "limit.h"
#include "onnx_graph.h"
#include "status.h"

#include <string.h>

typedef Infer__Onnx__ModelProto model_proto;
typedef Infer__Onnx__GraphProto graph_proto;

#define IR_NEWEST 13

/* Nodes that the expansion of functions may add; the largest models have tens of thousands. */
#define EXPANSION ((size_t)1 << 18)

/* ---- recognising ---- */

#define FIELD_GRAPH 7

/* Walks the outermost fields only; a graph among them, and nothing out of place, is as good as a
 * magic number. */
static int probe(const void *data, size_t size, const char *path) {
    size_t length = path ? strlen(path) : 0;
    if (length > 5 && strcmp(path + length - 5, ".onnx") == 0)
        return 1;
    const uint8_t *at = data, *end = at + size;
    bool graph = false;
    while (at < end) {
        unsigned tag = *at++;
        uint64_t skip = 0;
        if (tag >= 0x80) {
            /* Field numbers from 16 on: two bytes. */
            if (at == end || *at >= 0x80)
                return 0;
            tag = (tag & 0x7f) | (unsigned)*at++ << 7;
        }
        unsigned wire = tag & 7;
        graph = graph || tag == (FIELD_GRAPH << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
        if (wire != PROTOBUF_C_WIRE_TYPE_VARINT && wire != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            return 0;
        unsigned shift = 0;
        do {
            if (at == end || shift > 63)
                return 0;
            skip |= (uint64_t)(*at & 0x7f) << shift;
            shift += 7;
        } while (*at++ >= 0x80);
        if (wire == PROTOBUF_C_WIRE_TYPE_VARINT)
            continue;
        if (skip > (size_t)(end - at))
            return graph ? 1 : 0; /* cut off, perhaps */
        at += skip;
    }
    return graph ? 2 : 0;
}

/* ---- building ---- */

static infer_status add_metadata(infer_graph *g, const model_proto *m) {
    if (m->producer_name && m->producer_name[0])
        INFER_TRY(infer_graph_metadata(g, "producer", m->producer_name));
    if (m->graph->name && m->graph->name[0])
        INFER_TRY(infer_graph_metadata(g, "graph", m->graph->name));
    for (size_t i = 0; i < m->n_metadata_props; i++) {
        const Infer__Onnx__StringStringEntryProto *entry = m->metadata_props[i];
        if (entry->key && entry->key[0])
            INFER_TRY(infer_graph_metadata(g, entry->key, entry->value ? entry->value : ""));
    }
    return INFER_OK;
}

/* An input with an initializer is a constant: its value could be overridden, and nobody does. */
static infer_status add_inputs(infer_onnx_builder *b, infer_onnx_scope *scope) {
    const graph_proto *g = b->model->graph;
    for (size_t i = 0; i < g->n_input; i++) {
        infer_port_spec spec;
        uint32_t value;
        const char *name = g->input[i]->name;
        if (name && infer_onnx_names_find(&scope->values, name, &value) &&
            infer_graph_is_constant(b->graph, value))
            continue;
        INFER_TRY(infer_onnx_port(b->reader, g->input[i], &spec));
        if (!spec.type_string)
            return infer_fail(INFER_ERROR_FORMAT, "input \"%s\" has no type", spec.name);
        INFER_TRY(infer_graph_input(b->graph, &spec, &value));
        INFER_TRY(infer_onnx_define(scope, spec.name, value));
    }
    return INFER_OK;
}

static infer_status add_outputs(infer_onnx_builder *b, const infer_onnx_scope *scope) {
    const graph_proto *g = b->model->graph;
    if (!g->n_output)
        return infer_fail(INFER_ERROR_FORMAT, "the graph has no outputs");
    for (size_t i = 0; i < g->n_output; i++) {
        infer_port_spec spec;
        uint32_t value;
        INFER_TRY(infer_onnx_port(b->reader, g->output[i], &spec));
        if (!infer_onnx_names_find(&scope->values, spec.name, &value) || value == INFER_NO_VALUE)
            return infer_fail(INFER_ERROR_FORMAT, "output \"%s\" is never computed", spec.name);
        if (!spec.type_string)
            INFER_TRY(infer_onnx_port_of(b->reader, infer_graph_view(b->graph, value), &spec));
        INFER_TRY(infer_graph_output(b->graph, &spec, value));
    }
    return INFER_OK;
}

static infer_status build_graph(infer_onnx_builder *b, infer_onnx_scope *scope) {
    INFER_TRY(infer_onnx_functions(b));
    INFER_TRY(add_metadata(b->graph, b->model));
    INFER_TRY(infer_onnx_initializers(b, scope, b->model->graph));
    INFER_TRY(add_inputs(b, scope));
    INFER_TRY(infer_onnx_nodes(b, scope, b->model->graph->node, b->model->graph->n_node));
    return add_outputs(b, scope);
}

static infer_status build(infer_onnx_reader *r, const model_proto *m, infer_graph *graph) {
    if (m->ir_version < 1)
        return infer_fail(INFER_ERROR_FORMAT, "the model has no ir_version");
    if (m->ir_version > IR_NEWEST)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "ir_version %lld is newer than the newest known, "
                          "%d",
                          (long long)m->ir_version, IR_NEWEST);
    if (!m->graph)
        return infer_fail(INFER_ERROR_FORMAT, "the model has no graph");
    INFER_TRY(infer_onnx_check_imports(m->opset_import, m->n_opset_import));
    const graph_proto *g = m->graph;
    size_t names = g->n_initializer + g->n_sparse_initializer + g->n_input;
    for (size_t i = 0; i < g->n_node; i++)
        names += g->node[i]->n_output;
    const infer_allocator *a = &r->arena.allocator;
    infer_onnx_builder b = {.reader = r, .graph = graph, .model = m, .budget = EXPANSION};
    infer_onnx_scope scope = {.imports = m->opset_import, .import_count = m->n_opset_import};
    infer_arena_init(&b.scratch, a, r->arena.limit);
    infer_status status = infer_onnx_names_init(&scope.values, a, names);
    if (status == INFER_OK)
        status = build_graph(&b, &scope);
    infer_onnx_names_free(&scope.values);
    infer_onnx_names_free(&b.functions);
    infer_arena_free(&b.scratch);
    return status;
}

/* ---- the loader ---- */

/* Weights in files beside the model count as part of it. */
static infer_status map_weights(infer_onnx_reader *r, const model_proto *m) {
    for (size_t i = 0; m->graph && i < m->graph->n_initializer; i++)
        if (m->graph->initializer[i]->data_location)
            INFER_TRY(infer_onnx_map(r, m->graph->initializer[i]));
    return INFER_OK;
}

static void close_loaded(infer_loaded *loaded) {
    infer_onnx_reader *r = loaded->parsed;
    infer_graph_free(loaded->graph);
    *loaded = (infer_loaded){0};
    if (!r)
        return;
    infer_allocator a = r->arena.allocator;
    infer_onnx_reader_free(r);
    infer_dealloc(&a, r, sizeof *r);
}

static void release_tensor(void *reader, void *data, size_t size) {
    infer_onnx_reader *r = reader;
    if (!infer_onnx_forget(r, data, size))
        infer_onnx_release(r, data);
}

static bool tensor_stays(const void *reader, const void *data, size_t size) {
    return infer_onnx_stays(reader, data, size);
}

static void count_missing(void *user, const char *domain, const char *name, int version,
                          const char *node) {
    (void)domain, (void)name, (void)version, (void)node;
    ++*(size_t *)user;
}

/* The failure names the first operator that is missing; it says how many there are. */
static infer_status tell_missing(infer_onnx_reader *r, const model_proto *m) {
    char first[600];
    size_t count = 0;
    strncpy(first, infer_last_error(), sizeof first - 1);
    first[sizeof first - 1] = 0;
    if (infer_onnx_missing(r, m, count_missing, &count) != INFER_OK || count < 2)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%s", first);
    return infer_fail(INFER_ERROR_UNSUPPORTED, "%s; %zu nodes need operators that are missing",
                      first, count);
}

static infer_status parse_and_build(infer_source *source, infer_onnx_reader *r,
                                    infer_loaded *loaded) {
    ProtobufCMessage *message;
    INFER_TRY(infer_onnx_unpack(r, &infer__onnx__model_proto__descriptor, source->data,
                                source->size, &message));
    /* The message has copies of everything but raw data, which is read where it lies. */
    if (source->map)
        infer_map_forget(source->map, 0, source->size);
    const model_proto *m = (const model_proto *)message;
    INFER_TRY(map_weights(r, m));
    r->arena.limit = infer_load_limit(source, infer_onnx_external_size(r));
    INFER_TRY(infer_graph_new(source->allocator, r->arena.limit, &loaded->graph));
    infer_graph_on_release(loaded->graph, release_tensor, tensor_stays, r);
    infer_status status = build(r, m, loaded->graph);
    return status == INFER_ERROR_UNSUPPORTED ? tell_missing(r, m) : status;
}

static infer_status find_missing(infer_source *source, infer_missing_operator *found, void *user) {
    infer_onnx_reader r;
    ProtobufCMessage *message;
    infer_onnx_reader_init(&r, source->allocator, infer_load_limit(source, 0), source->path);
    infer_status status = infer_onnx_unpack(&r, &infer__onnx__model_proto__descriptor, source->data,
                                            source->size, &message);
    if (status == INFER_OK)
        status = infer_onnx_missing(&r, (const model_proto *)message, found, user);
    infer_onnx_reader_free(&r);
    return status;
}

static infer_status load(infer_source *source, infer_loaded *loaded) {
    infer_onnx_reader *r = infer_alloc(source->allocator, sizeof *r);
    if (!r)
        return INFER_ERROR_MEMORY;
    infer_onnx_reader_init(r, source->allocator, infer_load_limit(source, 0), source->path);
    r->model = source->data;
    r->model_size = source->size;
    r->map = source->map;
    *loaded = (infer_loaded){NULL, r, close_loaded};
    infer_status status = parse_and_build(source, r, loaded);
    if (status != INFER_OK)
        close_loaded(loaded);
    return status;
}

const infer_loader infer_loader_onnx = {"onnx", probe, load, find_missing};
