/* What fuse-quantized reads of a graph, and how it puts nodes in place of others. */
#include "fuse_quantized.h"

#include "status.h"

/* ---- reading ---- */

static bool is_byte(infer_type type) {
    return type == INFER_TYPE_INT8 || type == INFER_TYPE_UINT8;
}

/* Scales that divide and multiply without surprise: far from the ends of the floats. */
static bool are_usual(const float *scales, int64_t count) {
    bool usual = scales != NULL;
    for (int64_t i = 0; usual && i < count; i++)
        usual = scales[i] > 1e-20f && scales[i] < 1e20f; /* no NaN either */
    return usual;
}

/* Scale and zero point of a node that quantizes or the like, x being of the integers' shape. */
static bool read_scale(infer_graph *g, const graph_node *n, const infer_view *x,
                       graph_quantized *q) {
    infer_view scale;
    if (infer_graph_int(n, "block_size", 0) || n->in_count < 2)
        return false;
    q->scale = infer_graph_resolve(g, n->in[1]);
    q->zero = n->in_count > 2 ? infer_graph_resolve(g, n->in[2]) : INFER_NO_VALUE;
    q->scales = infer_graph_floats(g, q->scale, &scale);
    q->count = q->scales ? infer_view_count(&scale) : 0;
    q->axis = infer_graph_int(n, "axis", 1);
    q->axis += q->axis < 0 && x->rank > 0 ? x->rank : 0;
    if (scale.rank > 1 || q->count < 1 || !are_usual(q->scales, q->count))
        return false;
    if (q->zero == INFER_NO_VALUE)
        return true;
    const infer_view *zero = infer_graph_view(g, q->zero);
    return infer_graph_is_constant(g, q->zero) && zero->rank <= 1 &&
           infer_view_count(zero) == q->count && zero->type == q->type;
}

bool infer_graph_dequantized(infer_graph *g, uint32_t value, graph_quantized *q) {
    const uint32_t v = infer_graph_resolve(g, value);
    if (v == INFER_NO_VALUE || g->values[v].view.type != INFER_TYPE_FLOAT)
        return false;
    const graph_node *n = g->values[v].constant ? g->values[v].recipe : infer_graph_made_by(g, v);
    if (!infer_graph_is_op(n, "", "DequantizeLinear"))
        return false;
    q->integers = infer_graph_resolve(g, n->in[0]);
    const infer_view *x = infer_graph_view(g, q->integers);
    q->type = (infer_type)x->type;
    return (is_byte(q->type) || q->type == INFER_TYPE_INT32) && read_scale(g, n, x, q);
}

bool infer_graph_is_plain(infer_graph *g, uint32_t value, graph_quantized *q) {
    return infer_graph_dequantized(g, value, q) && is_byte(q->type) && q->count == 1;
}

bool infer_graph_quantizes(infer_graph *g, const graph_node *n, graph_quantized *q) {
    if (!infer_graph_is_op(n, "", "QuantizeLinear") || n->out[0] == INFER_NO_VALUE)
        return false;
    const infer_view *x = infer_graph_view(g, n->in[0]), *y = infer_graph_view(g, n->out[0]);
    const int64_t precision = infer_graph_int(n, "precision", 0);
    q->integers = n->out[0];
    q->type = (infer_type)y->type;
    return x->type == INFER_TYPE_FLOAT && is_byte(q->type) &&
           (!precision || precision == INFER_TYPE_FLOAT) && read_scale(g, n, x, q) && q->count == 1;
}

int32_t infer_graph_zero(infer_graph *g, const graph_quantized *q) {
    const void *data = q->zero == INFER_NO_VALUE ? NULL : infer_graph_elements(g, q->zero);
    return !data                         ? 0
           : q->type == INFER_TYPE_INT8  ? *(const int8_t *)data
           : q->type == INFER_TYPE_UINT8 ? *(const uint8_t *)data
                                         : *(const int32_t *)data;
}

infer_status infer_graph_zero_value(infer_graph *g, const graph_quantized *q, uint32_t *value) {
    int32_t none = 0;
    *value = q->zero;
    if (q->zero != INFER_NO_VALUE)
        return INFER_OK;
    return infer_graph_keep(g, &(infer_view){.type = (uint8_t)q->type, .data = &none}, value);
}

bool infer_graph_same_scale(infer_graph *g, const graph_quantized *a, const graph_quantized *b) {
    return a->type == b->type && a->count == 1 && b->count == 1 && *a->scales == *b->scales &&
           infer_graph_zero(g, a) == infer_graph_zero(g, b);
}

/* ---- nodes ---- */

infer_status infer_graph_keep(infer_graph *g, const infer_view *view, uint32_t *value) {
    return infer_graph_constant(g, "", view, true, value);
}

infer_status infer_graph_make(infer_graph *g, const graph_node *like, const graph_plan *plan,
                              uint32_t *values, uint32_t count) {
    const graph_new what = {.op = infer_op_find(plan->domain, plan->op),
                            .name = like->name,
                            .in = plan->in,
                            .in_count = plan->in_count,
                            .attrs = plan->attrs ? plan->attrs->attrs : NULL,
                            .attr_count = plan->attrs ? plan->attrs->attr_count : 0};
    for (uint32_t i = 0; i < count; i++)
        values[i] = INFER_NO_VALUE;
    INFER_TRY(infer_graph_add_new(g, &what, values, count));
    for (uint32_t i = 0; i < count; i++)
        values[i] = infer_graph_resolve(g, values[i]);
    return INFER_OK;
}

infer_status infer_graph_remake(infer_graph *g, graph_node *n, const graph_plan *to) {
    uint32_t value;
    INFER_TRY(infer_graph_make(g, n, to, &value, 1));
    g->values[n->out[0]].replaced_by = value;
    n->dead = true;
    return INFER_OK;
}
