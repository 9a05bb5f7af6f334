/* Writing an image: sections in the header's order, each at a multiple of 64. */
#include "checked.h"
#include "hash.h"
#include "image.h"
#include "status.h"

#include <string.h>

static bool place(size_t *end, infer_image_section *section, size_t count, size_t record) {
    size_t bytes;
    section->offset = *end;
    section->count = count;
    return infer_mul(count, record, &bytes) && infer_add(*end, bytes, end) &&
           infer_round_up(*end, INFER_IMAGE_ALIGN, end);
}

infer_status infer_image_write(const infer_allocator *a, const infer_image_tables *t, void **image,
                               size_t *size, char **data) {
    infer_image_header h = {.version = INFER_IMAGE_VERSION,
                            .endian = INFER_IMAGE_ENDIAN,
                            .header_size = sizeof h,
                            .value_size = sizeof(infer_image_value),
                            .node_size = sizeof(infer_image_node),
                            .port_size = sizeof(infer_image_port),
                            .graph_size = sizeof(infer_image_graph)};
    memcpy(h.magic, INFER_IMAGE_MAGIC, sizeof h.magic);
    size_t end;
    bool fits = infer_round_up(sizeof h, INFER_IMAGE_ALIGN, &end);
#define PLACE(name, type)                                                                          \
    fits = fits && place(&end, &h.name, t->name##_count, sizeof(type));                            \
    h.section_count++;
    INFER_IMAGE_SECTIONS(PLACE)
#undef PLACE
    if (!fits || !infer_add(end, INFER_IMAGE_PADDING, &end))
        return infer_fail(INFER_ERROR_MEMORY, "the model does not fit the address space");
    h.size = end;
    char *base = infer_alloc(a, end);
    if (!base)
        return INFER_ERROR_MEMORY;
    /* Clearing what comes before the weights suffices: they are written by the caller, and fresh
     * pages of a large image stay untouched until then. */
    memset(base, 0, h.data.offset);
    memcpy(base, &h, sizeof h);
#define COPY(name, type)                                                                           \
    if (t->name && t->name##_count)                                                                \
        memcpy(base + h.name.offset, t->name, t->name##_count * sizeof(type));
    INFER_IMAGE_SECTIONS(COPY)
#undef COPY
    memset(base + h.data.offset + h.data.count, 0, end - h.data.offset - h.data.count);
    *image = base;
    *size = end;
    *data = base + h.data.offset;
    return INFER_OK;
}

void infer_image_seal(void *image, size_t size) {
    infer_image_header *to = image, h = *to;
    h.hash = 0;
    uint64_t seed = infer_hash64(&h, sizeof h, 0);
    uint64_t hash = infer_hash64((const char *)image + sizeof h, size - sizeof h, seed);
    __atomic_store_n(&to->hash, hash, __ATOMIC_RELEASE);
}
