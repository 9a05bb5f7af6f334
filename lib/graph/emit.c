/* Writing the image of a finished graph. */
#include "checked.h"
#include "image.h"
#include "ir.h"
#include "status.h"

#include <string.h>

typedef struct emitter {
    infer_graph *g;
    infer_image_tables t;
    infer_image_value *values;
    infer_image_node *nodes;
    infer_image_graph *graphs;
    graph_body **bodies; /* in the order of graphs */
    size_t body_count;
    infer_image_port *inputs, *outputs;
    uint32_t *edges, *number; /* number: of each graph value in the image */
    int64_t *extents;
    infer_image_string *symbols, *features;
    infer_image_pair *metadata;
    char *text, *records;
} emitter;

/* The text section was sized for every string that is put. */
static infer_image_string put_text(emitter *e, const char *text, size_t size) {
    infer_image_string s = {(uint32_t)e->t.text_count, (uint32_t)size};
    memcpy(e->text + e->t.text_count, text, size);
    e->t.text_count += size + 1;
    return s;
}

static infer_image_string put_chars(emitter *e, const char *text) {
    return put_text(e, text, strlen(text));
}

static uint32_t put_extents(emitter *e, const infer_view *v) {
    uint32_t first = (uint32_t)e->t.extents_count;
    for (int32_t i = 0; i < v->rank; i++)
        e->extents[e->t.extents_count++] = v->dim[i];
    return first;
}

/* Numbers the values that the nodes and ports name. */
static void number_value(emitter *e, uint32_t value) {
    value = value == INFER_NO_VALUE ? value : infer_graph_resolve(e->g, value);
    if (value != INFER_NO_VALUE && e->number[value] == INFER_IMAGE_NONE)
        e->number[value] = (uint32_t)e->t.values_count++;
}

typedef struct sizes {
    size_t nodes, edges, extents, symbols, text, records;
} sizes;

static bool count_text(sizes *s, size_t size) {
    return infer_add(s->text, size, &s->text) && infer_add(s->text, 1, &s->text);
}

static bool count_port(sizes *s, const graph_port *p) {
    size_t rank = p->spec.view.rank > 0 ? (size_t)p->spec.view.rank : 0;
    s->extents += rank;
    s->symbols += rank;
    for (size_t i = 0; i < rank; i++)
        if (!count_text(s, strlen(p->spec.symbols[i])))
            return false;
    return count_text(s, strlen(p->spec.name)) && count_text(s, strlen(p->spec.type_string));
}

static bool count_nodes(const graph_body *b, sizes *s) {
    bool ok = true;
    s->nodes += b->node_count;
    s->edges += b->input_count + b->output_count;
    for (size_t i = 0; i < b->node_count; i++) {
        const graph_node *n = b->nodes[i];
        s->edges += (size_t)n->in_count + n->out_count;
        s->records += (n->op->params_size + (size_t)7) & ~(size_t)7;
        ok = ok && count_text(s, strlen(n->name)) && count_text(s, strlen(n->op->name)) &&
             count_text(s, strlen(n->op->domain));
    }
    return ok;
}

static bool count_all(const emitter *e, sizes *s) {
    const infer_graph *g = e->g;
    bool ok = count_text(s, 0);
    for (size_t i = 0; i < e->body_count; i++)
        ok = ok && count_nodes(e->bodies[i], s);
    for (size_t i = 0; i < g->value_count; i++) {
        s->extents += g->values[i].view.rank > 0 ? (size_t)g->values[i].view.rank : 0;
        ok = ok && count_text(s, strlen(g->values[i].name));
    }
    for (size_t i = 0; i < g->input_count; i++)
        ok = ok && count_port(s, &g->inputs[i]);
    for (size_t i = 0; i < g->output_count; i++)
        ok = ok && count_port(s, &g->outputs[i]);
    for (size_t i = 0; i < g->metadata_count; i++)
        ok = ok && count_text(s, strlen(g->metadata[i].key)) &&
             count_text(s, strlen(g->metadata[i].value));
    for (size_t i = 0; i < g->feature_count; i++)
        ok = ok && count_text(s, g->features[i].size);
    return ok && s->text < UINT32_MAX && s->edges < UINT32_MAX && s->extents < UINT32_MAX;
}

static infer_status reserve(emitter *e) {
    infer_graph *g = e->g;
    sizes s = {0};
    if (!count_all(e, &s))
        return infer_fail(INFER_ERROR_LIMIT, "names and shapes pass what an image can hold");
    infer_arena *a = &g->arena;
    e->values = infer_arena_array(a, g->value_count, sizeof *e->values);
    e->nodes = infer_arena_array(a, s.nodes, sizeof *e->nodes);
    e->graphs = infer_arena_array(a, e->body_count, sizeof *e->graphs);
    e->inputs = infer_arena_array(a, g->input_count, sizeof *e->inputs);
    e->outputs = infer_arena_array(a, g->output_count, sizeof *e->outputs);
    e->edges = infer_arena_array(a, s.edges, sizeof *e->edges);
    e->number = infer_arena_array(a, g->value_count, sizeof *e->number);
    e->extents = infer_arena_array(a, s.extents, sizeof *e->extents);
    e->symbols = infer_arena_array(a, s.symbols, sizeof *e->symbols);
    e->features = infer_arena_array(a, g->feature_count, sizeof *e->features);
    e->metadata = infer_arena_array(a, g->metadata_count, sizeof *e->metadata);
    e->text = infer_arena_array(a, s.text, 1);
    e->records = infer_arena_array(a, s.records, 1);
    if (!e->values || !e->nodes || !e->graphs || !e->inputs || !e->outputs || !e->edges ||
        !e->number || !e->extents || !e->symbols || !e->features || !e->metadata || !e->text ||
        !e->records)
        return INFER_ERROR_MEMORY;
    memset(e->number, 0xff, g->value_count * sizeof *e->number);
    return INFER_OK;
}

static void number_body(emitter *e, const graph_body *b) {
    for (size_t i = 0; i < b->input_count; i++)
        number_value(e, b->inputs[i]);
    for (size_t i = 0; i < b->node_count; i++) {
        for (uint32_t v = 0; v < b->nodes[i]->in_count; v++)
            number_value(e, b->nodes[i]->in[v]);
        for (uint32_t v = 0; v < b->nodes[i]->out_count; v++)
            number_value(e, b->nodes[i]->out[v]);
    }
    for (size_t i = 0; i < b->output_count; i++)
        number_value(e, b->outputs[i]);
}

static void number_all(emitter *e) {
    const infer_graph *g = e->g;
    for (size_t i = 0; i < g->input_count; i++)
        number_value(e, g->inputs[i].value);
    for (size_t b = 0; b < e->body_count; b++)
        number_body(e, e->bodies[b]);
    for (size_t i = 0; i < g->output_count; i++)
        number_value(e, g->outputs[i].value);
}

static bool string_bytes(const infer_view *v, size_t *bytes) {
    size_t n = (size_t)infer_view_count(v);
    const infer_string *s = v->data;
    if (!infer_mul(n, sizeof(infer_image_text), bytes))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!infer_add(*bytes, s[i].size, bytes))
            return false;
    return true;
}

static infer_status put_values(emitter *e) {
    const infer_graph *g = e->g;
    size_t end = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const graph_value *v = &g->values[i];
        if (e->number[i] == INFER_IMAGE_NONE)
            continue;
        infer_image_value *out = &e->values[e->number[i]];
        *out = (infer_image_value){.name = put_chars(e, v->name),
                                   .kind = v->view.kind,
                                   .type = v->view.type,
                                   .constant = v->constant,
                                   .member = v->view.member,
                                   .value_type = v->view.value_type,
                                   .rank = v->view.rank,
                                   .extents = put_extents(e, &v->view)};
        if (!v->constant)
            continue;
        size_t bytes;
        if (v->view.type != INFER_TYPE_STRING)
            bytes = infer_view_bytes(&v->view);
        else if (!string_bytes(&v->view, &bytes))
            return infer_fail(INFER_ERROR_MEMORY, "constant %s does not fit memory", v->name);
        out->data_offset = end;
        out->data_size = bytes;
        if (!infer_add(end, bytes, &end) || !infer_round_up(end, INFER_IMAGE_ALIGN, &end))
            return infer_fail(INFER_ERROR_MEMORY, "the constants do not fit memory");
    }
    e->t.data_count = end;
    return INFER_OK;
}

static void put_edge(emitter *e, uint32_t value) {
    e->edges[e->t.edges_count++] =
        value == INFER_NO_VALUE ? INFER_IMAGE_NONE : e->number[infer_graph_resolve(e->g, value)];
}

/* The record, its bodies by their numbers in the image. */
static void put_record(emitter *e, const graph_node *n) {
    char *record = e->records + e->t.records_count;
    memcpy(record, n->params, n->op->params_size);
    for (size_t i = 0; i < n->op->attr_count; i++) {
        const infer_op_attr *a = &n->op->attrs[i];
        if (a->type != INFER_ATTR_GRAPH || !infer_graph_find_attr(n, a->name))
            continue;
        infer_body body;
        memcpy(&body, record + a->offset, sizeof body);
        body.graph = e->g->bodies[body.graph]->number;
        memcpy(record + a->offset, &body, sizeof body);
    }
    e->t.records_count += (n->op->params_size + (size_t)7) & ~(size_t)7;
}

static void put_node(emitter *e, const graph_node *n) {
    e->nodes[e->t.nodes_count++] = (infer_image_node){.name = put_chars(e, n->name),
                                                      .domain = put_chars(e, n->op->domain),
                                                      .op = put_chars(e, n->op->name),
                                                      .revision = n->op->revision,
                                                      .record_size = n->op->params_size,
                                                      .record = e->t.records_count,
                                                      .edges = (uint32_t)e->t.edges_count,
                                                      .in_count = n->in_count,
                                                      .out_count = n->out_count};
    put_record(e, n);
    for (uint32_t v = 0; v < n->in_count; v++)
        put_edge(e, n->in[v]);
    for (uint32_t v = 0; v < n->out_count; v++)
        put_edge(e, n->out[v]);
}

static void put_graphs(emitter *e) {
    for (size_t i = 0; i < e->body_count; i++)
        e->bodies[i]->number = (uint32_t)i;
    for (size_t i = 0; i < e->body_count; i++) {
        const graph_body *b = e->bodies[i];
        infer_image_graph *out = &e->graphs[e->t.graphs_count++];
        *out = (infer_image_graph){.node = (uint32_t)e->t.nodes_count,
                                   .node_count = (uint32_t)b->node_count,
                                   .edges = (uint32_t)e->t.edges_count};
        for (size_t n = 0; n < b->node_count; n++)
            put_node(e, b->nodes[n]);
        if (i == 0)
            continue;
        out->edges = (uint32_t)e->t.edges_count;
        out->in_count = (uint32_t)b->input_count;
        out->out_count = (uint32_t)b->output_count;
        for (size_t v = 0; v < b->input_count; v++)
            put_edge(e, b->inputs[v]);
        for (size_t v = 0; v < b->output_count; v++)
            put_edge(e, b->outputs[v]);
    }
}

static void put_port(emitter *e, const graph_port *p, infer_image_port *out) {
    const infer_view *v = &p->spec.view;
    *out = (infer_image_port){.name = put_chars(e, p->spec.name),
                              .type_string = put_chars(e, p->spec.type_string),
                              .value = e->number[infer_graph_resolve(e->g, p->value)],
                              .kind = v->kind,
                              .type = v->type,
                              .optional = p->spec.optional,
                              .rank = v->rank,
                              .extents = put_extents(e, v),
                              .symbols = (uint32_t)e->t.symbols_count};
    for (int32_t i = 0; i < v->rank; i++)
        e->symbols[e->t.symbols_count++] = put_chars(e, p->spec.symbols[i]);
}

static void put_rest(emitter *e) {
    const infer_graph *g = e->g;
    for (size_t i = 0; i < g->input_count; i++)
        put_port(e, &g->inputs[i], &e->inputs[i]);
    for (size_t i = 0; i < g->output_count; i++)
        put_port(e, &g->outputs[i], &e->outputs[i]);
    for (size_t i = 0; i < g->metadata_count; i++)
        e->metadata[i] = (infer_image_pair){put_chars(e, g->metadata[i].key),
                                            put_chars(e, g->metadata[i].value)};
    for (size_t i = 0; i < g->feature_count; i++)
        e->features[i] = put_text(e, g->features[i].data, g->features[i].size);
    e->t.inputs_count = g->input_count;
    e->t.outputs_count = g->output_count;
    e->t.metadata_count = g->metadata_count;
    e->t.features_count = g->feature_count;
    e->t.blob_count = g->blob_size;
}

static void put_strings(const infer_view *v, char *to) {
    size_t n = (size_t)infer_view_count(v), at = n * sizeof(infer_image_text);
    const infer_string *s = v->data;
    for (size_t i = 0; i < n; i++) {
        infer_image_text text = {at, s[i].size};
        memcpy(to + i * sizeof text, &text, sizeof text);
        if (s[i].size)
            memcpy(to + at, s[i].data, s[i].size);
        at += s[i].size;
    }
}

static infer_status put_data(const emitter *e, char *data) {
    size_t end = 0;
    for (size_t i = 0; i < e->g->value_count; i++) {
        const graph_value *v = &e->g->values[i];
        if (e->number[i] == INFER_IMAGE_NONE || !v->constant)
            continue;
        const infer_image_value *out = &e->values[e->number[i]];
        memset(data + end, 0, out->data_offset - end);
        if (v->view.type == INFER_TYPE_STRING)
            put_strings(&v->view, data + out->data_offset);
        else
            INFER_TRY(infer_graph_put(e->g, (uint32_t)i, data + out->data_offset));
        infer_graph_let_go(e->g, (uint32_t)i);
        end = out->data_offset + out->data_size;
    }
    memset(data + end, 0, e->t.data_count - end);
    return INFER_OK;
}

static infer_status emit(infer_graph *g, void **image, size_t *size) {
    INFER_TRY(infer_graph_passes(g));
    emitter e = {.g = g};
    INFER_TRY(infer_graph_live(g, &e.bodies, &e.body_count));
    INFER_TRY(reserve(&e));
    number_all(&e);
    INFER_TRY(put_values(&e));
    put_graphs(&e);
    put_rest(&e);
#define TABLE(name) e.t.name = e.name
    TABLE(values);
    TABLE(nodes);
    TABLE(graphs);
    TABLE(inputs);
    TABLE(outputs);
    TABLE(edges);
    TABLE(extents);
    TABLE(symbols);
    TABLE(metadata);
    TABLE(features);
    TABLE(text);
    TABLE(records);
#undef TABLE
    e.t.blob = g->blob;
    char *data;
    INFER_TRY(infer_image_write(&g->allocator, &e.t, image, size, &data));
    infer_status status = put_data(&e, data);
    if (status != INFER_OK)
        infer_dealloc(&g->allocator, *image, *size);
    return status;
}

infer_status infer_graph_emit(infer_graph *g, void **image, size_t *size) {
    return infer_graph_status(g, emit(g, image, size));
}
