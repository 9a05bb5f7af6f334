/* Convolutions of small maps as one product of all images (conv_joined.c). */
#ifndef INFER_OPS_CONV_JOINED_H
#define INFER_OPS_CONV_JOINED_H

#include "blocked.h"

/* Whether a convolution over blocks of several images is computed so: their maps are small, and a
 * few rows fit scratch. */
bool infer_conv_joins(const infer_conv2d *c);

/* Floats of one thread's scratch. */
size_t infer_conv_joined_scratch(const infer_conv2d *c);

/* The run of a ConvBlocked whose images have elements. */
void infer_conv_joined_run(infer_op_env *env, const infer_conv2d *c);

#endif
