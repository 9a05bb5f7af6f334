/* ConvInteger and QLinearConv: products of 8-bit integers, which double holds exactly. */
#include "axes.h"
#include "chunk.h"
#include "conv.h"
#include "quantize.h"
#include "real.h"
#include "scratch.h"
#include "status.h"

static const infer_op_attr quantized_attrs[] = {INFER_CONV_ATTRS};

#define REAL   double
#define SOURCE int8_t
#define S      i8
#include "columns.inc.h"
#undef SOURCE
#undef S
#define SOURCE uint8_t
#define S      u8
#include "columns.inc.h"
#undef SOURCE
#undef S

/* Which inputs are what; UINT8_MAX: the operator has none. */
typedef struct roles {
    uint8_t x, x_zero, w, w_zero, bias, x_scale, w_scale, y_scale, y_zero;
} roles;

#define NONE UINT8_MAX
static const roles integer_roles = {0, 2, 1, 3, NONE, NONE, NONE, NONE, NONE},
                   linear_roles = {0, 2, 3, 5, 8, 1, 4, 6, 7};

typedef struct quantized_plan {
    infer_conv c;
    size_t weights_at, packed_at, product_at;
} quantized_plan;

static const infer_view *role(const infer_op_env *env, uint8_t index) {
    return index == NONE ? NULL : infer_input(env, index);
}

/* One number, or one for each output channel. */
static infer_status check_numbers(const infer_view *v, const char *name, int64_t channels) {
    if (!v || v->rank < 0)
        return INFER_OK;
    int64_t n = infer_view_count(v);
    if (v->rank > 1 || (n >= 0 && n != 1 && (channels < 0 || n != channels)))
        return infer_fail(INFER_ERROR_SHAPE, "%s has %lld elements for %lld channels", name,
                          (long long)n, (long long)channels);
    return INFER_OK;
}

static infer_status plan(infer_op_env *env, const roles *r, quantized_plan *q, infer_view *y) {
    const infer_view *x = env->in[r->x], *w = env->in[r->w];
    int64_t channels = w->rank > 0 ? w->dim[0] : -1;
    infer_conv *c = &q->c;
    INFER_TRY(infer_conv_shape(env, env->params, x, w, role(env, r->bias), sizeof(double), c, y));
    INFER_TRY(check_numbers(role(env, r->x_zero), "the input's zero point", 1));
    INFER_TRY(check_numbers(role(env, r->x_scale), "the input's scale", 1));
    INFER_TRY(check_numbers(role(env, r->y_scale), "the output's scale", 1));
    INFER_TRY(check_numbers(role(env, r->y_zero), "the output's zero point", 1));
    if (!c->known)
        return INFER_OK;
    INFER_TRY(check_numbers(role(env, r->w_zero), "the weights' zero point", channels));
    INFER_TRY(check_numbers(role(env, r->w_scale), "the weights' scale", channels));
    INFER_TRY(
        infer_conv_take(env, c->outputs * c->group, c->depth, sizeof(double), &q->weights_at));
    INFER_TRY(infer_conv_take(env, c->depth, c->block, sizeof(double), &q->packed_at));
    return infer_conv_take(env, c->outputs, c->block, sizeof(double), &q->product_at);
}

static infer_status quantized_infer(infer_op_env *env, const roles *r, infer_type type) {
    infer_view spare, *y = infer_out(env, 0, type, -1, &spare);
    quantized_plan q;
    return plan(env, r, &q, y);
}

/* Element number i of an 8-bit tensor, of its only one where it has one. */
static int32_t small(const infer_view *v, size_t i) {
    if (!v)
        return 0;
    i = infer_view_count(v) == 1 ? 0 : i;
    return v->type == INFER_TYPE_INT8 ? ((const int8_t *)v->data)[i]
                                      : ((const uint8_t *)v->data)[i];
}

static float scale_of(const infer_view *v, size_t i) {
    return ((const float *)v->data)[infer_view_count(v) == 1 ? 0 : i];
}

static void finish_integer(const double *row, size_t n, int32_t *to) {
    for (size_t i = 0; i < n; i++)
        to[i] = (int32_t)(uint32_t)(int64_t)row[i]; /* wraps */
}

static void finish_linear(const double *row, size_t n, double bias, float scale, float zero,
                          const infer_view *y, size_t at) {
    for (size_t i = 0; i < n; i += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = n - i < INFER_CHUNK ? n - i : INFER_CHUNK;
        for (size_t j = 0; j < m; j++)
            chunk.f[j] = (float)(row[i + j] + bias) * scale;
        infer_quantize((infer_type)y->type, chunk.f, m, &zero, 0, y->data, at + i, true);
    }
}

static infer_status quantized_run(infer_op_env *env, const roles *r) {
    const infer_view *x = env->in[r->x], *w = env->in[r->w], *bias = role(env, r->bias);
    infer_view spare = {.rank = -1}, *y = env->out[0];
    infer_op_env measure = *env;
    quantized_plan q;
    if (!y)
        return INFER_OK;
    measure.scratch_size = 0;
    INFER_TRY(plan(&measure, r, &q, &spare));
    const infer_conv *c = &q.c;
    if (infer_view_count(y) == 0)
        return INFER_OK;
    void *scratch = env->scratch;
    size_t to = 0;
    double *weights = infer_scratch_at(scratch, q.weights_at),
           *packed = infer_scratch_at(scratch, q.packed_at);
    double *product = infer_scratch_at(scratch, q.product_at);
    for (size_t i = 0; i < c->outputs * c->group; i++) {
        int32_t zero = small(role(env, r->w_zero), i);
        for (size_t j = i * c->depth; j < (i + 1) * c->depth; j++)
            weights[j] = (w->type == INFER_TYPE_INT8 ? ((const int8_t *)w->data)[j]
                                                     : ((const uint8_t *)w->data)[j]) -
                         zero;
    }
    int32_t zero = small(role(env, r->x_zero), 0);
    for (size_t n = 0; n < c->batch * c->group; n++) {
        size_t m = n % c->group * c->outputs, from = n * c->channels * c->plane;
        for (size_t first = 0; first < c->places; first += c->block) {
            size_t count = c->places - first < c->block ? c->places - first : c->block;
            if (x->type == INFER_TYPE_INT8)
                columns_i8(c, (const int8_t *)x->data + from, first, count, zero, packed);
            else
                columns_u8(c, (const uint8_t *)x->data + from, first, count, zero, packed);
            env->kernels->gemm_packed_f64(c->outputs, count, c->depth, weights + m * c->depth,
                                          c->depth, packed, NULL, product, count);
            for (size_t i = 0; i < c->outputs; i++) {
                size_t at = to + i * c->places + first;
                if (r->y_scale == NONE)
                    finish_integer(product + i * count, count, (int32_t *)y->data + at);
                else
                    finish_linear(
                        product + i * count, count, bias ? ((const int32_t *)bias->data)[m + i] : 0,
                        scale_of(env->in[r->x_scale], 0) * scale_of(env->in[r->w_scale], m + i) /
                            scale_of(env->in[r->y_scale], 0),
                        (float)small(env->in[r->y_zero], 0), y, at);
            }
        }
        to += c->outputs * c->places;
    }
    return INFER_OK;
}

static infer_status integer_infer(infer_op_env *env) {
    return quantized_infer(env, &integer_roles, INFER_TYPE_INT32);
}

static infer_status integer_run(infer_op_env *env) {
    return quantized_run(env, &integer_roles);
}

static bool is_byte(const infer_view *v) {
    return v->type == INFER_TYPE_INT8 || v->type == INFER_TYPE_UINT8;
}

static infer_status linear_infer(infer_op_env *env) {
    static const uint8_t scales[] = {1, 4, 6};
    const infer_view *const *in = env->in;
    for (size_t i = 0; i < sizeof scales; i++)
        if (in[scales[i]]->type != INFER_TYPE_FLOAT)
            return infer_fail(INFER_ERROR_TYPE, "input %u is no float", scales[i]);
    if (!is_byte(in[5]) || !is_byte(in[7]) ||
        (infer_has_input(env, 8) && in[8]->type != INFER_TYPE_INT32))
        return infer_fail(INFER_ERROR_TYPE, "a zero point or the bias has a wrong type");
    return quantized_infer(env, &linear_roles, (infer_type)in[7]->type);
}

static infer_status linear_run(infer_op_env *env) {
    return quantized_run(env, &linear_roles);
}

#define T_BYTE (T(INT8) | T(UINT8))

const infer_op infer_op_conv_integer = {
    .domain = "",
    .name = "ConvInteger",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(infer_conv_params),
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof quantized_attrs / sizeof *quantized_attrs,
    .attrs = quantized_attrs,
    .types = {T_BYTE},
    .infer = integer_infer,
    .run = integer_run,
};

const infer_op infer_op_q_linear_conv = {
    .domain = "",
    .name = "QLinearConv",
    .since = 10,
    .newest = 27,
    .params_size = sizeof(infer_conv_params),
    .min_in = 8,
    .max_in = 9,
    .min_out = 1,
    .max_out = 1,
    .attr_count = sizeof quantized_attrs / sizeof *quantized_attrs,
    .attrs = quantized_attrs,
    .types = {T_BYTE, T(FLOAT), T_BYTE, T_BYTE, T(FLOAT), T_BYTE | T(FLOAT) | T(INT32)},
    .infer = linear_infer,
    .run = linear_run,
};
