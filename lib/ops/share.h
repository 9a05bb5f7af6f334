/* An operator's work shared among the threads of a run.
 *
 * Whatever the number of threads, the bits are the same: parts write what no other part writes, and
 * compute each number as if there were no parts. So operators may cut as they like. */
#ifndef INFER_OPS_SHARE_H
#define INFER_OPS_SHARE_H

#include "op.h"

/* Does `work` for all parts. */
static inline void infer_parallel(infer_op_env *env, size_t parts, infer_work *work, void *arg) {
    if (env->workers > 1 && parts > 1) {
        env->parallel(env, parts, env->worth > parts ? env->worth : parts, work, arg);
        return;
    }
    for (size_t i = 0; i < parts; i++)
        work(arg, i, 0);
}

/* Threads that may work at once: what scratch is multiplied by. */
static inline size_t infer_workers(const infer_op_env *env) {
    return env->workers > 1 ? env->workers : 1;
}

/* What a part is worth at least, in elements that are read, computed a little and written: some
 * microseconds, as sharing costs one. */
#define INFER_PART_COST 16384

/* Multiply-adds that cost as much as one such element. */
#define INFER_PRODUCT_COST (1 / 16.0)

/* How many parts work of such a cost is worth: a few for each thread, so that one that is held up
 * leaves its part to others. The most of these tells whether to wake threads, for work that can be
 * cut into a few long parts only. */
static inline size_t infer_parts_worth(infer_op_env *env, double cost) {
    size_t workers = infer_workers(env), parts = workers * 4;
    if (workers == 1)
        return 1;
    double worth = cost / (double)env->part_cost;
    if (worth < 2)
        return 1;
    parts = worth < (double)parts ? (size_t)worth : parts;
    env->worth = env->worth > parts ? env->worth : parts;
    return parts > workers ? parts / workers * workers : parts;
}

/* Into how many parts to cut `count` things that cost so much each. */
static inline size_t infer_parts(infer_op_env *env, size_t count, double cost) {
    size_t parts = infer_parts_worth(env, (double)count * cost);
    return parts == 1 || parts < count ? parts : count;
}

/* The things [first, end) of part number `part`: whole multiples of `unit` but for the last. */
static inline void infer_part(size_t count, size_t unit, size_t parts, size_t part, size_t *first,
                              size_t *end) {
    size_t units = count / unit + (count % unit != 0);
    size_t each = units / parts, more = units % parts;
    *first = (part * each + (part < more ? part : more)) * unit;
    *end = *first + (each + (part < more)) * unit;
    *first = *first < count ? *first : count;
    *end = *end < count ? *end : count;
}

/* So many bytes behind p, which may be NULL where there are none. */
static inline void *infer_behind(const void *p, size_t bytes) {
    return bytes ? (char *)p + bytes : (char *)p;
}

/* The rows of a view along its first axis of several: what they are cut by. */
typedef struct infer_rows {
    int32_t axis;
    size_t count;
} infer_rows;

/* Of y, which has elements. */
static inline infer_rows infer_rows_of(const infer_view *y) {
    infer_rows r = {0, 1};
    while (r.axis < y->rank && y->dim[r.axis] == 1)
        r.axis++;
    r.count = r.axis < y->rank ? (size_t)y->dim[r.axis] : 1;
    return r;
}

/* The rows [first, end) of y alone, or what of another view is broadcast to them. */
static inline infer_view infer_rows_cut(const infer_view *v, const infer_view *y, infer_rows r,
                                        size_t first, size_t end) {
    infer_view cut = *v;
    int32_t axis = r.axis - (y->rank - v->rank);
    if (axis < 0 || axis >= v->rank || v->dim[axis] == 1)
        return cut;
    cut.dim[axis] = 1;
    size_t row = infer_view_bytes(&cut);
    cut.dim[axis] = (int64_t)(end - first);
    cut.data = infer_behind(v->data, first * row);
    return cut;
}

#endif
