/* Packing of convolutions' weights, the same on every machine. */
#include "conv2d.h"

#include "checked.h"

#include <string.h>

#define BLOCK 16

/* The first output of a panel's column depends on the channels [first, first + n) of its group. */
static void pack_panel(const infer_conv2d *c, size_t p, const float *w, float *packed) {
    size_t taps = c->kernel[0] * c->kernel[1], inputs = c->channels / c->group, first, end;
    infer_conv_range(c, p, &first, &end);
    memset(packed, 0, (end - first) * taps * BLOCK * sizeof *packed);
    for (size_t m = p * BLOCK; m < (p + 1) * BLOCK && m < c->outputs; m++) {
        size_t from = m / (c->outputs / c->group) * inputs;
        for (size_t i = 0; i < inputs; i++)
            for (size_t t = 0; t < taps; t++) {
                size_t ch = from + i, block = ch / BLOCK * BLOCK, row;
                size_t begin = block > first ? block : first;
                size_t stop = block + BLOCK < end ? block + BLOCK : end;
                row = c->plain ? i * taps + t
                               : (begin - first) * taps + t * (stop - begin) + (ch - begin);
                packed[row * BLOCK + m % BLOCK] = w[(m * inputs + i) * taps + t];
            }
    }
}

bool infer_conv_pack_size(const infer_conv2d *c, size_t *elements) {
    size_t taps, rows, all = 0;
    if (!infer_mul(c->kernel[0], c->kernel[1], &taps))
        return false;
    if (infer_conv_is_depthwise(c))
        return infer_round_up(c->channels, BLOCK, &rows) && infer_mul(rows, taps, elements);
    for (size_t p = 0; p < c->outputs / BLOCK + (c->outputs % BLOCK != 0); p++) {
        size_t first, end;
        infer_conv_range(c, p, &first, &end);
        if (!infer_mul(end - first, taps, &rows) || !infer_mul(rows, BLOCK, &rows) ||
            !infer_add(all, rows, &all))
            return false;
    }
    *elements = all;
    return true;
}

void infer_conv_pack(const infer_conv2d *c, const float *w, float *packed) {
    size_t taps = c->kernel[0] * c->kernel[1];
    if (infer_conv_is_depthwise(c)) {
        memset(packed, 0, (c->channels + BLOCK - 1) / BLOCK * BLOCK * taps * sizeof *packed);
        for (size_t m = 0; m < c->channels; m++)
            for (size_t t = 0; t < taps; t++)
                packed[(m / BLOCK * taps + t) * BLOCK + m % BLOCK] = w[m * taps + t];
        return;
    }
    for (size_t p = 0; p * BLOCK < c->outputs; p++) {
        size_t first, end;
        infer_conv_range(c, p, &first, &end);
        pack_panel(c, p, w, packed);
        packed += (end - first) * taps * BLOCK;
    }
}
