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
            a->type == INFER_ATTR_REJECTED)
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
    if (op->revision != n->revision)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "the image has revision %u, this library %u",
                          n->revision, op->revision);
    if (op->params_size != n->record_size)
        return infer_fail(INFER_ERROR_FORMAT, "image: %u bytes of parameters instead of %u",
                          n->record_size, op->params_size);
    *step = (infer_step){op, n, m->records + n->record};
    return check_lists(m, op, step->params);
}

/* Values come into being once, before they are read. */
static infer_status check_order(const infer_image *m, char *born) {
    for (uint32_t i = 0; i < m->header->values.count; i++)
        born[i] = (char)m->values[i].constant;
    for (uint32_t i = 0; i < m->header->inputs.count; i++)
        if (born[m->inputs[i].value]++)
            return infer_fail(INFER_ERROR_FORMAT, "image: input %u has two sources", i);
    for (uint32_t i = 0; i < m->header->nodes.count; i++) {
        const infer_image_node *n = &m->nodes[i];
        for (uint32_t e = 0; e < n->in_count + n->out_count; e++) {
            uint32_t v = m->edges[n->edges + e];
            bool input = e < n->in_count;
            if (v != INFER_IMAGE_NONE && (input ? !born[v] : born[v]++))
                return infer_fail(INFER_ERROR_FORMAT, "image: node %u: edge %u is out of order", i,
                                  e);
        }
    }
    for (uint32_t i = 0; i < m->header->outputs.count; i++)
        if (!born[m->outputs[i].value])
            return infer_fail(INFER_ERROR_FORMAT, "image: output %u is never computed", i);
    return INFER_OK;
}

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
    for (uint32_t i = 0; i < m->header->outputs.count; i++)
        p->last_use[m->outputs[i].value] = (uint32_t)p->step_count;
}

static infer_status fill(const infer_image *m, infer_program *p, char *born) {
    INFER_TRY(check_order(m, born));
    for (uint32_t i = 0; i < p->step_count; i++) {
        const infer_image_node *n = &m->nodes[i];
        infer_status status = resolve(m, n, &p->steps[i]);
        if (status != INFER_OK)
            return infer_fail_within(status, "node %s (%s%s%s)", infer_image_chars(m, n->name),
                                     infer_image_chars(m, n->domain), n->domain.size ? "." : "",
                                     infer_image_chars(m, n->op));
    }
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
    p->step_count = (size_t)m->header->nodes.count;
    p->string_count = count_strings(m);
    char *born = infer_alloc_zero(a, values);
    p->steps = infer_alloc_zero(a, p->step_count * sizeof *p->steps);
    p->constants = infer_alloc_zero(a, values * sizeof *p->constants);
    p->last_use = infer_alloc_zero(a, values * sizeof *p->last_use);
    p->strings = infer_alloc_zero(a, p->string_count * sizeof *p->strings);
    infer_status status = INFER_ERROR_MEMORY;
    if (born && p->steps && p->constants && p->last_use && p->strings)
        status = fill(m, p, born);
    infer_dealloc(a, born, values);
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
