/* PNG, through libpng. */
#include "picture.h"
#include "status.h"

#ifdef INFER_HAVE_PNG

#include "library.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

INFER_LIBRARY(png_library, INFER_PNG_FUNCTIONS)

typedef struct reader {
    png_library f;
    png_structp png;
    png_infop info;
    jmp_buf back;
    infer_picture *picture;
    size_t at; /* bytes read of the file */
    infer_status status;
} reader;

/* A handler has nothing but libpng's own structure. */
static reader *reader_of(png_structp png) {
    png_library f;
    return infer_library_open(INFER_LIBRARY_PNG, &f) == INFER_OK ? f.png_get_error_ptr(png) : NULL;
}

static void on_error(png_structp png, png_const_charp text) {
    (void)text;
    longjmp(reader_of(png)->back, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void read_bytes(png_structp png, png_bytep to, size_t size) {
    reader *r = reader_of(png);
    if (size > r->picture->size - r->at)
        r->f.png_error(png, "it ends too early");
    memcpy(to, r->picture->data + r->at, size);
    r->at += size;
}

/* Everything becomes 8 bits of one or three colours; of 16 bits the high ones count. */
static bool set_form(reader *r) {
    int type = r->f.png_get_color_type(r->png, r->info);
    bool gray = !(type & PNG_COLOR_MASK_COLOR);
    if (type & PNG_COLOR_MASK_PALETTE)
        r->f.png_set_palette_to_rgb(r->png);
    else if (gray)
        r->f.png_set_expand_gray_1_2_4_to_8(r->png);
    r->f.png_set_strip_16(r->png);
    r->f.png_set_strip_alpha(r->png);
    r->f.png_set_interlace_handling(r->png);
    r->f.png_read_update_info(r->png, r->info);
    return gray;
}

static void read_picture(reader *r) {
    infer_picture *p = r->picture;
    if (setjmp(r->back)) {
        r->picture->pixels = NULL;
        return;
    }
    r->png = r->f.png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
    r->info = r->png ? r->f.png_create_info_struct(r->png) : NULL;
    if (!r->info) {
        r->status = infer_fail(INFER_ERROR_MEMORY, "libpng got no memory");
        return;
    }
    r->f.png_set_read_fn(r->png, r, read_bytes);
    r->f.png_read_info(r->png, r->info);
    size_t width = r->f.png_get_image_width(r->png, r->info);
    size_t height = r->f.png_get_image_height(r->png, r->info);
    if ((r->status = infer_picture_check(width, height)) != INFER_OK)
        return;
    size_t channels = set_form(r) ? 1 : 3;
    if (r->f.png_get_rowbytes(r->png, r->info) != width * channels)
        return;
    r->status = infer_picture_make(p, width, height, channels);
    png_bytep *rows = p->pixels ? p->env->alloc(p->env, height * sizeof *rows) : NULL;
    if (!rows) {
        r->status = r->status == INFER_OK ? INFER_ERROR_MEMORY : r->status;
        return;
    }
    for (size_t y = 0; y < height; y++)
        rows[y] = p->pixels + width * channels * y;
    r->f.png_read_image(r->png, rows);
}

infer_status infer_decode_png(infer_picture *p) {
    reader r = {.picture = p};
    INFER_TRY(infer_library_open(INFER_LIBRARY_PNG, &r.f));
    read_picture(&r);
    if (r.png)
        r.f.png_destroy_read_struct(&r.png, &r.info, NULL);
    return r.status;
}

#else

infer_status infer_decode_png(infer_picture *p) {
    (void)p;
    return infer_fail(INFER_ERROR_UNSUPPORTED, "a PNG; libinfer was built without libpng");
}

#endif
