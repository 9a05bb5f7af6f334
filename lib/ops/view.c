/* Views and parameter lists: sizes, checks, and the steps that upgrades have in common. */
#include "checked.h"
#include "op.h"
#include "status.h"

#include <string.h>

/* ---- views ---- */

int64_t infer_view_count(const infer_view *v) {
    uint64_t count = 1;
    bool known = v->rank >= 0;
    for (int32_t i = 0; i < v->rank; i++) {
        known = known && v->dim[i] >= 0;
        count *= (uint64_t)v->dim[i];
    }
    return known ? (int64_t)count : -1;
}

static size_t element_size(const infer_view *v) {
    if (v->kind != INFER_KIND_TENSOR)
        return sizeof(infer_view);
    size_t size = infer_type_size((infer_type)v->type);
    return size ? size : 1;
}

size_t infer_view_bytes(const infer_view *v) {
    int64_t count = infer_view_count(v);
    return count > 0 ? (size_t)count * element_size(v) : 0;
}

infer_status infer_view_check(const infer_view *v, bool unknown) {
    if (v->rank < 0 && unknown)
        return INFER_OK;
    if (v->rank < 0 || v->rank > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d is not in 0 to %d", (int)v->rank,
                          INFER_MAX_RANK);
    size_t bytes = element_size(v);
    for (int32_t i = 0; i < v->rank; i++) {
        int64_t n = v->dim[i];
        if (n < 0 && (n != -1 || !unknown))
            return infer_fail(INFER_ERROR_SHAPE, "axis %d has extent %lld", (int)i, (long long)n);
        /* Zeros count as ones, so that the product of any of the extents fits. */
        if (n > 0 && ((uint64_t)n > PTRDIFF_MAX || !infer_mul(bytes, (size_t)n, &bytes) ||
                      bytes > PTRDIFF_MAX))
            return infer_fail(INFER_ERROR_SHAPE, "the extents are too large for this machine");
    }
    return INFER_OK;
}

/* ---- values that live until the context's next run ---- */

static infer_status copy_tensor(infer_op_env *env, const infer_view *from, infer_view *to) {
    size_t bytes = infer_view_bytes(from), size = 0;
    if (!(to->data = env->alloc(env, bytes)))
        return INFER_ERROR_MEMORY;
    if (bytes)
        memcpy(to->data, from->data, bytes);
    if (from->type != INFER_TYPE_STRING)
        return INFER_OK;
    infer_string *texts = to->data;
    int64_t count = infer_view_count(from);
    for (int64_t i = 0; i < count; i++)
        if (!infer_add(size, texts[i].size, &size))
            return infer_fail(INFER_ERROR_MEMORY, "the texts do not fit memory");
    char *at = env->alloc(env, size);
    if (!at)
        return INFER_ERROR_MEMORY;
    for (int64_t i = 0; i < count; i++) {
        if (texts[i].size)
            memcpy(at, texts[i].data, texts[i].size);
        texts[i].data = at;
        at += texts[i].size;
    }
    return INFER_OK;
}

/* Values nest as deep as their types, which loading and the caller's views have bounded. */
infer_status infer_view_copy(infer_op_env *env, const infer_view *from, infer_view *to) {
    *to = *from;
    if (from->kind == INFER_KIND_TENSOR)
        return copy_tensor(env, from, to);
    const infer_view *members = from->data;
    infer_view *copies = env->alloc(env, infer_view_bytes(from));
    if (!copies)
        return INFER_ERROR_MEMORY;
    for (int64_t i = 0; i < from->dim[0]; i++)
        INFER_TRY(infer_view_copy(env, &members[i], &copies[i]));
    to->data = copies;
    return INFER_OK;
}

infer_status infer_place(infer_op_env *env, uint32_t index, const infer_view *shape) {
    infer_view *out = env->out[index];
    INFER_TRY(infer_view_check(shape, false));
    if (out->data) {
        bool same = out->type == shape->type && out->rank == shape->rank;
        for (int32_t i = 0; same && i < shape->rank; i++)
            same = out->dim[i] == shape->dim[i];
        return same ? INFER_OK
                    : infer_fail(INFER_ERROR_SHAPE, "output %u has another shape than was inferred",
                                 index);
    }
    *out = *shape;
    out->data = env->alloc(env, infer_view_bytes(shape));
    return out->data ? INFER_OK : INFER_ERROR_MEMORY;
}

infer_status infer_give(infer_op_env *env, uint32_t index, const infer_view *value) {
    infer_view *out = index < env->out_count ? env->out[index] : NULL;
    if (!out)
        return INFER_OK;
    if (value->kind != out->kind || value->type != out->type)
        return infer_fail(INFER_ERROR_TYPE, "output %u has another type than was inferred", index);
    if (!out->data) {
        *out = *value;
        return INFER_OK;
    }
    INFER_TRY(infer_place(env, index, value));
    size_t bytes = infer_view_bytes(value);
    if (bytes)
        memcpy(out->data, value->data, bytes);
    return INFER_OK;
}

/* ---- lists ---- */

const void *infer_list_data(const infer_op_env *env, const infer_list *list) {
    return env->blob ? env->blob + list->offset : NULL; /* no lists, no blob */
}

infer_string infer_list_string(const infer_op_env *env, const infer_list *list, uint64_t index) {
    infer_blob_string entry;
    if (index >= list->count)
        return (infer_string){"", 0};
    memcpy(&entry, env->blob + list->offset + index * sizeof entry, sizeof entry);
    if (!infer_range(entry.offset, entry.size, env->blob_size))
        return (infer_string){"", 0};
    return (infer_string){env->blob + entry.offset, (size_t)entry.size};
}

/* ---- upgrades ---- */

static infer_status set_constant(infer_rewriter *rw, uint32_t index, const infer_view *tensor) {
    return rw->set_input(rw, index, rw->constant(rw, tensor));
}

infer_status infer_attr_to_input(infer_rewriter *rw, const char *name, uint32_t index) {
    const infer_attr *a = rw->attr(rw, name);
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_INT && a->type != INFER_ATTR_INTS)
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s has the wrong type (%d)", name,
                          (int)a->type);
    bool one = a->type == INFER_ATTR_INT;
    infer_view list = {.type = INFER_TYPE_INT64, .rank = 1};
    list.dim[0] = one ? 1 : (int64_t)a->count;
    list.data = one ? (void *)&a->i : (void *)a->data;
    INFER_TRY(set_constant(rw, index, &list));
    rw->drop_attr(rw, name);
    return INFER_OK;
}

infer_status infer_float_to_input(infer_rewriter *rw, const char *name, uint32_t index) {
    const infer_attr *a = rw->attr(rw, name);
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_FLOAT)
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s has the wrong type (%d)", name,
                          (int)a->type);
    uint32_t x = rw->input(rw, 0);
    if (x == INFER_NO_VALUE)
        return infer_fail(INFER_ERROR_FORMAT, "input 0 is missing");
    infer_type type = (infer_type)rw->view(rw, x)->type;
    double wide = (double)a->f;
    float narrow = 0;
    infer_view scalar = {.type = (uint8_t)type, .data = &wide};
    if (infer_compute_type(type) == INFER_TYPE_FLOAT) {
        infer_narrow(type, &a->f, &narrow, 1, false);
        scalar.data = &narrow;
    } else if (type != INFER_TYPE_DOUBLE) {
        return infer_fail(INFER_ERROR_TYPE, "attribute %s does not fit elements of %s", name,
                          infer_type_name(type));
    }
    INFER_TRY(set_constant(rw, index, &scalar));
    rw->drop_attr(rw, name);
    return INFER_OK;
}

infer_status infer_set_int(infer_rewriter *rw, const char *name, int64_t value) {
    return rw->set_attr(rw, &(infer_attr){.name = name, .type = INFER_ATTR_INT, .i = value});
}

infer_status infer_set_text(infer_rewriter *rw, const char *name, const char *text) {
    return rw->set_attr(
        rw, &(infer_attr){
                .name = name, .type = INFER_ATTR_STRING, .count = strlen(text), .data = text});
}
