/* Constant matrices that quantized models make of integers of 8 bits and scales, as long as nobody
 * has widened them: what reads them may take the integers. */
#include "ir.h"
#include "uses.h"

static const infer_view *view_of(const infer_graph *g, uint32_t value) {
    return infer_graph_view(g, infer_graph_resolve(g, value));
}

static bool is_constant(const infer_graph *g, uint32_t value, infer_type type) {
    return value != INFER_NO_VALUE && infer_graph_is_constant(g, value) &&
           view_of(g, value)->type == type;
}

static bool same_shape(const infer_view *a, const infer_view *b) {
    return a->rank == 2 && b->rank == 2 && a->dim[0] == b->dim[0] && a->dim[1] == b->dim[1];
}

/* Whether scales that are broadcast over x are one for each row, each column, or all. */
static bool broadcasts(const infer_view *x, const infer_view *scale, int *axis) {
    const int64_t rows = scale->rank == 2 ? scale->dim[0] : 1;
    const int64_t columns = scale->rank > 0 ? scale->dim[scale->rank - 1] : 1;
    if (scale->rank > 2)
        return false;
    *axis = rows == 1 && columns == 1 ? -1 : columns == 1 ? 0 : 1;
    return (rows == 1 || rows == x->dim[0]) && (columns == 1 || columns == x->dim[1]) &&
           (rows == 1 || columns == 1);
}

static bool from_mul(const infer_graph *g, const graph_node *n, infer_quantized *q) {
    for (uint32_t i = 0; i < 2; i++) {
        const graph_node *cast = g->values[infer_graph_resolve(g, n->in[i])].recipe;
        q->scales = infer_graph_resolve(g, n->in[1 - i]);
        if (!infer_graph_is_op(cast, "", "Cast") || !is_constant(g, q->scales, INFER_TYPE_FLOAT))
            continue;
        q->integers = infer_graph_resolve(g, cast->in[0]);
        return is_constant(g, q->integers, INFER_TYPE_INT8) &&
               broadcasts(view_of(g, q->integers), view_of(g, q->scales), &q->axis);
    }
    return false;
}

/* A zero point of zeros is as good as none. */
static bool has_zero_point(infer_graph *g, const graph_node *n) {
    if (n->in_count < 3 || n->in[2] == INFER_NO_VALUE)
        return false;
    const char *zero = infer_graph_elements(g, n->in[2]);
    size_t bytes = infer_view_bytes(view_of(g, n->in[2]));
    for (size_t i = 0; zero && i < bytes; i++)
        if (zero[i])
            return true;
    return !zero;
}

static bool from_dequantize(infer_graph *g, const graph_node *n, infer_quantized *q) {
    const infer_attr *axis = infer_graph_find_attr(n, "axis"),
                     *block = infer_graph_find_attr(n, "block_size");
    q->integers = infer_graph_resolve(g, n->in[0]);
    q->scales = infer_graph_resolve(g, n->in[1]);
    if (!is_constant(g, q->integers, INFER_TYPE_INT8) ||
        !is_constant(g, q->scales, INFER_TYPE_FLOAT) || (block && block->i) || has_zero_point(g, n))
        return false;
    const infer_view *scale = view_of(g, q->scales);
    q->axis = infer_view_count(scale) == 1 ? -1 : !axis || axis->i == 1 || axis->i == -1 ? 1 : 0;
    return scale->rank <= 1;
}

bool infer_graph_quantized(infer_graph *g, uint32_t value, infer_quantized *q) {
    uint32_t v = infer_graph_resolve(g, value);
    const graph_node *n = v == INFER_NO_VALUE ? NULL : g->values[v].recipe;
    bool found = infer_graph_is_op(n, "", "Mul")                ? from_mul(g, n, q)
                 : infer_graph_is_op(n, "", "DequantizeLinear") ? from_dequantize(g, n, q)
                                                                : false;
    return found && same_shape(view_of(g, q->integers), view_of(g, v));
}
