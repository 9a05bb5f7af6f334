/* ConvInteger and QLinearConv: products of 8-bit integers, weights on the left and windows of the
 * input, as columns, on the right. */
#include "conv_quantized.h"

#include "checked.h"

#include <string.h>

static const infer_op_attr quantized_attrs[] = {INFER_CONV_ATTRS};

typedef infer_conv_roles roles;
#define role infer_conv_role
#define NONE INFER_NO_ROLE
static const roles integer_roles = {0, 2, 1, 3, NONE, NONE, NONE, NONE, NONE, NONE},
                   linear_roles = {0, 2, 3, 5, 8, 1, 4, 6, 7, NONE},
                   ordered_integer_roles = {0, 3, 1, 4, NONE, NONE, NONE, NONE, NONE, 2},
                   ordered_linear_roles = {0, 2, 3, 5, 9, 1, 4, 6, 7, 8};

typedef struct quantized_plan {
    infer_conv c;
    infer_columns columns;
    size_t block, blocks; /* columns that are multiplied together, whole pairs of panels */
    size_t weights_at, weight_sums_at, rows_at;
    /* Each worker has `room` bytes of its own from room_at on, where these are. */
    size_t room_at, room, packed_at, sums_at, start_at, product_at;
    infer_direct_plan direct;
    infer_depthwise_plan depthwise; /* in place of these where it is one */
    infer_winograd_plan winograd;   /* of all but the weights, where it is that */
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

/* Bytes of the columns and the sums of a block: with the weights that pass over them they stay in
 * the second cache. */
#define BLOCK_BYTES 524288

/* Output channels that are multiplied together, whose sums are made bytes while they are close. */
#define BLOCK_ROWS 128

/* Elements between rows of sums. Sixteen rows are stored at a time: not into the same few places of
 * the first cache, as where they are pages apart. */
static size_t sums_ld(size_t columns) {
    return columns % 512 ? columns : columns + INFER_PANEL;
}

static infer_status weight_sizes(infer_op_env *env, bool ordered, size_t depth, quantized_plan *q) {
    const size_t rows = q->c.outputs * q->c.group, weights = ordered ? 0 : rows;
    INFER_TRY(infer_conv_take(env, weights, depth, 1, &q->weights_at));
    INFER_TRY(infer_conv_take(env, weights, 1, sizeof(int32_t), &q->weight_sums_at));
    return infer_conv_take(env, rows, 1, sizeof(int32_t), &q->rows_at);
}

static infer_status winograd_sizes(infer_op_env *env, bool ordered, quantized_plan *q) {
    const size_t groups = (q->c.channels + INFER_GROUP - 1) / INFER_GROUP;
    INFER_TRY(weight_sizes(env, ordered, groups * INFER_GROUP * q->c.taps, q));
    return infer_winograd_take(env, &q->c, &q->winograd);
}

static infer_status plan_sizes(infer_op_env *env, const roles *r, quantized_plan *q) {
    const infer_conv *c = &q->c;
    const bool ordered = r->sums != NONE;
    const size_t unit = 2 * INFER_PANEL;
    size_t column, packed, sums;
    INFER_TRY(infer_columns_take(env, c, &q->columns));
    INFER_TRY(weight_sizes(env, ordered, q->columns.depth, q));
    INFER_TRY(infer_direct_take(env, r, c, &q->columns, &q->direct));
    const size_t rows = c->outputs < BLOCK_ROWS ? c->outputs : BLOCK_ROWS;
    bool fits = infer_add(rows * sizeof(int32_t), q->columns.depth + 1, &column) &&
                infer_round_up(c->places ? c->places : 1, unit, &q->block);
    if (fits && q->block > BLOCK_BYTES / column / unit * unit)
        q->block = BLOCK_BYTES / column / unit ? BLOCK_BYTES / column / unit * unit : unit;
    q->room = 0;
    fits =
        fits && infer_bytes_pack_size(q->columns.depth, q->block, &packed, &sums) &&
        infer_add(packed, INFER_GROUP * INFER_PANEL, &packed) &&
        infer_scratch_take(&q->room, packed, 1, 1, &q->packed_at) &&
        infer_scratch_take(&q->room, sums, 1, sizeof(int32_t), &q->sums_at) &&
        infer_scratch_take(&q->room, sums, 1, sizeof(int32_t), &q->start_at) &&
        infer_scratch_take(&q->room, rows, q->block + INFER_PANEL, sizeof(int32_t), &q->product_at);
    if (!fits)
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    q->blocks = (c->places + q->block - 1) / q->block;
    return infer_conv_take(env, infer_workers(env), q->room, 1, &q->room_at);
}

static infer_status plan(infer_op_env *env, const roles *r, quantized_plan *q, infer_view *y) {
    const infer_view *x = env->in[r->x], *w = env->in[r->w];
    const bool ordered = r->sums != NONE;
    infer_view plain;
    if (ordered) {
        INFER_TRY(infer_ordered_weights(env, r, &plain));
        w = &plain;
    }
    int64_t channels = w->rank > 0 ? w->dim[0] : -1;
    infer_conv *c = &q->c;
    INFER_TRY(infer_conv_shape(env, env->params, x, w, role(env, r->bias), 1, c, y));
    INFER_TRY(check_numbers(role(env, r->x_zero), "the input's zero point", 1));
    INFER_TRY(check_numbers(role(env, r->x_scale), "the input's scale", 1));
    INFER_TRY(check_numbers(role(env, r->y_scale), "the output's scale", 1));
    INFER_TRY(check_numbers(role(env, r->y_zero), "the output's zero point", 1));
    if (!c->known)
        return INFER_OK;
    INFER_TRY(check_numbers(role(env, r->w_zero), "the weights' zero point", channels));
    INFER_TRY(check_numbers(role(env, r->w_scale), "the weights' scale", channels));
    return !ordered && infer_is_depthwise(c) ? infer_depthwise_take(env, c, &q->depthwise)
           : infer_is_winograd8(env, c)      ? winograd_sizes(env, ordered, q)
                                             : plan_sizes(env, r, q);
}

static infer_status quantized_infer(infer_op_env *env, const roles *r, infer_type type) {
    infer_view spare, *y = infer_out(env, 0, type, -1, &spare);
    quantized_plan q;
    return plan(env, r, &q, y);
}

static float scale_of(const infer_view *v, size_t i) {
    return ((const float *)v->data)[infer_view_count(v) == 1 ? 0 : i];
}

/* ---- weights ---- */

/* The weights that a run works with, and whether any has a zero point. */
typedef struct weights {
    const uint8_t *rows;
    bool shifted;
} weights;

/* Orders the weights where they are not, and finds what the input's zero point adds to each row. */
static weights read_weights(const infer_op_env *env, const roles *r, const quantized_plan *q,
                            int32_t x_zero) {
    const infer_conv *c = &q->c;
    const infer_view *w = env->in[r->w], *zeros = role(env, r->w_zero);
    const uint8_t flip = infer_flip_left(w->type);
    const size_t n = c->outputs * c->group;
    const int32_t *sums;
    weights all = {w->data, false};
    int32_t *rows = infer_scratch_at(env->scratch, q->rows_at);
    if (r->sums == NONE) {
        uint8_t *to = infer_scratch_at(env->scratch, q->weights_at);
        int32_t *counted = infer_scratch_at(env->scratch, q->weight_sums_at);
        infer_order_bytes(w->data, n, c->channels, c->taps, flip, to, counted);
        all.rows = to;
        sums = counted;
    } else {
        sums = env->in[r->sums]->data;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t zero = (uint32_t)(infer_byte_of(zeros, i) + flip);
        all.shifted |= zero != 0;
        rows[i] = (int32_t)((uint32_t)x_zero * ((uint32_t)c->depth * zero - (uint32_t)sums[i]));
    }
    return all;
}

/* ---- running ---- */

float infer_conv_scale(const infer_op_env *env, const roles *r, size_t channel) {
    return scale_of(env->in[r->x_scale], 0) * scale_of(env->in[r->w_scale], channel) /
           scale_of(env->in[r->y_scale], 0);
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
    const float scale = infer_conv_scale(env, r, channel);
    env->kernels->requantize_8(sums, n, add, &scale, 0, infer_byte_of(env->in[r->y_zero], 0),
                               y->type == INFER_TYPE_INT8, (uint8_t *)y->data + at);
}

/* The output channels of a group from m on; a part has some of them for a block of columns. */
typedef struct channels_job {
    const infer_op_env *env;
    const roles *r;
    const quantized_plan *q;
    weights w;
    const infer_conv8 *direct; /* NULL: sums are stored */
    const uint8_t *x;
    uint8_t flip;
    size_t m, to, parts; /* parts: of the channels of a block */
} channels_job;

static void channels_part(void *arg, size_t part, size_t worker) {
    const channels_job *j = arg;
    const infer_op_env *env = j->env;
    const quantized_plan *q = j->q;
    const infer_conv *c = &q->c;
    const infer_view *zeros = role(env, j->r->w_zero);
    const int32_t *rows = infer_scratch_at(env->scratch, q->rows_at);
    uint8_t *room = (uint8_t *)infer_scratch_at(env->scratch, q->room_at) + worker * q->room;
    int8_t *packed = (int8_t *)room + q->packed_at;
    int32_t *sums = (int32_t *)(room + q->sums_at), *start = (int32_t *)(room + q->start_at);
    int32_t *product = (int32_t *)(room + q->product_at);
    const size_t depth = q->columns.depth, first = part / j->parts * q->block;
    const size_t count = c->places - first < q->block ? c->places - first : q->block;
    const size_t ld = sums_ld(count);
    const int32_t zero = infer_byte_of(zeros, j->m) + infer_flip_left(env->in[j->r->w]->type);
    size_t from, end;
    infer_part(c->outputs, INFER_PANEL, j->parts, part % j->parts, &from, &end);
    infer_columns_gather(env, c, &q->columns, j->x, j->flip, first, count, packed,
                         j->w.shifted && !j->direct ? sums : NULL);
    if (j->direct) {
        infer_direct_columns(env, j->direct, c, j->m + from, end - from, count, packed,
                             j->to + from * c->places + first);
        return;
    }
    if (j->w.shifted)
        infer_bytes_start(env->kernels, sums, count, zero, start);
    for (size_t i = from; i < end; i += BLOCK_ROWS) {
        const size_t most = end - i < BLOCK_ROWS ? end - i : BLOCK_ROWS;
        env->kernels->gemm_u8s8(most, count, depth, j->w.rows + (j->m + i) * depth, depth, packed,
                                NULL, j->w.shifted ? start : NULL, product, ld);
        for (size_t k = 0; k < most; k++) {
            const size_t channel = j->m + i + k;
            int32_t *row = product + k * ld;
            int32_t more = infer_byte_of(zeros, channel) - infer_byte_of(zeros, j->m);
            if (more)
                env->kernels->axpy_i32(count, -(uint32_t)more, sums, row);
            infer_conv_finish(env, j->r, row, count, channel, rows[channel],
                              j->to + (i + k) * c->places + first);
        }
    }
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
        infer_depthwise_run(env, r, c, &q.depthwise);
        return INFER_OK;
    }
    const bool direct = infer_is_direct8(env, r, c);
    const uint8_t flip = direct ? infer_flip_left(x->type) : infer_flip_right(x->type);
    const int32_t zero = infer_byte_of(role(env, r->x_zero), 0);
    channels_job job = {.env = env, .r = r, .q = &q, .flip = flip};
    infer_conv8 kernel;
    job.w = read_weights(env, r, &q, direct ? zero + flip : zero - flip);
    if (infer_is_winograd8(env, c)) {
        infer_winograd_run(env, r, c, &q.winograd, job.w.rows);
        return INFER_OK;
    }
    infer_columns_taps(env, c, &q.columns);
    if (direct) {
        kernel = infer_direct_begin(env, r, c, &q.columns, &q.direct, job.w.rows,
                                    infer_scratch_at(env->scratch, q.rows_at));
        job.direct = &kernel;
    }
    const double product = (double)c->places * (double)q.columns.depth * INFER_PRODUCT_COST;
    const size_t parts = infer_parts_worth(env, (double)c->outputs * product);
    /* Blocks that are fewer than threads want are cut by channels. */
    job.parts = (parts + q.blocks - 1) / q.blocks;
    job.parts = job.parts <= c->outputs / INFER_PANEL ? job.parts : c->outputs / INFER_PANEL;
    job.parts = job.parts ? job.parts : 1;
    for (size_t n = 0; n < c->batch * c->group; n++) {
        job.x = (const uint8_t *)x->data + n * c->channels * c->plane;
        job.m = n % c->group * c->outputs;
        infer_columns_begin(env, c, &q.columns, job.x, flip, (uint8_t)zero);
        if (!direct || !infer_direct_rows(env, &kernel, c, &q.columns, job.m, job.to))
            infer_parallel(env, q.blocks * job.parts, channels_part, &job);
        job.to += c->outputs * c->places;
    }
    return INFER_OK;
}

static infer_status integer_prepare(infer_rewriter *rw) {
    return infer_order_weights(rw, &integer_roles, ordered_integer_roles.sums,
                               "ConvIntegerOrdered");
}

static infer_status linear_prepare(infer_rewriter *rw) {
    return infer_order_weights(rw, &linear_roles, ordered_linear_roles.sums, "QLinearConvOrdered");
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

static infer_status ordered_integer_infer(infer_op_env *env) {
    return quantized_infer(env, &ordered_integer_roles, INFER_TYPE_INT32);
}

static infer_status ordered_integer_run(infer_op_env *env) {
    return quantized_run(env, &ordered_integer_roles);
}

static infer_status check_types(const infer_op_env *env, const roles *r) {
    const uint8_t scales[] = {r->x_scale, r->w_scale, r->y_scale};
    const infer_view *const *in = env->in, *bias = role(env, r->bias);
    for (size_t i = 0; i < sizeof scales; i++)
        if (in[scales[i]]->type != INFER_TYPE_FLOAT)
            return infer_fail(INFER_ERROR_TYPE, "input %u is no float", scales[i]);
    if (!is_byte(in[r->w_zero]) || !is_byte(in[r->y_zero]) ||
        (bias && bias->type != INFER_TYPE_INT32))
        return infer_fail(INFER_ERROR_TYPE, "a zero point or the bias has a wrong type");
    return INFER_OK;
}

static infer_status linear_infer(infer_op_env *env) {
    INFER_TRY(check_types(env, &linear_roles));
    return quantized_infer(env, &linear_roles, (infer_type)env->in[7]->type);
}

static infer_status ordered_linear_infer(infer_op_env *env) {
    INFER_TRY(check_types(env, &ordered_linear_roles));
    return quantized_infer(env, &ordered_linear_roles, (infer_type)env->in[7]->type);
}

static infer_status ordered_linear_run(infer_op_env *env) {
    return quantized_run(env, &ordered_linear_roles);
}

static infer_status linear_run(infer_op_env *env) {
    return quantized_run(env, &linear_roles);
}

#define T_BYTE (T(INT8) | T(UINT8))

/* clang-format off */
#define COMMON(op_domain, op_name, first, last, least, most)                                       \
    .domain = op_domain, .name = op_name, .since = first, .newest = last, .min_in = least,         \
    .max_in = most, .min_out = 1, .max_out = 1, .params_size = sizeof(infer_conv_params),          \
    .attrs = quantized_attrs, .attr_count = sizeof quantized_attrs / sizeof *quantized_attrs
#define LINEAR_TYPES                                                                               \
    {T_BYTE, T(FLOAT), T_BYTE, T_BYTE, T(FLOAT), T_BYTE | T(FLOAT) | T(INT32)}
/* clang-format on */

const infer_op infer_op_conv_integer = {
    COMMON("", "ConvInteger", 10, 27, 2, 4),
    .types = {T_BYTE},
    .infer = integer_infer,
    .prepare = integer_prepare,
    .run = integer_run,
    .work = infer_work_kernel,
};

const infer_op infer_op_q_linear_conv = {
    COMMON("", "QLinearConv", 10, 27, 8, 9),
    .types = LINEAR_TYPES,
    .infer = linear_infer,
    .prepare = linear_prepare,
    .run = linear_run,
    .work = infer_work_kernel_3,
};

/* The two with ordered weights; the sums of their rows are behind what is always there. */
const infer_op infer_op_infer_conv_integer_ordered = {
    COMMON("infer", "ConvIntegerOrdered", 1, 1, 3, 5),
    .types = {T_BYTE, T_BYTE, T(INT32), T_BYTE},
    .infer = ordered_integer_infer,
    .run = ordered_integer_run,
    .work = infer_work_kernel,
};

const infer_op infer_op_infer_q_linear_conv_ordered = {
    COMMON("infer", "QLinearConvOrdered", 1, 1, 9, 10),
    .types = LINEAR_TYPES,
    .infer = ordered_linear_infer,
    .run = ordered_linear_run,
    .work = infer_work_kernel_3,
};
