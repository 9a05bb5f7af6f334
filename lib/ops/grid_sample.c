/* GridSample: elements of x, or between them, at positions that are data. */
#include "axes.h"
#include "checked.h"
#include "chunk.h"
#include "op.h"
#include "real.h"
#include "scratch.h"
#include "status.h"
#include "widen.h"
#include "window.h"

#include <string.h>
#include <tgmath.h>

#define GRID_RANK 4 /* spatial axes; a place is made of up to 4 elements along each */
#define GRID_TAPS 256

enum mode { LINEAR, NEAREST, CUBIC };
enum padding { ZEROS, BORDER, REFLECTION };

typedef struct grid_params {
    int64_t mode, padding_mode, align_corners;
} grid_params;

static const infer_op_attr grid_attrs[] = {
    A_ENUM(grid_params, mode, LINEAR, "linear|nearest|cubic"),
    A_ENUM(grid_params, padding_mode, ZEROS, "zeros|border|reflection"),
    A_INT(grid_params, align_corners, 0),
};

typedef struct grid_plan {
    int32_t rank;
    enum mode mode;
    enum padding padding;
    bool align;
    int64_t in[GRID_RANK];
    size_t batch, channels, plane, places;
    size_t x_at, y_at, size; /* copies in the scratch */
} grid_plan;

/* ---- positions ---- */

/* Reflects a position between the borders. */
static double reflect(double at, double low, double high) {
    double range = high - low, off = at < low ? low - at : at - high;
    if (off <= 0 || !(off < 0x1p60))
        return at;
    if (range <= 0)
        return low;
    double times = floor(off / range), rest = off - times * range;
    bool back = fmod(times, 2) != 0;
    return (at < low) != back ? low + rest : high - rest;
}

static double border(const grid_plan *p, int32_t axis, bool high) {
    double end = (double)p->in[axis] - 1;
    return p->align ? (high ? end : 0) : (high ? end + 0.5 : -0.5);
}

/* The position in elements along an axis of a number in [-1, 1]. */
static double position_of(const grid_plan *p, int32_t axis, double x) {
    double n = (double)p->in[axis], low = border(p, axis, false), high = border(p, axis, true);
    double at = p->align ? (x + 1) / 2 * (n - 1) : ((x + 1) * n - 1) / 2;
    if (p->mode == NEAREST)
        at = nearbyint(at);
    if (p->padding == BORDER && p->mode != CUBIC) /* whose elements are clamped alone */
        at = at < low ? 0 : at > high ? n - 1 : at;
    else if (p->padding == REFLECTION)
        at = reflect(at, low, high);
    /* Far outside all places are alike; so is what is no number. */
    return at > -8 ? at < n + 8 ? at : n + 8 : -8;
}

/* An element's number along an axis, -1 for none. */
static int64_t element_at(const grid_plan *p, int32_t axis, int64_t i) {
    int64_t last = p->in[axis] - 1;
    if (i >= 0 && i <= last)
        return i;
    if (p->padding == ZEROS)
        return -1;
    if (p->padding == REFLECTION)
        i = (int64_t)reflect((double)i, border(p, axis, false), border(p, axis, true));
    return i < 0 ? 0 : i > last ? last : i;
}

#define REAL float
#define S    f32
#include "grid_sample.inc.h"
#define REAL double
#define S    f64
#include "grid_sample.inc.h"

/* ---- shapes ---- */

static infer_status plan(const infer_op_env *env, const infer_view *y, grid_plan *p) {
    const grid_params *params = env->params;
    const infer_view *x = env->in[0];
    infer_type within = infer_type_between(x);
    bool copies = params->mode != NEAREST && x->type != within;
    *p = (grid_plan){.rank = x->rank - 2,
                     .mode = (enum mode)params->mode,
                     .padding = (enum padding)params->padding_mode,
                     .align = params->align_corners != 0,
                     .batch = (size_t)x->dim[0],
                     .channels = (size_t)x->dim[1]};
    memcpy(p->in, x->dim + 2, (size_t)p->rank * sizeof *p->in);
    p->plane = infer_window_count(x->dim + 2, p->rank);
    p->places = infer_window_count(y->dim + 2, p->rank);
    if (infer_scratch_take(&p->size, copies ? (size_t)infer_view_count(x) : 0, 1,
                           infer_type_size(within), &p->x_at) &&
        infer_scratch_take(&p->size, copies ? (size_t)infer_view_count(y) : 0, 1,
                           infer_type_size(within), &p->y_at))
        return INFER_OK;
    return infer_fail(INFER_ERROR_SHAPE, "the tensors do not fit memory");
}

static infer_status grid_infer(infer_op_env *env) {
    const grid_params *params = env->params;
    const infer_view *x = env->in[0], *grid = env->in[1];
    infer_type_class class = infer_type_kind((infer_type)x->type);
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    grid_plan p;
    if (params->mode != NEAREST && (class == INFER_CLASS_TEXT || class == INFER_CLASS_COMPLEX))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%s between elements",
                          infer_type_name((infer_type)x->type));
    if (x->rank >= 0 && (x->rank < 3 || x->rank > GRID_RANK + 2))
        return infer_fail(INFER_ERROR_SHAPE, "x has rank %d", (int)x->rank);
    if (x->rank < 0 || grid->rank < 0)
        return INFER_OK;
    int64_t last = grid->dim[grid->rank > 0 ? grid->rank - 1 : 0];
    if (grid->rank != x->rank || (last >= 0 && last != x->rank - 2) ||
        (grid->dim[0] >= 0 && x->dim[0] >= 0 && grid->dim[0] != x->dim[0]))
        return infer_fail(INFER_ERROR_SHAPE, "the grid does not fit x");
    y->dim[0] = x->dim[0];
    y->dim[1] = x->dim[1];
    for (int32_t i = 2; i < x->rank; i++)
        y->dim[i] = grid->dim[i - 1];
    INFER_TRY(infer_view_check(y, true));
    if (!infer_view_concrete(x) || !infer_view_concrete(grid))
        return INFER_OK;
    for (int32_t i = 2; i < x->rank; i++)
        if (x->dim[i] == 0 || x->dim[i] > INT32_MAX)
            return infer_fail(INFER_ERROR_SHAPE, "axis %d has extent %lld", (int)i,
                              (long long)x->dim[i]);
    INFER_TRY(plan(env, y, &p));
    env->scratch_size = p.size;
    return INFER_OK;
}

/* ---- running ---- */

static void pick(const grid_plan *p, const infer_view *x, size_t n, const double *position, char *y,
                 size_t size) {
    int64_t at = 0;
    for (int32_t i = 0; i < p->rank && at >= 0; i++) {
        int64_t k = element_at(p, i, (int64_t)position[i]);
        at = k < 0 ? -1 : at * p->in[i] + k;
    }
    for (size_t c = 0; c < p->channels; c++, y += p->places * size) {
        const char *from = (const char *)x->data + (n * p->channels + c) * p->plane * size;
        if (at >= 0)
            memcpy(y, from + (size_t)at * size, size);
        else if (x->type == INFER_TYPE_STRING)
            *(infer_string *)(void *)y = (infer_string){"", 0};
        else
            memset(y, 0, size);
    }
}

static infer_status grid_run(infer_op_env *env) {
    const infer_view *x = env->in[0], *grid = env->in[1];
    infer_view *y = env->out[0];
    infer_type within = infer_type_between(x);
    grid_plan p;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(plan(env, y, &p));
    bool nearest = p.mode == NEAREST, copies = !nearest && x->type != within;
    void *scratch = env->scratch;
    void *from = copies ? infer_scratch_at(scratch, p.x_at) : x->data,
         *to = copies ? infer_scratch_at(scratch, p.y_at) : y->data;
    size_t size = infer_type_size((infer_type)x->type), rank = (size_t)p.rank;
    if (copies)
        infer_widen_all(x, within, from);
    for (size_t i = 0; i < p.batch * p.places; i++) {
        infer_chunk chunk;
        const double *given =
            infer_load_double((infer_type)grid->type, grid->data, i * rank, rank, &chunk);
        double position[GRID_RANK];
        size_t n = i / p.places, base = n * p.channels, place = i % p.places;
        for (int32_t k = 0; k < p.rank; k++) /* the grid names the last axis first */
            position[k] = position_of(&p, k, given[p.rank - 1 - k]);
        if (nearest)
            pick(&p, x, n, position, (char *)to + (base * p.places + place) * size, size);
        else if (within == INFER_TYPE_DOUBLE)
            sample_f64(&p, (const double *)from + base * p.plane, position,
                       (double *)to + base * p.places + place);
        else
            sample_f32(&p, (const float *)from + base * p.plane, position,
                       (float *)to + base * p.places + place);
    }
    if (copies)
        infer_narrow_all(within, to, y);
    return INFER_OK;
}

/* Before version 20 the modes had other names. */
static infer_status grid_upgrade(infer_rewriter *rw) {
    const infer_attr *mode = rw->attr(rw, "mode");
    if (rw->version >= 20 || !mode || mode->type != INFER_ATTR_STRING)
        return INFER_OK;
    if (mode->count == 8 && memcmp(mode->data, "bilinear", 8) == 0)
        return infer_set_text(rw, "mode", "linear");
    if (mode->count == 7 && memcmp(mode->data, "bicubic", 7) == 0)
        return infer_set_text(rw, "mode", "cubic");
    return INFER_OK;
}

#define T_SAMPLED (T_NUMERIC | T(BOOL) | T(STRING) | T(COMPLEX64) | T(COMPLEX128))

const infer_op infer_op_grid_sample = {
    .domain = "",
    .name = "GridSample",
    .since = 16,
    .newest = 27,
    .params_size = sizeof(grid_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof grid_attrs / sizeof *grid_attrs,
    .attrs = grid_attrs,
    .types = {T_SAMPLED, T_FLOAT},
    .upgrade = grid_upgrade,
    .infer = grid_infer,
    .run = grid_run,
};
