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
                    .high = c.in[0],
                    .rows = c.kernel[0],
                    .stride = c.stride[0],
                    .apart = c.dilation[0],
                    .above = c.before[0],
                    .all = c.kernel[1]};
    const size_t blocks = (c.channels + 15) / 16;
    if (!c.winograd || c.plain || c.group != 1 || c.kernel[1] < 2 || c.stride[1] != 1 ||
        c.channels < 16 || c.outputs < 16 || l.out == 0 || l.step > l.out || l.lines == 0)
        return l;
    choose(&l, 6, 4);
    if (l.all > 2) /* else outputs are sums of such large terms that little is left of them */
        choose(&l, 8, 5);
    const size_t fits = INFER_LINE_INPUT / l.points / (blocks * l.rows * l.pieces * 16);
    if (fits == 0)
        return l;
    const size_t least = fits < INFER_LINE_TILES ? fits : INFER_LINE_TILES;
    l.most = infer_even_part(l.tiles, least);
    l.input = (blocks * l.rows * l.pieces * l.most + 1) * 16;
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
    const double pieces = (double)(l.rows * l.pieces), tiles = (double)l.tiles;
    const double passes = tiles / (double)l.most;
    const double direct = (double)(l.rows * l.all) * inputs * panels * (double)(l.lines * l.out);
    const double fast =
        tiles * ((double)l.points * pieces * (1.1 * inputs * panels + inputs / 2) + 100 * panels) +
        10 * passes * (double)l.points * pieces * inputs * panels;
    return fast < direct;
}

infer_line_tile infer_line_at(const infer_line *l, size_t tile) {
    const size_t number = tile % l->of_line, phase = number % l->step;
    return (infer_line_tile){tile / l->of_line, (number - phase) * l->outputs + phase, phase,
                             number};
}

const float *infer_line_inputs(const infer_line *l, const float *x, const infer_line_tile *t,
                               size_t piece, float *edge, size_t *step) {
    const size_t row = t->line * l->stride + piece / l->pieces * l->apart - l->above;
    const bool there = row < l->high; /* before the first numbers wrap */
    size_t first = t->place + piece % l->pieces * l->taps * l->step;
    x += there ? row * l->in * BLOCK : 0;
    *step = l->step * BLOCK;
    if (there && first >= l->before &&
        first + (INFER_LINE_POINTS - 1) * l->step < l->in + l->before)
        return x + (first - l->before) * BLOCK;
    for (size_t i = 0; i < INFER_LINE_POINTS; i++, first += l->step)
        if (there && first >= l->before && first < l->in + l->before)
            memcpy(edge + i * BLOCK, x + (first - l->before) * BLOCK, BLOCK * sizeof *edge);
        else
            memset(edge + i * BLOCK, 0, BLOCK * sizeof *edge);
    *step = BLOCK;
    return edge;
}

/* ---- all of it ---- */

typedef struct line_work {
    const infer_line_kernels *k;
    const infer_line *l;
    size_t channels, blocks;
    float *input, *sums, *packed;
} line_work;

/* The sums of n tiles, whose transformed inputs are there, for so many half panels. Units are
 * blocks of channels of a piece; those that are not full come last. */
static void sum_panels(const line_work *k, size_t n, const float *w, size_t halves) {
    const infer_line *l = k->l;
    const size_t panels = (halves + 1) / 2;
    const size_t pieces = l->rows * l->pieces, taps = l->rows * l->all;
    const size_t panel = k->channels * taps * BLOCK, full = k->channels / BLOCK * pieces;
    for (size_t u = 0, count; u < k->blocks * pieces; u += count) {
        const size_t channels = u < full ? BLOCK : k->channels % BLOCK;
        const size_t left = (u < full ? full : k->blocks * pieces) - u;
        count = INFER_LINE_CHANNELS / channels < left ? INFER_LINE_CHANNELS / channels : left;
        const size_t depth = count * channels;
        const size_t matrix = (depth * panels + 1) * BLOCK; /* off others' lines */
        for (size_t p = 0; p < panels; p++)
            for (size_t i = 0; i < count; i++)
                k->k->pack(l, (u + i) % pieces, channels,
                           w + p * panel + (u + i) / pieces * taps * BLOCK * BLOCK, matrix,
                           k->packed + (p * depth + i * channels) * BLOCK);
        for (size_t i = 0; i < l->points; i++)
            k->k->product(l, n, channels, depth, halves, u > 0,
                          k->input + i * l->input + u * l->most * BLOCK, k->packed + i * matrix,
                          k->sums + i * l->sums);
    }
}

void infer_line_run(const infer_line_kernels *k, const infer_conv2d *c, const infer_conv_part *part,
                    const float *x, const float *w, const float *bias, const float *add, float *y,
                    float *scratch) {
    const infer_line l = infer_line_of(c);
    const size_t panels = part->panel + part->panels, tiles = part->place + part->places;
    const size_t plane = l.lines * l.out * BLOCK, pieces = l.rows * l.pieces;
    line_work work = {.k = k,
                      .l = &l,
                      .channels = c->channels,
                      .blocks = (c->channels + BLOCK - 1) / BLOCK,
                      .input = scratch};
    work.sums = work.input + l.points * l.input;
    work.packed = work.sums + l.points * l.sums;
    for (size_t from = part->place, n; from < tiles; from += n) {
        n = tiles - from < l.most ? tiles - from : l.most;
        for (size_t u = 0; u < work.blocks * pieces; u++)
            k->load(&l, x + u / pieces * l.high * l.in * BLOCK, from, n, u % pieces, l.input,
                    work.input + u * l.most * BLOCK);
        for (size_t p = part->panel, next; p < panels; p = next) {
            const size_t halves = infer_conv_halves(c, p, panels, k->most);
            next = p + (halves + 1) / 2;
            sum_panels(&work, n, w + p * c->channels * l.rows * l.all * BLOCK, halves);
            for (size_t q = p; q < next; q++) {
                const infer_line_end end = {.act = INFER_ACTIVATION_AT(c->act, q),
                                            .bias = bias + q * BLOCK,
                                            .add = add ? add + q * plane : NULL,
                                            .y = y + q * plane};
                k->store(&l, &end, work.sums + (q - p) * l.most * BLOCK, l.sums, from, n);
            }
        }
    }
}
