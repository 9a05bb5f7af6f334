/* Template: convolutions over a plain input of few channels, the first of most networks, in the
 * words of vec.h; in float alone.
 *
 * What an output row depends on is copied once, padded, as one strip: a row for each channel and
 * row of the kernel. A tile of neighbouring places then reads the strip where it lies, places a
 * stride apart, and nothing is copied for each place. */

/* Floats of a strip's row. */
VEC_INLINE size_t NAME(strip_row)(const infer_conv2d *c) {
    return (c->out[1] - 1) * c->stride[1] + c->kernel[1];
}

/* Whether the strip does: tiles of one size are all there are, and of two strides. */
static bool NAME(conv_is_strip)(const infer_conv2d *c, const T *add) {
    const size_t depth = c->channels * c->kernel[0] * c->kernel[1];
    return c->plain && !add && depth <= BLOCK_K && c->dilation[1] == 1 && c->stride[1] <= 2 &&
           c->out[1] >= TILE_ROWS &&
           c->out[1] <= INFER_CONV_SCRATCH / (c->channels * c->kernel[0] * 2) - c->kernel[1];
}

/* Copies the strip of output row `o`. */
static void NAME(strip_copy)(const infer_conv2d *c, const T *x, size_t o, T *strip) {
    const size_t row = NAME(strip_row)(c), before = c->before[1] < row ? c->before[1] : row;
    const size_t inside = c->in[1] < row - before ? c->in[1] : row - before;
    for (size_t ch = 0; ch < c->channels; ch++)
        for (size_t t = 0; t < c->kernel[0]; t++, strip += row) {
            const size_t at = o * c->stride[0] + t * c->dilation[0], top = c->before[0];
            if (at < top || at - top >= c->in[0]) {
                memset(strip, 0, row * sizeof(T));
                continue;
            }
            memset(strip, 0, before * sizeof(T));
            memcpy(strip + before, x + (ch * c->in[0] + at - top) * c->in[1], inside * sizeof(T));
            memset(strip + before + inside, 0, (row - before - inside) * sizeof(T));
        }
}

#define STRIP_TILE(name, stride, vecs)                                                             \
    static void name(size_t k, size_t piece, const T *a, size_t step, const T *b, size_t panel,    \
                     const T *init, size_t ldi, size_t ldp, T *y, size_t plane,                    \
                     const NAME(conv_end) * e, const NAME(conv_ahead) * later) {                   \
        NAME(conv_tile)                                                                            \
        (TILE_ROWS, vecs, stride, k, piece, a, step, b, panel, init, ldi, ldp, y, plane, e,        \
         later);                                                                                   \
    }
/* [two panels][stride] */
STRIP_TILE(NAME(strip_wide1), 1, TILE_VECS)
STRIP_TILE(NAME(strip_wide2), 2, TILE_VECS)
#if TILE_VECS * LANES > INFER_PANEL
STRIP_TILE(NAME(strip_narrow1), 1, 1)
STRIP_TILE(NAME(strip_narrow2), 2, 1)
static NAME(conv_tile_fn) *const NAME(strip_tiles)[2][3] = {
    {NULL, NAME(strip_narrow1), NAME(strip_narrow2)}, {NULL, NAME(strip_wide1), NAME(strip_wide2)}};
#else
static NAME(conv_tile_fn) *const
    NAME(strip_tiles)[1][3] = {{NULL, NAME(strip_wide1), NAME(strip_wide2)}};
#endif
#undef STRIP_TILE

/* Places [from, to) of output row `o`, for so many panels from y's on. */
static void NAME(strip_places)(const infer_conv2d *c, const T *strip, size_t o, size_t from,
                               size_t to, size_t panels, const T *w, const T *bias, T *y) {
    const size_t depth = c->channels * c->kernel[0] * c->kernel[1], width = c->out[1];
    const size_t row = NAME(strip_row)(c), plane = c->out[0] * width * INFER_PANEL;
    const NAME(conv_end) end = {NULL, c->low, c->high, true};
    const NAME(conv_ahead) none = {w, 0, 0, 0};
    NAME(conv_tile_fn) *tile = NAME(strip_tiles)[panels - 1][c->stride[1]];
    for (size_t at = from; at < to; at += TILE_ROWS) {
        /* The last tile begins where it ends with the row; what is not wanted of it is left. */
        T edge[TILE_COLS * TILE_ROWS];
        const size_t first = at < width - TILE_ROWS ? at : width - TILE_ROWS;
        const size_t count = to - at < TILE_ROWS ? to - at : TILE_ROWS;
        const bool whole = count == TILE_ROWS;
        T *out = y + (o * width + at) * INFER_PANEL;
        tile(depth, c->kernel[1], strip + first * c->stride[1], row, w, depth * INFER_PANEL, bias,
             0, INFER_PANEL, whole ? out : edge, whole ? plane : TILE_ROWS * INFER_PANEL, &end,
             &none);
        for (size_t p = 0; p < panels && !whole; p++)
            memcpy(out + p * plane, edge + (p * TILE_ROWS + at - first) * INFER_PANEL,
                   count * INFER_PANEL * sizeof(T));
    }
}

static void NAME(conv_strip)(const infer_conv2d *c, const infer_conv_part *part, const T *x,
                             const T *w, const T *bias, T *y, T *strip) {
    const size_t depth = c->channels * c->kernel[0] * c->kernel[1], width = c->out[1];
    const size_t plane = c->out[0] * width * INFER_PANEL;
    const size_t end = part->place + part->places, panels = part->panel + part->panels;
    for (size_t place = part->place, count; place < end; place += count) {
        const size_t o = place / width, from = place % width;
        count = end - place < width - from ? end - place : width - from;
        NAME(strip_copy)(c, x, o, strip);
        for (size_t p = part->panel, step; p < panels; p += step) {
            step = TILE_COLS > INFER_PANEL && p + 1 < panels ? 2 : 1;
            NAME(strip_places)
            (c, strip, o, from, from + count, step, w + p * depth * INFER_PANEL,
             bias + p * INFER_PANEL, y + p * plane);
        }
    }
}
