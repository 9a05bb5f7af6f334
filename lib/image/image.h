/* The compact format, opened: typed tables of a verified image; and how one is put together. */
#ifndef INFER_IMAGE_H
#define INFER_IMAGE_H

#include "alloc.h"
#include "layout.h"

#include <stdbool.h>

/* Where the sections of an image lie. Nothing is owned. */
typedef struct infer_image {
    const char *base;
    size_t size;
    const infer_image_header *header;
#define POINTER(name, type) const type *name;
    INFER_IMAGE_SECTIONS(POINTER)
#undef POINTER
} infer_image;

/* Verifies the structure of size bytes at data (8-byte aligned): header, sections, and every
 * offset, count, type and index in every table. O(values + nodes); no constant is read. */
infer_status infer_image_open(const void *data, size_t size, infer_image *image);

/* Whether the texts of a constant lie in it, and together are no longer than it, so that what is
 * made of them stays in proportion to the file. Reads their table. */
infer_status infer_image_check_texts(const infer_image *image, uint32_t value);

/* Compares the content hash; reads every byte. */
infer_status infer_image_verify(const infer_image *image);

/* A verified string: terminated, as long as the image lives. */
static inline const char *infer_image_chars(const infer_image *image, infer_image_string s) {
    return image->text + s.offset;
}

/* Whether size bytes begin as an image does. */
bool infer_image_probe(const void *data, size_t size);

/* ---- writing ---- */

/* The tables of an image to be; counts in records. `data` is left NULL: its count is the bytes to
 * reserve, which the caller fills through the pointer it gets. */
typedef struct infer_image_tables {
#define TABLE(name, type)                                                                          \
    const type *name;                                                                              \
    size_t name##_count;
    INFER_IMAGE_SECTIONS(TABLE)
#undef TABLE
} infer_image_tables;

/* Lays the tables out in allocator memory: *image is *size bytes, the data section cleared and at
 * *data. The content hash is left zero for infer_image_seal. */
infer_status infer_image_write(const infer_allocator *a, const infer_image_tables *tables,
                               void **image, size_t *size, char **data);

/* Sets the content hash, also while others read the image. */
void infer_image_seal(void *image, size_t size);

#endif
