/* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. */
#include "quantize.h"

#include "axes.h"
#include "chunk.h"
#include "elementwise.h"
#include "share.h"
#include "status.h"

#include <string.h>

/* ---- one row ---- */

/* Beyond what any integer here and its zero point can be, and small enough for the rounding. */
#define FAR   262144.0f
#define MAGIC 12582912.0f /* 1.5 * 2^23: adding it drops the fraction */

void infer_quantize(infer_type type, float *x, size_t n, const float *zero, size_t step, void *data,
                    size_t at, bool saturate) {
    if (infer_type_kind(type) == INFER_CLASS_FLOATING) {
        for (size_t i = 0; i < n; i++)
            x[i] += zero[i * step];
        infer_narrow(type, x, (char *)data + at * infer_type_size(type), n, saturate);
        return;
    }
    bool sign = infer_type_kind(type) == INFER_CLASS_SIGNED;
    const float span = (float)(1u << infer_type_bits(type)), low = sign ? -span / 2 : 0;
    const float high = low + span - 1;
    for (size_t i = 0; i < n; i++) {
        float v = x[i] > -FAR ? x[i] : -FAR; /* NaN as well */
        v = v < FAR ? v : FAR;
        v = v + MAGIC - MAGIC + zero[i * step];
        v = v > low ? v : low;
        x[i] = v < high ? v : high;
    }
    infer_type held = infer_compute_type(type);
    if (held == INFER_TYPE_INT8 || held == INFER_TYPE_UINT8) {
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)data)[at + i] = (uint8_t)(int32_t)x[i];
        return;
    }
    for (size_t i = 0; i < n; i++) /* 16 bits */
        ((uint16_t *)data)[at + i] = (uint16_t)(int32_t)x[i];
}

/* ---- which scale belongs to which element ---- */

typedef struct scaling {
    int64_t outer, count, inner; /* of x: places before, along and behind the axis */
    int64_t outer_step, axis_step, step, repeat; /* of the scale; repeat: elements that share one */
} scaling;

/* x [outer][count][inner] with one scale, one along the axis, or one for each block along it. */
static infer_status read_scaling(const infer_view *x, const infer_view *scale,
                                 const infer_view *zero, int64_t given, int64_t block, scaling *s) {
    int32_t axis = 0;
    int64_t n = infer_view_count(scale);
    if (zero && infer_view_count(zero) != n)
        return infer_fail(INFER_ERROR_SHAPE, "the zero point does not have the scale's shape");
    if (block < 0)
        return infer_fail(INFER_ERROR_VALUE, "block_size is %lld", (long long)block);
    *s = (scaling){.outer = 1, .count = 1, .inner = infer_view_count(x), .repeat = 1};
    if (n == 1)
        return INFER_OK;
    if (x->rank != 1) /* whose only axis needs no name */
        INFER_TRY(infer_axis(given, x->rank, &axis));
    s->outer = infer_span(x, 0, axis);
    s->count = x->dim[axis];
    s->inner = infer_span(x, axis + 1, x->rank);
    if (block == 0 && scale->rank == 1 && n == s->count) {
        s->axis_step = 1;
        if (s->inner == 1) { /* along the rows */
            s->inner = s->count;
            s->count = s->step = 1;
            s->axis_step = 0;
        }
        return INFER_OK;
    }
    bool fits = block > 0 && scale->rank == x->rank;
    for (int32_t i = 0; fits && i < x->rank; i++)
        fits = i == axis ? scale->dim[i] == x->dim[i] / block + (x->dim[i] % block != 0)
                         : scale->dim[i] == x->dim[i];
    if (!fits)
        return infer_fail(INFER_ERROR_SHAPE, "the scale's shape does not fit the input");
    s->repeat = block;
    s->step = 1;
    s->axis_step = s->inner;
    s->outer_step = scale->dim[axis] * s->inner;
    return INFER_OK;
}

typedef void row_function(infer_op_env *env, int64_t at, size_t n, int64_t scale_at, size_t step);

typedef struct walk_work {
    infer_op_env *env;
    const scaling *s;
    row_function *row;
    size_t count, parts;
} walk_work;

static void walk_part(void *arg, size_t part, size_t worker) {
    const walk_work *w = arg;
    const scaling *s = w->s;
    const bool by_block = s->repeat > 1 && s->inner == 1; /* elements of a block are neighbours */
    size_t first, end;
    (void)worker;
    infer_part(w->count, INFER_CHUNK, w->parts, part, &first, &end);
    for (int64_t at = (int64_t)first, n; at < (int64_t)end; at += n) {
        const int64_t line = at / s->inner, j = at % s->inner;
        const int64_t o = line / s->count, i = line % s->count;
        n = s->inner - j;
        if (by_block) {
            n = s->repeat - i % s->repeat;
            n = n < s->count - i ? n : s->count - i;
        }
        n = n < INFER_CHUNK ? n : INFER_CHUNK;
        n = n < (int64_t)end - at ? n : (int64_t)end - at;
        w->row(w->env, at, (size_t)n,
               o * s->outer_step + i / s->repeat * s->axis_step + j * s->step,
               by_block ? 0 : (size_t)s->step);
    }
}

/* Calls the function for rows of at most INFER_CHUNK elements, whose scales are `step` apart. */
static void walk(infer_op_env *env, const scaling *s, row_function *row) {
    walk_work w = {env, s, row, (size_t)infer_view_count(env->in[0]), 1};
    w.parts = infer_parts(env, w.count, 1);
    infer_parallel(env, w.parts, walk_part, &w);
}

/* Elements of a scale or zero point (NULL: zeros) as float. */
static const float *numbers(const infer_view *v, int64_t at, size_t step, size_t n,
                            infer_chunk *chunk) {
    n = step ? n : 1;
    if (v)
        return infer_load_float((infer_type)v->type, v->data, (size_t)at, n, chunk);
    memset(chunk->f, 0, n * sizeof *chunk->f);
    return chunk->f;
}

/* ---- QuantizeLinear ---- */

typedef struct quantize_params {
    int64_t axis, block_size, output_dtype, precision, saturate;
} quantize_params;

static const infer_op_attr quantize_attrs[] = {
    A_INT(quantize_params, axis, 1),
    A_INT(quantize_params, block_size, 0),
    A_TYPE(quantize_params, output_dtype, INFER_TYPE_UNDEFINED),
    A_TYPE(quantize_params, precision, INFER_TYPE_UNDEFINED),
    A_INT(quantize_params, saturate, 1),
};

enum { X, SCALE, ZERO };

#define T_QUANTIZED                                                                                \
    (T(INT8) | T(UINT8) | T(INT16) | T(UINT16) | T_SUBBYTE | (T_FLOAT8 & ~T(FLOAT8E8M0)))

static const infer_view *zero_of(const infer_op_env *env) {
    return infer_input(env, ZERO);
}

static infer_status check_scaling(const infer_op_env *env, int64_t axis, int64_t block) {
    const infer_view *zero = zero_of(env);
    scaling s;
    if (!infer_view_concrete(env->in[X]) || !infer_view_concrete(env->in[SCALE]) ||
        (zero && !infer_view_concrete(zero)))
        return INFER_OK;
    return read_scaling(env->in[X], env->in[SCALE], zero, axis, block, &s);
}

static infer_status quantize_infer(infer_op_env *env) {
    const quantize_params *p = env->params;
    const infer_view *zero = zero_of(env);
    int64_t type = zero ? zero->type : p->output_dtype ? p->output_dtype : INFER_TYPE_UINT8;
    if (p->output_dtype && p->output_dtype != type)
        return infer_fail(INFER_ERROR_TYPE, "output_dtype is not the zero point's type");
    if (!(T_QUANTIZED >> type & 1))
        return infer_fail(INFER_ERROR_TYPE, "nothing is quantized to %s",
                          infer_type_name((infer_type)type));
    if (p->precision && !(T_FLOAT >> p->precision & 1))
        return infer_fail(INFER_ERROR_TYPE, "precision %s",
                          infer_type_name((infer_type)p->precision));
    INFER_TRY(infer_like_first(env, (infer_type)type));
    return check_scaling(env, p->axis, p->block_size);
}

static bool is_byte(const infer_view *v) {
    return v->type == INFER_TYPE_INT8 || v->type == INFER_TYPE_UINT8;
}

/* Element number `at` of a zero point of 8 bits; 0 where there is none. */
static int32_t byte_at(const infer_view *v, int64_t at) {
    return !v                           ? 0
           : v->type == INFER_TYPE_INT8 ? ((const int8_t *)v->data)[at]
                                        : ((const uint8_t *)v->data)[at];
}

/* The quotient is rounded to the 16 bits that it would be computed in. */
static void quantize_row(infer_op_env *env, int64_t at, size_t n, int64_t scale_at, size_t step) {
    const quantize_params *p = env->params;
    const infer_view *x = env->in[X], *scale = env->in[SCALE];
    infer_view *y = env->out[0];
    infer_chunk some, scales, zeros, quotient, half;
    infer_type precision = (infer_type)(p->precision ? p->precision : scale->type);
    if (x->type == INFER_TYPE_FLOAT && precision == INFER_TYPE_FLOAT && step == 0 &&
        scale->type == INFER_TYPE_FLOAT && is_byte(y)) {
        env->kernels->quantize_8(
            (const float *)x->data + at, n, ((const float *)scale->data)[scale_at],
            byte_at(zero_of(env), scale_at), y->type == INFER_TYPE_INT8, (uint8_t *)y->data + at);
        return;
    }
    const float *from = infer_load_float((infer_type)x->type, x->data, (size_t)at, n, &some);
    const float *by = numbers(scale, scale_at, step, n, &scales);
    for (size_t i = 0; i < n; i++)
        quotient.f[i] = from[i] / by[i * step];
    if (precision == INFER_TYPE_FLOAT16 || precision == INFER_TYPE_BFLOAT16) {
        infer_narrow(precision, quotient.f, &half, n, false);
        infer_widen(precision, &half, quotient.f, n);
    }
    infer_quantize((infer_type)y->type, quotient.f, n,
                   numbers(zero_of(env), scale_at, step, n, &zeros), step, y->data, (size_t)at,
                   p->saturate != 0);
}

static infer_status quantize_run(infer_op_env *env) {
    const quantize_params *p = env->params;
    scaling s;
    INFER_TRY(read_scaling(env->in[X], env->in[SCALE], zero_of(env), p->axis, p->block_size, &s));
    if (env->out[0])
        walk(env, &s, quantize_row);
    return INFER_OK;
}

/* ---- DequantizeLinear ---- */

typedef struct dequantize_params {
    int64_t axis, block_size, output_dtype;
} dequantize_params;

static const infer_op_attr dequantize_attrs[] = {
    A_INT(dequantize_params, axis, 1),
    A_INT(dequantize_params, block_size, 0),
    A_TYPE(dequantize_params, output_dtype, INFER_TYPE_UNDEFINED),
};

static infer_status dequantize_infer(infer_op_env *env) {
    const dequantize_params *p = env->params;
    uint8_t scale = env->in[SCALE]->type;
    int64_t type = p->output_dtype                  ? p->output_dtype
                   : scale == INFER_TYPE_FLOAT8E8M0 ? INFER_TYPE_FLOAT /* it is no result */
                                                    : scale;
    if (!((T_FLOAT & ~T(DOUBLE)) >> type & 1))
        return infer_fail(INFER_ERROR_TYPE, "nothing is dequantized to %s",
                          infer_type_name((infer_type)type));
    INFER_TRY(infer_like_first(env, (infer_type)type));
    return check_scaling(env, p->axis, p->block_size);
}

static void dequantize_row(infer_op_env *env, int64_t at, size_t n, int64_t scale_at, size_t step) {
    const infer_view *x = env->in[X];
    infer_view *y = env->out[0];
    infer_chunk some, scales, zeros, result;
    const infer_view *scale = env->in[SCALE];
    if (y->type == INFER_TYPE_FLOAT && scale->type == INFER_TYPE_FLOAT && step == 0 && is_byte(x)) {
        env->kernels->dequantize_8((const uint8_t *)x->data + at, n, x->type == INFER_TYPE_INT8,
                                   byte_at(zero_of(env), scale_at),
                                   ((const float *)scale->data)[scale_at], (float *)y->data + at);
        return;
    }
    const float *from = infer_load_float((infer_type)x->type, x->data, (size_t)at, n, &some);
    const float *by = numbers(scale, scale_at, step, n, &scales);
    const float *zero = numbers(zero_of(env), scale_at, step, n, &zeros);
    bool plain = y->type == INFER_TYPE_FLOAT;
    float *to = plain ? (float *)y->data + at : result.f;
    for (size_t i = 0; i < n; i++)
        to[i] = (from[i] - zero[i * step]) * by[i * step];
    if (!plain)
        infer_narrow((infer_type)y->type, to,
                     (char *)y->data + (size_t)at * infer_type_size((infer_type)y->type), n, false);
}

static infer_status dequantize_run(infer_op_env *env) {
    const dequantize_params *p = env->params;
    scaling s;
    INFER_TRY(read_scaling(env->in[X], env->in[SCALE], zero_of(env), p->axis, p->block_size, &s));
    if (env->out[0])
        walk(env, &s, dequantize_row);
    return INFER_OK;
}

/* ---- DynamicQuantizeLinear ---- */

static void scale_of(const infer_kernels *k, float low, float high, float *scale, uint8_t *zero) {
    *scale = high == low ? 1 : (high - low) / 255;
    k->quantize_8(&(float){-low}, 1, *scale, 0, false, zero);
}

void infer_quantize_range(const infer_kernels *k, const float *x, size_t n, float *scale,
                          uint8_t *zero) {
    float low, high;
    k->range_f32(x, n, &low, &high);
    scale_of(k, low, high, scale, zero);
}

static infer_status dynamic_infer(infer_op_env *env) {
    infer_view spare;
    infer_out(env, 1, INFER_TYPE_FLOAT, 0, &spare);
    infer_out(env, 2, INFER_TYPE_UINT8, 0, &spare);
    return infer_like_first(env, INFER_TYPE_UINT8);
}

#define RANGES 64 /* parts at most */

typedef struct dynamic_work {
    const infer_op_env *env;
    size_t count, parts;
    float low[RANGES], high[RANGES], scale;
    uint8_t zero;
} dynamic_work;

static void range_part(void *arg, size_t part, size_t worker) {
    dynamic_work *w = arg;
    size_t first, end;
    (void)worker;
    infer_part(w->count, INFER_CHUNK, w->parts, part, &first, &end);
    w->env->kernels->range_f32((const float *)w->env->in[X]->data + first, end - first,
                               &w->low[part], &w->high[part]);
}

static void dynamic_part(void *arg, size_t part, size_t worker) {
    const dynamic_work *w = arg;
    size_t first, end;
    (void)worker;
    infer_part(w->count, INFER_CHUNK, w->parts, part, &first, &end);
    w->env->kernels->quantize_8((const float *)w->env->in[X]->data + first, end - first, w->scale,
                                w->zero, false, (uint8_t *)w->env->out[0]->data + first);
}

static infer_status dynamic_run(infer_op_env *env) {
    dynamic_work w = {.env = env, .count = (size_t)infer_view_count(env->in[X])};
    w.parts = infer_parts(env, w.count, 1);
    w.parts = w.parts < RANGES ? w.parts : RANGES;
    if (w.count) {
        infer_parallel(env, w.parts, range_part, &w);
        for (size_t i = 1; i < w.parts; i++) {
            w.low[0] = w.low[i] < w.low[0] ? w.low[i] : w.low[0];
            w.high[0] = w.high[i] > w.high[0] ? w.high[i] : w.high[0];
        }
    }
    scale_of(env->kernels, w.low[0], w.high[0], &w.scale, &w.zero);
    if (env->out_count > 1 && env->out[1])
        *(float *)env->out[1]->data = w.scale;
    if (env->out_count > 2 && env->out[2])
        *(uint8_t *)env->out[2]->data = w.zero;
    if (env->out[0] && w.count)
        infer_parallel(env, w.parts, dynamic_part, &w);
    return INFER_OK;
}

/* ---- the operators ---- */

const infer_op infer_op_quantize_linear = {
    .domain = "",
    .name = "QuantizeLinear",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(quantize_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof quantize_attrs / sizeof *quantize_attrs,
    .attrs = quantize_attrs,
    .types = {T_FLOAT | T(INT32), T_FLOAT | T(INT32) | T(FLOAT8E8M0), T_QUANTIZED},
    .infer = quantize_infer,
    .run = quantize_run,
};

const infer_op infer_op_dequantize_linear = {
    .domain = "",
    .name = "DequantizeLinear",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(dequantize_params),
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof dequantize_attrs / sizeof *dequantize_attrs,
    .attrs = dequantize_attrs,
    .types = {T_QUANTIZED | T(INT32), (T_FLOAT & ~T(DOUBLE)) | T(FLOAT8E8M0), T_SAME},
    .infer = dequantize_infer,
    .run = dequantize_run,
};

const infer_op infer_op_dynamic_quantize_linear = {
    .domain = "",
    .name = "DynamicQuantizeLinear",
    .since = 11,
    .newest = 27,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 3,
    .types = {T(FLOAT)},
    .infer = dynamic_infer,
    .run = dynamic_run,
};
