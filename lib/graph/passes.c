/* The passes in their order, and those that only take away: dead nodes, memory nobody needs. */
#include "ir.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

infer_status infer_graph_remove_dead(infer_graph *g) {
    char *wanted = infer_arena_array(&g->scratch, g->value_count, 1);
    if (!wanted)
        return INFER_ERROR_MEMORY;
    graph_body *b = g->now;
    for (size_t i = 0; i < b->output_count; i++)
        wanted[infer_graph_resolve(g, b->outputs[i])] = 1;
    for (size_t i = b->node_count; i-- > 0;) {
        graph_node *n = b->nodes[i];
        bool used = false;
        for (uint32_t o = 0; o < n->out_count; o++)
            used = used || (n->out[o] != INFER_NO_VALUE && wanted[n->out[o]]);
        n->dead = n->dead || !used;
        for (uint32_t e = 0; !n->dead && e < n->in_count; e++)
            if (n->in[e] != INFER_NO_VALUE)
                wanted[infer_graph_resolve(g, n->in[e])] = 1;
    }
    size_t kept = 0;
    for (size_t i = 0; i < b->node_count; i++)
        if (!b->nodes[i]->dead)
            b->nodes[kept++] = b->nodes[i];
    b->node_count = kept;
    return INFER_OK;
}

/* ---- memory ---- */

/* A large constant; values of inlined functions may share their bytes. */
typedef struct holding {
    void *data;
    size_t size;
    bool live, owned;
} holding;

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)((const holding *)a)->data, y = (uintptr_t)((const holding *)b)->data;
    return (x > y) - (x < y);
}

static void mark_value(const infer_graph *g, uint32_t value, char *live) {
    uint32_t v = infer_graph_resolve(g, value);
    if (v == INFER_NO_VALUE || live[v])
        return;
    live[v] = 1;
    const graph_node *recipe = g->values[v].recipe;
    for (uint32_t e = 0; recipe && e < recipe->in_count; e++)
        mark_value(g, recipe->in[e], live);
}

static void mark_live(const infer_graph *g, const graph_body *b, char *live) {
    for (size_t i = 0; i < b->output_count; i++)
        mark_value(g, b->outputs[i], live);
    for (size_t i = 0; i < b->node_count; i++)
        for (uint32_t e = 0; e < b->nodes[i]->in_count; e++)
            mark_value(g, b->nodes[i]->in[e], live);
}

static bool is_large(const graph_value *v) {
    return v->constant && v->view.type != INFER_TYPE_STRING &&
           infer_view_bytes(&v->view) >= INFER_LARGE;
}

static void give_back(infer_graph *g, const holding *h) {
    if (h->owned)
        infer_arena_release(&g->arena, h->data, h->size);
    else if (g->release)
        g->release(g->release_owner, h->data, h->size);
}

/* Gives back the large constants that no node and no output reads any more: what was packed, folded
 * or left out must not stand in memory beside the image. */
static infer_status release_dead(infer_graph *g) {
    char *live = infer_arena_array(&g->scratch, g->value_count, 1);
    holding *held;
    size_t count = 0;
    for (size_t i = 0; i < g->value_count; i++)
        count += is_large(&g->values[i]);
    held = infer_arena_array(&g->scratch, count, sizeof *held);
    if (!live || !held)
        return INFER_ERROR_MEMORY;
    graph_body **bodies;
    size_t body_count;
    INFER_TRY(infer_graph_live(g, &bodies, &body_count));
    for (size_t i = 0; i < body_count; i++)
        mark_live(g, bodies[i], live);
    count = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        graph_value *v = &g->values[i];
        if (!is_large(v))
            continue;
        v->constant = live[i];
        void *data = v->view.data ? v->view.data : (void *)v->source;
        if (data)
            held[count++] = (holding){data, infer_view_bytes(&v->view), live[i], v->owned};
    }
    qsort(held, count, sizeof *held, by_address);
    for (size_t i = 0, end; i < count; i = end) {
        bool used = false;
        for (end = i; end < count && held[end].data == held[i].data; end++)
            used = used || held[end].live;
        if (!used)
            give_back(g, &held[i]);
    }
    return INFER_OK;
}

/* everywhere: called for the model's graph, then for each body that is called. optional: can be
 * left out. */
static const struct {
    infer_status (*pass)(infer_graph *g);
    bool everywhere, optional;
    const char *name;
} passes[] = {
    {infer_graph_remove_dead, true, false, "remove-dead"},
    {infer_graph_drop_nothing, true, true, "drop-nothing"},
    {infer_graph_fuse_quantized, true, true, "fuse-quantized"},
    {infer_graph_drop_nothing, true, true, "drop-nothing"},
    {infer_graph_merge_equal, true, true, "merge-equal"},
    {infer_graph_fold_linear, false, true, "fold-linear"},
    {infer_graph_fold_norm, true, true, "fold-norm"},
    {infer_graph_fuse_idioms, true, true, "fuse-idioms"},
    {infer_graph_fuse_gates, true, true, "fuse-gates"},
    {infer_graph_fuse_one_hot, true, true, "fuse-one-hot"},
    {infer_graph_fuse_attention, true, true, "fuse-attention"},
    {infer_graph_fuse_rotary, true, true, "fuse-rotary"},
    {infer_graph_sink_transposes, true, true, "sink-transposes"},
    {release_dead, false, false, "release"},
    {infer_graph_lay_blocks, true, true, "lay-blocks"},
    {infer_graph_merge_transposes, true, true, "merge-transposes"},
    {infer_graph_fuse_blocked, true, true, "fuse-blocks"},
    {infer_graph_fuse_joined, true, true, "fuse-joined"},
    {infer_graph_allow_winograd, true, true, "allow-winograd"},
    {release_dead, false, false, "release"},
    {infer_graph_round_weights, true, false, "round-weights"},
    {infer_graph_prepare, true, false, "prepare"},
    {infer_graph_fuse_products, true, true, "fuse-products"},
    {infer_graph_merge_equal, true, true, "merge-equal"},
    {infer_graph_join_products, true, true, "join-products"},
    {infer_graph_halve_products, true, false, "halve-products"},
    {infer_graph_fuse_chains, true, true, "fuse-chains"},
    {release_dead, false, false, "release"},
};

enum { PASSES = sizeof passes / sizeof *passes };

void infer_graph_weights(infer_graph *g, infer_weights weights) {
    g->weights = weights;
}

infer_status infer_graph_without(infer_graph *g, const char *names) {
    for (size_t size; names && *names; names += size + (names[size] == ',')) {
        uint32_t found = 0; /* some stand in the list more than once */
        size = strcspn(names, ",");
        for (size_t i = 0; i < PASSES; i++)
            if (passes[i].optional && strlen(passes[i].name) == size &&
                memcmp(passes[i].name, names, size) == 0)
                found |= 1u << i;
        if (!found)
            return infer_fail(INFER_ERROR_ARGUMENT, "options: no pass has the name %.*s",
                              size < 100 ? (int)size : 100, names);
        g->without |= found;
    }
    return INFER_OK;
}

/* What a pass leaves without a reader goes with it. */
static infer_status run(infer_graph *g, size_t pass) {
    graph_body **bodies;
    size_t count;
    INFER_TRY(infer_graph_live(g, &bodies, &count));
    for (size_t b = 0; b < (passes[pass].everywhere ? count : 1); b++) {
        g->now = bodies[b];
        infer_status status = passes[pass].pass(g);
        if (status == INFER_OK)
            status = infer_graph_remove_dead(g);
        infer_arena_reset(&g->scratch);
        g->now = &g->main;
        INFER_TRY(status);
    }
    return INFER_OK;
}

infer_status infer_graph_passes(infer_graph *g) {
    for (size_t i = 0; i < PASSES; i++) {
        graph_census before = {0};
        if (g->without >> i & 1)
            continue;
        if (g->observer)
            INFER_TRY(infer_graph_count(g, &before));
        INFER_TRY(run(g, i));
        if (g->observer)
            INFER_TRY(infer_graph_tell(g, passes[i].name, &before));
    }
    return INFER_OK;
}
