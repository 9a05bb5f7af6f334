/* Encoded pictures: what ImageDecoder and the decoders of the formats share. */
#ifndef INFER_OPS_PICTURE_H
#define INFER_OPS_PICTURE_H

#include "op.h"

/* A file and the picture that becomes of it. */
typedef struct infer_picture {
    infer_op_env *env; /* memory of the run */
    const uint8_t *data;
    size_t size;
    size_t width, height, channels; /* one: gray; three: red, green, blue */
    uint8_t *pixels;                /* rows from the top, without gaps */
} infer_picture;

/* More pixels are refused before memory is taken for them: a small file may claim any size. */
#define INFER_PICTURE_MOST ((size_t)1 << 26)

/* LIMIT where so many pixels are too many. */
infer_status infer_picture_check(size_t width, size_t height);

/* Sets extents and takes memory for the pixels. LIMIT, MEMORY; pixels stays NULL where there are
 * none. */
infer_status infer_picture_make(infer_picture *p, size_t width, size_t height, size_t channels);

/* The decoders, of bytes that begin as their format does. What is damaged or not of a kind that is
 * known is no failure: pixels is NULL then. */
infer_status infer_decode_bmp(infer_picture *p);
infer_status infer_decode_jpeg(infer_picture *p);
infer_status infer_decode_jpeg2000(infer_picture *p);
infer_status infer_decode_png(infer_picture *p);
infer_status infer_decode_pnm(infer_picture *p);
infer_status infer_decode_tiff(infer_picture *p);
infer_status infer_decode_webp(infer_picture *p);

/* Numbers of files, low or high byte first. */
static inline uint32_t infer_read_le16(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t infer_read_le32(const uint8_t *p) {
    return infer_read_le16(p) | infer_read_le16(p + 2) << 16;
}
static inline uint32_t infer_read_be16(const uint8_t *p) {
    return p[1] | (uint32_t)p[0] << 8;
}

#endif
