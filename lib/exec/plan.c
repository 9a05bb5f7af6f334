/*
 * Planning: what can be known from the shapes of the inputs alone - the shape of every value, the
 * values that follow from shapes, and a place in one block of memory for each of the others.
 */
#include "checked.h"
#include "engine.h"
#include "status.h"

#include <string.h>

#define NO_PIECE   UINT32_MAX
#define FOLD_BYTES ((size_t)65536) /* larger values are computed while running */

typedef struct planner {
    infer_frame *f;
    infer_context *c;
    infer_piece *pieces; /* of memory, in the order in which steps need them */
    uint32_t piece_count;
    uint32_t *piece; /* of each value, or NO_PIECE; values may share one */
    uint8_t *given;  /* the value's memory is an input's of the graph */
    size_t scratch;
    infer_plan_use use;
} planner;

/* ---- places ---- */

static infer_status place(planner *p, uint32_t step, uint32_t value, size_t bytes) {
    size_t size;
    if (!infer_round_up(bytes ? bytes : 1, INFER_ALIGN, &size))
        return infer_fail(INFER_ERROR_MEMORY, "a value of %zu bytes does not fit memory", bytes);
    p->piece[value] = p->piece_count;
    p->pieces[p->piece_count++] =
        (infer_piece){.size = size, .first = step, .last = p->c->program->last_use[value]};
    return INFER_OK;
}

/* Output 0 moves into the memory of an input that is read here for the last time. */
static bool place_in_place(planner *p, uint32_t step, const infer_op_env *env, uint32_t out) {
    const infer_image *m = &p->c->model->image;
    const infer_step *s = &p->c->program->steps[step];
    if (!(s->op->flags & INFER_OP_INPLACE))
        return false;
    for (uint32_t i = 0; i < env->in_count && i < 2; i++) {
        uint32_t v = m->edges[s->node->edges + i];
        if (v == INFER_IMAGE_NONE || p->piece[v] == NO_PIECE ||
            env->in[i]->type == INFER_TYPE_STRING ||
            infer_view_bytes(env->in[i]) != infer_view_bytes(env->out[0]))
            continue;
        infer_piece *at = &p->pieces[p->piece[v]];
        if (at->last != step)
            continue;
        at->last = p->c->program->last_use[out];
        p->piece[out] = p->piece[v];
        return true;
    }
    return false;
}

static infer_status place_outputs(planner *p, uint32_t step, const infer_op_env *env) {
    infer_context *c = p->c;
    const infer_step *s = &c->program->steps[step];
    const uint32_t *out = c->model->image.edges + s->node->edges + s->node->in_count;
    for (uint32_t i = 0; i < env->out_count; i++) {
        if (!env->out[i])
            continue;
        if (env->out[i]->kind != INFER_KIND_TENSOR)
            continue; /* composite outputs take their memory while running */
        if (i == 0 && place_in_place(p, step, env, out[0]))
            continue;
        INFER_TRY(place(p, step, out[i], infer_view_bytes(env->out[i])));
    }
    return INFER_OK;
}

/* ---- steps ---- */

/* Whether the step's outputs follow from what is known now, and are small. */
static bool foldable(const infer_op *op, const infer_op_env *env) {
    size_t bytes = 0;
    if (op->flags & (INFER_OP_IMPURE | INFER_OP_BODIES))
        return false;
    for (uint32_t i = 0; i < env->in_count; i++)
        if (env->in[i] && !env->in[i]->data && !(op->flags & INFER_OP_READS_SHAPE))
            return false;
    for (uint32_t i = 0; i < env->out_count; i++) {
        if (!env->out[i])
            continue;
        if (env->out[i]->kind != INFER_KIND_TENSOR || env->out[i]->type == INFER_TYPE_STRING ||
            !infer_add(bytes, infer_view_bytes(env->out[i]), &bytes))
            return false;
    }
    return bytes <= FOLD_BYTES && env->scratch_size <= FOLD_BYTES;
}

static infer_status fold(infer_frame *f, const infer_op *op, infer_op_env *env) {
    for (uint32_t i = 0; i < env->out_count; i++)
        if (env->out[i] &&
            !(env->out[i]->data = infer_arena_alloc(&f->planned, infer_view_bytes(env->out[i]))))
            return INFER_ERROR_MEMORY;
    if (env->scratch_size && !(env->scratch = infer_arena_alloc(&f->planned, env->scratch_size)))
        return INFER_ERROR_MEMORY;
    return op->run(env);
}

/* All outputs known by their bodies: copies, as the bodies plan again when they like. */
static bool is_given(const infer_op_env *env) {
    for (uint32_t i = 0; i < env->out_count; i++)
        if (env->out[i] && !env->out[i]->data)
            return false;
    return true;
}

static infer_status copy_given(infer_frame *f, infer_op_env *env) {
    for (uint32_t i = 0; i < env->out_count; i++) {
        size_t bytes = env->out[i] ? infer_view_bytes(env->out[i]) : 0;
        void *copy = infer_arena_alloc(&f->planned, bytes ? bytes : 1);
        if (!copy)
            return INFER_ERROR_MEMORY;
        if (bytes)
            memcpy(copy, env->out[i]->data, bytes);
        if (env->out[i])
            env->out[i]->data = copy;
    }
    return INFER_OK;
}

static bool can_alias(const planner *p, const infer_step *s, const infer_op_env *env, uint32_t in,
                      uint32_t out) {
    if (!(s->op->flags & INFER_OP_ALIAS) || in == INFER_IMAGE_NONE || out == INFER_IMAGE_NONE ||
        env->out[0]->kind != INFER_KIND_TENSOR)
        return false;
    /* What the caller gave is not handed back as an output. */
    return !(p->given[in] &&
             p->c->program->last_use[out] == p->c->program->graphs[p->f->graph].end);
}

static void alias(planner *p, uint32_t in, uint32_t out) {
    p->piece[out] = p->piece[in];
    p->given[out] = p->given[in];
    infer_piece *at = p->piece[in] == NO_PIECE ? NULL : &p->pieces[p->piece[in]];
    if (at && at->last < p->c->program->last_use[out])
        at->last = p->c->program->last_use[out];
}

static infer_status plan_step(planner *p, uint32_t step) {
    infer_context *c = p->c;
    const infer_step *s = &c->program->steps[step];
    const uint32_t *edges = c->model->image.edges + s->node->edges;
    infer_op_env *env = &c->envs[step];
    infer_view *const *in = (infer_view *const *)(const void *)env->in;
    for (uint32_t i = 0; i < env->out_count; i++)
        if (env->out[i])
            *env->out[i] = (infer_view){.rank = -1};
    c->state[step] = INFER_STEP_DYNAMIC;
    if (!infer_all_concrete(in, env->in_count))
        return INFER_OK;
    infer_status status = infer_op_infer(s->op, env);
    if (status != INFER_OK)
        return infer_step_failed(c, step, status);
    if (s->op->gives) {
        status = infer_ask_bodies(p->f, step, p->use);
        if (status != INFER_OK)
            return infer_step_failed(c, step, status);
    }
    if (!infer_all_concrete(env->out, env->out_count))
        return INFER_OK;
    if (s->op->gives && is_given(env)) {
        c->state[step] = INFER_STEP_FOLDED;
        return copy_given(p->f, env);
    }
    if (foldable(s->op, env)) {
        c->state[step] = INFER_STEP_FOLDED;
        status = fold(p->f, s->op, env);
        return status == INFER_OK ? INFER_OK : infer_step_failed(c, step, status);
    }
    if (env->scratch_size > p->scratch)
        p->scratch = env->scratch_size;
    if (env->in_count && env->out_count &&
        can_alias(p, s, env, edges[0], edges[s->node->in_count])) {
        c->state[step] = INFER_STEP_ALIAS;
        alias(p, edges[0], edges[s->node->in_count]);
        return INFER_OK;
    }
    c->state[step] = INFER_STEP_PLANNED;
    status = place_outputs(p, step, env);
    return status == INFER_OK ? INFER_OK : infer_step_failed(c, step, status);
}

/* Values read by a dynamic step, and what it makes of them, have no place in the block. A planned
 * value that a dynamic step aliases would be freed too early, so dynamic steps always copy. */

static infer_status grow_memory(infer_frame *f, size_t size) {
    const infer_allocator *a = &f->context->allocator;
    if (f->memory && size <= f->memory_size)
        return INFER_OK;
    infer_dealloc(a, f->memory, f->memory_size);
    f->memory_size = 0;
    if (!(f->memory = infer_alloc(a, size)))
        return INFER_ERROR_MEMORY;
    f->memory_size = size;
    return INFER_OK;
}

static infer_status make_tables(planner *p, const infer_subgraph *g) {
    infer_arena *a = &p->f->planned;
    size_t values = (size_t)p->c->model->image.header->values.count, outputs = 0;
    for (uint32_t i = g->first; i < g->end; i++)
        outputs += p->c->program->steps[i].node->out_count;
    p->pieces = infer_arena_array(a, outputs, sizeof *p->pieces);
    p->piece = infer_arena_array(a, values, sizeof *p->piece);
    p->given = infer_arena_array(a, values, sizeof *p->given);
    if (!p->pieces || !p->piece || !p->given)
        return INFER_ERROR_MEMORY;
    for (uint32_t i = 0; i < values; i++)
        p->piece[i] = NO_PIECE;
    for (uint32_t i = 0; i < g->in_count; i++)
        p->given[g->inputs[i]] = 1;
    return INFER_OK;
}

static infer_status plan(planner *p) {
    infer_frame *f = p->f;
    infer_context *c = p->c;
    const infer_image *m = &c->model->image;
    const infer_subgraph *g = &c->program->graphs[f->graph];
    INFER_TRY(make_tables(p, g));
    for (uint32_t i = g->first; i < g->end; i++)
        INFER_TRY(plan_step(p, i));
    if (p->use == INFER_PLAN_SHAPES)
        return INFER_OK;
    INFER_TRY(
        infer_find_places(&f->planned, p->pieces, p->piece_count, g->first, g->end, &f->places));
    size_t size;
    if (!infer_round_up(f->places.end, INFER_ALIGN, &f->scratch_offset) ||
        !infer_add(f->scratch_offset, p->scratch, &size))
        return infer_fail(INFER_ERROR_MEMORY, "the values do not fit memory");
    f->scratch_size = p->scratch;
    INFER_TRY(grow_memory(f, size));
    for (uint32_t i = g->first; i < g->end; i++) {
        const infer_image_node *n = c->program->steps[i].node;
        const uint32_t *out = m->edges + n->edges + n->in_count;
        for (uint32_t o = 0; o < n->out_count; o++)
            if (out[o] != INFER_IMAGE_NONE && p->piece[out[o]] != NO_PIECE)
                c->values[out[o]].data = f->memory + p->pieces[p->piece[out[o]]].offset;
    }
    infer_lend_scratch(f);
    return INFER_OK;
}

/* Small values that are known before a body runs are so for its plan, too, which keeps copies. */
static infer_status keep_known(infer_frame *f, infer_view *v, infer_view *seen) {
    bool known = v->data && v->kind == INFER_KIND_TENSOR && v->type != INFER_TYPE_STRING &&
                 infer_view_bytes(v) <= FOLD_BYTES;
    *seen = *v;
    seen->data = NULL;
    if (!known) {
        v->data = NULL;
        return INFER_OK;
    }
    size_t bytes = infer_view_bytes(v);
    if (!(seen->data = infer_arena_alloc(&f->planned, bytes ? bytes : 1)))
        return INFER_ERROR_MEMORY;
    if (bytes)
        memcpy(seen->data, v->data, bytes);
    return INFER_OK;
}

infer_status infer_plan(infer_frame *f, infer_plan_use use) {
    infer_context *c = f->context;
    const infer_subgraph *g = &c->program->graphs[f->graph];
    f->is_planned = false;
    infer_arena_reset(&f->planned);
    for (uint32_t i = 0; i < g->in_count; i++) {
        infer_view *v = &c->values[g->inputs[i]];
        if (use != INFER_PLAN_RUN) {
            INFER_TRY(keep_known(f, v, &f->seen[i]));
            continue;
        }
        f->seen[i] = *v;
        v->data = NULL;
    }
    infer_make_envs(f);
    infer_status status = plan(&(planner){.f = f, .c = c, .use = use});
    for (uint32_t i = 0; use == INFER_PLAN_RUN && i < g->in_count; i++) {
        c->values[g->inputs[i]].data = f->seen[i].data;
        f->seen[i].data = NULL;
    }
    f->is_planned = status == INFER_OK && use != INFER_PLAN_SHAPES;
    return status;
}
