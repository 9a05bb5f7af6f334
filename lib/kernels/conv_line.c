/* Convolutions along a line but for what is vectors' work: how they are cut into tiles, and what
 * follows what. The inputs of some tiles are transformed once; then for one or two panels and some
 * channels the weights are, which costs little and so need not lie in the model, and a product of
 * matrices for each point follows. */
#include "conv_line.h"

#include <string.h>

#define BLOCK 16

static const infer_line_numbers numbers[] = {
    {.q = {0.70710678118654752f, 1.41421356237309505f},
     .square = {0.5f, 2},
     .factor = {-2.0f / 3, 1.0f / 6},
     .input = {{-2, 1, 0}, {-0.5f, 1, 0}},
     .zero = {1, -2.5f, 1, 0},
     .last = {1, -2.5f, 1, 0}},
    {.q = {0.5f, 1, 2},
     .square = {0.25f, 1, 4},
     .factor = {32.0f / 45, -2.0f / 9, 1.0f / 90},
     .input = {{4, -5, 1}, {1, -4.25f, 1}, {0.25f, -1.25f, 1}},
     .zero = {1, -5.25f, 5.25f, -1},
     .last = {-1, 5.25f, -5.25f, 1}},
};

void infer_conv_flatten(infer_conv2d *c) {
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
static void choose(infer_line *l, size_t points, size_t most_taps) {
    infer_line n = *l;
    const size_t places = (l->out + l->step - 1) / l->step; /* of one phase of the dilation */
    n.points = points;
    n.numbers = &numbers[points == 8];
    n.pieces = (l->all + most_taps - 1) / most_taps;
    n.taps = (l->all + n.pieces - 1) / n.pieces;
    n.outputs = points + 1 - n.taps;
    n.of_line = l->step * ((places + n.outputs - 1) / n.outputs);
    n.tiles = n.of_line * l->lines;
    if (!l->tiles || n.tiles * n.points * n.pieces < l->tiles * l->points * l->pieces)
        *l = n;
}

infer_line infer_line_of(const infer_conv2d *conv) {
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
    choose(&l, 6, 4);
    if (l.all > 2) /* else outputs are sums of such large terms that little is left of them */
        choose(&l, 8, 5);
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

size_t infer_line_scratch(const infer_conv2d *c) {
    infer_line l = infer_line_of(c);
    return l.points * (l.input + l.sums + (INFER_LINE_CHANNELS * 2 + 1) * 16);
}

/* Counted in multiply-adds of whole vectors. The transform of weights is bound by its stores beyond
 * the first cache, and is what few tiles do not make up for. */
bool infer_conv_is_line(const infer_conv2d *c) {
    infer_line l = infer_line_of(c);
    if (l.most == 0)
        return false;
    const double inputs = (double)c->channels, panels = (double)((c->outputs + 15) / 16);
    const double pieces = (double)l.pieces, tiles = (double)l.tiles;
    const double passes = tiles / (double)l.most;
    const double direct = (double)l.all * inputs * panels * (double)(l.lines * l.out);
    const double fast =
        tiles * ((double)l.points * pieces * (1.1 * inputs * panels + inputs / 2) + 60 * panels) +
        10 * passes * (double)l.points * pieces * inputs * panels;
    return fast < direct;
}

infer_line_tile infer_line_at(const infer_line *l, size_t tile) {
    const size_t number = tile % l->of_line, phase = number % l->step;
    return (infer_line_tile){tile / l->of_line, (number - phase) * l->outputs + phase, phase,
                             number};
}

const float *infer_line_edge(const infer_line *l, const float *x, size_t first, float *edge) {
    for (size_t i = 0; i < INFER_LINE_POINTS; i++, first += l->step)
        if (first >= l->before && first < l->in + l->before)
            memcpy(edge + i * BLOCK, x + (first - l->before) * BLOCK, BLOCK * sizeof *edge);
        else
            memset(edge + i * BLOCK, 0, BLOCK * sizeof *edge);
    return edge;
}

/* ---- all of it ---- */

typedef struct line_work {
    const infer_line_kernels *k;
    const infer_line *l;
    size_t channels, blocks;
    float *input, *sums, *packed;
} line_work;

/* The sums of n tiles, whose transformed inputs are there, for `wide` + 1 panels. */
static void sum_panels(const line_work *k, size_t n, const float *w, bool wide) {
    const infer_line *l = k->l;
    const size_t panel = k->channels * l->all * BLOCK;
    bool begun = false;
    for (size_t piece = 0; piece < l->pieces; piece++)
        for (size_t from = 0, depth; from < k->channels; from += depth, begun = true) {
            const size_t left = k->channels - from;
            depth = left < INFER_LINE_CHANNELS ? left : INFER_LINE_CHANNELS;
            const size_t matrix = (depth * (wide + 1u) + 1) * BLOCK; /* off others' lines */
            for (size_t p = 0; p <= wide; p++)
                for (size_t i = 0; i < depth; i += BLOCK)
                    k->k->pack(l, piece * l->taps, depth - i < BLOCK ? depth - i : BLOCK,
                               w + p * panel + (from + i) * l->all * BLOCK, matrix,
                               k->packed + (p * depth + i) * BLOCK);
            for (size_t i = 0; i < l->points; i++)
                k->k->product(l, n, depth, wide, begun,
                              k->input + i * l->input +
                                  (piece * k->blocks * BLOCK + from) * l->most,
                              k->packed + i * matrix, k->sums + i * l->sums);
        }
}

void infer_line_run(const infer_line_kernels *k, const infer_conv2d *c, const infer_conv_part *part,
                    const float *x, const float *w, const float *bias, const float *add, float *y,
                    float *scratch) {
    const infer_line l = infer_line_of(c);
    const size_t panels = part->panel + part->panels, tiles = part->place + part->places;
    const size_t plane = l.lines * l.out * BLOCK, panel = c->channels * l.all * BLOCK;
    line_work work = {.k = k,
                      .l = &l,
                      .channels = c->channels,
                      .blocks = (c->channels + BLOCK - 1) / BLOCK,
                      .input = scratch};
    work.sums = work.input + l.points * l.input;
    work.packed = work.sums + l.points * l.sums;
    for (size_t from = part->place, n; from < tiles; from += n) {
        n = tiles - from < l.most ? tiles - from : l.most;
        for (size_t i = 0; i < l.pieces * work.blocks; i++)
            k->load(&l, x + i % work.blocks * l.lines * l.in * BLOCK, from, n, i / work.blocks,
                    l.input, work.input + i * l.most * BLOCK);
        for (size_t p = part->panel, wide; p < panels; p += wide + 1) {
            wide = k->wide && p + 1 < panels;
            sum_panels(&work, n, w + p * panel, wide);
            for (size_t q = p; q <= p + wide; q++) {
                const infer_line_end end = {.act = INFER_ACTIVATION_AT(c->act, q),
                                            .bias = bias + q * BLOCK,
                                            .add = add ? add + q * plane : NULL,
                                            .y = y + q * plane};
                k->store(&l, &end, work.sums + (q - p) * l.most * BLOCK, l.sums, from, n);
            }
        }
    }
}
