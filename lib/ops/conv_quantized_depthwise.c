/* Convolutions of bytes with groups of one channel: sums of few products a place, in 16 bits, where
 * packing for a product of matrices would take longer than the product. */
#include "conv_quantized.h"

#include <string.h>

#define SLACK 32 /* places behind the last, so that kernels have whole vectors */

bool infer_is_depthwise(const infer_conv *c) {
    return c->known && c->channels == 1 && c->window.rank >= 1 && c->window.rank <= 2 &&
           c->taps <= 1024;
}

/* An axis of the window, of two; the first of one is a single place. */
typedef struct axis {
    int64_t in, out, kernel, stride, dilation, before;
} axis;

static axis axis_of(const infer_window *w, int which) {
    const int i = which - 2 + w->rank;
    if (i < 0)
        return (axis){1, 1, 1, 1, 1, 0};
    return (axis){w->in[i], w->out[i], w->kernel[i], w->stride[i], w->dilation[i], w->before[i]};
}

/* Planes along an axis, and the places of one that windows see. */
static bool extents(const axis *a, size_t *planes, size_t *n) {
    int64_t reach, places;
    if (__builtin_mul_overflow(a->kernel - 1, a->dilation, &reach) || reach > INT32_MAX ||
        __builtin_add_overflow(reach / a->stride, a->out, &places) || places > INT32_MAX)
        return false;
    *planes = (size_t)(a->stride <= reach ? a->stride : reach + 1);
    *n = (size_t)places;
    return true;
}

infer_status infer_depthwise_take(infer_op_env *env, const infer_conv *c, infer_depthwise_plan *d) {
    const axis y = axis_of(&c->window, 0), x = axis_of(&c->window, 1);
    size_t all, planes;
    if (!extents(&y, &d->planes[0], &d->rows) || !extents(&x, &d->planes[1], &d->columns) ||
        !infer_mul(d->rows, d->columns, &all) || !infer_mul(d->planes[0], d->planes[1], &planes) ||
        !infer_mul(all, planes, &all))
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    d->all = all;
    d->room = 0;
    const bool fits = infer_add(all, SLACK, &all) &&
                      infer_scratch_take(&d->room, all, 1, sizeof(int16_t), &d->in_at) &&
                      infer_scratch_take(&d->room, (size_t)x.in, 1, 1, &d->picked_at) &&
                      infer_scratch_take(&d->room, c->taps, 1, sizeof(int16_t), &d->w_at);
    if (!fits)
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    INFER_TRY(infer_conv_take(env, c->taps, 1, sizeof(size_t), &d->taps_at));
    return infer_conv_take(env, infer_workers(env), d->room, 1, &d->room_at);
}

/* The rows of an input, and the planes that they go to. */
typedef struct rows {
    const infer_kernels *kernels;
    const axis *down;
    const infer_depthwise_plan *d;
    const uint8_t *x;
    uint8_t flip;
    int32_t zero;
} rows;

/* The columns of one phase, picked into a row of bytes where there are several. */
static void deal_phase(const rows *r, const axis *x, size_t phase, uint8_t *picked, int16_t *to) {
    const infer_depthwise_plan *d = r->d;
    const size_t stride = (size_t)x->stride, before = (size_t)x->before, n = (size_t)x->in;
    const size_t down = (size_t)r->down->stride;
    /* Places c with c * stride + phase - before in the input. */
    const size_t c = before > phase ? (before - phase + stride - 1) / stride : 0;
    const size_t first = c * stride + phase - before;
    size_t places = n > first ? (n - first + stride - 1) / stride : 0;
    size_t at = (size_t)r->down->before % down, row = (size_t)r->down->before / down;
    places = c >= d->columns ? 0 : places < d->columns - c ? places : d->columns - c;
    if (stride == 1 && down == 1 && row < d->rows) {
        const size_t there =
            (size_t)r->down->in < d->rows - row ? (size_t)r->down->in : d->rows - row;
        r->kernels->widen_8(there, places, r->x + first, n, r->flip, r->zero,
                            to + row * d->columns + c, d->columns);
        return;
    }
    for (size_t i = 0; i < (size_t)r->down->in && row < d->rows && places; i++) {
        int16_t *there = to + ((at * d->planes[1] + phase) * d->rows + row) * d->columns + c;
        const uint8_t *from = r->x + i * n + first;
        if (at < d->planes[0]) {
            if (stride > 1)
                r->kernels->pick_8(from, stride, places, picked);
            r->kernels->widen_8(1, places, stride > 1 ? picked : from, 0, r->flip, r->zero, there,
                                0);
        }
        at = at + 1 < down ? at + 1 : 0;
        row += at == 0;
    }
}

/* The planes of one channel, whose padding is zero already. */
static void deal(const infer_op_env *env, const infer_conv *c, const infer_depthwise_plan *d,
                 const uint8_t *x, uint8_t flip, int32_t zero, uint8_t *picked, int16_t *to) {
    const axis down = axis_of(&c->window, 0), across = axis_of(&c->window, 1);
    const rows r = {env->kernels, &down, d, x, flip, zero};
    for (size_t phase = 0; phase < d->planes[1]; phase++)
        deal_phase(&r, &across, phase, picked, to);
}

/* Where a tap sees the first output's place. */
static void find_taps(const infer_conv *c, const infer_depthwise_plan *d, size_t *taps) {
    const axis y = axis_of(&c->window, 0), x = axis_of(&c->window, 1);
    const size_t plane = d->rows * d->columns;
    for (int64_t i = 0; i < y.kernel; i++)
        for (int64_t j = 0; j < x.kernel; j++) {
            const size_t r = (size_t)(i * y.dilation), s = (size_t)(j * x.dilation);
            const size_t by = (size_t)y.stride, bx = (size_t)x.stride;
            *taps++ = (r % by * d->planes[1] + s % bx) * plane + r / by * d->columns + s / bx;
        }
}

/* Channels of all images; a part has some of them. */
typedef struct depthwise_job {
    const infer_op_env *env;
    const infer_conv_roles *r;
    const infer_conv *c;
    const infer_depthwise_plan *d;
    size_t parts;
} depthwise_job;

/* The outputs of one channel, whose input is in its planes, from number `at` on. */
static void sum_channel(const depthwise_job *j, size_t channel, size_t at, char *room) {
    const infer_op_env *env = j->env;
    const infer_conv *c = j->c;
    const infer_depthwise_plan *d = j->d;
    const infer_view *w = env->in[j->r->w], *bias = infer_conv_role(env, j->r->bias);
    const infer_view *out = env->out[0];
    const axis y = axis_of(&c->window, 0), across = axis_of(&c->window, 1);
    const bool whole = j->r->y_scale == INFER_NO_ROLE; /* the sums are the outputs */
    int16_t *weights = (int16_t *)(void *)(room + d->w_at);
    const int32_t zero = infer_byte_of(infer_conv_role(env, j->r->w_zero), channel);
    const uint8_t *from = (const uint8_t *)w->data + channel * c->taps;
    for (size_t t = 0; t < c->taps; t++)
        weights[t] = (int16_t)((w->type == INFER_TYPE_INT8 ? (int8_t)from[t] : from[t]) - zero);
    const infer_taps8 taps = {
        .count = c->taps,
        .w = weights,
        .offset = infer_scratch_at(env->scratch, d->taps_at),
        .add = bias ? ((const int32_t *)bias->data)[channel] : 0,
        .zero = whole ? 0 : infer_byte_of(env->in[j->r->y_zero], 0),
        .scale = whole ? 1 : infer_conv_scale(env, j->r, channel),
        .sign = out->type == INFER_TYPE_INT8,
    };
    env->kernels->taps_8((size_t)y.out, (size_t)across.out, d->columns, &taps,
                         (const int16_t *)(void *)(room + d->in_at),
                         whole ? (int32_t *)out->data + at : NULL, (uint8_t *)out->data + at);
}

static void depthwise_part(void *arg, size_t part, size_t worker) {
    const depthwise_job *j = arg;
    const infer_op_env *env = j->env;
    const infer_conv *c = j->c;
    const infer_depthwise_plan *d = j->d;
    const infer_view *x = env->in[j->r->x];
    char *room = (char *)infer_scratch_at(env->scratch, d->room_at) + worker * d->room;
    int16_t *in = (int16_t *)(void *)(room + d->in_at);
    /* Signed bytes are made unsigned by a flip of their highest bit, which adds 128. */
    const uint8_t flip = infer_flip_left(x->type);
    const int32_t zero = infer_byte_of(infer_conv_role(env, j->r->x_zero), 0) + flip;
    size_t first, end;
    infer_part(c->batch * c->group, 1, j->parts, part, &first, &end);
    memset(in, 0, (d->all + SLACK) * sizeof *in);
    for (size_t image = first; image < end; image++) {
        deal(env, c, d, (const uint8_t *)x->data + image * c->plane, flip, zero,
             (uint8_t *)room + d->picked_at, in);
        for (size_t m = 0; m < c->outputs; m++)
            sum_channel(j, image % c->group * c->outputs + m, (image * c->outputs + m) * c->places,
                        room);
    }
}

void infer_depthwise_run(infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                         const infer_depthwise_plan *d) {
    depthwise_job j = {env, r, c, d, 1};
    find_taps(c, d, infer_scratch_at(env->scratch, d->taps_at));
    j.parts = infer_parts(env, c->batch * c->group,
                          (double)(c->outputs * c->places * c->taps) * INFER_PRODUCT_COST);
    infer_parallel(env, j.parts, depthwise_part, &j);
}
