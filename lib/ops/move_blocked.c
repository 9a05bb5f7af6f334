/* infer.ConcatBlocked and infer.PhasesBlocked: channels of values in blocks move to other channels
 * and places. */
#include "blocked.h"

#include "axes.h"
#include "checked.h"
#include "share.h"
#include "status.h"

#include <string.h>

/* n channels of so many places, which lie `from_step` and `to_step` floats apart. */
static void move_lanes(const float *from, size_t from_step, float *to, size_t to_step, size_t n,
                       size_t places) {
#define MOVE(size)                                                                                 \
    for (size_t i = 0; i < places; i++, from += from_step, to += to_step)                          \
        memcpy(to, from, (size) * sizeof *to);                                                     \
    break;
    switch (n) {
    case 1:
        MOVE(1)
    case 4:
        MOVE(4)
    case 8:
        MOVE(8)
    case 12:
        MOVE(12)
    case 16:
        MOVE(16)
    default:
        MOVE(n)
    }
#undef MOVE
}

/* Some places of an image in blocks: blocks and places lie so many floats apart. */
typedef struct lanes {
    float *data;
    size_t block, step;
} lanes;

/* Channels [from, from + n) of x become those from `to` on of y. */
static void move_channels(const lanes *x, size_t from, const lanes *y, size_t to, size_t n,
                          size_t places) {
    for (size_t some; n; n -= some, from += some, to += some) {
        const size_t left = INFER_BLOCK - from % INFER_BLOCK, room = INFER_BLOCK - to % INFER_BLOCK;
        some = left < room ? left : room;
        some = some < n ? some : n;
        move_lanes(x->data + from / INFER_BLOCK * x->block + from % INFER_BLOCK, x->step,
                   y->data + to / INFER_BLOCK * y->block + to % INFER_BLOCK, y->step, some, places);
    }
}

/* ---- ConcatBlocked ---- */

/* The channels of each input, which need not fill its blocks. */
typedef struct concat_blocked_params {
    infer_list channels;
} concat_blocked_params;

static const infer_op_attr concat_attrs[] = {A_REQUIRED(concat_blocked_params, channels, INTS)};

static infer_status concat_infer(infer_op_env *env) {
    const concat_blocked_params *p = env->params;
    const int64_t *channels = infer_list_data(env, &p->channels);
    infer_view spare, *y = infer_out(env, 0, env->in[0]->type, 5, &spare);
    int64_t sum = 0;
    if (p->channels.count != env->in_count)
        return infer_fail(INFER_ERROR_VALUE, "channels of %llu inputs",
                          (unsigned long long)p->channels.count);
    for (uint32_t i = 0; i < env->in_count; i++) {
        const infer_view *x = env->in[i];
        if (!x || channels[i] < 1 || channels[i] > INT32_MAX)
            return infer_fail(INFER_ERROR_VALUE, "input %u is absent or has %lld channels", i,
                              (long long)channels[i]);
        INFER_TRY(infer_blocked_check(x, channels[i]));
        sum += channels[i];
        INFER_TRY(infer_blocked_join(y, x));
    }
    y->dim[1] = infer_blocks(sum);
    y->dim[4] = INFER_BLOCK;
    return INFER_OK;
}

typedef struct concat_work {
    const infer_op_env *env;
    const int64_t *channels;
    size_t parts;
} concat_work;

/* Rows of all images. */
static void concat_part(void *arg, size_t part, size_t worker) {
    const concat_work *w = arg;
    const infer_view *y = w->env->out[0];
    const size_t rows = (size_t)y->dim[2], columns = (size_t)y->dim[3];
    const size_t block = rows * columns * INFER_BLOCK;
    size_t first, end;
    (void)worker;
    infer_part((size_t)y->dim[0] * rows, 1, w->parts, part, &first, &end);
    for (size_t n; first < end; first += n) {
        const size_t image = first / rows, row = first % rows;
        n = end - first < rows - row ? end - first : rows - row;
        const size_t at = row * columns * INFER_BLOCK;
        const lanes to = {(float *)y->data + image * (size_t)y->dim[1] * block + at, block,
                          INFER_BLOCK};
        size_t channel = 0;
        for (uint32_t i = 0; i < w->env->in_count; i++) {
            const infer_view *x = w->env->in[i];
            const lanes from = {(float *)x->data + image * (size_t)x->dim[1] * block + at, block,
                                INFER_BLOCK};
            move_channels(&from, 0, &to, channel, (size_t)w->channels[i], n * columns);
            channel += (size_t)w->channels[i];
        }
    }
}

static infer_status concat_run(infer_op_env *env) {
    const concat_blocked_params *p = env->params;
    const infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    concat_work w = {.env = env, .channels = infer_list_data(env, &p->channels)};
    const size_t rows = (size_t)(y->dim[0] * y->dim[2]);
    w.parts = infer_parts(env, rows, (double)(y->dim[1] * y->dim[3] * INFER_BLOCK) / 4);
    infer_parallel(env, w.parts, concat_part, &w);
    return INFER_OK;
}

/* ---- PhasesBlocked ---- */

/* x has `channels` channels for each phase of the strides, one phase after another: those of place
 * (i, j) are what y has at places (i * strides[0] + r, j * strides[1] + s), r * strides[1] + s
 * being the phase. Of y `trim` is cut off, as pads are. y has blocks where rank is 5, else it is
 * plain. */
typedef struct phases_params {
    infer_list strides, trim;
    int64_t channels, rank;
} phases_params;

static const infer_op_attr phases_attrs[] = {
    A_REQUIRED(phases_params, strides, INTS),
    A_REQUIRED(phases_params, trim, INTS),
    A_REQUIRED(phases_params, channels, INT),
    A_INT(phases_params, rank, 5),
};

#define MOST_STRIDE 64
#define MOST_TRIM   4096

static infer_status phases_infer(infer_op_env *env) {
    const phases_params *p = env->params;
    const infer_view *x = env->in[0];
    const int64_t *stride = infer_list_data(env, &p->strides),
                  *trim = infer_list_data(env, &p->trim);
    if (p->strides.count != 2 || p->trim.count != 4 || p->channels < 1 || p->channels > INT32_MAX ||
        p->rank < 3 || p->rank > 5)
        return infer_fail(INFER_ERROR_VALUE, "%lld channels, rank %lld", (long long)p->channels,
                          (long long)p->rank);
    int64_t out[2];
    for (int i = 0; i < 2; i++) {
        if (stride[i] < 1 || stride[i] > MOST_STRIDE || trim[i] < 0 || trim[i + 2] < 0 ||
            trim[i] > MOST_TRIM || trim[i + 2] > MOST_TRIM)
            return infer_fail(INFER_ERROR_VALUE, "a stride of %lld", (long long)stride[i]);
        out[i] = x->rank == 5 ? x->dim[i + 2] : -1;
        if (out[i] < 0)
            continue;
        if (__builtin_mul_overflow(out[i], stride[i], &out[i]) ||
            (out[i] -= trim[i] + trim[i + 2]) < 0)
            return infer_fail(INFER_ERROR_SHAPE, "axis %d would have extent %lld", i + 2,
                              (long long)out[i]);
    }
    INFER_TRY(infer_blocked_check(x, p->channels * stride[0] * stride[1]));
    infer_view spare, *y = infer_out(env, 0, x->type, (int32_t)p->rank, &spare);
    y->dim[0] = x->rank < 0 ? -1 : x->dim[0];
    y->dim[1] = p->rank == 5 ? infer_blocks(p->channels) : p->channels;
    y->dim[2] = out[p->rank == 3 ? 1 : 0];
    if (p->rank == 3 && out[0] >= 0 && out[0] != 1)
        return infer_fail(INFER_ERROR_SHAPE, "%lld rows instead of one", (long long)out[0]);
    if (p->rank > 3)
        y->dim[3] = out[1];
    if (p->rank == 5)
        y->dim[4] = INFER_BLOCK;
    return INFER_OK;
}

typedef struct phases_work {
    const infer_op_env *env;
    size_t channels, stride[2], trim[2], in[2], out[2], parts;
} phases_work;

/* One phase of one row: places of y from number `first` on. */
static void phase_row(const phases_work *w, size_t image, size_t row, size_t phase) {
    const infer_view *x = w->env->in[0], *y = w->env->out[0];
    const size_t at = w->trim[1] % w->stride[1];
    const size_t first = (phase + w->stride[1] - at) % w->stride[1];
    if (first >= w->out[1])
        return;
    const size_t places = (w->out[1] - first - 1) / w->stride[1] + 1;
    const size_t whole = row + w->trim[0], column = (first + w->trim[1]) / w->stride[1];
    const size_t from = (whole % w->stride[0] * w->stride[1] + phase) * w->channels;
    const size_t block = w->in[0] * w->in[1] * INFER_BLOCK, plane = w->out[0] * w->out[1];
    const lanes a = {(float *)x->data + image * (size_t)x->dim[1] * block +
                         (whole / w->stride[0] * w->in[1] + column) * INFER_BLOCK,
                     block, INFER_BLOCK};
    const size_t to = row * w->out[1] + first;
    if (y->rank == 5) {
        const lanes b = {(float *)y->data + (image * (size_t)y->dim[1] * plane + to) * INFER_BLOCK,
                         plane * INFER_BLOCK, w->stride[1] * INFER_BLOCK};
        move_channels(&a, from, &b, 0, w->channels, places);
        return;
    }
    for (size_t c = 0; c < w->channels; c++)
        move_lanes(a.data + (from + c) / INFER_BLOCK * block + (from + c) % INFER_BLOCK,
                   INFER_BLOCK, (float *)y->data + (image * w->channels + c) * plane + to,
                   w->stride[1], 1, places);
}

static void phases_part(void *arg, size_t part, size_t worker) {
    const phases_work *w = arg;
    size_t first, end;
    (void)worker;
    infer_part((size_t)w->env->in[0]->dim[0] * w->out[0], 1, w->parts, part, &first, &end);
    for (; first < end; first++)
        for (size_t phase = 0; phase < w->stride[1]; phase++)
            phase_row(w, first / w->out[0], first % w->out[0], phase);
}

static infer_status phases_run(infer_op_env *env) {
    const phases_params *p = env->params;
    const infer_view *x = env->in[0], *y = env->out[0];
    const int64_t *stride = infer_list_data(env, &p->strides),
                  *trim = infer_list_data(env, &p->trim);
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    phases_work w = {.env = env, .channels = (size_t)p->channels};
    for (int i = 0; i < 2; i++) {
        w.stride[i] = (size_t)stride[i];
        w.trim[i] = (size_t)trim[i];
        w.in[i] = (size_t)x->dim[i + 2];
        w.out[i] = w.in[i] * w.stride[i] - w.trim[i] - (size_t)trim[i + 2];
    }
    const size_t rows = (size_t)x->dim[0] * w.out[0];
    w.parts = infer_parts(env, rows, (double)(w.out[1] * w.channels) / 2);
    infer_parallel(env, w.parts, phases_part, &w);
    return INFER_OK;
}

/* clang-format off */
#define COMMON(op_name, list, kind)                                                                \
    .domain = "infer", .name = op_name, .since = 1, .newest = 1, .min_in = 1, .min_out = 1,        \
    .max_out = 1, .params_size = sizeof(kind), .attrs = list,                                      \
    .attr_count = sizeof list / sizeof *(list)
/* clang-format on */

const infer_op infer_op_infer_concat_blocked = {
    COMMON("ConcatBlocked", concat_attrs, concat_blocked_params),
    .max_in = INFER_VARIADIC,
    .types = {T(FLOAT), T(FLOAT)},
    .infer = concat_infer,
    .run = concat_run,
};

const infer_op infer_op_infer_phases_blocked = {
    COMMON("PhasesBlocked", phases_attrs, phases_params),
    .max_in = 1,
    .types = {T(FLOAT)},
    .infer = phases_infer,
    .run = phases_run,
};
