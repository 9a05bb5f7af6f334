/* Elementwise operators of com.microsoft on 8-bit numbers: sums, products, functions of one number,
 * softmax. */
#include "axes.h"
#include "broadcast.h"
#include "chunk.h"
#include "elementwise.h"
#include "ms.h"
#include "share.h"

#include <math.h>
#include <string.h>

/* ---- scales and zero points ---- */

/* Sets of inputs, one bit each: those that are no scale and no zero point, and the scales. A zero
 * point may be absent. */
static infer_status check_inputs(const infer_op_env *env, uint32_t values, uint32_t scales) {
    for (uint32_t i = 0; i < env->in_count || (values | scales) >> i; i++) {
        const infer_view *v = infer_has_input(env, i) ? env->in[i] : NULL;
        const bool value = values >> i & 1, scale = scales >> i & 1;
        const uint32_t type = scale ? INFER_TYPE_FLOAT : env->in[0]->type;
        if (!v && !value && !scale)
            continue;
        if (!v)
            return infer_fail(INFER_ERROR_FORMAT, "input %u is missing", i);
        if (v->type != type)
            return infer_fail(INFER_ERROR_TYPE, "input %u has elements of %s, not %s", i,
                              infer_type_name((infer_type)v->type),
                              infer_type_name((infer_type)type));
        if (!value)
            INFER_TRY(infer_check_scalar(v, "a scale or zero point"));
    }
    return INFER_OK;
}

/* The number of a scale or zero point; 0 where absent. */
static float number(const infer_op_env *env, uint32_t index) {
    infer_chunk chunk;
    const infer_view *v = infer_has_input(env, index) ? env->in[index] : NULL;
    return v ? *infer_load_float((infer_type)v->type, v->data, 0, 1, &chunk) : 0;
}

/* ---- QLinearAdd and QLinearMul ---- */

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, C_SCALE, C_ZERO };

static infer_status binary_infer(infer_op_env *env) {
    INFER_TRY(check_inputs(env, 1u << A | 1u << B, 1u << A_SCALE | 1u << B_SCALE | 1u << C_SCALE));
    const infer_view *both[] = {env->in[A], env->in[B]};
    infer_view shape = {.rank = -1, .type = env->in[A]->type};
    INFER_TRY(infer_broadcast_shape(both, 2, &shape));
    if (env->out[0])
        *env->out[0] = shape;
    return INFER_OK;
}

/* n results of operands that lie side by side. */
typedef void binary_row(const infer_op_env *env, const uint8_t *a, const uint8_t *b, size_t n,
                        uint8_t *y);

static bool is_signed(const infer_op_env *env) {
    return env->in[A]->type == INFER_TYPE_INT8;
}

/* The zero points of the operands are one constant, and that of the result is `zero` of it there
 * before the rounding, `after` behind it. */
static void add_moved(const infer_op_env *env, const uint8_t *a, const uint8_t *b, size_t n,
                      float zero, int32_t after, uint8_t *y) {
    const float scale = number(env, C_SCALE);
    const float ra = number(env, A_SCALE) / scale, rb = number(env, B_SCALE) / scale;
    const float moved = is_signed(env) ? 128 : 0; /* as the kernel has them */
    const float rest =
        zero - (ra * (number(env, A_ZERO) + moved) + rb * (number(env, B_ZERO) + moved));
    env->kernels->add_8(a, b, n, is_signed(env), ra, rb, rest, after, y);
}

/* As onnxruntime has it. */
static void add_row(const infer_op_env *env, const uint8_t *a, const uint8_t *b, size_t n,
                    uint8_t *y) {
    add_moved(env, a, b, n, number(env, C_ZERO), 0, y);
}

/* As a sum of floats is quantized: halves are rounded to even before the zero point moves them. */
static void add_bytes_row(const infer_op_env *env, const uint8_t *a, const uint8_t *b, size_t n,
                          uint8_t *y) {
    add_moved(env, a, b, n, 0, (int32_t)number(env, C_ZERO), y);
}

static void mul_row(const infer_op_env *env, const uint8_t *a, const uint8_t *b, size_t n,
                    uint8_t *y) {
    const float scale = number(env, A_SCALE) * number(env, B_SCALE) / number(env, C_SCALE);
    env->kernels->mul_8(a, b, n, is_signed(env), (int32_t)number(env, A_ZERO),
                        (int32_t)number(env, B_ZERO), scale, (int32_t)number(env, C_ZERO), y);
}

typedef struct binary_job {
    const infer_op_env *env;
    binary_row *row;
    infer_rows rows;
    size_t parts;
} binary_job;

/* Numbers of a row that one is repeated for at a time. */
#define REPEATED 1024

/* inner results of operands that advance or stay. */
static void binary_line(const binary_job *j, const uint8_t *a, size_t sa, const uint8_t *b,
                        size_t sb, uint8_t *y, size_t inner) {
    uint8_t same[2][REPEATED];
    if (sa && sb) {
        j->row(j->env, a, b, inner, y);
        return;
    }
    const size_t room = inner < REPEATED ? inner : REPEATED;
    memset(same[0], *a, room);
    memset(same[1], *b, room);
    for (size_t i = 0, n; i < inner; i += n) {
        n = inner - i < REPEATED ? inner - i : REPEATED;
        j->row(j->env, sa ? a + i : same[0], sb ? b + i : same[1], n, y + i);
    }
}

static void binary_part(void *arg, size_t part, size_t worker) {
    const binary_job *j = arg;
    const infer_view *all = j->env->out[0];
    size_t first, end, at = 0;
    (void)worker;
    infer_part(j->rows.count, 1, j->parts, part, &first, &end);
    const infer_view a = infer_rows_cut(j->env->in[A], all, j->rows, first, end);
    const infer_view b = infer_rows_cut(j->env->in[B], all, j->rows, first, end);
    const infer_view y = infer_rows_cut(all, all, j->rows, first, end);
    const infer_view *both[] = {&a, &b};
    infer_broadcast walk;
    infer_broadcast_begin(&walk, both, 2, &y);
    if (walk.empty)
        return;
    do {
        binary_line(j, (const uint8_t *)a.data + walk.at[0], walk.step[0],
                    (const uint8_t *)b.data + walk.at[1], walk.step[1], (uint8_t *)y.data + at,
                    walk.inner);
        at += walk.inner;
    } while (infer_broadcast_next(&walk));
}

static infer_status binary_run(infer_op_env *env, binary_row *row) {
    const infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    binary_job j = {env, row, infer_rows_of(y), 1};
    j.parts =
        infer_parts(env, j.rows.count, (double)infer_view_count(y) / (double)j.rows.count / 4);
    infer_parallel(env, j.parts, binary_part, &j);
    return INFER_OK;
}

static infer_status add_run(infer_op_env *env) {
    return binary_run(env, add_row);
}

static infer_status add_bytes_run(infer_op_env *env) {
    return binary_run(env, add_bytes_row);
}

static infer_status mul_run(infer_op_env *env) {
    return binary_run(env, mul_row);
}

/* ---- functions of one number ---- */

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };

/* A function of the numbers, which the pass fuse-quantized makes a table. */
static infer_status function_upgrade(infer_rewriter *rw, const char *op) {
    const uint32_t x = rw->input(rw, X), alike = rw->view(rw, x)->type;
    const uint32_t in[] = {x, rw->input(rw, X_SCALE), rw->input(rw, X_ZERO)};
    const infer_attr *alpha = rw->attr(rw, "alpha");
    const infer_attr type = {.name = "output_dtype", .type = INFER_ATTR_INT, .i = alike};
    uint32_t y = rw->add(rw, "", "DequantizeLinear", in, 3, NULL, 0);
    y = rw->add(rw, "", op, &y, 1, alpha, alpha != NULL);
    const uint32_t out[] = {y, rw->input(rw, Y_SCALE), rw->input(rw, Y_ZERO)};
    return rw->replace(rw, 0, rw->add(rw, "", "QuantizeLinear", out, 3, &type, 1));
}

static infer_status sigmoid_upgrade(infer_rewriter *rw) {
    return function_upgrade(rw, "Sigmoid");
}

typedef struct leaky_params {
    float alpha, reserved;
} leaky_params;

static const infer_op_attr leaky_attrs[] = {A_FLOAT(leaky_params, alpha, 0.01f)};

static infer_status leaky_upgrade(infer_rewriter *rw) {
    return function_upgrade(rw, "LeakyRelu");
}

/* ---- QLinearSoftmax ---- */

typedef struct softmax_params {
    int64_t axis, opset;
} softmax_params;

static const infer_op_attr softmax_attrs[] = {A_INT(softmax_params, axis, -1),
                                              A_REQUIRED(softmax_params, opset, INT)};

static infer_status softmax_infer(infer_op_env *env) {
    const softmax_params *p = env->params;
    int32_t axis;
    INFER_TRY(check_inputs(env, 1u << X, 1u << X_SCALE | 1u << Y_SCALE));
    INFER_TRY(infer_like_input(env));
    return env->in[X]->rank < 0 ? INFER_OK : infer_axis(p->axis, env->in[X]->rank, &axis);
}

/* One row of n numbers, `step` apart. The exponentials of all numbers are in the table, the
 * largest's last; their sum stays far from the largest float. */
static void softmax_row(const infer_op_env *env, const float *table, const uint8_t *x, uint8_t *y,
                        size_t n, size_t step) {
    const bool sign = env->in[X]->type == INFER_TYPE_INT8;
    const int flip = sign ? 128 : 0; /* order as that of unsigned numbers */
    const int zero = (int)number(env, Y_ZERO), high = sign ? 127 : 255;
    const float scale = floorf(1 / number(env, Y_SCALE));
    int most = 0;
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        int v = x[i * step] ^ flip;
        most = v > most ? v : most;
    }
    for (size_t i = 0; i < n; i++)
        sum += table[(x[i * step] ^ flip) + 255 - most];
    for (size_t i = 0; i < n; i++) {
        float share = rintf(table[(x[i * step] ^ flip) + 255 - most] * scale / sum);
        int v = (share < 512 ? share > 0 ? (int)share : 0 : 512) + zero;
        y[i * step] = (uint8_t)(v < high ? v : high);
    }
}

static infer_status softmax_run(infer_op_env *env) {
    const softmax_params *p = env->params;
    const infer_view *x = env->in[X];
    int32_t axis = 0;
    float table[256];
    if (!env->out[0] || infer_view_count(x) == 0)
        return INFER_OK;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    const bool flat = p->opset < 13; /* all axes from the given one on */
    const size_t outer = (size_t)infer_span(x, 0, axis);
    const size_t n = (size_t)(flat ? infer_span(x, axis, x->rank) : x->dim[axis]);
    const size_t inner = flat ? 1 : (size_t)infer_span(x, axis + 1, x->rank);
    const double scale = (double)number(env, X_SCALE);
    const double room = log((double)(3.402823466e38f / (float)n)) - 5;
    for (int i = 0; i < 256; i++)
        table[i] = (float)exp(((double)i - 255 + (room > 0 ? room : 0) / scale) * scale);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++)
            softmax_row(env, table, (const uint8_t *)x->data + o * n * inner + i,
                        (uint8_t *)env->out[0]->data + o * n * inner + i, n, inner);
    return INFER_OK;
}

/* ---- the operators ---- */

#define T_BINARY .types = {T_BYTE, T(FLOAT), T_BYTE, T_BYTE, T(FLOAT), T_BYTE | T(FLOAT)}
#define T_TABLE  .types = {T_BYTE, T(FLOAT), T_BYTE, T(FLOAT), T_BYTE}

const infer_op infer_op_ms_q_linear_add = {MS_OP("QLinearAdd", 1, 8, 1, 1, binary_infer, add_run),
                                           T_BINARY};
const infer_op infer_op_ms_q_linear_mul = {MS_OP("QLinearMul", 1, 8, 1, 1, binary_infer, mul_run),
                                           T_BINARY};
const infer_op infer_op_ms_q_linear_sigmoid = {
    MS_EXPANDED("QLinearSigmoid", 2, 5, 1, 1, sigmoid_upgrade), T_TABLE};
const infer_op infer_op_ms_q_linear_leaky_relu = {
    MS_EXPANDED("QLinearLeakyRelu", 2, 5, 1, 1, leaky_upgrade), T_TABLE,
    .params_size = sizeof(leaky_params), MS_ATTRS(leaky_attrs)};
const infer_op infer_op_ms_q_linear_softmax = {
    MS_OP("QLinearSoftmax", 1, 5, 1, 1, softmax_infer, softmax_run), T_TABLE,
    .params_size = sizeof(softmax_params), MS_ATTRS(softmax_attrs)};
/* What fuse-quantized makes of a sum. */
const infer_op infer_op_infer_add_bytes = {.domain = "infer",
                                           .name = "AddBytes",
                                           .since = 1,
                                           .newest = 1,
                                           .min_in =
                                               1, /* as QLinearAdd: zero points may be absent */
                                           .max_in = 8,
                                           .min_out = 1,
                                           .max_out = 1,
                                           T_BINARY,
                                           .infer = binary_infer,
                                           .run = add_bytes_run};
