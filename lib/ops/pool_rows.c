/* Pools over planes, row by row: the largest of bytes or floats along columns, then along rows;
 * sums of floats along rows, then along columns. */
#include "pool_rows.h"

#include "axes.h"
#include "common_loops.h"
#include "conv2d.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

#include <math.h>
#include <string.h>

#define LEAST_OUT 2 /* places of an output row: fewer are not worth the rows */
#define MOST      4 /* times the places of input and output that a plane may have with its padding */
#define BAND      16384 /* bytes of columns that are joined before rows are, out of the first cache */

/* What a row costs besides its numbers, in elements as share.h counts them. */
#define ROW_COST 16

/* An axis of the window, of two; the first of one is a single place. */
typedef struct axis {
    size_t in, out, kernel, stride, dilation, before, padded;
} axis;

typedef struct geometry {
    axis y, x;
    bool average;
    size_t element; /* bytes */
    size_t places;  /* of a padded plane */
    size_t band;    /* rows of the output that are joined at once: of the largest */
    size_t size;    /* bytes that each thread needs, multiples of 64 */
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
    g->average = average;
    g->element = bytes ? 1 : sizeof(float);
    g->size = 0;
    if ((x->type != INFER_TYPE_FLOAT && (average || !bytes)) ||
        (env->out_count > 1 && env->out[1]) || !infer_view_concrete(x) || w->rank < 1 ||
        w->rank > 2 || !read_axis(w, 0, &g->y) || !read_axis(w, 1, &g->x) || g->x.out < LEAST_OUT)
        return false;
    if (!infer_mul(g->y.padded, g->x.padded, &g->places) ||
        g->places / MOST > g->y.in * g->x.in + g->y.out * g->x.out)
        return false;
    size_t at;
    g->band = BAND / g->element / g->x.padded + 1;
    g->band = g->band < g->y.out ? g->band : g->y.out;
    return average ? infer_scratch_take(&g->size, g->y.padded, g->x.out, sizeof(float), &at)
                   : infer_scratch_take(&g->size, g->band, g->x.padded, g->element, &at);
}

infer_status infer_pool_rows_plan(infer_op_env *env, const infer_window *w, bool average) {
    geometry g;
    size_t all, counts_at;
    if (!measure(env, w, average, &g))
        return INFER_OK;
    if (!infer_mul(g.size, infer_workers(env), &all) ||
        (average && !infer_scratch_take(&all, g.y.out, g.x.out, sizeof(float), &counts_at)) ||
        !infer_add(env->scratch_size, all, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the pool does not fit memory");
    return INFER_OK;
}

/* Taps [*first, *end) of an axis that lie within the input at an output's place. */
static void taps_within(const axis *a, size_t place, size_t *first, size_t *end) {
    infer_taps_inside(place * a->stride, a->before, a->in, a->dilation, a->kernel, first, end);
}

/* How many lie within it, or its padding. */
static size_t taps_at(const axis *a, const infer_window *w, int which, size_t place,
                      bool with_padding) {
    const int i = which - 2 + w->rank;
    axis whole = *a;
    size_t first, end;
    if (with_padding) {
        whole.in += a->before + (i >= 0 ? (size_t)w->after[i] : 0);
        whole.before = 0;
    }
    taps_within(&whole, place, &first, &end);
    return end - first;
}

typedef struct rows_job {
    const infer_op_env *env;
    const infer_window *w;
    const geometry *g;
    float *counts; /* of means */
    size_t planes, parts;
    bool with_padding;
} rows_job;

/* ---- the largest ---- */

/* y[i] is the largest of some numbers `step` apart from number i * stride on. */
static void largest_of(const rows_job *j, const char *x, size_t taps, size_t step, size_t stride,
                       size_t n, char *y) {
    const infer_type type = (infer_type)j->env->in[0]->type;
    if (type == INFER_TYPE_FLOAT)
        infer_common_largest((const float *)(const void *)x, taps, step, stride, n,
                             (float *)(void *)y);
    else
        j->env->kernels->max_8((const uint8_t *)x, taps, step, stride, n, type == INFER_TYPE_INT8,
                               (uint8_t *)y);
}

/* What is no larger than anything. */
static void fill_least(infer_type type, size_t n, char *to) {
    const float least = -INFINITY;
    if (type != INFER_TYPE_FLOAT)
        memset(to, type == INFER_TYPE_INT8 ? 128 : 0, n);
    else
        for (size_t i = 0; i < n; i++)
            memcpy(to + i * sizeof least, &least, sizeof least);
}

/* Columns first, for the rows of the output, between the padding that `joined` has already; then
 * rows, all at once where they follow each other in strides as their outputs do. */
static void largest(const rows_job *j, const char *x, char *joined, char *y) {
    const geometry *g = j->g;
    const size_t width = g->x.padded, out = g->x.out, element = g->element;
    for (size_t top = 0, rows; top < g->y.out; top += rows) {
        rows = g->y.out - top < g->band ? g->y.out - top : g->band;
        for (size_t i = 0; i < rows; i++) {
            char *to = joined + (i * width + g->x.before) * element;
            size_t first, end;
            taps_within(&g->y, top + i, &first, &end);
            const size_t at = (top + i) * g->y.stride + first * g->y.dilation - g->y.before;
            if (first < end)
                largest_of(j, x + at * g->x.in * element, end - first, g->y.dilation * g->x.in, 1,
                           g->x.in, to);
            else
                fill_least((infer_type)j->env->in[0]->type, g->x.in, to);
        }
        const bool even = width == out * g->x.stride;
        const size_t runs = even ? 1 : rows, n = even ? rows * out : out;
        for (size_t i = 0; i < runs; i++, y += n * element)
            largest_of(j, joined + i * width * element, g->x.kernel, g->x.dilation, g->x.stride, n,
                       y);
    }
}

/* ---- means ---- */

/* Sums of rows that lie in a row of the output's length each; rows of padding, which are 0, are
 * there already. Where rows follow each other in strides as their outputs do, they are summed up at
 * once, and what is summed up across the end of one is made anew. */
static void sum_rows(const geometry *g, const infer_kernels *k, const float *x, float *joined) {
    const size_t in = g->x.in, out = g->x.out, stride = g->x.stride, rows = g->y.in;
    const size_t reach = (g->x.kernel - 1) * g->x.dilation + 1, past = g->x.before + in;
    /* The places that have all taps. */
    size_t low = (g->x.before + stride - 1) / stride;
    size_t high = past < reach ? 0 : (past - reach) / stride + 1;
    high = high < out ? high : out;
    if (low < high) {
        const bool even = in == out * stride;
        const size_t runs = even ? 1 : rows, n = high - low + (even ? (rows - 1) * out : 0);
        for (size_t i = 0; i < runs; i++)
            k->sum_f32(x + i * in + low * stride - g->x.before, g->x.kernel, g->x.dilation, stride,
                       n, NULL, joined + i * out + low);
    } else
        low = high = out;
    for (size_t o = low ? 0 : high; o < out; o = o + 1 == low ? high : o + 1) {
        size_t first, end;
        taps_within(&g->x, o, &first, &end);
        for (size_t i = 0; i < rows; i++) {
            float sum = 0;
            for (size_t t = first; t < end; t++)
                sum += x[i * in + o * stride + t * g->x.dilation - g->x.before];
            joined[i * out + o] = sum;
        }
    }
}

static void mean(const rows_job *j, const float *x, float *joined, float *y) {
    const geometry *g = j->g;
    const infer_kernels *k = j->env->kernels;
    const bool at_once = g->y.stride == 1;
    const size_t out = g->x.out, runs = at_once ? 1 : g->y.out, n = at_once ? g->y.out * out : out;
    sum_rows(g, k, x, joined + g->y.before * out);
    for (size_t i = 0; i < runs; i++)
        k->sum_f32(joined + i * g->y.stride * out, g->y.kernel, g->y.dilation * out, 1, n,
                   j->counts + i * out, y + i * out);
}

/* How many numbers each output is the mean of: the first row has those along rows until it is made
 * itself, as the last. */
static void count_taps(const rows_job *j, float *counts) {
    const geometry *g = j->g;
    for (size_t o = 0; o < g->x.out; o++)
        counts[o] = (float)taps_at(&g->x, j->w, 1, o, j->with_padding);
    for (size_t i = g->y.out; i-- > 0;) {
        const float high = (float)taps_at(&g->y, j->w, 0, i, j->with_padding);
        for (size_t o = 0; o < g->x.out; o++) {
            const float count = high * counts[o];
            counts[i * g->x.out + o] = count > 0 ? count : 1; /* of nothing but padding: 0 */
        }
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
    /* The padding, which stays. */
    if (g->average)
        memset(room, 0, g->size);
    else
        fill_least((infer_type)j->env->in[0]->type, g->size / g->element, room);
    for (size_t i = first; i < end; i++)
        if (g->average)
            mean(j, (const float *)j->env->in[0]->data + i * from, (float *)(void *)room,
                 (float *)j->env->out[0]->data + i * to);
        else
            largest(j, (const char *)j->env->in[0]->data + i * from * g->element, room,
                    (char *)j->env->out[0]->data + i * to * g->element);
}

bool infer_pool_rows_run(infer_op_env *env, const infer_window *w, bool average,
                         bool with_padding) {
    geometry g;
    if (!measure(env, w, average, &g))
        return false;
    rows_job j = {env, w, &g, NULL, (size_t)infer_span(env->in[0], 0, 2), 1, with_padding};
    const double numbers = (double)g.places * (double)g.element / 8;
    j.parts = infer_parts(env, j.planes, numbers + ROW_COST * (double)g.y.out);
    if (g.average) {
        j.counts = (void *)((char *)env->scratch + infer_workers(env) * g.size);
        count_taps(&j, j.counts);
    }
    infer_parallel(env, j.parts, rows_part, &j);
    return true;
}
