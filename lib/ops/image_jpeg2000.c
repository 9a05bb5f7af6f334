/* JPEG 2000, through OpenJPEG: files (JP2) and bare code streams. */
#include "picture.h"
#include "status.h"

#ifdef INFER_HAVE_OPENJPEG

#include "library.h"

#include <string.h>

#include <openjpeg.h>

INFER_LIBRARY(openjpeg_library, INFER_OPENJPEG_FUNCTIONS)

#define COMPONENTS_MOST 4
#define PRECISION_MOST  31 /* bits of a sample */

typedef struct reader {
    openjpeg_library f;
    opj_codec_t *codec;
    opj_stream_t *stream;
    opj_image_t *image;
    infer_picture *picture;
    uint64_t at; /* in the file */
} reader;

/* ---- the file, which is in memory ---- */

static OPJ_SIZE_T read_bytes(void *to, OPJ_SIZE_T size, void *owner) {
    reader *r = owner;
    size_t left = r->picture->size - (size_t)r->at, n = size < left ? size : left;
    if (n == 0)
        return (OPJ_SIZE_T)-1;
    memcpy(to, r->picture->data + r->at, n);
    r->at += n;
    return n;
}

static OPJ_OFF_T skip_bytes(OPJ_OFF_T n, void *owner) {
    reader *r = owner;
    if (n < 0 || (uint64_t)n > r->picture->size - r->at)
        return -1;
    r->at += (uint64_t)n;
    return n;
}

static OPJ_BOOL seek(OPJ_OFF_T offset, void *owner) {
    reader *r = owner;
    if (offset < 0 || (uint64_t)offset > r->picture->size)
        return OPJ_FALSE;
    r->at = (uint64_t)offset;
    return OPJ_TRUE;
}

/* ---- pixels ---- */

/* Sample of a component for a pixel, as 8 bits. */
static int sample(const opj_image_comp_t *c, size_t x, size_t y, const infer_picture *p) {
    size_t column = c->w == p->width ? x : x * c->w / p->width;
    size_t row = c->h == p->height ? y : y * c->h / p->height;
    int64_t value = c->data[row * c->w + column];
    int shift = (int)c->prec - 8;
    if (c->sgnd)
        value += (int64_t)1 << (c->prec - 1);
    if (value < 0)
        value = 0;
    if (shift > 0)
        value = (value + ((int64_t)1 << (shift - 1))) >> shift;
    else
        value <<= -shift;
    return value > 255 ? 255 : (int)value;
}

static uint8_t clip(double v) {
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)(v + 0.5);
}

static void from_ycc(uint8_t *pixel) {
    double y = pixel[0], cb = pixel[1] - 128.0, cr = pixel[2] - 128.0;
    pixel[0] = clip(y + 1.402 * cr);
    pixel[1] = clip(y - 0.344136 * cb - 0.714136 * cr);
    pixel[2] = clip(y + 1.772 * cb);
}

static void copy_pixels(const reader *r) {
    infer_picture *p = r->picture;
    uint8_t *to = p->pixels;
    bool ycc = p->channels == 3 && r->image->color_space == OPJ_CLRSPC_SYCC;
    for (size_t y = 0; y < p->height; y++)
        for (size_t x = 0; x < p->width; x++, to += p->channels) {
            for (size_t c = 0; c < p->channels; c++)
                to[c] = (uint8_t)sample(&r->image->comps[c], x, y, p);
            if (ycc)
                from_ycc(to);
        }
}

/* ---- decoding ---- */

static bool open_stream(reader *r) {
    opj_dparameters_t parameters;
    bool bare = r->picture->data[0] == 0xff;
    r->codec = r->f.opj_create_decompress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    r->stream = r->f.opj_stream_create((OPJ_SIZE_T)1 << 16, OPJ_TRUE);
    if (!r->codec || !r->stream)
        return false;
    r->f.opj_stream_set_read_function(r->stream, read_bytes);
    r->f.opj_stream_set_skip_function(r->stream, skip_bytes);
    r->f.opj_stream_set_seek_function(r->stream, seek);
    r->f.opj_stream_set_user_data(r->stream, r, NULL);
    r->f.opj_stream_set_user_data_length(r->stream, r->picture->size);
    r->f.opj_set_default_decoder_parameters(&parameters);
    return r->f.opj_setup_decoder(r->codec, &parameters) &&
           r->f.opj_read_header(r->stream, r->codec, &r->image);
}

static bool is_known(const opj_image_t *image, bool decoded) {
    if (image->x1 <= image->x0 || image->y1 <= image->y0 || image->numcomps < 1 ||
        image->numcomps > COMPONENTS_MOST)
        return false;
    for (uint32_t i = 0; i < image->numcomps; i++) {
        const opj_image_comp_t *c = &image->comps[i];
        if (c->prec < 1 || c->prec > PRECISION_MOST || !c->w || !c->h || (decoded && !c->data))
            return false;
    }
    return true;
}

static infer_status read_picture(reader *r) {
    if (!open_stream(r) || !is_known(r->image, false))
        return INFER_OK;
    size_t width = r->image->x1 - r->image->x0, height = r->image->y1 - r->image->y0;
    INFER_TRY(infer_picture_check(width, height));
    if (!r->f.opj_decode(r->codec, r->stream, r->image) || !is_known(r->image, true))
        return INFER_OK;
    r->f.opj_end_decompress(r->codec, r->stream);
    INFER_TRY(infer_picture_make(r->picture, width, height, r->image->numcomps < 3 ? 1 : 3));
    copy_pixels(r);
    return INFER_OK;
}

infer_status infer_decode_jpeg2000(infer_picture *p) {
    reader r = {.picture = p};
    INFER_TRY(infer_library_open(INFER_LIBRARY_OPENJPEG, &r.f));
    infer_status status = read_picture(&r);
    if (r.image)
        r.f.opj_image_destroy(r.image);
    if (r.stream)
        r.f.opj_stream_destroy(r.stream);
    if (r.codec)
        r.f.opj_destroy_codec(r.codec);
    return status;
}

#else

infer_status infer_decode_jpeg2000(infer_picture *p) {
    (void)p;
    return infer_fail(INFER_ERROR_UNSUPPORTED, "a JPEG 2000; libinfer was built without OpenJPEG");
}

#endif
