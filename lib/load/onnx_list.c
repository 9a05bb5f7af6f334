/* Long lists of attributes, read where they lie. */
#include "onnx_list.h"

#include "checked.h"
#include "onnx_cut.h"
#include "status.h"

#include <string.h>

enum { NAME = 1, FLOATS = 7, INTS = 8, STRINGS = 9, DOC = 13, TYPE = 20, REF = 21 };

#define FEW     256 /* strings that a byte can number */
#define LONGEST 64  /* bytes of such a string: each is compared with all */

static bool is_element(const infer_onnx_field *f) {
    return f->number >= FLOATS && f->number <= STRINGS;
}

/* Elements come one a field, numbers also many in one. */
static bool has_form(const infer_onnx_field *f) {
    unsigned one = f->number == FLOATS ? PROTOBUF_C_WIRE_TYPE_32BIT : PROTOBUF_C_WIRE_TYPE_VARINT;
    if (f->wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return f->number != FLOATS || f->size % 4 == 0;
    return f->number != STRINGS && f->wire == one;
}

/* Calls body for each integer `value` of a field. */
#define EACH_INT(f, value, body)                                                                   \
    do {                                                                                           \
        infer_onnx_cursor in_ = {(f)->data, (f)->data + (f)->size};                                \
        uint64_t bits_;                                                                            \
        while (in_.at < in_.end && infer_onnx_read_varint(&in_, &bits_)) {                         \
            int64_t value = (int64_t)bits_;                                                        \
            body;                                                                                  \
        }                                                                                          \
    } while (0)

static void count(infer_onnx_list *l, const infer_onnx_field *f) {
    if (f->number == INTS)
        EACH_INT(f, v, {
            l->count++;
            l->least = v < l->least ? v : l->least;
            l->most = v > l->most ? v : l->most;
        });
    else
        l->count += f->number == FLOATS ? f->size / 4 : 1;
}

bool infer_onnx_is_list(const uint8_t *start, const uint8_t *end, infer_onnx_list *l) {
    infer_onnx_cursor c = {start, end};
    infer_onnx_field f;
    uint32_t kind = 0;
    *l = (infer_onnx_list){.data = NULL};
    while (c.at < c.end) {
        if (!infer_onnx_read_field(&c, &f))
            return false;
        if (is_element(&f)) {
            if (!has_form(&f) || (kind && (kind != f.number || l->end != f.start)))
                return false;
            l->start = kind ? l->start : f.start;
            l->end = c.at;
            kind = f.number;
            count(l, &f);
        } else if ((f.number != NAME && f.number != DOC && f.number != TYPE && f.number != REF) ||
                   (f.number != TYPE && memchr(f.data, 0, f.size))) {
            return false;
        }
    }
    l->type = kind == INTS     ? INFER_ATTR_INTS
              : kind == FLOATS ? INFER_ATTR_FLOATS
                               : INFER_ATTR_STRINGS;
    return kind != 0;
}

/* ---- elements ---- */

/* Calls body for each field of a list. */
#define EACH_FIELD(list, f, body)                                                                  \
    do {                                                                                           \
        infer_onnx_cursor c_ = {(list)->start, (list)->end};                                       \
        infer_onnx_field f;                                                                        \
        while (c_.at < c_.end && infer_onnx_read_field(&c_, &f))                                   \
            body;                                                                                  \
    } while (0)

static infer_status new_elements(infer_onnx_reader *r, infer_onnx_list *l) {
    size_t bytes;
    if (!infer_mul((size_t)l->count, infer_type_size(l->element), &bytes))
        return infer_fail(INFER_ERROR_MEMORY, "a list does not fit memory");
    l->data = infer_onnx_alloc(r, bytes ? bytes : 1);
    return l->data ? INFER_OK : r->refused;
}

#define PUT_INTS(list, ctype)                                                                      \
    do {                                                                                           \
        ctype *to_ = (list)->data;                                                                 \
        EACH_FIELD(list, field_, EACH_INT(&field_, v, *to_++ = (ctype)v));                         \
    } while (0)

static infer_status read_ints(infer_onnx_reader *r, infer_onnx_list *l) {
    l->element = l->least < INT32_MIN || l->most > INT32_MAX ? INFER_TYPE_INT64
                 : l->least < 0 || l->most > UINT16_MAX      ? INFER_TYPE_INT32
                 : l->most > UINT8_MAX                       ? INFER_TYPE_UINT16
                                                             : INFER_TYPE_UINT8;
    INFER_TRY(new_elements(r, l));
    switch (l->element) {
    case INFER_TYPE_UINT8:
        PUT_INTS(l, uint8_t);
        break;
    case INFER_TYPE_UINT16:
        PUT_INTS(l, uint16_t);
        break;
    case INFER_TYPE_INT32:
        PUT_INTS(l, int32_t);
        break;
    default:
        PUT_INTS(l, int64_t);
    }
    return INFER_OK;
}

static infer_status read_floats(infer_onnx_reader *r, infer_onnx_list *l) {
    l->element = INFER_TYPE_FLOAT;
    INFER_TRY(new_elements(r, l));
    char *to = l->data;
    EACH_FIELD(l, f, {
        memcpy(to, f.data, f.size);
        to += f.size;
    });
    return INFER_OK;
}

/* The number of a string among the few, FEW where there are too many. */
static size_t number_of(infer_onnx_list *l, const infer_onnx_field *f) {
    size_t i = 0;
    if (f->size > LONGEST)
        return FEW;
    for (; i < l->name_count; i++)
        if (l->names[i].size == f->size && memcmp(l->names[i].data, f->data, f->size) == 0)
            return i;
    if (i < FEW)
        l->names[l->name_count++] = (infer_string){(const char *)f->data, f->size};
    return i;
}

/* Strings lie in the file, which goes: a copy of those that are kept. */
static infer_status keep_strings(infer_onnx_reader *r, infer_string *strings, uint64_t count) {
    size_t total = 0;
    for (uint64_t i = 0; i < count; i++)
        total += strings[i].size;
    char *to = infer_onnx_alloc(r, total + 1);
    if (!to)
        return r->refused;
    for (uint64_t i = 0; i < count; i++) {
        memcpy(to, strings[i].data, strings[i].size);
        strings[i].data = to;
        to += strings[i].size;
    }
    return INFER_OK;
}

/* Numbers of few different strings; false where there are too many. */
static bool number_strings(infer_onnx_list *l) {
    uint8_t *to = l->data;
    EACH_FIELD(l, f, {
        size_t number = number_of(l, &f);
        if (number == FEW)
            return false;
        *to++ = (uint8_t)number;
    });
    return true;
}

static infer_status read_strings(infer_onnx_reader *r, infer_onnx_list *l) {
    l->names = infer_onnx_alloc(r, FEW * sizeof *l->names);
    if (!l->names)
        return r->refused;
    l->element = INFER_TYPE_UINT8;
    INFER_TRY(new_elements(r, l));
    if (number_strings(l))
        return keep_strings(r, l->names, l->name_count);
    infer_onnx_release(r, l->data);
    l->element = INFER_TYPE_STRING;
    INFER_TRY(new_elements(r, l));
    infer_string *to = l->data;
    EACH_FIELD(l, f, *to++ = ((infer_string){(const char *)f.data, f.size}));
    return keep_strings(r, l->data, l->count);
}

infer_status infer_onnx_read_list(infer_onnx_reader *r, infer_onnx_list *l) {
    return l->type == INFER_ATTR_INTS     ? read_ints(r, l)
           : l->type == INFER_ATTR_FLOATS ? read_floats(r, l)
                                          : read_strings(r, l);
}

/* ---- attributes ---- */

/* As operators take lists: eight bytes an integer, a string each. */
static infer_status widen(infer_arena *scratch, const infer_onnx_list *l, infer_attr *attr) {
    bool ints = l->type == INFER_ATTR_INTS;
    size_t each = ints ? sizeof(int64_t) : sizeof(infer_string);
    void *to = infer_arena_array(scratch, (size_t)l->count, each);
    if (!to)
        return INFER_ERROR_MEMORY;
    for (uint64_t i = 0; i < l->count; i++)
        if (!ints)
            ((infer_string *)to)[i] = l->names[((const uint8_t *)l->data)[i]];
        else
            ((int64_t *)to)[i] = l->element == INFER_TYPE_UINT8    ? ((const uint8_t *)l->data)[i]
                                 : l->element == INFER_TYPE_UINT16 ? ((const uint16_t *)l->data)[i]
                                                                   : ((const int32_t *)l->data)[i];
    attr->data = to;
    return INFER_OK;
}

infer_status infer_onnx_list_attr(infer_onnx_reader *r, infer_arena *scratch, uint32_t number,
                                  bool narrow, infer_attr *attr) {
    const infer_onnx_cut *cut = infer_onnx_cut_at(r, number, false);
    if (!cut)
        return INFER_ERROR_FORMAT;
    const infer_onnx_list *l = &cut->list;
    bool few = l->type == INFER_ATTR_STRINGS && l->element == INFER_TYPE_UINT8;
    attr->type = l->type;
    attr->count = (size_t)l->count;
    attr->data = l->data;
    if (narrow && (few || l->type != INFER_ATTR_STRINGS)) {
        attr->type = few ? INFER_ATTR_CODES : INFER_ATTR_TENSOR;
        attr->tensor = (infer_view){
            .type = (uint8_t)l->element, .rank = 1, .dim = {(int64_t)l->count}, .data = l->data};
        attr->count = l->name_count;
        attr->data = l->names;
        return INFER_OK;
    }
    if (few || (l->type == INFER_ATTR_INTS && l->element != INFER_TYPE_INT64))
        return widen(scratch, l, attr);
    return INFER_OK;
}
