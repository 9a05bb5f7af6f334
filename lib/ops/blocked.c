/* infer.ToBlocks and infer.FromBlocks: activations in and out of blocks of channels;
 * infer.AffineBlocked and infer.AffineJoined: each channel scaled and shifted. */
#include "blocked.h"

#include "axes.h"
#include "movement.h"
#include "share.h"
#include "status.h"

#include <math.h>
#include <string.h>

infer_status infer_blocked_check(const infer_view *x, int64_t channels) {
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank != 5)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d instead of 5", (int)x->rank);
    if (x->dim[4] != INFER_BLOCK)
        return infer_fail(INFER_ERROR_SHAPE, "blocks of %lld channels", (long long)x->dim[4]);
    if (channels >= 0 && x->dim[1] >= 0 && x->dim[1] != infer_blocks(channels))
        return infer_fail(INFER_ERROR_SHAPE, "%lld blocks for %lld channels", (long long)x->dim[1],
                          (long long)channels);
    return INFER_OK;
}

infer_view infer_blocked_plane(const infer_view *x) {
    infer_view plane = *x;
    if (x->rank == 3) {
        plane.dim[3] = x->dim[2];
        plane.dim[2] = 1;
    }
    plane.rank = 4;
    return plane;
}

/* ---- ToBlocks and FromBlocks ---- */

/* Plain values have rank 4, or 3: what has one spatial axis has one row. */
typedef struct from_params {
    int64_t channels, rank;
} from_params;

static const infer_op_attr from_attrs[] = {A_REQUIRED(from_params, channels, INT),
                                           A_INT(from_params, rank, 4)};

static infer_status to_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, 5, &spare);
    y->dim[4] = INFER_BLOCK;
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank != 4 && x->rank != 3)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d instead of 3 or 4", (int)x->rank);
    infer_view plane = infer_blocked_plane(x);
    y->dim[0] = plane.dim[0];
    y->dim[1] = infer_blocks(plane.dim[1]);
    y->dim[2] = plane.dim[2];
    y->dim[3] = plane.dim[3];
    return INFER_OK;
}

static infer_status from_infer(infer_op_env *env) {
    const from_params *p = env->params;
    const infer_view *x = env->in[0];
    if (p->channels < 0 || (p->rank != 4 && p->rank != 3))
        return infer_fail(INFER_ERROR_VALUE, "%lld channels, rank %lld", (long long)p->channels,
                          (long long)p->rank);
    infer_view spare, *y = infer_out(env, 0, x->type, (int32_t)p->rank, &spare);
    INFER_TRY(infer_blocked_check(x, p->channels));
    y->dim[1] = p->channels;
    if (x->rank < 0)
        return INFER_OK;
    y->dim[0] = x->dim[0];
    if (p->rank == 3 && x->dim[2] >= 0 && x->dim[2] != 1)
        return infer_fail(INFER_ERROR_SHAPE, "%lld rows instead of one", (long long)x->dim[2]);
    y->dim[2] = x->dim[p->rank == 3 ? 3 : 2];
    y->dim[3] = x->dim[3];
    return INFER_OK;
}

#define NARROW 4 /* places that are too few for squares */

/* n channels of a block, `plane` places: into a block, and out of it. */
static void block_in(const float *x, size_t n, size_t plane, float *y) {
    if (plane < NARROW)
        for (size_t c = 0; c < n; c++)
            for (size_t i = 0; i < plane; i++)
                y[i * INFER_BLOCK + c] = x[c * plane + i];
    else
        infer_turn((char *)y, INFER_BLOCK * sizeof *y, (const char *)x,
                   (ptrdiff_t)(plane * sizeof *x), plane, n, sizeof *x);
    for (size_t i = 0; n < INFER_BLOCK && i < plane; i++)
        memset(y + i * INFER_BLOCK + n, 0, (INFER_BLOCK - n) * sizeof *y);
}

static void block_out(const float *x, size_t n, size_t plane, float *y) {
    if (plane == 1)
        memcpy(y, x, n * sizeof *y);
    else if (plane < NARROW)
        for (size_t c = 0; c < n; c++)
            for (size_t i = 0; i < plane; i++)
                y[c * plane + i] = x[i * INFER_BLOCK + c];
    else
        infer_turn((char *)y, (ptrdiff_t)(plane * sizeof *y), (const char *)x,
                   INFER_BLOCK * sizeof *x, n, plane, sizeof *x);
}

typedef struct blocks_work {
    const float *x;
    float *y;
    size_t channels, plane, parts, blocks; /* blocks of an image */
    int64_t images;
    bool in;
} blocks_work;

static void blocks_part(void *arg, size_t part, size_t worker) {
    const blocks_work *w = arg;
    size_t first, end;
    (void)worker;
    infer_part((size_t)w->images * w->blocks, 1, w->parts, part, &first, &end);
    for (; first < end; first++) {
        const size_t c = first % w->blocks * INFER_BLOCK, image = first / w->blocks;
        const size_t n = w->channels - c < INFER_BLOCK ? w->channels - c : INFER_BLOCK;
        const size_t plain = (image * w->channels + c) * w->plane;
        const size_t block = first * INFER_BLOCK * w->plane;
        if (w->in)
            block_in(w->x + plain, n, w->plane, w->y + block);
        else
            block_out(w->x + block, n, w->plane, w->y + plain);
    }
}

/* plain: the view whose extents are those of both. */
static void each_block(infer_op_env *env, const infer_view *plain, bool in) {
    const infer_view v = infer_blocked_plane(plain);
    blocks_work w = {.x = env->in[0]->data,
                     .y = env->out[0]->data,
                     .channels = (size_t)v.dim[1],
                     .plane = (size_t)(v.dim[2] * v.dim[3]),
                     .blocks = (size_t)infer_blocks(v.dim[1]),
                     .images = v.dim[0],
                     .in = in};
    const double block = (double)(w.plane * INFER_BLOCK);
    w.parts = infer_parts(env, (size_t)w.images * w.blocks, block);
    infer_parallel(env, w.parts, blocks_part, &w);
}

static infer_status to_run(infer_op_env *env) {
    if (env->out[0] && infer_view_count(env->in[0]))
        each_block(env, env->in[0], true);
    return INFER_OK;
}

static infer_status from_run(infer_op_env *env) {
    if (env->out[0] && infer_view_count(env->out[0]))
        each_block(env, env->out[0], false);
    return INFER_OK;
}

/* ---- AffineBlocked ---- */

static const infer_op_attr affine_attrs[] = {
    A_FLOAT(infer_affine_blocked_params, low, -INFINITY),
    A_FLOAT(infer_affine_blocked_params, high, INFINITY),
};

/* Inputs number `first` and the one behind it have whole panels for y's channels. */
static infer_status check_panels(const infer_op_env *env, uint32_t first, const infer_view *y) {
    for (uint32_t i = first; i < first + 2 && y->rank == 5; i++) {
        int64_t count = infer_view_count(env->in[i]);
        if (count >= 0 && y->dim[1] >= 0 &&
            (count % INFER_BLOCK != 0 || count / INFER_BLOCK != y->dim[1]))
            return infer_fail(INFER_ERROR_SHAPE, "input %u has %lld elements for %lld blocks", i,
                              (long long)count, (long long)y->dim[1]);
    }
    return INFER_OK;
}

static infer_status affine_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    INFER_TRY(infer_blocked_check(x, -1));
    memcpy(y->dim, x->dim, sizeof y->dim);
    return check_panels(env, 1, y);
}

infer_status infer_blocked_join(infer_view *y, const infer_view *x) {
    for (int32_t k = 0; x->rank >= 0 && k < 4; k++) {
        if (k == 1 || x->dim[k] < 0)
            continue;
        if (y->dim[k] >= 0 && y->dim[k] != x->dim[k])
            return infer_fail(INFER_ERROR_SHAPE, "axis %d has extents %lld and %lld", (int)k,
                              (long long)y->dim[k], (long long)x->dim[k]);
        y->dim[k] = x->dim[k];
    }
    return INFER_OK;
}

static infer_status joined_infer(infer_op_env *env) {
    infer_view spare, *y = infer_out(env, 0, env->in[0]->type, 5, &spare);
    y->dim[1] = 0;
    y->dim[4] = INFER_BLOCK;
    for (uint32_t i = 2; i < env->in_count; i++) {
        const infer_view *x = env->in[i];
        if (!x)
            return infer_fail(INFER_ERROR_FORMAT, "input %u is absent", i);
        INFER_TRY(infer_blocked_check(x, -1));
        INFER_TRY(infer_blocked_join(y, x));
        if (x->rank < 0 || x->dim[1] < 0 || y->dim[1] < 0)
            y->dim[1] = -1;
        else if (__builtin_add_overflow(y->dim[1], x->dim[1], &y->dim[1]))
            return infer_fail(INFER_ERROR_SHAPE, "extents overflow");
    }
    return check_panels(env, 0, y);
}

/* Blocks of channels of all images; the first of the inputs that are joined, the scale's number. */
typedef struct affine_work {
    infer_op_env *env;
    size_t blocks, parts;
    uint32_t first, scale;
} affine_work;

/* Where block number `block` of an image of the joined inputs lies. */
static const float *joined_block(const affine_work *w, size_t image, size_t block, size_t size) {
    uint32_t i = w->first;
    for (; block >= (size_t)w->env->in[i]->dim[1]; i++)
        block -= (size_t)w->env->in[i]->dim[1];
    const infer_view *x = w->env->in[i];
    return (const float *)x->data + (image * (size_t)x->dim[1] + block) * size;
}

static void affine_part(void *arg, size_t part, size_t worker) {
    const affine_work *w = arg;
    const infer_affine_blocked_params *p = w->env->params;
    const infer_view *y = w->env->out[0];
    infer_conv2d c = {.channels = INFER_BLOCK,
                      .in = {(size_t)y->dim[2], (size_t)y->dim[3]},
                      .act = {.low = p->low, .high = p->high}};
    const size_t size = c.in[0] * c.in[1] * INFER_BLOCK;
    size_t first, end;
    (void)worker;
    infer_part(w->blocks, 1, w->parts, part, &first, &end);
    for (size_t i = first; i < end; i++) {
        const size_t block = i % (size_t)y->dim[1], channel = block * INFER_BLOCK;
        const float *scale = w->env->in[w->scale]->data, *shift = w->env->in[w->scale + 1]->data;
        w->env->kernels->affine_blocked_f32(&c, joined_block(w, i / (size_t)y->dim[1], block, size),
                                            scale + channel, shift + channel,
                                            (float *)y->data + i * size);
    }
}

static infer_status run_affine(infer_op_env *env, uint32_t first, uint32_t scale) {
    const infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    affine_work w = {
        .env = env, .blocks = (size_t)(y->dim[0] * y->dim[1]), .first = first, .scale = scale};
    w.parts = infer_parts(env, w.blocks, (double)(y->dim[2] * y->dim[3] * INFER_BLOCK));
    infer_parallel(env, w.parts, affine_part, &w);
    return INFER_OK;
}

static infer_status affine_run(infer_op_env *env) {
    return run_affine(env, 0, 1);
}

static infer_status joined_run(infer_op_env *env) {
    return run_affine(env, 2, 0);
}

/* clang-format off */
#define COMMON(op_name) .domain = "infer", .name = op_name, .since = 1, .newest = 1, .min_out = 1, .max_out = 1
/* clang-format on */

const infer_op infer_op_infer_to_blocks = {
    COMMON("ToBlocks"),  .min_in = 1,       .max_in = 1,
    .types = {T(FLOAT)}, .infer = to_infer, .run = to_run,
};

const infer_op infer_op_infer_from_blocks = {
    COMMON("FromBlocks"), .min_in = 1,     .max_in = 1,         .params_size = sizeof(from_params),
    .attrs = from_attrs,  .attr_count = 2, .types = {T(FLOAT)}, .infer = from_infer,
    .run = from_run,
};

const infer_op infer_op_infer_affine_blocked = {
    COMMON("AffineBlocked"),
    .min_in = 3,
    .max_in = 3,
    .flags = INFER_OP_INPLACE,
    .params_size = sizeof(infer_affine_blocked_params),
    .attrs = affine_attrs,
    .attr_count = 2,
    .types = {T(FLOAT)},
    .infer = affine_infer,
    .run = affine_run,
};

const infer_op infer_op_infer_affine_joined = {
    COMMON("AffineJoined"),
    .min_in = 3,
    .max_in = INFER_VARIADIC,
    .params_size = sizeof(infer_affine_blocked_params),
    .attrs = affine_attrs,
    .attr_count = 2,
    .types = {T(FLOAT), T(FLOAT), T(FLOAT)},
    .infer = joined_infer,
    .run = joined_run,
};
