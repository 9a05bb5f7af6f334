/* Template: convolutions over blocks of channels, in the words of vec.h; in float alone.
 *
 * A convolution is a product: rows are output places, columns output channels, and what is summed
 * over are channels and taps. Places are taken in runs as the second cache holds them, the sum in
 * windows; panels of weights pass, and tiles of places. */

/* Where the rows of a product are: so many segments of so many neighbouring places, and how a
 * window's sum walks over the input. */
typedef struct NAME(conv_source) {
    const T *a;
    size_t lda;
    NAME(conv_walk) walk;
    size_t unit, apart; /* of the sum, what lies so many floats apart in a */
    size_t segments, count;
    size_t place, width, next; /* the first place; from a segment to the next, in y and in a */
    bool far;                  /* a is not in the second cache yet */
} NAME(conv_source);

/* What tile number t of so many brings closer of the panels after its own, whose k rows begin at b;
 * `length` rows are a whole panel. */
static NAME(conv_ahead)
    NAME(conv_share)(const T *b, size_t length, size_t k, size_t t, size_t tiles) {
    const size_t pace = (INFER_PANEL + tiles - 1) / tiles;
    if (t * pace >= INFER_PANEL)
        return (NAME(conv_ahead)){b, 0, 0, 0};
    return (NAME(conv_ahead)){b + t * pace * k, pace, length * INFER_PANEL, 0};
}

/* All tiles of so many half panels; what differs from tile to tile is filled in. More: whether
 * there are panels after these. */
VEC_ONCE void NAME(conv_tiles_of)(const NAME(conv_source) * s, NAME(conv_product) * q,
                                  const infer_activation *act, bool first, size_t length,
                                  size_t halves, bool more, const T *init, const T *add, T *y) {
    const size_t most = NAME(conv_rows)(halves), panels = (halves + 1) / 2;
    const size_t tiles = (s->count + most - 1) / most, all = tiles * s->segments;
    const T *a = q->a, *next = q->b + panels * length * INFER_PANEL;
    for (size_t u = 0, at = 0, rows; u < all; u++, at += rows) {
        const size_t r = u / tiles, t = u % tiles;
        at = t ? at : 0;
        rows = infer_even_share(s->count, tiles, t);
        const size_t place = (s->place + r * s->width + at) * INFER_PANEL;
        q->a = a + r * s->next + at * s->lda;
        q->init = q->ldi ? y + place : init;
        q->y = y + place;
        q->add = add && !act->late ? add + place : NULL;
        if (first && s->far && u + 1 < all)
            q->later = (NAME(conv_ahead)){q->a, INFER_PANEL, 0,
                                          t + 1 < tiles ? rows * s->lda : s->next - at * s->lda};
        else if (more)
            q->later = NAME(conv_share)(next, length, q->k, u, all);
        else
            q->later = (NAME(conv_ahead)){q->b, 0, 0, 0};
        NAME(conv_tile_of)(s->lda, halves, rows)(q);
        for (size_t v = 0; q->last && (act->kind || act->high < INFINITY) && v < panels; v++) {
            const infer_activation part = INFER_ACTIVATION_AT(*act, v);
            T *end = q->y + v * q->plane;
            NAME(activate)(&part, end, end, rows * INFER_PANEL);
            if (add && act->late)
                NAME(add)(end, 1, add + place + v * q->plane, 1, end, rows * INFER_PANEL);
        }
    }
}

/* The products of the window [start, start + depth) of the sum with a part's panels. */
VEC_ONCE void NAME(conv_panels)(const infer_conv2d *c, const infer_conv_part *part,
                                const NAME(conv_source) * s, size_t start, size_t depth,
                                const T *packed, const T *bias, const T *add, T *y) {
    const size_t taps = c->kernel[0] * c->kernel[1], plane = c->out[0] * c->out[1] * INFER_PANEL;
    const size_t panels = part->panel + part->panels;
    const infer_activation bounds = NAME(bounds_of)(c);
    for (size_t p = 0, step; p < panels; p += step) {
        size_t first, end, next_first, next_end;
        infer_conv_range(c, p, &first, &end);
        step = 1;
        if (p < part->panel) {
            packed += (end - first) * taps * INFER_PANEL;
            continue;
        }
        infer_conv_range(c, p + 1 < panels ? p + 1 : p, &next_first, &next_end);
        const bool alike = first == next_first && end == next_end;
        const size_t halves = infer_conv_halves(c, p, alike ? panels : p + 1, CONV_MOST);
        step = (halves + 1) / 2;
        /* The part of the sum that is both the panel's and in the window. */
        const size_t begin = first * taps, stop = end * taps, length = stop - begin;
        const size_t from = start > begin ? start : begin;
        const size_t to = start + depth < stop ? start + depth : stop;
        /* A group of a 1 x 1 kernel may begin within a block: so does its first piece. */
        const size_t skip = (from - start) % s->unit;
        const infer_activation act = INFER_ACTIVATION_AT(c->act, p);
        NAME(conv_product)
        q = {.walk = s->walk,
             .k = to - from,
             .lda = s->lda,
             .first = s->walk.piece - skip,
             .lines = s->walk.rows + (skip > 0),
             .a = s->a + (from - start) / s->unit * s->apart + skip,
             .b = packed + (from - begin) * INFER_PANEL,
             .panel = length * INFER_PANEL,
             .ldi = from == begin ? 0 : INFER_PANEL,
             .ldp = from == begin ? INFER_PANEL : plane,
             .plane = plane,
             .low = bounds.low,
             .last = to == stop};
        if (skip)
            q.walk.row = s->walk.block - skip;
        if (from < to)
            NAME(conv_tiles_of)
        (s, &q, &act, p == part->panel, length, halves, p + step < panels, bias + p * INFER_PANEL,
         add ? add + p * plane : NULL, y + p * plane);
        packed += step * length * INFER_PANEL;
    }
}
