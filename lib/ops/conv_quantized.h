/* What the convolutions of bytes share: the roles of their inputs, and how sums become outputs. */
#ifndef INFER_OPS_CONV_QUANTIZED_H
#define INFER_OPS_CONV_QUANTIZED_H

#include "axes.h"
#include "bytes.h"
#include "conv.h"
#include "scratch.h"
#include "status.h"

/* Which inputs are what; INFER_NO_ROLE: the operator has none. */
#define INFER_NO_ROLE UINT8_MAX
typedef struct infer_conv_roles {
    uint8_t x, x_zero, w, w_zero, bias, x_scale, w_scale, y_scale, y_zero;
} infer_conv_roles;

static inline const infer_view *infer_conv_role(const infer_op_env *env, uint8_t index) {
    return index == INFER_NO_ROLE ? NULL : infer_input(env, index);
}

/* n elements of the output from number `at` on, of one channel, from their sums and what is added
 * to each. */
void infer_conv_finish(const infer_op_env *env, const infer_conv_roles *r, const int32_t *sums,
                       size_t n, size_t channel, int32_t add, size_t at);

/* ---- groups of one channel (conv_quantized_depthwise.c) ---- */

/* Where things lie in the scratch, and the extents of a group's input. Its places are in planes by
 * the remainder of their numbers by the strides, so that what a tap sees of neighbouring outputs
 * lies together. */
typedef struct infer_depthwise_plan {
    size_t rows, columns; /* of a plane */
    size_t planes[2];     /* along both axes: the strides */
    size_t sums;          /* of an output channel, those between its rows included */
    size_t in_at, wide_at, taps_at, w_at, sums_at;
} infer_depthwise_plan;

bool infer_is_depthwise(const infer_conv *c);
infer_status infer_depthwise_take(infer_op_env *env, const infer_conv *c, infer_depthwise_plan *d);

/* What all images need in the scratch. */
void infer_depthwise_begin(const infer_op_env *env, const infer_conv *c,
                           const infer_depthwise_plan *d);
/* The output channels of image number `image` of all groups' images. */
void infer_depthwise_run(const infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                         const infer_depthwise_plan *d, size_t image);

#endif
