/* Contexts: their memory, their tables, their inputs. */
#include "checked.h"
#include "engine.h"
#include "processors.h"
#include "status.h"
#include "types.h"

#include <string.h>

/* ---- budget ---- */

static void remove_hole(infer_budget *b, size_t at) {
    memmove(&b->holes[at], &b->holes[at + 1], (--b->hole_count - at) * sizeof *b->holes);
}

static void *block_alloc(infer_budget *b, size_t size) {
    for (size_t i = 0; i < b->hole_count; i++) {
        if (b->holes[i].size < size)
            continue;
        char *p = b->block + b->holes[i].offset;
        b->holes[i].offset += size;
        b->holes[i].size -= size;
        if (b->holes[i].size == 0)
            remove_hole(b, i);
        return p;
    }
    if (!infer_range(b->block_used, size, b->block_size))
        return NULL;
    b->block_used += size;
    return b->block + b->block_used - size;
}

/* Gives back the end of what is used, or leaves a hole, one with the holes beside it. */
static void block_free(infer_budget *b, size_t offset, size_t size) {
    size_t at = 0;
    while (at < b->hole_count && b->holes[at].offset < offset)
        at++;
    if (at > 0 && b->holes[at - 1].offset + b->holes[at - 1].size == offset) {
        offset = b->holes[--at].offset;
        size += b->holes[at].size;
        remove_hole(b, at);
    }
    if (at < b->hole_count && offset + size == b->holes[at].offset) {
        size += b->holes[at].size;
        remove_hole(b, at);
    }
    if (offset + size == b->block_used) {
        b->block_used = offset;
    } else if (b->hole_count < INFER_BUDGET_HOLES) {
        memmove(&b->holes[at + 1], &b->holes[at], (b->hole_count++ - at) * sizeof *b->holes);
        b->holes[at].offset = offset;
        b->holes[at].size = size;
    }
}

static void *budget_alloc(void *user, size_t size) {
    infer_budget *b = user;
    size_t rounded;
    if (!infer_round_up(size, INFER_ALIGN, &rounded))
        return NULL;
    bool allowed = !b->limit || infer_range(b->held, rounded, b->limit);
    void *p = NULL;
    if (allowed && !b->block && !(p = b->backing.alloc(b->backing.user, rounded)))
        return NULL;
    if (allowed && b->block)
        p = block_alloc(b, rounded);
    if (p)
        b->held += rounded;
    else
        b->refused = rounded;
    return p;
}

static void budget_free(void *user, void *pointer, size_t size) {
    infer_budget *b = user;
    size_t rounded = (size + INFER_ALIGN - 1) & ~(size_t)(INFER_ALIGN - 1);
    b->held -= rounded;
    if (b->block)
        block_free(b, (size_t)((char *)pointer - b->block), rounded);
    else
        b->backing.free(b->backing.user, pointer, rounded);
}

infer_allocator infer_budget_allocator(infer_budget *budget) {
    return (infer_allocator){budget_alloc, budget_free, budget};
}

/* ---- context ---- */

static infer_status make_tables(infer_context *c) {
    const infer_image *m = &c->model->image;
    size_t values = (size_t)m->header->values.count, edges = (size_t)m->header->edges.count;
    size_t steps = c->program->step_count;
    c->values = infer_arena_array(&c->tables, values, sizeof *c->values);
    c->given = infer_arena_array(&c->tables, (size_t)m->header->outputs.count, sizeof *c->given);
    c->edges = infer_arena_array(&c->tables, edges, sizeof(infer_view *));
    c->state = infer_arena_array(&c->tables, steps, sizeof *c->state);
    c->envs = infer_arena_array(&c->tables, steps, sizeof *c->envs);
    c->born = infer_arena_array(&c->tables, values, sizeof *c->born);
    c->frames = infer_arena_array(&c->tables, c->program->graph_count, sizeof *c->frames);
    if (!c->values || !c->given || !c->edges || !c->state || !c->envs || !c->born || !c->frames)
        return INFER_ERROR_MEMORY;
    for (uint32_t i = 0; i < c->program->graph_count; i++) {
        infer_frame *f = &c->frames[i];
        infer_arena *const arenas[] = {&f->planned, &f->dynamic, &f->results[0], &f->results[1]};
        for (size_t a = 0; a < sizeof arenas / sizeof *arenas; a++)
            infer_arena_init(arenas[a], &c->allocator, 0);
        f->context = c;
        f->graph = i;
        f->seen = infer_arena_array(&c->tables, c->program->graphs[i].in_count, sizeof *f->seen);
        if (!f->seen)
            return INFER_ERROR_MEMORY;
    }
    memcpy(c->values, c->program->constants, values * sizeof *c->values);
    for (size_t i = 0; i < edges; i++)
        if (m->edges[i] < values)
            c->edges[i] = &c->values[m->edges[i]];
    return INFER_OK;
}

infer_status infer_context_open(infer_model *model, infer_budget budget, uint32_t workers,
                                infer_context **context) {
    infer_program *program;
    INFER_TRY(infer_thread_count(workers, &workers));
    INFER_TRY(infer_program_of(model, &program));
    infer_allocator first = infer_budget_allocator(&budget);
    infer_context *c = infer_alloc_zero(&first, sizeof *c);
    if (!c)
        return budget.refused ? infer_fail(INFER_ERROR_LIMIT, "a context needs %zu bytes and more",
                                           budget.refused)
                              : INFER_ERROR_MEMORY;
    c->model = model;
    c->program = program;
    c->workers = workers;
    c->part_cost = INFER_PART_COST;
    c->budget = budget;
    c->allocator = infer_budget_allocator(&c->budget);
    infer_arena_init(&c->tables, &c->allocator, 0);
    infer_status status = make_tables(c);
    if (status != INFER_OK) {
        if (c->budget.refused)
            status = infer_fail(INFER_ERROR_LIMIT, "a context holds %zu bytes and needs %zu more",
                                c->budget.held, c->budget.refused);
        infer_context_free(c);
        return status;
    }
    *context = c;
    return INFER_OK;
}

void infer_context_free(infer_context *c) {
    if (!c)
        return;
    if (c->owns_pool)
        infer_pool_free(c->pool);
    for (size_t i = 0; c->frames && i < c->program->graph_count; i++) {
        infer_frame *f = &c->frames[i];
        if (!f->context)
            break;
        infer_drop_plans(f);
        infer_dealloc(&c->allocator, f->memory, f->memory_size);
        infer_arena_free(&f->dynamic);
        infer_arena_free(&f->planned);
        infer_arena_free(&f->results[0]);
        infer_arena_free(&f->results[1]);
    }
    infer_arena_free(&c->tables);
    infer_budget budget = c->budget;
    infer_allocator last = infer_budget_allocator(&budget);
    infer_dealloc(&last, c, sizeof *c);
}

size_t infer_context_memory(const infer_context *c) {
    return c ? c->budget.held : 0;
}

/* ---- inputs ---- */

/* A tensor's view; composite values become trees of views in the context's dynamic memory. */
static infer_status view_of(infer_context *c, const infer_value *value, infer_view *view,
                            int depth) {
    if (depth > 8)
        return infer_fail(INFER_ERROR_VALUE, "values nest deeper than 8");
    if (value->kind > INFER_KIND_OPTIONAL)
        return infer_fail(INFER_ERROR_TYPE, "a value of kind %u is not taken", value->kind);
    view->kind = (uint8_t)value->kind;
    view->type = (uint8_t)value->type;
    if (value->kind == INFER_KIND_TENSOR) {
        if (!infer_type_size((infer_type)value->type))
            return infer_fail(INFER_ERROR_TYPE, "%u is no element type", value->type);
        if (value->rank > INFER_MAX_RANK || (value->rank && !value->shape))
            return infer_fail(INFER_ERROR_SHAPE, "the rank is %u, the shape %s", value->rank,
                              value->shape ? "given" : "NULL");
        view->rank = (int32_t)value->rank;
        for (uint32_t i = 0; i < value->rank; i++)
            view->dim[i] = value->shape[i];
        INFER_TRY(infer_view_check(view, false));
        int64_t count = infer_view_count(view);
        if ((uint64_t)count != value->count)
            return infer_fail(INFER_ERROR_SHAPE, "count is %zu, the shape has %lld elements",
                              value->count, (long long)count);
        if (count && !value->data)
            return infer_fail(INFER_ERROR_ARGUMENT, "data is NULL");
        view->data = value->data;
        return INFER_OK;
    }
    size_t members = value->kind == INFER_KIND_MAP ? 2 : value->count;
    if (members && !value->data)
        return infer_fail(INFER_ERROR_ARGUMENT, "data is NULL");
    infer_view *inner = infer_arena_array(&c->frames[0].dynamic, members, sizeof *inner);
    if (!inner)
        return INFER_ERROR_MEMORY;
    const infer_value *given = value->data;
    for (size_t i = 0; i < members; i++)
        INFER_TRY(view_of(c, &given[i], &inner[i], depth + 1));
    view->rank = 1;
    view->dim[0] = (int64_t)members;
    view->data = inner;
    return INFER_OK;
}

/* Keys and values of a map are as many tensors' elements. */
static infer_status check_map(const infer_view *map, uint8_t key, uint8_t value) {
    const infer_view *pair = map->data;
    for (int i = 0; i < 2; i++)
        if (pair[i].kind != INFER_KIND_TENSOR || pair[i].type != (i ? value : key) ||
            infer_view_count(&pair[i]) != infer_view_count(&pair[0]))
            return infer_fail(INFER_ERROR_TYPE,
                              "the %s of a map are no tensor of %s with one "
                              "element for each key",
                              i ? "values" : "keys",
                              infer_type_name((infer_type)(i ? value : key)));
    return INFER_OK;
}

/* What a value holds has the types of the value `as`; composite values take them over. */
static infer_status check_members(infer_view *v, const infer_image_value *as, uint8_t kind) {
    if (v->kind != kind || (kind == INFER_KIND_TENSOR && v->type != as->type))
        return infer_fail(INFER_ERROR_TYPE, "it holds a value of the wrong kind or type");
    if (kind == INFER_KIND_TENSOR)
        return INFER_OK;
    v->type = as->type;
    v->value_type = as->value_type;
    if (kind == INFER_KIND_MAP)
        return check_map(v, as->type, as->value_type);
    /* An optional may hold a sequence; sequences hold tensors or maps. */
    v->member = kind == as->kind ? as->member : as->value_type ? INFER_KIND_MAP : INFER_KIND_TENSOR;
    for (int64_t i = 0; i < v->dim[0]; i++)
        INFER_TRY(check_members((infer_view *)v->data + i, as, v->member));
    return INFER_OK;
}

infer_status infer_fits_port(const infer_image *m, const infer_image_port *p, const infer_view *v) {
    if (v->kind != p->kind || (p->kind == INFER_KIND_TENSOR && v->type != p->type))
        return infer_fail(INFER_ERROR_TYPE, "the model takes %s, tensor(%s) was given",
                          infer_image_chars(m, p->type_string),
                          infer_type_name((infer_type)v->type));
    if (p->kind != INFER_KIND_TENSOR || p->rank < 0)
        return INFER_OK;
    if (v->rank != p->rank)
        return infer_fail(INFER_ERROR_SHAPE, "the model takes rank %d, rank %d was given", p->rank,
                          v->rank);
    for (int32_t i = 0; i < p->rank; i++) {
        int64_t wanted = m->extents[p->extents + (uint32_t)i];
        if (wanted >= 0 && wanted != v->dim[i])
            return infer_fail(INFER_ERROR_SHAPE, "extent %d must be %lld and is %lld", i,
                              (long long)wanted, (long long)v->dim[i]);
    }
    return INFER_OK;
}

/* A value given for an optional one is there. */
static infer_status wrap(infer_context *c, infer_view *view) {
    infer_view *inner = infer_arena_array(&c->frames[0].dynamic, 1, sizeof *inner);
    if (!inner)
        return INFER_ERROR_MEMORY;
    *inner = *view;
    *view = (infer_view){.kind = INFER_KIND_OPTIONAL, .rank = 1, .dim = {1}, .data = inner};
    return INFER_OK;
}

infer_status infer_set_input(infer_context *c, uint32_t index, const infer_value *value) {
    const infer_image *m = &c->model->image;
    const infer_image_port *p = &m->inputs[index];
    infer_view view = {0};
    infer_status status = view_of(c, value, &view, 0);
    const infer_image_value *v = &m->values[p->value];
    if (status == INFER_OK && p->kind == INFER_KIND_OPTIONAL && view.kind == v->member)
        status = wrap(c, &view);
    if (status == INFER_OK)
        status = infer_fits_port(m, p, &view);
    if (status == INFER_OK && p->kind != INFER_KIND_TENSOR)
        status = check_members(&view, v, v->kind);
    if (status != INFER_OK)
        return infer_fail_within(status, "input %s", infer_image_chars(m, p->name));
    c->values[p->value] = view;
    return INFER_OK;
}
