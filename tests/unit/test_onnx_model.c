/* Whole models through the public interface: names, versions, functions, damaged and cut bytes,
 * memory that fails. */
#include "infer.h"
#include "onnx.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing.h"

/* ---- building ---- */

typedef Infer__Onnx__NodeProto node_proto;
typedef Infer__Onnx__AttributeProto attribute_proto;

#define NODES 24

/* A list of nodes, and what they point to. */
typedef struct nodes {
    node_proto node[NODES], *list[NODES];
    attribute_proto attribute[NODES], *attribute_list[NODES];
    char *in[NODES][3], *out[NODES][1];
    size_t count;
} nodes;

/* Names are given with blanks between them. */
static size_t split(const char *names, char **list) {
    static char store[1 << 16];
    static size_t used;
    size_t count = 0;
    if (used + strlen(names) + 2 > sizeof store)
        used = 0;
    char *copy = strcpy(store + used, names);
    used += strlen(names) + 1;
    for (char *name = strtok(copy, " "); name; name = strtok(NULL, " "))
        list[count++] = name;
    return count;
}

static void add_node(nodes *n, const char *op, const char *in, const char *out) {
    node_proto *node = &n->node[n->count];
    *node = (node_proto)INFER__ONNX__NODE_PROTO__INIT;
    node->op_type = (char *)op;
    node->domain = strncmp(op, "Local", 5) == 0 ? (char *)"local" : NULL;
    node->n_input = split(in, n->in[n->count]);
    node->input = n->in[n->count];
    node->n_output = split(out, n->out[n->count]);
    node->output = n->out[n->count];
    n->list[n->count++] = node;
}

/* Gives the last node a FLOAT attribute, or where `reference` is set, one that refers to the
 * call's. */
static void add_float(nodes *n, const char *name, float value, const char *reference) {
    size_t last = n->count - 1;
    attribute_proto *a = &n->attribute[last];
    *a = (attribute_proto)INFER__ONNX__ATTRIBUTE_PROTO__INIT;
    a->name = (char *)name;
    a->has_type = 1;
    a->type = INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    a->has_f = !reference;
    a->f = value;
    a->ref_attr_name = (char *)reference;
    n->attribute_list[last] = a;
    n->node[last].attribute = &n->attribute_list[last];
    n->node[last].n_attribute = 1;
}

#define FUNCTIONS 24

/* A model with one input "x" of two floats, an initializer "w" = {10, 20} and one output "y". */
typedef struct builder {
    nodes graph_nodes;
    nodes *bodies; /* of FUNCTIONS functions */
    Infer__Onnx__FunctionProto function[FUNCTIONS], *function_list[FUNCTIONS];
    attribute_proto defaults[FUNCTIONS], *default_list[FUNCTIONS];
    char *function_ports[FUNCTIONS][2];
    Infer__Onnx__OperatorSetIdProto imports[2], *import_list[2];
    Infer__Onnx__TypeProto__Tensor tensor;
    Infer__Onnx__TensorShapeProto shape;
    Infer__Onnx__TensorShapeProto__Dimension dim, *dims[1];
    Infer__Onnx__TypeProto type;
    Infer__Onnx__ValueInfoProto inputs[2], *input_list[2], output, *output_list[1];
    Infer__Onnx__TensorProto weights[2], *weight_list[2];
    int64_t weight_dims[1];
    float weight_data[2];
    Infer__Onnx__GraphProto graph;
    Infer__Onnx__ModelProto model;
} builder;

static builder *new_builder(void) {
    builder *b = calloc(1, sizeof *b);
    b->bodies = calloc(FUNCTIONS, sizeof *b->bodies);
    for (int i = 0; i < 2; i++) {
        b->imports[i] = (Infer__Onnx__OperatorSetIdProto)INFER__ONNX__OPERATOR_SET_ID_PROTO__INIT;
        b->imports[i].has_version = 1;
        b->imports[i].version = i ? 1 : 17;
        b->import_list[i] = &b->imports[i];
        b->inputs[i] = (Infer__Onnx__ValueInfoProto)INFER__ONNX__VALUE_INFO_PROTO__INIT;
        b->inputs[i].name = (char *)"x";
        b->inputs[i].type = &b->type;
        b->input_list[i] = &b->inputs[i];
        b->weights[i] = (Infer__Onnx__TensorProto)INFER__ONNX__TENSOR_PROTO__INIT;
        b->weights[i].name = (char *)"w";
        b->weights[i].has_data_type = 1;
        b->weights[i].data_type = INFER_TYPE_FLOAT;
        b->weights[i].n_dims = 1;
        b->weights[i].dims = b->weight_dims;
        b->weights[i].n_float_data = 2;
        b->weights[i].float_data = b->weight_data;
        b->weight_list[i] = &b->weights[i];
    }
    b->weight_dims[0] = 2;
    b->weight_data[0] = 10;
    b->weight_data[1] = 20;
    b->imports[1].domain = (char *)"local";
    b->dim =
        (Infer__Onnx__TensorShapeProto__Dimension)INFER__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
    b->dim.has_dim_value = 1;
    b->dim.dim_value = 2;
    b->dims[0] = &b->dim;
    b->shape = (Infer__Onnx__TensorShapeProto)INFER__ONNX__TENSOR_SHAPE_PROTO__INIT;
    b->shape.n_dim = 1;
    b->shape.dim = b->dims;
    b->tensor = (Infer__Onnx__TypeProto__Tensor)INFER__ONNX__TYPE_PROTO__TENSOR__INIT;
    b->tensor.has_elem_type = 1;
    b->tensor.elem_type = INFER_TYPE_FLOAT;
    b->tensor.shape = &b->shape;
    b->type = (Infer__Onnx__TypeProto)INFER__ONNX__TYPE_PROTO__INIT;
    b->type.tensor_type = &b->tensor;
    b->output = b->inputs[0];
    b->output.name = (char *)"y";
    b->output_list[0] = &b->output;
    b->graph = (Infer__Onnx__GraphProto)INFER__ONNX__GRAPH_PROTO__INIT;
    b->graph.name = (char *)"the graph";
    b->graph.n_input = b->graph.n_output = b->graph.n_initializer = 1;
    b->graph.input = b->input_list;
    b->graph.output = b->output_list;
    b->graph.initializer = b->weight_list;
    b->graph.node = b->graph_nodes.list;
    b->model = (Infer__Onnx__ModelProto)INFER__ONNX__MODEL_PROTO__INIT;
    b->model.has_ir_version = 1;
    b->model.ir_version = 8;
    b->model.producer_name = (char *)"a test";
    b->model.n_opset_import = 2;
    b->model.opset_import = b->import_list;
    b->model.functions = b->function_list;
    b->model.graph = &b->graph;
    return b;
}

/* A function Local<letter> from "a" to "b". Its attribute "f" has a default where that is not 0. */
static nodes *add_function(builder *b, const char *name, float by_default) {
    size_t i = b->model.n_functions++;
    Infer__Onnx__FunctionProto *f = &b->function[i];
    *f = (Infer__Onnx__FunctionProto)INFER__ONNX__FUNCTION_PROTO__INIT;
    f->name = (char *)name;
    f->domain = (char *)"local";
    f->n_input = f->n_output = 1;
    b->function_ports[i][0] = (char *)"a";
    b->function_ports[i][1] = (char *)"b";
    f->input = &b->function_ports[i][0];
    f->output = &b->function_ports[i][1];
    f->node = b->bodies[i].list;
    f->n_opset_import = 2;
    f->opset_import = b->import_list;
    if (by_default != 0) {
        attribute_proto *a = &b->defaults[i];
        *a = (attribute_proto)INFER__ONNX__ATTRIBUTE_PROTO__INIT;
        a->name = (char *)"f";
        a->has_f = a->has_type = 1;
        a->type = INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        a->f = by_default;
        b->default_list[i] = a;
        f->n_attribute_proto = 1;
        f->attribute_proto = &b->default_list[i];
    }
    b->function_list[i] = f;
    return &b->bodies[i];
}

/* The serialized model; frees the builder. */
static uint8_t *serialize(builder *b, size_t *size) {
    b->graph.n_node = b->graph_nodes.count;
    for (size_t i = 0; i < b->model.n_functions; i++)
        b->function[i].n_node = b->bodies[i].count;
    *size = infer__onnx__model_proto__get_packed_size(&b->model);
    uint8_t *bytes = malloc(*size);
    infer__onnx__model_proto__pack(&b->model, bytes);
    free(b->bodies);
    free(b);
    return bytes;
}

/* ---- running ---- */

static infer_status run_model(infer_model *m, float *y) {
    float x[] = {1, -2};
    int64_t shape[] = {2};
    infer_value in = {.type = INFER_TYPE_FLOAT, .rank = 1, .shape = shape, .data = x, .count = 2};
    infer_value out = {0};
    infer_context *context;
    assert_int_equal(infer_context_new(m, &context), INFER_OK);
    infer_status status = infer_run(context, NULL, &in, 1, NULL, &out, 1);
    if (status == INFER_OK) {
        assert_int_equal(out.count, 2);
        memcpy(y, out.data, 2 * sizeof *y);
    }
    infer_context_free(context);
    return status;
}

/* Loads the model, runs x = {1, -2} through it, and frees the builder. */
static infer_status answer(builder *b, float *y) {
    size_t size;
    uint8_t *bytes = serialize(b, &size);
    infer_model *m;
    infer_options options;
    infer_options_init(&options);
    options.load_limit = (size_t)1 << 30; /* other bounds are met before it */
    infer_status status = infer_load_memory_with(bytes, size, INFER_BORROW, &options, &m);
    free(bytes);
    if (status != INFER_OK) {
        assert_null(m);
        return status;
    }
    status = run_model(m, y);
    infer_free(m);
    return status;
}

static void expect(builder *b, float first, float second) {
    float y[2];
    infer_status status = answer(b, y);
    if (status != INFER_OK)
        fail_msg("%s", infer_last_error());
    assert_float_equal(y[0], first, 1e-6f);
    assert_float_equal(y[1], second, 1e-6f);
}

/* The load fails with a message that has `word` in it. */
static void refuse(builder *b, infer_status expected, const char *word) {
    float y[2];
    infer_status status = answer(b, y);
    if (status != expected || !strstr(infer_last_error(), word))
        fail_msg("%s: %s, without \"%s\"", infer_status_name(status), infer_last_error(), word);
}

static builder *adding(void) {
    builder *b = new_builder();
    add_node(&b->graph_nodes, "Add", "x w", "y");
    return b;
}

/* ---- names and versions ---- */

static void names(void **state) {
    (void)state;
    expect(adding(), 11, 18);
    builder *b = adding();
    b->graph.n_input = 2;
    b->inputs[1].name = (char *)"w"; /* an input that has an initializer is a constant */
    expect(b, 11, 18);

    b = adding();
    b->graph.n_input = 2;
    refuse(b, INFER_ERROR_FORMAT, "\"x\"");
    b = adding();
    b->graph.n_initializer = 2;
    refuse(b, INFER_ERROR_FORMAT, "\"w\"");
    b = adding();
    add_node(&b->graph_nodes, "Add", "x w", "y");
    refuse(b, INFER_ERROR_FORMAT, "\"y\"");
    b = new_builder();
    add_node(&b->graph_nodes, "Neg", "later", "y");
    add_node(&b->graph_nodes, "Neg", "x", "later");
    refuse(b, INFER_ERROR_FORMAT, "\"later\"");
    b = adding();
    b->output.name = (char *)"nowhere";
    refuse(b, INFER_ERROR_FORMAT, "\"nowhere\"");
    b = adding();
    b->graph.n_output = 0;
    refuse(b, INFER_ERROR_FORMAT, "outputs");
    b = adding();
    b->inputs[0].type = NULL;
    refuse(b, INFER_ERROR_FORMAT, "\"x\"");
    b = adding();
    b->tensor.elem_type = 99;
    refuse(b, INFER_ERROR_UNSUPPORTED, "99");
    b = adding();
    b->graph_nodes.node[0].op_type = (char *)"Addition";
    refuse(b, INFER_ERROR_UNSUPPORTED, "Addition");
    b = adding();
    b->graph_nodes.node[0].op_type = NULL;
    refuse(b, INFER_ERROR_UNSUPPORTED, "");
}

static void versions(void **state) {
    (void)state;
    builder *b = adding();
    b->imports[0].domain = (char *)"ai.onnx";
    b->graph_nodes.node[0].domain = (char *)"ai.onnx";
    expect(b, 11, 18);
    b = adding();
    b->imports[0].version = 28;
    refuse(b, INFER_ERROR_UNSUPPORTED, "28");
    b = adding();
    b->imports[0].version = 0;
    refuse(b, INFER_ERROR_FORMAT, "version 0");
    b = adding();
    b->imports[1].domain = (char *)"ai.onnx.ml";
    b->imports[1].version = 6;
    refuse(b, INFER_ERROR_UNSUPPORTED, "ai.onnx.ml 6");
    b = adding();
    b->imports[0].domain = (char *)"elsewhere";
    refuse(b, INFER_ERROR_FORMAT, "not imported");
    b = adding();
    b->model.ir_version = 14;
    refuse(b, INFER_ERROR_UNSUPPORTED, "ir_version 14");
    b = adding();
    b->model.has_ir_version = 0;
    b->model.ir_version = 0;
    refuse(b, INFER_ERROR_FORMAT, "ir_version");
    b = adding();
    b->model.graph = NULL;
    refuse(b, INFER_ERROR_FORMAT, "");
}

/* The value of a metadata entry. */
static const char *metadata(const infer_model *m, const char *wanted) {
    const char *key, *value;
    for (size_t i = 0; i < infer_model_metadata_count(m); i++)
        if (infer_model_metadata(m, i, &key, &value) == INFER_OK && strcmp(key, wanted) == 0)
            return value;
    return "";
}

static void descriptions(void **state) {
    (void)state;
    size_t size;
    builder *b = adding();
    b->dim.has_dim_value = 0;
    b->dim.dim_param = (char *)"rows";
    uint8_t *bytes = serialize(b, &size);
    infer_model *m;
    infer_value_info info = {.struct_size = sizeof info};
    assert_int_equal(infer_load_memory(bytes, size, INFER_COPY, &m), INFER_OK);
    free(bytes);
    assert_string_equal(metadata(m, "format"), "onnx");
    assert_string_equal(metadata(m, "producer"), "a test");
    assert_string_equal(metadata(m, "graph"), "the graph");
    assert_int_equal(infer_model_inputs(m), 1);
    assert_int_equal(infer_model_input(m, 0, &info), INFER_OK);
    assert_string_equal(info.name, "x");
    assert_string_equal(info.type_string, "tensor(float)");
    assert_int_equal(info.rank, 1);
    assert_int_equal(info.shape[0], -1);
    assert_string_equal(info.symbols[0], "rows");
    infer_free(m);
}

/* ---- functions ---- */

/* LocalA: b = a + f, where f is the call's attribute. */
static void shift_body(nodes *body) {
    add_node(body, "Constant", "", "c");
    add_float(body, "value_float", 0, "f");
    add_node(body, "Add", "a c", "b");
}

static void functions(void **state) {
    (void)state;
    builder *b = new_builder();
    shift_body(add_function(b, "LocalA", 3));
    add_node(&b->graph_nodes, "LocalA", "x", "h");
    add_float(&b->graph_nodes, "f", 0.5f, NULL);
    add_node(&b->graph_nodes, "LocalA", "h", "y"); /* by default */
    expect(b, 4.5f, 1.5f);

    b = new_builder(); /* a function in a function that hands its attribute down */
    shift_body(add_function(b, "LocalA", 3));
    nodes *outer = add_function(b, "LocalB", 7);
    add_node(outer, "LocalA", "a", "c");
    add_float(outer, "f", 0, "f");
    add_node(outer, "LocalA", "c", "b");
    add_node(&b->graph_nodes, "LocalB", "x", "h");
    add_float(&b->graph_nodes, "f", 100, NULL);
    add_node(&b->graph_nodes, "LocalB", "h", "y");
    expect(b, 114, 111);
}

static void hostile_functions(void **state) {
    (void)state;
    builder *b = new_builder();
    add_node(add_function(b, "LocalA", 0), "LocalA", "a", "b");
    add_node(&b->graph_nodes, "LocalA", "x", "y");
    refuse(b, INFER_ERROR_FORMAT, "calls itself");

    b = new_builder();
    add_node(add_function(b, "LocalA", 0), "LocalB", "a", "b");
    add_node(add_function(b, "LocalB", 0), "LocalA", "a", "b");
    add_node(&b->graph_nodes, "LocalA", "x", "y");
    refuse(b, INFER_ERROR_FORMAT, "calls itself");

    static const char *const chain[FUNCTIONS] = {
        "LocalA", "LocalB", "LocalC", "LocalD", "LocalE", "LocalF", "LocalG", "LocalH",
        "LocalI", "LocalJ", "LocalK", "LocalL", "LocalM", "LocalN", "LocalO", "LocalP",
        "LocalQ", "LocalR", "LocalS", "LocalT", "LocalU", "LocalV", "LocalW", "LocalX"};
    b = new_builder(); /* two to the 24th nodes */
    for (int i = 0; i < FUNCTIONS; i++) {
        nodes *body = add_function(b, chain[i], 0);
        add_node(body, i + 1 < FUNCTIONS ? chain[i + 1] : "Neg", "a", "c");
        add_node(body, i + 1 < FUNCTIONS ? chain[i + 1] : "Neg", "c", "b");
    }
    add_node(&b->graph_nodes, "LocalA", "x", "y");
    refuse(b, INFER_ERROR_LIMIT, "too many nodes");

    b = new_builder();
    add_node(add_function(b, "LocalA", 0), "Neg", "w", "b"); /* a name of the graph around it */
    add_node(&b->graph_nodes, "LocalA", "x", "y");
    refuse(b, INFER_ERROR_FORMAT, "\"w\"");

    b = new_builder();
    add_node(add_function(b, "LocalA", 0), "Neg", "a", "b");
    add_node(add_function(b, "LocalA", 0), "Neg", "a", "b");
    refuse(b, INFER_ERROR_FORMAT, "LocalA");

    b = new_builder();
    add_node(add_function(b, "LocalA", 0), "Neg", "a", "b");
    add_node(&b->graph_nodes, "LocalA", "x w", "y");
    refuse(b, INFER_ERROR_FORMAT, "2 inputs");

    b = new_builder(); /* a reference outside of functions */
    add_node(&b->graph_nodes, "Constant", "", "y");
    add_float(&b->graph_nodes, "value_float", 0, "f");
    refuse(b, INFER_ERROR_FORMAT, "\"f\"");
}

/* ---- damage ---- */

static uint8_t *sample(size_t *size) {
    builder *b = new_builder();
    shift_body(add_function(b, "LocalA", 3));
    add_node(&b->graph_nodes, "LocalA", "x", "h");
    add_float(&b->graph_nodes, "f", 0.5f, NULL);
    add_node(&b->graph_nodes, "Add", "h w", "y");
    return serialize(b, size);
}

static void try_bytes(const uint8_t *bytes, size_t size) {
    float y[2];
    infer_model *m;
    if (infer_load_memory(bytes, size, INFER_COPY, &m) == INFER_OK) {
        (void)run_model(m, y);
        infer_free(m);
    } else {
        assert_null(m);
        assert_true(infer_last_error()[0] != 0);
    }
}

/* Every prefix and every flipped byte is a model or an error; the sanitizers see the rest. */
static void damaged(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = sample(&size);
    infer_model *m;
    for (size_t i = 1; i < size; i++) {
        uint8_t *cut = malloc(i); /* of this size, so that reading beyond it shows */
        memcpy(cut, bytes, i);
        assert_int_not_equal(infer_load_memory(cut, i, INFER_COPY, &m), INFER_OK);
        free(cut);
    }
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1 << bit);
            /* Extents that changed are no error of the model, but the test's input may not fit
             * them. */
            if (infer_load_memory(bytes, size, INFER_COPY, &m) == INFER_OK)
                infer_free(m);
            bytes[i] ^= (uint8_t)(1 << bit);
        }
    try_bytes(bytes, size);
    free(bytes);
}

static void memory_fails(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = sample(&size);
    failing_allocations(bytes, size);
    free(bytes);
}

/* A small limit is an error, not a crash; a larger one is enough. */
static void limits(void **state) {
    (void)state;
    size_t size, limit = 64;
    uint8_t *bytes = sample(&size);
    infer_options options;
    infer_model *m;
    infer_options_init(&options);
    infer_status status = INFER_ERROR_LIMIT;
    for (; status != INFER_OK && limit < (size_t)1 << 24; limit += limit / 4) {
        options.load_limit = limit;
        status = infer_load_memory_with(bytes, size, INFER_COPY, &options, &m);
        assert_true(status == INFER_OK || status == INFER_ERROR_LIMIT ||
                    status == INFER_ERROR_MEMORY);
    }
    assert_int_equal(status, INFER_OK);
    assert_true(limit > 4096);
    infer_free(m);
    free(bytes);
}

static void other_bytes(void **state) {
    (void)state;
    infer_model *m;
    assert_int_equal(infer_load_memory("", 0, INFER_COPY, &m), INFER_ERROR_FORMAT);
    assert_int_equal(infer_load_memory("hello", 5, INFER_COPY, &m), INFER_ERROR_FORMAT);
    assert_int_equal(infer_load_memory("\x80", 1, INFER_COPY, &m), INFER_ERROR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(versions),
        cmocka_unit_test(descriptions),
        cmocka_unit_test(functions),
        cmocka_unit_test(hostile_functions),
        cmocka_unit_test(damaged),
        cmocka_unit_test(memory_fails),
        cmocka_unit_test(limits),
        cmocka_unit_test(other_bytes),
    };
    return cmocka_run_group_tests_name("onnx_model", tests, NULL, NULL);
}
