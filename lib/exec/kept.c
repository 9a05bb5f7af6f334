/*
 * Kept plans: a frame whose inputs change their shapes keeps the plans for those it has seen, so
 * that the next run with them plans nothing and allocates nothing. The plan in use lies in the
 * context's tables; what is kept is a copy of what planning filled there.
 */
#include "checked.h"
#include "engine.h"
#include "status.h"

#include <string.h>

struct infer_kept_plan {
    size_t size; /* of this allocation */
    uint64_t used;
    bool whole; /* whether it was filled since it was made */
    infer_view *seen, *values;
    size_t *scratch;
    uint8_t *state;
    infer_arena planned;
    char *memory; /* of the frame, when this was filled */
    size_t memory_size, scratch_offset, scratch_size;
    infer_places places;
};

static bool same_shape(const infer_view *a, const infer_view *b) {
    return a->kind == b->kind && a->type == b->type && a->rank == b->rank &&
           (a->rank <= 0 || memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0);
}

static bool same_data(const infer_view *a, const infer_view *b) {
    size_t bytes = infer_view_bytes(a);
    return b->data && (!bytes || memcmp(a->data, b->data, bytes) == 0);
}

static bool fits(const infer_frame *f, const infer_view *seen) {
    const infer_context *c = f->context;
    const infer_subgraph *g = &c->program->graphs[f->graph];
    for (uint32_t i = 0; i < g->in_count; i++) {
        const infer_view *now = &c->values[g->inputs[i]];
        if (!same_shape(&seen[i], now) || (seen[i].data && !same_data(&seen[i], now)))
            return false;
    }
    return true;
}

/* ---- memory ---- */

static void drop(infer_frame *f, size_t at) {
    infer_kept_plan *k = f->kept[at];
    f->kept[at] = NULL;
    if (f->now == k)
        f->now = NULL;
    if (!k)
        return;
    infer_arena_free(&k->planned);
    infer_dealloc(&f->context->allocator, k, k->size);
}

bool infer_drop_plans(infer_frame *f) {
    bool any = false;
    for (size_t i = 0; i < INFER_KEPT_PLANS; i++) {
        any = any || f->kept[i];
        drop(f, i);
    }
    return any;
}

static size_t output_count(const infer_frame *f) {
    const infer_program *p = f->context->program;
    size_t count = 0;
    for (uint32_t i = p->graphs[f->graph].first; i < p->graphs[f->graph].end; i++)
        count += p->steps[i].node->out_count;
    return count;
}

/* A place for a plan of this frame, or NULL: then the plan is not kept. */
static infer_kept_plan *new_kept(infer_frame *f) {
    infer_context *c = f->context;
    const infer_subgraph *g = &c->program->graphs[f->graph];
    size_t views, bytes, steps = g->end - g->first, size;
    if (!infer_mul(output_count(f) + g->in_count, sizeof(infer_view), &views) ||
        !infer_mul(steps, sizeof(size_t) + 1, &bytes) || !infer_add(views, bytes, &size) ||
        !infer_add(size, sizeof(infer_kept_plan), &size))
        return NULL;
    infer_kept_plan *k = infer_alloc_zero(&c->allocator, size);
    if (!k) {
        c->budget.refused = 0;
        return NULL;
    }
    k->size = size;
    k->seen = (infer_view *)(void *)(k + 1);
    k->values = k->seen + g->in_count;
    k->scratch = (size_t *)(void *)(k->values + output_count(f));
    k->state = (uint8_t *)(k->scratch + steps);
    infer_arena_init(&k->planned, &c->allocator, 0);
    return k;
}

/* The longest unused goes. */
static size_t free_place(infer_frame *f) {
    size_t best = 0;
    for (size_t i = 0; i < INFER_KEPT_PLANS; i++) {
        if (!f->kept[i])
            return i;
        if (f->kept[i]->used < f->kept[best]->used)
            best = i;
    }
    drop(f, best);
    return best;
}

static infer_kept_plan *make_place(infer_frame *f) {
    size_t at = free_place(f);
    if ((f->kept[at] = new_kept(f)))
        f->kept[at]->used = ++f->turns;
    return f->kept[at];
}

/* ---- to and fro ---- */

/* Moves what the plan in use consists of between the context's tables and k. */
static void exchange(infer_frame *f, infer_kept_plan *k, bool keep) {
    infer_context *c = f->context;
    const infer_subgraph *g = &c->program->graphs[f->graph];
    infer_view *kept = k->values;
    for (uint32_t i = g->first; i < g->end; i++) {
        infer_op_env *env = &c->envs[i];
        size_t *scratch = &k->scratch[i - g->first];
        uint8_t *state = &k->state[i - g->first];
        *(keep ? scratch : &env->scratch_size) = keep ? env->scratch_size : *scratch;
        *(keep ? state : &c->state[i]) = keep ? c->state[i] : *state;
        for (uint32_t o = 0; o < env->out_count; o++, kept++)
            if (env->out[o])
                *(keep ? kept : env->out[o]) = keep ? *env->out[o] : *kept;
    }
}

static void keep(infer_frame *f, infer_kept_plan *k) {
    const infer_subgraph *g = &f->context->program->graphs[f->graph];
    exchange(f, k, true);
    memcpy(k->seen, f->seen, g->in_count * sizeof *k->seen);
    infer_arena_free(&k->planned);
    k->planned = f->planned;
    infer_arena_init(&f->planned, &f->context->allocator, 0);
    k->memory = f->memory;
    k->memory_size = f->memory_size;
    k->scratch_offset = f->scratch_offset;
    k->scratch_size = f->scratch_size;
    k->places = f->places;
    k->whole = true;
}

/* The block may have moved since: it grows. */
static void move_data(infer_view *v, const infer_kept_plan *k, char *to) {
    uintptr_t at = (uintptr_t)v->data - (uintptr_t)k->memory;
    if (v->data && at < k->memory_size)
        v->data = to + at;
}

static void bring_back(infer_frame *f, infer_kept_plan *k) {
    infer_context *c = f->context;
    const infer_subgraph *g = &c->program->graphs[f->graph];
    if (k->memory != f->memory) {
        size_t outputs = output_count(f);
        for (size_t i = 0; i < outputs; i++)
            move_data(&k->values[i], k, f->memory);
        k->memory = f->memory;
    }
    exchange(f, k, false);
    memcpy(f->seen, k->seen, g->in_count * sizeof *f->seen);
    infer_arena_free(&f->planned);
    f->planned = k->planned;
    infer_arena_init(&k->planned, &c->allocator, 0);
    f->scratch_offset = k->scratch_offset;
    f->scratch_size = k->scratch_size;
    f->places = k->places;
    k->whole = false;
    k->used = ++f->turns;
    f->now = k;
    f->is_planned = true;
    infer_lend_scratch(f);
}

/* ---- which ---- */

/* A plan for the inputs that are there, with the other ones kept where there is memory for them.
 * What a plan needs to be kept is taken while planning, never while an old one comes back. */
static infer_status plan_anew(infer_frame *f, infer_plan_use use) {
    if (f->is_planned) {
        if (!f->now)
            f->now = make_place(f);
        if (f->now)
            keep(f, f->now);
        f->now = use == INFER_PLAN_SHAPES ? NULL : make_place(f);
    }
    infer_status status = infer_plan(f, use);
    /* The new plan comes before old ones; and the block they point into may be gone. */
    if (status == INFER_ERROR_MEMORY && infer_drop_plans(f)) {
        f->context->budget.refused = 0;
        status = infer_plan(f, use);
    }
    return status;
}

infer_status infer_plan_for_inputs(infer_frame *f, infer_plan_use use) {
    if (f->is_planned && fits(f, f->seen))
        return INFER_OK;
    for (size_t i = 0; i < INFER_KEPT_PLANS; i++) {
        infer_kept_plan *k = f->kept[i];
        if (!k || !k->whole || !fits(f, k->seen))
            continue;
        if (f->is_planned && f->now)
            keep(f, f->now);
        bring_back(f, k);
        return INFER_OK;
    }
    return plan_anew(f, use);
}
