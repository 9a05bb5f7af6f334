/* BMP: with palettes, 16, 24 and 32 bits, run lengths, from the bottom or the top. */
#include "picture.h"
#include "status.h"

#include <string.h>

enum { PLAIN, RLE8, RLE4, FIELDS, ALPHA_FIELDS = 6 }; /* compression */

#define FILE_HEADER 14

typedef struct bitmap {
    infer_picture *picture;
    size_t header, width, height;
    bool top; /* the first row is the top one */
    uint32_t bits, compression, colours;
    uint32_t masks[3]; /* red, green, blue */
    const uint8_t *palette;
    size_t palette_size, entry; /* colours of it, bytes of each */
    const uint8_t *at, *end;    /* the pixels */
} bitmap;

/* ---- headers ---- */

static bool read_header(bitmap *b) {
    const uint8_t *h = b->picture->data + FILE_HEADER;
    size_t left = b->picture->size < FILE_HEADER ? 0 : b->picture->size - FILE_HEADER;
    if (left < 12)
        return false;
    b->header = infer_read_le32(h);
    if (b->header > left || (b->header != 12 && b->header < 40))
        return false;
    if (b->header == 12) {
        b->width = infer_read_le16(h + 4);
        b->height = infer_read_le16(h + 6);
        b->bits = infer_read_le16(h + 10);
        return true;
    }
    uint32_t width = infer_read_le32(h + 4), height = infer_read_le32(h + 8);
    b->top = height >> 31;
    b->width = width >> 31 ? 0 : width;
    b->height = b->top ? 0u - height : height;
    b->bits = infer_read_le16(h + 14);
    b->compression = infer_read_le32(h + 16);
    b->colours = infer_read_le32(h + 32);
    return true;
}

/* The masks stand in the longer headers, or behind the shorter one; *behind is their size there. */
static bool read_masks(bitmap *b, size_t *behind) {
    static const uint32_t usual[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    bool fields = b->compression == FIELDS || b->compression == ALPHA_FIELDS;
    size_t from = FILE_HEADER + 40;
    memcpy(b->masks, usual[b->bits == 32], sizeof b->masks);
    *behind = fields && b->header == 40 ? (b->compression == FIELDS ? 12 : 16) : 0;
    if (!fields)
        return true;
    if ((b->bits != 16 && b->bits != 32) || b->picture->size < from + 12)
        return false;
    for (int i = 0; i < 3; i++)
        b->masks[i] = infer_read_le32(b->picture->data + from + 4 * i);
    return true;
}

static bool read_layout(bitmap *b) {
    const infer_picture *p = b->picture;
    size_t behind, offset, start;
    if (!read_header(b) || !read_masks(b, &behind))
        return false;
    offset = infer_read_le32(p->data + 10);
    start = FILE_HEADER + b->header + behind;
    if (offset > p->size || start > p->size)
        return false;
    b->at = p->data + offset;
    b->end = p->data + p->size;
    b->palette = p->data + start;
    b->entry = b->header == 12 ? 3 : 4;
    b->palette_size = b->bits > 8                                ? 0
                      : b->colours && b->colours < 1u << b->bits ? b->colours
                                                                 : 1u << b->bits;
    size_t room = (offset > start ? offset - start : p->size - start) / b->entry;
    b->palette_size = b->palette_size < room ? b->palette_size : room;
    return b->width && b->height;
}

/* ---- pixels ---- */

/* What a masked field holds, as 8 bits. */
static uint8_t scale_field(uint32_t pixel, uint32_t mask) {
    if (!mask)
        return 0;
    int shift = __builtin_ctz(mask);
    return (uint8_t)((uint64_t)((pixel & mask) >> shift) * 255 / (mask >> shift));
}

static void put_index(const bitmap *b, unsigned index, uint8_t *to) {
    static const uint8_t black[3] = {0};
    const uint8_t *colour = index < b->palette_size ? b->palette + index * b->entry : black;
    to[0] = colour[2];
    to[1] = colour[1];
    to[2] = colour[0];
}

static void put_pixel(const bitmap *b, const uint8_t *row, size_t x, uint8_t *to) {
    size_t bit = x * b->bits;
    uint32_t pixel;
    switch (b->bits) {
    case 24:
        to[0] = row[3 * x + 2];
        to[1] = row[3 * x + 1];
        to[2] = row[3 * x];
        return;
    case 16:
    case 32:
        pixel = b->bits == 16 ? infer_read_le16(row + 2 * x) : infer_read_le32(row + 4 * x);
        for (int c = 0; c < 3; c++)
            to[c] = scale_field(pixel, b->masks[c]);
        return;
    default:
        put_index(b, row[bit / 8] >> (8 - b->bits - bit % 8) & ((1u << b->bits) - 1), to);
    }
}

static uint8_t *row_of(const bitmap *b, size_t y) {
    return b->picture->pixels + 3 * b->width * (b->top ? y : b->height - 1 - y);
}

static bool read_plain(bitmap *b) {
    size_t stride = (b->width * b->bits + 31) / 32 * 4, last = (b->width * b->bits + 7) / 8;
    size_t left = (size_t)(b->end - b->at);
    /* The padding of the last row may be missing. */
    if (left < last || (left - last) / stride < b->height - 1)
        return false;
    for (size_t y = 0; y < b->height; y++)
        for (size_t x = 0; x < b->width; x++)
            put_pixel(b, b->at + y * stride, x, row_of(b, y) + 3 * x);
    return true;
}

/* One step of run lengths: a run, pixels as they are, a move. False at the end or where the bytes
 * end. */
static bool read_run(bitmap *b, size_t *x, size_t *y) {
    if (b->end - b->at < 2)
        return false;
    unsigned count = b->at[0], code = b->at[1];
    const uint8_t *from = b->at + 1;
    bool as_they_are = count == 0 && code > 2;
    b->at += 2;
    if (count == 0 && code == 0) {
        *x = 0;
        ++*y;
        return true;
    }
    if (count == 0 && (code == 1 || b->end - b->at < 2))
        return false;
    if (count == 0 && code == 2) {
        *x += b->at[0];
        *y += b->at[1];
        b->at += 2;
        return true;
    }
    if (as_they_are) {
        size_t bytes = b->compression == RLE8 ? code : (code + 1) / 2;
        bytes += bytes & 1;
        if ((size_t)(b->end - b->at) < bytes)
            return false;
        from = b->at;
        b->at += bytes;
        count = code;
    }
    for (unsigned i = 0; i < count && *y < b->height; i++, ++*x) {
        unsigned nibble = from[as_they_are ? i / 2 : 0] >> (i & 1 ? 0 : 4) & 15;
        unsigned index = b->compression == RLE8 ? from[as_they_are ? i : 0] : nibble;
        if (*x < b->width)
            put_index(b, index, row_of(b, *y) + 3 * *x);
    }
    return true;
}

static bool read_runs(bitmap *b) {
    size_t x = 0, y = 0;
    if (b->bits != (b->compression == RLE8 ? 8 : 4))
        return false;
    for (size_t i = 0; i < b->width * b->height; i++)
        put_index(b, 0, b->picture->pixels + 3 * i);
    while (y < b->height && read_run(b, &x, &y))
        continue;
    return true;
}

infer_status infer_decode_bmp(infer_picture *p) {
    bitmap b = {.picture = p};
    if (!read_layout(&b))
        return INFER_OK;
    bool known =
        b.bits == 1 || b.bits == 4 || b.bits == 8 || b.bits == 16 || b.bits == 24 || b.bits == 32;
    if (!known || (b.compression > FIELDS && b.compression != ALPHA_FIELDS))
        return INFER_OK;
    INFER_TRY(infer_picture_make(p, b.width, b.height, 3));
    bool runs = b.compression == RLE8 || b.compression == RLE4;
    if (!(runs ? read_runs(&b) : read_plain(&b)))
        p->pixels = NULL;
    return INFER_OK;
}
