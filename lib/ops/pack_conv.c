/* Packing of convolutions' constant weights while a model is loaded: rows scaled, then panels. */
#include "axes.h"
#include "checked.h"
#include "conv2d.h"
#include "loose.h"
#include "status.h"

#include <string.h>

/* ---- ScaleRows ---- */

static infer_status expect_scales(const infer_view *x, const infer_view *scale) {
    if (x->rank < 1 || scale->rank != 1 ||
        (scale->dim[0] >= 0 && x->dim[0] >= 0 && scale->dim[0] != x->dim[0]))
        return infer_fail(INFER_ERROR_SHAPE, "there is not one factor for each row");
    return INFER_OK;
}

static infer_status scale_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    INFER_TRY(expect_scales(x, env->in[1]));
    memcpy(y->dim, x->dim, sizeof y->dim);
    return INFER_OK;
}

static infer_status scale_run(infer_op_env *env) {
    const infer_view *x = env->in[0], *y = env->out[0];
    const infer_loose_f32 *from = x->data;
    const double *scale = env->in[1]->data;
    size_t rows = (size_t)x->dim[0], each = rows ? (size_t)infer_view_count(x) / rows : 0;
    for (size_t i = 0; y && i < rows; i++)
        for (size_t j = i * each; j < (i + 1) * each; j++)
            ((float *)y->data)[j] = (float)((double)from[j] * scale[i]);
    return INFER_OK;
}

/* ---- PackConv ---- */

typedef struct pack_params {
    int64_t group, plain;
} pack_params;

static const infer_op_attr pack_attrs[] = {A_INT(pack_params, group, 1),
                                           A_INT(pack_params, plain, 0)};

static infer_status read_conv(const infer_op_env *env, infer_conv2d *c, size_t *size) {
    const pack_params *p = env->params;
    const infer_view *w = env->in[0];
    if ((w->rank != 3 && w->rank != 4) || !infer_view_concrete(w) || p->group < 1 ||
        w->dim[0] % p->group != 0)
        return infer_fail(INFER_ERROR_SHAPE, "the weights are of no convolution");
    *c = (infer_conv2d){
        .outputs = (size_t)w->dim[0],
        .group = (size_t)p->group,
        .kernel = {w->rank == 3 ? 1 : (size_t)w->dim[2], (size_t)w->dim[w->rank - 1]},
        .plain = p->plain != 0};
    if (infer_view_count(w) < 1 || !infer_mul((size_t)w->dim[1], c->group, &c->channels) ||
        !infer_conv_pack_size(c, size) || *size > INT64_MAX / sizeof(float))
        return infer_fail(INFER_ERROR_SHAPE, "the weights do not fit memory");
    return INFER_OK;
}

static infer_status pack_infer(infer_op_env *env) {
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_FLOAT, 1, &spare);
    infer_conv2d c;
    size_t size;
    if (infer_has_input(env, 1))
        INFER_TRY(expect_scales(env->in[0], env->in[1]));
    INFER_TRY(read_conv(env, &c, &size));
    y->dim[0] = (int64_t)size;
    return INFER_OK;
}

static infer_status pack_run(infer_op_env *env) {
    infer_conv2d c;
    size_t size;
    INFER_TRY(read_conv(env, &c, &size));
    if (env->out[0])
        infer_conv_pack(&c, env->in[0]->data, infer_has_input(env, 1) ? env->in[1]->data : NULL,
                        env->out[0]->data);
    return INFER_OK;
}

/* clang-format off */
#define COMMON(op_name)                                                                            \
    .domain = "infer", .name = op_name, .since = 1, .newest = 1, .max_in = 2, .min_out = 1,        \
    .max_out = 1, .flags = INFER_OP_PACKS, .types = {T(FLOAT), T(DOUBLE)}
/* clang-format on */

/* x [n][...] with each row multiplied by its factor, in double. */
const infer_op infer_op_infer_scale_rows = {
    COMMON("ScaleRows"),
    .min_in = 2,
    .infer = scale_infer,
    .run = scale_run,
};

/* Weights of a convolution, and where they are there factors of its outputs: as conv2d.h says. */
const infer_op infer_op_infer_pack_conv = {
    COMMON("PackConv"),  .params_size = sizeof(pack_params),
    .min_in = 1,         .attr_count = sizeof pack_attrs / sizeof *pack_attrs,
    .attrs = pack_attrs, .infer = pack_infer,
    .run = pack_run,
};
