/* ImageDecoder: a file of any of seven formats as a tensor of pixels.
 *
 * What cannot be decoded is an empty picture, as ONNX has it; an error is what would be no better
 * with another file: a library that is missing, memory, a picture beyond the limit. */
#include "axes.h"
#include "picture.h"
#include "status.h"

#include <string.h>

enum { RGB, BGR, GRAYSCALE };

typedef struct image_params {
    int64_t pixel_format;
} image_params;

static const infer_op_attr image_attrs[] = {
    A_ENUM(image_params, pixel_format, RGB, "RGB|BGR|Grayscale")};

infer_status infer_picture_check(size_t width, size_t height) {
    if (height && width > INFER_PICTURE_MOST / height)
        return infer_fail(INFER_ERROR_LIMIT, "a picture of %zu x %zu pixels; %zu are possible",
                          width, height, INFER_PICTURE_MOST);
    return INFER_OK;
}

infer_status infer_picture_make(infer_picture *p, size_t width, size_t height, size_t channels) {
    INFER_TRY(infer_picture_check(width, height));
    p->width = width;
    p->height = height;
    p->channels = channels;
    if (!width || !height)
        return INFER_OK;
    p->pixels = p->env->alloc(p->env, width * height * channels);
    return p->pixels ? INFER_OK : INFER_ERROR_MEMORY;
}

/* ---- formats by their first bytes; '?' is any byte ---- */

static const struct {
    const char *bytes;
    uint8_t size;
    infer_status (*decode)(infer_picture *p);
} formats[] = {
    {"\xff\xd8\xff", 3, infer_decode_jpeg},
    {"\x89PNG\r\n\x1a\n", 8, infer_decode_png},
    {"RIFF????WEBP", 12, infer_decode_webp},
    {"II*\0", 4, infer_decode_tiff},
    {"MM\0*", 4, infer_decode_tiff},
    {"II+\0", 4, infer_decode_tiff},
    {"MM\0+", 4, infer_decode_tiff},
    {"\0\0\0\x0cjP  \r\n\x87\n", 12, infer_decode_jpeg2000},
    {"\xff\x4f\xff\x51", 4, infer_decode_jpeg2000},
    {"BM", 2, infer_decode_bmp},
    {"P1", 2, infer_decode_pnm},
    {"P2", 2, infer_decode_pnm},
    {"P3", 2, infer_decode_pnm},
    {"P4", 2, infer_decode_pnm},
    {"P5", 2, infer_decode_pnm},
    {"P6", 2, infer_decode_pnm},
};

static bool begins(const infer_picture *p, const char *bytes, size_t size) {
    if (p->size < size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != '?' && (uint8_t)bytes[i] != p->data[i])
            return false;
    return true;
}

static infer_status decode(infer_picture *p) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (begins(p, formats[i].bytes, formats[i].size))
            return formats[i].decode(p);
    return INFER_OK;
}

/* ---- the format that is wanted ---- */

static void swap_channels(uint8_t *pixels, size_t n) {
    for (uint8_t *p = pixels, *end = p + 3 * n; p < end; p += 3) {
        uint8_t first = p[0];
        p[0] = p[2];
        p[2] = first;
    }
}

/* ITU-R 601, in 16 bits behind the point. */
static void to_gray(const uint8_t *from, uint8_t *to, size_t n) {
    for (size_t i = 0; i < n; i++, from += 3)
        to[i] = (uint8_t)((from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 0x8000u) >> 16);
}

static void to_colours(const uint8_t *from, uint8_t *to, size_t n) {
    for (size_t i = 0; i < n; i++, to += 3)
        to[0] = to[1] = to[2] = from[i];
}

static infer_status convert(infer_picture *p, int64_t format) {
    size_t n = p->width * p->height, channels = format == GRAYSCALE ? 1 : 3;
    if (p->channels != channels) {
        uint8_t *to = p->env->alloc(p->env, n * channels);
        if (!to)
            return INFER_ERROR_MEMORY;
        (channels == 1 ? to_gray : to_colours)(p->pixels, to, n);
        p->pixels = to;
        p->channels = channels;
    } else if (format == BGR) {
        swap_channels(p->pixels, n);
    }
    return INFER_OK;
}

/* ---- the operator ---- */

static infer_status image_infer(infer_op_env *env) {
    const image_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_UINT8, 3, &spare);
    if (x->rank >= 0 && x->rank != 1)
        return infer_fail(INFER_ERROR_SHAPE, "an encoded stream of rank %d instead of 1",
                          (int)x->rank);
    y->dim[2] = p->pixel_format == GRAYSCALE ? 1 : 3;
    return INFER_OK;
}

static infer_status image_run(infer_op_env *env) {
    const image_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_picture picture = {.env = env, .data = x->data, .size = (size_t)x->dim[0]};
    infer_view y = {.type = INFER_TYPE_UINT8, .rank = 3};
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(decode(&picture));
    y.dim[2] = p->pixel_format == GRAYSCALE ? 1 : 3;
    if (!picture.pixels)
        return infer_place(env, 0, &y);
    INFER_TRY(convert(&picture, p->pixel_format));
    y.dim[0] = (int64_t)picture.height;
    y.dim[1] = (int64_t)picture.width;
    y.data = picture.pixels;
    return infer_give(env, 0, &y);
}

const infer_op infer_op_image_decoder = {
    .domain = "",
    .name = "ImageDecoder",
    .since = 20,
    .newest = 27,
    .params_size = sizeof(image_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_PLACES,
    .attr_count = sizeof image_attrs / sizeof *image_attrs,
    .attrs = image_attrs,
    .types = {T(UINT8)},
    .infer = image_infer,
    .run = image_run,
};
