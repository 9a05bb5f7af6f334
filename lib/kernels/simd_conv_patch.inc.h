/* Template: convolutions whose input is read as it lies, or from a padded copy of some rows, in the
 * words of vec.h; in float alone.
 *
 * Neighbouring places of an output row are a stride apart in the input, for every tap and channel:
 * a tile reads them where they are. What no input is there for, the padding, is in a copy, a patch
 * of the rows that some output rows need; without padding there is no copy. */

/* Blocks of channels at once: each lies in pages of its own, and what remembers pages has room for
 * some 64 of them. */
#define CONV_PAGES 32

/* What a patch is: rows and columns of the output, and of the input that they need. */
typedef struct NAME(conv_patch) {
    size_t rows, columns;
    size_t units, wide;  /* blocks, or plain channels, and floats of one at a place */
    size_t pitch, plane; /* floats from a row to the next; from a unit */
    bool padded;
} NAME(conv_patch);

/* Places whose input so many output places need along an axis. */
VEC_INLINE size_t NAME(conv_reach)(const infer_conv2d *c, int axis, size_t count) {
    return (count - 1) * c->stride[axis] + (c->kernel[axis] - 1) * c->dilation[axis] + 1;
}

/* Places at most that a patch has, its columns evenly cut; none where copies for each place do
 * better: short rows of many channels, whose places do not fill tiles. */
static NAME(conv_patch) NAME(conv_patch_of)(const infer_conv2d *c) {
    const size_t wide = c->plain ? 1 : INFER_PANEL, taps = c->kernel[0] * c->kernel[1];
    const size_t width = c->out[1];
    NAME(conv_patch) p = {.units = (c->channels + wide - 1) / wide, .wide = wide};
    if (width == 0 || c->out[0] == 0)
        return p;
    if (!c->plain && width < 10 && c->out[0] > 1)
        return p;
    if (c->plain && taps > BLOCK_K)
        return p;
    for (int axis = 0; axis < 2; axis++)
        p.padded = p.padded || c->before[axis] > 0 ||
                   NAME(conv_reach)(c, axis, c->out[axis]) > c->in[axis];
    /* Columns of one row, then rows of all columns. */
    const size_t room = INFER_CONV_SCRATCH / p.units / wide, high = NAME(conv_reach)(c, 0, 1);
    const size_t edge = NAME(conv_reach)(c, 1, 1);
    size_t fits = room / high < edge ? 0 : (room / high - edge) / c->stride[1] + 1;
    const size_t least = width < TILE_ROWS ? width : TILE_ROWS;
    if (!p.padded && fits < room / taps) /* what taps apart from each other pass over is not read */
        fits = room / taps;
    if (fits < least && p.padded)
        return p;
    fits = fits < least ? least : fits;
    const size_t cuts = (width + fits - 1) / fits;
    p.columns = (width + cuts - 1) / cuts;
    p.rows = 1;
    if (cuts == 1) {
        const size_t lines = room / NAME(conv_reach)(c, 1, width);
        p.rows = lines < high ? 1 : (lines - high) / c->stride[0] + 1;
        p.rows = p.rows < c->out[0] ? p.rows : c->out[0];
    }
    p.pitch = p.padded ? NAME(conv_reach)(c, 1, p.columns) * wide : c->in[1] * wide;
    p.plane = p.padded ? NAME(conv_reach)(c, 0, p.rows) * p.pitch : c->in[0] * p.pitch;
    return p;
}

/* Copies what the places of so many rows from (o, from) on need. */
static void NAME(conv_patch_copy)(const infer_conv2d *c, const NAME(conv_patch) * p, const T *x,
                                  size_t o, size_t rows, size_t from, T *to) {
    const size_t wide = p->wide, reach = p->pitch / wide;
    const size_t lines = NAME(conv_reach)(c, 0, rows);
    const size_t top = o * c->stride[0], left = from * c->stride[1];
    /* Columns [before, end) of the patch are there in the input. */
    size_t before = left < c->before[1] ? c->before[1] - left : 0;
    size_t end = left < c->in[1] + c->before[1] ? c->in[1] + c->before[1] - left : 0;
    before = before < reach ? before : reach;
    end = end < before ? before : end > reach ? reach : end;
    for (size_t u = 0; u < p->units; u++, x += c->in[0] * c->in[1] * wide)
        for (size_t i = 0; i < lines; i++) {
            T *row = to + u * p->plane + i * p->pitch;
            const bool is = top + i >= c->before[0] && top + i - c->before[0] < c->in[0];
            if (!is || before == end) {
                memset(row, 0, p->pitch * sizeof(T));
                continue;
            }
            memset(row, 0, before * wide * sizeof(T));
            memcpy(row + before * wide,
                   x + ((top + i - c->before[0]) * c->in[1] + left + before - c->before[1]) * wide,
                   (end - before) * wide * sizeof(T));
            memset(row + end * wide, 0, (reach - end) * wide * sizeof(T));
        }
}

/* All windows of the sum for places [from, from + columns) of so many rows from o on. */
static void NAME(conv_patch_run)(const infer_conv2d *c, const infer_conv_part *part,
                                 const NAME(conv_patch) * p, size_t o, size_t rows, size_t from,
                                 size_t columns, const T *x, const T *w, const T *bias,
                                 const T *add, T *y, T *scratch) {
    const size_t wide = p->wide, taps = c->kernel[0] * c->kernel[1];
    const size_t across = c->dilation[1] * wide, down = c->dilation[0] * p->pitch;
    /* A plain row of the kernel is one piece, where it has no holes. */
    const bool whole = c->plain && c->dilation[1] == 1;
    const size_t last = whole ? 0 : (c->kernel[1] - 1) * across;
    NAME(conv_source)
    s = {.a = x + (o * c->stride[0] * c->in[1] + from * c->stride[1]) * wide,
         .lda = c->stride[1] * wide,
         .walk = {.piece = whole ? c->kernel[1] : wide,
                  .columns = whole ? 1 : c->kernel[1],
                  .rows = c->kernel[0],
                  .column = across,
                  .row = down - last,
                  .block = p->plane - (c->kernel[0] - 1) * down - last},
         .unit = taps * wide,
         .apart = p->plane,
         .segments = rows,
         .count = columns,
         .place = o * c->out[1] + from,
         .width = c->out[1],
         .next = c->stride[0] * p->pitch,
         .far = !p->padded};
    if (p->padded) {
        NAME(conv_patch_copy)(c, p, x, o, rows, from, scratch);
        s.a = scratch;
    }
    /* Whole blocks, as many as fit, then what is left of the last one. */
    const size_t fit = BLOCK_K / (taps * wide) ? BLOCK_K / (taps * wide) : 1;
    const size_t most = fit < CONV_PAGES ? fit : CONV_PAGES;
    for (size_t ch = 0, step; ch < c->channels; ch += step) {
        const size_t left = (c->channels - ch) / wide;
        step = left ? (left < most ? left : most) * wide : c->channels - ch;
        if (!left)
            s.walk.piece = step;
        NAME(conv_panels)(c, part, &s, ch * taps, step * taps, w, bias, add, y);
        s.a += step / wide * p->plane;
    }
}

static void NAME(conv_by_patches)(const infer_conv2d *c, const infer_conv_part *part,
                                  const NAME(conv_patch) * p, const T *x, const T *w, const T *bias,
                                  const T *add, T *y, T *scratch) {
    const size_t width = c->out[1], end = part->place + part->places;
    for (size_t place = part->place, rows, columns; place < end; place += rows * columns) {
        const size_t from = place % width;
        rows = (end - place) / width;
        rows = from || rows == 0 ? 1 : rows < p->rows ? rows : p->rows;
        columns = width - from < p->columns ? width - from : p->columns;
        columns = end - place < columns ? end - place : columns;
        NAME(conv_patch_run)
        (c, part, p, place / width, rows, from, columns, x, w, bias, add, y, scratch);
    }
}

static void NAME(conv_blocked)(const infer_conv2d *conv, const infer_conv_part *part, const T *x,
                               const T *w, const T *bias, const T *add, T *y, T *scratch) {
    infer_conv2d c = *conv;
    infer_conv_flatten(&c);
    NAME(conv_patch) patch = NAME(conv_patch_of)(&c);
    if (patch.rows)
        NAME(conv_by_patches)(&c, part, &patch, x, w, bias, add, y, scratch);
    else
        NAME(conv_by_copies)(&c, part, x, w, bias, add, y, scratch);
}
