/* ConvInteger and QLinearConv: products of 8-bit integers, weights on the left and windows of the
 * input, as columns, on the right. */
#include "conv_quantized.h"

#include "share.h"

#include <string.h>

static const infer_op_attr quantized_attrs[] = {INFER_CONV_ATTRS};

typedef infer_conv_roles roles;
#define role infer_conv_role
#define NONE INFER_NO_ROLE
static const roles integer_roles = {0, 2, 1, 3, NONE, NONE, NONE, NONE, NONE},
                   linear_roles = {0, 2, 3, 5, 8, 1, 4, 6, 7};

typedef struct quantized_plan {
    infer_conv c;
    int64_t padded[INFER_WINDOW_RANK]; /* extents of the input with its padding */
    size_t plane;                      /* their product */
    size_t phases;                     /* along the last axis, see phase() */
    size_t weights_at, rows_at, padded_at, taps_at, panel_at, packed_at, sums_at, start_at,
        product_at;
    infer_depthwise_plan depthwise; /* in place of these where it is one */
} quantized_plan;

/* One number, or one for each output channel. */
static infer_status check_numbers(const infer_view *v, const char *name, int64_t channels) {
    if (!v || v->rank < 0)
        return INFER_OK;
    int64_t n = infer_view_count(v);
    if (v->rank > 1 || (n >= 0 && n != 1 && (channels < 0 || n != channels)))
        return infer_fail(INFER_ERROR_SHAPE, "%s has %lld elements for %lld channels", name,
                          (long long)n, (long long)channels);
    return INFER_OK;
}

/* An element of a column as infer_conv_sizes counts it: with this a block of columns and its sums
 * stay in the second cache. */
#define COLUMN_BYTES 8

/* Columns of one panel at a time are gathered where the product is: padding makes every place of
 * every window one of the input, SLACK lets sixteen bytes be read there. */
#define SLACK 16

/* Whether columns are the input's places as they lie. */
static bool is_direct(const quantized_plan *q) {
    const infer_window *w = &q->c.window;
    bool direct = q->c.taps == 1;
    for (int32_t i = 0; i < w->rank; i++)
        direct = direct && w->stride[i] == 1 && !w->before[i] && !w->after[i];
    return direct;
}

/* Places along the last axis lie by the remainder of their numbers by the stride, so that what a
 * tap sees of neighbouring outputs lies together; not where strides are long and outputs few. */
#define MOST_PHASES 4

static size_t phase(const quantized_plan *q, size_t at) {
    const size_t each = (size_t)q->padded[q->c.window.rank - 1] / q->phases;
    return at % q->phases * each + at / q->phases;
}

static infer_status plan_sizes(infer_op_env *env, uint8_t flip, quantized_plan *q) {
    const infer_conv *c = &q->c;
    const infer_window *w = &c->window;
    size_t packed, sums, padded = 1;
    if (q->c.block > 2 * INFER_PANEL) /* products take panels in pairs */
        q->c.block -= q->c.block % (2 * INFER_PANEL);
    bool fits = infer_bytes_pack_size(c->depth, c->block, &packed, &sums);
    const int64_t stride = w->rank ? w->stride[w->rank - 1] : 1;
    q->phases = stride <= MOST_PHASES ? (size_t)stride : 1;
    for (int32_t i = 0; i < w->rank; i++) {
        fits = fits && !__builtin_add_overflow(w->in[i], w->before[i], &q->padded[i]) &&
               !__builtin_add_overflow(q->padded[i], w->after[i], &q->padded[i]) &&
               q->padded[i] <= INT64_MAX - MOST_PHASES;
        if (i == w->rank - 1 && fits && q->phases > 1)
            q->padded[i] += ((int64_t)q->phases - q->padded[i] % (int64_t)q->phases);
        fits = fits && infer_mul(padded, (size_t)q->padded[i], &padded);
    }
    q->plane = padded;
    fits = fits && infer_mul(padded, c->channels, &padded) && infer_add(padded, SLACK, &padded) &&
           padded <= PTRDIFF_MAX;
    if (!fits)
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    INFER_TRY(infer_conv_take(env, flip ? c->outputs * c->group : 0, c->depth, 1, &q->weights_at));
    INFER_TRY(infer_conv_take(env, c->outputs * c->group, 1, sizeof(int32_t), &q->rows_at));
    INFER_TRY(infer_conv_take(env, is_direct(q) ? 0 : padded, 1, 1, &q->padded_at));
    INFER_TRY(infer_conv_take(env, c->taps, 1, sizeof(size_t), &q->taps_at));
    INFER_TRY(infer_conv_take(env, c->depth + 1, INFER_PANEL, 1, &q->panel_at));
    INFER_TRY(infer_conv_take(env, packed, 1, 1, &q->packed_at));
    INFER_TRY(infer_conv_take(env, sums, 1, sizeof(int32_t), &q->sums_at));
    INFER_TRY(infer_conv_take(env, sums, 1, sizeof(int32_t), &q->start_at));
    return infer_conv_take(env, c->outputs, c->block, sizeof(int32_t), &q->product_at);
}

static infer_status plan(infer_op_env *env, const roles *r, quantized_plan *q, infer_view *y) {
    const infer_view *x = env->in[r->x], *w = env->in[r->w];
    int64_t channels = w->rank > 0 ? w->dim[0] : -1;
    infer_conv *c = &q->c;
    INFER_TRY(infer_conv_shape(env, env->params, x, w, role(env, r->bias), COLUMN_BYTES, c, y));
    INFER_TRY(check_numbers(role(env, r->x_zero), "the input's zero point", 1));
    INFER_TRY(check_numbers(role(env, r->x_scale), "the input's scale", 1));
    INFER_TRY(check_numbers(role(env, r->y_scale), "the output's scale", 1));
    INFER_TRY(check_numbers(role(env, r->y_zero), "the output's zero point", 1));
    if (!c->known)
        return INFER_OK;
    INFER_TRY(check_numbers(role(env, r->w_zero), "the weights' zero point", channels));
    INFER_TRY(check_numbers(role(env, r->w_scale), "the weights' scale", channels));
    return infer_is_depthwise(c) ? infer_depthwise_take(env, c, &q->depthwise)
                                 : plan_sizes(env, infer_flip_left(w->type), q);
}

static infer_status quantized_infer(infer_op_env *env, const roles *r, infer_type type) {
    infer_view spare, *y = infer_out(env, 0, type, -1, &spare);
    quantized_plan q;
    return plan(env, r, &q, y);
}

static float scale_of(const infer_view *v, size_t i) {
    return ((const float *)v->data)[infer_view_count(v) == 1 ? 0 : i];
}

/* ---- columns ---- */

/* The channels of a group with padding around them. */
static void pad(const quantized_plan *q, const uint8_t *x, uint8_t zero, uint8_t *to) {
    const infer_window *w = &q->c.window;
    const int32_t last = w->rank - 1;
    const size_t width = last < 0 ? 1 : (size_t)w->in[last];
    memset(to, zero, q->c.channels * q->plane + SLACK);
    if (q->c.plane == 0)
        return;
    for (size_t k = 0; k < q->c.channels; k++, to += q->plane) {
        int64_t row[INFER_WINDOW_RANK] = {0};
        do {
            size_t at = 0;
            for (int32_t i = 0; i <= last; i++)
                at = at * (size_t)q->padded[i] + (size_t)(row[i] + w->before[i]);
            if (q->phases > 1)
                at -= (size_t)w->before[last];
            if (q->phases == 1)
                memcpy(to + at, x, width);
            for (size_t p = 0; q->phases > 1 && p < q->phases && p < width; p++) {
                uint8_t *place = to + at + phase(q, (size_t)w->before[last] + p);
                for (size_t i = p; i < width; i += q->phases)
                    *place++ = x[i];
            }
            x += width;
        } while (infer_window_next(row, w->in, last));
    }
}

/* Where a place of a tap or of a window's first element lies. */
static size_t offset(const quantized_plan *q, const int64_t *index, const int64_t *by) {
    const int32_t last = q->c.window.rank - 1;
    size_t at = 0;
    for (int32_t i = 0; i <= last; i++) {
        const size_t place = (size_t)(index[i] * by[i]);
        at = at * (size_t)q->padded[i] + (i == last ? phase(q, place) : place);
    }
    return at;
}

/* Runs of neighbours among the places of a panel. */
typedef struct runs {
    size_t count, from[INFER_PANEL], to[INFER_PANEL];
} runs;

static void find_runs(const quantized_plan *q, int64_t *place, size_t lanes, runs *r) {
    const infer_window *w = &q->c.window;
    const int32_t last = w->rank - 1;
    size_t at = offset(q, place, w->stride);
    r->count = 0;
    for (size_t l = 0, expected = at + 1; l < lanes; l++) {
        if (at != expected || l == 0) {
            r->from[r->count] = at;
            r->to[r->count++] = l;
        }
        expected = at + 1;
        if (last >= 0 && place[last] + 1 < w->out[last]) {
            place[last]++;
            at += (size_t)w->stride[last] / q->phases;
        } else if (infer_window_next(place, w->out, w->rank)) {
            at = offset(q, place, w->stride);
        }
    }
}

/* A panel of columns, in copies of sixteen bytes: what is too much is written over by the next. */
static void gather(const quantized_plan *q, const uint8_t *x, const size_t *taps, const runs *r,
                   uint8_t *to) {
    const size_t channels = q->c.channels, count = q->c.taps, plane = q->plane, many = r->count;
    const size_t first = r->from[0], second = many > 1 ? r->from[1] : 0;
    const size_t at = many > 1 ? r->to[1] : 0;
    for (size_t k = 0; k < channels; k++, x += plane)
        for (size_t t = 0; t < count; t++, to += INFER_PANEL) {
            const uint8_t *from = x + taps[t];
            memcpy(to, from + first, INFER_PANEL);
            if (many > 1)
                memcpy(to + at, from + second, INFER_PANEL);
            for (size_t i = 2; i < many; i++)
                memcpy(to + r->to[i], from + r->from[i], INFER_PANEL);
        }
}

/* Columns [first, first + count), packed. */
static void columns(const infer_op_env *env, const quantized_plan *q, const uint8_t *x,
                    size_t first, size_t count, uint8_t flip) {
    const infer_conv *c = &q->c;
    const infer_window *w = &c->window;
    const size_t *taps = infer_scratch_at(env->scratch, q->taps_at);
    uint8_t *panel = infer_scratch_at(env->scratch, q->panel_at);
    int8_t *packed = infer_scratch_at(env->scratch, q->packed_at);
    int32_t *sums = infer_scratch_at(env->scratch, q->sums_at);
    int64_t place[INFER_WINDOW_RANK];
    if (is_direct(q)) {
        env->kernels->pack_s8(c->depth, count, x + first, c->plane, flip, packed, sums);
        return;
    }
    size_t rest = first;
    for (int32_t i = w->rank; i-- > 0; rest /= (size_t)w->out[i])
        place[i] = (int64_t)(rest % (size_t)w->out[i]);
    for (size_t p = 0; p < count; p += INFER_PANEL, sums += INFER_PANEL) {
        const size_t lanes = count - p < INFER_PANEL ? count - p : INFER_PANEL;
        runs r;
        find_runs(q, place, lanes, &r);
        gather(q, x, taps, &r, panel);
        env->kernels->pack_s8(c->depth, lanes, panel, INFER_PANEL, flip, packed, sums);
        packed += (c->depth + 3) / 4 * 4 * INFER_PANEL;
    }
}

/* ---- running ---- */

/* The weights, unsigned: as they are, or copied. */
static const uint8_t *weights_of(const infer_op_env *env, const roles *r, const quantized_plan *q) {
    const infer_view *w = env->in[r->w];
    return infer_flip_left(w->type) ? infer_scratch_at(env->scratch, q->weights_at) : w->data;
}

/* Makes the weights unsigned, and finds what the input's zero point adds to each row. */
static void read_weights(const infer_op_env *env, const roles *r, const quantized_plan *q,
                         int32_t x_zero) {
    const infer_conv *c = &q->c;
    const infer_view *w = env->in[r->w];
    const uint8_t flip = infer_flip_left(w->type);
    const uint8_t *weights = weights_of(env, r, q);
    int32_t *rows = infer_scratch_at(env->scratch, q->rows_at);
    if (flip)
        infer_flip_bytes(w->data, c->outputs * c->group * c->depth, flip,
                         infer_scratch_at(env->scratch, q->weights_at));
    for (size_t i = 0; i < c->outputs * c->group; i++) {
        uint32_t zero = (uint32_t)(infer_byte_of(role(env, r->w_zero), i) + flip);
        uint32_t sum = x_zero ? infer_sum_bytes(weights + i * c->depth, c->depth) : 0;
        rows[i] = (int32_t)((uint32_t)x_zero * ((uint32_t)c->depth * zero - sum));
    }
}

void infer_conv_finish(const infer_op_env *env, const roles *r, const int32_t *sums, size_t n,
                       size_t channel, int32_t add, size_t at) {
    infer_view *y = env->out[0];
    if (r->y_scale == NONE) {
        int32_t *to = (int32_t *)y->data + at;
        for (size_t j = 0; j < n; j++)
            to[j] = (int32_t)((uint32_t)sums[j] + (uint32_t)add);
        return;
    }
    const infer_view *bias = role(env, r->bias);
    if (bias)
        add = (int32_t)((uint32_t)add + (uint32_t)((const int32_t *)bias->data)[channel]);
    const float scale = scale_of(env->in[r->x_scale], 0) * scale_of(env->in[r->w_scale], channel) /
                        scale_of(env->in[r->y_scale], 0);
    env->kernels->requantize_8(sums, n, add, &scale, 0, infer_byte_of(env->in[r->y_zero], 0),
                               y->type == INFER_TYPE_INT8, (uint8_t *)y->data + at);
}

/* Output channels from m on for a block of columns; a part has some of them. */
typedef struct channels_job {
    const infer_op_env *env;
    const roles *r;
    const quantized_plan *q;
    size_t m, first, count, to, parts;
} channels_job;

static void channels_part(void *arg, size_t part, size_t worker) {
    const channels_job *j = arg;
    const infer_op_env *env = j->env;
    const infer_conv *c = &j->q->c;
    const infer_view *zeros = role(env, j->r->w_zero);
    const int32_t *rows = infer_scratch_at(env->scratch, j->q->rows_at);
    const int32_t *sums = infer_scratch_at(env->scratch, j->q->sums_at);
    const int32_t *start = infer_scratch_at(env->scratch, j->q->start_at);
    int32_t *product = infer_scratch_at(env->scratch, j->q->product_at);
    const int32_t zero = infer_byte_of(zeros, j->m) + infer_flip_left(env->in[j->r->w]->type);
    size_t from, end;
    (void)worker;
    infer_part(c->outputs, 4, j->parts, part, &from, &end);
    env->kernels->gemm_u8s8(end - from, j->count, c->depth,
                            weights_of(env, j->r, j->q) + (j->m + from) * c->depth, c->depth,
                            infer_scratch_at(env->scratch, j->q->packed_at), zero ? start : NULL,
                            product + from * j->count, j->count);
    for (size_t i = from; i < end; i++) {
        int32_t more = infer_byte_of(zeros, j->m + i) - infer_byte_of(zeros, j->m);
        if (more)
            env->kernels->axpy_i32(j->count, -(uint32_t)more, sums, product + i * j->count);
        infer_conv_finish(env, j->r, product + i * j->count, j->count, j->m + i, rows[j->m + i],
                          j->to + i * c->places + j->first);
    }
}

/* The output channels of a group from m on, for a block of columns. */
static void multiply(infer_op_env *env, const roles *r, const quantized_plan *q, size_t m,
                     size_t first, size_t count, size_t to) {
    const infer_conv *c = &q->c;
    channels_job job = {env, r, q, m, first, count, to, 1};
    const infer_view *zeros = role(env, r->w_zero);
    const int32_t *sums = infer_scratch_at(env->scratch, q->sums_at);
    int32_t *start = infer_scratch_at(env->scratch, q->start_at);
    const int32_t zero = infer_byte_of(zeros, m) + infer_flip_left(env->in[r->w]->type);
    infer_bytes_start(env->kernels, sums, count, zero, start);
    job.parts =
        infer_parts(env, c->outputs / 4, (double)count * (double)c->depth * INFER_PRODUCT_COST);
    infer_parallel(env, job.parts, channels_part, &job);
}

static infer_status quantized_run(infer_op_env *env, const roles *r) {
    const infer_view *x = env->in[r->x];
    infer_view spare = {.rank = -1}, *y = env->out[0];
    infer_op_env measure = *env;
    quantized_plan q;
    if (!y)
        return INFER_OK;
    measure.scratch_size = 0;
    INFER_TRY(plan(&measure, r, &q, &spare));
    const infer_conv *c = &q.c;
    if (infer_view_count(y) == 0)
        return INFER_OK;
    if (infer_is_depthwise(c)) {
        infer_depthwise_begin(env, c, &q.depthwise);
        for (size_t n = 0; n < c->batch * c->group; n++)
            infer_depthwise_run(env, r, c, &q.depthwise, n);
        return INFER_OK;
    }
    uint8_t *padded = infer_scratch_at(env->scratch, q.padded_at);
    size_t *taps = infer_scratch_at(env->scratch, q.taps_at), t = 0, to = 0;
    int64_t tap[INFER_WINDOW_RANK] = {0};
    if (c->taps)
        do {
            taps[t++] = offset(&q, tap, c->window.dilation);
        } while (infer_window_next(tap, c->window.kernel, c->window.rank));
    const uint8_t flip = infer_flip_right(x->type);
    const int32_t zero = infer_byte_of(role(env, r->x_zero), 0);
    read_weights(env, r, &q, zero - flip);
    for (size_t n = 0; n < c->batch * c->group; n++) {
        const uint8_t *image = (const uint8_t *)x->data + n * c->channels * c->plane;
        if (!is_direct(&q))
            pad(&q, image, (uint8_t)zero, padded);
        for (size_t first = 0; first < c->places; first += c->block) {
            size_t count = c->places - first < c->block ? c->places - first : c->block;
            columns(env, &q, is_direct(&q) ? image : padded, first, count, flip);
            multiply(env, r, &q, n % c->group * c->outputs, first, count, to);
        }
        to += c->outputs * c->places;
    }
    return INFER_OK;
}

/* Constant weights and their zero points are made unsigned while the model is loaded. */
static infer_status quantized_prepare(infer_rewriter *rw, const roles *r) {
    const uint8_t inputs[] = {r->w, r->w_zero};
    for (size_t i = 0; i < 2; i++) {
        const infer_view *v =
            inputs[i] < rw->in_count ? rw->view(rw, rw->input(rw, inputs[i])) : NULL;
        if (!v || !v->data || v->type != INFER_TYPE_INT8)
            return INFER_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        infer_view v = *rw->view(rw, rw->input(rw, inputs[i])), shape = v;
        void *to = NULL;
        shape.type = INFER_TYPE_UINT8;
        shape.data = NULL;
        uint32_t value = rw->room(rw, &shape, &to);
        INFER_TRY(rw->failed);
        if (to)
            infer_flip_bytes(v.data, infer_view_bytes(&v), 128, to);
        INFER_TRY(rw->set_input(rw, inputs[i], value));
    }
    return INFER_OK;
}

static infer_status integer_prepare(infer_rewriter *rw) {
    return quantized_prepare(rw, &integer_roles);
}

static infer_status linear_prepare(infer_rewriter *rw) {
    return quantized_prepare(rw, &linear_roles);
}

static infer_status integer_infer(infer_op_env *env) {
    return quantized_infer(env, &integer_roles, INFER_TYPE_INT32);
}

static infer_status integer_run(infer_op_env *env) {
    return quantized_run(env, &integer_roles);
}

static bool is_byte(const infer_view *v) {
    return v->type == INFER_TYPE_INT8 || v->type == INFER_TYPE_UINT8;
}

static infer_status linear_infer(infer_op_env *env) {
    static const uint8_t scales[] = {1, 4, 6};
    const infer_view *const *in = env->in;
    for (size_t i = 0; i < sizeof scales; i++)
        if (in[scales[i]]->type != INFER_TYPE_FLOAT)
            return infer_fail(INFER_ERROR_TYPE, "input %u is no float", scales[i]);
    if (!is_byte(in[5]) || !is_byte(in[7]) ||
        (infer_has_input(env, 8) && in[8]->type != INFER_TYPE_INT32))
        return infer_fail(INFER_ERROR_TYPE, "a zero point or the bias has a wrong type");
    return quantized_infer(env, &linear_roles, (infer_type)in[7]->type);
}

static infer_status linear_run(infer_op_env *env) {
    return quantized_run(env, &linear_roles);
}

#define T_BYTE (T(INT8) | T(UINT8))

const infer_op infer_op_conv_integer = {
    .domain = "",
    .name = "ConvInteger",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(infer_conv_params),
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof quantized_attrs / sizeof *quantized_attrs,
    .attrs = quantized_attrs,
    .types = {T_BYTE},
    .infer = integer_infer,
    .prepare = integer_prepare,
    .run = integer_run,
    .work = infer_work_kernel,
};

const infer_op infer_op_q_linear_conv = {
    .domain = "",
    .name = "QLinearConv",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(infer_conv_params),
    .min_in = 8,
    .max_in = 9,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof quantized_attrs / sizeof *quantized_attrs,
    .attrs = quantized_attrs,
    .types = {T_BYTE, T(FLOAT), T_BYTE, T_BYTE, T(FLOAT), T_BYTE | T(FLOAT) | T(INT32)},
    .infer = linear_infer,
    .prepare = linear_prepare,
    .run = linear_run,
    .work = infer_work_kernel_3,
};
