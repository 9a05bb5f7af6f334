/* CropAndResize: boxes of images, all brought to one size. */
#include "axes.h"
#include "ms.h"
#include "real.h"
#include "widen.h"

#include <math.h>

enum mode { BILINEAR, NEAREST };

typedef struct crop_params {
    int64_t mode;
    float extrapolation_value, reserved;
} crop_params;

static const infer_op_attr crop_attrs[] = {A_ENUM(crop_params, mode, BILINEAR, "bilinear|nearest"),
                                           A_FLOAT(crop_params, extrapolation_value, 0)};

/* Inputs; boxes are (top, left, bottom, right), in parts of the image. */
enum { X, BOXES, IMAGES, SIZE };

static infer_status crop_infer(infer_op_env *env) {
    static const int32_t ranks[] = {4, 2, 1, 1};
    const infer_view *x = env->in[X], *boxes = env->in[BOXES], *images = env->in[IMAGES],
                     *size = env->in[SIZE];
    infer_view spare, *y = infer_out(env, 0, x->type, 4, &spare);
    for (uint32_t i = 0; i < 4; i++)
        if (env->in[i]->rank >= 0 && env->in[i]->rank != ranks[i])
            return infer_fail(INFER_ERROR_SHAPE, "input %u has rank %d", i, (int)env->in[i]->rank);
    if (images->type != INFER_TYPE_INT32 || size->type != INFER_TYPE_INT32)
        return infer_fail(INFER_ERROR_TYPE, "indices are no int32");
    if ((boxes->rank == 2 && boxes->dim[1] >= 0 && boxes->dim[1] != 4) ||
        (size->rank == 1 && size->dim[0] >= 0 && size->dim[0] != 2) ||
        (boxes->rank == 2 && images->rank == 1 && boxes->dim[0] >= 0 && images->dim[0] >= 0 &&
         boxes->dim[0] != images->dim[0]))
        return infer_fail(INFER_ERROR_SHAPE, "the inputs do not fit each other");
    if (boxes->rank == 2)
        y->dim[0] = boxes->dim[0];
    if (x->rank == 4)
        y->dim[1] = x->dim[1];
    for (int i = 0; i < 2 && size->data && infer_view_concrete(size); i++) {
        y->dim[2 + i] = ((const int32_t *)size->data)[i];
        if (y->dim[2 + i] < 1)
            return infer_fail(INFER_ERROR_VALUE, "crops of the extent %lld",
                              (long long)y->dim[2 + i]);
    }
    for (uint32_t i = 0; i < 4; i++)
        if (!infer_view_concrete(env->in[i]))
            return INFER_OK;
    INFER_TRY(infer_view_check(y, true));
    return infer_view_concrete(y) ? infer_widen_plan(env) : INFER_OK;
}

#define REAL float
#define S    f32
#include "ms_crop.inc.h"
#define REAL double
#define S    f64
#include "ms_crop.inc.h"

static infer_status crop_body(infer_op_env *env) {
    const int32_t *images = env->in[IMAGES]->data;
    for (int64_t i = 0; i < env->in[IMAGES]->dim[0]; i++)
        if (images[i] < 0 || images[i] >= env->in[X]->dim[0])
            return infer_fail(INFER_ERROR_VALUE, "box %lld is of image %d of %lld", (long long)i,
                              (int)images[i], (long long)env->in[X]->dim[0]);
    if (env->in[X]->type == INFER_TYPE_DOUBLE)
        crop_f64(env);
    else
        crop_f32(env);
    return INFER_OK;
}

static infer_status crop_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, crop_body) : INFER_OK;
}

#define T_IMAGE (T(FLOAT) | T(DOUBLE) | T(FLOAT16))

const infer_op infer_op_ms_crop_and_resize = {
    MS_OP("CropAndResize", 4, 4, 1, 1, crop_infer, crop_run),
    .types = {T_IMAGE, T_SAME, T(INT32), T(INT32)},
    .params_size = sizeof(crop_params),
    MS_ATTRS(crop_attrs),
};
