/* ConvTranspose. */
#include "axes.h"
#include "checked.h"
#include "conv.h"
#include "pack.h"
#include "real.h"
#include "scratch.h"
#include "status.h"
#include "widen.h"

#define PRODUCT_BYTES 1048576

typedef struct transpose_params {
    infer_window_params window;
    infer_list output_padding, output_shape;
    int64_t group;
} transpose_params;

static const infer_op_attr transpose_attrs[] = {
    INFER_WINDOW_ATTRS(transpose_params, window),
    INFER_WINDOW_DILATIONS(transpose_params, window),
    INFER_WINDOW_AUTO_PAD(transpose_params, window),
    A_LIST(transpose_params, output_padding, INTS),
    A_LIST(transpose_params, output_shape, INTS),
    A_INT(transpose_params, group, 1),
};

typedef struct transpose_plan {
    infer_window back; /* the convolution from y to x whose transpose this is */
    size_t batch, group, channels, outputs, taps, plane, places; /* channels of a group */
    size_t step;                                                 /* output channels at a time */
    size_t packed_at, rows_at, product_at;                       /* in the scratch */
} transpose_plan;

#define REAL float
#define S    f32
#include "conv_transpose.inc.h"
#define REAL double
#define S    f64
#include "conv_transpose.inc.h"

/* The window from x to y, with y's extents. */
static infer_status read_window(infer_op_env *env, infer_window *w) {
    const transpose_params *p = env->params;
    const infer_view *x = env->in[0];
    int64_t add[INFER_WINDOW_RANK], shape[INFER_WINDOW_RANK];
    infer_list given = p->output_shape;
    INFER_TRY(infer_window_read(env, &p->window, x, env->in[1], w));
    INFER_TRY(infer_window_list(env, &p->output_padding, "output_padding", w->rank, 0, 0, add));
    if (given.count && given.count == (uint64_t)w->rank + 2) { /* old models name all axes */
        given.offset += 2 * sizeof(int64_t);
        given.count -= 2;
    }
    INFER_TRY(infer_window_list(env, &given, "output_shape", w->rank, 0, 0, shape));
    return infer_window_transposed(w, p->window.auto_pad, add, given.count ? shape : NULL);
}

static infer_status check_channels(const infer_op_env *env) {
    const transpose_params *p = env->params;
    const infer_view *x = env->in[0], *w = env->in[1];
    const infer_view *bias = infer_input(env, 2);
    int64_t channels = x->dim[1], rows = w->rank < 0 ? -1 : w->dim[0], outputs;
    if (p->group < 1)
        return infer_fail(INFER_ERROR_VALUE, "group is %lld", (long long)p->group);
    if (channels >= 0 && rows >= 0 && (channels != rows || channels % p->group != 0))
        return infer_fail(INFER_ERROR_SHAPE, "%lld channels meet weights for %lld, in %lld groups",
                          (long long)channels, (long long)rows, (long long)p->group);
    if (w->rank < 0 || w->dim[1] < 0)
        return INFER_OK;
    if (__builtin_mul_overflow(w->dim[1], p->group, &outputs))
        return infer_fail(INFER_ERROR_SHAPE, "there are too many groups");
    if (bias && bias->rank >= 0 &&
        (bias->rank != 1 || (bias->dim[0] >= 0 && bias->dim[0] != outputs)))
        return infer_fail(INFER_ERROR_SHAPE, "the bias does not fit %lld channels",
                          (long long)outputs);
    return INFER_OK;
}

/* Sizes, and places in the scratch, of the body. */
static infer_status plan(infer_op_env *env, const infer_window *w, transpose_plan *t) {
    const transpose_params *p = env->params;
    const infer_view *x = env->in[0], *weights = env->in[1];
    size_t element = infer_type_size(infer_widen_type(env)), row, columns;
    t->back = *w;
    for (int32_t i = 0; i < w->rank; i++) {
        t->back.in[i] = w->out[i];
        t->back.out[i] = w->in[i];
    }
    t->batch = (size_t)x->dim[0];
    t->group = (size_t)p->group;
    t->channels = (size_t)weights->dim[0] / t->group;
    t->outputs = (size_t)weights->dim[1];
    t->taps = infer_window_count(w->kernel, w->rank);
    t->plane = infer_window_count(w->in, w->rank);
    t->places = infer_window_count(w->out, w->rank);
    if (!infer_mul(t->taps, t->plane ? t->plane : 1, &row) || !infer_mul(row, element, &row) ||
        !infer_pack_size(t->channels, t->plane, &columns))
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    t->step = PRODUCT_BYTES / row;
    t->step = t->step < 1 ? 1 : t->step > t->outputs ? t->outputs : t->step;
    INFER_TRY(infer_conv_take(env, columns, 1, element, &t->packed_at));
    INFER_TRY(infer_conv_take(env, t->step * t->taps, t->channels, element, &t->rows_at));
    return infer_conv_take(env, t->step * t->taps, t->plane, element, &t->product_at);
}

static infer_status transpose_infer(infer_op_env *env) {
    const transpose_params *p = env->params;
    const infer_view *x = env->in[0], *weights = env->in[1];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    infer_window w;
    transpose_plan t;
    if (x->rank < 0)
        return INFER_OK;
    if (weights->rank >= 0 && weights->rank != x->rank)
        return infer_fail(INFER_ERROR_SHAPE, "the weights have rank %d", (int)weights->rank);
    INFER_TRY(read_window(env, &w));
    INFER_TRY(check_channels(env));
    y->dim[0] = x->dim[0];
    y->dim[1] = weights->rank < 0 || weights->dim[1] < 0 ? -1 : weights->dim[1] * p->group;
    for (int32_t i = 0; i < w.rank; i++)
        y->dim[i + 2] = w.out[i];
    INFER_TRY(infer_view_check(y, true));
    if (!infer_view_concrete(x) || !infer_view_concrete(weights))
        return INFER_OK;
    INFER_TRY(plan(env, &w, &t));
    return infer_widen_plan(env);
}

static infer_status transpose_body(infer_op_env *env) {
    const void *bias = infer_has_input(env, 2) ? env->in[2]->data : NULL;
    infer_op_env measure = *env; /* whose scratch is counted up again */
    infer_window w;
    transpose_plan t;
    measure.scratch_size = 0;
    INFER_TRY(read_window(env, &w));
    INFER_TRY(plan(&measure, &w, &t));
    if (t.places == 0)
        return INFER_OK;
    if (env->out[0]->type == INFER_TYPE_DOUBLE)
        transposed_f64(&t, env->kernels, env->in[0]->data, env->in[1]->data, bias,
                       env->out[0]->data, env->scratch);
    else
        transposed_f32(&t, env->kernels, env->in[0]->data, env->in[1]->data, bias,
                       env->out[0]->data, env->scratch);
    return INFER_OK;
}

static infer_status transpose_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, transpose_body) : INFER_OK;
}

/* Each element of the input goes to all outputs of its group, by each tap. */
static double transpose_work(const infer_op_env *env) {
    const infer_view *x = env->in[0], *w = env->in[1];
    return w->dim[0]
               ? 2 * (double)infer_view_count(x) * (double)infer_view_count(w) / (double)w->dim[0]
               : 0;
}

const infer_op infer_op_conv_transpose = {
    .domain = "",
    .name = "ConvTranspose",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(transpose_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof transpose_attrs / sizeof *transpose_attrs,
    .attrs = transpose_attrs,
    .types = {T_FLOAT, T_SAME},
    .infer = transpose_infer,
    .run = transpose_run,
    .work = transpose_work,
};
