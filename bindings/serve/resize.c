/* Pictures of another size: separable filters whose support grows with the scale, as image
 * libraries have them (Burger, Burge: Digital Image Processing, chapter on resampling). A pass
 * rounds to 8 bits, weights have 22 bits, so that results are those of Pillow. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define WEIGHT_BITS 22

static double triangle(double x) {
    return fmax(0, 1 - fabs(x));
}

/* Keys' cubic with a = -1/2. */
static double cubic(double x) {
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* What each output takes: count inputs from the first on. */
typedef struct taps {
    size_t *first, *count, room;
    int32_t *weights; /* room for each output */
} taps;

static void free_taps(taps *t) {
    free(t->first);
    free(t->count);
    free(t->weights);
}

static bool make_taps(size_t in, size_t out, infer_serve_filter filter, taps *t) {
    double (*f)(double) = filter == INFER_SERVE_BICUBIC ? cubic : triangle;
    double scale = (double)in / (double)out, wide = fmax(scale, 1);
    double support = (filter == INFER_SERVE_BICUBIC ? 2 : 1) * wide;
    *t = (taps){.room = (size_t)ceil(support) * 2 + 1};
    t->first = malloc(out * sizeof *t->first);
    t->count = malloc(out * sizeof *t->count);
    t->weights = t->room > SIZE_MAX / 8 / out ? NULL : malloc(out * t->room * sizeof *t->weights);
    double *exact = malloc(t->room * sizeof *exact);
    bool good = t->first && t->count && t->weights && exact;
    for (size_t o = 0; good && o < out; o++) {
        double centre = ((double)o + 0.5) * scale, sum = 0;
        double low = floor(centre - support + 0.5), high = floor(centre + support + 0.5);
        size_t first = low < 0 ? 0 : (size_t)low, last = high > (double)in ? in : (size_t)high;
        t->first[o] = first;
        t->count[o] = last - first;
        for (size_t i = 0; i < last - first; i++)
            sum += exact[i] = f(((double)(first + i) - centre + 0.5) / wide);
        for (size_t i = 0; i < last - first; i++)
            t->weights[o * t->room + i] =
                (int32_t)lround((sum != 0 ? exact[i] / sum : 0) * (1 << WEIGHT_BITS));
    }
    free(exact);
    return good;
}

/* One value: three colours lie beside each other, inputs `step` bytes apart. */
static uint8_t weigh(const uint8_t *in, size_t step, const int32_t *weights, size_t count) {
    int64_t sum = 1 << (WEIGHT_BITS - 1);
    for (size_t i = 0; i < count; i++)
        sum += (int64_t)weights[i] * in[i * step];
    sum >>= WEIGHT_BITS;
    return sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
}

/* Along rows (across false) or columns. */
static bool resample(infer_serve_image *image, size_t out, bool across, infer_serve_filter filter) {
    size_t in = across ? image->height : image->width;
    size_t width = across ? image->width : out, height = across ? out : image->height;
    size_t step = across ? 3 * image->width : 3;
    taps t;
    uint8_t *pixels = malloc(3 * width * height);
    bool good = make_taps(in, out, filter, &t) && pixels;
    for (size_t y = 0; good && y < height; y++)
        for (size_t x = 0; x < width; x++) {
            size_t o = across ? y : x, first = t.first[o];
            const uint8_t *from = across ? image->pixels + 3 * (first * image->width + x)
                                         : image->pixels + 3 * (y * image->width + first);
            for (size_t c = 0; c < 3; c++)
                pixels[3 * (y * width + x) + c] =
                    weigh(from + c, step, t.weights + o * t.room, t.count[o]);
        }
    free_taps(&t);
    if (!good) {
        free(pixels);
        return false;
    }
    free(image->pixels);
    *image = (infer_serve_image){width, height, pixels, 1};
    return true;
}

static bool pick(infer_serve_image *image, size_t width, size_t height) {
    uint8_t *pixels = malloc(3 * width * height);
    double across = (double)image->width / (double)width;
    double down = (double)image->height / (double)height;
    if (!pixels)
        return false;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            size_t from_y = (size_t)(((double)y + 0.5) * down);
            size_t from_x = (size_t)(((double)x + 0.5) * across);
            memcpy(pixels + 3 * (y * width + x),
                   image->pixels + 3 * (from_y * image->width + from_x), 3);
        }
    free(image->pixels);
    *image = (infer_serve_image){width, height, pixels, 1};
    return true;
}

bool infer_serve_resize(infer_serve_image *image, size_t width, size_t height,
                        infer_serve_filter filter) {
    if (filter == INFER_SERVE_NEAREST)
        return pick(image, width, height);
    /* The pass that leaves less to the other one goes first. */
    bool down_first = image->width * height < width * image->height;
    for (int pass = 0; pass < 2; pass++) {
        bool across = down_first == (pass == 0);
        size_t out = across ? height : width;
        if (out != (across ? image->height : image->width) && !resample(image, out, across, filter))
            return false;
    }
    return true;
}
