/* What the operators over blocks of channels share. A value in blocks is a tensor [N][C / 16,
 * rounded up][H][W][16]; channels past the last hold anything, and nothing reads them. */
#ifndef INFER_OPS_BLOCKED_H
#define INFER_OPS_BLOCKED_H

#include "window.h"

#define INFER_BLOCK 16

static inline int64_t infer_blocks(int64_t channels) {
    return channels < 0 ? -1 : channels / INFER_BLOCK + (channels % INFER_BLOCK != 0);
}

/* infer.ConvBlocked. Inputs: x, in blocks or plain; weights (conv2d.h); bias, in whole panels; what
 * is added to the result, in blocks, or nothing. Attributes have the fields' names, those of
 * Conv what they have there. */
#define INFER_CONV_BLOCKED_FIELDS                                                                  \
    infer_window_params window;                                                                    \
    int64_t group, channels, outputs;                                                              \
    int64_t plain;    /* x is [N][C][H][W], or [N][C][W] */                                        \
    int64_t winograd; /* its algorithm may be taken */                                             \
    float low, high;
typedef struct infer_conv_blocked_params {
    INFER_CONV_BLOCKED_FIELDS
} infer_conv_blocked_params;

/* infer.ConvActivated: infer.ConvBlocked whose result goes through an activation (conv2d.h), is
 * scaled and shifted before it is clipped. Other inputs: the slope of each output, in panels, or
 * nothing; what is added behind all that, in blocks, where nothing is before it. */
typedef struct infer_conv_activated_params {
    INFER_CONV_BLOCKED_FIELDS
    int64_t activation; /* infer_activation_kind */
    float alpha, beta, scale, shift;
} infer_conv_activated_params;

/* What is added to a convolution's result, before its activation or behind it; or NULL. */
const infer_view *infer_conv_addend(const infer_op_env *env);

/* infer.PoolBlocked. whole: one window of all places. */
typedef struct infer_pool_blocked_params {
    infer_window_params window;
    int64_t ceil_mode, count_include_pad, average, whole;
} infer_pool_blocked_params;

/* infer.AffineBlocked: clip(x * scale + shift); inputs x, scale, shift in whole panels.
 * infer.AffineJoined: the same of values joined along their channels; inputs scale, shift, then
 * these, which fill their blocks. */
typedef struct infer_affine_blocked_params {
    float low, high;
} infer_affine_blocked_params;

/* x has blocks, as many as channels fill (-1: unknown). */
infer_status infer_blocked_check(const infer_view *x, int64_t channels);

/* Takes x's batch, rows and columns, as far as they are known, for those of y, whose channels x has
 * some of; else an error tells where they differ. */
infer_status infer_blocked_join(infer_view *y, const infer_view *x);

/* The first four extents of x, which has rank 4 or 5, or 3: then it has one row. */
infer_view infer_blocked_plane(const infer_view *x);

/* A window over x, in blocks or plain; *c has its extents where all are known, else in[0] is
 * SIZE_MAX. */
infer_status infer_blocked_window(const infer_op_env *env, const infer_window_params *p,
                                  const infer_view *x, bool ceil, infer_window *w);

/* The geometry of a window whose extents are known. */
void infer_blocked_geometry(const infer_window *w, infer_conv2d *c);

#endif
