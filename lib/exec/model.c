/* Opening a model: options, the verified image, and linear models, which need nothing more. */
#include "model.h"

#include "checked.h"
#include "cpu.h"
#include "openblas.h"
#include "processors.h"
#include "status.h"
#include "types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const infer_engine infer_engine_graph __attribute__((weak));
extern __typeof__(infer_openblas_install) infer_openblas_install __attribute__((weak));

/* ---- options ---- */

#define ITERATIONS (UINT64_C(1) << 24) /* where the caller does not say */

infer_status infer_options_read(const infer_options *given, infer_options *options) {
    infer_options_init(options);
    options->iteration_limit = ITERATIONS;
    if (!given)
        return INFER_OK;
    if (given->struct_size < sizeof given->struct_size)
        return infer_fail(INFER_ERROR_ARGUMENT, "options: struct_size is not set");
    const char *bytes = (const char *)given;
    for (size_t i = sizeof *options; i < given->struct_size; i++)
        if (bytes[i])
            return infer_fail(INFER_ERROR_UNSUPPORTED,
                              "options: a field is set that this library does not know");
    memcpy(options, given,
           given->struct_size < sizeof *options ? given->struct_size : sizeof *options);
    options->struct_size = sizeof *options;
    if (!infer_threads_fit(options->threads))
        return infer_fail(INFER_ERROR_ARGUMENT, "options: threads is %u",
                          (unsigned)options->threads);
    if (options->validation > INFER_VALIDATE_FULL || options->blas > INFER_BLAS_OPENBLAS ||
        options->weights > INFER_WEIGHTS_INT8)
        return infer_fail(INFER_ERROR_ARGUMENT,
                          "options: validation, blas or weights is no such value");
    for (size_t i = 0; i < options->metadata_count; i++)
        if (!options->metadata || !options->metadata[i].key || !options->metadata[i].value)
            return infer_fail(INFER_ERROR_ARGUMENT, "options: metadata entry %zu is NULL", i);
    if (!options->iteration_limit)
        options->iteration_limit = ITERATIONS;
    const infer_allocator *a = options->allocator;
    if (a && (!a->alloc || !a->free))
        return infer_fail(INFER_ERROR_ARGUMENT, "options: the allocator lacks a function");
    return INFER_OK;
}

void infer_options_init(infer_options *options) {
    if (options)
        *options = (infer_options){.struct_size = sizeof *options};
}

infer_allocator infer_options_allocator(const infer_options *options) {
    return options->allocator ? *options->allocator : infer_libc_allocator;
}

uint32_t infer_options_cpu(const infer_options *options) {
    const uint32_t mask = options->cpu_mask;
    return mask ? infer_cpu_features() & mask : infer_cpu_features();
}

uint32_t infer_model_cpu(const infer_model *m) {
    return infer_options_cpu(&m->options);
}

static infer_status choose_kernels(infer_model *m) {
    infer_kernels_init(&m->kernels, infer_model_cpu(m));
    bool wanted = m->options.blas == INFER_BLAS_OPENBLAS;
    if (m->options.blas == INFER_BLAS_DEFAULT) {
        const char *name = getenv("INFER_BLAS");
        wanted = name && strcmp(name, "openblas") == 0;
    }
    if (!wanted)
        return INFER_OK;
    if (!infer_openblas_install)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "OpenBLAS is not linked into this program");
    return infer_openblas_install(&m->kernels);
}

/* ---- what infer_predict needs to know ---- */

static const void *constant_data(const infer_image *m, uint32_t value) {
    return m->base + m->header->data.offset + m->values[value].data_offset;
}

static bool constant_is(const infer_image *m, uint32_t value, infer_type type, int32_t rank,
                        int64_t rows, int64_t columns) {
    if (value == INFER_IMAGE_NONE)
        return false;
    const infer_image_value *v = &m->values[value];
    const int64_t *dim = m->extents + v->extents;
    return v->constant && v->type == type && v->rank == rank && dim[0] == rows &&
           (rank == 1 || dim[1] == columns);
}

static bool node_is(const infer_image *m, const infer_image_node *n, const char *domain,
                    const char *op) {
    return strcmp(infer_image_chars(m, n->domain), domain) == 0 &&
           strcmp(infer_image_chars(m, n->op), op) == 0;
}

/* A ZipMap behind the scores changes how infer_run hands them out, not what infer_predict gives. */
static bool only_zipmaps_follow(const infer_image *m, uint32_t scores) {
    for (uint32_t i = 1; i < m->header->nodes.count; i++) {
        const infer_image_node *n = &m->nodes[i];
        if (!node_is(m, n, "ai.onnx.ml", "ZipMap") || n->in_count != 1 ||
            m->edges[n->edges] != scores)
            return false;
    }
    return true;
}

/* Recognises an image that is one infer.Linear node from its input to its outputs. */
static bool linear_model(const infer_image *m, infer_linear_model *out) {
    if (m->header->nodes.count < 1 || m->header->inputs.count != 1)
        return false;
    const infer_image_node *n = m->nodes;
    if (!node_is(m, n, "infer", "Linear") || n->revision != 1 ||
        n->record_size != sizeof(infer_linear_record) || n->in_count < 3 || n->out_count < 1)
        return false;
    const uint32_t *in = m->edges + n->edges;
    if (!only_zipmaps_follow(m, in[n->in_count]))
        return false;
    if (in[0] != m->inputs[0].value || in[1] == INFER_IMAGE_NONE)
        return false;
    const infer_image_value *w = &m->values[in[1]];
    if (!w->constant || w->type != INFER_TYPE_FLOAT || w->rank != 2)
        return false;
    int64_t rows = m->extents[w->extents], columns = m->extents[w->extents + 1];
    if (rows < 1 || columns < 1 || !constant_is(m, in[2], INFER_TYPE_FLOAT, 1, rows, 0))
        return false;
    infer_linear_record record;
    memcpy(&record, m->records + n->record, sizeof record);
    if (record.link > INFER_LINK_EXP || record.binary > 1 || (record.binary && rows != 1))
        return false;
    *out = (infer_linear_model){.features = (size_t)columns,
                                .outputs = (size_t)rows,
                                .scores = record.binary ? 2 : (size_t)rows,
                                .w = constant_data(m, in[1]),
                                .b = constant_data(m, in[2]),
                                .link = record.link,
                                .binary = record.binary};
    if (n->in_count >= 5 && constant_is(m, in[3], INFER_TYPE_DOUBLE, 2, rows, columns) &&
        constant_is(m, in[4], INFER_TYPE_DOUBLE, 1, rows, 0)) {
        out->w64 = constant_data(m, in[3]);
        out->b64 = constant_data(m, in[4]);
        out->wide = record.wide == 1;
    }
    return true;
}

static bool floating(uint8_t type) {
    return type == INFER_TYPE_FLOAT || type == INFER_TYPE_DOUBLE || type == INFER_TYPE_FLOAT16 ||
           type == INFER_TYPE_BFLOAT16;
}

/* A ZipMap counts as the tensor of its values. */
static bool is_zipmap(const infer_image *m, const infer_image_port *p) {
    return p->kind == INFER_KIND_SEQUENCE &&
           strncmp(infer_image_chars(m, p->type_string), "seq(map(", 8) == 0;
}

static uint32_t primary_output(const infer_image *m) {
    uint32_t numeric = UINT32_MAX;
    for (uint32_t i = 0; i < m->header->outputs.count; i++) {
        const infer_image_port *p = &m->outputs[i];
        bool tensor = p->kind == INFER_KIND_TENSOR;
        if ((tensor && floating(p->type)) || is_zipmap(m, p))
            return i;
        if (numeric == UINT32_MAX && tensor && p->type != INFER_TYPE_STRING)
            numeric = i;
    }
    return numeric;
}

/* Values a row: the product of the extents after the first, or all of a fixed list; 0 where one is
 * not known. What the nodes say counts more than what the model announces. */
static size_t row_size(const infer_image *m, const infer_image_port *p) {
    const infer_image_value *v = &m->values[p->value];
    int32_t rank = v->rank >= 0 ? v->rank : p->rank;
    const int64_t *dim = m->extents + (v->rank >= 0 ? v->extents : p->extents);
    size_t n = 1;
    if (p->kind != INFER_KIND_TENSOR || rank < 0)
        return 0;
    if (rank == 1)
        return dim[0] >= 0 ? (size_t)dim[0] : 1;
    for (int32_t i = 1; i < rank; i++)
        if (dim[i] < 0 || !infer_mul(n, (size_t)dim[i], &n))
            return 0;
    return n;
}

/* Whether an output is what a linear model's node (or the ZipMap behind it) gives. */
static bool gives_scores(const infer_image *m, uint32_t output) {
    const infer_image_port *p = &m->outputs[output];
    return is_zipmap(m, p) || p->value == m->edges[m->nodes->edges + m->nodes->in_count];
}

/* The labels are a constant input of the linear classifier. */
static infer_status linear_labels(const infer_image *m, infer_labels *labels) {
    for (uint32_t i = 0; i < m->header->nodes.count; i++) {
        const infer_image_node *n = &m->nodes[i];
        uint32_t c = n->in_count < 6 ? INFER_IMAGE_NONE : m->edges[n->edges + 5];
        if (!node_is(m, n, "infer", "Linear") || c == INFER_IMAGE_NONE)
            continue;
        const infer_image_value *v = &m->values[c];
        if (!v->constant || v->rank != 1)
            return INFER_OK;
        *labels = (infer_labels){.type = (infer_type)v->type,
                                 .count = (size_t)m->extents[v->extents],
                                 .entries = constant_data(m, c),
                                 .texts = constant_data(m, c)};
        return v->type == INFER_TYPE_STRING ? infer_image_check_texts(m, c) : INFER_OK;
    }
    return INFER_OK;
}

/* ---- life ---- */

static infer_status read_symbols(infer_model *m) {
    size_t n = (size_t)m->image.header->symbols.count;
    if (!(m->symbols = infer_alloc(&m->allocator, n * sizeof *m->symbols)))
        return INFER_ERROR_MEMORY;
    /* Those that no port uses were not verified; ports only show their own. */
    for (size_t i = 0; i < n; i++) {
        infer_image_string s = m->image.symbols[i];
        m->symbols[i] = s.offset < m->image.header->text.count ? m->image.text + s.offset : "";
    }
    return INFER_OK;
}

static infer_status open_linear(infer_model *m) {
    infer_labels labels = {0};
    m->features = m->linear.features;
    m->scores = m->linear.scores;
    INFER_TRY(linear_labels(&m->image, &labels));
    return infer_model_classes(m, &labels);
}

static infer_status open_graph(infer_model *m) {
    const infer_image *image = &m->image;
    infer_labels labels = {0};
    if (!&infer_engine_graph)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "the model is a graph and this program is linked without operators; "
                          "see infer_link_operators");
    INFER_TRY(infer_engine_graph.open(m));
    INFER_TRY(linear_labels(image, &labels));
    if (!labels.count)
        INFER_TRY(infer_engine_graph.labels(m, &labels));
    INFER_TRY(infer_model_classes(m, &labels));
    if (image->header->inputs.count == 1)
        m->features = row_size(image, image->inputs);
    if (m->primary != UINT32_MAX)
        m->scores = is_zipmap(image, &image->outputs[m->primary])
                        ? m->class_count
                        : row_size(image, &image->outputs[m->primary]);
    return INFER_OK;
}

static infer_status fill(infer_model *m, const void *data, size_t size) {
    if ((uintptr_t)data % INFER_IMAGE_ALIGN)
        return infer_fail(INFER_ERROR_ARGUMENT, "an image needs a 64-byte aligned address");
    INFER_TRY(infer_image_open(data, size, &m->image));
    if (m->options.validation == INFER_VALIDATE_FULL)
        INFER_TRY(infer_image_verify(&m->image));
    INFER_TRY(choose_kernels(m));
    INFER_TRY(read_symbols(m));
    m->primary = primary_output(&m->image);
    m->is_linear = m->primary != UINT32_MAX && linear_model(&m->image, &m->linear) &&
                   gives_scores(&m->image, m->primary);
    return m->is_linear ? open_linear(m) : open_graph(m);
}

static void empty(infer_model *m) {
    if (m->program)
        infer_engine_graph.close(m);
    if (m->symbols)
        infer_dealloc(&m->allocator, m->symbols,
                      (size_t)m->image.header->symbols.count * sizeof *m->symbols);
    infer_dealloc(&m->allocator, m->class_names, m->class_count * sizeof *m->class_names);
    infer_dealloc(&m->allocator, m->class_text, m->class_text_size);
}

infer_status infer_model_new(const infer_options *options, infer_map map, void *owned,
                             size_t owned_size, const void *borrowed, size_t borrowed_size,
                             infer_model **model) {
    if (options->without || options->pass_observer || options->weights)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "a prepared image has been through its passes");
    if (options->metadata_count)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "options: a prepared image keeps its metadata; give it to the model that "
                          "the image is made from");
    infer_allocator allocator = infer_options_allocator(options);
    infer_model *m = infer_alloc_zero(&allocator, sizeof *m);
    if (!m)
        return INFER_ERROR_MEMORY;
    m->allocator = allocator;
    m->options = *options;
    m->options.allocator = &m->allocator;
    const void *data = map.data ? map.data : owned ? owned : borrowed;
    infer_status status = fill(m, data, map.data ? map.size : owned ? owned_size : borrowed_size);
    if (status != INFER_OK) {
        empty(m);
        infer_dealloc(&allocator, m, sizeof *m);
        return status;
    }
    m->map = map;
    m->owned = owned;
    m->owned_size = owned_size;
    *model = m;
    return INFER_OK;
}

void infer_free(infer_model *m) {
    if (!m)
        return;
    empty(m);
    infer_unmap(&m->map);
    infer_allocator allocator = m->allocator;
    infer_dealloc(&allocator, m->owned, m->owned_size);
    infer_dealloc(&allocator, m, sizeof *m);
}
