/* DFT and STFT: spectra of signals along an axis, and of pieces of signals. */
#include "axes.h"
#include "chunk.h"
#include "fft.h"
#include "op.h"
#include "status.h"

typedef struct spectral_params {
    int64_t inverse, onesided;
} spectral_params;

/* Numbers are the last axis: one, or real and imaginary part. */
static infer_status check_parts(const infer_view *x) {
    int64_t parts = x->rank > 0 ? x->dim[x->rank - 1] : -1;
    if (x->rank >= 0 && (x->rank < 2 || (parts >= 0 && parts != 1 && parts != 2)))
        return infer_fail(INFER_ERROR_SHAPE, "the last axis has to hold one part or two");
    return INFER_OK;
}

/* Elements `at`, at + step, ... of complex or real numbers into to; n of them. */
static void load_signal(const infer_view *x, size_t at, size_t step, size_t n, infer_complex *to) {
    infer_type type = (infer_type)x->type;
    size_t parts = (size_t)x->dim[x->rank - 1];
    size_t together = step == 1 ? INFER_CHUNK / parts : 1;
    for (size_t i = 0; i < n; i += together) {
        infer_chunk chunk;
        size_t m = n - i < together ? n - i : together;
        const double *from =
            infer_load_double(type, x->data, (at + i * step) * parts, m * parts, &chunk);
        for (size_t k = 0; k < m; k++)
            to[i + k] = (infer_complex){from[k * parts], parts == 2 ? from[k * parts + 1] : 0};
    }
}

/* The way back, by `scale`; a real output keeps the real parts. */
static void store_signal(infer_view *y, size_t at, size_t step, size_t n, const infer_complex *from,
                         double scale, double conjugate) {
    size_t parts = (size_t)y->dim[y->rank - 1];
    for (size_t i = 0; i < n; i++) {
        double both[] = {from[i].re * scale, from[i].im * scale * conjugate};
        infer_store_double((infer_type)y->type, both, y->data, (at + i * step) * parts, parts);
    }
}

/* ---- DFT ---- */

enum { INPUT, LENGTH, AXIS };
static const infer_op_attr dft_attrs[] = {A_INT(spectral_params, inverse, 0),
                                          A_INT(spectral_params, onesided, 0)};

static infer_status dft_upgrade(infer_rewriter *rw) {
    if (rw->version >= 20)
        return INFER_OK;
    if (!rw->attr(rw, "axis"))
        INFER_TRY(infer_set_int(rw, "axis", 1));
    return infer_attr_to_input(rw, "axis", AXIS);
}

/* The axis, never the last one; -1 where it is not known. */
static infer_status dft_axis(infer_op_env *env, int32_t *axis) {
    const infer_view *x = env->in[INPUT];
    int64_t given = -2;
    *axis = -1;
    if (x->rank < 0)
        return INFER_OK;
    if (infer_has_input(env, AXIS)) {
        if (!env->in[AXIS]->data)
            return INFER_OK;
        given = infer_index(env->in[AXIS], 0);
    }
    INFER_TRY(infer_axis(given, x->rank, axis));
    if (*axis == x->rank - 1)
        return infer_fail(INFER_ERROR_VALUE, "the last axis holds the parts of numbers");
    return INFER_OK;
}

/* Elements of a signal of n; -1 where that is not known. */
static infer_status dft_length(infer_op_env *env, int64_t n, int64_t *length) {
    const spectral_params *p = env->params;
    *length = -1;
    if (infer_has_input(env, LENGTH)) {
        if (!env->in[LENGTH]->data)
            return INFER_OK;
        *length = infer_index(env->in[LENGTH], 0);
    } else if (n >= 0) {
        *length = n;
        if (p->inverse && p->onesided && __builtin_mul_overflow(n - 1, 2, length))
            *length = 0;
    } else {
        return INFER_OK;
    }
    if (*length < 1)
        return infer_fail(INFER_ERROR_VALUE, "a signal of %lld elements", (long long)*length);
    return INFER_OK;
}

static infer_status dft_infer(infer_op_env *env) {
    const spectral_params *p = env->params;
    const infer_view *x = env->in[INPUT];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    int32_t axis = 0;
    int64_t length = -1;
    INFER_TRY(check_parts(x));
    if (infer_has_input(env, LENGTH))
        INFER_TRY(infer_check_scalar(env->in[LENGTH], "dft_length"));
    if (infer_has_input(env, AXIS))
        INFER_TRY(infer_check_scalar(env->in[AXIS], "axis"));
    INFER_TRY(dft_axis(env, &axis));
    if (x->rank < 0)
        return INFER_OK;
    y->dim[x->rank - 1] = p->inverse && p->onesided ? 1 : 2;
    if (axis < 0)
        return INFER_OK;
    INFER_TRY(dft_length(env, x->dim[axis], &length));
    for (int32_t i = 0; i < x->rank - 1; i++)
        y->dim[i] = x->dim[i];
    y->dim[axis] = length;
    if (length < 0)
        return INFER_OK;
    if (p->onesided && !p->inverse)
        y->dim[axis] = length / 2 + 1;
    return infer_fft_size((size_t)length, &env->scratch_size);
}

/* A whole spectrum from its first half, that of a real signal. */
static void mirror(infer_complex *x, size_t n) {
    for (size_t i = n / 2 + 1; i < n; i++)
        x[i] = (infer_complex){x[n - i].re, -x[n - i].im};
    x[0].im = 0;
    if (n % 2 == 0)
        x[n / 2].im = 0;
}

static infer_status dft_run(infer_op_env *env) {
    const spectral_params *p = env->params;
    const infer_view *x = env->in[INPUT];
    infer_view *y = env->out[0];
    int32_t axis = 0;
    int64_t length = 0;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(dft_axis(env, &axis));
    INFER_TRY(dft_length(env, x->dim[axis], &length));
    infer_fft f;
    /* Forwards in double, as sums of many terms deserve. Backwards ONNX's data has what single
     * precision leaves of sums that are exactly zero, and is right to 1e-7 only with the same. */
    infer_fft_begin(&f, (size_t)length, p->inverse && x->type == INFER_TYPE_FLOAT, env->scratch);
    size_t n = (size_t)x->dim[axis], to_n = (size_t)y->dim[axis];
    size_t outer = (size_t)infer_span(x, 0, axis);
    size_t inner = (size_t)infer_span(x, axis + 1, x->rank - 1);
    bool back = p->inverse != 0, half = back && p->onesided;
    size_t given = half ? f.n / 2 + 1 : f.n; /* that are read; zeros follow where there are fewer */
    n = n < given ? n : given;
    for (size_t row = 0; row < outer * inner; row++) {
        size_t o = row / inner, i = row % inner;
        load_signal(x, o * (size_t)x->dim[axis] * inner + i, inner, n, f.in);
        for (size_t k = n; k < f.n; k++)
            f.in[k] = (infer_complex){0, 0};
        if (half)
            mirror(f.in, f.n);
        /* Backwards is forwards of the conjugates, conjugated. */
        for (size_t k = 0; k < f.n && back; k++)
            f.in[k].im = -f.in[k].im;
        infer_fft_run(&f);
        store_signal(y, o * to_n * inner + i, inner, to_n, f.out, back ? 1 / (double)f.n : 1,
                     back ? -1 : 1);
    }
    return INFER_OK;
}

const infer_op infer_op_dft = {
    .domain = "",
    .name = "DFT",
    .since = 17,
    .newest = 27,
    .params_size = sizeof(spectral_params),
    .min_in = 1,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 2,
    .attrs = dft_attrs,
    .types = {T_FLOAT, T_INDEX, T(INT64)},
    .upgrade = dft_upgrade,
    .infer = dft_infer,
    .run = dft_run,
};

/* ---- STFT ---- */

enum { SIGNAL, STEP, WINDOW, FRAME };
static const infer_op_attr stft_attrs[] = {A_INT(spectral_params, onesided, 1)};

/* Elements of a frame and between two of them; -1 where not known. */
static infer_status stft_sizes(infer_op_env *env, int64_t *frame, int64_t *step) {
    const infer_view *x = env->in[SIGNAL];
    *step = env->in[STEP]->data ? infer_index(env->in[STEP], 0) : -1;
    if (env->in[STEP]->data && *step < 1)
        return infer_fail(INFER_ERROR_VALUE, "frame_step is %lld", (long long)*step);
    if (!infer_has_input(env, FRAME)) {
        *frame = infer_has_input(env, WINDOW) ? infer_view_count(env->in[WINDOW])
                 : x->rank == 3               ? x->dim[1]
                                              : -1;
    } else if (!env->in[FRAME]->data) {
        *frame = -1;
        return INFER_OK;
    } else {
        *frame = infer_index(env->in[FRAME], 0);
    }
    if (*frame == 0 || *frame < -1 || (infer_has_input(env, FRAME) && *frame < 0) ||
        (x->rank == 3 && x->dim[1] >= 0 && *frame > x->dim[1]))
        return infer_fail(INFER_ERROR_VALUE, "a frame of %lld elements", (long long)*frame);
    return INFER_OK;
}

static infer_status stft_infer(infer_op_env *env) {
    const spectral_params *p = env->params;
    const infer_view *x = env->in[SIGNAL];
    infer_view spare, *y = infer_out(env, 0, x->type, 4, &spare);
    int64_t frame, step;
    y->dim[3] = 2;
    if (x->rank >= 0 && x->rank != 3)
        return infer_fail(INFER_ERROR_SHAPE, "the signal has rank %d instead of 3", (int)x->rank);
    INFER_TRY(check_parts(x));
    INFER_TRY(infer_check_scalar(env->in[STEP], "frame_step"));
    if (infer_has_input(env, FRAME))
        INFER_TRY(infer_check_scalar(env->in[FRAME], "frame_length"));
    if (infer_has_input(env, WINDOW))
        INFER_TRY(infer_check_list(env->in[WINDOW], "window"));
    INFER_TRY(stft_sizes(env, &frame, &step));
    if (x->rank == 3)
        y->dim[0] = x->dim[0];
    if (frame < 0)
        return INFER_OK;
    y->dim[2] = p->onesided ? frame / 2 + 1 : frame;
    if (x->rank == 3 && x->dim[1] >= 0 && step > 0)
        y->dim[1] = (x->dim[1] - frame) / step + 1;
    return infer_fft_size((size_t)frame, &env->scratch_size);
}

/* The window's numbers times those of the frame; zeros where the window ends before it. */
static void apply_window(const infer_view *window, infer_complex *x, size_t n) {
    size_t have = (size_t)infer_view_count(window);
    for (size_t at = 0; at < n; at += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = n - at < INFER_CHUNK ? n - at : INFER_CHUNK, known = 0;
        const double *w = chunk.d;
        if (at < have) {
            known = have - at < m ? have - at : m;
            w = infer_load_double((infer_type)window->type, window->data, at, known, &chunk);
        }
        for (size_t i = 0; i < m; i++) {
            double factor = i < known ? w[i] : 0;
            x[at + i].re *= factor;
            x[at + i].im *= factor;
        }
    }
}

static infer_status stft_run(infer_op_env *env) {
    const infer_view *x = env->in[SIGNAL];
    const infer_view *window = infer_has_input(env, WINDOW) ? env->in[WINDOW] : NULL;
    infer_view *y = env->out[0];
    int64_t frame, step;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(stft_sizes(env, &frame, &step));
    infer_fft f;
    infer_fft_begin(&f, (size_t)frame, false, env->scratch);
    size_t frames = (size_t)y->dim[1], bins = (size_t)y->dim[2], length = (size_t)x->dim[1];
    for (size_t row = 0; row < (size_t)y->dim[0] * frames; row++) {
        size_t first = row / frames * length + row % frames * (size_t)step;
        load_signal(x, first, 1, f.n, f.in);
        if (window)
            apply_window(window, f.in, f.n);
        infer_fft_run(&f);
        store_signal(y, row * bins, 1, bins, f.out, 1, 1);
    }
    return INFER_OK;
}

const infer_op infer_op_stft = {
    .domain = "",
    .name = "STFT",
    .since = 17,
    .newest = 27,
    .params_size = sizeof(spectral_params),
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = stft_attrs,
    .types = {T_FLOAT, T_INDEX, T_FLOAT | T_SAME, T_INDEX},
    .infer = stft_infer,
    .run = stft_run,
};
