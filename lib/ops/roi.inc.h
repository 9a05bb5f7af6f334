/* Template (real.h): regions of interest of one channel. */

/* Along one axis: the bins of a region, and sampling points in each. */
typedef struct NAME(grid) {
    REAL start, bin, step; /* of the region, of a bin, of a point within it */
    REAL points;           /* in a bin; whole */
} NAME(grid);

static NAME(grid) NAME(grid_of)(REAL low, REAL high, const align_params *p, int64_t bins) {
    REAL shift = p->coordinate_transformation_mode == HALF_PIXEL ? (REAL)0.5 : 0;
    REAL scale = (REAL)p->spatial_scale, start = low * scale - shift, end = high * scale - shift;
    REAL size = end - start;
    if (p->coordinate_transformation_mode != HALF_PIXEL)
        size = size > 1 ? size : 1;
    NAME(grid) g = {.start = start, .bin = size / (REAL)bins};
    g.points = p->sampling_ratio > 0 ? (REAL)p->sampling_ratio : ceil(g.bin);
    g.step = g.bin / g.points;
    return g;
}

/* The points of a bin that lie in [-1, n]: numbers [*first, *end). */
static void NAME(inside)(const NAME(grid) * g, int64_t bin, int64_t n, int64_t *first,
                         int64_t *end) {
    REAL base = g->start + (REAL)bin * g->bin, low = 0, high = g->points;
    *first = *end = 0;
    if (!(g->points > 0) || !(base - base == 0) || !(g->step - g->step == 0))
        return;
    if (g->step != 0) { /* a point more on both sides, which is looked at again */
        REAL one = (-1 - base) / g->step, other = ((REAL)n - base) / g->step;
        REAL from = floor(one < other ? one : other) - 2, to = ceil(one < other ? other : one) + 2;
        low = from > low ? from : low;
        high = to < high ? to : high;
    }
    if (!(low < high) || high > (REAL)INT32_MAX)
        return;
    *first = (int64_t)low;
    *end = (int64_t)high;
}

/* The elements around a place along an axis of n, and the part of the higher. */
static bool NAME(around)(REAL at, int64_t n, int64_t *low, int64_t *high, REAL *part) {
    if (!(at >= -1 && at <= (REAL)n) || n == 0)
        return false;
    at = at > 0 ? at : 0;
    *low = (int64_t)at;
    if (*low >= n - 1) {
        *low = *high = n - 1;
        *part = 0;
    } else {
        *high = *low + 1;
        *part = at - (REAL)*low;
    }
    return true;
}

static REAL NAME(align_bin)(const align_params *p, const REAL *x, int64_t height, int64_t width,
                            const NAME(grid) * v, const NAME(grid) * h, int64_t row,
                            int64_t column) {
    int64_t iy, end_y, first_x, end_x, found = 0;
    REAL sum = 0, most = 0, count = v->points * h->points;
    NAME(inside)(v, row, height, &iy, &end_y);
    NAME(inside)(h, column, width, &first_x, &end_x);
    for (; iy < end_y; iy++) {
        REAL y_at = v->start + (REAL)row * v->bin + ((REAL)iy + (REAL)0.5) * v->bin / v->points, fy;
        int64_t y0, y1, x0, x1;
        if (!NAME(around)(y_at, height, &y0, &y1, &fy))
            continue;
        for (int64_t ix = first_x; ix < end_x; ix++) {
            REAL x_at =
                h->start + (REAL)column * h->bin + ((REAL)ix + (REAL)0.5) * h->bin / h->points;
            REAL fx;
            if (!NAME(around)(x_at, width, &x0, &x1, &fx))
                continue;
            REAL part[] = {(1 - fy) * (1 - fx) * x[y0 * width + x0],
                           (1 - fy) * fx * x[y0 * width + x1], fy * (1 - fx) * x[y1 * width + x0],
                           fy * fx * x[y1 * width + x1]};
            sum += part[0] + part[1] + part[2] + part[3];
            for (int i = 0; i < 4; i++)
                most = (i == 0 && found == 0) || part[i] > most ? part[i] : most;
            found++;
        }
    }
    if (p->mode == AVG)
        return count > 1 ? sum / count : sum;
    /* Points outside count as zeros. */
    return (REAL)found < count && most < 0 ? 0 : most;
}

static infer_status NAME(align)(const infer_op_env *env) {
    const align_params *p = env->params;
    const infer_view *x = env->in[0];
    const infer_view *batch = env->in[2];
    const REAL *rois = env->in[1]->data, *planes = x->data;
    REAL *y = env->out[0]->data;
    int64_t height = x->dim[2], width = x->dim[3], channels = x->dim[1];
    for (int64_t r = 0; r < env->out[0]->dim[0]; r++, rois += 4) {
        NAME(grid) h = NAME(grid_of)(rois[0], rois[2], p, p->output_width);
        NAME(grid) v = NAME(grid_of)(rois[1], rois[3], p, p->output_height);
        int64_t b = infer_index(batch, r);
        if (b < 0 || b >= x->dim[0])
            return infer_fail(INFER_ERROR_VALUE, "region %lld is of sample %lld of %lld",
                              (long long)r, (long long)b, (long long)x->dim[0]);
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < p->output_height; i++)
                for (int64_t j = 0; j < p->output_width; j++)
                    *y++ = NAME(align_bin)(p, planes + (b * channels + c) * height * width, height,
                                           width, &v, &h, i, j);
    }
    return INFER_OK;
}

/* Where bin number i of an axis begins or ends, in elements, within [0, n]. */
static int64_t NAME(edge)(REAL start, REAL at, int64_t n) {
    REAL e = start + at;
    return e > 0 ? e < (REAL)n ? (int64_t)e : n : 0;
}

static infer_status NAME(max_roi)(const infer_op_env *env) {
    const max_params *p = env->params;
    const infer_view *x = env->in[0];
    const int64_t *pooled = infer_list_data(env, &p->pooled_shape);
    const REAL *rois = env->in[1]->data, scale = (REAL)p->spatial_scale;
    REAL *y = env->out[0]->data;
    int64_t height = x->dim[2], width = x->dim[3], channels = x->dim[1];
    for (int64_t r = 0; r < env->out[0]->dim[0]; r++, rois += 5) {
        REAL left = round(rois[1] * scale), top = round(rois[2] * scale);
        REAL w = round(rois[3] * scale) - left + 1, h = round(rois[4] * scale) - top + 1;
        REAL bin_w = (w > 1 ? w : 1) / (REAL)pooled[1], bin_h = (h > 1 ? h : 1) / (REAL)pooled[0];
        if (!(rois[0] >= 0 && rois[0] < (REAL)x->dim[0]))
            return infer_fail(INFER_ERROR_VALUE, "region %lld is of sample %g of %lld",
                              (long long)r, (double)rois[0], (long long)x->dim[0]);
        const REAL *planes = (const REAL *)x->data + (int64_t)rois[0] * channels * height * width;
        for (int64_t c = 0; c < channels; c++, planes += height * width)
            for (int64_t i = 0; i < pooled[0]; i++)
                for (int64_t j = 0; j < pooled[1]; j++) {
                    int64_t y0 = NAME(edge)(top, floor((REAL)i * bin_h), height);
                    int64_t y1 = NAME(edge)(top, ceil((REAL)(i + 1) * bin_h), height);
                    int64_t x0 = NAME(edge)(left, floor((REAL)j * bin_w), width);
                    int64_t x1 = NAME(edge)(left, ceil((REAL)(j + 1) * bin_w), width);
                    REAL most = y1 > y0 && x1 > x0 ? -(REAL)INFINITY : 0;
                    for (int64_t a = y0; a < y1; a++)
                        for (int64_t b = x0; b < x1; b++)
                            most = planes[a * width + b] > most ? planes[a * width + b] : most;
                    *y++ = most;
                }
    }
    return INFER_OK;
}

#undef REAL
#undef S
