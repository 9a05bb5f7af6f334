/* Tensors in blocks of channels, and windows over them, for the tests that compute with these. */
#ifndef TESTS_KERNELS_BLOCKS_H
#define TESTS_KERNELS_BLOCKS_H

#include "activated.h"

#include <string.h>

static inline float *fill(int slot, size_t n) {
    float *p = fenced(slot, n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        p[i] = (float)number();
    return p;
}

static inline size_t blocks_of(size_t channels) {
    return (channels + 15) / 16;
}

/* A tensor in blocks whose padding is NaN. */
static inline float *fill_blocks(int slot, size_t channels, size_t plane) {
    float *p = fill(slot, blocks_of(channels) * plane * 16);
    for (size_t i = 0; i < blocks_of(channels) * plane * 16; i++)
        if (i / 16 / plane * 16 + i % 16 >= channels)
            p[i] = NAN;
    return p;
}

static inline size_t outputs_of(const infer_conv2d *c, int axis) {
    size_t span = (c->kernel[axis] - 1) * c->dilation[axis] + 1;
    size_t room = c->in[axis] + c->before[axis] + c->after[axis];
    return room < span ? 0 : (room - span) / c->stride[axis] + 1;
}

static inline float input(const infer_conv2d *c, const float *x, size_t ch, size_t row,
                          size_t column) {
    size_t plane = c->in[0] * c->in[1], place = row * c->in[1] + column;
    return c->plain ? x[ch * plane + place] : x[(ch / 16 * plane + place) * 16 + ch % 16];
}

/* A geometry with at most `most` places an axis. */
static inline infer_conv2d geometry(size_t most) {
    infer_conv2d c = {.group = 1, .winograd = true, .act = any_activation()};
    for (int axis = 0; axis < 2; axis++) {
        c.in[axis] = 1 + choose(most);
        c.kernel[axis] = 1 + choose(choose(4) ? 3 : 7);
        c.stride[axis] = 1 + choose(choose(2) ? 1 : 3);
        c.dilation[axis] = 1 + choose(choose(3) ? 1 : 3);
        c.before[axis] = choose(c.kernel[axis] + 1);
        c.after[axis] = choose(c.kernel[axis] + 1);
    }
    return c;
}

#endif
