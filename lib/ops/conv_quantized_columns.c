/* Windows of bytes as packed columns. Four channels of a place lie together, which is what products
 * take at once: so a panel's group is sixteen places in a row, wherever a tap sees them, and is
 * copied as it lies. */
#include "conv_quantized.h"

#include <string.h>

/* Places past the last that a copy of a panel may reach. */
#define SLACK INFER_PANEL

/* Places along the last axis lie by the remainder of their numbers by the stride, so that what a
 * tap sees of neighbouring outputs lies together; not where strides are long and outputs few. */
#define MOST_PHASES 4

/* Whether columns are the input's places as they lie. */
static bool is_direct(const infer_conv *c) {
    const infer_window *w = &c->window;
    bool direct = c->taps == 1;
    for (int32_t i = 0; i < w->rank; i++)
        direct = direct && w->stride[i] == 1 && !w->before[i] && !w->after[i];
    return direct;
}

infer_status infer_columns_take(infer_op_env *env, const infer_conv *c, infer_columns *q) {
    const infer_window *w = &c->window;
    const int64_t stride = w->rank ? w->stride[w->rank - 1] : 1;
    size_t padded = 1, whole;
    bool fits = infer_round_up(c->plane, INFER_PANEL, &whole);
    q->groups = (c->channels + INFER_GROUP - 1) / INFER_GROUP;
    fits = fits && infer_mul(q->groups, c->taps, &q->depth) &&
           infer_mul(q->depth, INFER_GROUP, &q->depth);
    q->direct = is_direct(c);
    q->phases = stride <= MOST_PHASES ? (size_t)stride : 1;
    for (int32_t i = 0; i < w->rank; i++) {
        fits = fits && !__builtin_add_overflow(w->in[i], w->before[i], &q->padded[i]) &&
               !__builtin_add_overflow(q->padded[i], w->after[i], &q->padded[i]) &&
               q->padded[i] <= INT64_MAX - MOST_PHASES;
        if (i == w->rank - 1 && fits && q->phases > 1)
            q->padded[i] += (int64_t)q->phases - q->padded[i] % (int64_t)q->phases;
        fits = fits && infer_mul(padded, (size_t)q->padded[i], &padded);
    }
    q->plane = padded;
    fits = fits && infer_mul(padded, q->groups, &padded) && infer_add(padded, SLACK, &padded) &&
           padded <= PTRDIFF_MAX / INFER_GROUP;
    if (!fits)
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    q->whole = q->direct ? 0 : whole;
    INFER_TRY(infer_conv_take(env, q->direct ? 0 : padded, INFER_GROUP, 1, &q->padded_at));
    INFER_TRY(infer_conv_take(env, infer_workers(env), q->whole, INFER_GROUP, &q->whole_at));
    INFER_TRY(infer_conv_take(env, c->taps, 1, sizeof(size_t), &q->taps_at));
    return infer_conv_take(env, q->direct ? 0 : q->depth, 1, 1, &q->ones_at);
}

/* ---- the input ---- */

static size_t phase(const infer_conv *c, const infer_columns *q, size_t at) {
    const size_t each = (size_t)q->padded[c->window.rank - 1] / q->phases;
    return at % q->phases * each + at / q->phases;
}

/* n numbers, each `stride` behind the one before. */
static void take(const uint32_t *x, size_t stride, size_t n, uint32_t *to) {
    if (stride == 2)
        for (size_t i = 0; i < n; i++)
            to[i] = x[2 * i];
    else
        for (size_t i = 0; i < n; i++)
            to[i] = x[i * stride];
}

/* Whether any tap sees what lies at a place of an axis, padding included. */
static bool is_seen(const infer_window *w, int32_t axis, int64_t at) {
    const int64_t stride = w->stride[axis];
    int64_t tap = 0;
    if (stride == 1)
        return true;
    while (tap < w->kernel[axis] && tap < stride && (at - tap * w->dilation[axis]) % stride != 0)
        tap++;
    return tap < w->kernel[axis] && tap < stride;
}

/* A row of the input, `at` being where its first place lies, padding included. */
static void pad_row(const infer_conv *c, const infer_columns *q, const uint32_t *from, size_t width,
                    uint32_t *to, int64_t at) {
    if (q->phases == 1) {
        memcpy(to + at, from, width * sizeof *to);
        return;
    }
    for (size_t p = 0; p < q->phases && p < width; p++)
        if (is_seen(&c->window, c->window.rank - 1, at + (int64_t)p))
            take(from + p, q->phases, (width - p + q->phases - 1) / q->phases,
                 to + phase(c, q, (size_t)at + p));
}

/* The rows of a group's plane into the padded one, where they are seen. */
static void pad(const infer_conv *c, const infer_columns *q, const uint32_t *from, uint32_t *to) {
    const infer_window *w = &c->window;
    const int32_t last = w->rank - 1;
    const size_t width = last < 0 ? 1 : (size_t)w->in[last];
    int64_t row[INFER_WINDOW_RANK] = {0};
    do {
        size_t at = 0;
        bool seen = true;
        for (int32_t i = 0; i < last; i++) {
            const int64_t place = row[i] + w->before[i];
            at = at * (size_t)q->padded[i] + (size_t)place;
            seen = seen && is_seen(w, i, place);
        }
        if (last >= 0)
            at *= (size_t)q->padded[last];
        if (seen)
            pad_row(c, q, from, width, to + at, last < 0 ? 0 : w->before[last]);
        from += width;
    } while (infer_window_next(row, w->in, last));
}

/* Groups of channels; a part has some of them. */
typedef struct groups_job {
    const infer_op_env *env;
    const infer_conv *c;
    const infer_columns *q;
    const uint8_t *x;
    uint8_t flip, zero;
    size_t parts;
} groups_job;

static void groups_part(void *arg, size_t part, size_t worker) {
    const groups_job *j = arg;
    const infer_conv *c = j->c;
    const infer_columns *q = j->q;
    const size_t bytes = q->plane * INFER_GROUP;
    uint8_t *padded = infer_scratch_at(j->env->scratch, q->padded_at);
    uint8_t *whole = infer_scratch_at(j->env->scratch, q->whole_at);
    whole += worker * q->whole * INFER_GROUP;
    size_t from, end;
    infer_part(q->groups, 1, j->parts, part, &from, &end);
    for (size_t g = from; g < end; g++) {
        const size_t first = g * INFER_GROUP, left = c->channels - first;
        memset(padded + g * bytes, j->zero ^ j->flip, bytes);
        if (c->plane == 0)
            continue;
        j->env->kernels->pack_s8(left < INFER_GROUP ? left : INFER_GROUP, c->plane,
                                 j->x + first * c->plane, c->plane, j->flip, (int8_t *)whole, NULL);
        pad(c, q, (const uint32_t *)whole, (uint32_t *)(padded + g * bytes));
    }
}

void infer_columns_begin(infer_op_env *env, const infer_conv *c, const infer_columns *q,
                         const uint8_t *x, uint8_t flip, uint8_t zero) {
    groups_job job = {env, c, q, x, flip, zero, 1};
    if (q->direct)
        return;
    job.parts = infer_parts(env, q->groups, (double)q->plane);
    infer_parallel(env, job.parts, groups_part, &job);
}

/* ---- the columns ---- */

/* Where a place of a tap or of a window's first element lies. */
static size_t offset(const infer_conv *c, const infer_columns *q, const int64_t *index,
                     const int64_t *by) {
    const int32_t last = c->window.rank - 1;
    size_t at = 0;
    for (int32_t i = 0; i <= last; i++) {
        const size_t place = (size_t)(index[i] * by[i]);
        at = at * (size_t)q->padded[i] + (i == last ? phase(c, q, place) : place);
    }
    return at;
}

void infer_columns_taps(const infer_op_env *env, const infer_conv *c, const infer_columns *q) {
    size_t *taps = infer_scratch_at(env->scratch, q->taps_at), t = 0;
    int64_t tap[INFER_WINDOW_RANK] = {0};
    if (c->taps)
        do {
            taps[t++] = offset(c, q, tap, c->window.dilation) * INFER_GROUP;
        } while (infer_window_next(tap, c->window.kernel, c->window.rank));
    uint8_t *ones = infer_scratch_at(env->scratch, q->ones_at);
    for (size_t first = 0; !q->direct && first < c->channels; first += INFER_GROUP)
        for (size_t k = 0; k < c->taps * INFER_GROUP; k++)
            *ones++ = first + k % INFER_GROUP < c->channels;
}

/* The runs of a panel whose first place is given, and of which so many are there. */
static void find_runs(const infer_conv *c, const infer_columns *q, int64_t *place, size_t lanes,
                      infer_runs *r) {
    const infer_window *w = &c->window;
    const int32_t last = w->rank - 1;
    size_t at = offset(c, q, place, w->stride), expected = at;
    *r = (infer_runs){.count = 1, .from = {at * INFER_GROUP}};
    for (size_t l = 0; l < lanes; l++) {
        if (l && at != expected) {
            r->from[r->count] = at * INFER_GROUP;
            r->to[r->count++] = l * INFER_GROUP;
        }
        expected = at + 1;
        if (last >= 0 && place[last] + 1 < w->out[last]) {
            place[last]++;
            at += (size_t)w->stride[last] / q->phases;
        } else if (infer_window_next(place, w->out, w->rank)) {
            at = offset(c, q, place, w->stride);
        }
    }
}

void infer_columns_gather(const infer_op_env *env, const infer_conv *c, const infer_columns *q,
                          const uint8_t *x, uint8_t flip, size_t first, size_t count,
                          int8_t *packed, int32_t *sums) {
    const infer_window *w = &c->window;
    int64_t place[INFER_WINDOW_RANK];
    if (q->direct) {
        env->kernels->pack_s8(c->channels, count, x + first, c->plane, flip, packed, sums);
        return;
    }
    size_t rest = first;
    for (int32_t i = w->rank; i-- > 0; rest /= (size_t)w->out[i])
        place[i] = (int64_t)(rest % (size_t)w->out[i]);
    int8_t *to = packed;
    for (size_t p = 0; p < count; p += INFER_PANEL, to += q->depth * INFER_PANEL) {
        infer_runs r;
        find_runs(c, q, place, count - p < INFER_PANEL ? count - p : INFER_PANEL, &r);
        env->kernels->gather_s8(q->groups, q->plane * INFER_GROUP, c->taps,
                                infer_scratch_at(env->scratch, q->taps_at), &r,
                                infer_scratch_at(env->scratch, q->padded_at), to);
    }
    if (sums)
        env->kernels->gemm_u8s8(1, count, q->depth, infer_scratch_at(env->scratch, q->ones_at),
                                q->depth, packed, NULL, NULL, sums, count);
}
