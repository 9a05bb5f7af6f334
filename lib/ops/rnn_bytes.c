/* Products of recurrent cells with 8-bit weights: what they multiply is quantized on the way. */
#include "checked.h"
#include "chunk.h"
#include "pack.h"
#include "quantize.h"
#include "rnn.h"
#include "status.h"

#include <string.h>

/* Inputs of DynamicQuantizeLSTM. */
enum { X = 0, W = 1, R = 2, LENGTHS = 4, SCALE = 8, ZERO = 9 }; /* R's behind: 10 and 11 */

static const infer_view *scale_of(const infer_op_env *env, int side) {
    return env->in[SCALE + 2 * side];
}

static const infer_view *zero_of(const infer_op_env *env, int side) {
    return env->in[ZERO + 2 * side];
}

infer_status infer_rnn_bytes_check(const infer_op_env *env, int64_t directions, int64_t width) {
    if (env->in_count != 12)
        return infer_fail(INFER_ERROR_FORMAT, "%u inputs instead of 12", env->in_count);
    for (uint32_t i = LENGTHS + 1; i < SCALE; i++)
        if (env->in[i] && env->in[i]->type != INFER_TYPE_FLOAT)
            return infer_fail(INFER_ERROR_TYPE, "input %u has elements of %s", i,
                              infer_type_name((infer_type)env->in[i]->type));
    for (int i = 0; i < 4; i++) {
        const infer_view *v = env->in[SCALE + i];
        if (!v)
            return infer_fail(INFER_ERROR_FORMAT, "input %d is missing", SCALE + i);
        const uint8_t type = i % 2 ? env->in[W + i / 2]->type : INFER_TYPE_FLOAT;
        if (v->type != type)
            return infer_fail(INFER_ERROR_TYPE, "input %d has elements of %s", SCALE + i,
                              infer_type_name((infer_type)v->type));
        bool fits =
            v->rank < 0 ||
            ((v->rank == 1 || v->rank == 2) && (v->dim[0] < 0 || v->dim[0] == directions) &&
             (v->rank == 1 || v->dim[1] < 0 || v->dim[1] == 1 || width < 0 || v->dim[1] == width));
        if (!fits)
            return infer_fail(INFER_ERROR_SHAPE, "input %d does not fit the others", SCALE + i);
    }
    return INFER_OK;
}

/* One number for a direction, or one for each column. */
static void column_numbers(const infer_view *v, size_t number, size_t at, size_t n, float *to) {
    infer_chunk chunk;
    const bool many = v->rank == 2 && v->dim[1] != 1;
    const size_t first = many ? number * (size_t)v->dim[1] + at : number;
    const float *from = infer_load_float((infer_type)v->type, v->data, first, many ? n : 1, &chunk);
    for (size_t i = 0; i < n; i++)
        to[i] = from[many ? i : 0];
}

/* One panel of a full width, or what is left of it; in loops that compilers make vectors of. */
#define PACK_PANEL(name, ctype)                                                                    \
    static void name(const ctype *from, size_t k, size_t n, size_t columns, const float *zeros,    \
                     float *to) {                                                                  \
        if (columns == INFER_PANEL)                                                                \
            for (size_t i = 0; i < k; i++, from += n, to += INFER_PANEL)                           \
                for (size_t j = 0; j < INFER_PANEL; j++)                                           \
                    to[j] = (float)from[j] - zeros[j];                                             \
        else                                                                                       \
            for (size_t i = 0; i < k; i++, from += n, to += INFER_PANEL)                           \
                for (size_t j = 0; j < INFER_PANEL; j++)                                           \
                    to[j] = j < columns ? (float)from[j] - zeros[j] : 0;                           \
    }
PACK_PANEL(pack_int8, int8_t)
PACK_PANEL(pack_uint8, uint8_t)

void infer_rnn_bytes_pack(const infer_op_env *env, int side, size_t number, float *packed) {
    const infer_view *v = env->in[side ? R : W];
    const size_t k = (size_t)v->dim[1], n = (size_t)v->dim[2];
    const uint8_t *from = (const uint8_t *)v->data + number * k * n;
    for (size_t p = 0; p < n; p += INFER_PANEL, packed += k * INFER_PANEL) {
        const size_t columns = n - p < INFER_PANEL ? n - p : INFER_PANEL;
        float zeros[INFER_PANEL];
        column_numbers(zero_of(env, side), number, p, columns, zeros);
        if (v->type == INFER_TYPE_INT8)
            pack_int8((const int8_t *)from + p, k, n, columns, zeros, packed);
        else
            pack_uint8(from + p, k, n, columns, zeros, packed);
    }
}

infer_rnn_range infer_rnn_bytes_inputs(const infer_op_env *env) {
    const infer_view *x = env->in[X], *lengths = env->in[LENGTHS];
    size_t steps = lengths ? 0 : (size_t)x->dim[0];
    for (int64_t b = 0; lengths && b < x->dim[1]; b++) {
        size_t n = (size_t)((const int32_t *)lengths->data)[b];
        steps = n > steps ? n : steps;
    }
    return infer_rnn_bytes_range(x->data, steps * (size_t)x->dim[1] * (size_t)x->dim[2]);
}

infer_rnn_range infer_rnn_bytes_range(const float *x, size_t n) {
    infer_rnn_range r;
    infer_quantize_range(x, n, &r.scale, &r.zero);
    return r;
}

void infer_rnn_bytes_multiply(const infer_op_env *env, int side, size_t number, size_t rows,
                              const float *a, infer_rnn_range range, const float *packed,
                              const float *bias, float *quantized, float *c) {
    const infer_view *v = env->in[side ? R : W];
    const size_t k = (size_t)v->dim[1], n = (size_t)v->dim[2], count = rows * k;
    for (size_t i = 0, m; i < count; i += m) {
        uint8_t bytes[INFER_CHUNK];
        infer_chunk chunk;
        m = count - i < INFER_CHUNK ? count - i : INFER_CHUNK;
        for (size_t j = 0; j < m; j++)
            chunk.f[j] = a[i + j] / range.scale;
        infer_quantize(INFER_TYPE_UINT8, chunk.f, m, &range.zero, 0, bytes, 0, true);
        for (size_t j = 0; j < m; j++)
            quantized[i + j] = (float)bytes[j] - range.zero;
    }
    env->kernels->gemm_packed_f32(rows, n, k, quantized, k, packed, NULL, c, n);
    for (size_t j = 0, m; j < n; j += m) {
        float scales[INFER_CHUNK];
        m = n - j < INFER_CHUNK ? n - j : INFER_CHUNK;
        column_numbers(scale_of(env, side), number, j, m, scales);
        for (size_t i = 0; i < m; i++)
            scales[i] *= range.scale;
        for (size_t row = 0; row < rows; row++)
            for (size_t i = 0; i < m; i++)
                c[row * n + j + i] = c[row * n + j + i] * scales[i] + (bias ? bias[j + i] : 0);
    }
}
