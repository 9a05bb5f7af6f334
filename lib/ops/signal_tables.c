/* HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix: tables for signals, computed in
 * double and stored in a type of one's choice. */
#include "axes.h"
#include "chunk.h"
#include "convert.h"
#include "op.h"
#include "status.h"

#include <math.h>
#include <string.h>

typedef struct table_params {
    int64_t output_datatype, periodic;
} table_params;

static const infer_op_attr table_attrs[] = {
    A_TYPE(table_params, output_datatype, INFER_TYPE_FLOAT),
    A_INT(table_params, periodic, 1),
};

static infer_status check_type(const table_params *p) {
    if (p->output_datatype && T_NUMERIC >> p->output_datatype & 1)
        return INFER_OK;
    return infer_fail(INFER_ERROR_TYPE, "the output cannot have elements of %s",
                      infer_type_name((infer_type)p->output_datatype));
}

/* n numbers; integers are truncated. */
static void store(infer_view *y, size_t at, const double *from, size_t n) {
    infer_chunk whole;
    if (infer_type_kind((infer_type)y->type) == INFER_CLASS_FLOATING) {
        infer_store_double((infer_type)y->type, from, y->data, at, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        whole.i[i] = infer_to_int64(from[i]);
    infer_store_int((infer_type)y->type, whole.i, y->data, at, n);
}

/* ---- windows ---- */

static infer_status window_infer(infer_op_env *env) {
    const table_params *p = env->params;
    INFER_TRY(check_type(p));
    INFER_TRY(infer_check_scalar(env->in[0], "size"));
    infer_view spare, *y = infer_out(env, 0, (uint32_t)p->output_datatype, 1, &spare);
    if (!env->in[0]->data)
        return INFER_OK;
    y->dim[0] = infer_index(env->in[0], 0);
    if (y->dim[0] < 0)
        return infer_fail(INFER_ERROR_VALUE, "size is %lld", (long long)y->dim[0]);
    return INFER_OK;
}

/* The sum of a[k] cos(2 pi k i / n) for every i; n is the size, or one less where the window is
 * symmetric. */
static infer_status window_run(infer_op_env *env, const double *a, int terms) {
    const table_params *p = env->params;
    infer_view *y = env->out[0];
    size_t size = y ? (size_t)y->dim[0] : 0;
    double n = (double)size - (p->periodic ? 0 : 1);
    for (size_t at = 0; at < size; at += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = size - at < INFER_CHUNK ? size - at : INFER_CHUNK;
        for (size_t i = 0; i < m; i++) {
            double angle = n > 0 ? 2 * 3.14159265358979323846 * (double)(at + i) / n
                                 : 3.14159265358979323846; /* one number is the middle */
            chunk.d[i] = 0;
            for (int k = 0; k < terms; k++)
                chunk.d[i] += a[k] * cos(k * angle);
        }
        store(y, at, chunk.d, m);
    }
    return INFER_OK;
}

#define WINDOW_OP(op_name, snake, ...)                                                             \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        static const double a[] = {__VA_ARGS__};                                                   \
        return window_run(env, a, sizeof a / sizeof *a);                                           \
    }                                                                                              \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = op_name,                                                                           \
        .since = 17,                                                                               \
        .newest = 27,                                                                              \
        .params_size = sizeof(table_params),                                                       \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .attr_count = 2,                                                                           \
        .attrs = table_attrs,                                                                      \
        .types = {T_INDEX},                                                                        \
        .infer = window_infer,                                                                     \
        .run = snake##_run,                                                                        \
    };
WINDOW_OP("HannWindow", hann_window, 0.5, -0.5)
WINDOW_OP("HammingWindow", hamming_window, 25.0 / 46, -21.0 / 46)
WINDOW_OP("BlackmanWindow", blackman_window, 0.42, -0.5, 0.08)

/* ---- MelWeightMatrix ---- */

enum { BINS, LENGTH, RATE, LOW, HIGH };

static infer_status mel_infer(infer_op_env *env) {
    static const char *const names[] = {"num_mel_bins", "dft_length", "sample_rate",
                                        "lower_edge_hertz", "upper_edge_hertz"};
    const table_params *p = env->params;
    INFER_TRY(check_type(p));
    infer_view spare, *y = infer_out(env, 0, (uint32_t)p->output_datatype, 2, &spare);
    for (uint32_t i = 0; i < 5; i++)
        INFER_TRY(infer_check_scalar(env->in[i], names[i]));
    for (int32_t i = 0; i < 2; i++) {
        const infer_view *v = env->in[i == 0 ? LENGTH : BINS];
        int64_t n = v->data ? infer_index(v, 0) : -1;
        if (v->data && n < 0)
            return infer_fail(INFER_ERROR_VALUE, "%s is %lld", names[i == 0 ? LENGTH : BINS],
                              (long long)n);
        y->dim[i] = i == 0 && n >= 0 ? n / 2 + 1 : n;
    }
    return INFER_OK;
}

static double scalar(const infer_view *v) {
    infer_chunk chunk;
    return *infer_load_double((infer_type)v->type, v->data, 0, 1, &chunk);
}

static double to_mel(double hertz) {
    return 2595 * log10(1 + hertz / 700);
}

/* The row of the spectrum that edge number i of the triangles falls on. */
static infer_status edge_row(infer_op_env *env, int64_t i, int64_t rows, int64_t *row) {
    double low = to_mel(scalar(env->in[LOW])), high = to_mel(scalar(env->in[HIGH]));
    double step = (high - low) / (scalar(env->in[BINS]) + 2);
    double hertz = 700 * (pow(10, ((double)i * step + low) / 2595) - 1);
    double at = floor((scalar(env->in[LENGTH]) + 1) * hertz / scalar(env->in[RATE]));
    if (!(at >= 0 && at < (double)rows))
        return infer_fail(INFER_ERROR_VALUE, "an edge at %g Hz is outside of the spectrum", hertz);
    *row = (int64_t)at;
    return INFER_OK;
}

static infer_status mel_run(infer_op_env *env) {
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int64_t rows = y->dim[0], bins = y->dim[1], left = 0, center = 0, right = 0;
    memset(y->data, 0, infer_view_bytes(y));
    INFER_TRY(edge_row(env, 0, rows, &left));
    INFER_TRY(edge_row(env, 1, rows, &center));
    for (int64_t b = 0; b < bins; b++, left = center, center = right) {
        INFER_TRY(edge_row(env, b + 2, rows, &right));
        for (int64_t r = left < center ? left : center; r < right || r == center; r++) {
            double v = r < center    ? (double)(r - left) / (double)(center - left)
                       : r == center ? 1
                                     : (double)(right - r) / (double)(right - center);
            store(y, (size_t)(r * bins + b), &v, 1);
        }
    }
    return INFER_OK;
}

const infer_op infer_op_mel_weight_matrix = {
    .domain = "",
    .name = "MelWeightMatrix",
    .since = 17,
    .newest = 27,
    .params_size = sizeof(table_params),
    .min_in = 5,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = table_attrs,
    .types = {T_INDEX, T_INDEX, T_INDEX, T_FLOAT, T_FLOAT},
    .infer = mel_infer,
    .run = mel_run,
};
