/*
 * What is there twice becomes one: constants of equal elements, nodes of equal operators,
 * parameters and inputs, and what such nodes gave when they were computed while loading.
 */
#include "hash.h"
#include "ir.h"
#include "status.h"

#include <string.h>

#define SAMPLE 256 /* bytes at either end of a constant that tell it from most others */
#define PROBES 8   /* of a place in a table: what is many times almost equal costs no more */

/* ---- constants ---- */

/* Where a constant's elements lie; NULL where they are not there yet. */
static const void *elements(const graph_value *v) {
    return v->view.data ? v->view.data : v->source;
}

static uint64_t hash_constant(const graph_value *c) {
    const infer_view *v = &c->view;
    size_t bytes = infer_view_bytes(v), end = bytes < SAMPLE ? bytes : SAMPLE;
    uint64_t h = infer_hash64(v->dim, (size_t)v->rank * sizeof *v->dim, v->type);
    h = infer_hash64(elements(c), end, h);
    return infer_hash64((const char *)elements(c) + bytes - end, end, h);
}

static bool same_constant(const graph_value *x, const graph_value *y) {
    const infer_view *a = &x->view, *b = &y->view;
    return a->type == b->type && a->rank == b->rank &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0 &&
           (elements(x) == elements(y) ||
            memcmp(elements(x), elements(y), infer_view_bytes(a)) == 0);
}

static bool is_candidate(const graph_value *v) {
    return v->constant && v->replaced_by == INFER_NO_VALUE && v->view.kind == INFER_KIND_TENSOR &&
           v->view.type != INFER_TYPE_STRING && elements(v) && infer_view_bytes(&v->view) > 0;
}

/* A table at most half full, a power of two. */
static size_t table_room(size_t count) {
    size_t room = 16;
    while (room < 2 * count)
        room *= 2;
    return room;
}

static infer_status merge_constants(infer_graph *g) {
    size_t room = table_room(g->value_count);
    uint32_t *table = infer_arena_array(&g->scratch, room, sizeof *table); /* numbers plus 1 */
    if (!table)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < g->value_count; i++) {
        graph_value *v = &g->values[i];
        if (!is_candidate(v))
            continue;
        size_t at = (size_t)hash_constant(v);
        for (size_t probe = 0; probe < PROBES; probe++) {
            uint32_t *entry = &table[(at + probe) & (room - 1)];
            if (!*entry) {
                *entry = (uint32_t)i + 1;
                break;
            }
            if (same_constant(&g->values[*entry - 1], v)) {
                v->replaced_by = *entry - 1;
                break;
            }
        }
    }
    return INFER_OK;
}

/* ---- nodes ---- */

static bool is_list(const infer_op_attr *a) {
    return a->type != INFER_ATTR_INT && a->type != INFER_ATTR_FLOAT && a->type != INFER_ATTR_ENUM &&
           a->type != INFER_ATTR_TYPE && a->type != INFER_ATTR_REJECTED &&
           a->type != INFER_ATTR_GRAPH && a->type != INFER_ATTR_VALUE;
}

static size_t field_size(const infer_op_attr *a) {
    switch (a->type) {
    case INFER_ATTR_FLOAT:
        return sizeof(float);
    case INFER_ATTR_GRAPH:
        return sizeof(infer_body);
    case INFER_ATTR_VALUE:
        return sizeof(infer_value_type);
    case INFER_ATTR_REJECTED:
        return 0;
    default:
        return sizeof(int64_t);
    }
}

static bool same_list(const infer_graph *g, const char *x, const char *y) {
    infer_list a, b;
    memcpy(&a, x, sizeof a);
    memcpy(&b, y, sizeof b);
    if (a.type != b.type || a.count != b.count)
        return false;
    if (a.type != INFER_TYPE_STRING)
        return a.count == 0 || memcmp(g->blob + a.offset, g->blob + b.offset,
                                      (size_t)a.count * infer_type_size((infer_type)a.type)) == 0;
    const infer_blob_string *s = (const void *)(g->blob + a.offset);
    const infer_blob_string *t = (const void *)(g->blob + b.offset);
    for (uint64_t i = 0; i < a.count; i++)
        if (s[i].size != t[i].size ||
            memcmp(g->blob + s[i].offset, g->blob + t[i].offset, (size_t)s[i].size) != 0)
            return false;
    return true;
}

static bool same_params(const infer_graph *g, const graph_node *a, const graph_node *b) {
    if (a->bound || b->bound)
        return false; /* the record is not what the table of attributes says */
    for (size_t i = 0; i < a->op->attr_count; i++) {
        const infer_op_attr *spec = &a->op->attrs[i];
        const char *x = (const char *)a->params + spec->offset;
        const char *y = (const char *)b->params + spec->offset;
        if (is_list(spec) ? !same_list(g, x, y) : memcmp(x, y, field_size(spec)) != 0)
            return false;
    }
    return true;
}

static uint64_t hash_node(const infer_graph *g, const graph_node *n) {
    uint64_t h = infer_hash64(&n->op, sizeof n->op, n->in_count);
    for (uint32_t e = 0; e < n->in_count; e++) {
        uint32_t v = infer_graph_resolve(g, n->in[e]);
        h = infer_hash64(&v, sizeof v, h);
    }
    return h;
}

static bool same_node(const infer_graph *g, const graph_node *a, const graph_node *b) {
    if (a->op != b->op || a->in_count != b->in_count || a->out_count < b->out_count)
        return false;
    for (uint32_t e = 0; e < a->in_count; e++)
        if (infer_graph_resolve(g, a->in[e]) != infer_graph_resolve(g, b->in[e]))
            return false;
    return same_params(g, a, b);
}

/* `b` gives nothing of its own any more. An output that only it had moves to `a`. */
static void stand_in(infer_graph *g, graph_node *a, graph_node *b) {
    for (uint32_t o = 0; o < b->out_count; o++) {
        if (b->out[o] == INFER_NO_VALUE)
            continue;
        if (a->out[o] == INFER_NO_VALUE)
            a->out[o] = b->out[o];
        else
            g->values[b->out[o]].replaced_by = infer_graph_resolve(g, a->out[o]);
    }
}

/* The node in the table that is like n, or NULL and n is in the table now. */
static graph_node *find_or_add(const infer_graph *g, graph_node **table, size_t room,
                               graph_node *n) {
    size_t at = (size_t)hash_node(g, n);
    for (size_t probe = 0; probe < PROBES; probe++) {
        graph_node **entry = &table[(at + probe) & (room - 1)];
        if (!*entry) {
            *entry = n;
            return NULL;
        }
        if (same_node(g, *entry, n))
            return *entry;
    }
    return NULL;
}

infer_status infer_graph_merge_equal(infer_graph *g) {
    if (g->now == &g->main)
        INFER_TRY(merge_constants(g));
    size_t room = table_room(g->now->node_count);
    graph_node **table = infer_arena_array(&g->scratch, room, sizeof(graph_node *));
    if (!table)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < g->now->node_count; i++) {
        graph_node *n = g->now->nodes[i];
        if (n->dead || n->op->flags & (INFER_OP_IMPURE | INFER_OP_BODIES))
            continue;
        graph_node *same = find_or_add(g, table, room, n);
        if (!same)
            continue;
        stand_in(g, same, n);
        n->dead = true;
    }
    return INFER_OK;
}

/* ---- computed while loading ---- */

static bool still_there(const infer_graph *g, const graph_node *n, const graph_node *wanted) {
    for (uint32_t o = 0; o < wanted->out_count; o++)
        if (wanted->out[o] != INFER_NO_VALUE &&
            (n->out[o] == INFER_NO_VALUE || !g->values[infer_graph_resolve(g, n->out[o])].constant))
            return false;
    return true;
}

bool infer_graph_was_computed(infer_graph *g, graph_node *n) {
    graph_node **table = g->computed;
    if (!table &&
        !(table = g->computed = infer_arena_array(&g->arena, GRAPH_COMPUTED, sizeof(graph_node *))))
        return false; /* computed once more */
    graph_node **entry = &table[hash_node(g, n) & (GRAPH_COMPUTED - 1)];
    if (*entry && same_node(g, *entry, n) && still_there(g, *entry, n)) {
        stand_in(g, *entry, n);
        return true;
    }
    *entry = n;
    return false;
}
