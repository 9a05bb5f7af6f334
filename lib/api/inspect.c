/* What a model is: its ports, features, classes, metadata and nodes; saving and verifying it. */
#include "map.h"
#include "model.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

#define NULL_ARGUMENT(name) infer_fail(INFER_ERROR_ARGUMENT, name ": an argument is NULL")

/* The hash reads all weights, which a model that only predicts can do without. */
static void seal(const infer_model *m) {
    if (m->unsealed && !__atomic_load_n(&m->image.header->hash, __ATOMIC_ACQUIRE))
        infer_image_seal(m->owned, m->owned_size);
}

infer_status infer_save(const infer_model *m, const char *path) {
    if (!m || !path)
        return NULL_ARGUMENT("infer_save");
    seal(m);
    return infer_write_file(path, m->image.base, m->image.size);
}

infer_status infer_model_image(const infer_model *m, const void **data, size_t *size) {
    if (!m || !data || !size)
        return NULL_ARGUMENT("infer_model_image");
    seal(m);
    *data = m->image.base;
    *size = m->image.size;
    return INFER_OK;
}

infer_status infer_verify(const infer_model *m) {
    if (!m)
        return NULL_ARGUMENT("infer_verify");
    seal(m);
    return infer_image_verify(&m->image);
}

size_t infer_model_inputs(const infer_model *m) {
    return m ? (size_t)m->image.header->inputs.count : 0;
}

size_t infer_model_outputs(const infer_model *m) {
    return m ? (size_t)m->image.header->outputs.count : 0;
}

static infer_status describe(const infer_model *m, const infer_image_port *ports, size_t count,
                             size_t index, infer_value_info *info) {
    if (index >= count)
        return infer_fail(INFER_ERROR_ARGUMENT, "number %zu was asked for, there are %zu", index,
                          count);
    if (info->struct_size < sizeof *info)
        return infer_fail(INFER_ERROR_ARGUMENT, "struct_size of infer_value_info is not set");
    const infer_image *image = &m->image;
    const infer_image_port *p = &ports[index];
    info->name = infer_image_chars(image, p->name);
    info->type_string = infer_image_chars(image, p->type_string);
    info->kind = p->kind;
    info->type = p->type;
    info->rank = p->rank;
    info->reserved = 0;
    info->shape = p->rank > 0 ? image->extents + p->extents : NULL;
    info->symbols = p->rank > 0 ? m->symbols + p->symbols : NULL;
    return INFER_OK;
}

infer_status infer_model_input(const infer_model *m, size_t index, infer_value_info *info) {
    if (!m || !info)
        return NULL_ARGUMENT("infer_model_input");
    return describe(m, m->image.inputs, infer_model_inputs(m), index, info);
}

infer_status infer_model_output(const infer_model *m, size_t index, infer_value_info *info) {
    if (!m || !info)
        return NULL_ARGUMENT("infer_model_output");
    return describe(m, m->image.outputs, infer_model_outputs(m), index, info);
}

size_t infer_model_feature_count(const infer_model *m) {
    return m ? m->features : 0;
}

size_t infer_model_output_count(const infer_model *m) {
    return m ? m->scores : 0;
}

const char *infer_model_feature_name(const infer_model *m, size_t index) {
    if (!m || index >= m->image.header->features.count)
        return NULL;
    return infer_image_chars(&m->image, m->image.features[index]);
}

size_t infer_model_class_count(const infer_model *m) {
    return m ? m->class_count : 0;
}

const char *infer_model_class(const infer_model *m, size_t index) {
    return m && index < m->class_count ? m->class_names[index] : NULL;
}

infer_type infer_model_class_type(const infer_model *m) {
    return m ? m->class_type : INFER_TYPE_UNDEFINED;
}

size_t infer_model_metadata_count(const infer_model *m) {
    return m ? (size_t)m->image.header->metadata.count : 0;
}

infer_status infer_model_metadata(const infer_model *m, size_t index, const char **key,
                                  const char **value) {
    if (!m || !key || !value)
        return NULL_ARGUMENT("infer_model_metadata");
    if (index >= m->image.header->metadata.count)
        return infer_fail(INFER_ERROR_ARGUMENT, "metadata number %zu was asked for, there are %zu",
                          index, infer_model_metadata_count(m));
    *key = infer_image_chars(&m->image, m->image.metadata[index].key);
    *value = infer_image_chars(&m->image, m->image.metadata[index].value);
    return INFER_OK;
}

size_t infer_model_nodes(const infer_model *m) {
    return m ? (size_t)m->image.header->nodes.count : 0;
}

infer_status infer_model_node(const infer_model *m, size_t index, const char **name,
                              const char **domain, const char **op) {
    if (!m || !name || !domain || !op)
        return NULL_ARGUMENT("infer_model_node");
    if (index >= m->image.header->nodes.count)
        return infer_fail(INFER_ERROR_ARGUMENT, "node %zu was asked for, there are %zu", index,
                          infer_model_nodes(m));
    const infer_image_node *n = &m->image.nodes[index];
    *name = infer_image_chars(&m->image, n->name);
    *domain = infer_image_chars(&m->image, n->domain);
    *op = infer_image_chars(&m->image, n->op);
    return INFER_OK;
}
