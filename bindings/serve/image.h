/* Pictures on their way to tensors. */
#ifndef INFER_SERVE_IMAGE_H
#define INFER_SERVE_IMAGE_H

#include "core.h"

/* Rows of pixels, 8 bits red, green and blue. */
typedef struct infer_serve_image {
    size_t width, height;
    uint8_t *pixels;      /* to be given to free */
    unsigned orientation; /* as EXIF numbers them; 1: upright */
} infer_serve_image;

/* More is refused before memory is taken for it: a small file may claim a picture of any size. */
#define INFER_SERVE_MOST_PIXELS ((size_t)40000000)

/* ---- decode.c ---- */

/* JPEG or PNG, told by the first bytes; alpha is dropped. */
bool infer_serve_decode(const infer_serve_body *body, infer_serve_image *image,
                        infer_serve_error *error);

/* ---- orient.c ---- */

/* What a segment of a JPEG says, 1 where it is no EXIF or says nothing. */
unsigned infer_serve_orientation(const void *data, size_t size);

/* Turns a picture upright. False for no memory. */
bool infer_serve_orient(infer_serve_image *image);

/* ---- resize.c ---- */

typedef enum infer_serve_filter {
    INFER_SERVE_NEAREST,
    INFER_SERVE_BILINEAR,
    INFER_SERVE_BICUBIC
} infer_serve_filter;

/* A picture of another size, with antialiasing, in place of the old one. False for no memory. */
bool infer_serve_resize(infer_serve_image *image, size_t width, size_t height,
                        infer_serve_filter filter);

/* ---- preprocess.c ---- */

/* Answers a picture as the model's block says that it becomes a tensor. */
json_t *infer_serve_predict_image(infer_serve *serve, const infer_serve_body *body,
                                  infer_serve_error *error);

#endif
