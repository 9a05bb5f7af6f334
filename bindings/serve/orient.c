/* The orientation that cameras note in EXIF, and pictures turned by it. */
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define ORIENTATION 0x0112 /* of the tags of TIFF */
#define SHORT       3

/* ---- EXIF ---- */

/* The numbers of a TIFF file, in its own order of bytes. */
typedef struct tiff {
    const unsigned char *data;
    size_t size;
    bool big;
} tiff;

/* `bytes` of them at an offset that lies within. */
static uint32_t number(const tiff *file, size_t at, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | file->data[at + (file->big ? i : bytes - 1 - i)];
    return value;
}

unsigned infer_serve_orientation(const void *data, size_t size) {
    static const char name[] = "Exif\0"; /* and another zero */
    if (size < sizeof name + 8 || memcmp(data, name, sizeof name) != 0)
        return 1;
    tiff file = {(const unsigned char *)data + sizeof name, size - sizeof name, false};
    file.big = file.data[0] == 'M';
    if (memcmp(file.data, file.big ? "MM\0*" : "II*\0", 4) != 0)
        return 1;
    size_t at = number(&file, 4, 4);
    if (at > file.size - 2)
        return 1;
    size_t entries = number(&file, at, 2);
    for (at += 2; entries && file.size - at >= 12; entries--, at += 12)
        if (number(&file, at, 2) == ORIENTATION && number(&file, at + 2, 2) == SHORT) {
            uint32_t value = number(&file, at + 8, 2);
            return value >= 1 && value <= 8 ? value : 1;
        }
    return 1;
}

/* ---- turning ---- */

bool infer_serve_orient(infer_serve_image *image) {
    static const bool mirror_x[9] = {[2] = true, [3] = true, [7] = true, [8] = true};
    static const bool mirror_y[9] = {[3] = true, [4] = true, [6] = true, [7] = true};
    unsigned as = image->orientation;
    if (as < 2 || as > 8)
        return true;
    bool swaps = as > 4;
    infer_serve_image to = {swaps ? image->height : image->width,
                            swaps ? image->width : image->height, NULL, 1};
    uint8_t *pixel = to.pixels = malloc(3 * to.width * to.height);
    if (!pixel)
        return false;
    for (size_t y = 0; y < to.height; y++)
        for (size_t x = 0; x < to.width; x++, pixel += 3) {
            size_t from_x = swaps ? y : x, from_y = swaps ? x : y;
            from_x = mirror_x[as] ? image->width - 1 - from_x : from_x;
            from_y = mirror_y[as] ? image->height - 1 - from_y : from_y;
            memcpy(pixel, image->pixels + 3 * (from_y * image->width + from_x), 3);
        }
    free(image->pixels);
    *image = to;
    return true;
}
