/* The rewriter: what an operator may do to its node while a model is loaded. */
#include "ir.h"
#include "status.h"

#include <string.h>

typedef struct rewriter {
    infer_rewriter public; /* first: the operator's pointer is ours */
    infer_graph *g;
    graph_node *node;
} rewriter;

static rewriter *self(infer_rewriter *rw) {
    return (rewriter *)(void *)rw;
}

static const infer_attr *attr(infer_rewriter *rw, const char *name) {
    return infer_graph_find_attr(self(rw)->node, name);
}

static void drop_attr(infer_rewriter *rw, const char *name) {
    graph_node *n = self(rw)->node;
    size_t kept = 0;
    for (size_t i = 0; i < n->attr_count; i++)
        if (strcmp(n->attrs[i].name, name) != 0)
            n->attrs[kept++] = n->attrs[i];
    n->attr_count = kept;
}

static infer_status set_attr(infer_rewriter *rw, const infer_attr *a) {
    rewriter *r = self(rw);
    INFER_TRY(rw->failed);
    infer_attr copy;
    INFER_TRY(infer_graph_copy_attr(r->g, a, true, &copy));
    drop_attr(rw, a->name);
    return infer_graph_push_attr(r->g, r->node, &copy);
}

static uint32_t input(infer_rewriter *rw, uint32_t index) {
    const rewriter *r = self(rw);
    return index < r->node->in_count ? infer_graph_resolve(r->g, r->node->in[index])
                                     : INFER_NO_VALUE;
}

static infer_status set_input(infer_rewriter *rw, uint32_t index, uint32_t value) {
    graph_node *n = self(rw)->node;
    INFER_TRY(rw->failed);
    if (index >= n->in_room)
        return infer_fail(INFER_ERROR_LIMIT, "a rewrite adds too many inputs");
    n->in[index] = value;
    if (index >= n->in_count)
        n->in_count = index + 1;
    rw->in_count = n->in_count;
    return INFER_OK;
}

static const infer_view *shape(infer_rewriter *rw, uint32_t value) {
    static const infer_view nothing = {.rank = -1};
    return value == INFER_NO_VALUE ? &nothing : infer_graph_view(self(rw)->g, value);
}

static const infer_view *view(infer_rewriter *rw, uint32_t value) {
    if (rw->failed == INFER_OK)
        rw->failed = infer_graph_want(self(rw)->g, value);
    return shape(rw, value);
}

static bool is_constant(infer_rewriter *rw, uint32_t value) {
    return value != INFER_NO_VALUE && infer_graph_is_constant(self(rw)->g, value);
}

static bool quantized(infer_rewriter *rw, uint32_t value, infer_quantized *q) {
    return infer_graph_quantized(self(rw)->g, value, q);
}

static const void *elements(infer_rewriter *rw, uint32_t value) {
    return value == INFER_NO_VALUE ? NULL : infer_graph_elements(self(rw)->g, value);
}

/* Whether an attribute of the node holds these elements: they live as long as the graph. */
static bool in_attribute(const graph_node *n, const void *data) {
    for (size_t i = 0; i < n->attr_count; i++)
        if (n->attrs[i].type == INFER_ATTR_TENSOR && n->attrs[i].tensor.data == data)
            return true;
    return false;
}

static uint32_t constant(infer_rewriter *rw, const infer_view *tensor) {
    rewriter *r = self(rw);
    uint32_t value;
    bool copy = !in_attribute(r->node, tensor->data);
    if (rw->failed == INFER_OK)
        rw->failed = infer_graph_constant(r->g, "", tensor, copy, &value);
    return rw->failed == INFER_OK ? value : INFER_NO_VALUE;
}

static uint32_t room(infer_rewriter *rw, const infer_view *shape, void **data) {
    rewriter *r = self(rw);
    uint32_t value = INFER_NO_VALUE;
    infer_view view = *shape;
    *data = view.data = NULL;
    if (rw->failed == INFER_OK)
        rw->failed = infer_graph_constant(r->g, "", &view, false, &value);
    size_t bytes = rw->failed == INFER_OK ? infer_view_bytes(&view) : 0;
    if (!bytes)
        return value;
    if (!(*data = infer_arena_block(&r->g->arena, bytes))) {
        rw->failed = infer_graph_status(r->g, INFER_ERROR_MEMORY);
        return INFER_NO_VALUE;
    }
    memset(*data, 0, bytes);
    r->g->values[value].view.data = *data;
    r->g->values[value].owned = true;
    return value;
}

static void *alloc(infer_rewriter *rw, size_t size) {
    infer_graph *g = self(rw)->g;
    void *p = rw->failed == INFER_OK ? infer_arena_block(&g->arena, size) : NULL;
    if (!p && rw->failed == INFER_OK)
        rw->failed = infer_graph_status(g, INFER_ERROR_MEMORY);
    return p;
}

static void release(infer_rewriter *rw, void *data, size_t size) {
    infer_arena_release(&self(rw)->g->arena, data, size);
}

/* Room for inputs that packing adds. */
#define MORE_IN 8

infer_status infer_graph_add_new(infer_graph *g, const graph_new *what, uint32_t *out,
                                 uint32_t out_count) {
    const infer_view unknown = {.rank = -1};
    graph_node *n = infer_arena_array(&g->arena, 1, sizeof *n);
    if (!n)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    *n = (graph_node){.op = what->op,
                      .name = what->name,
                      .version = what->op->newest,
                      .in_count = what->in_count,
                      .in_room = what->in_count + MORE_IN,
                      .out_count = out_count,
                      .attr_room = what->attr_count};
    n->in = infer_arena_array(&g->arena, n->in_room, sizeof *n->in);
    n->out = infer_arena_array(&g->arena, out_count, sizeof *n->out);
    n->attrs = infer_arena_array(&g->arena, n->attr_room, sizeof *n->attrs);
    if (!n->in || !n->out || !n->attrs)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    for (uint32_t i = 0; i < n->in_room; i++)
        n->in[i] = i < what->in_count ? what->in[i] : INFER_NO_VALUE;
    for (size_t i = 0; i < what->attr_count; i++)
        INFER_TRY(
            infer_graph_copy_attr(g, &what->attrs[i], what->deep, &n->attrs[n->attr_count++]));
    for (uint32_t i = 0; i < out_count; i++) {
        if (out[i] == INFER_NO_VALUE)
            INFER_TRY(infer_graph_new_value(g, "", &unknown, false, &out[i]));
        n->out[i] = out[i];
    }
    return infer_graph_add_node(g, n);
}

static infer_status add_many(infer_rewriter *rw, const char *domain, const char *op,
                             const uint32_t *inputs, uint32_t in_count, const infer_attr *attrs,
                             uint32_t attr_count, uint32_t *outputs, uint32_t out_count) {
    const rewriter *r = self(rw);
    const graph_new what = {
        infer_op_find(domain, op), r->node->name, inputs, in_count, attrs, attr_count, true};
    for (uint32_t i = 0; i < out_count; i++)
        outputs[i] = INFER_NO_VALUE;
    if (rw->failed == INFER_OK && !what.op)
        rw->failed =
            infer_fail(INFER_ERROR_UNSUPPORTED, "%s.%s is not in this library", domain, op);
    if (rw->failed == INFER_OK)
        rw->failed = infer_graph_add_new(r->g, &what, outputs, out_count);
    for (uint32_t i = 0; rw->failed != INFER_OK && i < out_count; i++)
        outputs[i] = INFER_NO_VALUE;
    return rw->failed;
}

static uint32_t add(infer_rewriter *rw, const char *domain, const char *op, const uint32_t *inputs,
                    uint32_t in_count, const infer_attr *attrs, uint32_t attr_count) {
    uint32_t value;
    add_many(rw, domain, op, inputs, in_count, attrs, attr_count, &value, 1);
    return value;
}

static infer_status replace(infer_rewriter *rw, uint32_t index, uint32_t value) {
    rewriter *r = self(rw);
    INFER_TRY(rw->failed);
    if (index >= r->node->out_count || value == INFER_NO_VALUE)
        return infer_fail(INFER_ERROR_ARGUMENT, "a rewrite replaces an output that is not there");
    if (r->node->out[index] != INFER_NO_VALUE)
        r->g->values[r->node->out[index]].replaced_by = infer_graph_resolve(r->g, value);
    return INFER_OK;
}

static infer_status become(infer_rewriter *rw, const char *domain, const char *op) {
    graph_node *n = self(rw)->node;
    INFER_TRY(rw->failed);
    const infer_op *found = infer_op_find(domain, op);
    if (!found)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%s.%s is not in this library", domain, op);
    n->op = found;
    return INFER_OK;
}

static infer_status inline_body(infer_rewriter *rw, const char *name, const uint32_t *inputs,
                                uint32_t in_count, uint32_t *outputs, uint32_t out_count) {
    rewriter *r = self(rw);
    INFER_TRY(rw->failed);
    const infer_attr *a = attr(rw, name);
    if (!a || a->type != INFER_ATTR_GRAPH)
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s is no graph", name);
    graph_body *b = r->g->bodies[a->i];
    if (b->output_count < out_count)
        return infer_fail(INFER_ERROR_FORMAT, "%s has %zu outputs instead of %u", name,
                          b->output_count, out_count);
    INFER_TRY(infer_graph_splice(r->g, b, inputs, in_count));
    for (uint32_t i = 0; i < out_count; i++)
        outputs[i] = infer_graph_resolve(r->g, b->outputs[i]);
    return INFER_OK;
}

static uint32_t named(infer_rewriter *rw, const char *name, size_t size) {
    const infer_graph *g = self(rw)->g;
    for (size_t i = g->value_count; i-- > 0;) {
        const graph_value *v = &g->values[i];
        if ((v->home == g->now || v->constant) && strlen(v->name) == size &&
            memcmp(v->name, name, size) == 0)
            return infer_graph_resolve(g, (uint32_t)i);
    }
    return INFER_NO_VALUE;
}

static bool producer(infer_rewriter *rw, uint32_t value, infer_producer *p) {
    const graph_node *n = infer_graph_made_by(self(rw)->g, value);
    if (!n)
        return false;
    *p = (infer_producer){
        n->op, n->in, n->out, n->in_count, n->out_count, n->attrs, (uint32_t)n->attr_count};
    return true;
}

infer_rewriter *infer_graph_rewriter_new(infer_graph *g, graph_node *node, int version) {
    rewriter *r = infer_arena_array(&g->arena, 1, sizeof *r);
    if (!r)
        return NULL;
    r->public = (infer_rewriter){.version = version,
                                 .in_count = node->in_count,
                                 .out_count = node->out_count,
                                 .attr = attr,
                                 .set_attr = set_attr,
                                 .drop_attr = drop_attr,
                                 .input = input,
                                 .set_input = set_input,
                                 .view = view,
                                 .shape = shape,
                                 .elements = elements,
                                 .is_constant = is_constant,
                                 .quantized = quantized,
                                 .constant = constant,
                                 .room = room,
                                 .alloc = alloc,
                                 .release = release,
                                 .add = add,
                                 .add_many = add_many,
                                 .inline_body = inline_body,
                                 .named = named,
                                 .producer = producer,
                                 .replace = replace,
                                 .become = become};
    r->g = g;
    r->node = node;
    return &r->public;
}

/* ---- prepare ---- */

static bool outputs_replaced(const infer_graph *g, const graph_node *n) {
    for (uint32_t i = 0; i < n->out_count; i++)
        if (n->out[i] != INFER_NO_VALUE && g->values[n->out[i]].replaced_by == INFER_NO_VALUE)
            return false;
    return true;
}

static infer_status prepare_node(infer_graph *g, graph_node *n) {
    const infer_op *before = n->op;
    if (!before->prepare)
        return infer_graph_add_node(g, n);
    infer_rewriter *rw = infer_graph_rewriter_new(g, n, n->version);
    if (!rw)
        return INFER_ERROR_MEMORY;
    infer_status status = before->prepare(rw);
    if (status == INFER_OK && !outputs_replaced(g, n))
        status = infer_graph_add_node(g, n);
    return status == INFER_OK ? INFER_OK
                              : infer_fail_within(status, "node %s (%s)", n->name, before->name);
}

/* Nodes are taken out and put back one by one, so that what prepare adds lies before its node. */
infer_status infer_graph_prepare(infer_graph *g) {
    graph_body *b = g->now;
    size_t count = b->node_count;
    graph_node **nodes = infer_arena_array(&g->arena, count, sizeof(graph_node *));
    if (!nodes)
        return INFER_ERROR_MEMORY;
    if (count)
        memcpy(nodes, b->nodes, count * sizeof(graph_node *));
    b->node_count = 0;
    if (b == &g->main) {
        g->blob_size = 0; /* each node that goes back is bound again */
        g->computed = NULL;
    }
    for (size_t i = 0; i < count; i++)
        INFER_TRY(prepare_node(g, nodes[i]));
    return INFER_OK;
}
