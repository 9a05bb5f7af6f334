/* Values of ONNX's test data: reading them and comparing them with what a run gave. */
#include "onnx_case.h"

#include "onnx_data.pb-c.h"
#include "status.h"
#include "types.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

typedef Infer__Onnx__SequenceProto sequence_proto;
typedef Infer__Onnx__MapProto map_proto;
typedef Infer__Onnx__OptionalProto optional_proto;

static infer_status from_tensor(infer_onnx_reader *r, const Infer__Onnx__TensorProto *t,
                                infer_value *v) {
    infer_view view;
    INFER_TRY(infer_onnx_tensor(r, t, &view));
    int64_t *shape = infer_onnx_alloc(r, sizeof view.dim);
    if (!shape)
        return r->refused;
    memcpy(shape, view.dim, sizeof view.dim);
    static char nothing[16];
    *v = (infer_value){.kind = INFER_KIND_TENSOR,
                       .type = view.type,
                       .rank = (uint32_t)view.rank,
                       .shape = shape,
                       .data = view.data ? view.data : nothing,
                       .count = (size_t)infer_view_count(&view)};
    return INFER_OK;
}

static infer_value *members(infer_onnx_reader *r, uint32_t kind, size_t count, infer_value *v) {
    size_t bytes = (count ? count : 1) * sizeof(infer_value);
    infer_value *list = infer_onnx_alloc(r, bytes);
    if (list)
        memset(list, 0, bytes);
    *v = (infer_value){.kind = kind, .data = list, .count = count};
    return list;
}

static infer_status from_map(infer_onnx_reader *r, const map_proto *m, infer_value *v);
static infer_status from_optional(infer_onnx_reader *r, const optional_proto *o, infer_value *v);

static infer_status from_sequence(infer_onnx_reader *r, const sequence_proto *s, infer_value *v) {
    size_t count =
        s->n_tensor_values + s->n_sequence_values + s->n_map_values + s->n_optional_values;
    infer_value *list = members(r, INFER_KIND_SEQUENCE, count, v);
    if (!list)
        return r->refused;
    for (size_t i = 0; i < s->n_tensor_values; i++)
        INFER_TRY(from_tensor(r, s->tensor_values[i], list++));
    for (size_t i = 0; i < s->n_sequence_values; i++)
        INFER_TRY(from_sequence(r, s->sequence_values[i], list++));
    for (size_t i = 0; i < s->n_map_values; i++)
        INFER_TRY(from_map(r, s->map_values[i], list++));
    for (size_t i = 0; i < s->n_optional_values; i++)
        INFER_TRY(from_optional(r, s->optional_values[i], list++));
    return INFER_OK;
}

/* Keys as a tensor of rank 1; integer keys come as int64 and are cut to their type. */
static infer_status map_keys(infer_onnx_reader *r, const map_proto *m, infer_value *keys) {
    infer_type type = (infer_type)m->key_type;
    size_t count = type == INFER_TYPE_STRING ? m->n_string_keys : m->n_keys;
    size_t element = infer_type_size(type);
    char *data = infer_onnx_alloc(r, count * element + 1);
    int64_t *shape = infer_onnx_alloc(r, sizeof *shape);
    if (!data || !shape)
        return r->refused;
    shape[0] = (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        if (type == INFER_TYPE_STRING)
            ((infer_string *)data)[i] =
                (infer_string){(char *)m->string_keys[i].data, m->string_keys[i].len};
        else
            memcpy(data + i * element, &m->keys[i], element < 8 ? element : 8);
    }
    *keys = (infer_value){.kind = INFER_KIND_TENSOR,
                          .type = (uint32_t)type,
                          .rank = 1,
                          .shape = shape,
                          .data = data,
                          .count = count};
    return INFER_OK;
}

/* A sequence of scalars, as maps in files have their values, is a tensor of rank 1. */
static infer_status from_map(infer_onnx_reader *r, const map_proto *m, infer_value *v) {
    infer_value *pair = members(r, INFER_KIND_MAP, 2, v);
    if (!pair)
        return r->refused;
    v->type = (uint32_t)m->key_type;
    INFER_TRY(map_keys(r, m, &pair[0]));
    v->count = pair[0].count;
    if (!m->values)
        return infer_fail(INFER_ERROR_FORMAT, "a map without values");
    INFER_TRY(from_sequence(r, m->values, &pair[1]));
    if (pair[1].count != v->count)
        return infer_fail(INFER_ERROR_FORMAT, "a map with more keys than values");
    const infer_value *scalars = pair[1].data;
    size_t element = pair[1].count ? infer_type_size((infer_type)scalars[0].type) : 0;
    for (size_t i = 0; i < pair[1].count; i++)
        if (scalars[i].kind != INFER_KIND_TENSOR || scalars[i].count != 1 ||
            scalars[i].type != scalars[0].type)
            return INFER_OK;
    char *data = infer_onnx_alloc(r, v->count * element + 1);
    if (!data)
        return r->refused;
    for (size_t i = 0; i < v->count; i++)
        memcpy(data + i * element, scalars[i].data, element);
    pair[1] = (infer_value){.kind = INFER_KIND_TENSOR,
                            .type = v->count ? scalars[0].type : 0,
                            .rank = 1,
                            .shape = pair[0].shape,
                            .data = data,
                            .count = v->count};
    return INFER_OK;
}

static infer_status from_optional(infer_onnx_reader *r, const optional_proto *o, infer_value *v) {
    bool there = o->tensor_value || o->sequence_value || o->map_value || o->optional_value;
    infer_value *inner = members(r, INFER_KIND_OPTIONAL, there, v);
    if (!inner)
        return r->refused;
    return o->tensor_value     ? from_tensor(r, o->tensor_value, inner)
           : o->sequence_value ? from_sequence(r, o->sequence_value, inner)
           : o->map_value      ? from_map(r, o->map_value, inner)
           : o->optional_value ? from_optional(r, o->optional_value, inner)
                               : INFER_OK;
}

infer_status read_value(infer_onnx_reader *r, uint32_t kind, const void *data, size_t size,
                        infer_value *value) {
    static const ProtobufCMessageDescriptor *const types[] = {
        [INFER_KIND_TENSOR] = &infer__onnx__tensor_proto__descriptor,
        [INFER_KIND_SEQUENCE] = &infer__onnx__sequence_proto__descriptor,
        [INFER_KIND_MAP] = &infer__onnx__map_proto__descriptor,
        [INFER_KIND_OPTIONAL] = &infer__onnx__optional_proto__descriptor};
    if (kind >= sizeof types / sizeof *types)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "test data of kind %u", kind);
    ProtobufCMessage *message;
    INFER_TRY(infer_onnx_unpack(r, types[kind], data, size, &message));
    switch (kind) {
    case INFER_KIND_SEQUENCE:
        return from_sequence(r, (const sequence_proto *)message, value);
    case INFER_KIND_MAP:
        return from_map(r, (const map_proto *)message, value);
    case INFER_KIND_OPTIONAL:
        return from_optional(r, (const optional_proto *)message, value);
    default:
        return from_tensor(r, (const Infer__Onnx__TensorProto *)message, value);
    }
}

/* ---- comparing ---- */

/* The tolerances of ONNX's own test runner. */
static const double relative = 1e-3, absolute = 1e-7;

static bool close_enough(double got, double expected) {
    if (isnan(got) || isnan(expected))
        return isnan(got) && isnan(expected);
    return got == expected || fabs(got - expected) <= absolute + relative * fabs(expected);
}

static double number_at(const infer_value *v, size_t i) {
    const char *at = (const char *)v->data + i * infer_type_size((infer_type)v->type);
    if (v->type == INFER_TYPE_DOUBLE || v->type == INFER_TYPE_COMPLEX128) {
        double d;
        memcpy(&d, at, sizeof d);
        return d;
    }
    float f;
    if (v->type == INFER_TYPE_FLOAT || v->type == INFER_TYPE_COMPLEX64)
        memcpy(&f, at, sizeof f);
    else
        infer_widen((infer_type)v->type, at, &f, 1);
    return f;
}

double value_number(const infer_value *v, size_t i) {
    infer_type_class kind = infer_type_kind((infer_type)v->type);
    size_t size = infer_type_size((infer_type)v->type);
    const char *at = (const char *)v->data + i * size;
    int64_t whole = kind == INFER_CLASS_SIGNED && at[size - 1] < 0 ? -1 : 0;
    if (kind == INFER_CLASS_FLOATING)
        return number_at(v, i);
    memcpy(&whole, at, size);
    return (double)whole;
}

/* Complex numbers as floats or doubles, two for each. */
static infer_value parts_of(const infer_value *v) {
    infer_value parts = *v;
    parts.type = v->type == INFER_TYPE_COMPLEX64 ? INFER_TYPE_FLOAT : INFER_TYPE_DOUBLE;
    parts.count = 2 * v->count;
    return parts;
}

static bool same_element(const infer_value *got, const infer_value *expected, size_t i) {
    infer_type_class kind = infer_type_kind((infer_type)got->type);
    if (kind == INFER_CLASS_FLOATING)
        return close_enough(number_at(got, i), number_at(expected, i));
    if (kind == INFER_CLASS_TEXT) {
        infer_string a = ((const infer_string *)got->data)[i];
        infer_string b = ((const infer_string *)expected->data)[i];
        return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
    }
    size_t size = infer_type_size((infer_type)got->type);
    return memcmp((char *)got->data + i * size, (char *)expected->data + i * size, size) == 0;
}

static void print_element(const infer_value *v, size_t i, char *text, size_t size) {
    infer_type_class kind = infer_type_kind((infer_type)v->type);
    int64_t number = 0;
    if (kind == INFER_CLASS_FLOATING) {
        snprintf(text, size, "%.9g", number_at(v, i));
        return;
    }
    if (kind == INFER_CLASS_TEXT) {
        infer_string s = ((const infer_string *)v->data)[i];
        snprintf(text, size, "\"%.*s\"", s.size < 40 ? (int)s.size : 40, s.data ? s.data : "");
        return;
    }
    size_t bytes = infer_type_size((infer_type)v->type);
    const char *at = (const char *)v->data + i * bytes;
    if (kind == INFER_CLASS_SIGNED && at[bytes - 1] < 0)
        number = -1;
    memcpy(&number, at, bytes);
    snprintf(text, size, "%lld", (long long)number);
}

static int same_elements(const infer_value *got, const infer_value *expected, char *why,
                         size_t size) {
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < got->count; i++)
        if (!same_element(got, expected, i) && wrong++ == 0)
            first = i;
    if (!wrong)
        return 1;
    char a[64], b[64];
    print_element(got, first, a, sizeof a);
    print_element(expected, first, b, sizeof b);
    snprintf(why, size, "element %zu is %s, expected %s (%zu of %zu differ)", first, a, b, wrong,
             got->count);
    return 0;
}

static int same_tensor(const infer_value *got, const infer_value *expected, char *why,
                       size_t size) {
    if (got->type != expected->type) {
        snprintf(why, size, "type is %s, expected %s", infer_type_name((infer_type)got->type),
                 infer_type_name((infer_type)expected->type));
        return 0;
    }
    if (got->rank != expected->rank) {
        snprintf(why, size, "rank is %u, expected %u", got->rank, expected->rank);
        return 0;
    }
    for (uint32_t d = 0; d < got->rank; d++)
        if (got->shape[d] != expected->shape[d]) {
            snprintf(why, size, "extent %u is %lld, expected %lld", d, (long long)got->shape[d],
                     (long long)expected->shape[d]);
            return 0;
        }
    if (got->count != expected->count) {
        snprintf(why, size, "count is %zu, expected %zu", got->count, expected->count);
        return 0;
    }
    if (infer_type_kind((infer_type)got->type) == INFER_CLASS_COMPLEX) {
        infer_value a = parts_of(got), b = parts_of(expected);
        return same_elements(&a, &b, why, size);
    }
    return same_elements(got, expected, why, size);
}

int same_value(const infer_value *got, const infer_value *expected, char *why, size_t size) {
    if (got->kind != expected->kind) {
        snprintf(why, size, "kind is %u, expected %u", got->kind, expected->kind);
        return 0;
    }
    if (got->kind == INFER_KIND_TENSOR)
        return same_tensor(got, expected, why, size);
    size_t count = got->kind == INFER_KIND_MAP ? 2 : expected->count;
    if (got->kind != INFER_KIND_MAP && got->count != expected->count) {
        snprintf(why, size, "%zu members, expected %zu", got->count, expected->count);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (!same_value((const infer_value *)got->data + i, (const infer_value *)expected->data + i,
                        why, size)) {
            char inner[256];
            snprintf(inner, sizeof inner, "%.255s", why);
            snprintf(why, size, "member %zu: %s", i, inner);
            return 0;
        }
    return 1;
}
