/* infer.Frames: overlapping pieces of a row of numbers, one after another, as a product takes them
 * that stands for a long convolution of one channel. */
#include "axes.h"
#include "op.h"
#include "status.h"

#include <string.h>

/* y [N][F][length] has x [N][1][L] from i * step - pads[0] on in its row i; outside there are
 * zeros. */
typedef struct frames_params {
    infer_list pads;
    int64_t length, step;
} frames_params;

static const infer_op_attr frames_attrs[] = {
    A_REQUIRED(frames_params, pads, INTS),
    A_REQUIRED(frames_params, length, INT),
    A_REQUIRED(frames_params, step, INT),
};

#define LARGEST ((int64_t)1 << 40)

static infer_status frames_infer(infer_op_env *env) {
    const frames_params *p = env->params;
    const infer_view *x = env->in[0];
    const int64_t *pads = infer_list_data(env, &p->pads);
    infer_view spare, *y = infer_out(env, 0, x->type, 3, &spare);
    if (p->pads.count != 2 || pads[0] < 0 || pads[1] < 0 || pads[0] > LARGEST ||
        pads[1] > LARGEST || p->length < 1 || p->length > LARGEST || p->step < 1)
        return infer_fail(INFER_ERROR_VALUE, "frames of %lld every %lld", (long long)p->length,
                          (long long)p->step);
    y->dim[2] = p->length;
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank != 3 || (x->dim[1] >= 0 && x->dim[1] != 1) || x->dim[2] > LARGEST)
        return infer_fail(INFER_ERROR_SHAPE, "the input is no row of numbers");
    y->dim[0] = x->dim[0];
    const int64_t room = x->dim[2] + pads[0] + pads[1];
    if (x->dim[2] >= 0 && room < p->length)
        return infer_fail(INFER_ERROR_SHAPE, "%lld elements are no frame of %lld", (long long)room,
                          (long long)p->length);
    y->dim[1] = x->dim[2] < 0 ? -1 : (room - p->length) / p->step + 1;
    return infer_view_check(y, true);
}

static infer_status frames_run(infer_op_env *env) {
    const frames_params *p = env->params;
    const infer_view *x = env->in[0], *y = env->out[0];
    const int64_t before = *(const int64_t *)infer_list_data(env, &p->pads);
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    const float *from = x->data;
    float *to = y->data;
    for (int64_t n = 0; n < y->dim[0]; n++, from += x->dim[2])
        for (int64_t i = 0; i < y->dim[1]; i++, to += p->length) {
            const int64_t at = i * p->step - before, last = at + p->length;
            const int64_t first = at > 0 ? at : 0, end = last < x->dim[2] ? last : x->dim[2];
            if (first > at || end < last)
                memset(to, 0, (size_t)p->length * sizeof *to);
            if (first < end)
                memcpy(to + (first - at), from + first, (size_t)(end - first) * sizeof *to);
        }
    return INFER_OK;
}

const infer_op infer_op_infer_frames = {
    .domain = "infer",
    .name = "Frames",
    .since = 1,
    .newest = 1,
    .params_size = sizeof(frames_params),
    .attr_count = sizeof frames_attrs / sizeof *frames_attrs,
    .attrs = frames_attrs,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .types = {T(FLOAT)},
    .infer = frames_infer,
    .run = frames_run,
};
