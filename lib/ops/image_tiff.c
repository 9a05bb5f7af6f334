/* TIFF, through libtiff. */
#include "picture.h"
#include "status.h"

#ifdef INFER_HAVE_TIFF

#include "library.h"

#include <string.h>

#include <tiffio.h>

INFER_LIBRARY(tiff_library, INFER_TIFF_FUNCTIONS)

#define PIECE_MOST ((tmsize_t)1 << 29) /* bytes that libtiff may take at once */

typedef struct reader {
    tiff_library f;
    TIFF *tiff;
    infer_picture *picture;
    uint64_t at; /* in the file */
} reader;

/* ---- the file, which is in memory ---- */

static tmsize_t read_bytes(thandle_t owner, void *to, tmsize_t size) {
    reader *r = owner;
    uint64_t left = r->at < r->picture->size ? r->picture->size - r->at : 0;
    if (size < 0)
        return 0;
    size_t n = (uint64_t)size < left ? (size_t)size : (size_t)left;
    if (n)
        memcpy(to, r->picture->data + r->at, n);
    r->at += n;
    return (tmsize_t)n;
}

static tmsize_t write_bytes(thandle_t owner, void *from, tmsize_t size) {
    (void)owner, (void)from, (void)size;
    return 0;
}

static toff_t seek(thandle_t owner, toff_t offset, int whence) {
    reader *r = owner;
    uint64_t base = whence == SEEK_CUR ? r->at : whence == SEEK_END ? r->picture->size : 0;
    return r->at = base + offset;
}

static int close_file(thandle_t owner) {
    (void)owner;
    return 0;
}

static toff_t size_of(thandle_t owner) {
    return ((reader *)owner)->picture->size;
}

static int map(thandle_t owner, void **base, toff_t *size) {
    reader *r = owner;
    *base = (void *)r->picture->data; /* only read */
    *size = r->picture->size;
    return 1;
}

static void unmap(thandle_t owner, void *base, toff_t size) {
    (void)owner, (void)base, (void)size;
}

static int ignore(TIFF *tiff, void *user, const char *module, const char *format, va_list args) {
    (void)tiff, (void)user, (void)module, (void)format, (void)args;
    return 1;
}

static void open_tiff(reader *r) {
    TIFFOpenOptions *options = r->f.TIFFOpenOptionsAlloc();
    if (!options)
        return;
    r->f.TIFFOpenOptionsSetMaxSingleMemAlloc(options, PIECE_MOST);
    r->f.TIFFOpenOptionsSetErrorHandlerExtR(options, ignore, NULL);
    r->f.TIFFOpenOptionsSetWarningHandlerExtR(options, ignore, NULL);
    r->tiff = r->f.TIFFClientOpenExt("", "r", r, read_bytes, write_bytes, seek, close_file, size_of,
                                     map, unmap, options);
    r->f.TIFFOpenOptionsFree(options);
}

/* ---- pixels ---- */

static unsigned field(const reader *r, uint32_t tag) {
    uint16_t value = 0;
    return r->f.TIFFGetFieldDefaulted(r->tiff, tag, &value) ? value : 0;
}

/* Whether rows can be read as they are: samples of 8 or 16 bits, gray or colours side by side, with
 * whatever behind them. So alpha is dropped; libtiff's own way multiplies by it. */
static bool is_plain(const reader *r, size_t *channels) {
    unsigned photometric = field(r, TIFFTAG_PHOTOMETRIC), bits = field(r, TIFFTAG_BITSPERSAMPLE);
    *channels = photometric == PHOTOMETRIC_RGB ? 3 : 1;
    return (photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_MINISBLACK) &&
           (bits == 8 || bits == 16) && field(r, TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_UINT &&
           field(r, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_CONTIG &&
           field(r, TIFFTAG_ORIENTATION) == ORIENTATION_TOPLEFT &&
           field(r, TIFFTAG_SAMPLESPERPIXEL) >= *channels && !r->f.TIFFIsTiled(r->tiff);
}

/* Of 16 bits, which come in the machine's order, the high ones count. */
static void take_samples(const uint8_t *line, size_t samples, bool wide, const infer_picture *p,
                         uint8_t *to) {
    for (size_t x = 0; x < p->width; x++)
        for (size_t c = 0; c < p->channels; c++) {
            size_t i = x * samples + c;
            uint16_t value;
            if (wide)
                memcpy(&value, line + 2 * i, sizeof value);
            *to++ = wide ? (uint8_t)(value >> 8) : line[i];
        }
}

static infer_status read_rows(reader *r, size_t width, size_t height, size_t channels) {
    infer_picture *p = r->picture;
    size_t samples = field(r, TIFFTAG_SAMPLESPERPIXEL);
    bool wide = field(r, TIFFTAG_BITSPERSAMPLE) == 16;
    uint64_t bytes = (uint64_t)width * samples * (wide ? 2 : 1);
    if (r->f.TIFFScanlineSize64(r->tiff) != bytes || bytes > (uint64_t)PIECE_MOST)
        return INFER_OK;
    uint8_t *line = p->env->alloc(p->env, (size_t)bytes);
    if (!line)
        return INFER_ERROR_MEMORY;
    INFER_TRY(infer_picture_make(p, width, height, channels));
    for (uint32_t y = 0; y < height && p->pixels; y++) {
        if (r->f.TIFFReadScanline(r->tiff, line, y, 0) < 0)
            p->pixels = NULL;
        else
            take_samples(line, samples, wide, p, p->pixels + width * channels * y);
    }
    return INFER_OK;
}

static infer_status read_any(reader *r, size_t width, size_t height) {
    infer_picture *p = r->picture;
    char why[1024]; /* as libtiff demands */
    if (!r->f.TIFFRGBAImageOK(r->tiff, why))
        return INFER_OK;
    uint32_t *raster = p->env->alloc(p->env, width * height * sizeof *raster);
    if (!raster)
        return INFER_ERROR_MEMORY;
    INFER_TRY(infer_picture_make(p, width, height, 3));
    if (!r->f.TIFFReadRGBAImageOriented(r->tiff, (uint32_t)width, (uint32_t)height, raster,
                                        ORIENTATION_TOPLEFT, 1)) {
        p->pixels = NULL;
        return INFER_OK;
    }
    for (size_t i = 0; i < width * height; i++) {
        p->pixels[3 * i] = (uint8_t)TIFFGetR(raster[i]);
        p->pixels[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
        p->pixels[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    return INFER_OK;
}

static infer_status read_picture(reader *r) {
    uint32_t width = 0, height = 0;
    size_t channels;
    r->f.TIFFGetFieldDefaulted(r->tiff, TIFFTAG_IMAGEWIDTH, &width);
    r->f.TIFFGetFieldDefaulted(r->tiff, TIFFTAG_IMAGELENGTH, &height);
    if (!width || !height)
        return INFER_OK;
    INFER_TRY(infer_picture_check(width, height));
    return is_plain(r, &channels) ? read_rows(r, width, height, channels)
                                  : read_any(r, width, height);
}

infer_status infer_decode_tiff(infer_picture *p) {
    reader r = {.picture = p};
    INFER_TRY(infer_library_open(INFER_LIBRARY_TIFF, &r.f));
    open_tiff(&r);
    infer_status status = r.tiff ? read_picture(&r) : INFER_OK;
    if (r.tiff)
        r.f.TIFFClose(r.tiff);
    return status;
}

#else

infer_status infer_decode_tiff(infer_picture *p) {
    (void)p;
    return infer_fail(INFER_ERROR_UNSUPPORTED, "a TIFF; libinfer was built without libtiff");
}

#endif
