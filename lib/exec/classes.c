/* Class labels as text, made when a model is opened. */
#include "checked.h"
#include "model.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

#define INT_SIZE 21 /* "-9223372036854775808" and its end */

static bool text_size(const infer_labels *l, size_t *size) {
    const infer_image_text *texts = l->entries;
    *size = 0;
    for (size_t i = 0; i < l->count; i++) {
        size_t one = l->type == INFER_TYPE_STRING ? (size_t)texts[i].size + 1 : INT_SIZE;
        if (!infer_add(*size, one, size))
            return false;
    }
    return true;
}

static void write_texts(infer_model *m, const infer_labels *l) {
    const infer_image_text *texts = l->entries;
    const int64_t *ints = l->entries;
    char *out = m->class_text;
    for (size_t i = 0; i < l->count; i++) {
        m->class_names[i] = out;
        if (l->type == INFER_TYPE_STRING) {
            memcpy(out, l->texts + texts[i].offset, (size_t)texts[i].size);
            out += texts[i].size;
            *out++ = 0;
        } else {
            out += 1 + snprintf(out, INT_SIZE, "%lld", (long long)ints[i]);
        }
    }
}

infer_status infer_model_classes(infer_model *m, const infer_labels *l) {
    size_t names, text;
    if (l->type != INFER_TYPE_STRING && l->type != INFER_TYPE_INT64)
        return INFER_OK;
    if (!text_size(l, &text) || !infer_mul(l->count, sizeof *m->class_names, &names))
        return infer_fail(INFER_ERROR_MEMORY, "the class labels do not fit memory");
    if (!(m->class_names = infer_alloc(&m->allocator, names)))
        return INFER_ERROR_MEMORY;
    m->class_count = l->count;
    m->class_text_size = text;
    if (!(m->class_text = infer_alloc(&m->allocator, text)))
        return INFER_ERROR_MEMORY;
    m->class_type = l->type;
    write_texts(m, l);
    return INFER_OK;
}
