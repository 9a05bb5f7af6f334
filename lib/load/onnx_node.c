/* Nodes of ONNX into the graph: names become values, functions are inlined. */
#include "onnx_graph.h"
#include "status.h"

#include <string.h>

typedef Infer__Onnx__NodeProto node_proto;
typedef Infer__Onnx__FunctionProto function_proto;

/* Calls of functions within functions; what real exporters nest is a handful. */
#define CALL_DEPTH 64

static const char *text(const char *s) {
    return s ? s : "";
}

/* ---- domains and versions ---- */

const char *infer_onnx_domain(const char *domain) {
    return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

/* The newest versions whose operators this library knows. */
static const struct {
    const char *domain, *name;
    int newest;
} known_domains[] = {{"", "ai.onnx", 27},
                     {"ai.onnx.ml", "ai.onnx.ml", 5},
                     {"ai.onnx.preview", "ai.onnx.preview", 1},
                     {"ai.onnx.preview.training", "ai.onnx.preview.training", 1},
                     {"com.microsoft", "com.microsoft", 1}};

infer_status infer_onnx_check_imports(Infer__Onnx__OperatorSetIdProto *const *imports,
                                      size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *domain = infer_onnx_domain(imports[i]->domain);
        int64_t version = imports[i]->version;
        if (version < 1 || version > INT32_MAX)
            return infer_fail(INFER_ERROR_FORMAT, "version %lld of operator set \"%s\"",
                              (long long)version, domain);
        for (size_t k = 0; k < sizeof known_domains / sizeof *known_domains; k++)
            if (strcmp(domain, known_domains[k].domain) == 0 && version > known_domains[k].newest)
                return infer_fail(INFER_ERROR_UNSUPPORTED,
                                  "operator set %s %lld is newer than the newest known, %d",
                                  known_domains[k].name, (long long)version,
                                  known_domains[k].newest);
    }
    return INFER_OK;
}

static infer_status find_version(const infer_onnx_builder *b, const infer_onnx_scope *scope,
                                 const char *domain, int *version) {
    for (size_t i = 0; i < scope->import_count; i++)
        if (strcmp(infer_onnx_domain(scope->imports[i]->domain), domain) == 0) {
            *version = (int)scope->imports[i]->version;
            return INFER_OK;
        }
    /* Before IR version 3 there was one operator set and nothing to import. */
    if (b->model->ir_version < 3 && !domain[0]) {
        *version = 1;
        return INFER_OK;
    }
    return infer_fail(INFER_ERROR_FORMAT, "operator set \"%s\" is not imported", domain);
}

/* ---- names ---- */

infer_status infer_onnx_define(infer_onnx_scope *scope, const char *name, uint32_t value) {
    if (infer_onnx_names_add(&scope->values, name, value))
        return INFER_OK;
    return infer_fail(INFER_ERROR_FORMAT, "two values have the name \"%s\"", name);
}

infer_status infer_onnx_use(const infer_onnx_scope *scope, const char *name, uint32_t *value) {
    *value = INFER_NO_VALUE;
    if (!name[0])
        return INFER_OK;
    for (const infer_onnx_scope *s = scope; s; s = s->outer)
        if (infer_onnx_names_find(&s->values, name, value))
            return INFER_OK;
    return infer_fail(INFER_ERROR_FORMAT, "value \"%s\" is used before it is defined", name);
}

/* ---- one operator ---- */

/* Whether an attribute is one that the operator takes as INFER_OP_NARROW says. */
static bool takes_narrow(const infer_node_spec *spec, const char *name) {
    const infer_op *op = infer_op_find(spec->domain, spec->op);
    if (!op || !(op->flags & INFER_OP_NARROW))
        return false;
    for (size_t i = 0; i < op->attr_count; i++)
        if (strcmp(op->attrs[i].name, name) == 0)
            return false;
    return true;
}

/* A Constant with a tensor is a constant of the graph, borrowed as initializers are. */
static bool is_constant(const infer_node_spec *spec, const node_proto *node) {
    const char *name = node->n_attribute == 1 ? text(node->attribute[0]->name) : "";
    return !spec->domain[0] && strcmp(spec->op, "Constant") == 0 && !spec->in_count &&
           spec->out_count == 1 &&
           (strcmp(name, "value") == 0 || strcmp(name, "sparse_value") == 0);
}

static infer_status add_attrs(infer_onnx_builder *b, const infer_onnx_scope *scope,
                              const node_proto *node, infer_node_spec *spec) {
    infer_attr *attrs = infer_arena_array(&b->scratch, node->n_attribute, sizeof *attrs);
    if (!attrs)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Infer__Onnx__AttributeProto *resolved;
        const char *name = text(node->attribute[i]->name);
        INFER_TRY(infer_onnx_resolve(scope->call, node->attribute[i], &resolved));
        if (!resolved)
            continue;
        infer_attr *attr = &attrs[spec->attr_count++];
        if (resolved->g)
            INFER_TRY(infer_onnx_body(b, scope, spec, name, resolved->g, attr));
        else
            INFER_TRY(infer_onnx_attr(b->reader, &b->scratch, name, resolved,
                                      takes_narrow(spec, name), is_constant(spec, node), attr));
    }
    spec->attrs = attrs;
    return INFER_OK;
}

static infer_status add_operator(infer_onnx_builder *b, infer_onnx_scope *scope,
                                 const node_proto *node) {
    infer_node_spec spec = {.domain = infer_onnx_domain(node->domain),
                            .op = text(node->op_type),
                            .name = text(node->name),
                            .in_count = (uint32_t)node->n_input,
                            .out_count = (uint32_t)node->n_output,
                            .outputs = (const char *const *)node->output};
    uint32_t *inputs = infer_arena_array(&b->scratch, node->n_input, sizeof *inputs);
    uint32_t *values = infer_arena_array(&b->scratch, node->n_output, sizeof *values);
    if (!inputs || !values)
        return INFER_ERROR_MEMORY;
    INFER_TRY(find_version(b, scope, spec.domain, &spec.version));
    for (size_t i = 0; i < node->n_input; i++)
        INFER_TRY(infer_onnx_use(scope, node->input[i], &inputs[i]));
    spec.inputs = inputs;
    INFER_TRY(add_attrs(b, scope, node, &spec));
    if (is_constant(&spec, node) && spec.attr_count == 1 && spec.attrs[0].type == INFER_ATTR_TENSOR)
        INFER_TRY(
            infer_graph_constant(b->graph, node->output[0], &spec.attrs[0].tensor, false, values));
    else
        INFER_TRY(infer_graph_node(b->graph, &spec, values));
    for (size_t i = 0; i < node->n_output; i++)
        if (node->output[i][0])
            INFER_TRY(infer_onnx_define(scope, node->output[i], values[i]));
    return INFER_OK;
}

/* ---- functions ---- */

/* What a function is known by: its domain, name and overload, one after another. */
static char *function_key(infer_arena *arena, const char *domain, const char *name,
                          const char *overload) {
    const char *parts[] = {infer_onnx_domain(domain), text(name), text(overload)};
    size_t size = 0;
    for (int i = 0; i < 3; i++)
        size += strlen(parts[i]) + 1;
    char *key = infer_arena_alloc(arena, size), *at = key;
    for (int i = 0; key && i < 3; i++) {
        size_t part = strlen(parts[i]);
        memcpy(at, parts[i], part);
        at += part;
        *at++ = i < 2 ? '\n' : 0;
    }
    return key;
}

infer_status infer_onnx_functions(infer_onnx_builder *b) {
    const Infer__Onnx__ModelProto *m = b->model;
    if (!m->n_functions)
        return INFER_OK;
    INFER_TRY(infer_onnx_names_init(&b->functions, &b->reader->arena.allocator, m->n_functions));
    for (size_t i = 0; i < m->n_functions; i++) {
        const function_proto *f = m->functions[i];
        INFER_TRY(infer_onnx_check_imports(f->opset_import, f->n_opset_import));
        char *key = function_key(&b->reader->arena, f->domain, f->name, f->overload);
        if (!key)
            return INFER_ERROR_MEMORY;
        if (!infer_onnx_names_add(&b->functions, key, (uint32_t)i))
            return infer_fail(INFER_ERROR_FORMAT, "two functions have the name \"%s\"",
                              text(f->name));
    }
    return INFER_OK;
}

infer_status infer_onnx_find_function(infer_onnx_builder *b, const node_proto *node,
                                      uint32_t *number) {
    *number = INFER_NO_VALUE;
    if (!b->functions.capacity)
        return INFER_OK;
    char *key = function_key(&b->scratch, node->domain, node->op_type, node->overload);
    if (!key)
        return INFER_ERROR_MEMORY;
    if (!infer_onnx_names_find(&b->functions, key, number))
        *number = INFER_NO_VALUE;
    return INFER_OK;
}

static infer_status check_call(const infer_onnx_call *call) {
    const function_proto *f = call->function;
    for (const infer_onnx_call *c = call->outer; c; c = c->outer)
        if (c->function == f)
            return infer_fail(INFER_ERROR_FORMAT, "it calls itself");
    if (call->depth > CALL_DEPTH)
        return infer_fail(INFER_ERROR_LIMIT, "functions call each other more than %d deep",
                          CALL_DEPTH);
    if (call->node->n_input > f->n_input || call->node->n_output > f->n_output)
        return infer_fail(INFER_ERROR_FORMAT,
                          "called with %zu inputs and %zu outputs; it has %zu "
                          "and %zu",
                          call->node->n_input, call->node->n_output, f->n_input, f->n_output);
    return INFER_OK;
}

/* Runs through a function body with its own names; its inputs and outputs are the caller's values.
 */
static infer_status expand(infer_onnx_builder *b, infer_onnx_scope *outer,
                           infer_onnx_scope *inner) {
    const function_proto *f = inner->call->function;
    const node_proto *node = inner->call->node;
    for (size_t i = 0; i < f->n_input; i++) {
        uint32_t value = INFER_NO_VALUE;
        if (i < node->n_input)
            INFER_TRY(infer_onnx_use(outer, node->input[i], &value));
        INFER_TRY(infer_onnx_define(inner, f->input[i], value));
    }
    INFER_TRY(infer_onnx_nodes(b, inner, f->node, f->n_node));
    for (size_t i = 0; i < node->n_output; i++) {
        uint32_t value;
        if (!node->output[i][0])
            continue;
        INFER_TRY(infer_onnx_use(inner, f->output[i], &value));
        INFER_TRY(infer_onnx_define(outer, node->output[i], value));
    }
    return INFER_OK;
}

static infer_status call_function(infer_onnx_builder *b, infer_onnx_scope *scope,
                                  const node_proto *node, const function_proto *function) {
    const infer_onnx_call call = {scope->call, function, node,
                                  scope->call ? scope->call->depth + 1 : 1};
    infer_onnx_scope inner = {
        .imports = function->opset_import, .import_count = function->n_opset_import, .call = &call};
    if (!inner.import_count) {
        inner.imports = scope->imports;
        inner.import_count = scope->import_count;
    }
    size_t names = function->n_input;
    for (size_t i = 0; i < function->n_node; i++)
        names += function->node[i]->n_output;
    infer_status status = check_call(&call);
    if (status == INFER_OK)
        status = infer_onnx_names_init(&inner.values, &b->reader->arena.allocator, names);
    if (status == INFER_OK)
        status = expand(b, scope, &inner);
    infer_onnx_names_free(&inner.values);
    return status == INFER_OK ? status
                              : infer_fail_within(status, "function %s", text(function->name));
}

/* ---- all nodes ---- */

static infer_status add_node(infer_onnx_builder *b, infer_onnx_scope *scope,
                             const node_proto *node) {
    uint32_t function;
    infer_arena_reset(&b->scratch);
    if (scope->call && b->budget-- == 0) {
        b->budget = 0;
        return infer_fail(INFER_ERROR_LIMIT, "the model's functions expand to too many nodes");
    }
    INFER_TRY(infer_onnx_find_function(b, node, &function));
    return function == INFER_NO_VALUE
               ? add_operator(b, scope, node)
               : call_function(b, scope, node, b->model->functions[function]);
}

infer_status infer_onnx_nodes(infer_onnx_builder *b, infer_onnx_scope *scope,
                              Infer__Onnx__NodeProto *const *nodes, size_t count) {
    for (size_t i = 0; i < count; i++)
        INFER_TRY(add_node(b, scope, nodes[i]));
    return INFER_OK;
}
