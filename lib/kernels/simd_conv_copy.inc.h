/* Template: copies of what a convolution multiplies, in the words of vec.h; in float alone.
 *
 * A window of the sum is copied for many places, each place's inputs in a row: padding, strides,
 * dilations and the ends of rows of the image are behind us then. A place's 16 channels are copied
 * at once, so that copying costs a small part of what a panel or more of products does. */

/* Tiles of places at once. */
#define CONV_TILES (INFER_CONV_SCRATCH / (TILE_ROWS * BLOCK_LDA))

/* One window of the sum: chunks are what lies together in an input in blocks, 16 channels of a tap.
 */
typedef struct NAME(conv_window) {
    size_t block, row, column; /* the next chunk: of channels, of the kernel */
    size_t start, depth;       /* place in the sum, and length */
} NAME(conv_window);

/* Copies of one chunk of n floats (16 are written) for places [from, to) of an output row. */
VEC_INLINE void NAME(conv_row)(const infer_conv2d *c, const T *x, size_t row, size_t tap,
                               size_t from, size_t to, T *a) {
    size_t first, end, o = from;
    const VEC zero = V(set1)(0);
    infer_conv_inside(c, 1, tap, &first, &end);
    first = first < from ? from : first > to ? to : first;
    end = end < first ? first : end > to ? to : end;
    for (; o < first; o++, a += BLOCK_LDA)
        foreach (v, INFER_PANEL / LANES)
            V(store)(a + v * LANES, zero);
    if (o < end)
        x +=
            (row * c->in[1] + o * c->stride[1] + tap * c->dilation[1] - c->before[1]) * INFER_PANEL;
    for (size_t step = c->stride[1] * INFER_PANEL; o < end; o++, a += BLOCK_LDA, x += step)
        foreach (v, INFER_PANEL / LANES)
            V(store)(a + v * LANES, V(load)(x + v * LANES));
    for (; o < to; o++, a += BLOCK_LDA)
        foreach (v, INFER_PANEL / LANES)
            V(store)(a + v * LANES, zero);
}

/* Copies the next chunk for `count` places from number `place` on. */
static void NAME(conv_chunk)(const infer_conv2d *c, const NAME(conv_window) * w, const T *x,
                             size_t place, size_t count, T *a) {
    const size_t width = c->out[1], plane = c->in[0] * c->in[1];
    size_t o = place / width, from = place % width, done = 0;
    size_t first, end;
    infer_conv_inside(c, 0, w->row, &first, &end);
    x += w->block * plane * INFER_PANEL;
    for (; done < count; o++, from = 0) {
        size_t to = count - done < width - from ? from + count - done : width;
        if (o < first || o >= end) {
            for (size_t i = 0; i < to - from; i++)
                memset(a + (done + i) * BLOCK_LDA, 0, INFER_PANEL * sizeof(T));
        } else {
            size_t row = o * c->stride[0] + w->row * c->dilation[0] - c->before[0];
            NAME(conv_row)(c, x, row, w->column, from, to, a + done * BLOCK_LDA);
        }
        done += to - from;
    }
}

/* Copies as many chunks as fit for the places, behind the window before. */
static void NAME(conv_copy)(const infer_conv2d *c, NAME(conv_window) * w, const T *x, size_t place,
                            size_t count, T *a) {
    w->start += w->depth;
    w->depth = 0;
    while (w->block * INFER_PANEL < c->channels) {
        size_t left = c->channels - w->block * INFER_PANEL;
        size_t n = left < INFER_PANEL ? left : INFER_PANEL;
        if (w->depth + n > BLOCK_K)
            return;
        NAME(conv_chunk)(c, w, x, place, count, a + w->depth);
        w->depth += n;
        if (++w->column < c->kernel[1])
            continue;
        w->column = 0;
        if (++w->row < c->kernel[0])
            continue;
        w->row = 0;
        w->block++;
    }
}

/* The same of a plain input, whose sum may be cut anywhere: for kernels so large that no patch
 * holds what one tile needs. */
static void NAME(plain_copy)(const infer_conv2d *c, NAME(conv_window) * w, const T *x, size_t place,
                             size_t count, T *a) {
    const size_t columns = c->kernel[1], all = c->channels * c->kernel[0] * columns;
    w->start += w->depth;
    w->depth = all - w->start < BLOCK_K ? all - w->start : BLOCK_K;
    for (size_t i = 0; i < count; i++, a += BLOCK_LDA) {
        const size_t top = (place + i) / c->out[1] * c->stride[0];
        const size_t left = (place + i) % c->out[1] * c->stride[1];
        for (size_t k = 0; k < w->depth; k++) {
            const size_t tap = w->start + k, line = tap / columns;
            const size_t row = top + line % c->kernel[0] * c->dilation[0];
            const size_t column = left + tap % columns * c->dilation[1];
            const bool is = row >= c->before[0] && row - c->before[0] < c->in[0] &&
                            column >= c->before[1] && column - c->before[1] < c->in[1];
            a[k] = is ? x[(line / c->kernel[0] * c->in[0] + row - c->before[0]) * c->in[1] +
                          column - c->before[1]]
                      : 0;
        }
    }
}

static void NAME(conv_by_copies)(const infer_conv2d *c, const infer_conv_part *part, const T *x,
                                 const T *w, const T *bias, const T *add, T *y, T *scratch) {
    const size_t places = part->place + part->places, most = CONV_TILES * TILE_ROWS;
    const size_t passes = (part->places + most - 1) / most;
    const size_t depth = c->channels * c->kernel[0] * c->kernel[1];
    NAME(conv_source)
    s = {.a = scratch,
         .lda = BLOCK_LDA,
         .unit = 1,
         .apart = 1,
         .segments = 1,
         .place = part->place,
         .walk = {.piece = BLOCK_K, .columns = 1, .rows = 1}};
    for (size_t i = 0; i < passes; i++, s.place += s.count) {
        /* Whole tiles but for the last, shared out evenly. */
        const size_t tiles = (places - s.place + TILE_ROWS - 1) / TILE_ROWS;
        s.count = (tiles + passes - i - 1) / (passes - i) * TILE_ROWS;
        s.count = s.count < places - s.place ? s.count : places - s.place;
        NAME(conv_window) window = {0};
        while (window.start + window.depth < depth) {
            if (c->plain)
                NAME(plain_copy)(c, &window, x, s.place, s.count, scratch);
            else
                NAME(conv_copy)(c, &window, x, s.place, s.count, scratch);
            NAME(conv_panels)
            (c, part, &s, window.start, window.depth, w, bias, add, y);
        }
    }
}
