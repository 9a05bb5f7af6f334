/* Packing of convolutions' weights, the same on every machine. */
#include "conv2d.h"

#include "checked.h"

#include <string.h>

#define BLOCK 16

static float scaled(float w, const double *factors, size_t output) {
    return factors ? (float)((double)w * factors[output]) : w;
}

/* One output's weights for `count` of its channels, from `channel` on, into its column of rows. */
static void pack_rows(const infer_conv2d *c, size_t output, size_t channel, size_t count,
                      const infer_loose_f32 *w, const double *factors, float *rows, size_t tap_step,
                      size_t channel_step) {
    size_t taps = c->kernel[0] * c->kernel[1];
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < taps; t++)
            rows[t * tap_step + i * channel_step] =
                scaled(w[(channel + i) * taps + t], factors, output);
}

/* The first output of a panel's column depends on the channels [first, first + n) of its group.
 * Blocks of channels go first: what is written lies together. */
static void pack_panel(const infer_conv2d *c, size_t p, const infer_loose_f32 *w,
                       const double *factors, float *packed) {
    size_t taps = c->kernel[0] * c->kernel[1], inputs = c->channels / c->group, first, end;
    size_t of_group = c->outputs / c->group, stop = (p + 1) * BLOCK;
    infer_conv_range(c, p, &first, &end);
    stop = stop < c->outputs ? stop : c->outputs;
    if (c->group > 1 || stop % BLOCK)
        memset(packed, 0, (end - first) * taps * BLOCK * sizeof *packed);
    for (size_t begin = first, next; begin < end; begin = next) {
        next = begin / BLOCK * BLOCK + BLOCK;
        next = next < end ? next : end;
        for (size_t m = p * BLOCK; m < stop; m++) {
            size_t from = m / of_group * inputs, to = from + inputs; /* m's own channels */
            size_t low = from > begin ? from : begin, high = to < next ? to : next;
            float *rows = packed + (begin - first) * taps * BLOCK + m % BLOCK;
            size_t tap_step = (c->plain ? 1 : next - begin) * BLOCK;
            size_t channel_step = (c->plain ? taps : 1) * BLOCK;
            if (low < high)
                pack_rows(c, m, low - from, high - low, w + m * inputs * taps, factors,
                          rows + (low - begin) * channel_step, tap_step, channel_step);
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

void infer_conv_pack(const infer_conv2d *c, const infer_loose_f32 *w, const double *factors,
                     float *packed) {
    size_t taps = c->kernel[0] * c->kernel[1];
    if (infer_conv_is_depthwise(c)) {
        memset(packed, 0, (c->channels + BLOCK - 1) / BLOCK * BLOCK * taps * sizeof *packed);
        for (size_t m = 0; m < c->channels; m++)
            for (size_t t = 0; t < taps; t++)
                packed[(m / BLOCK * taps + t) * BLOCK + m % BLOCK] =
                    scaled(w[m * taps + t], factors, m);
        return;
    }
    for (size_t p = 0; p * BLOCK < c->outputs; p++) {
        size_t first, end;
        infer_conv_range(c, p, &first, &end);
        pack_panel(c, p, w, factors, packed);
        packed += (end - first) * taps * BLOCK;
    }
}
