/* From image to program: operators looked up, parameter records checked, constants viewed. */
#include "checked.h"
#include "engine.h"
#include "status.h"
#include "types.h"

#include <string.h>

/* Every list of a parameter record must lie in the blob; strings are checked when touched. */
static infer_status check_lists(const infer_image *m, const infer_op *op, const char *params) {
    for (size_t i = 0; i < op->attr_count; i++) {
        const infer_op_attr *a = &op->attrs[i];
        if (a->type == INFER_ATTR_INT || a->type == INFER_ATTR_FLOAT ||
            a->type == INFER_ATTR_ENUM || a->type == INFER_ATTR_TYPE ||
            a->type == INFER_ATTR_REJECTED || a->type == INFER_ATTR_GRAPH ||
            a->type == INFER_ATTR_VALUE)
            continue;
        infer_list list;
        memcpy(&list, params + a->offset, sizeof list);
        size_t each = list.type == INFER_TYPE_STRING ? sizeof(infer_blob_string)
                                                     : infer_type_size((infer_type)list.type);
        uint32_t fixed = a->type == INFER_ATTR_INTS      ? INFER_TYPE_INT64
                         : a->type == INFER_ATTR_FLOATS  ? INFER_TYPE_FLOAT
                         : a->type == INFER_ATTR_STRINGS ? INFER_TYPE_STRING
                         : a->type == INFER_ATTR_STRING  ? INFER_TYPE_UINT8
                                                         : list.type;
        size_t bytes;
        bool absent = list.type == INFER_TYPE_UNDEFINED && list.count == 0;
        if (!absent && (list.type != fixed || !each || list.count > SIZE_MAX / 2 ||
                        list.offset % 8 || !infer_mul((size_t)list.count, each, &bytes) ||
                        !infer_range(list.offset, bytes, m->header->blob.count)))
            return infer_fail(INFER_ERROR_FORMAT, "image: attribute %s leaves the blob", a->name);
    }
    return INFER_OK;
}

static infer_status resolve(const infer_image *m, const infer_image_node *n, infer_step *step) {
    const char *domain = infer_image_chars(m, n->domain), *name = infer_image_chars(m, n->op);
    const infer_op *op = infer_op_find(domain, name);
    if (!op)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "the operator is not in this library");
    if (op->flags & INFER_OP_PACKS)
        return infer_fail(INFER_ERROR_FORMAT, "image: the operator packs constants while loading");
    if (op->revision != n->revision)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "the image has revision %u, this library %u",
                          n->revision, op->revision);
    if (op->params_size != n->record_size)
        return infer_fail(INFER_ERROR_FORMAT, "image: %u bytes of parameters instead of %u",
                          n->record_size, op->params_size);
    *step = (infer_step){op, n, m->records + n->record};
    return check_lists(m, op, step->params);
}

/* ---- graphs ---- */

/* Where a value was made: a graph's number and one, or everywhere. */
#define EVERYWHERE UINT32_MAX

typedef struct births {
    uint32_t *home, *depth; /* of values; of graphs: 0 where nobody calls them so far */
} births;

static infer_status give_birth(births *b, uint32_t value, uint32_t graph, const char *what,
                               uint32_t index) {
    if (value != INFER_IMAGE_NONE && b->home[value])
        return infer_fail(INFER_ERROR_FORMAT, "image: %s %u: a value has two sources", what, index);
    if (value != INFER_IMAGE_NONE)
        b->home[value] = graph + 1;
    return INFER_OK;
}

static bool is_there(const births *b, uint32_t value, uint32_t graph) {
    return b->home[value] == graph + 1 || b->home[value] == EVERYWHERE;
}

/* The bodies of a node lie behind its graph, have no other caller and take what it captures. */
static infer_status check_bodies(const infer_image *m, const infer_step *s, uint32_t graph,
                                 births *b) {
    uint64_t captures = 0;
    for (size_t i = 0; i < s->op->attr_count; i++) {
        if (s->op->attrs[i].type != INFER_ATTR_GRAPH)
            continue;
        infer_body body;
        memcpy(&body, (const char *)s->params + s->op->attrs[i].offset, sizeof body);
        captures += body.captures;
        if (body.graph == 0 && body.captures == 0)
            continue;
        if (body.graph <= graph || body.graph >= m->header->graphs.count || b->depth[body.graph] ||
            b->depth[graph] > INFER_BODY_DEPTH || body.captures > m->graphs[body.graph].in_count ||
            captures > s->node->in_count)
            return infer_fail(INFER_ERROR_FORMAT, "image: %s is no graph of its own",
                              s->op->attrs[i].name);
        b->depth[body.graph] = b->depth[graph] + 1;
    }
    return INFER_OK;
}

/* Within a graph values come into being once, before they are read; nothing of other graphs is. */
static infer_status check_graph(const infer_image *m, const infer_program *p, uint32_t graph,
                                births *b) {
    const infer_subgraph *g = &p->graphs[graph];
    if (!b->depth[graph])
        return infer_fail(INFER_ERROR_FORMAT, "image: graph %u is never called", graph);
    for (uint32_t i = 0; i < g->in_count; i++) {
        if (g->inputs[i] == INFER_IMAGE_NONE)
            return infer_fail(INFER_ERROR_FORMAT, "image: input %u is no value", i);
        INFER_TRY(give_birth(b, g->inputs[i], graph, "input", i));
    }
    for (uint32_t i = g->first; i < g->end; i++) {
        const infer_image_node *n = &m->nodes[i];
        const uint32_t *edges = m->edges + n->edges;
        for (uint32_t e = 0; e < n->in_count; e++)
            if (edges[e] != INFER_IMAGE_NONE && !is_there(b, edges[e], graph))
                return infer_fail(INFER_ERROR_FORMAT, "image: node %u: edge %u is out of order", i,
                                  e);
        for (uint32_t e = n->in_count; e < n->in_count + n->out_count; e++)
            INFER_TRY(give_birth(b, edges[e], graph, "node", i));
        INFER_TRY(check_bodies(m, &p->steps[i], graph, b));
    }
    for (uint32_t i = 0; i < g->out_count; i++)
        if (g->outputs[i] == INFER_IMAGE_NONE || !is_there(b, g->outputs[i], graph))
            return infer_fail(INFER_ERROR_FORMAT, "image: output %u is never computed", i);
    return INFER_OK;
}

static infer_status check_graphs(const infer_image *m, const infer_program *p, births *b) {
    for (uint32_t i = 0; i < m->header->values.count; i++)
        b->home[i] = m->values[i].constant ? EVERYWHERE : 0;
    b->depth[0] = 1;
    for (uint32_t i = 0; i < p->graph_count; i++)
        INFER_TRY(check_graph(m, p, i, b));
    return INFER_OK;
}

/* The model's own graph has ports, bodies have edges. */
static void view_graphs(const infer_image *m, infer_program *p) {
    const infer_image_header *h = m->header;
    uint32_t *port = p->ports;
    for (uint32_t i = 0; i < h->inputs.count; i++)
        *port++ = m->inputs[i].value;
    for (uint32_t i = 0; i < h->outputs.count; i++)
        *port++ = m->outputs[i].value;
    for (uint32_t i = 0; i < p->graph_count; i++) {
        const infer_image_graph *g = &m->graphs[i];
        const uint32_t *edges = i ? m->edges + g->edges : p->ports;
        uint32_t in_count = i ? g->in_count : (uint32_t)h->inputs.count;
        p->graphs[i] = (infer_subgraph){.first = g->node,
                                        .end = g->node + g->node_count,
                                        .inputs = edges,
                                        .outputs = edges + in_count,
                                        .in_count = in_count,
                                        .out_count = i ? g->out_count : (uint32_t)h->outputs.count};
    }
}

/* ---- constants and uses ---- */

static infer_status view_constants(const infer_image *m, infer_program *p) {
    infer_string *strings = p->strings;
    for (uint32_t i = 0; i < m->header->values.count; i++) {
        const infer_image_value *v = &m->values[i];
        infer_view *view = &p->constants[i];
        view->rank = -1;
        if (!v->constant)
            continue;
        view->type = v->type;
        view->rank = v->rank;
        for (int32_t d = 0; d < v->rank; d++)
            view->dim[d] = m->extents[v->extents + (uint32_t)d];
        const char *base = m->base + m->header->data.offset + v->data_offset;
        view->data = (void *)base;
        if (v->type != INFER_TYPE_STRING)
            continue;
        const infer_image_text *text = (const void *)base;
        view->data = strings;
        INFER_TRY(infer_image_check_texts(m, i));
        for (int64_t n = infer_view_count(view); n > 0; n--, text++, strings++)
            *strings = (infer_string){base + text->offset, (size_t)text->size};
    }
    return INFER_OK;
}

static void find_last_uses(const infer_image *m, infer_program *p) {
    for (uint32_t i = 0; i < p->step_count; i++) {
        const infer_image_node *n = p->steps[i].node;
        for (uint32_t e = 0; e < n->in_count + n->out_count; e++)
            if (m->edges[n->edges + e] != INFER_IMAGE_NONE)
                p->last_use[m->edges[n->edges + e]] = i;
    }
    for (uint32_t g = 0; g < p->graph_count; g++)
        for (uint32_t i = 0; i < p->graphs[g].out_count; i++)
            p->last_use[p->graphs[g].outputs[i]] = p->graphs[g].end;
}

static infer_status fill(const infer_image *m, infer_program *p, births *born) {
    for (uint32_t i = 0; i < p->step_count; i++) {
        const infer_image_node *n = &m->nodes[i];
        infer_status status = resolve(m, n, &p->steps[i]);
        if (status != INFER_OK)
            return infer_fail_within(status, "node %s (%s%s%s)", infer_image_chars(m, n->name),
                                     infer_image_chars(m, n->domain), n->domain.size ? "." : "",
                                     infer_image_chars(m, n->op));
    }
    view_graphs(m, p);
    INFER_TRY(check_graphs(m, p, born));
    INFER_TRY(view_constants(m, p));
    find_last_uses(m, p);
    return INFER_OK;
}

static size_t count_strings(const infer_image *m) {
    size_t n = 0;
    for (uint32_t i = 0; i < m->header->values.count; i++)
        if (m->values[i].constant && m->values[i].type == INFER_TYPE_STRING)
            n += (size_t)(m->values[i].data_size / sizeof(infer_image_text));
    return n;
}

infer_status infer_program_new(infer_model *model, infer_program **program) {
    const infer_image *m = &model->image;
    const infer_allocator *a = &model->allocator;
    size_t values = (size_t)m->header->values.count;
    infer_program *p = infer_alloc_zero(a, sizeof *p);
    if (!p)
        return INFER_ERROR_MEMORY;
    p->kernels = model->kernels;
    infer_kernels_init_blocked(&p->kernels, infer_model_cpu(model));
    p->step_count = (size_t)m->header->nodes.count;
    p->string_count = count_strings(m);
    p->graph_count = (size_t)m->header->graphs.count;
    p->port_count = (size_t)(m->header->inputs.count + m->header->outputs.count);
    births born = {infer_alloc_zero(a, values * sizeof *born.home),
                   infer_alloc_zero(a, p->graph_count * sizeof *born.depth)};
    p->steps = infer_alloc_zero(a, p->step_count * sizeof *p->steps);
    p->constants = infer_alloc_zero(a, values * sizeof *p->constants);
    p->last_use = infer_alloc_zero(a, values * sizeof *p->last_use);
    p->strings = infer_alloc_zero(a, p->string_count * sizeof *p->strings);
    p->graphs = infer_alloc_zero(a, p->graph_count * sizeof *p->graphs);
    p->ports = infer_alloc_zero(a, p->port_count * sizeof *p->ports);
    infer_status status = INFER_ERROR_MEMORY;
    if (born.home && born.depth && p->steps && p->constants && p->last_use && p->strings &&
        p->graphs && p->ports)
        status = fill(m, p, &born);
    infer_dealloc(a, born.home, values * sizeof *born.home);
    infer_dealloc(a, born.depth, p->graph_count * sizeof *born.depth);
    if (status == INFER_OK)
        *program = p;
    else
        infer_program_free(model, p);
    return status;
}

void infer_program_free(infer_model *model, infer_program *p) {
    if (!p)
        return;
    const infer_allocator *a = &model->allocator;
    size_t values = (size_t)model->image.header->values.count;
    for (size_t i = 0; i < INFER_SPARE_CONTEXTS; i++)
        infer_context_free(atomic_load(&p->spare[i]));
    infer_dealloc(a, p->steps, p->step_count * sizeof *p->steps);
    infer_dealloc(a, p->constants, values * sizeof *p->constants);
    infer_dealloc(a, p->last_use, values * sizeof *p->last_use);
    infer_dealloc(a, p->strings, p->string_count * sizeof *p->strings);
    infer_dealloc(a, p->graphs, p->graph_count * sizeof *p->graphs);
    infer_dealloc(a, p->ports, p->port_count * sizeof *p->ports);
    infer_dealloc(a, p, sizeof *p);
}

/* Texts of a list of the blob: in it, and together no longer than it. */
static bool texts_fit(const infer_image *m, const infer_list *list) {
    const infer_image_text *text = (const void *)(m->blob + list->offset);
    uint64_t size = m->header->blob.count, total = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        if (!infer_range(text[i].offset, text[i].size, size) ||
            !infer_range(total, text[i].size, size))
            return false;
        total += text[i].size;
    }
    return true;
}

/* Classifiers and ZipMap name their labels alike: classlabels_ints, classlabels_strings, ... */
infer_status infer_program_labels(infer_model *model, infer_labels *labels) {
    const infer_image *m = &model->image;
    for (size_t i = 0; i < model->program->step_count; i++) {
        const infer_step *s = &model->program->steps[i];
        for (size_t a = 0; a < s->op->attr_count; a++) {
            const infer_op_attr *attr = &s->op->attrs[a];
            infer_list list;
            if (strncmp(attr->name, "classlabels_", 12) != 0)
                continue;
            memcpy(&list, (const char *)s->params + attr->offset, sizeof list);
            if (!list.count)
                continue;
            if (list.type == INFER_TYPE_STRING && !texts_fit(m, &list))
                return infer_fail(INFER_ERROR_FORMAT, "image: a class label leaves its list");
            *labels = (infer_labels){.type = (infer_type)list.type,
                                     .count = (size_t)list.count,
                                     .entries = m->blob + list.offset,
                                     .texts = m->blob};
            return INFER_OK;
        }
    }
    return INFER_OK;
}
