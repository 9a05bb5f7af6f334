/* Sums over some axes of a tensor, and what normalizations make of them. */
#ifndef INFER_OPS_MOMENTS_H
#define INFER_OPS_MOMENTS_H

#include "op.h"

/* Axes to walk over: so many places, so many elements apart; the last is the inner loop. */
typedef struct infer_region {
    int32_t count;
    int64_t n[INFER_MAX_RANK], step[INFER_MAX_RANK], index[INFER_MAX_RANK];
} infer_region;

/* Splits the axes of a concrete x into those of the set and the others. */
void infer_region_split(const infer_view *x, uint32_t set, infer_region *in, infer_region *out);

/* Adds an axis, joined to the one before where they continue each other. */
void infer_region_add(infer_region *r, int64_t n, int64_t step);

/* Moves *at to the next place; false, and back at the start, after the last. */
bool infer_region_next(infer_region *r, int64_t *at);

/* Number of places. */
int64_t infer_region_count(const infer_region *r);

/* Goes to place number `place` of r, at the element returned. */
int64_t infer_region_start(infer_region *r, int64_t place);

/* Calls the function for each place of `kept`, which threads share: `at` is its element, region one
 * that it may walk. cost: of an element of the region. */
typedef void infer_region_function(const infer_op_env *env, const void *arg, int64_t at,
                                   infer_region *region);
void infer_region_each(infer_op_env *env, const infer_region *kept, const infer_region *region,
                       double cost, infer_region_function *function, const void *arg);

enum infer_moment { INFER_SUM, INFER_SUM_ABS, INFER_SUM_SQUARE };

/* The sum, in double, over a region of x (float or double) from element `at` on: of x - shift, its
 * magnitude or its square. */
double infer_moment(const infer_view *x, int64_t at, infer_region *r, enum infer_moment what,
                    double shift);

/* y = (x - sub) * mul + add over a region; x and y have one type and shape. */
void infer_rescale(const infer_view *x, const infer_view *y, int64_t at, infer_region *r,
                   double sub, double mul, double add);

/* The same in a row of n elements, then times scale[i] plus add[i] (NULL: 0), of x's type. */
void infer_rescale_row(const infer_view *x, const infer_view *y, int64_t at, int64_t n, double sub,
                       double mul, const void *scale, const void *add);

/* Element number i of a float or double tensor. */
static inline double infer_real(const infer_view *v, int64_t i) {
    return v->type == INFER_TYPE_DOUBLE ? ((const double *)v->data)[i]
                                        : (double)((const float *)v->data)[i];
}

static inline void infer_set_real(const infer_view *v, int64_t i, double value) {
    if (v->type == INFER_TYPE_DOUBLE)
        ((double *)v->data)[i] = value;
    else
        ((float *)v->data)[i] = (float)value;
}

#endif
