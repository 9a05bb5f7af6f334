/* DeformConv: a convolution whose taps are moved by offsets that are data. */
#include "axes.h"
#include "conv.h"
#include "real.h"
#include "status.h"
#include "widen.h"

#include <string.h>
#include <tgmath.h>

#define DEFORM_RANK 4 /* spatial axes; each position has 2 to the power of them corners */

typedef struct deform_params {
    infer_conv_params conv;
    int64_t offset_group;
} deform_params;

static const infer_op_attr deform_attrs[] = {
    INFER_WINDOW_ATTRS(deform_params, conv.window),
    INFER_WINDOW_DILATIONS(deform_params, conv.window),
    {"group", INFER_ATTR_INT, false, offsetof(deform_params, conv.group), 1, NULL},
    A_INT(deform_params, offset_group, 1),
};

typedef struct deform_plan {
    infer_conv c;
    size_t sets, of_offset; /* offset groups, and channels in each */
} deform_plan;

#define REAL float
#define S    f32
#include "conv_deform.inc.h"
#define REAL double
#define S    f64
#include "conv_deform.inc.h"

/* Inputs. */
enum { X, W, OFFSET, B, MASK };

/* offset and mask have rows for each tap of each offset group, and the output's places. */
static infer_status check_rows(const infer_view *v, const char *name, const infer_conv *c,
                               size_t rows) {
    bool fits = v->rank == c->window.rank + 2 && v->dim[0] == (int64_t)c->batch &&
                v->dim[1] == (int64_t)rows;
    for (int32_t i = 0; fits && i < c->window.rank; i++)
        fits = v->dim[i + 2] == c->window.out[i];
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "%s does not fit the output", name);
}

static infer_status plan(infer_op_env *env, deform_plan *d, infer_view *y) {
    const deform_params *p = env->params;
    const infer_view *const *in = env->in;
    const infer_view *bias = infer_input(env, B);
    const infer_view *mask = infer_input(env, MASK);
    INFER_TRY(infer_conv_shape(env, &p->conv, in[X], in[W], bias,
                               infer_type_size(infer_widen_type(env)), &d->c, y));
    if (p->offset_group < 1)
        return infer_fail(INFER_ERROR_VALUE, "offset_group is %lld", (long long)p->offset_group);
    d->c.known =
        d->c.known && infer_view_concrete(in[OFFSET]) && (!mask || infer_view_concrete(mask));
    if (!d->c.known)
        return INFER_OK;
    size_t channels = d->c.channels * d->c.group, rows;
    if (d->c.window.rank > DEFORM_RANK || d->c.window.rank < 1)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%d spatial axes", (int)d->c.window.rank);
    if (channels % (size_t)p->offset_group != 0)
        return infer_fail(INFER_ERROR_SHAPE, "%zu channels in %lld offset groups", channels,
                          (long long)p->offset_group);
    d->sets = (size_t)p->offset_group;
    d->of_offset = channels / d->sets;
    if (__builtin_mul_overflow(d->sets, d->c.taps, &rows) || rows > INT32_MAX)
        return infer_fail(INFER_ERROR_SHAPE, "there are too many offsets");
    INFER_TRY(check_rows(in[OFFSET], "offset", &d->c, rows * (size_t)d->c.window.rank));
    return mask ? check_rows(mask, "mask", &d->c, rows) : INFER_OK;
}

static infer_status deform_infer(infer_op_env *env) {
    infer_view spare, *y = infer_out(env, 0, env->in[X]->type, -1, &spare);
    deform_plan d;
    size_t at;
    INFER_TRY(plan(env, &d, y));
    if (!d.c.known)
        return INFER_OK;
    INFER_TRY(
        infer_conv_take(env, d.c.depth, d.c.block, infer_type_size(infer_widen_type(env)), &at));
    return infer_widen_plan(env);
}

static infer_status deform_body(infer_op_env *env) {
    const infer_view *const *in = env->in;
    const void *bias = infer_has_input(env, B) ? in[B]->data : NULL;
    const void *mask = infer_has_input(env, MASK) ? in[MASK]->data : NULL;
    infer_view spare = {.rank = -1};
    deform_plan d;
    INFER_TRY(plan(env, &d, &spare));
    if (infer_view_count(env->out[0]) == 0)
        return INFER_OK;
    if (env->out[0]->type == INFER_TYPE_DOUBLE)
        deform_f64(&d, env->kernels, in[X]->data, in[W]->data, in[OFFSET]->data, bias, mask,
                   env->out[0]->data, env->scratch);
    else
        deform_f32(&d, env->kernels, in[X]->data, in[W]->data, in[OFFSET]->data, bias, mask,
                   env->out[0]->data, env->scratch);
    return INFER_OK;
}

static infer_status deform_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, deform_body) : INFER_OK;
}

const infer_op infer_op_deform_conv = {
    .domain = "",
    .name = "DeformConv",
    .since = 19,
    .newest = 27,
    .params_size = sizeof(deform_params),
    .min_in = 3,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof deform_attrs / sizeof *deform_attrs,
    .attrs = deform_attrs,
    .types = {T_FLOAT, T_SAME},
    .infer = deform_infer,
    .run = deform_run,
};
