/* What a run needs of memory, told without running. */
#include "engine.h"
#include "status.h"

#include <string.h>

/* Whether a run takes memory that shapes do not tell: data-dependent extents, texts, maps and
 * sequences, and outputs that are copies of inputs. */
static bool takes_more(const infer_context *c) {
    const infer_image *m = &c->model->image;
    for (size_t i = 0; i < c->program->step_count; i++) {
        const infer_image_node *n = c->program->steps[i].node;
        infer_view *const *out = c->edges + n->edges + n->in_count;
        if (c->state[i] == INFER_STEP_DYNAMIC)
            return true;
        if (c->program->steps[i].op->flags & INFER_OP_BODIES)
            return true;
        for (uint32_t o = 0; o < n->out_count; o++)
            if (out[o] && (out[o]->kind != INFER_KIND_TENSOR || out[o]->type == INFER_TYPE_STRING))
                return true;
    }
    for (uint32_t o = 0; o < m->header->outputs.count; o++)
        for (uint32_t i = 0; i < m->header->inputs.count; i++)
            if (m->inputs[i].value == m->outputs[o].value)
                return true;
    return false;
}

/* The model's own shapes, with 1 where it does not tell. */
static void own_shapes(infer_context *c) {
    const infer_image *m = &c->model->image;
    for (uint32_t i = 0; i < m->header->inputs.count; i++) {
        const infer_image_port *p = &m->inputs[i];
        infer_view *v = &c->values[p->value];
        *v = (infer_view){.kind = p->kind, .type = p->type, .rank = p->rank};
        for (int32_t d = 0; d < p->rank; d++) {
            int64_t dim = m->extents[p->extents + (uint32_t)d];
            v->dim[d] = dim < 0 ? 1 : dim;
        }
    }
}

static infer_status given_shape(infer_context *c, const char *name, const infer_value *shape) {
    const infer_image *m = &c->model->image;
    uint32_t index;
    INFER_TRY(
        infer_port_index(m, m->inputs, (size_t)m->header->inputs.count, name, "input", &index));
    const infer_image_port *p = &m->inputs[index];
    if (shape->rank > INFER_MAX_RANK || (shape->rank && !shape->shape))
        return infer_fail(INFER_ERROR_SHAPE, "the rank is %u, the shape %s", shape->rank,
                          shape->shape ? "given" : "NULL");
    infer_view v = {.kind = p->kind, .type = p->type, .rank = (int32_t)shape->rank};
    for (uint32_t d = 0; d < shape->rank; d++)
        v.dim[d] = shape->shape[d];
    INFER_TRY(infer_view_check(&v, false));
    infer_status status = infer_fits_port(m, p, &v);
    c->values[p->value] = v;
    return status == INFER_OK ? INFER_OK : infer_fail_within(status, "input %.200s", name);
}

/* Whether the shapes of all inputs are the model's or given. */
static bool covers_inputs(const infer_image *m, const char *const *names, size_t count) {
    for (uint32_t i = 0; i < m->header->inputs.count; i++) {
        const infer_image_port *p = &m->inputs[i];
        bool told = p->rank >= 0;
        for (int32_t d = 0; told && d < p->rank; d++)
            told = m->extents[p->extents + (uint32_t)d] >= 0;
        for (size_t n = 0; !told && n < count; n++)
            told = strcmp(infer_image_chars(m, p->name), names[n]) == 0;
        if (!told)
            return false;
    }
    return true;
}

static infer_status plan_shapes(infer_context *c, const char *const *names,
                                const infer_value *shapes, size_t count, infer_plan_info *info) {
    own_shapes(c);
    for (size_t i = 0; i < count; i++) {
        if (!names[i])
            return infer_fail(INFER_ERROR_ARGUMENT, "the name of input %zu is NULL", i);
        INFER_TRY(given_shape(c, names[i], &shapes[i]));
    }
    const infer_frame *f = &c->frames[0];
    INFER_TRY(infer_plan(&c->frames[0], INFER_PLAN_RUN));
    info->intermediates = f->places.end;
    info->least = f->places.least;
    info->scratch = f->scratch_size;
    info->context = c->budget.held;
    info->exact = covers_inputs(&c->model->image, names, count) && !takes_more(c);
    return INFER_OK;
}

infer_status infer_model_plan(const infer_model *model, const char *const *names,
                              const infer_value *shapes, size_t count, infer_plan_info *info) {
    if (!model || !info || (count && (!names || !shapes)))
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_model_plan: an argument is NULL");
    if (info->struct_size < sizeof info->struct_size)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_model_plan: struct_size is not set");
    infer_context *c;
    /* The program of a linear model is made at its first use; nothing else of the model changes. */
    infer_budget budget = {.backing = model->allocator, .limit = model->options.memory_limit};
    INFER_TRY(infer_context_open((infer_model *)model, budget, model->options.threads, &c));
    infer_plan_info all = {.struct_size = info->struct_size};
    infer_status status = infer_limited(&c->budget, plan_shapes(c, names, shapes, count, &all));
    infer_context_free(c);
    if (status == INFER_OK)
        memcpy(info, &all, info->struct_size < sizeof all ? info->struct_size : sizeof all);
    return status;
}

infer_status infer_model_memory(const infer_model *model, size_t *bytes, int *exact) {
    if (!model || !bytes || !exact)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_model_memory: an argument is NULL");
    infer_plan_info info = {.struct_size = sizeof info};
    INFER_TRY(infer_model_plan(model, NULL, NULL, 0, &info));
    *bytes = info.context;
    *exact = (int)info.exact;
    return INFER_OK;
}
