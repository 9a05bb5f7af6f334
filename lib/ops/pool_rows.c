/* Pools over planes, row by row. A plane gets its padding; then taps of a row are joined for all
 * places of the plane, as if strides were one, and those of a column for the rows that outputs
 * have. Of these the strides pick some. What is joined across the end of a row, nobody reads. */
#include "pool_rows.h"

#include "axes.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

#include <string.h>

#define LEAST_OUT 2 /* places of an output row: fewer are not worth the rows */
#define MOST      4 /* times the places of input and output that a plane may have with its padding */

/* An axis of the window, of two; the first of one is a single place. */
typedef struct axis {
    size_t in, out, kernel, stride, dilation, before, padded;
} axis;

typedef struct geometry {
    axis y, x;
    bool floats;
    size_t places; /* of a padded plane */
    size_t plane_at, joined_at, row_at, counts_at, size;
} geometry;

static bool read_axis(const infer_window *w, int which, axis *a) {
    const int i = which - 2 + w->rank;
    int64_t reach, last, padded;
    *a = (axis){1, 1, 1, 1, 1, 0, 1};
    if (i < 0)
        return true;
    if (w->in[i] < 1 || w->out[i] < 1 || w->before[i] < 0 ||
        __builtin_mul_overflow(w->kernel[i] - 1, w->dilation[i], &reach) ||
        __builtin_mul_overflow(w->out[i] - 1, w->stride[i], &last) ||
        __builtin_add_overflow(last, reach, &last) || last > INT32_MAX ||
        __builtin_add_overflow(w->before[i], w->in[i], &padded) || padded > INT32_MAX)
        return false;
    padded = padded > last ? padded : last + 1;
    *a = (axis){(size_t)w->in[i],     (size_t)w->out[i],      (size_t)w->kernel[i],
                (size_t)w->stride[i], (size_t)w->dilation[i], (size_t)w->before[i],
                (size_t)padded};
    return true;
}

static bool measure(const infer_op_env *env, const infer_window *w, bool average, geometry *g) {
    const infer_view *x = env->in[0];
    const bool bytes = x->type == INFER_TYPE_INT8 || x->type == INFER_TYPE_UINT8;
    g->floats = average;
    g->size = 0;
    if ((average ? x->type != INFER_TYPE_FLOAT : !bytes) || (env->out_count > 1 && env->out[1]) ||
        !infer_view_concrete(x) || w->rank < 1 || w->rank > 2 || !read_axis(w, 0, &g->y) ||
        !read_axis(w, 1, &g->x) || g->x.out < LEAST_OUT)
        return false;
    const size_t element = g->floats ? sizeof(float) : 1;
    return infer_mul(g->y.padded, g->x.padded, &g->places) &&
           g->places / MOST <= g->y.in * g->x.in + g->y.out * g->x.out &&
           infer_scratch_take(&g->size, g->places, 1, element, &g->plane_at) &&
           infer_scratch_take(&g->size, g->places, 1, element, &g->joined_at) &&
           infer_scratch_take(&g->size, g->x.padded, 1, element, &g->row_at) &&
           infer_scratch_take(&g->size, g->floats ? g->x.out : 0, 1, element, &g->counts_at);
}

infer_status infer_pool_rows_plan(infer_op_env *env, const infer_window *w, bool average) {
    geometry g;
    size_t all;
    if (!measure(env, w, average, &g))
        return INFER_OK;
    if (!infer_mul(g.size, infer_workers(env), &all) ||
        !infer_add(env->scratch_size, all, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the pool does not fit memory");
    return INFER_OK;
}

/* Taps of an axis that lie within the input, or its padding, at an output's place. */
static size_t taps_at(const axis *a, const infer_window *w, int which, size_t place,
                      bool with_padding) {
    const int i = which - 2 + w->rank;
    const size_t first = with_padding ? 0 : a->before;
    const size_t end = a->before + a->in + (with_padding && i >= 0 ? (size_t)w->after[i] : 0);
    size_t count = 0;
    for (size_t t = 0, at = place * a->stride; t < a->kernel; t++, at += a->dilation)
        count += at >= first && at < end;
    return count;
}

typedef struct rows_job {
    const infer_op_env *env;
    const infer_window *w;
    const geometry *g;
    size_t planes, parts;
    bool with_padding;
} rows_job;

/* ---- bytes ---- */

static void largest(const rows_job *j, const uint8_t *x, uint8_t *room, uint8_t *y) {
    const geometry *g = j->g;
    const infer_kernels *k = j->env->kernels;
    const bool sign = j->env->in[0]->type == INFER_TYPE_INT8;
    uint8_t *plane = room + g->plane_at, *joined = room + g->joined_at, *row = room + g->row_at;
    const size_t width = g->x.padded;
    if (g->places != g->y.in * g->x.in)
        memset(plane, sign ? 128 : 0, g->places);
    for (size_t i = 0; i < g->y.in; i++)
        memcpy(plane + (g->y.before + i) * width + g->x.before, x + i * g->x.in, g->x.in);
    k->max_8(plane, g->x.kernel, g->x.dilation, g->places - (g->x.kernel - 1) * g->x.dilation, sign,
             joined);
    const size_t reach = (g->x.out - 1) * g->x.stride + 1;
    for (size_t i = 0; i < g->y.out; i++, y += g->x.out) {
        k->max_8(joined + i * g->y.stride * width, g->y.kernel, g->y.dilation * width, reach, sign,
                 g->x.stride == 1 ? y : row);
        if (g->x.stride > 1)
            k->pick_8(row, g->x.stride, g->x.out, y);
    }
}

/* ---- floats ---- */

static void sum_taps(const infer_kernels *k, const float *x, size_t taps, size_t step, size_t n,
                     float *y) {
    if (taps == 1)
        memcpy(y, x, n * sizeof *y);
    else
        k->add_f32(x, 1, x + step, 1, y, n);
    for (size_t t = 2; t < taps; t++)
        k->add_f32(y, 1, x + t * step, 1, y, n);
}

static void mean(const rows_job *j, const float *x, char *room, float *y) {
    const geometry *g = j->g;
    const infer_kernels *k = j->env->kernels;
    float *plane = (float *)(void *)(room + g->plane_at), *row = (void *)(room + g->row_at);
    float *joined = (float *)(void *)(room + g->joined_at), *counts = (void *)(room + g->counts_at);
    const size_t width = g->x.padded, reach = (g->x.out - 1) * g->x.stride + 1;
    size_t last = 0;
    if (g->places != g->y.in * g->x.in)
        memset(plane, 0, g->places * sizeof *plane);
    for (size_t i = 0; i < g->y.in; i++)
        memcpy(plane + (g->y.before + i) * width + g->x.before, x + i * g->x.in,
               g->x.in * sizeof *x);
    sum_taps(k, plane, g->x.kernel, g->x.dilation, g->places - (g->x.kernel - 1) * g->x.dilation,
             joined);
    for (size_t i = 0; i < g->y.out; i++, y += g->x.out) {
        const size_t high = taps_at(&g->y, j->w, 0, i, j->with_padding);
        for (size_t o = 0; (i == 0 || high != last) && o < g->x.out; o++) {
            const size_t count = high * taps_at(&g->x, j->w, 1, o, j->with_padding);
            counts[o] = count ? (float)count : 1; /* of nothing but padding: 0 */
        }
        last = high;
        sum_taps(k, joined + i * g->y.stride * width, g->y.kernel, g->y.dilation * width, reach,
                 row);
        for (size_t o = 0; g->x.stride > 1 && o < g->x.out; o++)
            row[o] = row[o * g->x.stride];
        k->div_f32(row, 1, counts, 1, y, g->x.out);
    }
}

/* ---- planes ---- */

static void rows_part(void *arg, size_t part, size_t worker) {
    const rows_job *j = arg;
    const geometry *g = j->g;
    const size_t from = g->y.in * g->x.in, to = g->y.out * g->x.out;
    char *room = (char *)j->env->scratch + worker * g->size;
    size_t first, end;
    infer_part(j->planes, 1, j->parts, part, &first, &end);
    for (size_t i = first; i < end; i++)
        if (g->floats)
            mean(j, (const float *)j->env->in[0]->data + i * from, room,
                 (float *)j->env->out[0]->data + i * to);
        else
            largest(j, (const uint8_t *)j->env->in[0]->data + i * from, (uint8_t *)room,
                    (uint8_t *)j->env->out[0]->data + i * to);
}

bool infer_pool_rows_run(infer_op_env *env, const infer_window *w, bool average,
                         bool with_padding) {
    geometry g;
    if (!measure(env, w, average, &g))
        return false;
    rows_job j = {env, w, &g, (size_t)infer_span(env->in[0], 0, 2), 1, with_padding};
    j.parts = infer_parts(env, j.planes, (double)g.places / (g.floats ? 1 : 4));
    infer_parallel(env, j.parts, rows_part, &j);
    return true;
}
