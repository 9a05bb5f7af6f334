/* What the convolutions have in common: shapes of X [N][C][...], W [M][C / group][...] and Y
 * [N][M][...], and the blocks of output places that fit the cache. */
#include "conv.h"

#include "axes.h"
#include "checked.h"
#include "scratch.h"
#include "status.h"

#define BLOCK_BYTES 1048576 /* of columns */

static infer_status differ(const char *what, int64_t a, int64_t b) {
    return infer_fail(INFER_ERROR_SHAPE, "%s: %lld and %lld do not fit", what, (long long)a,
                      (long long)b);
}

static int64_t extent(const infer_view *v, int32_t axis) {
    return v->rank < 0 ? -1 : v->dim[axis];
}

infer_status infer_conv_read(const infer_op_env *env, const infer_conv_params *p,
                             const infer_view *x, const infer_view *w, const infer_view *bias,
                             infer_conv *c) {
    *c = (infer_conv){.known = false};
    if (p->group < 1)
        return infer_fail(INFER_ERROR_VALUE, "group is %lld", (long long)p->group);
    if (w->rank >= 0 && w->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "weights of rank %d", (int)w->rank);
    INFER_TRY(infer_window_read(env, &p->window, x, w, &c->window));
    int64_t channels = x->dim[1], of_group = extent(w, 1), outputs = extent(w, 0), all;
    if (channels >= 0 && of_group >= 0 &&
        (__builtin_mul_overflow(of_group, p->group, &all) || all != channels))
        return differ("channels of the input and of the weights times group", channels, of_group);
    if (outputs >= 0 && outputs % p->group != 0)
        return differ("output channels and group", outputs, p->group);
    if (bias && (bias->rank > 1 || bias->rank == 0 ||
                 (bias->rank == 1 && bias->dim[0] >= 0 && outputs >= 0 && bias->dim[0] != outputs)))
        return differ("the bias and the output channels", extent(bias, 0), outputs);
    c->group = (size_t)p->group;
    return INFER_OK;
}

infer_status infer_conv_sizes(const infer_view *x, const infer_view *w, size_t element,
                              infer_conv *c) {
    const infer_window *v = &c->window;
    size_t depth_bytes, columns;
    c->known = true;
    c->batch = (size_t)x->dim[0];
    c->channels = (size_t)w->dim[1];
    c->outputs = (size_t)w->dim[0] / c->group;
    c->taps = infer_window_count(v->kernel, v->rank);
    c->depth = c->channels * c->taps;
    c->plane = infer_window_count(v->in, v->rank);
    c->places = infer_window_count(v->out, v->rank);
    if (!infer_mul(c->depth ? c->depth : 1, element, &depth_bytes) ||
        !infer_round_up(c->places ? c->places : 1, INFER_PANEL, &columns))
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    c->block = BLOCK_BYTES / depth_bytes / INFER_PANEL * INFER_PANEL;
    c->block = c->block < INFER_PANEL ? INFER_PANEL : c->block > columns ? columns : c->block;
    return INFER_OK;
}

infer_status infer_conv_shape(const infer_op_env *env, const infer_conv_params *p,
                              const infer_view *x, const infer_view *w, const infer_view *bias,
                              size_t element, infer_conv *c, infer_view *y) {
    *c = (infer_conv){.known = false};
    if (x->rank < 0) { /* of its rank, at least, the weights know */
        y->rank = w->rank >= 2 ? w->rank : -1;
        for (int32_t i = 0; i < y->rank; i++)
            y->dim[i] = i == 1 ? extent(w, 0) : -1;
        return INFER_OK;
    }
    INFER_TRY(infer_conv_read(env, p, x, w, bias, c));
    INFER_TRY(infer_window_out(&c->window, p->window.auto_pad, false));
    y->rank = x->rank;
    y->dim[0] = x->dim[0];
    y->dim[1] = extent(w, 0);
    for (int32_t i = 0; i < c->window.rank; i++)
        y->dim[i + 2] = c->window.out[i];
    INFER_TRY(infer_view_check(y, true));
    if (!infer_view_concrete(x) || !infer_view_concrete(w))
        return INFER_OK;
    return infer_conv_sizes(x, w, element, c);
}

infer_status infer_conv_take(infer_op_env *env, size_t rows, size_t columns, size_t size,
                             size_t *at) {
    if (!infer_scratch_take(&env->scratch_size, rows, columns, size, at))
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    return INFER_OK;
}
