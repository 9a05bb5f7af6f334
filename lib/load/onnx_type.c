/* Types of ONNX values as ports: kind, element type, shape, and the type spelled out. */
#include "onnx_graph.h"
#include "status.h"
#include "types.h"

#include <string.h>

typedef Infer__Onnx__TypeProto type_proto;

/* ---- spelling ---- */

/* Types nest at most as deeply as messages do, so every spelling fits. */
typedef struct spelling {
    char text[32 * INFER_ONNX_DEPTH];
    size_t size;
} spelling;

static void spell(spelling *s, const char *text) {
    size_t size = strlen(text);
    if (size >= sizeof s->text - s->size)
        size = sizeof s->text - s->size - 1;
    memcpy(s->text + s->size, text, size);
    s->size += size;
    s->text[s->size] = 0;
}

static infer_status spell_element(spelling *s, const char *open, int32_t type) {
    if (infer_type_size((infer_type)type) == 0)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "unknown element type %d", (int)type);
    spell(s, open);
    spell(s, infer_type_name((infer_type)type));
    return INFER_OK;
}

/* Recursion as deep as the message, which the scan has bounded. */
static infer_status spell_type(spelling *s, const type_proto *t) {
    if (t && t->tensor_type) {
        INFER_TRY(spell_element(s, "tensor(", t->tensor_type->elem_type));
    } else if (t && t->sparse_tensor_type) {
        INFER_TRY(spell_element(s, "sparse_tensor(", t->sparse_tensor_type->elem_type));
    } else if (t && t->sequence_type) {
        spell(s, "seq(");
        INFER_TRY(spell_type(s, t->sequence_type->elem_type));
    } else if (t && t->optional_type) {
        spell(s, "optional(");
        INFER_TRY(spell_type(s, t->optional_type->elem_type));
    } else if (t && t->map_type) {
        INFER_TRY(spell_element(s, "map(", t->map_type->key_type));
        spell(s, ",");
        INFER_TRY(spell_type(s, t->map_type->value_type));
    } else {
        return infer_fail(INFER_ERROR_FORMAT, "it has no complete type");
    }
    spell(s, ")");
    return INFER_OK;
}

static infer_status keep(infer_onnx_reader *r, const spelling *s, infer_port_spec *spec) {
    char *text = infer_onnx_alloc(r, s->size + 1);
    if (!text)
        return r->refused;
    memcpy(text, s->text, s->size + 1);
    spec->type_string = text;
    return INFER_OK;
}

/* ---- shapes ---- */

static infer_status fill_tensor(infer_onnx_reader *r, const Infer__Onnx__TypeProto__Tensor *t,
                                infer_port_spec *spec) {
    infer_view *view = &spec->view;
    if (!t->shape)
        return INFER_OK;
    size_t rank = t->shape->n_dim;
    if (rank > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%zu dimensions; at most %d are possible", rank,
                          INFER_MAX_RANK);
    const char **symbols = infer_onnx_alloc(r, rank * sizeof *symbols);
    if (!symbols)
        return r->refused;
    for (size_t i = 0; i < rank; i++) {
        const Infer__Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        bool fixed = d->has_dim_value && d->dim_value >= 0;
        view->dim[i] = fixed ? d->dim_value : -1;
        symbols[i] = fixed ? NULL : d->dim_param;
    }
    view->rank = (int32_t)rank;
    spec->symbols = symbols;
    return INFER_OK;
}

/* Kind and element types, of what a sequence or optional holds too. */
static void fill_kind(const type_proto *t, infer_view *view) {
    const type_proto *inner = t->sequence_type   ? t->sequence_type->elem_type
                              : t->optional_type ? t->optional_type->elem_type
                                                 : NULL;
    if (t->tensor_type || t->sparse_tensor_type) {
        view->kind = t->tensor_type ? INFER_KIND_TENSOR : INFER_KIND_SPARSE;
        view->type = (uint8_t)(t->tensor_type ? t->tensor_type : t->sparse_tensor_type)->elem_type;
    } else if (t->map_type) {
        const type_proto *value = t->map_type->value_type;
        view->kind = INFER_KIND_MAP;
        view->type = (uint8_t)t->map_type->key_type;
        view->value_type = value && value->tensor_type ? (uint8_t)value->tensor_type->elem_type : 0;
    } else {
        infer_view held = {.rank = -1};
        if (inner)
            fill_kind(inner, &held);
        view->kind = t->sequence_type ? INFER_KIND_SEQUENCE : INFER_KIND_OPTIONAL;
        view->member = held.kind;
        view->type = held.type;
        view->value_type = held.value_type;
    }
}

infer_status infer_onnx_value_type(const type_proto *t, infer_view *view) {
    spelling s = {.size = 0};
    *view = (infer_view){.rank = -1};
    INFER_TRY(spell_type(&s, t));
    fill_kind(t, view);
    return INFER_OK;
}

static infer_status describe(infer_onnx_reader *r, const type_proto *t, infer_port_spec *spec) {
    spelling s = {.size = 0};
    INFER_TRY(spell_type(&s, t));
    INFER_TRY(keep(r, &s, spec));
    fill_kind(t, &spec->view);
    return t->tensor_type          ? fill_tensor(r, t->tensor_type, spec)
           : t->sparse_tensor_type ? fill_tensor(r, t->sparse_tensor_type, spec)
                                   : INFER_OK;
}

infer_status infer_onnx_port(infer_onnx_reader *r, const Infer__Onnx__ValueInfoProto *info,
                             infer_port_spec *spec) {
    *spec = (infer_port_spec){.name = info->name ? info->name : "", .view.rank = -1};
    if (!spec->name[0])
        return infer_fail(INFER_ERROR_FORMAT, "an input or output of the graph has no name");
    if (!info->type)
        return INFER_OK;
    infer_status status = describe(r, info->type, spec);
    return status == INFER_OK ? status : infer_fail_within(status, "value \"%s\"", spec->name);
}

/* The type of a value known by its view. An optional may hold a sequence; what that holds is a
 * tensor or, where there is a type of values, a map. */
static infer_status spell_view(spelling *s, const infer_view *v, uint8_t kind, bool inner) {
    uint8_t last = v->value_type ? INFER_KIND_MAP : INFER_KIND_TENSOR;
    switch (kind) {
    case INFER_KIND_TENSOR:
        INFER_TRY(spell_element(s, "tensor(", v->type));
        break;
    case INFER_KIND_MAP:
        INFER_TRY(spell_element(s, "map(", v->type));
        INFER_TRY(spell_element(s, ",tensor(", v->value_type));
        spell(s, ")");
        break;
    case INFER_KIND_SEQUENCE:
    case INFER_KIND_OPTIONAL:
        spell(s, kind == INFER_KIND_SEQUENCE ? "seq(" : "optional(");
        INFER_TRY(spell_view(s, v, inner ? last : v->member, true));
        break;
    default:
        return infer_fail(INFER_ERROR_FORMAT, "it has no type");
    }
    spell(s, ")");
    return INFER_OK;
}

infer_status infer_onnx_port_of(infer_onnx_reader *r, const infer_view *view,
                                infer_port_spec *spec) {
    spelling s = {.size = 0};
    spec->view = *view;
    spec->view.data = NULL;
    INFER_TRY(spell_view(&s, view, view->kind, false));
    return keep(r, &s, spec);
}
