/* Conv. */
#include "conv.h"

#include "axes.h"
#include "pack.h"
#include "real.h"
#include "status.h"
#include "widen.h"

static const infer_op_attr conv_attrs[] = {INFER_CONV_ATTRS};

/* A kernel of one tap that visits every place: the input is its matrix of columns. */
static bool is_plain(const infer_window *w) {
    for (int32_t i = 0; i < w->rank; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->out[i] != w->in[i])
            return false;
    return true;
}

/* One place that sees all of the input: an image is what is multiplied, as it lies. */
static bool is_whole(const infer_window *w) {
    for (int32_t i = 0; i < w->rank; i++)
        if (w->out[i] != 1 || w->in[i] != w->kernel[i] || w->before[i] != 0 ||
            (w->kernel[i] > 1 && w->dilation[i] != 1))
            return false;
    return true;
}

/* Lanes of a panel of columns that are neighbours in a row of the output; and, for a tap, the first
 * of them that lies inside of x, where, and how many do. */
typedef struct columns_run {
    size_t lane, lanes, first, count;
    int64_t at, from[INFER_WINDOW_RANK];
} columns_run;

/* How many are inside. */
static size_t columns_find(const infer_window *w, const int64_t *tap, columns_run *r) {
    const int32_t last = w->rank - 1;
    r->at = 0;
    for (int32_t i = 0; i <= last; i++) {
        const int64_t k = r->from[i] + tap[i] * w->dilation[i], in = w->in[i];
        const int64_t step = w->stride[i], lanes = i < last ? 1 : (int64_t)r->lanes;
        const int64_t skip = k < 0 ? i < last ? 1 : (step - 1 - k) / step : 0;
        int64_t end = k < in ? (in - 1 - k) / step + 1 : 0;
        end = end < lanes ? end : lanes;
        if (skip >= end)
            return r->count = 0;
        r->at = r->at * in + k + skip * step;
        r->first = r->lane + (size_t)skip;
        r->count = (size_t)(end - skip);
    }
    return r->count;
}

#define REAL float
#define S    f32
#include "conv.inc.h"
#define REAL double
#define S    f64
#include "conv.inc.h"

static infer_status read_conv(infer_op_env *env, infer_conv *c, infer_view *y) {
    const infer_view *bias = infer_input(env, 2);
    return infer_conv_shape(env, env->params, env->in[0], env->in[1], bias,
                            infer_type_size(infer_widen_type(env)), c, y);
}

/* With one input channel for each output channel a product would have rows of a few elements. */
static bool is_direct(const infer_conv *c) {
    return c->channels == 1 && c->window.rank > 0 && c->outputs * c->taps < 64;
}

static infer_status conv_infer(infer_op_env *env) {
    infer_view spare, *y = infer_out(env, 0, env->in[0]->type, -1, &spare);
    infer_conv c;
    size_t at;
    INFER_TRY(read_conv(env, &c, y));
    if (!c.known)
        return INFER_OK;
    if (!is_direct(&c) && !is_whole(&c.window))
        INFER_TRY(
            infer_conv_take(env, c.depth, c.block, infer_type_size(infer_widen_type(env)), &at));
    return infer_widen_plan(env);
}

static infer_status conv_body(infer_op_env *env) {
    const void *x = env->in[0]->data, *w = env->in[1]->data;
    const void *bias = infer_has_input(env, 2) ? env->in[2]->data : NULL;
    infer_view spare = {.rank = -1};
    infer_conv c;
    INFER_TRY(read_conv(env, &c, &spare));
    void *y = env->out[0]->data;
    if (c.places == 0)
        return INFER_OK;
    bool is_double = env->out[0]->type == INFER_TYPE_DOUBLE;
    if (is_direct(&c) && is_double)
        direct_run_f64(&c, x, w, bias, y);
    else if (is_direct(&c))
        direct_run_f32(&c, x, w, bias, y);
    else if (is_double)
        product_run_f64(&c, env->kernels, x, w, bias, y, env->scratch);
    else
        product_run_f32(&c, env->kernels, x, w, bias, y, env->scratch);
    return INFER_OK;
}

static infer_status conv_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, conv_body) : INFER_OK;
}

const infer_op infer_op_conv = {
    .domain = "",
    .name = "Conv",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(infer_conv_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof conv_attrs / sizeof *conv_attrs,
    .attrs = conv_attrs,
    .types = {T_FLOAT, T_SAME},
    .infer = conv_infer,
    .run = conv_run,
    .work = infer_work_kernel,
};
