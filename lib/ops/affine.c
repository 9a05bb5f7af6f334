/* AffineGrid: the places that an affine map gives every pixel of an image. */
#include "axes.h"
#include "chunk.h"
#include "op.h"
#include "status.h"

typedef struct affine_params {
    int64_t align_corners;
} affine_params;

static const infer_op_attr affine_attrs[] = {A_INT(affine_params, align_corners, 0)};

/* size is N, C, then the extents of the image; the grid has the same without C, and coordinates. */
static infer_status affine_grid_infer(infer_op_env *env) {
    const infer_view *theta = env->in[0], *size = env->in[1];
    infer_view spare, *y = infer_out(env, 0, theta->type, -1, &spare);
    int64_t count = infer_view_count(size), axes = count - 2;
    INFER_TRY(infer_check_list(size, "size"));
    if (count < 0)
        return INFER_OK;
    if (axes != 2 && axes != 3)
        return infer_fail(INFER_ERROR_SHAPE, "a size of %lld extents", (long long)count);
    if (theta->rank >= 0 && (theta->rank != 3 || (theta->dim[1] >= 0 && theta->dim[1] != axes) ||
                             (theta->dim[2] >= 0 && theta->dim[2] != axes + 1)))
        return infer_fail(INFER_ERROR_SHAPE, "theta does not fit a size of %lld extents",
                          (long long)count);
    y->rank = (int32_t)count;
    y->dim[y->rank - 1] = axes;
    if (theta->rank >= 0)
        y->dim[0] = theta->dim[0];
    for (int64_t i = 0; i < count && size->data; i++) {
        int64_t n = infer_index(size, i);
        if (n < 0 || (i == 0 && theta->rank >= 0 && theta->dim[0] >= 0 && theta->dim[0] != n))
            return infer_fail(INFER_ERROR_VALUE, "extent %lld in size", (long long)n);
        if (i != 1)
            y->dim[i > 1 ? i - 1 : 0] = n;
    }
    return INFER_OK;
}

/* Where pixel i of n lies between -1 and 1: the corners' middles, or their outer edges. */
static double position(int64_t i, int64_t n, bool align) {
    if (align)
        return n > 1 ? -1 + 2 * (double)i / (double)(n - 1) : -1;
    return -1 + (2 * (double)i + 1) / (double)n;
}

static infer_status affine_grid_run(infer_op_env *env) {
    const affine_params *p = env->params;
    const infer_view *theta = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    infer_type type = (infer_type)y->type;
    bool align = p->align_corners != 0, deep = y->rank == 5;
    size_t axes = deep ? 3 : 2, at = 0;
    int64_t depth = deep ? y->dim[1] : 1, rows = y->dim[y->rank - 3], columns = y->dim[y->rank - 2];
    for (int64_t n = 0; n < y->dim[0]; n++) {
        infer_chunk chunk;
        size_t cells = axes * (axes + 1);
        const double *m = infer_load_double(type, theta->data, (size_t)n * cells, cells, &chunk);
        for (int64_t d = 0; d < depth; d++)
            for (int64_t r = 0; r < rows; r++)
                for (int64_t c = 0; c < columns; c++, at += axes) {
                    double from[] = {position(c, columns, align), position(r, rows, align),
                                     deep ? position(d, depth, align) : 1, 1};
                    double to[3] = {0};
                    for (size_t i = 0; i < axes; i++)
                        for (size_t k = 0; k <= axes; k++)
                            to[i] += m[i * (axes + 1) + k] * from[k];
                    infer_store_double(type, to, y->data, at, axes);
                }
    }
    return INFER_OK;
}

const infer_op infer_op_affine_grid = {
    .domain = "",
    .name = "AffineGrid",
    .since = 20,
    .newest = 27,
    .params_size = sizeof(affine_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = affine_attrs,
    .types = {T_FLOAT, T(INT64)},
    .infer = affine_grid_infer,
    .run = affine_grid_run,
};
