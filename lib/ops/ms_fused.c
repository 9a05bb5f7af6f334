/* com.microsoft's operators that graph optimizers make of several ones: products and convolutions
 * with activations, normalization of sums, activations of sums. */
#include "ms.h"
#include "status.h"

/* ---- activations ---- */

/* x with the activation that attribute `name` names, and up to two parameters of it. */
static infer_status activate(infer_rewriter *rw, const char *name, const float *given, size_t count,
                             uint32_t *x) {
    static const struct {
        const char *op, *first, *second;
    } known[] = {{"Relu", NULL, NULL},       {"Sigmoid", NULL, NULL},
                 {"Tanh", NULL, NULL},       {"LeakyRelu", "alpha", NULL},
                 {"Elu", "alpha", NULL},     {"ThresholdedRelu", "alpha", NULL},
                 {"Softplus", NULL, NULL},   {"Softsign", NULL, NULL},
                 {"Selu", "alpha", "gamma"}, {"HardSigmoid", "alpha", "beta"},
                 {"HardSwish", NULL, NULL},  {"Clip", NULL, NULL}};
    const infer_attr *a = rw->attr(rw, name);
    if (!a || a->count == 0)
        return INFER_OK;
    if (a->count == 4 && memcmp(a->data, "Clip", 4) == 0) {
        uint32_t in[3] = {*x, INFER_NO_VALUE, INFER_NO_VALUE};
        for (size_t i = 0; i < count && i < 2; i++)
            in[1 + i] = ms_node(rw, "CastLike", ms_float(rw, given[i]), *x);
        *x = rw->add(rw, "", "Clip", in, 3, NULL, 0);
        return rw->failed;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].op) != a->count || memcmp(known[i].op, a->data, a->count) != 0)
            continue;
        infer_attr attrs[2];
        uint32_t attr_count = 0;
        const char *names[] = {known[i].first, known[i].second};
        for (size_t k = 0; k < 2 && k < count && names[k]; k++)
            attrs[attr_count++] =
                (infer_attr){.name = names[k], .type = INFER_ATTR_FLOAT, .f = given[k]};
        *x = rw->add(rw, "", known[i].op, x, 1, attrs, attr_count);
        return rw->failed;
    }
    return infer_fail(INFER_ERROR_UNSUPPORTED, "the activation %.*s is not known",
                      (int)(a->count < 40 ? a->count : 40), (const char *)a->data);
}

static infer_status sum_upgrade(infer_rewriter *rw, const char *op, const infer_attr *attr) {
    uint32_t x = rw->input(rw, 0);
    if (ms_has(rw, 1))
        x = ms_node(rw, "Add", x, rw->input(rw, 1));
    return rw->replace(rw, 0, rw->add(rw, "", op, &x, 1, attr, attr ? 1 : 0));
}

static infer_status gelu_upgrade(infer_rewriter *rw) {
    return sum_upgrade(rw, "Gelu", NULL);
}

static infer_status fast_gelu_upgrade(infer_rewriter *rw) {
    const infer_attr tanh = {
        .name = "approximate", .type = INFER_ATTR_STRING, .data = "tanh", .count = 4};
    return sum_upgrade(rw, "Gelu", &tanh);
}

typedef struct quick_params {
    float alpha, reserved;
} quick_params;

static const infer_op_attr quick_attrs[] = {A_FLOAT(quick_params, alpha, 1.702f)};

static infer_status quick_gelu_upgrade(infer_rewriter *rw) {
    const quick_params *p = rw->params;
    const infer_attr alpha = {.name = "alpha", .type = INFER_ATTR_FLOAT, .f = p->alpha};
    return sum_upgrade(rw, "Swish", &alpha);
}

/* ---- products ---- */

typedef struct mat_mul_params {
    int64_t transA, transB, transBatchA, transBatchB;
    float alpha, reserved;
} mat_mul_params;

static const infer_op_attr mat_mul_attrs[] = {
    A_INT(mat_mul_params, transA, 0), A_INT(mat_mul_params, transB, 0),
    A_FLOAT(mat_mul_params, alpha, 1), A_INT(mat_mul_params, transBatchA, 0),
    A_INT(mat_mul_params, transBatchB, 0)};
#define TRANSPOSE_ATTRS 3 /* the first ones, which TransposeMatMul has */

/* batch: the first axis goes behind the others but the last; matrix: the last two are exchanged. */
static infer_status turn(infer_rewriter *rw, bool batch, bool matrix, uint32_t *x) {
    const int32_t rank = rw->view(rw, *x)->rank;
    int64_t perm[INFER_MAX_RANK];
    if (!batch && !matrix)
        return INFER_OK;
    if (rank < 0)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "a transposed product needs inputs of a rank that the model tells");
    if (rank < 2) /* a vector has no other form */
        return INFER_OK;
    for (int32_t i = 0; i < rank; i++)
        perm[i] = !batch || i == rank - 1 ? i : i == rank - 2 ? 0 : i + 1;
    if (matrix) {
        int64_t last = perm[rank - 1];
        perm[rank - 1] = perm[rank - 2];
        perm[rank - 2] = last;
    }
    *x = infer_ms_transpose(rw, *x, perm, (size_t)rank);
    return rw->failed;
}

static infer_status mat_mul_upgrade(infer_rewriter *rw) {
    const mat_mul_params *p = rw->params;
    uint32_t a = rw->input(rw, 0), b = rw->input(rw, 1);
    if (!p->transBatchA && !p->transBatchB && rw->view(rw, a)->rank == 2 &&
        rw->view(rw, b)->rank == 2)
        return rw->become(rw, "", "Gemm");
    INFER_TRY(turn(rw, p->transBatchA != 0, p->transA != 0, &a));
    INFER_TRY(turn(rw, p->transBatchB != 0, p->transB != 0, &b));
    uint32_t y = ms_node(rw, "MatMul", a, b);
    if (p->alpha != 1)
        y = ms_node(rw, "Mul", y, ms_node(rw, "CastLike", ms_float(rw, p->alpha), y));
    return rw->replace(rw, 0, y);
}

/* Gemm does not know the others. */
static infer_status fused_mat_mul_upgrade(infer_rewriter *rw) {
    const mat_mul_params *p = rw->params;
    if (!p->transBatchA && !p->transBatchB) {
        rw->drop_attr(rw, "transBatchA");
        rw->drop_attr(rw, "transBatchB");
    }
    return mat_mul_upgrade(rw);
}

typedef struct fused_gemm_params {
    int64_t transA, transB;
    float alpha, beta, activation_alpha, activation_beta, activation_gamma, reserved;
    infer_list activation;
} fused_gemm_params;

static const infer_op_attr fused_gemm_attrs[] = {A_INT(fused_gemm_params, transA, 0),
                                                 A_INT(fused_gemm_params, transB, 0),
                                                 A_FLOAT(fused_gemm_params, alpha, 1),
                                                 A_FLOAT(fused_gemm_params, beta, 1),
                                                 A_FLOAT(fused_gemm_params, activation_alpha, 0),
                                                 A_FLOAT(fused_gemm_params, activation_beta, 0),
                                                 A_FLOAT(fused_gemm_params, activation_gamma, 0),
                                                 A_STRING(fused_gemm_params, activation, NULL)};

static infer_status fused_gemm_upgrade(infer_rewriter *rw) {
    const fused_gemm_params *p = rw->params;
    const infer_attr *name = rw->attr(rw, "activation");
    const bool selu = name && name->count == 4 && memcmp(name->data, "Selu", 4) == 0;
    const float given[] = {p->activation_alpha, selu ? p->activation_gamma : p->activation_beta};
    const size_t count = !rw->attr(rw, "activation_alpha") ? 0 : 2;
    uint32_t y;
    INFER_TRY(infer_expand_with(
        rw, "@0 = Gemm<alpha=%alpha, beta=%beta, transA=%transA, transB=%transB>($0, $1, $2)\n",
        NULL, 0, NULL, &y));
    INFER_TRY(activate(rw, "activation", given, count, &y));
    return rw->replace(rw, 0, y);
}

typedef struct fused_conv_params {
    int64_t group, auto_pad;
    infer_list pads, strides, dilations, kernel_shape, activation, activation_params;
} fused_conv_params;

static const infer_op_attr fused_conv_attrs[] = {
    A_INT(fused_conv_params, group, 1),
    A_ENUM(fused_conv_params, auto_pad, 0, "NOTSET|SAME_UPPER|SAME_LOWER|VALID"),
    A_LIST(fused_conv_params, pads, INTS),
    A_LIST(fused_conv_params, strides, INTS),
    A_LIST(fused_conv_params, dilations, INTS),
    A_LIST(fused_conv_params, kernel_shape, INTS),
    A_STRING(fused_conv_params, activation, NULL),
    A_LIST(fused_conv_params, activation_params, FLOATS)};

static infer_status fused_conv_upgrade(infer_rewriter *rw) {
    static const char text[] =
        "@0 = Conv<group=%group, auto_pad=%auto_pad, pads=%pads, strides=%strides, "
        "dilations=%dilations, kernel_shape=%kernel_shape>($0, $1, $2)\n";
    const infer_attr *params = rw->attr(rw, "activation_params");
    uint32_t y;
    INFER_TRY(infer_expand_with(rw, text, NULL, 0, NULL, &y));
    if (ms_has(rw, 3))
        y = ms_node(rw, "Add", y, rw->input(rw, 3));
    INFER_TRY(
        activate(rw, "activation", params ? params->data : NULL, params ? params->count : 0, &y));
    return rw->replace(rw, 0, y);
}

/* ---- normalization ---- */

typedef struct norm_params {
    float epsilon, reserved;
} norm_params;

static const infer_op_attr norm_attrs[] = {A_FLOAT(norm_params, epsilon, 1e-12f)};

/* One over the root of the mean square. */
static uint32_t inverse_rms(infer_rewriter *rw, uint32_t x, float epsilon) {
    static const char text[] = "f = Cast<to=1>(x)\n"
                               "s = Mul(f, f)\n"
                               "m = ReduceMean<keepdims=1>(s, [-1])\n"
                               "a = Add(m, epsilon)\n"
                               "r = Sqrt(a)\n"
                               "@0 = Reciprocal(r)\n";
    const infer_named names[] = {{"x", x}, {"epsilon", ms_float(rw, epsilon)}};
    return ms_text(rw, text, names, 2);
}

/* Replaces outputs 0 to 2: normalized with scale and bias, mean, inverse deviation. */
static infer_status normalize(infer_rewriter *rw, uint32_t x, uint32_t scale, uint32_t bias,
                              float epsilon) {
    const infer_attr attr = {.name = "epsilon", .type = INFER_ATTR_FLOAT, .f = epsilon};
    const uint32_t in[] = {x, scale, bias}, wanted = ms_wants(rw, 1) ? 3 : 1;
    uint32_t out[3];
    INFER_TRY(rw->add_many(rw, "", "LayerNormalization", in, 3, &attr, 1, out, wanted));
    for (uint32_t i = 0; i < wanted && i < rw->out_count; i++)
        INFER_TRY(rw->replace(rw, i, out[i]));
    return INFER_OK;
}

/* Input, skip and bias added up. */
static uint32_t skip_sum(infer_rewriter *rw, uint32_t bias) {
    uint32_t sum = ms_node(rw, "Add", rw->input(rw, 0), rw->input(rw, 1));
    return ms_has(rw, bias) ? ms_node(rw, "Add", sum, rw->input(rw, bias)) : sum;
}

static infer_status skip_upgrade(infer_rewriter *rw) {
    enum { INPUT, SKIP, GAMMA, BETA, BIAS };
    const norm_params *p = rw->params;
    uint32_t sum = skip_sum(rw, BIAS);
    INFER_TRY(normalize(rw, sum, rw->input(rw, GAMMA), rw->input(rw, BETA), p->epsilon));
    return ms_wants(rw, 3) ? rw->replace(rw, 3, sum) : INFER_OK;
}

static infer_status skip_simplified_upgrade(infer_rewriter *rw) {
    enum { INPUT, SKIP, GAMMA, BIAS };
    const norm_params *p = rw->params;
    const infer_attr attr = {.name = "epsilon", .type = INFER_ATTR_FLOAT, .f = p->epsilon};
    uint32_t sum = skip_sum(rw, BIAS), in[] = {sum, rw->input(rw, GAMMA)};
    INFER_TRY(rw->replace(rw, 0, rw->add(rw, "", "RMSNormalization", in, 2, &attr, 1)));
    if (ms_wants(rw, 1)) /* the mean, which nobody computes */
        INFER_TRY(rw->replace(rw, 1, ms_float(rw, 0)));
    if (ms_wants(rw, 2))
        INFER_TRY(rw->replace(rw, 2, inverse_rms(rw, sum, p->epsilon)));
    return ms_wants(rw, 3) ? rw->replace(rw, 3, sum) : INFER_OK;
}

typedef struct simplified_params {
    int64_t axis, stash_type;
    float epsilon, reserved;
} simplified_params;

static const infer_op_attr simplified_attrs[] = {
    A_INT(simplified_params, axis, -1), A_TYPE(simplified_params, stash_type, INFER_TYPE_FLOAT),
    A_FLOAT(simplified_params, epsilon, 1e-5f)};

/* It stands in domains with and without versions. */
static infer_status simplified_upgrade(infer_rewriter *rw) {
    const infer_attr *epsilon = rw->attr(rw, "epsilon"), *axis = rw->attr(rw, "axis");
    if (rw->out_count < 2)
        return rw->become(rw, "", "RMSNormalization");
    if ((axis && axis->i != -1) || rw->in_count != 2)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "inv_std_var is there for the last axis alone");
    uint32_t x = rw->input(rw, 0);
    INFER_TRY(infer_expand_with(
        rw, "@0 = RMSNormalization<epsilon=%epsilon, stash_type=%stash_type>($0, $1)\n", NULL, 0,
        NULL, &x));
    INFER_TRY(rw->replace(rw, 0, x));
    return rw->replace(rw, 1, inverse_rms(rw, rw->input(rw, 0), epsilon ? epsilon->f : 1e-5f));
}

/* ---- embeddings ---- */

typedef struct embed_params {
    int64_t mask_index_type;
    float epsilon, reserved;
} embed_params;

static const infer_op_attr embed_attrs[] = {A_INT(embed_params, mask_index_type, 0),
                                            A_FLOAT(embed_params, epsilon, 1e-12f)};
static const infer_op_attr q_embed_attrs[] = {A_FLOAT(embed_params, epsilon, 1e-12f)};

/* Places of what embeddings are made of; SCALES, ZEROS: of the five quantized ones. */
enum { IDS, SEGMENTS, WORDS, PLACES, SEGMENT_TABLE, GAMMA, BETA, MASK, SCALES, ZEROS = 13 };

/* Rows of a table, quantized ones by their scale. */
static uint32_t rows_of(infer_rewriter *rw, bool quantized, uint32_t table, uint32_t ids) {
    uint32_t x = rw->input(rw, table);
    if (ids != INFER_NO_VALUE)
        x = ms_node(rw, "Gather", x, ids);
    if (!quantized)
        return x;
    uint32_t in[] = {x, rw->input(rw, SCALES + table - WORDS),
                     rw->input(rw, ZEROS + table - WORDS)};
    return rw->add(rw, "", "DequantizeLinear", in, 3, NULL, 0);
}

static infer_status embed(infer_rewriter *rw, bool quantized) {
    static const char places_text[] = "s = Shape<start=1,end=2>($0)\n"
                                      "n = Squeeze(s, [0])\n"
                                      "a = Squeeze([0], [0])\n"
                                      "b = Squeeze([1], [0])\n"
                                      "@0 = Range(a, n, b)\n";
    const embed_params *p = rw->params;
    enum { POSITION_IDS = 8 };
    const bool given = !quantized && ms_has(rw, POSITION_IDS);
    uint32_t places = given ? rw->input(rw, POSITION_IDS) : ms_text(rw, places_text, NULL, 0);
    uint32_t sum = ms_node(rw, "Add", rows_of(rw, quantized, WORDS, rw->input(rw, IDS)),
                           rows_of(rw, quantized, PLACES, places));
    if (ms_has(rw, SEGMENTS) && ms_has(rw, SEGMENT_TABLE))
        sum =
            ms_node(rw, "Add", sum, rows_of(rw, quantized, SEGMENT_TABLE, rw->input(rw, SEGMENTS)));
    const uint32_t in[] = {sum, rows_of(rw, quantized, GAMMA, INFER_NO_VALUE),
                           rows_of(rw, quantized, BETA, INFER_NO_VALUE)};
    const infer_attr attr = {.name = "epsilon", .type = INFER_ATTR_FLOAT, .f = p->epsilon};
    INFER_TRY(rw->replace(rw, 0, rw->add(rw, "", "LayerNormalization", in, 3, &attr, 1)));
    if (ms_wants(rw, 1)) { /* lengths of the sequences, 0 where there is no mask */
        const infer_named names[] = {
            {"mask", ms_has(rw, MASK)
                         ? rw->input(rw, MASK)
                         : ms_node(rw, "Sub", rw->input(rw, IDS), rw->input(rw, IDS))}};
        INFER_TRY(
            rw->replace(rw, 1, ms_text(rw, "@0 = ReduceSum<keepdims=0>(mask, [1])\n", names, 1)));
    }
    return ms_wants(rw, 2) ? rw->replace(rw, 2, sum) : INFER_OK;
}

static infer_status embed_upgrade(infer_rewriter *rw) {
    return embed(rw, false);
}

static infer_status q_embed_upgrade(infer_rewriter *rw) {
    return embed(rw, true);
}

/* ---- the operators ---- */

const infer_op infer_op_ms_gelu = {MS_EXPANDED("Gelu", 1, 1, 1, 1, gelu_upgrade),
                                   .types = {T_FLOAT}};
const infer_op infer_op_ms_bias_gelu = {MS_EXPANDED("BiasGelu", 2, 2, 1, 1, gelu_upgrade),
                                        .types = {T_FLOAT, T_SAME}};
const infer_op infer_op_ms_fast_gelu = {MS_EXPANDED("FastGelu", 1, 2, 1, 1, fast_gelu_upgrade),
                                        .types = {T_FLOAT, T_SAME}};
const infer_op infer_op_ms_quick_gelu = {MS_EXPANDED("QuickGelu", 1, 1, 1, 1, quick_gelu_upgrade),
                                         .types = {T_FLOAT}, .params_size = sizeof(quick_params),
                                         MS_ATTRS(quick_attrs)};
const infer_op infer_op_ms_fused_mat_mul = {
    MS_EXPANDED("FusedMatMul", 2, 2, 1, 1, fused_mat_mul_upgrade), .types = {T_FLOAT, T_SAME},
    .params_size = sizeof(mat_mul_params), MS_ATTRS(mat_mul_attrs)};
const infer_op infer_op_ms_transpose_mat_mul = {
    MS_EXPANDED("TransposeMatMul", 2, 2, 1, 1, mat_mul_upgrade), .types = {T_FLOAT, T_SAME},
    .params_size = sizeof(mat_mul_params), .attr_count = TRANSPOSE_ATTRS, .attrs = mat_mul_attrs};
const infer_op infer_op_ms_fused_gemm = {
    MS_EXPANDED("FusedGemm", 2, 3, 1, 1, fused_gemm_upgrade), .types = {T_FLOAT, T_SAME},
    .params_size = sizeof(fused_gemm_params), MS_ATTRS(fused_gemm_attrs)};
const infer_op infer_op_ms_fused_conv = {
    MS_EXPANDED("FusedConv", 2, 4, 1, 1, fused_conv_upgrade), .types = {T_FLOAT, T_SAME},
    .params_size = sizeof(fused_conv_params), MS_ATTRS(fused_conv_attrs)};
const infer_op infer_op_ms_skip_layer_normalization = {
    MS_EXPANDED("SkipLayerNormalization", 3, 5, 1, 4, skip_upgrade), .types = {T_REAL, T_SAME},
    .params_size = sizeof(norm_params), MS_ATTRS(norm_attrs)};
const infer_op infer_op_ms_skip_simplified_layer_normalization = {
    MS_EXPANDED("SkipSimplifiedLayerNormalization", 3, 4, 1, 4, skip_simplified_upgrade),
    .types = {T_REAL, T_SAME}, .params_size = sizeof(norm_params), MS_ATTRS(norm_attrs)};
const infer_op infer_op_ms_simplified_layer_normalization = {
    MS_EXPANDED("SimplifiedLayerNormalization", 2, 2, 1, 2, simplified_upgrade), .types = {T_FLOAT},
    .params_size = sizeof(simplified_params), MS_ATTRS(simplified_attrs)};
/* As onnxruntime saves it: in the domain of ONNX, which does not know it. */
const infer_op infer_op_simplified_layer_normalization = {
    .domain = "",
    .name = "SimplifiedLayerNormalization",
    .since = 1,
    .newest = 27,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 2,
    .types = {T_FLOAT},
    .params_size = sizeof(simplified_params),
    MS_ATTRS(simplified_attrs),
    .upgrade = simplified_upgrade,
    .infer = infer_expanded,
    .run = infer_expanded,
};
const infer_op infer_op_ms_embed_layer_normalization = {
    MS_EXPANDED("EmbedLayerNormalization", 1, 9, 1, 3, embed_upgrade),
    .types = {T(INT32), T(INT32), T_REAL, T_REAL, T_REAL, T_REAL | T(INT32)},
    .params_size = sizeof(embed_params), MS_ATTRS(embed_attrs)};
const infer_op infer_op_ms_q_embed_layer_normalization = {
    MS_EXPANDED("QEmbedLayerNormalization", 1, 18, 1, 2, q_embed_upgrade),
    .types = {T(INT32), T(INT32), T_BYTE, T_BYTE, T_BYTE, T_BYTE | T(INT32) | T(FLOAT)},
    .params_size = sizeof(embed_params), MS_ATTRS(q_embed_attrs)};
