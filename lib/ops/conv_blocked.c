/* infer.ConvBlocked, infer.ConvActivated and infer.PoolBlocked: windows over blocks of channels. */
#include "blocked.h"

#include "axes.h"
#include "checked.h"
#include "conv_joined.h"
#include "share.h"
#include "status.h"

#include <math.h>
#include <string.h>

/* clang-format off */
#define CONV_ATTRS(params)                                                                         \
    INFER_WINDOW_ATTRS(params, window),                                                            \
    INFER_WINDOW_DILATIONS(params, window),                                                        \
    INFER_WINDOW_AUTO_PAD(params, window),                                                         \
    A_INT(params, group, 1),                                                                       \
    A_REQUIRED(params, channels, INT),                                                             \
    A_REQUIRED(params, outputs, INT),                                                              \
    A_INT(params, plain, 0),                                                                       \
    A_INT(params, winograd, 0),                                                                    \
    A_FLOAT(params, low, -INFINITY),                                                               \
    A_FLOAT(params, high, INFINITY)
/* clang-format on */

static const infer_op_attr conv_attrs[] = {CONV_ATTRS(infer_conv_blocked_params)};

static const infer_op_attr activated_attrs[] = {
    CONV_ATTRS(infer_conv_activated_params),
    A_REQUIRED(infer_conv_activated_params, activation, INT),
    A_FLOAT(infer_conv_activated_params, alpha, 0),
    A_FLOAT(infer_conv_activated_params, beta, 0),
    A_FLOAT(infer_conv_activated_params, scale, 1),
    A_FLOAT(infer_conv_activated_params, shift, 0),
};

static const infer_op_attr pool_attrs[] = {
    INFER_WINDOW_ATTRS(infer_pool_blocked_params, window),
    INFER_WINDOW_DILATIONS(infer_pool_blocked_params, window),
    INFER_WINDOW_AUTO_PAD(infer_pool_blocked_params, window),
    A_INT(infer_pool_blocked_params, ceil_mode, 0),
    A_INT(infer_pool_blocked_params, count_include_pad, 0),
    A_INT(infer_pool_blocked_params, average, 0),
    A_INT(infer_pool_blocked_params, whole, 0),
};

infer_status infer_blocked_window(const infer_op_env *env, const infer_window_params *p,
                                  const infer_view *x, bool ceil, infer_window *w) {
    infer_view plane = infer_blocked_plane(x);
    INFER_TRY(infer_window_read(env, p, &plane, NULL, w));
    return infer_window_out(w, p->auto_pad, ceil);
}

void infer_blocked_geometry(const infer_window *w, infer_conv2d *c) {
    for (int i = 0; i < 2; i++) {
        c->in[i] = (size_t)w->in[i];
        c->out[i] = (size_t)w->out[i];
        c->kernel[i] = (size_t)w->kernel[i];
        c->stride[i] = (size_t)w->stride[i];
        c->dilation[i] = (size_t)w->dilation[i];
        c->before[i] = (size_t)w->before[i];
        c->after[i] = (size_t)w->after[i];
    }
}

/* ---- ConvBlocked ---- */

enum { X, WEIGHTS, BIAS, ADD, SLOPES, LATE };

const infer_view *infer_conv_addend(const infer_op_env *env) {
    const infer_view *add = infer_input(env, ADD);
    return add ? add : infer_input(env, LATE);
}

static infer_status check_input(const infer_conv_blocked_params *p, const infer_view *x) {
    if (!p->plain)
        return infer_blocked_check(x, p->channels);
    if (x->rank >= 0 &&
        ((x->rank != 4 && x->rank != 3) || (x->dim[1] >= 0 && x->dim[1] != p->channels)))
        return infer_fail(INFER_ERROR_SHAPE, "the input has rank %d or not %lld channels",
                          (int)x->rank, (long long)p->channels);
    return INFER_OK;
}

/* The weights and the bias are what run reads of them. */
static infer_status check_weights(const infer_op_env *env, const infer_conv2d *c) {
    int64_t weights = infer_view_count(env->in[WEIGHTS]), bias = infer_view_count(env->in[BIAS]);
    size_t size;
    if (weights < 0 || bias < 0)
        return infer_fail(INFER_ERROR_SHAPE, "the weights' shapes are not known");
    if (c->outputs > (size_t)weights || !infer_conv_pack_size(c, &size) ||
        size != (size_t)weights || bias % INFER_BLOCK != 0 ||
        bias / INFER_BLOCK != infer_blocks((int64_t)c->outputs))
        return infer_fail(INFER_ERROR_SHAPE, "%lld weights and a bias of %lld do not fit",
                          (long long)weights, (long long)bias);
    return INFER_OK;
}

static infer_status read_conv(const infer_op_env *env, infer_conv2d *c, infer_window *w) {
    const infer_conv_blocked_params *p = env->params;
    const infer_view *x = env->in[X];
    if (p->group < 1 || p->channels < 1 || p->outputs < 1 || p->channels % p->group != 0 ||
        p->outputs % p->group != 0 || p->channels > INT32_MAX || p->outputs > INT32_MAX ||
        (p->plain && p->group != 1))
        return infer_fail(INFER_ERROR_VALUE, "%lld channels, %lld outputs, group %lld",
                          (long long)p->channels, (long long)p->outputs, (long long)p->group);
    INFER_TRY(check_input(p, x));
    infer_view spatial = {.rank = 5, .dim = {-1, -1, -1, -1, INFER_BLOCK}};
    INFER_TRY(infer_blocked_window(env, &p->window, x->rank < 0 ? &spatial : x, false, w));
    if (p->plain && w->kernel[1] > INFER_CONV_PLAIN)
        return infer_fail(INFER_ERROR_SHAPE, "a kernel of %lld columns", (long long)w->kernel[1]);
    *c = (infer_conv2d){.images = x->rank > 0 && x->dim[0] > 0 ? (size_t)x->dim[0] : 1,
                        .channels = (size_t)p->channels,
                        .outputs = (size_t)p->outputs,
                        .group = (size_t)p->group,
                        .plain = p->plain != 0,
                        .winograd = p->winograd != 0,
                        .act = {.low = p->low, .high = p->high}};
    infer_blocked_geometry(w, c);
    return check_weights(env, c);
}

/* How a convolution is computed. */
enum way { DIRECT, DEPTHWISE, WINOGRAD, JOINED, LINE };

static enum way way_of(const infer_conv2d *c) {
    return infer_conv_is_depthwise(c)  ? DEPTHWISE
           : infer_conv_is_winograd(c) ? WINOGRAD
           : infer_conv_joins(c)       ? JOINED
           : infer_conv_is_line(c)     ? LINE
                                       : DIRECT;
}

/* Bytes of one thread's scratch. */
static size_t scratch_of(const infer_conv2d *c, enum way way) {
    const size_t floats = way == DEPTHWISE  ? 0
                          : way == JOINED   ? infer_conv_joined_scratch(c)
                          : way == WINOGRAD ? infer_winograd_scratch(c)
                          : way == LINE     ? infer_line_scratch(c)
                                            : INFER_CONV_SCRATCH;
    return floats * sizeof(float);
}

static infer_status conv_infer(infer_op_env *env) {
    const infer_conv_blocked_params *p = env->params;
    const infer_view *x = env->in[X], *add = infer_conv_addend(env);
    infer_view spare, *y = infer_out(env, 0, x->type, 5, &spare);
    infer_conv2d c;
    infer_window w;
    INFER_TRY(read_conv(env, &c, &w));
    y->dim[0] = x->rank < 0 ? -1 : x->dim[0];
    y->dim[1] = infer_blocks(p->outputs);
    y->dim[2] = w.out[0];
    y->dim[3] = w.out[1];
    y->dim[4] = INFER_BLOCK;
    INFER_TRY(infer_expect(add, "what is added", 5, y->dim));
    bool known = w.out[0] >= 0 && w.out[1] >= 0;
    if (known && !infer_mul(scratch_of(&c, way_of(&c)), infer_workers(env), &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    return INFER_OK;
}

/* ---- running it ---- */

typedef struct conv_work {
    const infer_conv2d *c;
    infer_op_env *env;
    enum way way;
    size_t scratch; /* bytes of a thread's */
    size_t in, out; /* floats of an image, or of all where they have no parts of their own */
    size_t places, panels;
    size_t unit, least;        /* places that stay together, units that a part has */
    size_t by_place, by_panel; /* parts of an image */
} conv_work;

/* Cuts an image into as many parts as are worth it: places first, as then each input is copied or
 * transformed once, panels where places do not make whole turns of the threads. */
static void cut_image(conv_work *w, size_t images) {
    const size_t workers = infer_workers(w->env), taps = w->c->kernel[0] * w->c->kernel[1];
    double inputs = (double)(w->c->channels / w->c->group);
    double cost = (double)w->out * (double)images * inputs * (double)taps * INFER_PRODUCT_COST;
    size_t parts = infer_parts_worth(w->env, cost);
    w->by_place = w->by_panel = 1;
    if (parts == 1)
        return;
    const size_t pairs = (w->panels + 1) / 2;
    const size_t units = (w->places + w->unit - 1) / w->unit / w->least;
    w->by_place = units < parts ? units : parts;
    if (w->by_place > workers && w->least > 1)
        w->by_place = w->by_place / workers * workers;
    w->by_place = w->by_place ? w->by_place : 1;
    if (w->by_place * images % workers != 0 && w->by_place * images < 3 * workers)
        w->by_panel = workers < pairs ? workers : pairs;
}

static void conv_part(void *arg, size_t number, size_t worker) {
    const conv_work *w = arg;
    const size_t parts = w->by_place * w->by_panel, image = number / parts;
    const infer_view *add = infer_conv_addend(w->env);
    const float *x = (const float *)w->env->in[X]->data + image * w->in;
    const float *plus = add ? (const float *)add->data + image * w->out : NULL;
    const float *weights = w->env->in[WEIGHTS]->data, *bias = w->env->in[BIAS]->data;
    float *y = (float *)w->env->out[0]->data + image * w->out;
    infer_conv_part part;
    size_t end;
    infer_part(w->places, w->unit, w->by_place, number % parts / w->by_panel, &part.place, &end);
    part.places = end - part.place;
    infer_part(w->panels, 2, w->by_panel, number % w->by_panel, &part.panel, &end);
    part.panels = end - part.panel;
    if (w->way == DEPTHWISE) {
        const size_t block = part.place * INFER_BLOCK, taps = w->c->kernel[0] * w->c->kernel[1];
        const size_t plane = w->c->in[0] * w->c->in[1], places = w->c->out[0] * w->c->out[1];
        infer_conv2d c = *w->c;
        const size_t left = c.channels - block, whole = part.places * INFER_BLOCK;
        c.channels = c.outputs = c.group = left < whole ? left : whole;
        c.act = INFER_ACTIVATION_AT(c.act, part.place);
        w->env->kernels->conv_depthwise_f32(&c, x + block * plane, weights + block * taps,
                                            bias + block, plus ? plus + block * places : NULL,
                                            y + block * places);
        return;
    }
    float *scratch = (float *)(void *)((char *)w->env->scratch + worker * w->scratch);
    if (w->way == WINOGRAD)
        w->env->kernels->conv_winograd_f32(w->c, &part, x, weights, bias, plus, y, scratch);
    else if (w->way == LINE)
        w->env->kernels->conv_line_f32(w->c, &part, x, weights, bias, plus, y, scratch);
    else
        w->env->kernels->conv_blocked_f32(w->c, &part, x, weights, bias, plus, y, scratch);
}

/* Places that stay together: some tiles of every tier. */
#define UNIT 42

static infer_status run_conv(infer_op_env *env, const infer_activation *act) {
    const infer_view *x = env->in[X], *y = env->out[0];
    infer_conv2d c;
    infer_window window;
    INFER_TRY(read_conv(env, &c, &window));
    c.act = act ? *act : c.act;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    const enum way way = way_of(&c);
    if (way == JOINED) {
        infer_conv_joined_run(env, &c);
        return INFER_OK;
    }
    const size_t apart = way == WINOGRAD ? 1 : c.images; /* that have parts of their own */
    conv_work w = {.c = &c,
                   .env = env,
                   .way = way,
                   .scratch = scratch_of(&c, way),
                   .in = (size_t)infer_view_count(x) / apart,
                   .out = (size_t)infer_view_count(y) / apart,
                   .places = c.out[0] * c.out[1],
                   .panels = (size_t)infer_blocks((int64_t)c.outputs),
                   .unit = UNIT,
                   .least = 4};
    if (way == DEPTHWISE) { /* blocks of channels instead of places */
        w.places = w.panels;
        w.panels = w.unit = w.least = 1;
    } else if (way == WINOGRAD) {
        infer_winograd tiles = infer_winograd_of(&c);
        w.places = tiles.tiles;
        w.unit = tiles.most;
        w.least = 1;
    } else if (way == LINE) {
        infer_line line = infer_line_of(&c);
        w.places = line.tiles;
        w.unit = line.most;
        w.least = 1;
    }
    cut_image(&w, apart);
    infer_parallel(env, apart * w.by_place * w.by_panel, conv_part, &w);
    return INFER_OK;
}

static infer_status conv_run(infer_op_env *env) {
    return run_conv(env, NULL);
}

/* The record begins as that of infer.ConvBlocked, which all but this reads. */
_Static_assert(offsetof(infer_conv_activated_params, high) ==
                   offsetof(infer_conv_blocked_params, high),
               "one record begins as the other");

static infer_status activated_infer(infer_op_env *env) {
    const infer_conv_activated_params *p = env->params;
    if (p->activation < INFER_ACTIVATION_NONE || p->activation > INFER_ACTIVATION_GELU_TANH)
        return infer_fail(INFER_ERROR_VALUE, "no activation has the number %lld",
                          (long long)p->activation);
    const infer_view *slopes = infer_input(env, SLOPES);
    INFER_TRY(conv_infer(env));
    if (slopes && (p->activation != INFER_ACTIVATION_LEAKY ||
                   infer_view_count(slopes) != infer_blocks(p->outputs) * INFER_BLOCK))
        return infer_fail(INFER_ERROR_SHAPE, "%lld slopes for %lld outputs",
                          (long long)infer_view_count(slopes), (long long)p->outputs);
    if (infer_input(env, LATE) && (infer_input(env, ADD) || p->group != 1))
        return infer_fail(INFER_ERROR_FORMAT, "nothing is added behind such a convolution");
    return INFER_OK;
}

static infer_status activated_run(infer_op_env *env) {
    const infer_conv_activated_params *p = env->params;
    const infer_view *slopes = infer_input(env, SLOPES);
    const infer_activation act = {.kind = (infer_activation_kind)p->activation,
                                  .alpha = p->alpha,
                                  .beta = p->beta,
                                  .scale = p->scale,
                                  .shift = p->shift,
                                  .low = p->low,
                                  .high = p->high,
                                  .slopes = slopes ? slopes->data : NULL,
                                  .late = infer_input(env, LATE) != NULL};
    return run_conv(env, &act);
}

/* Of a direct sum, also where Winograd's algorithm takes less. */
static double conv_work_of(const infer_op_env *env) {
    const infer_conv_blocked_params *p = env->params;
    const infer_view *y = env->out[0];
    infer_conv2d c;
    infer_window w;
    if (!y || read_conv(env, &c, &w) != INFER_OK)
        return 0;
    double places = (double)y->dim[0] * (double)c.out[0] * (double)c.out[1];
    return 2 * places * (double)p->outputs * (double)(p->channels / p->group) *
           (double)(c.kernel[0] * c.kernel[1]);
}

/* ---- PoolBlocked ---- */

static infer_status read_pool(const infer_op_env *env, infer_window *w) {
    const infer_pool_blocked_params *p = env->params;
    const infer_view *x = env->in[0];
    if (!p->whole)
        return infer_blocked_window(env, &p->window, x, p->ceil_mode != 0, w);
    *w = (infer_window){.rank = 2};
    for (int i = 0; i < 2; i++) {
        w->in[i] = w->kernel[i] = x->dim[i + 2];
        w->stride[i] = w->dilation[i] = w->out[i] = 1;
    }
    return INFER_OK;
}

static infer_status pool_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, 5, &spare);
    infer_window w;
    INFER_TRY(infer_blocked_check(x, -1));
    y->dim[4] = INFER_BLOCK;
    if (x->rank < 0)
        return INFER_OK;
    INFER_TRY(read_pool(env, &w));
    y->dim[0] = x->dim[0];
    y->dim[1] = x->dim[1];
    y->dim[2] = w.out[0];
    y->dim[3] = w.out[1];
    return INFER_OK;
}

/* Blocks of channels of all images. */
typedef struct pool_work {
    const infer_conv2d *c;
    infer_op_env *env;
    size_t blocks, parts;
} pool_work;

static void pool_part(void *arg, size_t part, size_t worker) {
    const pool_work *w = arg;
    const size_t in = w->c->in[0] * w->c->in[1] * INFER_BLOCK;
    const size_t out = w->c->out[0] * w->c->out[1] * INFER_BLOCK;
    infer_conv2d c = *w->c;
    size_t first, end;
    (void)worker;
    infer_part(w->blocks, 1, w->parts, part, &first, &end);
    c.channels = (end - first) * INFER_BLOCK;
    w->env->kernels->pool_blocked_f32(&c, (const float *)w->env->in[0]->data + first * in,
                                      (float *)w->env->out[0]->data + first * out);
}

static infer_status pool_run(infer_op_env *env) {
    const infer_pool_blocked_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    infer_window w;
    INFER_TRY(read_pool(env, &w));
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    infer_conv2d c = {.average = p->average != 0, .with_padding = p->count_include_pad != 0};
    infer_blocked_geometry(&w, &c);
    pool_work work = {.c = &c, .env = env, .blocks = (size_t)(x->dim[0] * x->dim[1])};
    size_t taps = c.kernel[0] * c.kernel[1], places = c.out[0] * c.out[1];
    work.parts = infer_parts(env, work.blocks, (double)(taps * places * INFER_BLOCK) / 4);
    infer_parallel(env, work.parts, pool_part, &work);
    return INFER_OK;
}

/* clang-format off */
#define COMMON(op_name, list, kind)                                                                \
    .domain = "infer", .name = op_name, .since = 1, .newest = 1, .min_out = 1, .max_out = 1,       \
    .params_size = sizeof(kind), .attrs = list, .attr_count = sizeof list / sizeof *(list)
/* clang-format on */

const infer_op infer_op_infer_conv_blocked = {
    COMMON("ConvBlocked", conv_attrs, infer_conv_blocked_params),
    .min_in = 3,
    .max_in = 4,
    .types = {T(FLOAT)},
    .infer = conv_infer,
    .run = conv_run,
    .work = conv_work_of,
};

const infer_op infer_op_infer_conv_activated = {
    COMMON("ConvActivated", activated_attrs, infer_conv_activated_params),
    .min_in = 3,
    .max_in = 6,
    .types = {T(FLOAT)},
    .infer = activated_infer,
    .run = activated_run,
    .work = conv_work_of,
};

const infer_op infer_op_infer_pool_blocked = {
    COMMON("PoolBlocked", pool_attrs, infer_pool_blocked_params),
    .min_in = 1,
    .max_in = 1,
    .types = {T(FLOAT)},
    .infer = pool_infer,
    .run = pool_run,
};
