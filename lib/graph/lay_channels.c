/* Lays out in blocks what joins and moves channels and places: Concat, Split, Slice, Resize,
 * shuffles of channels, ConvTranspose. */
#include "lay.h"

#include "axes.h"
#include "status.h"

#include <string.h>

/* The axis in blocks of an axis of rows or columns; -1 of others. */
static int64_t place_axis(int64_t axis, int32_t rank) {
    axis += axis < 0 ? rank : 0;
    return axis >= 2 && axis < rank ? axis + 4 - rank : -1;
}

/* Of places, where all that is no constant is in blocks. */
static infer_status concat_places(graph_layout *l, const graph_node *n, int64_t axis, bool *done) {
    const infer_view *y = infer_lay_view(l, n->out[0]);
    uint32_t in[INFER_LAY_INPUTS];
    for (uint32_t i = 0; i < n->in_count; i++) {
        in[i] = infer_graph_resolve(l->g, n->in[i]);
        const infer_view *v = infer_lay_view(l, in[i]);
        if (!infer_lay_is_image(v) || v->rank != y->rank || v->dim[1] != y->dim[1] ||
            (!l->g->values[in[i]].constant && !infer_lay_in_blocks(l, in[i])))
            return INFER_OK;
    }
    for (uint32_t i = 0; i < n->in_count; i++)
        INFER_TRY(infer_lay_blocks(l, in[i], n, &in[i]));
    const infer_attr attr = infer_lay_int("axis", axis);
    *done = true;
    return infer_lay_replace(l, n, "", "Concat", in, n->in_count, &attr, 1);
}

/* Of places, or of channels: parts that fill their blocks, but for the last, are joined as any
 * others are. */
infer_status infer_lay_concat(graph_layout *l, const graph_node *n, bool *done) {
    const infer_attr *axis = infer_graph_find_attr(n, "axis");
    uint32_t in[INFER_LAY_INPUTS];
    int64_t channels[INFER_LAY_INPUTS];
    bool whole = true;
    const int32_t rank = infer_lay_view(l, n->out[0])->rank;
    if (!axis || n->in_count > INFER_LAY_INPUTS)
        return INFER_OK;
    if (place_axis(axis->i, rank) >= 0)
        return concat_places(l, n, place_axis(axis->i, rank), done);
    if (axis->i != 1 && axis->i != 1 - rank)
        return INFER_OK;
    for (uint32_t i = 0; i < n->in_count; i++) {
        in[i] = infer_graph_resolve(l->g, n->in[i]);
        const infer_view *v = infer_lay_view(l, in[i]);
        if (!infer_lay_is_image(v) || l->g->values[in[i]].constant)
            return INFER_OK;
        channels[i] = v->dim[1];
        whole = whole && (i + 1 == n->in_count || v->dim[1] % INFER_BLOCK == 0);
    }
    for (uint32_t i = 0; i < n->in_count; i++)
        INFER_TRY(infer_lay_blocks(l, in[i], n, &in[i]));
    const infer_attr one = infer_lay_int("axis", 1);
    const infer_attr list = {
        .name = "channels", .type = INFER_ATTR_INTS, .count = n->in_count, .data = channels};
    *done = true;
    return infer_lay_replace(l, n, whole ? "" : "infer", whole ? "Concat" : "ConcatBlocked", in,
                             n->in_count, whole ? &one : &list, 1);
}

/* ---- Split and Slice ---- */

/* The one number of a constant list at input number index; false where it is none. */
static bool one_number(const graph_layout *l, const graph_node *n, uint32_t index,
                       int64_t *number) {
    uint32_t v = index < n->in_count ? infer_graph_resolve(l->g, n->in[index]) : INFER_NO_VALUE;
    if (v == INFER_NO_VALUE || !l->g->values[v].constant ||
        infer_view_count(infer_lay_view(l, v)) != 1)
        return false;
    *number = infer_index(infer_lay_view(l, v), 0);
    return true;
}

/* Where the channels of output 0 begin; -1 where that is not known or others axes are cut. */
static int64_t first_channel(const graph_layout *l, const graph_node *n, int64_t channels) {
    const infer_attr *a = infer_graph_find_attr(n, "axis");
    int64_t start = 0, axis = a ? a->i : 0, step = 1;
    bool split = strcmp(n->op->name, "Split") == 0;
    if (!split && (!one_number(l, n, 1, &start) || !one_number(l, n, 3, &axis) ||
                   (n->in_count > 4 && n->in[4] != INFER_NO_VALUE && !one_number(l, n, 4, &step))))
        return -1;
    start += start < 0 ? channels : 0;
    return step == 1 && (axis == 1 || axis == -3) && start <= channels ? start : -1;
}

/* Of rows or columns alone: cut as they are. */
static infer_status slice_places(graph_layout *l, const graph_node *n, int64_t axis, bool *done) {
    const infer_view one = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {1}, .data = &axis};
    uint32_t in[5];
    for (uint32_t i = 0; i < n->in_count; i++)
        in[i] = infer_graph_resolve(l->g, n->in[i]);
    in[0] = l->blocked[in[0]];
    INFER_TRY(infer_graph_constant(l->g, "", &one, true, &in[3]));
    *done = true;
    return infer_lay_replace(l, n, "", "Slice", in, n->in_count, NULL, 0);
}

/* Of channels, where parts begin with a block: a part is a slice of blocks. */
infer_status infer_lay_split(graph_layout *l, const graph_node *n, bool *done) {
    uint32_t x = infer_graph_resolve(l->g, n->in[0]);
    const infer_view *from = infer_lay_view(l, x);
    int64_t cut;
    if (strcmp(n->op->name, "Slice") == 0 && n->in_count <= 5 && one_number(l, n, 3, &cut) &&
        place_axis(cut, from->rank) >= 0)
        return slice_places(l, n, place_axis(cut, from->rank), done);
    const int64_t first = first_channel(l, n, from->dim[1]);
    int64_t at = first;
    if (from->rank != 4 || first < 0)
        return INFER_OK;
    for (uint32_t i = 0; i < n->out_count; i++) {
        if (n->out[i] == INFER_NO_VALUE || at % INFER_BLOCK != 0 ||
            !infer_lay_is_image(infer_lay_view(l, n->out[i])))
            return INFER_OK;
        at += infer_lay_view(l, n->out[i])->dim[1];
    }
    at = first;
    for (uint32_t i = 0; i < n->out_count; i++) {
        int64_t numbers[3] = {at / INFER_BLOCK, 0, 1};
        uint32_t in[4] = {l->blocked[x]}, y = INFER_NO_VALUE;
        at += infer_lay_view(l, n->out[i])->dim[1];
        numbers[1] = infer_blocks(at);
        for (uint32_t k = 0; k < 3; k++) {
            const infer_view one = {
                .type = INFER_TYPE_INT64, .rank = 1, .dim = {1}, .data = &numbers[k]};
            INFER_TRY(infer_graph_constant(l->g, "", &one, true, &in[k + 1]));
        }
        INFER_TRY(infer_lay_add(l->g, "", "Slice", n, in, 4, NULL, 0, &y));
        l->blocked[n->out[i]] = y;
        l->missing[n->out[i]] = true;
    }
    *done = true;
    return INFER_OK;
}

/* ---- Resize ---- */

/* Input number index, a constant list, says of each axis or of the last two alone what becomes of
 * it; *rows: where these two stand. */
static bool resizes_places(const graph_layout *l, const graph_node *n, uint32_t index,
                           const infer_view **rows, int64_t *first) {
    static const int64_t last[] = {2, 3};
    const infer_attr *axes = infer_graph_find_attr(n, "axes");
    uint32_t v = index < n->in_count ? infer_graph_resolve(l->g, n->in[index]) : INFER_NO_VALUE;
    if (v == INFER_NO_VALUE || !l->g->values[v].constant)
        return false;
    const infer_view *list = *rows = infer_lay_view(l, v);
    *first = infer_view_count(list) - 2;
    if (axes)
        return *first == 0 && axes->count == 2 && memcmp(axes->data, last, sizeof last) == 0;
    if (*first != 2)
        return false;
    const infer_view *x = infer_lay_view(l, infer_graph_resolve(l->g, n->in[0]));
    for (int64_t i = 0; i < 2; i++)
        if (list->type == INFER_TYPE_FLOAT ? ((const float *)list->data)[i] != 1
                                           : ((const int64_t *)list->data)[i] != x->dim[i])
            return false;
    return true;
}

/* Of rows and columns: places move with all of their channels. */
infer_status infer_lay_resize(graph_layout *l, const graph_node *n, bool *done) {
    static const char *const names[] = {"mode",
                                        "coordinate_transformation_mode",
                                        "nearest_mode",
                                        "antialias",
                                        "exclude_outside",
                                        "cubic_coeff_a",
                                        NULL};
    static const int64_t axes[] = {2, 3};
    const infer_attr *how = infer_graph_find_attr(n, "coordinate_transformation_mode");
    const bool scales =
        n->in_count > 2 && n->in[2] != INFER_NO_VALUE &&
        infer_view_count(infer_lay_view(l, infer_graph_resolve(l->g, n->in[2]))) != 0;
    const infer_view *list;
    int64_t first;
    if (infer_lay_view(l, n->out[0])->rank != 4 ||
        infer_graph_find_attr(n, "keep_aspect_ratio_policy") ||
        (how && how->type == INFER_ATTR_STRING && strncmp(how->data, "tf_crop", 7) == 0) ||
        !resizes_places(l, n, scales ? 2 : 3, &list, &first))
        return INFER_OK;
    infer_attr attrs[7];
    size_t count = infer_lay_copy(n, names, attrs);
    attrs[count++] =
        (infer_attr){.name = "axes", .type = INFER_ATTR_INTS, .count = 2, .data = axes};
    uint32_t in[4] = {l->blocked[infer_graph_resolve(l->g, n->in[0])], INFER_NO_VALUE,
                      INFER_NO_VALUE, INFER_NO_VALUE};
    infer_view two = *list;
    two.rank = 1;
    two.dim[0] = 2;
    two.data = (char *)list->data + (size_t)first * infer_type_size((infer_type)list->type);
    INFER_TRY(infer_graph_constant(l->g, "", &two, true, &in[scales ? 2 : 3]));
    *done = true;
    return infer_lay_replace(l, n, "", "Resize", in, scales ? 3 : 4, attrs, count);
}

/* ---- shuffles ---- */

/* Whether a Reshape makes groups of an image's channels and leaves the rest alone. */
static bool makes_groups(const infer_view *x, const infer_view *y) {
    return infer_lay_is_image(x) && x->rank == 4 && y->rank == 5 && y->dim[1] > 0 &&
           y->dim[2] > 0 && x->dim[1] % y->dim[1] == 0 && x->dim[1] / y->dim[1] == y->dim[2] &&
           x->dim[2] > 0 && x->dim[3] > 0 && x->dim[2] == y->dim[3] && x->dim[3] == y->dim[4];
}

/* A convolution of each channel alone that drops places and is read by another: what is shuffled
 * behind it is less. */
static bool goes_ahead(const graph_layout *l, const graph_node *conv, int64_t channels) {
    infer_view w;
    const infer_attr *group = conv ? infer_graph_find_attr(conv, "group") : NULL;
    const infer_attr *strides = conv ? infer_graph_find_attr(conv, "strides") : NULL;
    return infer_graph_is_op(conv, "", "Conv") && group && group->i == channels && strides &&
           strides->count == 2 &&
           (((const int64_t *)strides->data)[0] > 1 || ((const int64_t *)strides->data)[1] > 1) &&
           infer_graph_are_floats(l->g, conv->in[1], &w) && w.rank == 4 && w.dim[0] == channels &&
           (conv->in_count < 3 || conv->in[2] == INFER_NO_VALUE ||
            infer_graph_are_floats(l->g, conv->in[2], &w)) &&
           infer_graph_is_op(infer_graph_sole_reader(&l->uses, conv), "", "Conv");
}

/* A constant with a row for each channel, in the order before the shuffle. */
static infer_status unshuffle(infer_graph *g, int64_t groups, uint32_t *value) {
    infer_view shape;
    float *to;
    const float *from = infer_graph_floats(g, *value, &shape);
    if (!from)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    const int64_t channels = shape.dim[0];
    const size_t row = (size_t)(infer_view_count(&shape) / channels);
    INFER_TRY(infer_graph_room(g, &shape, value, &to));
    for (int64_t i = 0; i < channels; i++)
        memcpy(to + (size_t)(i % groups * (channels / groups) + i / groups) * row,
               from + (size_t)i * row, row * sizeof *to);
    return INFER_OK;
}

/* The convolution behind a shuffle of x, with its weights in x's order. */
static infer_status lay_ahead(graph_layout *l, const graph_node *conv, uint32_t x, int64_t groups,
                              bool *done) {
    graph_node moved = *conv;
    uint32_t in[3] = {x, infer_graph_resolve(l->g, conv->in[1]), INFER_NO_VALUE};
    moved.in = in;
    moved.in_count = 3;
    INFER_TRY(unshuffle(l->g, groups, &in[1]));
    if (conv->in_count > 2 && conv->in[2] != INFER_NO_VALUE) {
        in[2] = infer_graph_resolve(l->g, conv->in[2]);
        INFER_TRY(unshuffle(l->g, groups, &in[2]));
    }
    return infer_lay_conv(l, &moved, done);
}

/* A shuffle of channels: Reshape into groups, Transpose, Reshape back. */
infer_status infer_lay_shuffle(graph_layout *l, const graph_node *n, bool *done) {
    static const int64_t order[] = {0, 2, 1, 3, 4};
    graph_node *turn = infer_graph_sole_reader(&l->uses, n);
    graph_node *back =
        infer_graph_is_op(turn, "", "Transpose") ? infer_graph_sole_reader(&l->uses, turn) : NULL;
    const infer_attr *perm = back ? infer_graph_find_attr(turn, "perm") : NULL;
    uint32_t x = infer_graph_resolve(l->g, n->in[0]);
    const infer_view *from = infer_lay_view(l, x), *groups = infer_lay_view(l, n->out[0]);
    if (!infer_graph_is_op(back, "", "Reshape") || !perm || perm->count != 5 ||
        memcmp(perm->data, order, sizeof order) != 0 || !makes_groups(from, groups))
        return INFER_OK;
    const infer_view *to = infer_lay_view(l, back->out[0]);
    for (int32_t i = 1; i < 4; i++)
        if (!infer_lay_is_image(to) || to->rank != 4 || to->dim[i] != from->dim[i])
            return INFER_OK;
    const infer_attr attrs[] = {infer_lay_int("channels", from->dim[1]),
                                infer_lay_int("group", groups->dim[1])};
    graph_node *conv = infer_graph_sole_reader(&l->uses, back);
    uint32_t in = l->blocked[x];
    bool ahead = false;
    if (goes_ahead(l, conv, from->dim[1]))
        INFER_TRY(lay_ahead(l, conv, x, groups->dim[1], &ahead));
    if (ahead) {
        conv->dead = true;
        in = l->blocked[conv->out[0]];
    }
    *done = turn->dead = back->dead = true;
    return infer_lay_replace(l, ahead ? conv : back, "infer", "ShuffleBlocked", &in, 1, attrs, 2);
}

/* ---- ConvTranspose ---- */

/* The numbers of a ConvTranspose in a plane. */
typedef struct transposed {
    int64_t channels, outputs;             /* as its weights have them */
    int64_t kernel[2], stride[2], taps[2]; /* taps: of each place of y along an axis, at most */
    int64_t trim[4]; /* what a multiple of the strides has too much, as pads are */
    bool plain;      /* y has too few channels for blocks */
} transposed;

static bool read_transposed(const graph_node *n, const infer_view *w, transposed *t) {
    const infer_attr *group = infer_graph_find_attr(n, "group");
    const int32_t axes = w->rank - 2;
    if (!infer_graph_says(n, "auto_pad", "NOTSET", true) ||
        infer_graph_find_attr(n, "output_shape") || (group && group->i != 1))
        return false;
    *t = (transposed){.channels = w->dim[0], .outputs = w->dim[1]};
    for (int i = 0; i < 2; i++) {
        const size_t at = (size_t)(axes == 2 ? i : 0);
        const bool row = axes == 1 && i == 0; /* of a value that has one */
        t->kernel[i] = row ? 1 : w->dim[2 + at];
        t->stride[i] = row ? 1 : infer_graph_number(n, "strides", at, 1);
        if (t->kernel[i] < 1 || t->kernel[i] > 64 || t->stride[i] < 1 || t->stride[i] > 64 ||
            (!row && infer_graph_number(n, "dilations", at, 1) != 1))
            return false;
        t->taps[i] = (t->kernel[i] + t->stride[i] - 1) / t->stride[i];
        t->trim[i] = row ? 0 : infer_graph_number(n, "pads", at, 0);
        t->trim[i + 2] = row ? 0
                             : t->taps[i] * t->stride[i] - t->kernel[i] +
                                   infer_graph_number(n, "pads", at + (size_t)axes, 0) -
                                   infer_graph_number(n, "output_padding", at, 0);
        /* Much of a kernel that is shorter than the stride would be zeros. */
        if (t->trim[i] < 0 || t->trim[i + 2] < 0 || t->taps[i] * t->stride[i] > 2 * t->kernel[i])
            return false;
    }
    t->plain = t->outputs < INFER_LAY_FEWEST;
    return t->channels > 0 && t->outputs > 0 && t->outputs < 1 << 20 && t->channels < 1 << 20;
}

/* Place q * stride + r of y is a sum over the inputs q, q - 1, ... by the taps r, r + stride, ...:
 * a convolution whose outputs are y's channels for each of the phases r. */
static void phase_weights(const transposed *t, const float *w, float *to) {
    for (int64_t r = 0; r < t->stride[0] * t->stride[1]; r++)
        for (int64_t m = 0; m < t->outputs; m++)
            for (int64_t c = 0; c < t->channels; c++)
                for (int64_t i = 0; i < t->taps[0]; i++)
                    for (int64_t j = 0; j < t->taps[1]; j++, to++) {
                        int64_t row = r / t->stride[1] + t->stride[0] * (t->taps[0] - 1 - i);
                        int64_t column = r % t->stride[1] + t->stride[1] * (t->taps[1] - 1 - j);
                        bool is = row < t->kernel[0] && column < t->kernel[1];
                        size_t plane = (size_t)(t->kernel[0] * t->kernel[1]);
                        *to = is ? w[(size_t)(c * t->outputs + m) * plane +
                                     (size_t)(row * t->kernel[1] + column)]
                                 : 0;
                    }
}

static infer_status phase_constants(infer_graph *g, const transposed *t, infer_conv2d *c,
                                    const float *weights, const float *bias, uint32_t *in,
                                    bool *fits) {
    const size_t count = c->outputs * c->channels * c->kernel[0] * c->kernel[1];
    float *w = infer_arena_block(&g->arena, count * sizeof *w), *b;
    infer_view panel = infer_lay_flat(infer_blocks((int64_t)c->outputs) * INFER_BLOCK);
    if (!w)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    phase_weights(t, weights, w);
    infer_status status = infer_lay_pack(g, c, w, &in[1], fits);
    infer_arena_release(&g->arena, w, count * sizeof *w);
    INFER_TRY(status);
    INFER_TRY(infer_graph_room(g, &panel, &in[2], &b));
    for (size_t i = 0; bias && i < c->outputs; i++)
        b[i] = bias[i % (size_t)t->outputs];
    return INFER_OK;
}

infer_status infer_lay_transpose(graph_layout *l, const graph_node *n, bool *done) {
    infer_graph *g = l->g;
    infer_view w = {.rank = 0}, b;
    transposed t;
    uint32_t x = infer_graph_resolve(g, n->in[0]), in[3], y = INFER_NO_VALUE;
    const float *weights = infer_graph_floats(g, n->in[1], &w), *bias = NULL;
    const infer_view *to = infer_lay_view(l, n->out[0]), *from = infer_lay_view(l, x);
    if (!weights || !infer_lay_is_image(to) || to->rank != w.rank || from->rank != w.rank ||
        g->values[x].constant || infer_view_count(&w) > INT32_MAX || !read_transposed(n, &w, &t))
        return INFER_OK;
    if (n->in_count > 2 && n->in[2] != INFER_NO_VALUE &&
        !(bias = infer_graph_floats(g, n->in[2], &b)))
        return INFER_OK;
    const int64_t phases = t.stride[0] * t.stride[1];
    infer_conv2d c = {.channels = (size_t)t.channels,
                      .outputs = (size_t)(t.outputs * phases),
                      .group = 1,
                      .kernel = {(size_t)t.taps[0], (size_t)t.taps[1]}};
    INFER_TRY(phase_constants(g, &t, &c, weights, bias, in, done));
    if (!*done)
        return INFER_OK;
    INFER_TRY(infer_lay_blocks(l, x, n, &in[0]));
    const int64_t pads[] = {t.taps[0] - 1, t.taps[1] - 1, t.taps[0] - 1, t.taps[1] - 1};
    const infer_attr conv[] = {
        {.name = "kernel_shape", .type = INFER_ATTR_INTS, .count = 2, .data = t.taps},
        {.name = "pads", .type = INFER_ATTR_INTS, .count = 4, .data = pads},
        infer_lay_int("channels", t.channels),
        infer_lay_int("outputs", (int64_t)c.outputs),
    };
    INFER_TRY(infer_lay_add(g, "infer", "ConvBlocked", n, in, 3, conv, 4, &y));
    const infer_attr phase[] = {
        {.name = "strides", .type = INFER_ATTR_INTS, .count = 2, .data = t.stride},
        {.name = "trim", .type = INFER_ATTR_INTS, .count = 4, .data = t.trim},
        infer_lay_int("channels", t.outputs),
        infer_lay_int("rank", t.plain ? w.rank : 5),
    };
    if (!t.plain)
        return infer_lay_replace(l, n, "infer", "PhasesBlocked", &y, 1, phase, 4);
    uint32_t out = n->out[0];
    return infer_lay_add(g, "infer", "PhasesBlocked", n, &y, 1, phase, 4, &out);
}
