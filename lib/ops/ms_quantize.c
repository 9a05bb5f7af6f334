/* com.microsoft's quantized operators that are others in a row: products, pools, concatenation. */
#include "ms.h"
#include "status.h"

/* ---- products ---- */

/* alpha * a_scale * b_scale. */
static uint32_t product_scale(infer_rewriter *rw, uint32_t a, uint32_t b, float alpha) {
    uint32_t s = ms_node(rw, "Mul", a, b);
    return alpha == 1 ? s : ms_node(rw, "Mul", s, ms_float(rw, alpha));
}

uint32_t infer_ms_product(infer_rewriter *rw, const uint32_t in[4], uint32_t scale, uint32_t bias) {
    uint32_t sum = rw->add(rw, "", "MatMulInteger", in, 4, NULL, 0);
    uint32_t y = ms_node(rw, "Mul", ms_cast(rw, sum, INFER_TYPE_FLOAT), scale);
    return bias == INFER_NO_VALUE ? y : ms_node(rw, "Add", y, bias);
}

static infer_status dynamic_upgrade(infer_rewriter *rw) {
    enum { A, B, B_SCALE, B_ZERO, BIAS };
    uint32_t a = rw->input(rw, A), quantized[3];
    INFER_TRY(rw->add_many(rw, "", "DynamicQuantizeLinear", &a, 1, NULL, 0, quantized, 3));
    const uint32_t in[] = {quantized[0],           rw->input(rw, B), quantized[1],
                           rw->input(rw, B_SCALE), quantized[2],     rw->input(rw, B_ZERO),
                           rw->input(rw, BIAS)};
    return rw->replace(rw, 0, rw->add(rw, "com.microsoft", "MatMulIntegerToFloat", in, 7, NULL, 0));
}

typedef struct gemm_params {
    int64_t transA, transB;
    float alpha, reserved;
} gemm_params;

static const infer_op_attr gemm_attrs[] = {
    A_INT(gemm_params, transA, 0), A_INT(gemm_params, transB, 0), A_FLOAT(gemm_params, alpha, 1)};

static infer_status quantize(infer_rewriter *rw, uint32_t x, uint32_t scale, uint32_t zero) {
    uint32_t in[] = {x, scale, zero};
    return rw->replace(rw, 0, rw->add(rw, "", "QuantizeLinear", in, 3, NULL, 0));
}

static infer_status gemm_upgrade(infer_rewriter *rw) {
    enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, C, Y_SCALE, Y_ZERO };
    static const int64_t swap[] = {1, 0};
    const gemm_params *p = rw->params;
    uint32_t in[] = {rw->input(rw, A), rw->input(rw, B), rw->input(rw, A_ZERO),
                     rw->input(rw, B_ZERO)};
    if (p->transA)
        in[0] = infer_ms_transpose(rw, in[0], swap, 2);
    if (p->transB)
        in[1] = infer_ms_transpose(rw, in[1], swap, 2);
    uint32_t scale = product_scale(rw, rw->input(rw, A_SCALE), rw->input(rw, B_SCALE), p->alpha);
    uint32_t sum = rw->add(rw, "", "MatMulInteger", in, 4, NULL, 0);
    if (ms_has(rw, C))
        sum = ms_node(rw, "Add", sum, rw->input(rw, C));
    sum = ms_cast(rw, sum, INFER_TYPE_FLOAT);
    if (!ms_has(rw, Y_SCALE))
        return rw->replace(rw, 0, ms_node(rw, "Mul", sum, scale));
    scale = ms_node(rw, "Div", scale, rw->input(rw, Y_SCALE));
    return quantize(rw, ms_node(rw, "Mul", sum, scale), ms_float(rw, 1), rw->input(rw, Y_ZERO));
}

/* ---- channels last ---- */

uint32_t infer_ms_transpose(infer_rewriter *rw, uint32_t x, const int64_t *perm, size_t rank) {
    infer_attr a = {.name = "perm", .type = INFER_ATTR_INTS, .count = rank, .data = perm};
    return rw->add(rw, "", "Transpose", &x, 1, &a, 1);
}

infer_status infer_ms_channels(infer_rewriter *rw, int32_t rank, bool first, uint32_t *value) {
    int64_t perm[INFER_MAX_RANK] = {0};
    if (rank < 3)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "channels_last needs an input of a rank from 3 on that the model tells");
    for (int32_t i = 1; i < rank; i++)
        perm[i] = first ? (i == 1 ? rank - 1 : i - 1) : (i == rank - 1 ? 1 : i + 1);
    *value = infer_ms_transpose(rw, *value, perm, (size_t)rank);
    return rw->failed;
}

typedef struct conv_params {
    int64_t channels_last, group, auto_pad;
    infer_list pads, strides, dilations, kernel_shape;
} conv_params;

#define AUTO_PADS "NOTSET|SAME_UPPER|SAME_LOWER|VALID"

static const infer_op_attr conv_attrs[] = {
    A_INT(conv_params, channels_last, 0),        A_INT(conv_params, group, 1),
    A_ENUM(conv_params, auto_pad, 0, AUTO_PADS), A_LIST(conv_params, pads, INTS),
    A_LIST(conv_params, strides, INTS),          A_LIST(conv_params, dilations, INTS),
    A_LIST(conv_params, kernel_shape, INTS)};

static infer_status conv_upgrade(infer_rewriter *rw) {
    const conv_params *p = rw->params;
    uint32_t x = rw->input(rw, 0);
    const int32_t rank = rw->view(rw, x)->rank;
    if (!p->channels_last) {
        rw->drop_attr(rw, "channels_last");
        return rw->become(rw, "", "QLinearConv");
    }
    INFER_TRY(infer_ms_channels(rw, rank, true, &x));
    uint32_t in[9];
    infer_attr attrs[6];
    uint32_t count = 0;
    static const char *const names[] = {"auto_pad", "group",     "pads",
                                        "strides",  "dilations", "kernel_shape"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const infer_attr *a = rw->attr(rw, names[i]);
        if (a)
            attrs[count++] = *a;
    }
    for (uint32_t i = 0; i < rw->in_count; i++)
        in[i] = i ? rw->input(rw, i) : x;
    uint32_t y = rw->add(rw, "", "QLinearConv", in, rw->in_count, attrs, count);
    INFER_TRY(infer_ms_channels(rw, rank, false, &y));
    return rw->replace(rw, 0, y);
}

/* ---- pools ---- */

typedef struct pool_params {
    int64_t channels_last, auto_pad, ceil_mode, count_include_pad;
    infer_list kernel_shape, pads, strides;
} pool_params;

static const infer_op_attr pool_attrs[] = {A_INT(pool_params, channels_last, 0),
                                           A_ENUM(pool_params, auto_pad, 0, AUTO_PADS),
                                           A_INT(pool_params, ceil_mode, 0),
                                           A_INT(pool_params, count_include_pad, 0),
                                           A_REQUIRED(pool_params, kernel_shape, INTS),
                                           A_LIST(pool_params, pads, INTS),
                                           A_LIST(pool_params, strides, INTS)};

/* Inputs of what follows: x, its scale and zero point, the result's. */
enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };

static infer_status pool_upgrade(infer_rewriter *rw) {
    static const char text[] =
        "@0 = AveragePool<auto_pad=%auto_pad, ceil_mode=%ceil_mode, kernel_shape=%kernel_shape, "
        "count_include_pad=%count_include_pad, pads=%pads, strides=%strides>(x)\n";
    const pool_params *p = rw->params;
    uint32_t in[] = {rw->input(rw, X), rw->input(rw, X_SCALE), rw->input(rw, X_ZERO)};
    uint32_t x = rw->add(rw, "", "DequantizeLinear", in, 3, NULL, 0), y;
    const int32_t rank = rw->view(rw, in[0])->rank;
    if (p->channels_last)
        INFER_TRY(infer_ms_channels(rw, rank, true, &x));
    const infer_named names[] = {{"x", x}};
    INFER_TRY(infer_expand_with(rw, text, names, 1, NULL, &y));
    if (p->channels_last)
        INFER_TRY(infer_ms_channels(rw, rank, false, &y));
    return quantize(rw, y, rw->input(rw, Y_SCALE), rw->input(rw, Y_ZERO));
}

/* Sums of integers, which one factor makes means. */
static infer_status mean(infer_rewriter *rw, const int64_t *axes, size_t count, bool keep) {
    static const char text[] = "t = Cast<to=6>($0)\n"
                               "d = Sub(t, zero)\n"
                               "s = ReduceSum<keepdims=%keepdims>(d, axes)\n"
                               "f = Cast<to=1>(s)\n"
                               "a = Size($0)\n"
                               "b = Size(s)\n"
                               "n = Div(a, b)\n"
                               "m = Cast<to=1>(n)\n"
                               "w = Mul($3, m)\n"
                               "r = Div($1, w)\n"
                               "p = Mul(f, r)\n"
                               "@0 = QuantizeLinear(p, one, $4)\n";
    const infer_attr keepdims = {.name = "keepdims", .type = INFER_ATTR_INT, .i = keep};
    const infer_producer attrs = {.attrs = &keepdims, .attr_count = 1};
    const infer_named names[] = {{"zero", ms_has(rw, X_ZERO)
                                              ? ms_cast(rw, rw->input(rw, X_ZERO), INFER_TYPE_INT32)
                                              : ms_int32(rw, 0)},
                                 {"axes", ms_list(rw, axes, count)},
                                 {"one", ms_float(rw, 1)}};
    uint32_t y;
    INFER_TRY(infer_expand_with(rw, text, names, 3, &attrs, &y));
    return rw->replace(rw, 0, y);
}

typedef struct global_params {
    int64_t channels_last;
} global_params;

static const infer_op_attr global_attrs[] = {A_INT(global_params, channels_last, 0)};

static infer_status global_upgrade(infer_rewriter *rw) {
    const global_params *p = rw->params;
    const int32_t rank = rw->view(rw, rw->input(rw, X))->rank;
    int64_t axes[INFER_MAX_RANK];
    if (rank < 3)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "it needs an input of a rank from 3 on that the model tells");
    for (int32_t i = 0; i < rank - 2; i++)
        axes[i] = i + (p->channels_last ? 1 : 2);
    return mean(rw, axes, (size_t)rank - 2, true);
}

typedef struct reduce_params {
    int64_t keepdims;
    infer_list axes;
} reduce_params;

static const infer_op_attr reduce_attrs[] = {A_REQUIRED(reduce_params, keepdims, INT),
                                             A_REQUIRED(reduce_params, axes, INTS)};

static infer_status reduce_upgrade(infer_rewriter *rw) {
    const reduce_params *p = rw->params;
    size_t count;
    const int64_t *axes = ms_ints(rw, "axes", &count);
    return mean(rw, axes, count, p->keepdims != 0);
}

/* ---- what requantizes ---- */

/* An input under another scale; the pass fuse-quantized makes it a table. */
static uint32_t requantize(infer_rewriter *rw, uint32_t first, uint32_t scale, uint32_t zero) {
    const uint32_t in[] = {rw->input(rw, first), rw->input(rw, first + 1),
                           rw->input(rw, first + 2)};
    const uint32_t real[] = {rw->add(rw, "", "DequantizeLinear", in, 3, NULL, 0), scale, zero};
    return rw->add(rw, "", "QuantizeLinear", real, 3, NULL, 0);
}

typedef struct axis_params {
    int64_t axis;
} axis_params;

static const infer_op_attr concat_attrs[] = {A_REQUIRED(axis_params, axis, INT)};

static infer_status concat_upgrade(infer_rewriter *rw) {
    const uint32_t count = (rw->in_count - 2) / 3;
    if (rw->in_count < 5 || rw->in_count != 2 + 3 * count)
        return infer_fail(INFER_ERROR_FORMAT, "%u inputs are no triples", rw->in_count - 2);
    uint32_t *in = rw->alloc(rw, count * sizeof *in);
    if (!in)
        return rw->failed;
    for (uint32_t i = 0; i < count; i++)
        in[i] = requantize(rw, 2 + 3 * i, rw->input(rw, 0), rw->input(rw, 1));
    return rw->replace(rw, 0, rw->add(rw, "", "Concat", in, count, rw->attr(rw, "axis"), 1));
}

static infer_status where_upgrade(infer_rewriter *rw) {
    enum { CONDITION, WHERE_X = 1, WHERE_Y = 4, Z_SCALE = 7, Z_ZERO };
    uint32_t scale = rw->input(rw, Z_SCALE), zero = rw->input(rw, Z_ZERO);
    const uint32_t in[] = {rw->input(rw, CONDITION), requantize(rw, WHERE_X, scale, zero),
                           requantize(rw, WHERE_Y, scale, zero)};
    return rw->replace(rw, 0, rw->add(rw, "", "Where", in, 3, NULL, 0));
}

/* ---- quantizing ---- */

static const infer_op_attr axis_attrs[] = {A_INT(axis_params, axis, 1)};

/* Quotients of 16 bits are not rounded, unlike those of ai.onnx. */
static infer_status quantize_upgrade(infer_rewriter *rw) {
    INFER_TRY(infer_set_int(rw, "precision", INFER_TYPE_FLOAT));
    return rw->become(rw, "", "QuantizeLinear");
}

static infer_status dequantize_upgrade(infer_rewriter *rw) {
    return rw->become(rw, "", "DequantizeLinear");
}

/* ---- the operators ---- */

#define T_ANY  (T_BYTE | T(FLOAT) | T(INT32) | T(BOOL))
#define T_FEW  (T_BYTE | T(INT16) | T(UINT16) | T(INT4) | T(UINT4))
#define T_POOL .types = {T_BYTE, T(FLOAT), T_SAME, T(FLOAT), T_SAME}

const infer_op infer_op_ms_dynamic_quantize_mat_mul = {
    MS_EXPANDED("DynamicQuantizeMatMul", 3, 5, 1, 1, dynamic_upgrade),
    .types = {T(FLOAT), T_BYTE, T(FLOAT), T_BYTE, T(FLOAT)}};
const infer_op infer_op_ms_q_gemm = {MS_EXPANDED("QGemm", 6, 9, 1, 1, gemm_upgrade),
                                     .types = {T_BYTE, T(FLOAT), T_BYTE, T_BYTE, T(FLOAT), T_ANY},
                                     .params_size = sizeof(gemm_params), MS_ATTRS(gemm_attrs)};
const infer_op infer_op_ms_q_linear_conv = {
    MS_EXPANDED("QLinearConv", 8, 9, 1, 1, conv_upgrade),
    .types = {T_BYTE, T(FLOAT), T_BYTE, T_BYTE, T(FLOAT), T_ANY},
    .params_size = sizeof(conv_params), MS_ATTRS(conv_attrs)};
const infer_op infer_op_ms_q_linear_average_pool = {
    MS_EXPANDED("QLinearAveragePool", 2, 5, 1, 1, pool_upgrade), T_POOL,
    .params_size = sizeof(pool_params), MS_ATTRS(pool_attrs)};
const infer_op infer_op_ms_q_linear_global_average_pool = {
    MS_EXPANDED("QLinearGlobalAveragePool", 5, 5, 1, 1, global_upgrade), T_POOL,
    .params_size = sizeof(global_params), MS_ATTRS(global_attrs)};
const infer_op infer_op_ms_q_linear_reduce_mean = {
    MS_EXPANDED("QLinearReduceMean", 2, 5, 1, 1, reduce_upgrade), T_POOL,
    .params_size = sizeof(reduce_params), MS_ATTRS(reduce_attrs)};
const infer_op infer_op_ms_q_linear_concat = {
    MS_EXPANDED("QLinearConcat", 5, INFER_VARIADIC, 1, 1, concat_upgrade), .types = {T_ANY},
    .params_size = sizeof(axis_params), MS_ATTRS(concat_attrs)};
const infer_op infer_op_ms_q_linear_where = {
    MS_EXPANDED("QLinearWhere", 9, 9, 1, 1, where_upgrade),
    .types = {T(BOOL), T_BYTE, T(FLOAT), T_BYTE, T_BYTE, T_ANY}};
const infer_op infer_op_ms_quantize_linear = {
    MS_EXPANDED("QuantizeLinear", 2, 3, 1, 1, quantize_upgrade),
    .types = {T(FLOAT) | T(FLOAT16), T_SAME, T_FEW}, .params_size = sizeof(axis_params),
    MS_ATTRS(axis_attrs)};
const infer_op infer_op_ms_dequantize_linear = {
    MS_EXPANDED("DequantizeLinear", 2, 3, 1, 1, dequantize_upgrade),
    .types = {T_FEW | T(INT32), T(FLOAT) | T(FLOAT16), T_SAME}, .params_size = sizeof(axis_params),
    MS_ATTRS(axis_attrs)};
