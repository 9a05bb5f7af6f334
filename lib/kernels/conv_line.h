/* Convolutions along a line by the algorithm of Toom and Cook, of which Winograd's F(4 x 4, 3 x 3)
 * is the kin in two axes: the kernel has several taps along one axis alone, which leaves the other
 * as it is.
 *
 * A tile of m outputs that a dilation lies apart needs p inputs, 6 or 8, which are transformed; so
 * is the kernel of p + 1 - m taps. Then p products stand for m (p + 1 - m). A longer kernel is cut
 * into pieces of as many taps, which are summed up before the sums are transformed back. */
#ifndef INFER_KERNELS_CONV_LINE_H
#define INFER_KERNELS_CONV_LINE_H

#include "conv2d.h"

/* Products of a tile, at most; taps of a piece; tiles and channels at once; floats of the
 * transformed inputs. */
#define INFER_LINE_POINTS   8
#define INFER_LINE_TAPS     5
#define INFER_LINE_TILES    112
#define INFER_LINE_CHANNELS 128
#define INFER_LINE_INPUT    ((size_t)1 << 18)

/* Results are within this times the sum of X W over all products of the exact ones, where inputs
 * are at most X and weights at most W in magnitude; bias and what is added round as ever. It is not
 * proven: the worst that chosen signs reach is 116 roundings. */
#define INFER_LINE_ERROR (150 * 0x1p-24)

typedef struct infer_line {
    size_t lines, in, out;    /* places of a line */
    size_t step, before;      /* dilation and padding in places */
    size_t taps, all, pieces; /* of a piece, of the kernel */
    size_t points, outputs;   /* of a tile */
    size_t of_line, tiles;    /* tiles of a line, of all lines */
    size_t most;              /* tiles at once; 0 where the algorithm is of no use */
    size_t input, sums;       /* floats of one of the transformed inputs, of the sums: a line of the
                                 cache more than they need, off each other's lines */
} infer_line;

/* Kernels of one column that leave rows as wide as they are walk over the rows as over one. */
static inline void infer_conv_flatten(infer_conv2d *c) {
    const size_t width = c->in[1];
    if (c->plain || c->kernel[1] != 1 || c->stride[0] != 1 || c->stride[1] != 1 ||
        c->before[1] != 0 || c->out[1] != width)
        return;
    c->kernel[1] = c->kernel[0];
    c->dilation[1] = c->dilation[0] * width;
    c->before[1] = c->before[0] * width;
    c->in[1] *= c->in[0];
    c->out[1] *= c->out[0];
    c->kernel[0] = c->in[0] = c->out[0] = 1;
    c->before[0] = 0;
}

/* Takes a number of products if a tile is cheaper with it. */
static inline void infer_line_choose(infer_line *l, size_t points, size_t most_taps) {
    infer_line n = *l;
    const size_t places = (l->out + l->step - 1) / l->step; /* of one phase of the dilation */
    n.points = points;
    n.pieces = (l->all + most_taps - 1) / most_taps;
    n.taps = (l->all + n.pieces - 1) / n.pieces;
    n.outputs = points + 1 - n.taps;
    n.of_line = l->step * ((places + n.outputs - 1) / n.outputs);
    n.tiles = n.of_line * l->lines;
    if (!l->tiles || n.tiles * n.points * n.pieces < l->tiles * l->points * l->pieces)
        *l = n;
}

static inline infer_line infer_line_of(const infer_conv2d *conv) {
    infer_conv2d c = *conv;
    infer_conv_flatten(&c);
    infer_line l = {.lines = c.out[0],
                    .in = c.in[1],
                    .out = c.out[1],
                    .step = c.dilation[1],
                    .before = c.before[1],
                    .all = c.kernel[1]};
    const size_t blocks = (c.channels + 15) / 16;
    if (!c.winograd || c.plain || c.group != 1 || c.kernel[0] != 1 || c.kernel[1] < 2 ||
        c.stride[0] != 1 || c.stride[1] != 1 || c.before[0] != 0 || c.in[0] != c.out[0] ||
        c.channels < 16 || c.outputs < 16 || l.out == 0 || l.step > l.out || l.lines == 0)
        return l;
    infer_line_choose(&l, 6, 4);
    if (l.all > 2) /* else outputs are sums of such large terms that little is left of them */
        infer_line_choose(&l, 8, 5);
    const size_t fits = INFER_LINE_INPUT / l.points / (blocks * l.pieces * 16);
    if (fits == 0)
        return l;
    const size_t least = fits < INFER_LINE_TILES ? fits : INFER_LINE_TILES;
    const size_t passes = (l.tiles + least - 1) / least;
    l.most = (l.tiles + passes - 1) / passes;
    l.input = (blocks * l.pieces * l.most + 1) * 16;
    l.sums = (2 * l.most + 1) * 16;
    return l;
}

static inline size_t infer_line_scratch(const infer_conv2d *c) {
    infer_line l = infer_line_of(c);
    return l.points * (l.input + l.sums + (INFER_LINE_CHANNELS * 2 + 1) * 16);
}

/* Tiles in their order: neighbours are neighbouring phases of the dilation, so that their places
 * are neighbours. */
typedef struct infer_line_tile {
    size_t line, place; /* the first of its outputs */
    size_t phase, number;
} infer_line_tile;

static inline infer_line_tile infer_line_at(const infer_line *l, size_t tile) {
    const size_t number = tile % l->of_line, phase = number % l->step;
    return (infer_line_tile){tile / l->of_line, (number - phase) * l->outputs + phase, phase,
                             number};
}

static inline void infer_line_next(const infer_line *l, infer_line_tile *t) {
    t->place++;
    if (++t->phase == l->step) {
        t->phase = 0;
        t->place += l->step * (l->outputs - 1);
    }
    if (++t->number == l->of_line)
        *t = (infer_line_tile){.line = t->line + 1};
}

/* Whether a convolution may be computed so, and takes less time: counted in multiply-adds of whole
 * vectors. */
static inline bool infer_conv_is_line(const infer_conv2d *c) {
    infer_line l = infer_line_of(c);
    if (l.most == 0)
        return false;
    const double inputs = (double)c->channels, panels = (double)((c->outputs + 15) / 16);
    const double pieces = (double)l.pieces, tiles = (double)l.tiles;
    const double passes = tiles / (double)l.most;
    const double direct = (double)l.all * inputs * panels * (double)(l.lines * l.out);
    const double fast =
        tiles * ((double)l.points * pieces * (1.1 * inputs * panels + inputs / 2) + 60 * panels) +
        passes * 30 * pieces * inputs * panels;
    return fast < direct;
}

#endif
