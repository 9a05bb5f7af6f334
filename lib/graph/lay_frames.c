/* Makes a convolution of one channel over a row, whose kernel is long, a product of overlapping
 * frames: as windowed Fourier transforms are spelled. Blocks of channels would be empty but for
 * one.
 */
#include "lay.h"

#include "status.h"

#define SHORTEST 64 /* kernel */

/* w [outputs][1][length], turned. */
static infer_status turn_weights(infer_graph *g, const float *w, const infer_view *shape,
                                 uint32_t *value) {
    const int64_t outputs = shape->dim[0], length = shape->dim[2];
    infer_view turned = {.type = INFER_TYPE_FLOAT, .rank = 2, .dim = {length, outputs}};
    float *to;
    INFER_TRY(infer_graph_room(g, &turned, value, &to));
    for (int64_t k = 0; k < length; k++)
        for (int64_t m = 0; m < outputs; m++)
            *to++ = w[m * length + k];
    return INFER_OK;
}

infer_status infer_lay_frames(graph_layout *l, const graph_node *n, bool *done) {
    static const int64_t order[] = {0, 2, 1};
    infer_graph *g = l->g;
    infer_view w = {.rank = 0}, b;
    const bool constant = infer_graph_are_floats(g, n->in[1], &w);
    const infer_attr *given = infer_graph_find_attr(n, "pads");
    const bool biased = n->in_count > 2 && n->in[2] != INFER_NO_VALUE;
    uint32_t x = infer_graph_resolve(g, n->in[0]), out = n->out[0];
    if (!constant || w.rank != 3 || w.dim[1] != 1 || w.dim[2] < SHORTEST || w.dim[0] < 1 ||
        infer_lay_view(l, x)->dim[1] != 1 || !infer_lay_is_image(infer_lay_view(l, x)) ||
        g->values[x].constant || infer_graph_find_attr(n, "auto_pad") ||
        infer_graph_number(n, "dilations", 0, 1) != 1 ||
        (biased && !infer_graph_floats(g, n->in[2], &b)))
        return INFER_OK;
    const float *weights = infer_graph_floats(g, n->in[1], &w);
    if (!weights)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    const int64_t none[2] = {0, 0};
    const infer_attr frames[] = {
        {.name = "pads",
         .type = INFER_ATTR_INTS,
         .count = 2,
         .data = given && given->count == 2 ? given->data : none},
        infer_lay_int("length", w.dim[2]),
        infer_lay_int("step", infer_graph_number(n, "strides", 0, 1)),
    };
    const infer_attr perm = {.name = "perm", .type = INFER_ATTR_INTS, .count = 3, .data = order};
    uint32_t in[2] = {x, INFER_NO_VALUE}, y = INFER_NO_VALUE, sum = INFER_NO_VALUE;
    INFER_TRY(infer_lay_plain(l, x, n));
    INFER_TRY(infer_lay_add(g, "infer", "Frames", n, &x, 1, frames, 3, &in[1]));
    in[0] = in[1];
    INFER_TRY(turn_weights(g, weights, &w, &in[1]));
    INFER_TRY(infer_lay_add(g, "", "MatMul", n, in, 2, NULL, 0, &y));
    if (biased) {
        in[0] = y;
        in[1] = n->in[2];
        INFER_TRY(infer_lay_add(g, "", "Add", n, in, 2, NULL, 0, &sum));
    }
    *done = true;
    return infer_lay_add(g, "", "Transpose", n, biased ? &sum : &y, 1, &perm, 1, &out);
}
