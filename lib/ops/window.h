/* The geometry of everything that moves a window over spatial axes: convolutions and pools. */
#ifndef INFER_OPS_WINDOW_H
#define INFER_OPS_WINDOW_H

#include "op.h"

/* Spatial axes: those behind the batch and the channels. */
#define INFER_WINDOW_RANK (INFER_MAX_RANK - 2)

enum infer_auto_pad {
    INFER_PAD_NOTSET,
    INFER_PAD_SAME_UPPER,
    INFER_PAD_SAME_LOWER,
    INFER_PAD_VALID
};
#define INFER_AUTO_PAD "NOTSET|SAME_UPPER|SAME_LOWER|VALID"

/* The attributes that these operators share; lists that are not given have no count. */
typedef struct infer_window_params {
    infer_list kernel_shape, strides, dilations, pads;
    int64_t auto_pad;
} infer_window_params;

/* clang-format off */
#define INFER_WINDOW_ATTRS(s, window)                                                              \
    {"kernel_shape", INFER_ATTR_INTS, false, offsetof(s, window.kernel_shape), 0, NULL},           \
    {"strides", INFER_ATTR_INTS, false, offsetof(s, window.strides), 0, NULL},                     \
    {"pads", INFER_ATTR_INTS, false, offsetof(s, window.pads), 0, NULL}
#define INFER_WINDOW_DILATIONS(s, window)                                                          \
    {"dilations", INFER_ATTR_INTS, false, offsetof(s, window.dilations), 0, NULL}
#define INFER_WINDOW_AUTO_PAD(s, window)                                                           \
    {"auto_pad", INFER_ATTR_ENUM, false, offsetof(s, window.auto_pad), INFER_PAD_NOTSET,           \
     INFER_AUTO_PAD}
/* clang-format on */

typedef struct infer_window {
    int32_t rank;
    int64_t in[INFER_WINDOW_RANK], out[INFER_WINDOW_RANK]; /* extents; -1 where unknown */
    int64_t kernel[INFER_WINDOW_RANK], stride[INFER_WINDOW_RANK], dilation[INFER_WINDOW_RANK];
    int64_t before[INFER_WINDOW_RANK], after[INFER_WINDOW_RANK]; /* padding */
} infer_window;

/* A list of count numbers from `least` on, or their default where it is not given. */
infer_status infer_window_list(const infer_op_env *env, const infer_list *list, const char *name,
                               int32_t count, int64_t least, int64_t absent, int64_t *to);

/* Attributes as a window of x's spatial axes; w: the convolution's weights, which give the kernel's
 * extents where the attribute does not, or NULL. x has a rank. Padding is that of `pads`; outputs
 * are not computed. */
infer_status infer_window_read(const infer_op_env *env, const infer_window_params *p,
                               const infer_view *x, const infer_view *w, infer_window *window);

/* Fills in out, and before and after where they follow from auto_pad. ceil: as pools' ceil_mode. */
infer_status infer_window_out(infer_window *w, int64_t auto_pad, bool ceil);

/* The way back, for a transposed convolution: in is its input, out its output. add is the extra
 * extent of each axis; shape the extents asked for, or NULL. Where the
 * output is longer than what the windows reach, its end stays empty. */
infer_status infer_window_transposed(infer_window *w, int64_t auto_pad, const int64_t *add,
                                     const int64_t *shape);

/* Products of extents; only where they are known, and their tensors exist. */
size_t infer_window_count(const int64_t *extents, int32_t rank);

/* Counts the index up, last axis first; false, and back at 0, after the last place. */
static inline bool infer_window_next(int64_t *index, const int64_t *extents, int32_t rank) {
    for (int32_t i = rank; i-- > 0;) {
        if (++index[i] < extents[i])
            return true;
        index[i] = 0;
    }
    return false;
}

/* A walk over the taps of a window, and for each over the rows of output places for which it lies
 * inside of the input:
 *     infer_taps t;
 *     for (infer_taps_begin(&t, w); infer_taps_next(&t);) ... */
typedef struct infer_taps {
    const infer_window *w;
    size_t number;       /* of the tap, last axis first */
    int64_t from, to;    /* where the row begins in the input's plane and in the output's */
    int64_t step, count; /* distance of its elements in the input, and their number */
    bool started, in_row;
    int64_t tap[INFER_WINDOW_RANK];
    int64_t first[INFER_WINDOW_RANK], n[INFER_WINDOW_RANK], index[INFER_WINDOW_RANK];
} infer_taps;

void infer_taps_begin(infer_taps *t, const infer_window *w);
bool infer_taps_next(infer_taps *t);

#endif
