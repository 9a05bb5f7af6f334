/* Resize: shapes, and elements made of several. */
#include "resize.h"

#include "axes.h"
#include "checked.h"
#include "chunk.h"
#include "op.h"
#include "real.h"
#include "scratch.h"
#include "status.h"
#include "widen.h"
#include "window.h"

#include <math.h>
#include <string.h>

typedef struct resize_params {
    infer_list axes;
    int64_t mode, coordinate_transformation_mode, nearest_mode, keep_aspect_ratio_policy;
    int64_t antialias, exclude_outside;
    float cubic_coeff_a, extrapolation_value;
} resize_params;

static const infer_op_attr resize_attrs[] = {
    A_LIST(resize_params, axes, INTS),
    A_ENUM(resize_params, mode, NEAREST, "nearest|linear|cubic"),
    A_ENUM(resize_params, coordinate_transformation_mode, HALF_PIXEL,
           "half_pixel|half_pixel_symmetric|pytorch_half_pixel|align_corners|asymmetric|"
           "tf_crop_and_resize|tf_half_pixel_for_nn"),
    A_ENUM(resize_params, nearest_mode, ROUND_PREFER_FLOOR,
           "round_prefer_floor|round_prefer_ceil|floor|ceil|simple"),
    A_ENUM(resize_params, keep_aspect_ratio_policy, STRETCH, "stretch|not_larger|not_smaller"),
    A_INT(resize_params, antialias, 0),
    A_INT(resize_params, exclude_outside, 0),
    A_FLOAT(resize_params, cubic_coeff_a, -0.75f),
    A_FLOAT(resize_params, extrapolation_value, 0),
};

/* Inputs. */
enum { X, ROI, SCALES, SIZES };

/* ---- places ---- */

/* A length of y as one of x; by integers where they are known, so that whole numbers stay whole. */
static double shrink(const infer_resize_axis *a, double x) {
    return a->exact ? x * (double)a->in / (double)a->out : x / a->scale;
}

double infer_resize_original(const infer_resize_plan *p, int32_t axis, int64_t place,
                             bool *outside) {
    const infer_resize_axis *a = &p->axis[axis];
    double x = (double)place, in = (double)a->in, center = in / 2;
    double width = a->exact ? (double)a->out : a->scale * in; /* before it was rounded */
    *outside = false;
    switch (p->transform) {
    case HALF_PIXEL:
        x = shrink(a, x + 0.5) - 0.5;
        break;
    case HALF_PIXEL_SYMMETRIC:
        x = center * (1 - (double)a->out / width) + shrink(a, x + 0.5) - 0.5;
        break;
    case PYTORCH_HALF_PIXEL:
        x = a->out > 1 ? shrink(a, x + 0.5) - 0.5 : 0;
        break;
    case ALIGN_CORNERS:
        x = a->out > 1 ? x * (in - 1) / (width - 1) : 0;
        break;
    case ASYMMETRIC:
        x = shrink(a, x);
        break;
    case TF_CROP_AND_RESIZE:
        x = a->out > 1 ? a->start * (in - 1) + x * (a->end - a->start) * (in - 1) / (width - 1)
                       : 0.5 * (a->start + a->end) * (in - 1);
        *outside = !(x >= 0 && x <= in - 1);
        break;
    case TF_HALF_PIXEL_FOR_NN:
        x = shrink(a, x + 0.5);
    }
    return x > -1 ? x < in ? x : in : x > -in ? x : -in; /* NaN included */
}

static double kernel(const infer_resize_plan *p, double x) {
    double a = p->cubic;
    x = fabs(x);
    if (p->mode == LINEAR)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Axes with something to do, those first that shrink. */
static int32_t axis_order(const infer_resize_plan *p, int32_t *order) {
    int32_t count = 0;
    for (int grow = 0; grow < 2; grow++)
        for (int32_t i = 0; i < p->rank; i++)
            if (p->axis[i].changes && (p->axis[i].out > p->axis[i].in) == grow)
                order[count++] = i;
    return count;
}

#define REAL float
#define S    f32
#include "resize.inc.h"
#define REAL double
#define S    f64
#include "resize.inc.h"

/* ---- shapes ---- */

/* An input that is there and not empty: before version 13 the absent ones were. */
static const infer_view *optional(const infer_op_env *env, uint32_t index) {
    const infer_view *v = infer_input(env, index);
    return v && infer_view_count(v) != 0 ? v : NULL;
}

static double real_at(const infer_view *v, int64_t i) {
    infer_chunk chunk;
    return *infer_load_double((infer_type)v->type, v->data, (size_t)i, 1, &chunk);
}

/* Axis number i of those that scales and sizes are about. */
static infer_status listed_axis(const infer_op_env *env, int64_t i, int32_t *axis) {
    const resize_params *p = env->params;
    const int64_t *axes = infer_list_data(env, &p->axes);
    return infer_axis(p->axes.count ? axes[i] : i, env->in[X]->rank, axis);
}

static infer_status from_sizes(const infer_op_env *env, const infer_view *sizes, int64_t count,
                               infer_resize_plan *r) {
    const resize_params *p = env->params;
    double common = 0;
    for (int64_t i = 0; i < count; i++) {
        int32_t axis = 0;
        INFER_TRY(listed_axis(env, i, &axis));
        infer_resize_axis *a = &r->axis[axis];
        a->out = infer_index(sizes, i);
        if (a->out < 0 || (a->in == 0 && a->out > 0))
            return infer_fail(INFER_ERROR_VALUE, "axis %d gets extent %lld from %lld", (int)axis,
                              (long long)a->out, (long long)a->in);
        a->scale = a->in ? (double)a->out / (double)a->in : 1;
        a->exact = true;
        bool better =
            p->keep_aspect_ratio_policy == NOT_LARGER ? a->scale < common : a->scale > common;
        common = i == 0 || better ? a->scale : common;
    }
    for (int64_t i = 0; p->keep_aspect_ratio_policy != STRETCH && i < count; i++) {
        int32_t axis = 0;
        INFER_TRY(listed_axis(env, i, &axis));
        infer_resize_axis *a = &r->axis[axis];
        double out = floor(common * (double)a->in + 0.5);
        if (!(out < 0x1p60))
            return infer_fail(INFER_ERROR_SHAPE, "axis %d becomes too long", (int)axis);
        a->scale = common;
        a->exact = false;
        a->out = (int64_t)out;
    }
    return INFER_OK;
}

static infer_status from_scales(const infer_op_env *env, const infer_view *scales, int64_t count,
                                infer_resize_plan *r) {
    for (int64_t i = 0; i < count; i++) {
        int32_t axis = 0;
        float scale = ((const float *)scales->data)[i];
        INFER_TRY(listed_axis(env, i, &axis));
        infer_resize_axis *a = &r->axis[axis];
        float out = floorf((float)a->in * scale);
        if (!(scale > 0 && out < 0x1p60f))
            return infer_fail(INFER_ERROR_VALUE, "axis %d has the scale %g", (int)axis,
                              (double)scale);
        a->scale = (double)scale;
        a->out = (int64_t)out;
    }
    return INFER_OK;
}

/* Everything but the region; *known: extents are. */
static infer_status read_plan(const infer_op_env *env, infer_resize_plan *r, bool *known) {
    const resize_params *p = env->params;
    const infer_view *x = env->in[X], *scales = optional(env, SCALES),
                     *sizes = optional(env, SIZES);
    const infer_view *list = sizes ? sizes : scales, *roi = optional(env, ROI);
    *known = false;
    *r = (infer_resize_plan){.rank = x->rank,
                             .mode = (enum mode)p->mode,
                             .transform = (enum transform)p->coordinate_transformation_mode,
                             .nearest = (enum nearest)p->nearest_mode,
                             .antialias = p->antialias != 0,
                             .exclude_outside = p->exclude_outside != 0,
                             .cubic = (double)p->cubic_coeff_a,
                             .extrapolation_value = (double)p->extrapolation_value};
    if (!list)
        return infer_fail(INFER_ERROR_VALUE, "neither scales nor sizes are given");
    INFER_TRY(infer_check_list(list, sizes ? "sizes" : "scales"));
    if (sizes && scales && infer_view_count(sizes) > 0 && infer_view_count(scales) > 0)
        return infer_fail(INFER_ERROR_VALUE, "both scales and sizes are given");
    if (x->rank < 0)
        return INFER_OK;
    int64_t count = p->axes.count ? (int64_t)p->axes.count : x->rank, n = infer_view_count(list);
    if (count > x->rank || (n >= 0 && n != count))
        return infer_fail(INFER_ERROR_SHAPE, "%lld scales or sizes for %lld axes", (long long)n,
                          (long long)count);
    if (r->transform == TF_CROP_AND_RESIZE &&
        (!roi || (infer_view_count(roi) >= 0 && infer_view_count(roi) != 2 * count)))
        return infer_fail(INFER_ERROR_SHAPE, "roi does not have two numbers an axis");
    if (!list->data || n < 0 || !infer_view_concrete(x))
        return INFER_OK;
    for (int32_t i = 0; i < x->rank; i++)
        r->axis[i] = (infer_resize_axis){.in = x->dim[i], .out = x->dim[i], .scale = 1, .end = 1};
    INFER_TRY(sizes ? from_sizes(env, sizes, count, r) : from_scales(env, scales, count, r));
    for (int32_t i = 0; i < x->rank; i++) {
        infer_resize_axis *a = &r->axis[i];
        double stretch = r->antialias && a->scale < 1 ? a->scale : 1;
        double start = floor(-(r->mode == LINEAR ? 1 : 2) / stretch) + 1;
        a->changes = a->scale != 1 || a->out != a->in;
        if (2 - 2 * start > 0x1p40)
            return infer_fail(INFER_ERROR_SHAPE, "axis %d shrinks too much", (int)i);
        a->taps = 2 - 2 * (int64_t)start;
    }
    for (int64_t i = 0; r->transform == TF_CROP_AND_RESIZE && i < count; i++) {
        int32_t axis = 0;
        INFER_TRY(listed_axis(env, i, &axis));
        r->axis[axis].changes = true; /* as the region may say */
    }
    *known = true;
    return INFER_OK;
}

/* Places in the scratch. */
typedef struct rooms {
    size_t x, y, buffer[2], lists, weights, index, size;
} rooms;

static infer_status plan_rooms(const infer_view *x, const infer_resize_plan *p, rooms *r) {
    infer_type within = infer_type_between(x);
    size_t element = infer_type_size(within), most[2] = {0, 0}, places = 0;
    size_t weights = 0, index = 0, y = 1;
    bool fits = true;
    *r = (rooms){0};
    for (int32_t i = 0; i < p->rank; i++) {
        fits = fits && infer_mul(y, (size_t)p->axis[i].out, &y) &&
               infer_add(index, (size_t)p->axis[i].out, &index);
        if (!p->axis[i].changes)
            continue;
        size_t out = (size_t)p->axis[i].out, n;
        fits = fits && infer_mul(out, (size_t)p->axis[i].taps, &n);
        weights = fits && n > weights ? n : weights;
        places = out > places ? out : places;
    }
    if (p->mode == NEAREST) {
        fits = fits && infer_scratch_take(&r->size, index, 1, sizeof(int64_t), &r->index);
    } else {
        int32_t order[INFER_MAX_RANK], count = axis_order(p, order);
        int64_t extent[INFER_MAX_RANK];
        for (int32_t i = 0; i < p->rank; i++)
            extent[i] = p->axis[i].in;
        for (int32_t pass = 0; fits && pass < count - 1; pass++) {
            size_t elements = 1;
            extent[order[pass]] = p->axis[order[pass]].out;
            for (int32_t i = 0; fits && i < p->rank; i++)
                fits = infer_mul(elements, (size_t)extent[i], &elements);
            most[pass % 2] = elements > most[pass % 2] ? elements : most[pass % 2];
        }
        bool copies = x->type != within;
        fits = fits &&
               infer_scratch_take(&r->size, copies ? (size_t)infer_view_count(x) : 0, 1, element,
                                  &r->x) &&
               infer_scratch_take(&r->size, copies ? y : 0, 1, element, &r->y) &&
               infer_scratch_take(&r->size, most[0], 1, element, &r->buffer[0]) &&
               infer_scratch_take(&r->size, most[1], 1, element, &r->buffer[1]) &&
               infer_scratch_take(&r->size, places, 1, sizeof(tap_list_f64), &r->lists) &&
               infer_scratch_take(&r->size, weights, 1, element, &r->weights);
    }
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the result does not fit memory");
}

/* What is known of y where not all extents of x are, but the scales or sizes. */
static infer_status infer_partly(const infer_op_env *env, infer_view *y) {
    const resize_params *p = env->params;
    const infer_view *x = env->in[X], *scales = optional(env, SCALES);
    const infer_view *list = optional(env, SIZES) ? optional(env, SIZES) : scales;
    if (x->rank < 0 || !list->data || p->keep_aspect_ratio_policy != STRETCH)
        return INFER_OK;
    memcpy(y->dim, x->dim, sizeof y->dim);
    for (int64_t i = 0; i < infer_view_count(list); i++) {
        int32_t axis = 0;
        INFER_TRY(listed_axis(env, i, &axis));
        if (list != scales)
            y->dim[axis] = infer_index(list, i);
        else if (((const float *)scales->data)[i] != 1)
            y->dim[axis] = -1;
    }
    return infer_view_check(y, true);
}

static infer_status resize_infer(infer_op_env *env) {
    const infer_view *x = env->in[X];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    infer_type_class class = infer_type_kind((infer_type)x->type);
    infer_resize_plan p;
    rooms r;
    bool known;
    INFER_TRY(read_plan(env, &p, &known));
    if (p.mode != NEAREST && (class == INFER_CLASS_TEXT || class == INFER_CLASS_COMPLEX))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%s between elements",
                          infer_type_name((infer_type)x->type));
    if (!known)
        return infer_partly(env, y);
    for (int32_t i = 0; i < p.rank; i++)
        y->dim[i] = p.axis[i].out;
    INFER_TRY(infer_view_check(y, false));
    INFER_TRY(plan_rooms(x, &p, &r));
    env->scratch_size = r.size;
    return INFER_OK;
}

/* ---- running ---- */

static infer_status read_region(const infer_op_env *env, infer_resize_plan *p) {
    const infer_view *roi = optional(env, ROI);
    int64_t count = roi ? infer_view_count(roi) / 2 : 0;
    for (int64_t i = 0; p->transform == TF_CROP_AND_RESIZE && i < count; i++) {
        int32_t axis = 0;
        INFER_TRY(listed_axis(env, i, &axis));
        p->axis[axis].start = real_at(roi, i);
        p->axis[axis].end = real_at(roi, i + count);
    }
    return INFER_OK;
}

static infer_status resize_run(infer_op_env *env) {
    const infer_view *x = env->in[X];
    infer_view *y = env->out[0];
    void *scratch = env->scratch;
    infer_resize_plan p;
    rooms r;
    bool known;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(read_plan(env, &p, &known));
    for (int32_t i = 0; i < p.rank; i++)
        if (!known || p.axis[i].out != y->dim[i])
            return infer_fail(INFER_ERROR_VALUE, "the sizes changed");
    INFER_TRY(read_region(env, &p));
    INFER_TRY(plan_rooms(x, &p, &r));
    if (r.size > env->scratch_size)
        return infer_fail(INFER_ERROR_VALUE, "the scales changed");
    if (p.mode == NEAREST) {
        infer_resize_nearest(x, y, &p, infer_scratch_at(scratch, r.index));
        return INFER_OK;
    }
    infer_type within = infer_type_between(x);
    bool copies = x->type != within;
    void *from = copies ? infer_scratch_at(scratch, r.x) : x->data,
         *to = copies ? infer_scratch_at(scratch, r.y) : y->data;
    void *lists = infer_scratch_at(scratch, r.lists),
         *weights = infer_scratch_at(scratch, r.weights);
    if (copies)
        infer_widen_all(x, within, from);
    if (within == INFER_TYPE_DOUBLE)
        resize_all_f64(&p, from, to,
                       (double *[]){infer_scratch_at(scratch, r.buffer[0]),
                                    infer_scratch_at(scratch, r.buffer[1])},
                       lists, weights);
    else
        resize_all_f32(&p, from, to,
                       (float *[]){infer_scratch_at(scratch, r.buffer[0]),
                                   infer_scratch_at(scratch, r.buffer[1])},
                       lists, weights);
    if (copies)
        infer_narrow_all(within, to, y);
    return INFER_OK;
}

/* ---- old versions ---- */

/* In version 10 places were scaled without any shift. */
static infer_status resize_upgrade(infer_rewriter *rw) {
    if (rw->version >= 11)
        return INFER_OK;
    INFER_TRY(rw->set_input(rw, 2, rw->input(rw, 1)));
    INFER_TRY(rw->set_input(rw, 1, INFER_NO_VALUE));
    INFER_TRY(infer_set_text(rw, "coordinate_transformation_mode", "asymmetric"));
    return infer_set_text(rw, "nearest_mode", "simple");
}

#define T_RESIZED (T_NUMERIC | T(BOOL) | T(STRING) | T(COMPLEX64) | T(COMPLEX128))

const infer_op infer_op_resize = {
    .domain = "",
    .name = "Resize",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(resize_params),
    .min_in = 1,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof resize_attrs / sizeof *resize_attrs,
    .attrs = resize_attrs,
    .types = {T_RESIZED, T_FLOAT, T(FLOAT), T(INT64)},
    .upgrade = resize_upgrade,
    .infer = resize_infer,
    .run = resize_run,
};
