/* fuse-quantized: convolutions and products of quantized values become those of integers. */
#include "fuse_quantized.h"

#include "status.h"

#include <math.h>

/* What rounding a bias of floats to the scale of the sums may move an output by, in its steps. */
#define BIAS_ERROR 1e-3f
#define BIAS_MOST  1e9f

/* The eight inputs that QLinearConv and QLinearMatMul have alike. */
static infer_status list_inputs(infer_graph *g, const graph_quantized *a, const graph_quantized *b,
                                const graph_quantized *y, uint32_t *in) {
    in[0] = a->integers;
    in[1] = a->scale;
    INFER_TRY(infer_graph_zero_value(g, a, &in[2]));
    in[3] = b->integers;
    in[4] = b->scale;
    INFER_TRY(infer_graph_zero_value(g, b, &in[5]));
    in[6] = y->scale;
    return infer_graph_zero_value(g, y, &in[7]);
}

/* Constants of 8 bits with one scale or one for each place of an axis; NULL: they are none. */
static const infer_view *weights_of(infer_graph *g, uint32_t value, int64_t axis,
                                    graph_quantized *w) {
    if (!infer_graph_dequantized(g, value, w) || w->type == INFER_TYPE_INT32 ||
        !infer_graph_is_constant(g, w->integers))
        return NULL;
    const infer_view *v = infer_graph_view(g, w->integers);
    const bool each = w->axis == axis && w->count == v->dim[axis];
    return w->count == 1 || each ? v : NULL;
}

/* ---- Conv ---- */

/* Weights [M][...], constant, with one scale or one for each output. */
static bool are_kernels(infer_graph *g, uint32_t value, graph_quantized *w) {
    const infer_view *v = weights_of(g, value, 0, w);
    return v && v->rank >= 3;
}

/* The product of the scales for one output. */
static float sum_scale(const graph_quantized *x, const graph_quantized *w, int64_t channel) {
    return *x->scales * w->scales[w->count == 1 ? 0 : channel];
}

/* A bias as integers of the sums' scale; *value INFER_NO_VALUE where they are too coarse. */
static infer_status count_bias(infer_graph *g, uint32_t bias, const graph_quantized *x,
                               const graph_quantized *w, const graph_quantized *y, int64_t channels,
                               uint32_t *value) {
    infer_view v;
    *value = INFER_NO_VALUE;
    if (!infer_graph_are_floats(g, bias, &v) || v.rank != 1 || v.dim[0] != channels)
        return INFER_OK;
    const float *from = infer_graph_floats(g, bias, &v);
    int32_t *to = infer_arena_array(&g->scratch, (size_t)channels, sizeof *to);
    if (!from || !to)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    for (int64_t i = 0; i < channels; i++) {
        const float scale = sum_scale(x, w, i), count = from[i] / scale;
        if (!(fabsf(count) < BIAS_MOST) ||
            !(fabsf(from[i] - rintf(count) * scale) <= BIAS_ERROR * *y->scales))
            return INFER_OK;
        to[i] = (int32_t)rintf(count);
    }
    v.type = INFER_TYPE_INT32;
    v.data = to;
    return infer_graph_keep(g, &v, value);
}

static infer_status plan_conv(infer_graph *g, const graph_node *n, const graph_quantized *y,
                              uint32_t *in, graph_plan *plan, bool *fits) {
    graph_quantized x, w;
    const bool biased = n->in_count > 2 && n->in[2] != INFER_NO_VALUE;
    uint32_t bias = INFER_NO_VALUE;
    if (!infer_graph_is_plain(g, n->in[0], &x) || !are_kernels(g, n->in[1], &w))
        return INFER_OK;
    if (biased) {
        const int64_t channels = infer_graph_view(g, w.integers)->dim[0];
        INFER_TRY(count_bias(g, n->in[2], &x, &w, y, channels, &bias));
        if (bias == INFER_NO_VALUE)
            return INFER_OK;
    }
    INFER_TRY(list_inputs(g, &x, &w, y, in));
    in[8] = bias;
    *plan = (graph_plan){"", "QLinearConv", in, biased ? 9 : 8, n};
    *fits = true;
    return INFER_OK;
}

/* ---- MatMul and Gemm ---- */

/* A matrix of constants with one scale or one for each column; axis: where its columns are. */
static bool is_matrix(infer_graph *g, uint32_t value, int64_t axis, graph_quantized *b) {
    const infer_view *v = weights_of(g, value, axis, b);
    return v && v->rank == 2;
}

static infer_status plan_matmul(infer_graph *g, const graph_node *n, const graph_quantized *y,
                                uint32_t *in, graph_plan *plan, bool *fits) {
    graph_quantized a, b;
    if (!infer_graph_is_plain(g, n->in[0], &a) ||
        (!is_matrix(g, n->in[1], 1, &b) && !infer_graph_is_plain(g, n->in[1], &b)) ||
        infer_graph_view(g, a.integers)->rank < 1 || infer_graph_view(g, b.integers)->rank < 1)
        return INFER_OK;
    INFER_TRY(list_inputs(g, &a, &b, y, in));
    *plan = (graph_plan){"", "QLinearMatMul", in, 8, NULL};
    *fits = true;
    return INFER_OK;
}

infer_status infer_graph_plan_product(infer_graph *g, const graph_node *n, const graph_quantized *y,
                                      uint32_t *in, graph_plan *plan, bool *fits) {
    *fits = false;
    if (infer_graph_is_op(n, "", "Conv"))
        return plan_conv(g, n, y, in, plan, fits);
    if (infer_graph_is_op(n, "", "MatMul"))
        return plan_matmul(g, n, y, in, plan, fits);
    return INFER_OK;
}

static infer_status transpose(infer_graph *g, const graph_node *n, uint32_t *value) {
    const graph_plan plan = {"", "Transpose", value, 1, NULL};
    uint32_t turned;
    INFER_TRY(infer_graph_make(g, n, &plan, &turned, 1));
    *value = turned;
    return INFER_OK;
}

/* One element for each of so many columns, or nothing. */
static bool is_row(const infer_graph *g, const graph_node *n, int64_t columns, uint32_t *value) {
    infer_view v;
    *value = n->in_count > 2 ? infer_graph_resolve(g, n->in[2]) : INFER_NO_VALUE;
    return *value == INFER_NO_VALUE ||
           (infer_graph_are_floats(g, *value, &v) && v.rank == 1 && v.dim[0] == columns);
}

infer_status infer_graph_plan_floats(infer_graph *g, const graph_node *n, uint32_t *in,
                                     graph_plan *plan, bool *fits) {
    const bool gemm = infer_graph_is_op(n, "", "Gemm");
    const int64_t turned = gemm ? infer_graph_int(n, "transB", 0) : 0, axis = turned ? 0 : 1;
    graph_quantized a, b;
    uint32_t bias = INFER_NO_VALUE;
    *fits = false;
    if ((!gemm && !infer_graph_is_op(n, "", "MatMul")) || n->out[0] == INFER_NO_VALUE ||
        !infer_graph_is_plain(g, n->in[0], &a) || !is_matrix(g, n->in[1], axis, &b) ||
        infer_graph_view(g, a.integers)->rank < 1)
        return INFER_OK;
    if (gemm && (infer_graph_int(n, "transA", 0) || infer_graph_float(n, "alpha", 1) != 1 ||
                 infer_graph_float(n, "beta", 1) != 1 ||
                 !is_row(g, n, infer_graph_view(g, b.integers)->dim[axis], &bias)))
        return INFER_OK;
    in[0] = a.integers;
    in[1] = b.integers;
    in[2] = a.scale;
    in[3] = b.scale;
    in[4] = a.zero;
    in[5] = b.zero;
    in[6] = bias;
    if (turned)
        INFER_TRY(transpose(g, n, &in[1]));
    *plan = (graph_plan){"com.microsoft", "MatMulIntegerToFloat", in, 7, NULL};
    *fits = true;
    return INFER_OK;
}
