/* Resize: what is known of a node once its extents are. */
#ifndef INFER_OPS_RESIZE_H
#define INFER_OPS_RESIZE_H

#include "op.h"

enum mode { NEAREST, LINEAR, CUBIC };
enum transform {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_CROP_AND_RESIZE,
    TF_HALF_PIXEL_FOR_NN /* of version 11 alone */
};
enum nearest { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, FLOOR, CEIL, SIMPLE };
enum policy { STRETCH, NOT_LARGER, NOT_SMALLER };

typedef struct infer_resize_axis {
    int64_t in, out;
    bool changes;      /* whether there is anything to do along it */
    double scale;      /* out / in, or as given */
    bool exact;        /* it is out / in */
    double start, end; /* region of interest */
    int64_t taps;      /* elements that a place is made of */
} infer_resize_axis;

typedef struct infer_resize_plan {
    int32_t rank;
    enum mode mode;
    enum transform transform;
    enum nearest nearest;
    bool antialias, exclude_outside;
    double cubic, extrapolation_value;
    infer_resize_axis axis[INFER_MAX_RANK];
} infer_resize_plan;

/* The coordinate in x of a place along an axis of y. */
double infer_resize_original(const infer_resize_plan *p, int32_t axis, int64_t place,
                             bool *outside);

/* y by the nearest elements of x; index: room for a number for each place along each axis. */
void infer_resize_nearest(const infer_view *x, const infer_view *y, const infer_resize_plan *p,
                          int64_t *index);

#endif
