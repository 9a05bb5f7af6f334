/* Convolutions of bytes with groups of one channel: sums of few products a place, in 16 bits, where
 * packing for a product of matrices would take longer than the product. */
#include "conv_quantized.h"

#include <string.h>

#define SLACK 16 /* places behind the last, so that kernels have whole vectors */

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
    size_t all, planes, sums;
    if (!extents(&y, &d->planes[0], &d->rows) || !extents(&x, &d->planes[1], &d->columns) ||
        !infer_mul(d->rows, d->columns, &all) || !infer_mul(d->planes[0], d->planes[1], &planes) ||
        !infer_mul(all, planes, &all) || !infer_mul((size_t)y.out, d->columns, &d->sums))
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    if (!infer_add(all, SLACK, &all) || !infer_add(d->sums, SLACK, &sums))
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    INFER_TRY(infer_conv_take(env, all, 1, sizeof(int16_t), &d->in_at));
    INFER_TRY(infer_conv_take(env, c->plane, 1, sizeof(int16_t), &d->wide_at));
    INFER_TRY(infer_conv_take(env, c->taps, 1, sizeof(size_t), &d->taps_at));
    INFER_TRY(infer_conv_take(env, c->taps, 1, sizeof(int16_t), &d->w_at));
    return infer_conv_take(env, sums, 1, sizeof(int32_t), &d->sums_at);
}

/* n numbers, each `stride` behind the one before. */
static void take(const int16_t *x, size_t stride, size_t n, int16_t *to) {
    if (stride == 1)
        memcpy(to, x, n * sizeof *to);
    else if (stride == 2)
        for (size_t i = 0; i < n; i++)
            to[i] = x[2 * i];
    else
        for (size_t i = 0; i < n; i++)
            to[i] = x[i * stride];
}

/* All rows of the input: their columns of one phase. */
static void deal_phase(const axis *y, const axis *x, const infer_depthwise_plan *d, size_t phase,
                       const int16_t *wide, int16_t *to) {
    const size_t stride = (size_t)x->stride, before = (size_t)x->before, n = (size_t)x->in;
    const size_t plane = d->rows * d->columns;
    /* Places c with c * stride + phase - before in the input. */
    const size_t c = before > phase ? (before - phase + stride - 1) / stride : 0;
    const size_t first = c * stride + phase - before;
    size_t places = n > first ? (n - first + stride - 1) / stride : 0;
    size_t at = (size_t)y->before % (size_t)y->stride, row = (size_t)y->before / (size_t)y->stride;
    places = c >= d->columns ? 0 : places < d->columns - c ? places : d->columns - c;
    for (int64_t i = 0; i < y->in && row < d->rows && places; i++) {
        if (at < d->planes[0])
            take(wide + (size_t)i * n + first, stride, places,
                 to + (at * d->planes[1] + phase) * plane + row * d->columns + c);
        at = at + 1 < (size_t)y->stride ? at + 1 : 0;
        row += at == 0;
    }
}

/* The planes of one channel, whose padding is zero already. */
static void deal(const infer_conv *c, const infer_depthwise_plan *d, const uint8_t *x, uint8_t flip,
                 int16_t zero, int16_t *wide, int16_t *to) {
    const axis down = axis_of(&c->window, 0), across = axis_of(&c->window, 1);
    for (size_t i = 0; i < c->plane; i++)
        wide[i] = (int16_t)((x[i] ^ flip) - zero);
    for (size_t phase = 0; phase < d->planes[1]; phase++)
        deal_phase(&down, &across, d, phase, wide, to);
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

void infer_depthwise_begin(const infer_op_env *env, const infer_conv *c,
                           const infer_depthwise_plan *d) {
    const size_t all = d->planes[0] * d->planes[1] * d->rows * d->columns + SLACK;
    int16_t *in = infer_scratch_at(env->scratch, d->in_at);
    find_taps(c, d, infer_scratch_at(env->scratch, d->taps_at));
    memset(in, 0, all * sizeof *in);
}

void infer_depthwise_run(const infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                         const infer_depthwise_plan *d, size_t image) {
    const infer_view *x = env->in[r->x], *w = env->in[r->w];
    const bool sign_x = x->type == INFER_TYPE_INT8, sign_w = w->type == INFER_TYPE_INT8;
    const axis y = axis_of(&c->window, 0), across = axis_of(&c->window, 1);
    int16_t *in = infer_scratch_at(env->scratch, d->in_at);
    int16_t *weights = infer_scratch_at(env->scratch, d->w_at);
    const size_t *taps = infer_scratch_at(env->scratch, d->taps_at);
    int32_t *sums = infer_scratch_at(env->scratch, d->sums_at);
    /* Signed bytes are made unsigned by a flip of their highest bit, which adds 128. */
    const uint8_t flip_x = sign_x ? 128 : 0, flip_w = sign_w ? 128 : 0;
    deal(c, d, (const uint8_t *)x->data + image * c->plane, flip_x,
         (int16_t)(infer_byte_of(infer_conv_role(env, r->x_zero), 0) + flip_x),
         infer_scratch_at(env->scratch, d->wide_at), in);
    for (size_t m = 0; m < c->outputs; m++) {
        const size_t channel = image % c->group * c->outputs + m;
        const int32_t zero = infer_byte_of(infer_conv_role(env, r->w_zero), channel) + flip_w;
        const uint8_t *from = (const uint8_t *)w->data + channel * c->taps;
        for (size_t t = 0; t < c->taps; t++)
            weights[t] = (int16_t)((int32_t)(from[t] ^ flip_w) - zero);
        const size_t last = d->sums - (d->columns - (size_t)across.out);
        env->kernels->taps_i16((last + SLACK - 1) / SLACK * SLACK, c->taps, weights, taps, in,
                               sums);
        for (size_t row = 1, n = (size_t)across.out; row < (size_t)y.out; row++)
            memmove(sums + row * n, sums + row * d->columns, n * sizeof *sums);
        infer_conv_finish(env, r, sums, c->places, channel, 0,
                          (image * c->outputs + m) * c->places);
    }
}
