/* Sums over some axes of a tensor, and what normalizations make of them. */
#include "moments.h"

#include "real.h"
#include "share.h"

#include <math.h>

#define LANES 8 /* partial sums */

#define REAL float
#define S    f32
#include "moments.inc.h"
#define REAL double
#define S    f64
#include "moments.inc.h"

/* ---- regions ---- */

void infer_region_add(infer_region *r, int64_t n, int64_t step) {
    if (n == 1)
        return;
    if (r->count > 0 && r->step[r->count - 1] == n * step) {
        r->n[r->count - 1] *= n;
        r->step[r->count - 1] = step;
        return;
    }
    r->n[r->count] = n;
    r->step[r->count] = step;
    r->index[r->count++] = 0;
}

void infer_region_split(const infer_view *x, uint32_t set, infer_region *in, infer_region *out) {
    int64_t step[INFER_MAX_RANK], run = 1;
    in->count = out->count = 0;
    for (int32_t i = x->rank; i-- > 0; run *= x->dim[i])
        step[i] = run;
    for (int32_t i = 0; i < x->rank; i++)
        infer_region_add(set >> i & 1 ? in : out, x->dim[i], step[i]);
}

static bool next(infer_region *r, int32_t count, int64_t *at) {
    for (int32_t i = count; i-- > 0;) {
        *at += r->step[i];
        if (++r->index[i] < r->n[i])
            return true;
        *at -= r->step[i] * r->n[i];
        r->index[i] = 0;
    }
    return false;
}

bool infer_region_next(infer_region *r, int64_t *at) {
    return next(r, r->count, at);
}

int64_t infer_region_count(const infer_region *r) {
    int64_t n = 1;
    for (int32_t i = 0; i < r->count; i++)
        n *= r->n[i];
    return n;
}

int64_t infer_region_start(infer_region *r, int64_t place) {
    int64_t at = 0;
    for (int32_t i = r->count; i-- > 0; place /= r->n[i]) {
        r->index[i] = place % r->n[i];
        at += r->index[i] * r->step[i];
    }
    return at;
}

typedef struct each_work {
    const infer_op_env *env;
    const infer_region *kept, *region;
    infer_region_function *function;
    const void *arg;
    size_t places, parts;
} each_work;

static void each_part(void *arg, size_t part, size_t worker) {
    const each_work *w = arg;
    infer_region kept = *w->kept, region = *w->region;
    size_t first, end;
    (void)worker;
    infer_part(w->places, 1, w->parts, part, &first, &end);
    int64_t at = first < end ? infer_region_start(&kept, (int64_t)first) : 0;
    for (; first < end; first++) {
        w->function(w->env, w->arg, at, &region);
        infer_region_next(&kept, &at);
    }
}

void infer_region_each(infer_op_env *env, const infer_region *kept, const infer_region *region,
                       double cost, infer_region_function *function, const void *arg) {
    each_work w = {env, kept, region, function, arg, (size_t)infer_region_count(kept), 1};
    w.parts = infer_parts(env, w.places, cost * (double)infer_region_count(region));
    infer_parallel(env, w.parts, each_part, &w);
}

/* The inner loop of a region; the rest is `outer` axes. */
static int32_t inner(const infer_region *r, int64_t *n, int64_t *step) {
    *n = r->count > 0 ? r->n[r->count - 1] : 1;
    *step = r->count > 0 ? r->step[r->count - 1] : 1;
    return r->count > 0 ? r->count - 1 : 0;
}

/* ---- sums and results ---- */

double infer_moment(const infer_view *x, int64_t at, infer_region *r, enum infer_moment what,
                    double shift) {
    int64_t n, step;
    int32_t outer = inner(r, &n, &step);
    double sum = 0;
    if (infer_region_count(r) == 0)
        return 0;
    do
        sum += x->type == INFER_TYPE_DOUBLE
                   ? line_f64((const double *)x->data + at, n, step, what, shift)
                   : line_f32((const float *)x->data + at, n, step, what, shift);
    while (next(r, outer, &at));
    return sum;
}

void infer_rescale(const infer_view *x, const infer_view *y, int64_t at, infer_region *r,
                   double sub, double mul, double add) {
    int64_t n, step;
    int32_t outer = inner(r, &n, &step);
    if (infer_region_count(r) == 0)
        return;
    do
        if (x->type == INFER_TYPE_DOUBLE)
            rescale_f64((const double *)x->data + at, (double *)y->data + at, n, step, sub, mul,
                        add);
        else
            rescale_f32((const float *)x->data + at, (float *)y->data + at, n, step, (float)sub,
                        (float)mul, (float)add);
    while (next(r, outer, &at));
}

void infer_rescale_row(const infer_view *x, const infer_view *y, int64_t at, int64_t n, double sub,
                       double mul, const void *scale, const void *add) {
    if (x->type == INFER_TYPE_DOUBLE)
        rescale_row_f64((const double *)x->data + at, (double *)y->data + at, n, sub, mul, scale,
                        add);
    else
        rescale_row_f32((const float *)x->data + at, (float *)y->data + at, n, (float)sub,
                        (float)mul, scale, add);
}
