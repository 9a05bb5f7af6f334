/* JPEG, through libjpeg-turbo. */
#include "picture.h"
#include "status.h"

#ifdef INFER_HAVE_JPEG

#include "library.h"

#include <setjmp.h>
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>

INFER_LIBRARY(jpeg_library, INFER_JPEG_FUNCTIONS)

#define SCANS_MOST 100 /* a small file may have many, each over the whole picture */

typedef struct reader {
    struct jpeg_decompress_struct info; /* libjpeg sees these three */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    jpeg_library f;
    infer_picture *picture;
    infer_status status;
} reader;

static void on_error(j_common_ptr info) {
    reader *r = info->client_data;
    longjmp(r->back, 1);
}

/* A picture that is not whole counts as damaged; what else is warned about is common. */
static void on_message(j_common_ptr info, int level) {
    if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF)
        on_error(info);
}

static void on_progress(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > SCANS_MOST)
        on_error(info);
}

/* Inks, inverted as Adobe writes them, become light. */
static void from_cmyk(const uint8_t *from, uint8_t *to, size_t n) {
    for (size_t i = 0; i < n; i++, from += 4)
        for (int c = 0; c < 3; c++) {
            unsigned ink = (255u - from[c]) * from[3] + 128;
            *to++ = (uint8_t)(from[3] - ((ink + (ink >> 8)) >> 8));
        }
}

static void read_rows(reader *r) {
    struct jpeg_decompress_struct *info = &r->info;
    infer_picture *p = r->picture;
    bool inks = info->out_color_space == JCS_CMYK;
    size_t stride = p->width * p->channels;
    uint8_t *line = inks ? p->env->alloc(p->env, 4 * p->width) : NULL;
    if (inks && !line) {
        r->status = INFER_ERROR_MEMORY;
        return;
    }
    r->f.jpeg_start_decompress(info);
    while (info->output_scanline < info->output_height) {
        uint8_t *row = p->pixels + stride * info->output_scanline;
        JSAMPROW to = inks ? line : row;
        if (r->f.jpeg_read_scanlines(info, &to, 1) == 1 && inks)
            from_cmyk(line, row, p->width);
    }
}

static void read_picture(reader *r) {
    struct jpeg_decompress_struct *info = &r->info;
    if (setjmp(r->back)) {
        r->picture->pixels = NULL;
        return;
    }
    r->f.jpeg_CreateDecompress(info, JPEG_LIB_VERSION, sizeof *info);
    info->progress = &r->progress;
    r->f.jpeg_mem_src(info, r->picture->data, (unsigned long)r->picture->size);
    r->f.jpeg_read_header(info, TRUE);
    bool gray = info->jpeg_color_space == JCS_GRAYSCALE;
    bool inks = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
    info->out_color_space = gray ? JCS_GRAYSCALE : inks ? JCS_CMYK : JCS_RGB;
    r->status = infer_picture_make(r->picture, info->image_width, info->image_height, gray ? 1 : 3);
    if (r->picture->pixels)
        read_rows(r);
}

infer_status infer_decode_jpeg(infer_picture *p) {
    reader r = {.picture = p, .progress = {.progress_monitor = on_progress}};
    INFER_TRY(infer_library_open(INFER_LIBRARY_JPEG, &r.f));
    r.info.err = r.f.jpeg_std_error(&r.errors);
    r.info.client_data = &r;
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    read_picture(&r);
    r.f.jpeg_destroy_decompress(&r.info);
    return r.status;
}

#else

infer_status infer_decode_jpeg(infer_picture *p) {
    (void)p;
    return infer_fail(INFER_ERROR_UNSUPPORTED, "a JPEG; libinfer was built without libjpeg");
}

#endif
