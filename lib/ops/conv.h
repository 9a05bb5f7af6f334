/* What the convolutions have in common: their attributes, shapes and the blocks they work in. */
#ifndef INFER_OPS_CONV_H
#define INFER_OPS_CONV_H

#include "window.h"

typedef struct infer_conv_params {
    infer_window_params window;
    int64_t group;
} infer_conv_params;

#define INFER_CONV_ATTRS                                                                           \
    INFER_WINDOW_ATTRS(infer_conv_params, window),                                                 \
        INFER_WINDOW_DILATIONS(infer_conv_params, window),                                         \
        INFER_WINDOW_AUTO_PAD(infer_conv_params, window), A_INT(infer_conv_params, group, 1)

typedef struct infer_conv {
    infer_window window;
    bool known; /* all shapes are: what follows is set */
    size_t batch, group;
    size_t channels, outputs; /* of a group */
    size_t taps, depth;       /* of a kernel; times channels */
    size_t plane, places;     /* elements of a channel of the input, of the output */
    size_t block;             /* columns that are multiplied together: whole panels */
} infer_conv;

/* Reads attributes and shapes, and gives y its own; the type is the caller's. element: bytes of
 * what the product is computed in. */
infer_status infer_conv_shape(const infer_op_env *env, const infer_conv_params *p,
                              const infer_view *x, const infer_view *w, const infer_view *bias,
                              size_t element, infer_conv *c, infer_view *y);

/* Without y's shape, which some operators have other sources for. */
infer_status infer_conv_read(const infer_op_env *env, const infer_conv_params *p,
                             const infer_view *x, const infer_view *w, const infer_view *bias,
                             infer_conv *c);
/* Sizes, when the window's extents are all known. */
infer_status infer_conv_sizes(const infer_view *x, const infer_view *w, size_t element,
                              infer_conv *c);

/* Adds count elements of size bytes to the scratch, aligned; *at is where they lie. */
infer_status infer_conv_take(infer_op_env *env, size_t rows, size_t columns, size_t size,
                             size_t *at);

#endif
