/* Template: convolutions over blocks of channels, in the words of vec.h; in float alone.
 *
 * A convolution is a product: rows are output places, columns output channels, and what is summed
 * over are channels and taps. Windows of that sum are copied for as many places as the second cache
 * holds, where they cannot be read as they lie; panels of weights pass, and tiles of places. */

#define CONV_TILES (INFER_CONV_SCRATCH / (TILE_ROWS * BLOCK_LDA))

/* A kernel of one tap that visits every place: rows of the product are the input's places. */
VEC_INLINE bool NAME(conv_is_direct)(const infer_conv2d *c) {
    bool direct = !c->plain && c->group == 1;
    for (int axis = 0; axis < 2; axis++)
        direct = direct && c->kernel[axis] == 1 && c->stride[axis] == 1 && c->before[axis] == 0 &&
                 c->out[axis] == c->in[axis];
    return direct;
}

/* Tile number t's share of the panels after its own, whose k rows at `b` all the tiles of a panel
 * bring together; `length` rows are a whole panel. */
static NAME(conv_ahead)
    NAME(conv_share)(const T *b, size_t length, size_t k, size_t t, size_t tiles) {
    const size_t pace = (INFER_PANEL + tiles - 1) / tiles;
    if (t * pace >= INFER_PANEL)
        return (NAME(conv_ahead)){b, 0, 0, 0};
    return (NAME(conv_ahead)){b + t * pace * k, pace, pace * INFER_PANEL, length * INFER_PANEL};
}

/* The products of one window of the sum with a part's panels, for `count` places from number
 * `place` on. a is their copy or, where direct, the input. */
static void NAME(conv_panels)(const infer_conv2d *c, const infer_conv_part *part,
                              const NAME(conv_window) * w, bool direct, const T *a, const T *packed,
                              const T *bias, const T *add, T *y, size_t place, size_t count) {
    const size_t taps = c->kernel[0] * c->kernel[1], plane = c->out[0] * c->out[1] * INFER_PANEL;
    const size_t panels = part->panel + part->panels;
    const size_t tiles = (count + TILE_ROWS - 1) / TILE_ROWS;
    const size_t row = direct ? INFER_PANEL : BLOCK_LDA;
    for (size_t p = 0, step; p < panels; p += step) {
        size_t first, end, next_first, next_end;
        infer_conv_range(c, p, &first, &end);
        step = 1;
        if (p < part->panel) {
            packed += (end - first) * taps * INFER_PANEL;
            continue;
        }
        infer_conv_range(c, p + 1 < panels ? p + 1 : p, &next_first, &next_end);
        step = TILE_COLS > INFER_PANEL && p + 1 < panels && first == next_first && end == next_end
                   ? 2
                   : 1;
        /* The part of the sum that is both the panel's and in the window. */
        const size_t begin = first * taps, stop = end * taps, length = stop - begin;
        const size_t from = w->start > begin ? w->start : begin;
        const size_t to = w->start + w->depth < stop ? w->start + w->depth : stop;
        const size_t piece = direct ? INFER_PANEL : to - from;
        const T *rows_at =
            direct ? a + from / INFER_PANEL * plane + place * INFER_PANEL : a + from - w->start;
        const T *weights = packed + (from - begin) * INFER_PANEL;
        for (size_t t = 0, at = 0, rows; from < to && t < tiles; t++, at += rows) {
            const size_t begins = p * plane + (place + at) * INFER_PANEL;
            const T *init = from == begin ? bias + p * INFER_PANEL : y + begins;
            NAME(conv_end) e = {add ? add + begins : NULL, c->low, c->high, to == stop};
            rows = count / tiles + (t < count % tiles);
            NAME(conv_ahead) later = {weights, 0, 0, 0};
            if (direct && p == part->panel && t + 1 < tiles)
                later = (NAME(conv_ahead)){rows_at + (at + rows) * row, INFER_PANEL, plane, 0};
            else if (p + step < panels)
                later = NAME(conv_share)(weights + step * length * INFER_PANEL, length, to - from,
                                         t, tiles);
            NAME(conv_tile_fn) *tile = NAME(conv_tiles)[direct][step > 1][rows];
            tile(to - from, piece, rows_at + at * row, plane, weights, length * INFER_PANEL, init,
                 from == begin ? 0 : INFER_PANEL, from == begin ? INFER_PANEL : plane, y + begins,
                 plane, &e, &later);
        }
        packed += step * length * INFER_PANEL;
    }
}

static void NAME(conv_blocked)(const infer_conv2d *c, const infer_conv_part *part, const T *x,
                               const T *w, const T *bias, const T *add, T *y, T *scratch) {
    const size_t places = part->place + part->places, most = CONV_TILES * TILE_ROWS;
    const size_t passes = (part->places + most - 1) / most;
    const size_t depth = c->channels * c->kernel[0] * c->kernel[1];
    const bool direct = NAME(conv_is_direct)(c);
    if (NAME(conv_is_strip)(c, add)) {
        NAME(conv_strip)(c, part, x, w, bias, y, scratch);
        return;
    }
    for (size_t i = 0, place = part->place, count; i < passes; i++, place += count) {
        /* Whole tiles but for the last, shared out evenly. */
        const size_t tiles = (places - place + TILE_ROWS - 1) / TILE_ROWS;
        count = (tiles + passes - i - 1) / (passes - i) * TILE_ROWS;
        count = count < places - place ? count : places - place;
        NAME(conv_window) window = {0};
        while (window.start + window.depth < depth) {
            if (direct) {
                window.start += window.depth;
                window.depth = depth - window.start < BLOCK_K ? depth - window.start : BLOCK_K;
            } else if (c->plain) {
                NAME(plain_copy)(c, &window, x, place, count, scratch);
            } else {
                NAME(conv_copy)(c, &window, x, place, count, scratch);
            }
            NAME(conv_panels)
            (c, part, &window, direct, direct ? x : scratch, w, bias, add, y, place, count);
        }
    }
}
