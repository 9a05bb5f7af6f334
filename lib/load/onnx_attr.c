/* Attributes of ONNX nodes as the graph takes them. */
#include "onnx_graph.h"
#include "onnx_list.h"
#include "status.h"

#include <string.h>

typedef Infer__Onnx__AttributeProto attribute_proto;

/* ---- references ---- */

static const attribute_proto *find(attribute_proto *const *attributes, size_t count,
                                   const char *name) {
    for (size_t i = 0; i < count; i++)
        if (attributes[i]->name && strcmp(attributes[i]->name, name) == 0)
            return attributes[i];
    return NULL;
}

infer_status infer_onnx_resolve(const infer_onnx_call *call, const attribute_proto *attribute,
                                const attribute_proto **resolved) {
    /* Every step goes one call outwards, and a default refers to nothing. */
    while (attribute && attribute->ref_attr_name && attribute->ref_attr_name[0]) {
        const char *name = attribute->ref_attr_name;
        if (!call)
            return infer_fail(INFER_ERROR_FORMAT, "attribute \"%s\" is asked for outside functions",
                              name);
        attribute = find(call->node->attribute, call->node->n_attribute, name);
        if (!attribute) {
            attribute =
                find(call->function->attribute_proto, call->function->n_attribute_proto, name);
            if (attribute && attribute->ref_attr_name && attribute->ref_attr_name[0])
                return infer_fail(INFER_ERROR_FORMAT, "the default of \"%s\" is a reference", name);
        }
        call = call->outer;
    }
    *resolved = attribute;
    return INFER_OK;
}

/* ---- values ---- */

/* What a file of IR version 1 leaves to be seen. */
static Infer__Onnx__AttributeProto__AttributeType type_of(const attribute_proto *a) {
    if (a->type != INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
        return a->type;
#define IF(there, type)                                                                            \
    if (a->there)                                                                                  \
        return INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##type;
    IF(has_f, FLOAT)
    IF(has_i, INT)
    IF(has_s, STRING)
    IF(t, TENSOR)
    IF(g, GRAPH)
    IF(n_floats, FLOATS)
    IF(n_strings, STRINGS)
    IF(sparse_tensor, SPARSE_TENSOR)
    IF(tp, TYPE_PROTO)
#undef IF
    return INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
}

static infer_status convert_strings(infer_arena *scratch, const attribute_proto *a,
                                    infer_attr *attr) {
    infer_string *strings = infer_arena_array(scratch, a->n_strings, sizeof *strings);
    if (!strings)
        return INFER_ERROR_MEMORY;
    for (size_t i = 0; i < a->n_strings; i++)
        strings[i] = (infer_string){a->strings[i].data ? (const char *)a->strings[i].data : "",
                                    a->strings[i].len};
    attr->type = INFER_ATTR_STRINGS;
    attr->count = a->n_strings;
    attr->data = strings;
    return INFER_OK;
}

static infer_status convert(infer_onnx_reader *r, infer_arena *scratch, const attribute_proto *a,
                            bool narrow, bool loose, infer_attr *attr) {
    if (a->has_list)
        return infer_onnx_list_attr(r, scratch, a->list, narrow, attr);
    switch (type_of(a)) {
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        attr->type = INFER_ATTR_FLOAT;
        attr->f = a->f;
        return INFER_OK;
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        attr->type = INFER_ATTR_INT;
        attr->i = a->i;
        return INFER_OK;
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
        attr->type = INFER_ATTR_STRING;
        attr->count = a->s.len;
        attr->data = a->s.data ? (const char *)a->s.data : "";
        return INFER_OK;
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
        attr->type = INFER_ATTR_FLOATS;
        attr->count = a->n_floats;
        attr->data = a->floats;
        return INFER_OK;
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
        attr->type = INFER_ATTR_INTS;
        attr->count = a->n_ints;
        attr->data = a->ints;
        return INFER_OK;
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
        return convert_strings(scratch, a, attr);
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        if (!a->t)
            return infer_fail(INFER_ERROR_FORMAT, "it has no tensor");
        attr->type = INFER_ATTR_TENSOR;
        return loose ? infer_onnx_loose_tensor(r, a->t, &attr->tensor)
                     : infer_onnx_tensor(r, a->t, &attr->tensor);
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR:
        if (!a->sparse_tensor)
            return infer_fail(INFER_ERROR_FORMAT, "it has no sparse tensor");
        attr->type = INFER_ATTR_TENSOR;
        return infer_onnx_sparse(r, a->sparse_tensor, &attr->tensor);
    case INFER__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO:
        if (!a->tp)
            return infer_fail(INFER_ERROR_FORMAT, "it has no type");
        attr->type = INFER_ATTR_VALUE;
        return infer_onnx_value_type(a->tp, &attr->tensor);
    default:
        attr->type = INFER_ATTR_OTHER;
        return INFER_OK;
    }
}

infer_status infer_onnx_attr(infer_onnx_reader *r, infer_arena *scratch, const char *name,
                             const attribute_proto *attribute, bool narrow, bool loose,
                             infer_attr *attr) {
    *attr = (infer_attr){.name = name};
    infer_status status = convert(r, scratch, attribute, narrow, loose, attr);
    return status == INFER_OK ? status : infer_fail_within(status, "attribute \"%s\"", name);
}
