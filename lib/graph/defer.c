/* Constants that are not there yet: floats that lie unaligned in the model, and what packing makes
 * of others. Most are wanted by the image alone and made where they lie in it, so that weights are
 * read once and written once. */
#include "ir.h"
#include "status.h"
#include "uses.h"

#include <string.h>

#define LEAST   4096            /* bytes: fewer are made at once */
#define WIDE    ((size_t)65536) /* and these of what widens integers */
#define MOST_IN 3               /* inputs of a recipe */

static bool is_large(const infer_view *v, size_t least) {
    return v && infer_view_concrete(v) && infer_view_bytes(v) >= least;
}

bool infer_graph_is_loose(const infer_view *v) {
    return v->type == INFER_TYPE_FLOAT && (uintptr_t)v->data % sizeof(float) != 0;
}

/* Floats of which the pass fuse-quantized may take the integers. */
static bool dequantizes(const infer_graph *g, const graph_node *n) {
    return infer_graph_is_op(n, "", "DequantizeLinear") &&
           g->values[n->out[0]].view.type == INFER_TYPE_FLOAT &&
           g->values[infer_graph_resolve(g, n->in[0])].view.data;
}

/* Floats that quantized models make of integers: products and tables take these as they are
 * (quantized.c). Nothing is made of what is made so, or chains of recipes would be as deep as a
 * model likes. */
static bool widens(const infer_graph *g, const graph_node *n) {
    const graph_value *out = &g->values[n->out[0]];
    bool cast = infer_graph_is_op(n, "", "Cast"), mul = infer_graph_is_op(n, "", "Mul");
    if ((!cast && !mul && !infer_graph_is_op(n, "", "DequantizeLinear")) ||
        out->view.type != INFER_TYPE_FLOAT || out->view.rank != 2 || !is_large(&out->view, WIDE))
        return false;
    bool found = false;
    for (uint32_t i = 0; i < n->in_count && n->in[i] != INFER_NO_VALUE; i++) {
        const graph_value *in = &g->values[infer_graph_resolve(g, n->in[i])];
        found = found || (mul ? infer_graph_is_op(in->recipe, "", "Cast")
                              : i == 0 && in->view.type == INFER_TYPE_INT8);
    }
    return found;
}

static bool packs(const infer_graph *g, const graph_node *n) {
    return n->op->flags & INFER_OP_PACKS && is_large(&g->values[n->out[0]].view, LEAST);
}

bool infer_graph_defer(infer_graph *g, graph_node *n) {
    if (n->in_count > MOST_IN || n->out_count != 1 || n->out[0] == INFER_NO_VALUE ||
        (!packs(g, n) && !widens(g, n) && !dequantizes(g, n)))
        return false;
    g->values[n->out[0]].recipe = n;
    g->values[n->out[0]].constant = true;
    return true;
}

const void *infer_graph_elements(infer_graph *g, uint32_t value) {
    const graph_value *v = &g->values[infer_graph_resolve(g, value)];
    if (!v->constant || (v->recipe && infer_graph_want(g, value) != INFER_OK))
        return NULL;
    return v->view.data ? v->view.data : v->source;
}

/* ---- making them ---- */

/* An input of a recipe; memory of the arena where it is made for that alone. */
static infer_status read_input(infer_graph *g, const graph_node *n, uint32_t value, infer_view *in,
                               void **memory) {
    const graph_value *v = &g->values[infer_graph_resolve(g, value)];
    bool loose = v->source && n->op->flags & INFER_OP_PACKS;
    *in = v->view;
    *memory = NULL;
    if (in->data || loose) {
        in->data = loose ? (void *)v->source : in->data;
        return INFER_OK;
    }
    if (!(in->data = *memory = infer_arena_block(&g->arena, infer_view_bytes(in))))
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    return infer_graph_put(g, infer_graph_resolve(g, value), *memory);
}

static infer_status compute(infer_graph *g, graph_node *n, infer_op_env *env, void *to) {
    if (n->op->flags & INFER_OP_PACKS) {
        env->out[0]->data = to;
        return n->op->run(env);
    }
    /* Lists of parameters are bound anew when nodes are prepared. */
    INFER_TRY(infer_graph_bind(g, n));
    env->params = n->params;
    env->blob = g->blob ? g->blob : "";
    env->blob_size = g->blob_size;
    INFER_TRY(infer_op_infer(n->op, env));
    env->out[0]->data = to;
    if (env->scratch_size && !(env->scratch = infer_arena_block(&g->arena, env->scratch_size)))
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    infer_status status = n->op->run(env);
    infer_arena_release(&g->arena, env->scratch, env->scratch_size);
    return status;
}

static infer_status follow(infer_graph *g, graph_node *n, void *to) {
    infer_op_env env;
    infer_view in[MOST_IN], out = g->values[n->out[0]].view, *outs[] = {&out};
    const infer_view *ins[MOST_IN] = {NULL};
    void *memory[MOST_IN] = {NULL};
    infer_status status = infer_graph_env(g, n, &env);
    for (uint32_t i = 0; status == INFER_OK && i < n->in_count; i++)
        if (n->in[i] != INFER_NO_VALUE) {
            status = read_input(g, n, n->in[i], &in[i], &memory[i]);
            ins[i] = &in[i];
        }
    env.in = ins;
    env.out = outs;
    if (status == INFER_OK)
        status = compute(g, n, &env, to);
    for (uint32_t i = 0; i < n->in_count; i++)
        if (memory[i])
            infer_arena_release(&g->arena, memory[i], infer_view_bytes(&in[i]));
    return status;
}

infer_status infer_graph_put(infer_graph *g, uint32_t value, void *to) {
    const graph_value *v = &g->values[value];
    if (v->recipe)
        return follow(g, v->recipe, to);
    size_t bytes = infer_view_bytes(&v->view);
    if (bytes)
        memcpy(to, v->view.data ? v->view.data : v->source, bytes);
    return INFER_OK;
}

/* Pages of the file that were read would stand in memory beside the image. A source lies in one, so
 * that it is there again where somebody else reads it. */
static void let_go(infer_graph *g, uint32_t value) {
    const graph_value *v = &g->values[infer_graph_resolve(g, value)];
    if (v->source && g->release && is_large(&v->view, INFER_LARGE))
        g->release(g->release_owner, (void *)v->source, infer_view_bytes(&v->view));
}

void infer_graph_let_go(infer_graph *g, uint32_t value) {
    const graph_node *recipe = g->values[value].recipe;
    let_go(g, value);
    for (uint32_t i = 0; recipe && i < recipe->in_count; i++)
        if (recipe->in[i] != INFER_NO_VALUE)
            let_go(g, recipe->in[i]);
}

infer_status infer_graph_want(infer_graph *g, uint32_t value) {
    value = infer_graph_resolve(g, value);
    if (value == INFER_NO_VALUE || (!g->values[value].source && !g->values[value].recipe))
        return INFER_OK;
    void *data = infer_arena_block(&g->arena, infer_view_bytes(&g->values[value].view));
    if (!data)
        return infer_graph_status(g, INFER_ERROR_MEMORY);
    INFER_TRY(infer_graph_put(g, value, data));
    graph_value *v = &g->values[value];
    v->view.data = data;
    v->owned = true;
    v->source = NULL;
    v->recipe = NULL;
    return INFER_OK;
}

infer_status infer_graph_pack(infer_graph *g, const graph_node *like, const char *op,
                              const uint32_t *in, uint32_t in_count, const infer_attr *attrs,
                              size_t attr_count, uint32_t *value) {
    const graph_new what = {
        infer_op_find("infer", op), like->name, in, in_count, attrs, attr_count, true};
    uint32_t out = INFER_NO_VALUE;
    INFER_TRY(infer_graph_add_new(g, &what, &out, 1));
    *value = infer_graph_resolve(g, out);
    return INFER_OK;
}
