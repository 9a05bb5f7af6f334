/* infer_load and its kin: bytes from a file or memory, a loader, an image, a model. */
#include "load.h"

#include "image.h"
#include "model.h"
#include "status.h"

#include <string.h>

/* Runs the loader and turns its graph into an image. */
static infer_status make_image(infer_source *source, const infer_options *options, void **image,
                               size_t *size) {
    infer_loaded loaded = {0};
    INFER_TRY(infer_load_source(source, &loaded));
    infer_status status = INFER_OK;
    for (size_t i = 0; status == INFER_OK && i < options->metadata_count; i++)
        status = infer_graph_set_metadata(loaded.graph, options->metadata[i].key,
                                          options->metadata[i].value);
    if (status == INFER_OK)
        status = infer_graph_without(loaded.graph, options->without);
    if (status == INFER_OK) {
        infer_graph_weights(loaded.graph, (infer_weights)options->weights);
        infer_graph_cpu(loaded.graph, infer_options_cpu(options));
        infer_graph_observe(loaded.graph, options->pass_observer, options->pass_observer_user);
        status = infer_graph_emit(loaded.graph, image, size);
    }
    loaded.close(&loaded);
    return status;
}

static infer_status own_image(const infer_options *options, void *image, size_t size,
                              infer_model **model) {
    infer_options rest = *options;
    rest.metadata_count = 0; /* is in the image */
    rest.without = NULL;     /* and has been heeded */
    rest.weights = INFER_WEIGHTS_GIVEN;
    rest.pass_observer = NULL;
    rest.validation = INFER_VALIDATE_DEFAULT; /* it was just written */
    infer_status status = infer_model_new(&rest, (infer_map){0}, image, size, NULL, 0, model);
    if (status != INFER_OK) {
        infer_allocator a = infer_options_allocator(options);
        infer_dealloc(&a, image, size);
        return status;
    }
    (*model)->unsealed = true;
    return INFER_OK;
}

/* Another format than ours, from a mapped file or from memory. */
static infer_status convert(const infer_options *options, const void *data, size_t size,
                            const char *path, const infer_map *map, infer_model **model) {
    infer_allocator a = infer_options_allocator(options);
    infer_source source = {.data = data,
                           .size = size,
                           .path = path,
                           .allocator = &a,
                           .limit = options->load_limit,
                           .map = map};
    void *image;
    size_t image_size;
    INFER_TRY(make_image(&source, options, &image, &image_size));
    return own_image(options, image, image_size, model);
}

static infer_status load_file(const char *path, const infer_options *given, infer_model **model) {
    infer_options options;
    infer_link_operators(); /* any graph may come */
    INFER_TRY(infer_options_read(given, &options));
    infer_map map;
    INFER_TRY(infer_map_file(path, &map));
    infer_status status;
    if (infer_image_probe(map.data, map.size))
        status = infer_model_new(&options, map, NULL, 0, NULL, 0, model);
    else
        status = convert(&options, map.data, map.size, path, &map, model);
    if (status != INFER_OK || !*model || !(*model)->map.data)
        infer_unmap(&map);
    return status == INFER_OK ? status : infer_fail_within(status, "%.300s", path);
}

infer_status infer_missing(const char *path, infer_missing_operator *found, void *user) {
    if (!path || !found)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_missing: an argument is NULL");
    infer_map map;
    INFER_TRY(infer_map_file(path, &map));
    infer_source source = {
        .data = map.data, .size = map.size, .path = path, .allocator = &infer_libc_allocator};
    infer_status status = INFER_OK; /* an image was written by a library that had them all */
    if (!infer_image_probe(map.data, map.size))
        status = infer_load_missing(&source, found, user);
    infer_unmap(&map);
    return status == INFER_OK ? status : infer_fail_within(status, "%.300s", path);
}

infer_status infer_load_with(const char *path, const infer_options *options, infer_model **model) {
    if (model)
        *model = NULL;
    if (!path || !model)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_load: an argument is NULL");
    return load_file(path, options, model);
}

infer_status infer_load(const char *path, infer_model **model) {
    return infer_load_with(path, NULL, model);
}

infer_status infer_load_memory_with(const void *data, size_t size, infer_ownership ownership,
                                    const infer_options *given, infer_model **model) {
    if (model)
        *model = NULL;
    if (!data || !model)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_load_memory: an argument is NULL");
    infer_link_operators();
    if (infer_image_probe(data, size))
        return infer_open_memory_with(data, size, ownership, given, model);
    infer_options options;
    INFER_TRY(infer_options_read(given, &options));
    return convert(&options, data, size, NULL, NULL, model);
}

infer_status infer_load_memory(const void *data, size_t size, infer_ownership ownership,
                               infer_model **model) {
    return infer_load_memory_with(data, size, ownership, NULL, model);
}

infer_status infer_linear(const infer_linear_spec *given, infer_model **model) {
    if (model)
        *model = NULL;
    if (!given || !model)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_linear: an argument is NULL");
    infer_linear_spec spec;
    infer_linear_spec_init(&spec);
    if (given->struct_size < offsetof(infer_linear_spec, class_count) ||
        given->struct_size > sizeof spec)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_linear: struct_size is %zu",
                          given->struct_size);
    memcpy(&spec, given, given->struct_size);
    infer_options options;
    infer_options_init(&options);
    infer_graph *g;
    void *image;
    size_t size;
    INFER_TRY(infer_graph_new(&infer_libc_allocator, 0, &g));
    infer_status status = infer_graph_linear(g, &spec);
    if (status == INFER_OK)
        status = infer_graph_metadata(g, "format", "linear");
    if (status == INFER_OK)
        status = infer_graph_emit(g, &image, &size);
    infer_graph_free(g);
    return status == INFER_OK ? own_image(&options, image, size, model) : status;
}

void infer_linear_spec_init(infer_linear_spec *spec) {
    if (spec)
        *spec = (infer_linear_spec){.struct_size = sizeof *spec};
}
