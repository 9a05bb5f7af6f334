/* Building a graph: values and nodes come in, constants are computed on the way. */
#include "checked.h"
#include "ir.h"
#include "status.h"
#include "types.h"

#include <string.h>

infer_status infer_graph_new(const infer_allocator *a, size_t limit, infer_graph **graph) {
    infer_graph *g = infer_alloc_zero(a, sizeof *g);
    if (!g)
        return INFER_ERROR_MEMORY;
    g->allocator = *a;
    infer_arena_init(&g->arena, a, limit);
    infer_arena_init(&g->scratch, a, limit);
    infer_kernels_init(&g->kernels, 0);
    infer_kernels_init_blocked(&g->kernels, 0);
    g->now = &g->main;
    *graph = g;
    return INFER_OK;
}

void infer_graph_cpu(infer_graph *g, uint32_t cpu_flags) {
    infer_kernels fast;
    infer_kernels_init_bytes(&fast, cpu_flags);
    g->kernels.pack_s8 = fast.pack_s8;
}

void infer_graph_free(infer_graph *g) {
    if (!g)
        return;
    infer_allocator a = g->allocator;
    infer_dealloc(&a, g->values, g->value_room * sizeof *g->values);
    infer_graph_free_bodies(g);
    infer_dealloc(&a, g->inputs, g->input_room * sizeof *g->inputs);
    infer_dealloc(&a, g->outputs, g->output_room * sizeof *g->outputs);
    infer_dealloc(&a, g->metadata, g->metadata_room * sizeof *g->metadata);
    infer_dealloc(&a, g->blob, g->blob_room);
    infer_arena_free(&g->scratch);
    infer_arena_free(&g->arena);
    infer_dealloc(&a, g, sizeof *g);
}

static const char *keep(infer_graph *g, const char *text) {
    return infer_arena_string(&g->arena, text ? text : "", text ? strlen(text) : 0);
}

/* ---- values ---- */

uint32_t infer_graph_resolve(const infer_graph *g, uint32_t value) {
    while (value != INFER_NO_VALUE && g->values[value].replaced_by != INFER_NO_VALUE)
        value = g->values[value].replaced_by;
    return value;
}

bool infer_graph_is_constant(const infer_graph *g, uint32_t value) {
    return g->values[infer_graph_resolve(g, value)].constant;
}

const infer_view *infer_graph_view(const infer_graph *g, uint32_t value) {
    return &g->values[infer_graph_resolve(g, value)].view;
}

infer_status infer_graph_new_value(infer_graph *g, const char *name, const infer_view *view,
                                   bool constant, uint32_t *value) {
    if (g->value_count >= INFER_NO_VALUE)
        return infer_fail(INFER_ERROR_LIMIT, "more values than a model can have");
    INFER_TRY(
        infer_grow(&g->allocator, &g->values, &g->value_room, g->value_count, sizeof *g->values));
    const char *kept = keep(g, name);
    if (!kept)
        return INFER_ERROR_MEMORY;
    g->values[g->value_count] = (graph_value){.name = kept,
                                              .view = *view,
                                              .replaced_by = INFER_NO_VALUE,
                                              .home = g->now,
                                              .constant = constant};
    *value = (uint32_t)g->value_count++;
    return INFER_OK;
}

/* The arena gives NULL for both: a refusal of its limit is no lack of memory. */
infer_status infer_graph_status(const infer_graph *g, infer_status status) {
    bool refused = g->arena.refused || g->scratch.refused;
    return status == INFER_ERROR_MEMORY && refused ? INFER_ERROR_LIMIT : status;
}

infer_status infer_graph_constant(infer_graph *g, const char *name, const infer_view *tensor,
                                  bool copy, uint32_t *value) {
    INFER_TRY(infer_view_check(tensor, false));
    infer_view view = *tensor;
    static const char nothing[INFER_ALIGN];
    size_t bytes = infer_view_bytes(&view);
    bool owned = copy && view.data && bytes;
    if (!view.data || !bytes)
        view.data = (void *)nothing;
    const void *source = !copy && infer_graph_is_loose(&view) ? view.data : NULL;
    if (source)
        view.data = NULL;
    if (owned) {
        if (!(view.data = infer_arena_block(&g->arena, bytes)))
            return infer_graph_status(g, INFER_ERROR_MEMORY);
        memcpy(view.data, tensor->data, bytes);
    }
    INFER_TRY(infer_graph_new_value(g, name, &view, true, value));
    g->values[*value].owned = owned;
    g->values[*value].source = source;
    return INFER_OK;
}

void infer_graph_on_release(infer_graph *g, void (*release)(void *owner, void *data, size_t size),
                            bool (*stays)(const void *owner, const void *data, size_t size),
                            void *owner) {
    g->release = release;
    g->stays = stays;
    g->release_owner = owner;
}

/* ---- ports and the rest ---- */

static infer_status copy_port(infer_graph *g, const infer_port_spec *from, graph_port *to) {
    to->spec = *from;
    to->spec.name = keep(g, from->name);
    to->spec.type_string = keep(g, from->type_string);
    INFER_TRY(infer_view_check(&from->view, true));
    size_t rank = from->view.rank > 0 ? (size_t)from->view.rank : 0;
    const char **symbols = infer_arena_array(&g->arena, rank, sizeof(char *));
    if (!to->spec.name || !to->spec.type_string || !symbols)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < rank; i++)
        if (!(symbols[i] = keep(g, from->symbols ? from->symbols[i] : NULL)))
            return INFER_ERROR_MEMORY;
    to->spec.symbols = symbols;
    return INFER_OK;
}

infer_status infer_graph_input(infer_graph *g, const infer_port_spec *spec, uint32_t *value) {
    graph_port port;
    INFER_TRY(copy_port(g, spec, &port));
    infer_view view = spec->view;
    view.data = NULL;
    INFER_TRY(infer_graph_new_value(g, spec->name, &view, false, value));
    INFER_TRY(
        infer_grow(&g->allocator, &g->inputs, &g->input_room, g->input_count, sizeof *g->inputs));
    port.value = *value;
    g->inputs[g->input_count++] = port;
    return INFER_OK;
}

infer_status infer_graph_output(infer_graph *g, const infer_port_spec *spec, uint32_t value) {
    graph_port port;
    INFER_TRY(copy_port(g, spec, &port));
    INFER_TRY(infer_grow(&g->allocator, &g->outputs, &g->output_room, g->output_count,
                         sizeof *g->outputs));
    port.value = value;
    g->outputs[g->output_count++] = port;
    return infer_graph_add_output(g, &g->main, value);
}

infer_status infer_graph_metadata(infer_graph *g, const char *key, const char *value) {
    INFER_TRY(infer_grow(&g->allocator, &g->metadata, &g->metadata_room, g->metadata_count,
                         sizeof *g->metadata));
    graph_pair pair = {keep(g, key), keep(g, value)};
    if (!pair.key || !pair.value)
        return INFER_ERROR_MEMORY;
    g->metadata[g->metadata_count++] = pair;
    return INFER_OK;
}

infer_status infer_graph_set_metadata(infer_graph *g, const char *key, const char *value) {
    for (size_t i = 0; i < g->metadata_count; i++)
        if (strcmp(g->metadata[i].key, key) == 0)
            return (g->metadata[i].value = keep(g, value)) ? INFER_OK : INFER_ERROR_MEMORY;
    return infer_graph_metadata(g, key, value);
}

infer_status infer_graph_feature_names(infer_graph *g, const infer_string *names, size_t count) {
    infer_string *kept = infer_arena_array(&g->arena, count, sizeof *kept);
    if (!kept)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        kept[i].size = names[i].size;
        if (!(kept[i].data = infer_arena_string(&g->arena, names[i].data, names[i].size)))
            return INFER_ERROR_MEMORY;
    }
    g->features = kept;
    g->feature_count = count;
    return INFER_OK;
}

/* ---- nodes ---- */

infer_status infer_graph_add_attr(infer_graph *g, graph_node *n, const infer_attr *attr) {
    infer_attr copy;
    INFER_TRY(infer_graph_copy_attr(g, attr, true, &copy));
    return infer_graph_push_attr(g, n, &copy);
}

/* Few nodes get any but those that they come with: an attribute is large. */
infer_status infer_graph_push_attr(infer_graph *g, graph_node *n, const infer_attr *attr) {
    if (n->attr_count == n->attr_room) {
        const size_t room = n->attr_count + 4;
        infer_attr *grown = infer_arena_array(&g->arena, room, sizeof *grown);
        if (!grown)
            return INFER_ERROR_MEMORY;
        if (n->attr_count)
            memcpy(grown, n->attrs, n->attr_count * sizeof *grown);
        n->attrs = grown;
        n->attr_room = room;
    }
    n->attrs[n->attr_count++] = *attr;
    return INFER_OK;
}

const infer_attr *infer_graph_find_attr(const graph_node *node, const char *name) {
    for (size_t i = 0; i < node->attr_count; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    return NULL;
}

int64_t infer_graph_int(const graph_node *node, const char *name, int64_t absent) {
    const infer_attr *a = infer_graph_find_attr(node, name);
    return a ? a->i : absent;
}

float infer_graph_float(const graph_node *node, const char *name, float absent) {
    const infer_attr *a = infer_graph_find_attr(node, name);
    return a ? a->f : absent;
}

bool infer_graph_says(const graph_node *node, const char *name, const char *text, bool absent) {
    const infer_attr *a = infer_graph_find_attr(node, name);
    return a ? a->count == strlen(text) && memcmp(a->data, text, a->count) == 0 : absent;
}

bool infer_graph_approximates(const graph_node *node, const char *how) {
    return !how || infer_graph_says(node, "approximate", how, strcmp(how, "none") == 0);
}

int64_t infer_graph_number(const graph_node *node, const char *name, size_t i, int64_t absent) {
    const infer_attr *a = infer_graph_find_attr(node, name);
    return a && a->type == INFER_ATTR_INTS && i < a->count ? ((const int64_t *)a->data)[i] : absent;
}

static size_t attr_bytes(const infer_attr *a) {
    switch (a->type) {
    case INFER_ATTR_INTS:
        return a->count * sizeof(int64_t);
    case INFER_ATTR_FLOATS:
        return a->count * sizeof(float);
    case INFER_ATTR_STRINGS:
    case INFER_ATTR_CODES:
        return a->count * sizeof(infer_string);
    case INFER_ATTR_STRING:
        return a->count;
    default:
        return 0;
    }
}

infer_status infer_graph_copy_attr(infer_graph *g, const infer_attr *from, bool deep,
                                   infer_attr *to) {
    *to = *from;
    size_t bytes = attr_bytes(from);
    void *data = infer_arena_alloc(&g->arena, bytes ? bytes : 1);
    if (!(to->name = keep(g, from->name)) || !data)
        return INFER_ERROR_MEMORY;
    if (bytes)
        memcpy(data, from->data, bytes);
    to->data = data;
    if (from->type == INFER_ATTR_TENSOR && deep) {
        size_t size = infer_view_bytes(&from->tensor);
        if (!(to->tensor.data = infer_arena_alloc(&g->arena, size ? size : 1)))
            return INFER_ERROR_MEMORY;
        if (size)
            memcpy(to->tensor.data, from->tensor.data, size);
    }
    return INFER_OK;
}

static bool body_port(infer_op_env *env, uint32_t graph, bool output, uint32_t index,
                      infer_view *view) {
    const infer_graph *g = env->owner;
    const graph_body *b = graph < g->body_count ? g->bodies[graph] : NULL;
    if (!b || index >= (output ? b->output_count : b->input_count))
        return false;
    *view = *infer_graph_view(g, output ? b->outputs[index] : b->inputs[index]);
    view->data = NULL;
    return true;
}

infer_status infer_graph_env(infer_graph *g, graph_node *n, infer_op_env *env) {
    const infer_view **in = infer_arena_array(&g->arena, n->in_count + (size_t)1, sizeof(void *));
    infer_view **out = infer_arena_array(&g->arena, n->out_count + (size_t)1, sizeof(void *));
    if (!in || !out)
        return INFER_ERROR_MEMORY;
    for (uint32_t i = 0; i < n->in_count; i++)
        if (n->in[i] != INFER_NO_VALUE)
            in[i] = infer_graph_view(g, n->in[i]);
    for (uint32_t i = 0; i < n->out_count; i++)
        if (n->out[i] != INFER_NO_VALUE)
            out[i] = &g->values[n->out[i]].view;
    *env = (infer_op_env){.params = n->params,
                          .blob = g->blob ? g->blob : "",
                          .blob_size = g->blob_size,
                          .in_count = n->in_count,
                          .out_count = n->out_count,
                          .in = in,
                          .out = out,
                          .kernels = &g->kernels,
                          .body_port = body_port,
                          .owner = g};
    return INFER_OK;
}

/* A node that cannot run, in a body that perhaps never does: the untaken branch of an If is often
 * wrong for the shapes that are there. What is wrong is said when it runs, if only the types of the
 * outputs are known. */
static bool may_wait(const infer_graph *g, infer_status status, const infer_op_env *env) {
    bool wrong = status == INFER_ERROR_SHAPE || status == INFER_ERROR_VALUE;
    for (uint32_t i = 0; i < env->out_count; i++) {
        infer_view *out = env->out[i];
        if (!out)
            continue;
        wrong = wrong && (out->kind != INFER_KIND_TENSOR || infer_type_size((infer_type)out->type));
        out->rank = out->kind == INFER_KIND_TENSOR ? -1 : 1;
        out->dim[0] = -1;
        out->data = NULL;
    }
    return wrong && g->now != &g->main;
}

infer_status infer_graph_add_node(infer_graph *g, graph_node *n) {
    INFER_TRY(infer_graph_bind(g, n));
    infer_op_env env;
    INFER_TRY(infer_graph_env(g, n, &env));
    infer_status status = infer_op_infer(n->op, &env);
    bool done = false;
    if (status == INFER_OK)
        status = infer_graph_fold(g, n, &env, &done);
    if (done)
        return INFER_OK;
    if (status != INFER_OK && !may_wait(g, status, &env))
        return status;
    return infer_graph_push_node(g, n);
}

static infer_status fill_node(infer_graph *g, const infer_node_spec *spec, graph_node *n) {
    /* Room for inputs that an older version had as attributes. */
    size_t in_room = (size_t)spec->in_count + 8;
    n->name = keep(g, spec->name);
    n->in = infer_arena_array(&g->arena, in_room, sizeof *n->in);
    n->out = infer_arena_array(&g->arena, spec->out_count + (size_t)1, sizeof *n->out);
    n->attrs = infer_arena_array(&g->arena, spec->attr_count, sizeof *n->attrs);
    if (!n->name || !n->in || !n->out || !n->attrs)
        return INFER_ERROR_MEMORY;
    n->in_room = (uint32_t)in_room;
    n->attr_room = spec->attr_count;
    for (size_t i = 0; i < in_room; i++) {
        n->in[i] = INFER_NO_VALUE;
        if (i < spec->in_count)
            INFER_TRY(infer_graph_local(g, spec->inputs[i], &n->in[i]));
    }
    n->in_count = spec->in_count;
    for (uint32_t i = 0; i < spec->attr_count; i++)
        INFER_TRY(infer_graph_copy_attr(g, &spec->attrs[i], false, &n->attrs[n->attr_count++]));
    n->out_count = spec->out_count;
    infer_view unknown = {.rank = -1};
    for (uint32_t i = 0; i < spec->out_count; i++) {
        n->out[i] = INFER_NO_VALUE;
        if (spec->outputs[i] && spec->outputs[i][0])
            INFER_TRY(infer_graph_new_value(g, spec->outputs[i], &unknown, false, &n->out[i]));
    }
    return INFER_OK;
}

static bool replaced(const infer_graph *g, const graph_node *n) {
    for (uint32_t i = 0; i < n->out_count; i++)
        if (n->out[i] != INFER_NO_VALUE && g->values[n->out[i]].replaced_by == INFER_NO_VALUE)
            return false;
    return n->out_count > 0;
}

/* What has one version can be checked before it is rewritten, if the table of attributes holds all.
 */
static infer_status check_node(infer_graph *g, graph_node *n, infer_rewriter *rw) {
    infer_op_env env;
    INFER_TRY(infer_graph_bind(g, n));
    INFER_TRY(infer_graph_env(g, n, &env));
    rw->params = n->params;
    return infer_op_check(n->op, &env);
}

static infer_status add(infer_graph *g, const infer_node_spec *spec, graph_node *n) {
    n->op = infer_op_find(spec->domain, spec->op);
    if (!n->op || strcmp(spec->domain, "infer") == 0)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "the operator is not in this library");
    if (spec->version < n->op->since || spec->version > n->op->newest)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "the operator is there for versions %d to %d",
                          n->op->since, n->op->newest);
    n->version = spec->version;
    INFER_TRY(fill_node(g, spec, n));
    if (n->op->upgrade) {
        infer_rewriter *rw = infer_graph_rewriter_new(g, n, spec->version);
        if (!rw)
            return INFER_ERROR_MEMORY;
        if (n->op->since == n->op->newest && !(n->op->flags & INFER_OP_NARROW))
            INFER_TRY(check_node(g, n, rw));
        INFER_TRY(n->op->upgrade(rw));
        if (replaced(g, n))
            return INFER_OK;
    }
    INFER_TRY(infer_graph_add_captures(g, n));
    return infer_graph_add_node(g, n);
}

infer_status infer_graph_node(infer_graph *g, const infer_node_spec *spec, uint32_t *values) {
    graph_node *n = infer_arena_array(&g->arena, 1, sizeof *n);
    if (!n)
        return INFER_ERROR_MEMORY;
    infer_status status = infer_graph_status(g, add(g, spec, n));
    if (status != INFER_OK)
        return infer_fail_within(status, "node %.100s: %s.%.100s version %d",
                                 spec->name && spec->name[0]           ? spec->name
                                 : spec->out_count && spec->outputs[0] ? spec->outputs[0]
                                                                       : "?",
                                 spec->domain[0] ? spec->domain : "ai.onnx", spec->op,
                                 spec->version);
    for (uint32_t i = 0; i < spec->out_count; i++)
        values[i] =
            n->out[i] == INFER_NO_VALUE ? INFER_NO_VALUE : infer_graph_resolve(g, n->out[i]);
    return INFER_OK;
}
