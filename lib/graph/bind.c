/* Binding: a node's attributes become its fixed-size parameter record, lists go to the blob. */
#include "checked.h"
#include "ir.h"
#include "status.h"
#include "types.h"

#include <string.h>

/* Room for size bytes at a multiple of 8 of the blob; *offset is where. */
static infer_status blob_room(infer_graph *g, size_t size, uint64_t *offset) {
    size_t at, end;
    if (!infer_round_up(g->blob_size, 8, &at) || !infer_add(at, size, &end) ||
        (g->arena.limit && end > g->arena.limit))
        return infer_fail(INFER_ERROR_LIMIT, "an attribute of %zu bytes passes the limit", size);
    if (end > g->blob_room) {
        size_t room = end;
        if (!infer_add(end, end / 2 + 256, &room))
            return infer_fail(INFER_ERROR_MEMORY, "the attributes do not fit memory");
        char *grown = infer_alloc(&g->allocator, room);
        if (!grown)
            return INFER_ERROR_MEMORY;
        if (g->blob_size)
            memcpy(grown, g->blob, g->blob_size);
        infer_dealloc(&g->allocator, g->blob, g->blob_room);
        g->blob = grown;
        g->blob_room = room;
    }
    if (end > g->blob_size)
        memset(g->blob + g->blob_size, 0, end - g->blob_size);
    g->blob_size = end;
    *offset = at;
    return INFER_OK;
}

static infer_status put_list(infer_graph *g, infer_type type, const void *data, size_t count,
                             infer_list *list) {
    size_t each = type == INFER_TYPE_STRING ? sizeof(infer_blob_string) : infer_type_size(type);
    size_t bytes;
    *list = (infer_list){.count = count, .type = type};
    if (!infer_mul(count, each, &bytes))
        return infer_fail(INFER_ERROR_MEMORY, "a list of %zu elements does not fit memory", count);
    INFER_TRY(blob_room(g, bytes, &list->offset));
    if (type != INFER_TYPE_STRING) {
        if (bytes)
            memcpy(g->blob + list->offset, data, bytes);
        return INFER_OK;
    }
    const infer_string *strings = data;
    for (size_t i = 0; i < count; i++) {
        infer_blob_string entry = {.size = strings[i].size};
        INFER_TRY(blob_room(g, strings[i].size, &entry.offset));
        if (strings[i].size)
            memcpy(g->blob + entry.offset, strings[i].data, strings[i].size);
        memcpy(g->blob + list->offset + i * sizeof entry, &entry, sizeof entry);
    }
    return INFER_OK;
}

/* The number of `name` in "A|B|C", or -1. */
static int64_t enum_index(const char *names, const char *name, size_t size) {
    for (int64_t i = 0;; i++) {
        size_t n = strcspn(names, "|");
        if (n == size && memcmp(names, name, n) == 0)
            return i;
        if (!names[n])
            return -1;
        names += n + 1;
    }
}

static infer_status wrong_type(const infer_op_attr *spec, const infer_attr *given) {
    return infer_fail(INFER_ERROR_FORMAT, "attribute %s has the wrong type (%d)", spec->name,
                      (int)given->type);
}

static infer_status put_int(const infer_op_attr *spec, const infer_attr *a, void *field) {
    int64_t i = (int64_t)spec->number;
    if (a && spec->type == INFER_ATTR_ENUM) {
        if (a->type != INFER_ATTR_STRING)
            return wrong_type(spec, a);
        if ((i = enum_index(spec->text, a->data, a->count)) < 0)
            return infer_fail(INFER_ERROR_FORMAT, "attribute %s is none of %s", spec->name,
                              spec->text);
    } else if (a) {
        if (a->type != INFER_ATTR_INT)
            return wrong_type(spec, a);
        i = a->i;
    }
    if (spec->type == INFER_ATTR_TYPE && i && !infer_type_size((infer_type)i))
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s: %lld is no element type", spec->name,
                          (long long)i);
    memcpy(field, &i, sizeof i);
    return INFER_OK;
}

static infer_status put_body(const infer_graph *g, const infer_op_attr *spec, const infer_attr *a,
                             void *field) {
    if (!a || a->type != INFER_ATTR_GRAPH)
        return a ? wrong_type(spec, a) : INFER_OK;
    infer_body body = {(uint32_t)a->i, (uint32_t)g->bodies[a->i]->captured_count};
    memcpy(field, &body, sizeof body);
    return INFER_OK;
}

static infer_status put_type(const infer_op_attr *spec, const infer_attr *a, void *field) {
    if (!a || a->type != INFER_ATTR_VALUE)
        return a ? wrong_type(spec, a) : INFER_OK;
    infer_value_type type = {a->tensor.kind, a->tensor.type, a->tensor.member, a->tensor.value_type,
                             1};
    memcpy(field, &type, sizeof type);
    return INFER_OK;
}

static infer_status put_attr(infer_graph *g, const infer_op_attr *spec, const infer_attr *a,
                             void *field) {
    static const struct {
        infer_attr_type attr;
        infer_type type;
    } lists[] = {{INFER_ATTR_INTS, INFER_TYPE_INT64},
                 {INFER_ATTR_FLOATS, INFER_TYPE_FLOAT},
                 {INFER_ATTR_STRINGS, INFER_TYPE_STRING},
                 {INFER_ATTR_STRING, INFER_TYPE_UINT8}};
    if (!a && spec->required)
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s is missing", spec->name);
    switch (spec->type) {
    case INFER_ATTR_INT:
    case INFER_ATTR_ENUM:
    case INFER_ATTR_TYPE:
        return put_int(spec, a, field);
    case INFER_ATTR_FLOAT: {
        float f = a ? a->f : (float)spec->number;
        if (a && a->type != INFER_ATTR_FLOAT)
            return wrong_type(spec, a);
        memcpy(field, &f, sizeof f);
        return INFER_OK;
    }
    case INFER_ATTR_REJECTED:
        return a ? infer_fail(INFER_ERROR_UNSUPPORTED, "attribute %s: %s", spec->name, spec->text)
                 : INFER_OK;
    case INFER_ATTR_GRAPH:
        return put_body(g, spec, a, field);
    case INFER_ATTR_VALUE:
        return put_type(spec, a, field);
    default:
        break;
    }
    infer_list list = {0};
    if (!a && spec->text)
        INFER_TRY(put_list(g, INFER_TYPE_UINT8, spec->text, strlen(spec->text), &list));
    if (a && a->type != spec->type)
        return wrong_type(spec, a);
    if (a && a->type == INFER_ATTR_TENSOR)
        INFER_TRY(put_list(g, (infer_type)a->tensor.type, a->tensor.data,
                           (size_t)infer_view_count(&a->tensor), &list));
    for (size_t i = 0; a && i < sizeof lists / sizeof *lists; i++)
        if (lists[i].attr == a->type)
            INFER_TRY(put_list(g, lists[i].type, a->data, a->count, &list));
    memcpy(field, &list, sizeof list);
    return INFER_OK;
}

infer_status infer_graph_bind(infer_graph *g, graph_node *n) {
    const infer_op *op = n->op;
    if (n->bound)
        return INFER_OK;
    n->params = infer_arena_array(&g->arena, 1, op->params_size ? op->params_size : 1);
    if (!n->params)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < n->attr_count; i++) {
        bool known = false;
        for (size_t j = 0; j < op->attr_count && !known; j++)
            known = strcmp(op->attrs[j].name, n->attrs[i].name) == 0;
        if (!known)
            return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute %.100s is not known",
                              n->attrs[i].name);
    }
    for (size_t j = 0; j < op->attr_count; j++) {
        const infer_op_attr *spec = &op->attrs[j];
        INFER_TRY(put_attr(g, spec, infer_graph_find_attr(n, spec->name),
                           (char *)n->params + spec->offset));
    }
    return INFER_OK;
}
