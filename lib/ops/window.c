/* The geometry of windows over spatial axes: attributes, padding, extents. */
#include "window.h"

#include "axes.h"
#include "status.h"

#define LARGEST (INT64_C(1) << 60) /* extent of an axis, so that sums of three terms fit */
#define TAPS    (INT64_C(1) << 28) /* of a window that no weights bound */

infer_status infer_window_list(const infer_op_env *env, const infer_list *list, const char *name,
                               int32_t count, int64_t least, int64_t absent, int64_t *to) {
    const int64_t *given = infer_list_data(env, list);
    if (list->count && list->count != (uint64_t)count)
        return infer_fail(INFER_ERROR_SHAPE, "%s has %llu entries instead of %d", name,
                          (unsigned long long)list->count, (int)count);
    for (int32_t i = 0; i < count; i++) {
        to[i] = list->count ? given[i] : absent;
        if (to[i] < least || to[i] > INT32_MAX)
            return infer_fail(INFER_ERROR_VALUE, "%s has the entry %lld", name, (long long)to[i]);
    }
    return INFER_OK;
}

infer_status infer_window_read(const infer_op_env *env, const infer_window_params *p,
                               const infer_view *x, const infer_view *w, infer_window *window) {
    int64_t pads[2 * INFER_WINDOW_RANK];
    int32_t rank = window->rank = x->rank - 2;
    if (rank < 0)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d leaves no spatial axes", (int)x->rank);
    if (w && w->rank >= 0 && w->rank != x->rank)
        return infer_fail(INFER_ERROR_SHAPE, "the weights have rank %d, the input %d", (int)w->rank,
                          (int)x->rank);
    if (!w && rank > 0 && !p->kernel_shape.count)
        return infer_fail(INFER_ERROR_VALUE, "kernel_shape is missing");
    INFER_TRY(infer_window_list(env, &p->kernel_shape, "kernel_shape", rank, 1, 1, window->kernel));
    INFER_TRY(infer_window_list(env, &p->strides, "strides", rank, 1, 1, window->stride));
    INFER_TRY(infer_window_list(env, &p->dilations, "dilations", rank, 1, 1, window->dilation));
    INFER_TRY(infer_window_list(env, &p->pads, "pads", 2 * rank, 0, 0, pads));
    for (int64_t i = 0, taps = 1; !w && i < rank; i++)
        if (__builtin_mul_overflow(taps, window->kernel[i], &taps) || taps > TAPS)
            return infer_fail(INFER_ERROR_VALUE, "the window has more than %lld taps",
                              (long long)TAPS);
    for (int32_t i = 0; i < rank; i++) {
        window->in[i] = x->dim[i + 2];
        window->out[i] = -1;
        window->before[i] = pads[i];
        window->after[i] = pads[i + rank];
        if (window->in[i] > LARGEST)
            return infer_fail(INFER_ERROR_SHAPE, "axis %d is too long", (int)i + 2);
        if (!w)
            continue;
        int64_t n = w->rank < 0 ? -1 : w->dim[i + 2];
        if (p->kernel_shape.count && n >= 0 && n != window->kernel[i])
            return infer_fail(INFER_ERROR_SHAPE,
                              "kernel_shape has %lld where the weights have %lld",
                              (long long)window->kernel[i], (long long)n);
        if (!p->kernel_shape.count)
            window->kernel[i] = n;
        if (n == 0 || n > INT32_MAX)
            return infer_fail(INFER_ERROR_SHAPE, "weights of extent %lld", (long long)n);
    }
    return INFER_OK;
}

/* What the window covers along an axis. */
static int64_t span(const infer_window *w, int32_t i) {
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

static bool is_same(int64_t auto_pad) {
    return auto_pad == INFER_PAD_SAME_UPPER || auto_pad == INFER_PAD_SAME_LOWER;
}

/* Halves the padding, if any; an odd one has its larger half behind for SAME_UPPER. */
static void split(infer_window *w, int32_t i, int64_t total, bool upper) {
    total = total > 0 ? total : 0;
    w->before[i] = upper ? total / 2 : total - total / 2;
    w->after[i] = total - w->before[i];
}

infer_status infer_window_out(infer_window *w, int64_t auto_pad, bool ceil) {
    for (int32_t i = 0; i < w->rank; i++) {
        int64_t in = w->in[i], stride = w->stride[i];
        if (in < 0 || w->kernel[i] < 0)
            continue;
        if (is_same(auto_pad)) {
            w->out[i] = in / stride + (in % stride != 0);
            split(w, i, (w->out[i] - 1) * stride + span(w, i) - in,
                  auto_pad == INFER_PAD_SAME_UPPER);
            continue;
        }
        if (auto_pad == INFER_PAD_VALID)
            w->before[i] = w->after[i] = 0;
        int64_t room = in + w->before[i] + w->after[i] - span(w, i);
        if (room < 0)
            return infer_fail(INFER_ERROR_SHAPE, "a window of %lld does not fit axis %d",
                              (long long)span(w, i), (int)i + 2);
        w->out[i] = room / stride + 1;
        if (ceil && room % stride != 0 && w->out[i] * stride < in + w->before[i])
            w->out[i]++;
    }
    return INFER_OK;
}

infer_status infer_window_transposed(infer_window *w, int64_t auto_pad, const int64_t *add,
                                     const int64_t *shape) {
    for (int32_t i = 0; i < w->rank; i++) {
        int64_t whole; /* without padding */
        if (w->in[i] < 0 || w->kernel[i] < 0) {
            w->out[i] = shape ? shape[i] : -1;
            continue;
        }
        if (__builtin_mul_overflow(w->in[i] - 1, w->stride[i], &whole) ||
            __builtin_add_overflow(whole, add[i] + span(w, i), &whole) || whole > LARGEST)
            return infer_fail(INFER_ERROR_SHAPE, "axis %d becomes too long", (int)i + 2);
        if (shape || is_same(auto_pad)) {
            w->out[i] = shape ? shape[i] : w->in[i] * w->stride[i];
            split(w, i, whole - w->out[i], auto_pad == INFER_PAD_SAME_UPPER);
        } else {
            if (auto_pad == INFER_PAD_VALID)
                w->before[i] = w->after[i] = 0;
            w->out[i] = whole - w->before[i] - w->after[i];
        }
        if (w->out[i] < 0)
            return infer_fail(INFER_ERROR_SHAPE, "axis %d would have extent %lld", (int)i + 2,
                              (long long)w->out[i]);
    }
    return INFER_OK;
}

size_t infer_window_count(const int64_t *extents, int32_t rank) {
    size_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= (size_t)extents[i];
    return n;
}

/* ---- taps and rows ---- */

/* Output places [first, first + n) along an axis for which the tap lies inside of the input. */
static void find_range(infer_taps *t, int32_t i) {
    const infer_window *w = t->w;
    int64_t stride = w->stride[i], at = t->tap[i] * w->dilation[i] - w->before[i];
    int64_t room = w->in[i] - 1 - at; /* the last place's distance from this tap of the first */
    int64_t first = at < 0 ? (-at + stride - 1) / stride : 0;
    int64_t end = room < 0 ? 0 : room / stride + 1;
    end = end < w->out[i] ? end : w->out[i];
    t->first[i] = first;
    t->n[i] = end > first ? end - first : 0;
}

void infer_taps_begin(infer_taps *t, const infer_window *w) {
    *t = (infer_taps){.w = w, .step = w->rank > 0 ? w->stride[w->rank - 1] : 1, .count = 1};
}

bool infer_taps_next(infer_taps *t) {
    const infer_window *w = t->w;
    const int32_t last = w->rank - 1;
    t->in_row = t->in_row && infer_window_next(t->index, t->n, last);
    while (!t->in_row) {
        if (t->started && !infer_window_next(t->tap, w->kernel, w->rank))
            return false;
        t->number += t->started;
        t->started = t->in_row = true;
        for (int32_t i = 0; i < w->rank; i++) {
            find_range(t, i);
            t->in_row = t->in_row && t->n[i] > 0;
        }
    }
    t->from = t->to = 0;
    for (int32_t i = 0; i < w->rank; i++) {
        int64_t o = t->first[i] + (i < last ? t->index[i] : 0);
        t->to = t->to * w->out[i] + o;
        t->from = t->from * w->in[i] + o * w->stride[i] + t->tap[i] * w->dilation[i] - w->before[i];
    }
    if (last >= 0)
        t->count = t->n[last];
    return true;
}
