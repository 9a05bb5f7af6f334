/* Convolutions and pools over activations in blocks of 16 channels: [C / 16, rounded up][H][W][16].
 * Channels past the last are padding: nothing reads them, and what is written there means nothing.
 */
#ifndef INFER_KERNELS_CONV2D_H
#define INFER_KERNELS_CONV2D_H

#include "even.h"
#include "loose.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* What an activation computes of v. Numbers are in images. */
typedef enum infer_activation_kind {
    INFER_ACTIVATION_NONE = 0,
    INFER_ACTIVATION_LEAKY = 1,        /* v where it is not negative, else alpha v */
    INFER_ACTIVATION_HARD_SIGMOID = 2, /* alpha v + beta, bounded to 0 and 1 */
    INFER_ACTIVATION_HARD_SWISH = 3,   /* v times that */
    INFER_ACTIVATION_SIGMOID = 4,      /* of v */
    INFER_ACTIVATION_SWISH = 5,        /* v times the sigmoid of alpha v */
    INFER_ACTIVATION_GELU = 6,         /* v / 2 (1 + erf(v / sqrt(2))) */
    INFER_ACTIVATION_GELU_TANH = 7     /* v / 2 (1 + tanh(sqrt(2 / pi) (v + 0.044715 v^3))) */
} infer_activation_kind;

/* clip(f(v) * scale + shift), each step rounded, or clip(v) where there is no f; NaN passes. */
typedef struct infer_activation {
    infer_activation_kind kind;
    float alpha, beta, scale, shift, low, high;
    const float *slopes; /* NULL, or alpha of LEAKY for each channel, in whole panels */
    bool late;           /* what a convolution adds comes behind all that */
} infer_activation;

/* That of the panels from number `panel` on. */
#define INFER_ACTIVATION_AT(act, panel)                                                            \
    (infer_activation) {                                                                           \
        (act).kind, (act).alpha, (act).beta, (act).scale, (act).shift, (act).low, (act).high,      \
            (act).slopes ? (act).slopes + (panel)*16 : NULL, (act).late                            \
    }

#define INFER_ACTIVATION(kind, alpha, beta)                                                        \
    (infer_activation) {                                                                           \
        kind, alpha, beta, 1, 0, -INFINITY, INFINITY, NULL, false                                  \
    }

/* Extents of an image are rows, columns. Winograd's algorithm takes all images at once, other
 * kernels one. */
typedef struct infer_conv2d {
    size_t images;            /* 0: one */
    size_t channels, outputs; /* of all groups */
    size_t group;
    size_t in[2], out[2], kernel[2], stride[2], dilation[2];
    size_t before[2], after[2]; /* padding; convolutions need the first alone */
    bool plain;                 /* a convolution of one group whose x is [C][H][W] */
    bool winograd;              /* convolutions: may go by Winograd's algorithm */
    bool average, with_padding; /* pools: not the largest; padding counts as zeros */
    infer_activation act;       /* convolutions: what results go through; affine maps: its bounds */
} infer_conv2d;

/* What to compute of an image's convolution: panels of 16 outputs, and places (for Winograd's and
 * those along a line: tiles) of all rows, one after the other. The bits do not depend on it. */
typedef struct infer_conv_part {
    size_t place, places;
    size_t panel, panels;
} infer_conv_part;

/* Columns of a kernel over a plain input, at most: its rows are the pieces that tiles read. */
#define INFER_CONV_PLAIN 256

/* Channels that lrn_blocked sums over, at most. */
#define INFER_LRN_BLOCKED 33

/* Floats of scratch that a convolution takes. */
#define INFER_CONV_SCRATCH ((size_t)7 << 14)

/* Packed weights. The panel of outputs [16 p, 16 p + 16) has a row of 16 for each input that these
 * outputs depend on: for each block of channels, each tap of the kernel, each channel of the block.
 * Those are the channels of the groups that the panel meets; of kernels with more than one tap,
 * whole blocks of them. Over a plain input rows are in the order of channels, then taps. What an
 * output does not depend on is zero. */

/* The channels [first, end) that panel p depends on. */
static inline void infer_conv_range(const infer_conv2d *c, size_t p, size_t *first, size_t *end) {
    size_t inputs = c->channels / c->group, of_group = c->outputs / c->group;
    size_t last = p * 16 + 15 < c->outputs ? p * 16 + 15 : c->outputs - 1;
    *first = p * 16 / of_group * inputs;
    *end = (last / of_group + 1) * inputs;
    if (c->kernel[0] * c->kernel[1] > 1 && !c->plain) {
        *first = *first / 16 * 16;
        *end = (*end + 15) / 16 * 16 < c->channels ? (*end + 15) / 16 * 16 : c->channels;
    }
}

/* Half panels with outputs that are computed at once, from panel p on and before `panels`: those of
 * one panel, or of two where tiles have `most` of 4; where they have 3, only of the last two, whose
 * last half is empty. */
static inline size_t infer_conv_halves(const infer_conv2d *c, size_t p, size_t panels,
                                       size_t most) {
    const size_t left = (c->outputs - p * 16 + 7) / 8;
    most = p + 1 == panels || (most == 3 && left != 3) ? 2 : most;
    return left < most ? left : most;
}

/* A convolution with one input channel for each output channel has weights of its own form:
 * [C / 16, rounded up][taps][16]. */
static inline bool infer_conv_is_depthwise(const infer_conv2d *c) {
    return c->group == c->channels && c->outputs == c->channels && c->group > 1;
}

/* Elements of packed weights; false where they do not fit a size_t. channels, outputs and group
 * are positive, and group divides the others. */
bool infer_conv_pack_size(const infer_conv2d *c, size_t *elements);

/* Packs w [outputs][channels / group][kernel], each output's weights times its factor where there
 * are such. */
void infer_conv_pack(const infer_conv2d *c, const infer_loose_f32 *w, const double *factors,
                     float *packed);

/* ---- Winograd's F(4 x 4, 3 x 3) ---- */

/* Tiles of 4 x 4 outputs are computed from 6 x 6 products instead of 144. At most so many tiles, so
 * many channels at once; the transformed input takes so many floats. Of many channels it leaves the
 * second cache anyway: twice as many tiles make up for more of the transform of weights. */
#define INFER_WINOGRAD_TILES    56
#define INFER_WINOGRAD_MANY     256
#define INFER_WINOGRAD_CHANNELS 64
#define INFER_WINOGRAD_INPUT    ((size_t)1 << 20)

/* Results are within this times the sum of X W over all products of the exact ones, where inputs
 * are at most X and weights at most W in magnitude; bias and what is added round as ever. It is not
 * proven: the worst that chosen signs reach is 160 roundings, from 64 channels on, as sums over
 * more are sums of sums. */
#define INFER_WINOGRAD_ERROR (200 * 0x1p-24)

typedef struct infer_winograd {
    size_t columns, of_image, tiles; /* in a row; in an image; in all */
    size_t most;                     /* at once */
    size_t input, sums; /* floats of one of the 36 transformed inputs, of the sums: a line more
                           than they need, so that they do not fall on each other's lines */
} infer_winograd;

static inline infer_winograd infer_winograd_of(const infer_conv2d *c) {
    size_t blocks = (c->channels + 15) / 16, rows = (c->out[0] + 3) / 4;
    infer_winograd w = {.columns = (c->out[1] + 3) / 4};
    size_t fits = INFER_WINOGRAD_INPUT / 36 / (blocks * 16);
    size_t most = INFER_WINOGRAD_TILES * (c->channels < INFER_WINOGRAD_MANY ? 1 : 2);
    fits = fits < most ? fits : most;
    w.of_image = rows * w.columns;
    w.tiles = w.of_image * (c->images ? c->images : 1);
    if (!w.tiles || !fits)
        return w;
    w.most = infer_even_part(w.tiles, fits);
    w.input = (blocks * w.most + 1) * 16;
    w.sums = (2 * w.most + 1) * 16;
    return w;
}

static inline size_t infer_winograd_scratch(const infer_conv2d *c) {
    infer_winograd w = infer_winograd_of(c);
    return 36 * (w.input + w.sums + (INFER_WINOGRAD_CHANNELS * 2 + 1) * 16);
}

/* Whether a convolution may be computed so, and takes less time: counted in multiply-adds of whole
 * vectors. Tiles are multiplied in fewer rows at once than places are; the transform of weights is
 * bound by 36 stores beyond the first cache, and is what few tiles do not make up for. */
static inline bool infer_conv_is_winograd(const infer_conv2d *c) {
    for (int axis = 0; axis < 2; axis++)
        if (c->kernel[axis] != 3 || c->stride[axis] != 1 || c->dilation[axis] != 1)
            return false;
    infer_winograd w = infer_winograd_of(c);
    if (!c->winograd || c->plain || c->group != 1 || c->channels < 16 || c->outputs < 16 ||
        w.most == 0)
        return false;
    double inputs = (double)c->channels, panels = (double)((c->outputs + 15) / 16);
    double tiles = (double)w.tiles, passes = tiles / (double)w.most;
    double places = (double)c->out[0] * (double)c->out[1] * (tiles / (double)w.of_image);
    double direct = 9 * inputs * panels * places;
    double fast = tiles * (47 * inputs * panels + 16 * inputs + 200 * panels) +
                  passes * 290 * inputs * panels;
    return fast < direct;
}

/* ---- places and taps ---- */

/* One step of places [first, end) along an axis for which tap number t lies inside of the input. */
static inline void infer_conv_inside(const infer_conv2d *c, int axis, size_t t, size_t *first,
                                     size_t *end) {
    size_t at = t * c->dilation[axis], before = c->before[axis], stride = c->stride[axis];
    size_t room = c->in[axis] + before; /* places o with before <= o stride + at < room */
    *first = at >= before ? 0 : (before - at + stride - 1) / stride;
    *end = at >= room ? 0 : (room - at - 1) / stride + 1;
    *end = *end < c->out[axis] ? *end : c->out[axis];
    *first = *first < *end ? *first : *end;
}

/* The taps [first, end) of so many, a dilation apart, that lie inside of an axis with `before`
 * places of padding, the first of all being at place `at`, padding included. */
static inline void infer_taps_inside(size_t at, size_t before, size_t in, size_t dilation,
                                     size_t taps, size_t *first, size_t *end) {
    const size_t room = in + before;
    *first = at >= before ? 0 : (before - at + dilation - 1) / dilation;
    *end = at >= room ? 0 : (room - at - 1) / dilation + 1;
    *end = *end < taps ? *end : taps;
    *first = *first < *end ? *first : *end;
}

/* The taps [first, end) along an axis that lie inside of the input at place o. */
static inline void infer_conv_taps(const infer_conv2d *c, int axis, size_t o, size_t *first,
                                   size_t *end) {
    infer_taps_inside(o * c->stride[axis], c->before[axis], c->in[axis], c->dilation[axis],
                      c->kernel[axis], first, end);
}

/* What an average over the window at place (i, j) divides by; 1 where it is empty. */
static inline float infer_pool_count(const infer_conv2d *c, size_t i, size_t j) {
    const size_t place[2] = {i, j};
    float count = 1;
    for (int axis = 0; axis < 2; axis++) {
        infer_conv2d whole = *c;
        size_t first, end;
        if (c->with_padding) {
            whole.in[axis] += whole.before[axis] + whole.after[axis];
            whole.before[axis] = 0;
        }
        infer_conv_taps(&whole, axis, place[axis], &first, &end);
        count *= (float)(end - first);
    }
    return count > 0 ? count : 1;
}

#endif
