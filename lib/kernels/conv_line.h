/* Convolutions along lines by the algorithm of Toom and Cook, of which Winograd's F(4 x 4, 3 x 3)
 * is the kin in two axes: kernels that have several taps along the columns, or along the rows
 * alone.
 *
 * A tile of m outputs that a dilation lies apart needs p inputs, 6 or 8, which are transformed; so
 * is the kernel of p + 1 - m taps. Then p products stand for m (p + 1 - m). A longer kernel is cut
 * into pieces of as many taps, which are summed up before the sums are transformed back, as the
 * rows of a kernel are. */
#ifndef INFER_KERNELS_CONV_LINE_H
#define INFER_KERNELS_CONV_LINE_H

#include "conv2d.h"

/* Products and outputs of a tile, at most; taps of a piece; tiles and channels at once; floats of
 * the transformed inputs. */
#define INFER_LINE_POINTS   8
#define INFER_LINE_OUTPUTS  6
#define INFER_LINE_TAPS     5
#define INFER_LINE_TILES    224
#define INFER_LINE_CHANNELS 128
#define INFER_LINE_INPUT    ((size_t)1 << 19)

/* Results are within this times the sum of X W over all products of the exact ones, where inputs
 * are at most X and weights at most W in magnitude; bias and what is added round as ever. It is not
 * proven: the worst that chosen signs reach is 116 roundings. An infinity or a NaN among the 8
 * inputs from a tile's first on spreads over all of its outputs. */
#define INFER_LINE_ERROR (150 * 0x1p-24)

/* The points are 0, pairs of +-q and infinity: q is 1/2, 1 and 2, or the roots of 1/2 and of 2, so
 * that nearly all factors are exact. */
typedef struct infer_line_numbers {
    float q[3], square[3]; /* q and q q; 0 of a pair that is left out */
    float factor[3];       /* 1 / (2 q q) over the product of q q - r r of the other pairs */
    /* x (x +- q) times the product of x x - r r: the factors of x x and of what has two more, those
     * of x being q times as large; and the product of x x - r r of all pairs, as the points 0 and
     * infinity have it. */
    float input[3][3], zero[4], last[4];
} infer_line_numbers;

typedef struct infer_line {
    const infer_line_numbers *numbers;
    size_t lines, in, out; /* of the output; places of one of the input and of the output */
    size_t step, before;   /* dilation and padding in places */
    size_t high;           /* lines of the input, of which a kernel's are these: */
    size_t rows, stride, apart, above;
    size_t taps, all, pieces; /* of a piece, of a row of the kernel; in a row */
    size_t points, outputs;   /* of a tile */
    size_t of_line, tiles;    /* tiles of a line, of all lines */
    size_t most;              /* tiles at once; 0 where the algorithm is of no use */
    size_t input, sums;       /* floats of one of the transformed inputs, of the sums: a line of the
                                 cache more than they need, off each other's lines */
} infer_line;

/* Kernels of one column that leave rows as wide as they are walk over the rows as over one. */
void infer_conv_flatten(infer_conv2d *c);

/* How a convolution is cut; most is 0 where the algorithm is of no use. */
infer_line infer_line_of(const infer_conv2d *c);
size_t infer_line_scratch(const infer_conv2d *c);

/* Whether a convolution may be computed so, and takes less time. */
bool infer_conv_is_line(const infer_conv2d *c);

/* Tiles in their order: neighbours are neighbouring phases of the dilation, so that their places
 * are neighbours. */
typedef struct infer_line_tile {
    size_t line, place; /* the first of its outputs */
    size_t phase, number;
} infer_line_tile;

infer_line_tile infer_line_at(const infer_line *l, size_t tile);

static inline void infer_line_next(const infer_line *l, infer_line_tile *t) {
    t->place++;
    if (++t->phase == l->step) {
        t->phase = 0;
        t->place += l->step * (l->outputs - 1);
    }
    if (++t->number == l->of_line)
        *t = (infer_line_tile){.line = t->line + 1};
}

/* Where the 8 inputs of a tile begin, for piece number `piece` of the kernel's rows, and what lies
 * between two of them: in a copy with zeros for those that are not there, or as they lie. */
const float *infer_line_inputs(const infer_line *l, const float *x, const infer_line_tile *t,
                               size_t piece, float *edge, size_t *step);

/* Where a panel's sums go. */
typedef struct infer_line_end {
    infer_activation act;
    const float *bias, *add;
    float *y;
} infer_line_end;

/* What is a tier's own. most: half panels that products take at once. */
typedef struct infer_line_kernels {
    void (*load)(const infer_line *l, const float *x, size_t tile, size_t n, size_t piece,
                 size_t apart, float *to);
    void (*pack)(const infer_line *l, size_t piece, size_t n, const float *w, size_t apart,
                 float *to);
    void (*product)(const infer_line *l, size_t n, size_t channels, size_t depth, size_t halves,
                    bool begun, const float *a, const float *b, float *sums);
    void (*store)(const infer_line *l, const infer_line_end *e, const float *sums, size_t apart,
                  size_t tile, size_t n);
    size_t most;
} infer_line_kernels;

/* conv_line of kernels.h. */
void infer_line_run(const infer_line_kernels *k, const infer_conv2d *c, const infer_conv_part *part,
                    const float *x, const float *w, const float *bias, const float *add, float *y,
                    float *scratch);

#endif
