/* infer.ShuffleBlocked and infer.LrnBlocked: operators over blocks of channels in which channels of
 * different blocks meet. */
#include "blocked.h"

#include "axes.h"
#include "share.h"
#include "status.h"

#include <math.h>
#include <string.h>

/* y has the shape of x, which has so many channels. */
static infer_status like_x(infer_op_env *env, int64_t channels) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    if (channels < 1)
        return infer_fail(INFER_ERROR_VALUE, "channels is %lld", (long long)channels);
    memcpy(y->dim, x->dim, sizeof y->dim);
    return infer_blocked_check(x, channels);
}

/* ---- ShuffleBlocked ---- */

/* Channel i of y is channel (i % group) * (channels / group) + i / group of x: what a Reshape into
 * groups, a Transpose of these and the channels in them, and a Reshape back do. */
typedef struct shuffle_params {
    int64_t channels, group;
} shuffle_params;

static const infer_op_attr shuffle_attrs[] = {
    A_REQUIRED(shuffle_params, channels, INT),
    A_REQUIRED(shuffle_params, group, INT),
};

static infer_status shuffle_infer(infer_op_env *env) {
    const shuffle_params *p = env->params;
    if (p->group < 1 || p->channels % p->group != 0)
        return infer_fail(INFER_ERROR_VALUE, "%lld channels in %lld groups", (long long)p->channels,
                          (long long)p->group);
    return like_x(env, p->channels);
}

/* Blocks of all images. */
typedef struct shuffle_job {
    const infer_op_env *env;
    size_t blocks, parts;
} shuffle_job;

static void shuffle_part(void *arg, size_t part, size_t worker) {
    const shuffle_job *j = arg;
    const shuffle_params *p = j->env->params;
    const infer_view *x = j->env->in[0];
    const infer_conv2d c = {.channels = (size_t)p->channels,
                            .group = (size_t)p->group,
                            .in = {(size_t)x->dim[2], (size_t)x->dim[3]}};
    const size_t size = c.in[0] * c.in[1] * INFER_BLOCK, count = (size_t)x->dim[1];
    size_t first, end;
    (void)worker;
    infer_part(j->blocks, 1, j->parts, part, &first, &end);
    for (size_t i = first; i < end; i++)
        j->env->kernels->shuffle_blocked_f32(&c, i % count,
                                             (const float *)x->data + i / count * count * size,
                                             (float *)j->env->out[0]->data + i * size);
}

static infer_status shuffle_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    if (!env->out[0] || infer_view_count(x) == 0)
        return INFER_OK;
    shuffle_job job = {.env = env, .blocks = (size_t)(x->dim[0] * x->dim[1])};
    job.parts = infer_parts(env, job.blocks, 2 * (double)(x->dim[2] * x->dim[3] * INFER_BLOCK));
    infer_parallel(env, job.parts, shuffle_part, &job);
    return INFER_OK;
}

/* ---- LrnBlocked ---- */

typedef struct lrn_params {
    int64_t channels, size;
    float alpha, beta, bias, reserved;
} lrn_params;

static const infer_op_attr lrn_attrs[] = {
    A_REQUIRED(lrn_params, channels, INT), A_REQUIRED(lrn_params, size, INT),
    A_FLOAT(lrn_params, alpha, 1e-4f),     A_FLOAT(lrn_params, beta, 0.75f),
    A_FLOAT(lrn_params, bias, 1),
};

static infer_status lrn_infer(infer_op_env *env) {
    const lrn_params *p = env->params;
    if (p->size < 1 || p->size > INFER_LRN_BLOCKED)
        return infer_fail(INFER_ERROR_VALUE, "size is %lld", (long long)p->size);
    return like_x(env, p->channels);
}

/* For a beta that is not 3/4, which all networks have: slow, but rare. */
static float any_power(const lrn_params *p, const float *x, size_t plane, size_t at) {
    const size_t before = (size_t)(p->size - 1) / 2, channels = (size_t)p->channels;
    const size_t ch = at / INFER_BLOCK / plane * INFER_BLOCK + at % INFER_BLOCK;
    const size_t place = at / INFER_BLOCK % plane;
    size_t end = ch + (size_t)p->size - before;
    float sum = 0;
    end = end < channels ? end : channels;
    for (size_t k = ch < before ? 0 : ch - before; k < end; k++) {
        float v = x[(k / INFER_BLOCK * plane + place) * INFER_BLOCK + k % INFER_BLOCK];
        sum += v * v;
    }
    return powf(p->bias + p->alpha / (float)p->size * sum, p->beta);
}

/* Places of all images; those of an image are cut alike. */
typedef struct lrn_job {
    const infer_op_env *env;
    size_t plane, image, parts; /* places, floats, parts of an image */
} lrn_job;

static void lrn_part(void *arg, size_t part, size_t worker) {
    const lrn_job *j = arg;
    const lrn_params *p = j->env->params;
    const infer_view *x = j->env->in[0];
    infer_conv2d c = {.channels = (size_t)p->channels,
                      .in = {(size_t)x->dim[2], (size_t)x->dim[3]}};
    size_t first, end;
    (void)worker;
    infer_part(j->plane, 1, j->parts, part % j->parts, &first, &end);
    c.out[0] = 1;
    c.out[1] = end - first;
    const size_t at = part / j->parts * j->image + first * INFER_BLOCK;
    j->env->kernels->lrn_blocked_f32(&c, (size_t)p->size, p->alpha / (float)p->size, p->bias,
                                     (const float *)x->data + at,
                                     (float *)j->env->out[0]->data + at);
}

static infer_status lrn_run(infer_op_env *env) {
    const lrn_params *p = env->params;
    const infer_view *x = env->in[0];
    if (!env->out[0] || infer_view_count(x) == 0)
        return INFER_OK;
    const size_t images = (size_t)x->dim[0], all = (size_t)infer_view_count(x);
    lrn_job job = {.env = env, .plane = (size_t)(x->dim[2] * x->dim[3]), .image = all / images};
    if (p->beta == 0.75f) {
        job.parts = infer_parts(env, job.plane, 4 * (double)(x->dim[1] * INFER_BLOCK));
        infer_parallel(env, images * job.parts, lrn_part, &job);
        return INFER_OK;
    }
    for (size_t i = 0; i < all; i++) {
        const float *image = (const float *)x->data + i / job.image * job.image;
        ((float *)env->out[0]->data)[i] =
            ((const float *)x->data)[i] / any_power(p, image, job.plane, i % job.image);
    }
    return INFER_OK;
}

/* clang-format off */
#define COMMON(op_name, list, kind)                                                                \
    .domain = "infer", .name = op_name, .since = 1, .newest = 1, .min_in = 1, .max_in = 1,         \
    .min_out = 1, .max_out = 1, .params_size = sizeof(kind), .attrs = list,                        \
    .attr_count = sizeof list / sizeof *(list), .types = {T(FLOAT)}
/* clang-format on */

const infer_op infer_op_infer_shuffle_blocked = {
    COMMON("ShuffleBlocked", shuffle_attrs, shuffle_params),
    .infer = shuffle_infer,
    .run = shuffle_run,
};

const infer_op infer_op_infer_lrn_blocked = {
    COMMON("LrnBlocked", lrn_attrs, lrn_params),
    .infer = lrn_infer,
    .run = lrn_run,
};
