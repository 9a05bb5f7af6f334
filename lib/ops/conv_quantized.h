/* What the convolutions of bytes share: the roles of their inputs, and how sums become outputs. */
#ifndef INFER_OPS_CONV_QUANTIZED_H
#define INFER_OPS_CONV_QUANTIZED_H

#include "axes.h"
#include "bytes.h"
#include "conv.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

/* Which inputs are what; INFER_NO_ROLE: the operator has none. */
#define INFER_NO_ROLE UINT8_MAX
typedef struct infer_conv_roles {
    uint8_t x, x_zero, w, w_zero, bias, x_scale, w_scale, y_scale, y_zero;
    uint8_t sums; /* of ordered weights' rows */
} infer_conv_roles;

static inline const infer_view *infer_conv_role(const infer_op_env *env, uint8_t index) {
    return index == INFER_NO_ROLE ? NULL : infer_input(env, index);
}

/* What sums of an output channel are multiplied by. */
float infer_conv_scale(const infer_op_env *env, const infer_conv_roles *r, size_t channel);

/* n elements of the output from number `at` on, of one channel, from their sums and what is added
 * to each. */
void infer_conv_finish(const infer_op_env *env, const infer_conv_roles *r, const int32_t *sums,
                       size_t n, size_t channel, int32_t add, size_t at);

/* ---- columns (conv_quantized_columns.c) ---- */

/* Channels whose numbers of a place lie together. */
#define INFER_GROUP 4

/* How the columns of a group's product lie: groups of channels, each tap of the window, so that the
 * numbers of absent channels are between the others. */
typedef struct infer_columns {
    bool direct;                       /* they are the input's places as they lie */
    size_t groups, depth;              /* of channels; numbers of a column */
    int64_t padded[INFER_WINDOW_RANK]; /* extents of the input with its padding */
    size_t plane, whole;               /* their product; what a plane without padding takes */
    size_t phases;                     /* along the last axis */
    size_t padded_at, whole_at, taps_at, ones_at;
} infer_columns;

infer_status infer_columns_take(infer_op_env *env, const infer_conv *c, infer_columns *q);

/* What all images need in the scratch; what columns of one need, whose padding is zero. flip is
 * added to all numbers. */
void infer_columns_taps(const infer_op_env *env, const infer_conv *c, const infer_columns *q);
void infer_columns_begin(infer_op_env *env, const infer_conv *c, const infer_columns *q,
                         const uint8_t *x, uint8_t flip, uint8_t zero);

/* Columns [first, first + count) of the image that begin was told, packed, with room for another
 * group behind. What they have past count and for absent channels is anything. sums: each column
 * added up, without absent channels (NULL: is not). */
void infer_columns_gather(const infer_op_env *env, const infer_conv *c, const infer_columns *q,
                          const uint8_t *x, uint8_t flip, size_t first, size_t count,
                          int8_t *packed, int32_t *sums);

/* ---- ordered weights (conv_quantized_order.c) ---- */

/* Rows of weights, flip added to all numbers, as columns lie, and their sums. */
void infer_order_bytes(const uint8_t *w, size_t rows, size_t channels, size_t taps, uint8_t flip,
                       uint8_t *to, int32_t *sums);

/* Ordered weights as they were before, but for their data. */
infer_status infer_ordered_weights(const infer_op_env *env, const infer_conv_roles *r,
                                   infer_view *w);

/* prepare: constant weights are ordered, but for those of groups of one channel, which are no
 * product. Their sums become input number sums_at, those behind move up, and the operator the
 * internal one of that name. */
infer_status infer_order_weights(infer_rewriter *rw, const infer_conv_roles *r, uint32_t sums_at,
                                 const char *name);

/* ---- three by three by Winograd's algorithm (conv_quantized_winograd.c) ---- */

/* Rows of patches that a block has; where things lie in the scratch. */
typedef struct infer_winograd_plan {
    infer_winograd8 shape;
    size_t rows, blocks, w_at;
    /* Each worker has `room` bytes of its own from room_at on, where these are. */
    size_t room_at, room, x_at, sums_at, work_at;
} infer_winograd_plan;

bool infer_is_winograd8(const infer_op_env *env, const infer_conv *c);
infer_status infer_winograd_take(infer_op_env *env, const infer_conv *c, infer_winograd_plan *p);
/* w: ordered weights, unsigned. */
void infer_winograd_run(infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                        infer_winograd_plan *p, const uint8_t *w);

/* ---- sums that become bytes in registers (conv_quantized_direct.c) ---- */

typedef struct infer_direct_plan {
    size_t w_at, scale_at, steps_at;
} infer_direct_plan;

/* Whether a run can go so; what any run may take that can. */
bool infer_is_direct8(const infer_op_env *env, const infer_conv_roles *r, const infer_conv *c);
infer_status infer_direct_take(infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                               const infer_columns *q, infer_direct_plan *d);

/* What the kernel takes of all outputs of an image, but for the outputs' number, from ordered
 * weights, unsigned, and what zero points add to sums, to which the bias is added. */
infer_conv8 infer_direct_begin(infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                               const infer_columns *q, const infer_direct_plan *d, const uint8_t *w,
                               int32_t *add);

/* So many outputs from m on, written from `to` on, of gathered columns, which are unsigned. */
void infer_direct_columns(const infer_op_env *env, const infer_conv8 *all, const infer_conv *c,
                          size_t m, size_t outputs, size_t count, const int8_t *packed, size_t to);

/* A group's outputs from m on, of the image that infer_columns_begin was told with unsigned
 * numbers; false where its columns are to be gathered. */
bool infer_direct_rows(infer_op_env *env, const infer_conv8 *all, const infer_conv *c,
                       const infer_columns *q, size_t m, size_t to);

/* ---- groups of one channel (conv_quantized_depthwise.c) ---- */

/* Where things lie in the scratch, and the extents of a group's input. Its places are in planes by
 * the remainder of their numbers by the strides, so that what a tap sees of neighbouring outputs
 * lies together. */
typedef struct infer_depthwise_plan {
    size_t rows, columns; /* of a plane */
    size_t planes[2];     /* along both axes: the strides */
    size_t all;           /* places of all planes */
    size_t taps_at;
    /* Each worker has `room` bytes of its own from room_at on, where these are. */
    size_t room_at, room, in_at, picked_at, w_at;
} infer_depthwise_plan;

bool infer_is_depthwise(const infer_conv *c);
infer_status infer_depthwise_take(infer_op_env *env, const infer_conv *c, infer_depthwise_plan *d);
void infer_depthwise_run(infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                         const infer_depthwise_plan *d);

#endif
