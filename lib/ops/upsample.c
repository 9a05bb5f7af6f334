/* Upsample: what Resize was before version 10. */
#include "op.h"
#include "status.h"

#include <string.h>

/* The scales as an input, which they are since version 9. */
static infer_status move_scales(infer_rewriter *rw) {
    float image[] = {1, 1, 1, 1};
    infer_view list = {.type = INFER_TYPE_FLOAT, .rank = 1, .dim = {4}, .data = image};
    const infer_attr *all = rw->attr(rw, "scales"), *height = rw->attr(rw, "height_scale");
    const infer_attr *width = rw->attr(rw, "width_scale");
    if (rw->version >= 9)
        return rw->set_input(rw, 2, rw->input(rw, 1));
    if (all && all->type == INFER_ATTR_FLOATS) {
        list.dim[0] = (int64_t)all->count;
        list.data = (void *)(uintptr_t)all->data;
    } else if (height && width && height->type == INFER_ATTR_FLOAT &&
               width->type == INFER_ATTR_FLOAT) {
        image[2] = height->f;
        image[3] = width->f;
    } else {
        return infer_fail(INFER_ERROR_FORMAT, "the scales are missing");
    }
    INFER_TRY(rw->set_input(rw, 2, rw->constant(rw, &list)));
    rw->drop_attr(rw, "scales");
    rw->drop_attr(rw, "height_scale");
    rw->drop_attr(rw, "width_scale");
    return INFER_OK;
}

static infer_status upsample_upgrade(infer_rewriter *rw) {
    const infer_attr *mode = rw->attr(rw, "mode");
    if (mode && mode->type == INFER_ATTR_STRING && mode->count == 8 &&
        memcmp(mode->data, "bilinear", 8) == 0)
        INFER_TRY(infer_set_text(rw, "mode", "linear"));
    INFER_TRY(move_scales(rw));
    INFER_TRY(rw->set_input(rw, 1, INFER_NO_VALUE));
    INFER_TRY(infer_set_text(rw, "coordinate_transformation_mode", "asymmetric"));
    INFER_TRY(infer_set_text(rw, "nearest_mode", "simple"));
    return rw->become(rw, "", "Resize");
}

static infer_status never(infer_op_env *env) {
    (void)env;
    return infer_fail(INFER_ERROR_FORMAT, "Upsample was to become Resize");
}

#define T_RESIZED (T_NUMERIC | T(BOOL) | T(STRING) | T(COMPLEX64) | T(COMPLEX128))

const infer_op infer_op_upsample = {
    .domain = "",
    .name = "Upsample",
    .since = 1,
    .newest = 27,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T_RESIZED, T(FLOAT)},
    .upgrade = upsample_upgrade,
    .infer = never,
    .run = never,
};
