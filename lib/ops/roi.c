/* RoiAlign and MaxRoiPool: regions of interest of images, each pooled to the same extents. */
#include "axes.h"
#include "op.h"
#include "real.h"
#include "status.h"
#include "widen.h"

#include <tgmath.h>

#define RATIO                                                                                      \
    4096 /* samples along an axis of a bin at most, so that a model cannot ask for ages            \
          */

enum transformation { HALF_PIXEL, OUTPUT_HALF_PIXEL };
enum mode { AVG, MAX };

typedef struct align_params {
    int64_t output_height, output_width, sampling_ratio, mode, coordinate_transformation_mode;
    float spatial_scale, reserved;
} align_params;

static const infer_op_attr align_attrs[] = {
    A_INT(align_params, output_height, 1),
    A_INT(align_params, output_width, 1),
    A_INT(align_params, sampling_ratio, 0),
    A_ENUM(align_params, mode, AVG, "avg|max"),
    A_ENUM(align_params, coordinate_transformation_mode, HALF_PIXEL,
           "half_pixel|output_half_pixel"),
    A_FLOAT(align_params, spatial_scale, 1),
};

typedef struct max_params {
    infer_list pooled_shape;
    float spatial_scale, reserved;
} max_params;

static const infer_op_attr max_attrs[] = {A_REQUIRED(max_params, pooled_shape, INTS),
                                          A_FLOAT(max_params, spatial_scale, 1)};

#define REAL float
#define S    f32
#include "roi.inc.h"
#define REAL double
#define S    f64
#include "roi.inc.h"

/* Images of 4 axes and regions of so many numbers give y. */
static infer_status regions_infer(infer_op_env *env, int64_t numbers, int64_t height,
                                  int64_t width) {
    const infer_view *x = env->in[0], *rois = env->in[1];
    infer_view spare, *y = infer_out(env, 0, x->type, 4, &spare);
    if (height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX)
        return infer_fail(INFER_ERROR_VALUE, "regions of %lld x %lld", (long long)height,
                          (long long)width);
    if ((x->rank >= 0 && x->rank != 4) || (rois->rank >= 0 && rois->rank != 2))
        return infer_fail(INFER_ERROR_SHAPE, "X and rois have ranks %d and %d", (int)x->rank,
                          (int)rois->rank);
    if (rois->rank == 2 && rois->dim[1] >= 0 && rois->dim[1] != numbers)
        return infer_fail(INFER_ERROR_SHAPE, "a region has %lld numbers", (long long)rois->dim[1]);
    y->dim[0] = rois->rank == 2 ? rois->dim[0] : -1;
    y->dim[1] = x->rank == 4 ? x->dim[1] : -1;
    y->dim[2] = height;
    y->dim[3] = width;
    INFER_TRY(infer_view_check(y, true));
    return infer_widen_plan(env);
}

static infer_status align_infer(infer_op_env *env) {
    const align_params *p = env->params;
    const infer_view *rois = env->in[1], *batch = env->in[2];
    if (p->sampling_ratio < 0 || p->sampling_ratio > RATIO)
        return infer_fail(INFER_ERROR_VALUE, "sampling_ratio is %lld",
                          (long long)p->sampling_ratio);
    if (batch->rank >= 0 &&
        (batch->rank != 1 || (batch->dim[0] >= 0 && rois->rank == 2 && rois->dim[0] >= 0 &&
                              batch->dim[0] != rois->dim[0])))
        return infer_fail(INFER_ERROR_SHAPE, "batch_indices does not fit the regions");
    return regions_infer(env, 4, p->output_height, p->output_width);
}

static infer_status max_infer(infer_op_env *env) {
    const max_params *p = env->params;
    const int64_t *pooled = infer_list_data(env, &p->pooled_shape);
    if (p->pooled_shape.count != 2)
        return infer_fail(INFER_ERROR_VALUE, "pooled_shape has %llu entries",
                          (unsigned long long)p->pooled_shape.count);
    return regions_infer(env, 5, pooled[0], pooled[1]);
}

static infer_status align_body(infer_op_env *env) {
    return env->out[0]->type == INFER_TYPE_DOUBLE ? align_f64(env) : align_f32(env);
}

static infer_status max_body(infer_op_env *env) {
    return env->out[0]->type == INFER_TYPE_DOUBLE ? max_roi_f64(env) : max_roi_f32(env);
}

static infer_status align_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, align_body) : INFER_OK;
}

static infer_status max_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, max_body) : INFER_OK;
}

/* Before version 16 regions were not shifted by half a pixel. */
static infer_status align_upgrade(infer_rewriter *rw) {
    return rw->version < 16
               ? infer_set_text(rw, "coordinate_transformation_mode", "output_half_pixel")
               : INFER_OK;
}

const infer_op infer_op_roi_align = {
    .domain = "",
    .name = "RoiAlign",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(align_params),
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof align_attrs / sizeof *align_attrs,
    .attrs = align_attrs,
    .types = {T_FLOAT, T_SAME, T(INT64)},
    .upgrade = align_upgrade,
    .infer = align_infer,
    .run = align_run,
};

const infer_op infer_op_max_roi_pool = {
    .domain = "",
    .name = "MaxRoiPool",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(max_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof max_attrs / sizeof *max_attrs,
    .attrs = max_attrs,
    .types = {T_FLOAT, T_SAME},
    .infer = max_infer,
    .run = max_run,
};
