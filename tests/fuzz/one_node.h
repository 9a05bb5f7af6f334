/* For fuzz targets of single operators: a model of one node with one input, run on one list of
 * elements. */
#ifndef INFER_TESTS_FUZZ_ONE_NODE_H
#define INFER_TESTS_FUZZ_ONE_NODE_H

#include "graph.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline infer_status build_node(infer_graph *g, const char *op, infer_type type,
                                      const infer_attr *attr) {
    infer_port_spec in = {
        .name = "x", .type_string = "", .view = {.type = (uint8_t)type, .rank = 1}};
    infer_port_spec out = {.name = "y", .type_string = "", .view = {.rank = -1}};
    const char *names[] = {"y"};
    uint32_t x, y;
    in.view.dim[0] = -1;
    infer_status status = infer_graph_input(g, &in, &x);
    infer_node_spec node = {.domain = "",
                            .op = op,
                            .name = op,
                            .version = 21,
                            .inputs = &x,
                            .in_count = 1,
                            .outputs = names,
                            .out_count = 1,
                            .attrs = attr,
                            .attr_count = attr != NULL};
    if (status == INFER_OK)
        status = infer_graph_node(g, &node, &y);
    return status == INFER_OK ? infer_graph_output(g, &out, y) : status;
}

/* NULL where the operator refuses the attribute. */
static inline infer_model *one_node(const char *op, infer_type type, const infer_attr *attr) {
    infer_allocator allocator = {0};
    infer_model *model = NULL;
    infer_options options;
    infer_graph *g;
    void *image;
    size_t size;
    allocator = infer_libc_allocator;
    infer_options_init(&options);
    options.memory_limit = (size_t)256 << 20;
    infer_link_operators();
    if (infer_graph_new(&allocator, 0, &g) != INFER_OK)
        return NULL;
    if (build_node(g, op, type, attr) == INFER_OK &&
        infer_graph_emit(g, &image, &size) == INFER_OK) {
        if (infer_open_memory_with(image, size, INFER_COPY, &options, &model) != INFER_OK)
            abort(); /* what was written cannot be read */
        infer_dealloc(&allocator, image, size);
    }
    infer_graph_free(g);
    return model;
}

static inline void run_node(infer_model *model, infer_type type, const void *data, size_t count) {
    int64_t shape = (int64_t)count;
    infer_value x = {.kind = INFER_KIND_TENSOR,
                     .type = type,
                     .rank = 1,
                     .shape = &shape,
                     .data = (void *)data,
                     .count = count},
                y = {0};
    infer_context *context;
    if (infer_context_new(model, &context) != INFER_OK)
        return;
    infer_run(context, NULL, &x, 1, NULL, &y, 1);
    infer_context_free(context);
}

#endif
