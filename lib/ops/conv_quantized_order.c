/* Weights of the convolutions of bytes as their columns lie: groups of four channels, each tap of
 * the window; made while the model is loaded where they are constant. */
#include "conv_quantized.h"

#include <string.h>

void infer_order_bytes(const uint8_t *w, size_t rows, size_t channels, size_t taps, uint8_t flip,
                       uint8_t *to, int32_t *sums) {
    const size_t group = taps * INFER_GROUP;
    for (size_t i = 0; i < rows; i++) {
        uint32_t sum = 0;
        for (size_t first = 0; first < channels; first += INFER_GROUP, to += group) {
            const size_t left = channels - first, many = left < INFER_GROUP ? left : INFER_GROUP;
            if (many < INFER_GROUP)
                memset(to, 0, group);
            for (size_t k = 0; k < many; k++, w += taps)
                for (size_t t = 0; t < taps; t++)
                    to[t * INFER_GROUP + k] = w[t] ^ flip;
            sum += infer_sum_bytes(to, group);
        }
        sums[i] = (int32_t)sum;
    }
}

infer_status infer_ordered_weights(const infer_op_env *env, const infer_conv_roles *r,
                                   infer_view *w) {
    const infer_conv_params *p = env->params;
    const infer_view *x = env->in[r->x], *from = env->in[r->w], *sums = env->in[r->sums];
    const int32_t rank = from->rank - 1;
    *w = *from;
    if (from->rank < 0)
        return INFER_OK;
    if (rank < 2 || sums->rank != 1 || sums->dim[0] != from->dim[0] ||
        from->dim[rank] != INFER_GROUP || sums->type != INFER_TYPE_INT32)
        return infer_fail(INFER_ERROR_SHAPE, "the weights are not ordered");
    w->rank = rank;
    w->dim[1] = -1;
    if (p->group < 1 || x->rank < 2 || x->dim[1] < 0)
        return INFER_OK;
    w->dim[1] = x->dim[1] / p->group;
    if (from->dim[1] != w->dim[1] / INFER_GROUP + (w->dim[1] % INFER_GROUP != 0))
        return infer_fail(INFER_ERROR_SHAPE, "%lld groups of channels for %lld channels",
                          (long long)from->dim[1], (long long)w->dim[1]);
    return INFER_OK;
}

static infer_status order_infer(infer_op_env *env) {
    const infer_view *w = env->in[0];
    infer_view spare;
    if (w->rank >= 0 && (w->rank < 2 || w->rank == INFER_MAX_RANK))
        return infer_fail(INFER_ERROR_SHAPE, "weights of rank %d", (int)w->rank);
    infer_view *y = infer_out(env, 0, w->type, w->rank < 0 ? -1 : w->rank + 1, &spare);
    infer_view *z = infer_out(env, 1, INFER_TYPE_INT32, w->rank < 0 ? -1 : 1, &spare);
    if (w->rank < 0)
        return INFER_OK;
    z->dim[0] = w->dim[0];
    memcpy(y->dim, w->dim, (size_t)w->rank * sizeof *y->dim);
    y->dim[w->rank] = INFER_GROUP;
    if (w->dim[1] >= 0)
        y->dim[1] = w->dim[1] / INFER_GROUP + (w->dim[1] % INFER_GROUP != 0);
    return infer_view_check(y, true);
}

static infer_status order_run(infer_op_env *env) {
    const infer_view *w = env->in[0];
    if (env->out[0] && env->out[1])
        infer_order_bytes(w->data, (size_t)w->dim[0], (size_t)w->dim[1],
                          infer_window_count(w->dim + 2, w->rank - 2), infer_flip_left(w->type),
                          env->out[0]->data, env->out[1]->data);
    return INFER_OK;
}

infer_status infer_order_weights(infer_rewriter *rw, const infer_conv_roles *r, uint32_t sums_at,
                                 const char *name) {
    uint32_t w = rw->input(rw, r->w), made[2];
    const infer_view *v = rw->view(rw, w);
    if (!v->data || v->rank < 2 || v->rank == INFER_MAX_RANK || v->dim[1] < 2)
        return INFER_OK;
    INFER_TRY(rw->add_many(rw, "infer", "OrderBytes", &w, 1, NULL, 0, made, 2));
    INFER_TRY(rw->set_input(rw, r->w, made[0]));
    for (uint32_t i = rw->in_count; i > sums_at; i--)
        INFER_TRY(rw->set_input(rw, i, rw->input(rw, i - 1)));
    INFER_TRY(rw->set_input(rw, sums_at, made[1]));
    return rw->become(rw, "infer", name);
}

/* Weights [M][C][...] of unsigned numbers as [M][C / 4, rounded up][...][4], and the sums of their
 * rows. The type is that of the weights, as zero points are. */
const infer_op infer_op_infer_order_bytes = {
    .domain = "infer",
    .name = "OrderBytes",
    .since = 1,
    .newest = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 2,
    .max_out = 2,
    .types = {T(INT8) | T(UINT8)},
    .infer = order_infer,
    .run = order_run,
};
