/* Contexts and runs as the public interface has them: names, views in, views out. */
#include "checked.h"
#include "engine.h"
#include "status.h"
#include "types.h"

#include <string.h>

/* ---- making ---- */

infer_status infer_limited(const infer_budget *b, infer_status status) {
    if (status == INFER_ERROR_MEMORY && b->refused)
        return infer_fail(INFER_ERROR_LIMIT,
                          "the context holds %zu bytes and may hold %zu: %zu "
                          "more are needed",
                          b->held, b->block ? b->block_size : b->limit, b->refused);
    return status;
}

infer_status infer_context_new(infer_model *model, infer_context **context) {
    if (context)
        *context = NULL;
    if (!model || !context)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_context_new: an argument is NULL");
    infer_budget budget = {.backing = model->allocator, .limit = model->options.memory_limit};
    infer_context *c;
    INFER_TRY(infer_context_open(model, budget, model->options.threads, &c));
    if (c->workers > 1) {
        infer_status status = infer_pool_new(c->workers, &model->allocator, &c->pool);
        if (status != INFER_OK) {
            infer_context_free(c);
            return status;
        }
        c->owns_pool = true;
    }
    *context = c;
    return INFER_OK;
}

infer_status infer_context_new_in(infer_model *model, void *memory, size_t size,
                                  infer_context **context) {
    if (context)
        *context = NULL;
    if (!model || !context || !memory)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_context_new_in: an argument is NULL");
    if ((uintptr_t)memory % INFER_ALIGN)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_context_new_in: memory is not 64-byte "
                                                "aligned");
    infer_budget budget = {
        .block = memory, .block_size = size, .limit = model->options.memory_limit};
    return infer_context_open(model, budget, 1, context);
}

infer_status infer_context_set_pool(infer_context *c, infer_pool *pool) {
    if (!c)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_context_set_pool: the context is NULL");
    if (c->has_planned)
        return infer_fail(INFER_ERROR_STATE, "infer_context_set_pool: the context has run");
    if (c->owns_pool)
        infer_pool_free(c->pool);
    c->owns_pool = false;
    c->pool = pool;
    c->workers = infer_pool_threads(pool);
    return INFER_OK;
}

uint32_t infer_context_threads(const infer_context *c) {
    return c && c->workers > 1 ? c->workers : 1;
}

void infer_link_operators(void) {
    /* Naming the engine is what links it. */
    const infer_engine *volatile engine = &infer_engine_graph;
    (void)engine;
}

/* ---- inputs ---- */

infer_status infer_port_index(const infer_image *m, const infer_image_port *ports, size_t count,
                              const char *name, const char *what, uint32_t *index) {
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(infer_image_chars(m, ports[i].name), name) == 0) {
            *index = i;
            return INFER_OK;
        }
    return infer_fail(INFER_ERROR_ARGUMENT, "the model has no %s named %.200s", what, name);
}

static infer_status set_inputs(infer_context *c, const char *const *names,
                               const infer_value *inputs, size_t count) {
    const infer_image *m = &c->model->image;
    size_t wanted = (size_t)m->header->inputs.count;
    if (count > wanted)
        return infer_fail(INFER_ERROR_ARGUMENT, "%zu inputs were given, the model takes %zu", count,
                          wanted);
    for (size_t i = 0; i < wanted; i++)
        c->values[m->inputs[i].value] = (infer_view){.rank = -1};
    for (size_t i = 0; i < count; i++) {
        uint32_t index = (uint32_t)i;
        if (names && !names[i])
            return infer_fail(INFER_ERROR_ARGUMENT, "the name of input %zu is NULL", i);
        if (names)
            INFER_TRY(infer_port_index(m, m->inputs, wanted, names[i], "input", &index));
        INFER_TRY(infer_set_input(c, index, &inputs[i]));
    }
    for (size_t i = 0; i < wanted; i++)
        if (c->values[m->inputs[i].value].rank < 0)
            return infer_fail(INFER_ERROR_ARGUMENT, "input %s was not given",
                              infer_image_chars(m, m->inputs[i].name));
    return INFER_OK;
}

/* What the caller gave is read during the run only: outputs do not point into it. Only an output
 * that is an input, texts of texts and what sequences and the like held can do so. */
static infer_status own_outputs(infer_context *c) {
    const infer_image *m = &c->model->image;
    bool texts = false, composite = false;
    for (uint32_t i = 0; i < m->header->inputs.count; i++) {
        texts = texts || m->inputs[i].type == INFER_TYPE_STRING;
        composite = composite || m->inputs[i].kind != INFER_KIND_TENSOR;
    }
    for (uint32_t o = 0; o < m->header->outputs.count; o++) {
        const infer_view *v = &c->values[m->outputs[o].value];
        bool given =
            composite || (texts && (v->kind != INFER_KIND_TENSOR || v->type == INFER_TYPE_STRING));
        for (uint32_t i = 0; i < m->header->inputs.count; i++)
            given = given || m->inputs[i].value == m->outputs[o].value;
        c->given[o] = *v;
        if (given)
            INFER_TRY(infer_keep(&c->frames[0].dynamic, v, &c->given[o]));
    }
    return INFER_OK;
}

infer_status infer_run_inputs(infer_context *c, const char *const *names, const infer_value *inputs,
                              size_t count) {
    c->has_run = false;
    c->budget.refused = 0;
    c->calls = c->model->options.iteration_limit;
    /* Calls that are as the last run's find the memory that those left. */
    for (size_t i = 0; i < c->program->graph_count; i++)
        c->frames[i].turn = 0;
    infer_status status = set_inputs(c, names, inputs, count);
    if (status == INFER_OK) {
        c->has_planned = true;
        if (c->pool)
            infer_pool_begin(c->pool);
        status = infer_run_frame(&c->frames[0]);
        if (c->pool)
            infer_pool_end(c->pool);
    }
    if (status == INFER_OK)
        status = own_outputs(c);
    c->has_run = status == INFER_OK;
    return infer_limited(&c->budget, status);
}

/* ---- outputs ---- */

static infer_status value_of(infer_context *c, const infer_view *v, infer_value *out) {
    *out = (infer_value){.kind = v->kind, .type = v->type, .data = v->data};
    if (v->kind == INFER_KIND_TENSOR) {
        out->rank = (uint32_t)v->rank;
        out->shape = v->dim;
        out->count = (size_t)infer_view_count(v);
        return INFER_OK;
    }
    size_t members = (size_t)v->dim[0];
    const infer_view *inner = v->data;
    infer_value *values = infer_arena_array(&c->frames[0].dynamic, members, sizeof *values);
    if (!values)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < members; i++)
        INFER_TRY(value_of(c, &inner[i], &values[i]));
    out->data = values;
    out->count = members;
    return INFER_OK;
}

static infer_status give(infer_context *c, uint32_t index, infer_value *out) {
    const infer_image *m = &c->model->image;
    const infer_view *v = &c->given[index];
    void *mine = out->data;
    size_t room = out->count;
    INFER_TRY(value_of(c, v, out));
    if (!mine)
        return INFER_OK;
    if (v->kind != INFER_KIND_TENSOR || v->type == INFER_TYPE_STRING)
        return infer_fail(INFER_ERROR_TYPE, "output %s is no tensor of plain elements",
                          infer_image_chars(m, m->outputs[index].name));
    if (out->count > room)
        return infer_fail(INFER_ERROR_SHAPE, "output %s has %zu elements, there is room for %zu",
                          infer_image_chars(m, m->outputs[index].name), out->count, room);
    if (out->count)
        memcpy(mine, out->data, infer_view_bytes(v));
    out->data = mine;
    return INFER_OK;
}

infer_status infer_run(infer_context *c, const char *const *input_names, const infer_value *inputs,
                       size_t input_count, const char *const *output_names, infer_value *outputs,
                       size_t output_count) {
    if (!c || (input_count && !inputs) || (output_count && !outputs))
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_run: an argument is NULL");
    const infer_image *m = &c->model->image;
    size_t have = (size_t)m->header->outputs.count;
    if (!output_names && output_count > have)
        return infer_fail(INFER_ERROR_ARGUMENT, "%zu outputs were asked for, the model has %zu",
                          output_count, have);
    infer_arena_reset(&c->frames[0].dynamic);
    INFER_TRY(infer_run_inputs(c, input_names, inputs, input_count));
    for (size_t i = 0; i < output_count; i++) {
        uint32_t index = (uint32_t)i;
        if (output_names && !output_names[i])
            return infer_fail(INFER_ERROR_ARGUMENT, "the name of output %zu is NULL", i);
        if (output_names)
            INFER_TRY(infer_port_index(m, m->outputs, have, output_names[i], "output", &index));
        infer_status status = give(c, index, &outputs[i]);
        if (status != INFER_OK)
            return infer_limited(&c->budget, status);
    }
    return INFER_OK;
}

infer_status infer_output(infer_context *c, const char *name, infer_value *value) {
    if (!c || !name || !value)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_output: an argument is NULL");
    if (!c->has_run)
        return infer_fail(INFER_ERROR_STATE, "infer_output: the context has not run");
    const infer_image *m = &c->model->image;
    uint32_t index = 0;
    INFER_TRY(
        infer_port_index(m, m->outputs, (size_t)m->header->outputs.count, name, "output", &index));
    value->data = NULL;
    c->budget.refused = 0;
    infer_status status = give(c, index, value);
    if (status != INFER_OK)
        return infer_limited(&c->budget, status);
    return INFER_OK;
}
