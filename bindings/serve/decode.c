/* Pictures from files, through libjpeg-turbo and libpng. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#ifdef INFER_HAVE_JPEG
#include <jpeglib.h>
#endif
#ifdef INFER_HAVE_PNG
#include <png.h>
#endif

static bool make_pixels(infer_serve_image *image, size_t width, size_t height,
                        infer_serve_error *error) {
    if (!width || !height || width > INFER_SERVE_MOST_PIXELS / height)
        return infer_serve_fail(error, 413, "the image has %zu x %zu pixels, at most %zu are read",
                                width, height, INFER_SERVE_MOST_PIXELS),
               false;
    *image = (infer_serve_image){width, height, malloc(3 * width * height), 1};
    if (!image->pixels)
        infer_serve_fail(error, 503, "no memory is left");
    return image->pixels != NULL;
}

/* ---- JPEG ---- */

#ifdef INFER_HAVE_JPEG
typedef struct jpeg_failure {
    struct jpeg_error_mgr base; /* libjpeg sees this one */
    jmp_buf back;
    infer_serve_error *error;
} jpeg_failure;

static void on_jpeg_error(j_common_ptr info) {
    jpeg_failure *failure = (jpeg_failure *)info->err;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    infer_serve_fail(failure->error, 400, "the JPEG cannot be read: %.200s", text);
    longjmp(failure->back, 1);
}

/* Warnings are about damage: a picture that is not whole is refused. */
static void on_jpeg_warning(j_common_ptr info, int level) {
    if (level < 0)
        on_jpeg_error(info);
}

static bool decode_jpeg(const infer_serve_body *body, infer_serve_image *image,
                        infer_serve_error *error) {
    struct jpeg_decompress_struct info;
    jpeg_failure failure = {.error = error};
    info.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = on_jpeg_error;
    failure.base.emit_message = on_jpeg_warning;
    if (setjmp(failure.back)) {
        jpeg_destroy_decompress(&info);
        free(image->pixels);
        image->pixels = NULL;
        return false;
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, body->data, body->size);
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info, TRUE);
    bool good = make_pixels(image, info.image_width, info.image_height, error);
    for (jpeg_saved_marker_ptr at = info.marker_list; good && at && image->orientation == 1;
         at = at->next)
        image->orientation = infer_serve_orientation(at->data, at->data_length);
    info.out_color_space = JCS_RGB;
    if (good) {
        jpeg_start_decompress(&info);
        while (info.output_scanline < info.output_height) {
            JSAMPROW row = image->pixels + 3 * image->width * info.output_scanline;
            jpeg_read_scanlines(&info, &row, 1);
        }
        jpeg_finish_decompress(&info);
    }
    jpeg_destroy_decompress(&info);
    return good;
}
#endif

/* ---- PNG ---- */

#ifdef INFER_HAVE_PNG
typedef struct png_source {
    const unsigned char *at;
    size_t left;
    infer_serve_error *error;
} png_source;

static void on_png_error(png_structp png, png_const_charp text) {
    png_source *source = png_get_error_ptr(png);
    infer_serve_fail(source->error, 400, "the PNG cannot be read: %.200s", text);
    png_longjmp(png, 1);
}

static void on_png_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void read_png(png_structp png, png_bytep to, size_t size) {
    png_source *source = png_get_io_ptr(png);
    if (size > source->left)
        png_error(png, "it ends too early");
    memcpy(to, source->at, size);
    source->at += size;
    source->left -= size;
}

/* Everything becomes 8 bits of three colours. */
static void set_png_form(png_structp png, png_infop info) {
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

static bool decode_png(const infer_serve_body *body, infer_serve_image *image,
                       infer_serve_error *error) {
    png_source source = {body->data, body->size, error};
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_png_error, on_png_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    png_bytep *volatile rows = NULL;
    volatile bool good = false;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return infer_serve_fail(error, 503, "no memory is left"), false;
    }
    if (setjmp(png_jmpbuf(png)) == 0) {
        png_set_read_fn(png, &source, read_png);
        png_read_info(png, info);
        good = make_pixels(image, png_get_image_width(png, info), png_get_image_height(png, info),
                           error);
        if (good) {
            set_png_form(png, info);
            if (png_get_rowbytes(png, info) != 3 * image->width)
                png_error(png, "it has no three colours");
            rows = malloc(image->height * sizeof *rows);
            if (!rows)
                png_error(png, "no memory is left");
            for (size_t y = 0; y < image->height; y++)
                rows[y] = image->pixels + 3 * image->width * y;
            png_read_image(png, rows);
            png_read_end(png, NULL);
        }
    } else {
        free(image->pixels);
        image->pixels = NULL;
        good = false;
    }
    free(rows);
    png_destroy_read_struct(&png, &info, NULL);
    return good;
}
#endif

bool infer_serve_decode(const infer_serve_body *body, infer_serve_image *image,
                        infer_serve_error *error) {
    bool is_jpeg = body->size > 2 && memcmp(body->data, "\xff\xd8\xff", 3) == 0;
    bool is_png = body->size > 7 && memcmp(body->data, "\x89PNG\r\n\x1a\n", 8) == 0;
    *image = (infer_serve_image){0};
#ifdef INFER_HAVE_JPEG
    if (is_jpeg)
        return decode_jpeg(body, image, error);
#endif
#ifdef INFER_HAVE_PNG
    if (is_png)
        return decode_png(body, image, error);
#endif
    if (is_jpeg || is_png)
        infer_serve_fail(error, 415, "this program was built without %s",
                         is_jpeg ? "libjpeg" : "libpng");
    else
        infer_serve_fail(error, 415, "the image is neither JPEG nor PNG");
    return false;
}
