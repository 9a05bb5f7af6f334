/* Opening an image: nothing in it is believed before it was compared with the bytes there are. */
#include "checked.h"
#include "hash.h"
#include "image.h"
#include "status.h"
#include "types.h"

#include <string.h>

#define BAD(...) infer_fail(INFER_ERROR_FORMAT, "image: " __VA_ARGS__)

bool infer_image_probe(const void *data, size_t size) {
    return size >= 8 && memcmp(data, INFER_IMAGE_MAGIC, 8) == 0;
}

static infer_status check_header(const infer_image_header *h, size_t size) {
    if (h->endian != INFER_IMAGE_ENDIAN)
        return BAD("written for the other byte order");
    if (h->version != INFER_IMAGE_VERSION)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "image: format version %u, this library reads %u", h->version,
                          INFER_IMAGE_VERSION);
    size_t sections = 0;
#define COUNT(name, type) sections++;
    INFER_IMAGE_SECTIONS(COUNT)
#undef COUNT
    if (h->header_size != sizeof *h || h->value_size != sizeof(infer_image_value) ||
        h->node_size != sizeof(infer_image_node) || h->port_size != sizeof(infer_image_port) ||
        h->graph_size != sizeof(infer_image_graph) || h->section_count != sections)
        return BAD("a record size differs from this library's");
    if (h->reserved || h->reserved2)
        return BAD("a reserved field is not zero");
    if (h->size != size)
        return BAD("it says %llu bytes, there are %zu", (unsigned long long)h->size, size);
    return INFER_OK;
}

static infer_status check_section(const char *name, const infer_image_section *s, size_t record,
                                  uint64_t *end, size_t size) {
    size_t bytes, rounded;
    if (s->offset != *end || (record > 1 && s->count > UINT32_MAX) ||
        !infer_mul((size_t)s->count, record, &bytes) || !infer_range(s->offset, bytes, size) ||
        !infer_round_up((size_t)s->offset + bytes, INFER_IMAGE_ALIGN, &rounded))
        return BAD("section %s does not lie in the file", name);
    *end = rounded;
    return INFER_OK;
}

static bool string_ok(const infer_image *m, infer_image_string s) {
    return infer_range(s.offset, (uint64_t)s.size + 1, m->header->text.count) &&
           m->text[(size_t)s.offset + s.size] == 0;
}

static bool kind_ok(uint8_t kind, uint8_t type) {
    return kind <= INFER_KIND_SPARSE && (infer_type_size(type) || type == INFER_TYPE_UNDEFINED);
}

static bool extents_ok(const infer_image *m, int32_t rank, uint32_t first) {
    if (rank < -1 || rank > INFER_MAX_RANK)
        return false;
    if (rank <= 0)
        return true;
    if (!infer_range(first, (uint64_t)rank, m->header->extents.count))
        return false;
    for (int32_t i = 0; i < rank; i++)
        if (m->extents[first + (uint32_t)i] < -1)
            return false;
    return true;
}

static infer_status check_value(const infer_image *m, uint32_t index) {
    const infer_image_value *v = &m->values[index];
    if (!string_ok(m, v->name))
        return BAD("value %u: its name leaves the text", index);
    if (!kind_ok(v->kind, v->type) || !kind_ok(v->member, v->value_type) || v->constant > 1 ||
        !extents_ok(m, v->rank, v->extents))
        return BAD("value %u: kind, type or shape is wrong", index);
    if (!v->constant)
        return INFER_OK;
    size_t elements = 1, bytes;
    bool fits = v->rank >= 0 && v->kind == INFER_KIND_TENSOR && v->type != INFER_TYPE_UNDEFINED;
    for (int32_t i = 0; fits && i < v->rank; i++) {
        int64_t dim = m->extents[v->extents + (uint32_t)i];
        fits = dim >= 0 && infer_mul(elements, (size_t)dim, &elements);
    }
    size_t each =
        v->type == INFER_TYPE_STRING ? sizeof(infer_image_text) : infer_type_size(v->type);
    if (!fits || !infer_mul(elements, each, &bytes) || bytes > v->data_size ||
        (v->type != INFER_TYPE_STRING && bytes != v->data_size) ||
        v->data_offset % INFER_IMAGE_ALIGN ||
        !infer_range(v->data_offset, v->data_size, m->header->data.count))
        return BAD("constant %u: its elements do not lie in the data", index);
    return INFER_OK;
}

static infer_status check_edges(const infer_image *m, const char *what, uint32_t index,
                                uint32_t first, uint64_t count) {
    if (!infer_range(first, count, m->header->edges.count))
        return BAD("%s %u: its edges leave the table", what, index);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t v = m->edges[first + i];
        if (v != INFER_IMAGE_NONE && v >= m->header->values.count)
            return BAD("%s %u: edge %u names no value", what, index, (unsigned)i);
    }
    return INFER_OK;
}

static infer_status check_node(const infer_image *m, uint32_t index) {
    const infer_image_node *n = &m->nodes[index];
    if (!string_ok(m, n->name) || !string_ok(m, n->domain) || !string_ok(m, n->op))
        return BAD("node %u: a name leaves the text", index);
    if (n->record % 8 || !infer_range(n->record, n->record_size, m->header->records.count))
        return BAD("node %u: its parameters leave the records", index);
    return check_edges(m, "node", index, n->edges, (uint64_t)n->in_count + n->out_count);
}

/* Graphs share the nodes among them, in order; the model's own has no edges. */
static infer_status check_graphs(const infer_image *m) {
    uint64_t end = 0;
    if (!m->header->graphs.count)
        return BAD("there is no graph");
    for (uint32_t i = 0; i < m->header->graphs.count; i++) {
        const infer_image_graph *g = &m->graphs[i];
        if (g->node != end || g->reserved || (i == 0 && (g->in_count || g->out_count)))
            return BAD("graph %u: its nodes or edges are out of place", i);
        end += g->node_count;
        INFER_TRY(check_edges(m, "graph", i, g->edges, (uint64_t)g->in_count + g->out_count));
    }
    return end == m->header->nodes.count ? INFER_OK : BAD("the graphs do not hold all nodes");
}

static infer_status check_port(const infer_image *m, const infer_image_port *p, const char *what,
                               uint32_t index) {
    bool ok = string_ok(m, p->name) && string_ok(m, p->type_string) &&
              p->value < m->header->values.count && kind_ok(p->kind, p->type) &&
              extents_ok(m, p->rank, p->extents);
    if (ok && p->rank > 0) {
        ok = infer_range(p->symbols, (uint64_t)p->rank, m->header->symbols.count);
        for (int32_t i = 0; ok && i < p->rank; i++)
            ok = string_ok(m, m->symbols[p->symbols + (uint32_t)i]);
    }
    return ok ? INFER_OK : BAD("%s %u: name, value or shape is wrong", what, index);
}

static infer_status check_tables(const infer_image *m) {
    const infer_image_header *h = m->header;
    for (uint32_t i = 0; i < h->values.count; i++)
        INFER_TRY(check_value(m, i));
    for (uint32_t i = 0; i < h->nodes.count; i++)
        INFER_TRY(check_node(m, i));
    INFER_TRY(check_graphs(m));
    for (uint32_t i = 0; i < h->inputs.count; i++)
        INFER_TRY(check_port(m, &m->inputs[i], "input", i));
    for (uint32_t i = 0; i < h->outputs.count; i++)
        INFER_TRY(check_port(m, &m->outputs[i], "output", i));
    for (uint32_t i = 0; i < h->metadata.count; i++)
        if (!string_ok(m, m->metadata[i].key) || !string_ok(m, m->metadata[i].value))
            return BAD("metadata %u leaves the text", i);
    for (uint32_t i = 0; i < h->features.count; i++)
        if (!string_ok(m, m->features[i]))
            return BAD("the name of feature %u leaves the text", i);
    return INFER_OK;
}

infer_status infer_image_open(const void *data, size_t size, infer_image *image) {
    const infer_image_header *h = data;
    if (!infer_image_probe(data, size))
        return BAD("this is no prepared image: its magic number is missing");
    if (size < sizeof *h)
        return BAD("%zu bytes are too few for a header", size);
    INFER_TRY(check_header(h, size));
    *image = (infer_image){.base = data, .size = size, .header = h};
    uint64_t end = (sizeof *h + INFER_IMAGE_ALIGN - 1) & ~(uint64_t)(INFER_IMAGE_ALIGN - 1);
#define SECTION(name, type)                                                                        \
    INFER_TRY(check_section(#name, &h->name, sizeof(type), &end, size));                           \
    image->name = (const type *)(const void *)(image->base + h->name.offset);
    INFER_IMAGE_SECTIONS(SECTION)
#undef SECTION
    if (!infer_range(end, INFER_IMAGE_PADDING, size) || size - end != INFER_IMAGE_PADDING)
        return BAD("the padding at the end is missing");
    return check_tables(image);
}

infer_status infer_image_check_texts(const infer_image *m, uint32_t value) {
    const infer_image_value *v = &m->values[value];
    const infer_image_text *text =
        (const void *)(m->base + m->header->data.offset + v->data_offset);
    uint64_t count = 1, total;
    for (int32_t i = 0; i < v->rank; i++)
        count *= (uint64_t)m->extents[v->extents + (uint32_t)i];
    total = count * sizeof *text;
    for (uint64_t i = 0; i < count; i++) {
        if (!infer_range(text[i].offset, text[i].size, v->data_size) ||
            !infer_range(total, text[i].size, v->data_size))
            return BAD("constant %u: text %llu leaves it", value, (unsigned long long)i);
        total += text[i].size;
    }
    return INFER_OK;
}

infer_status infer_image_verify(const infer_image *image) {
    infer_image_header h = *image->header;
    uint64_t stored = h.hash;
    h.hash = 0;
    uint64_t seed = infer_hash64(&h, sizeof h, 0);
    uint64_t found = infer_hash64(image->base + sizeof h, image->size - sizeof h, seed);
    if (found != stored)
        return BAD("the content hash is %016llx, the header says %016llx",
                   (unsigned long long)found, (unsigned long long)stored);
    return INFER_OK;
}
