/* Tensors of ONNX in all their encodings as views. */
#include "checked.h"
#include "onnx_cut.h"
#include "status.h"

#include <string.h>

typedef Infer__Onnx__TensorProto tensor_proto;

/* Elements are used as they lie in the file, which has the lowest byte first. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");

static const char *name_of(const tensor_proto *t) {
    return t->name ? t->name : "";
}

/* ---- bits ---- */

/* n elements of 2 or 4 bits, lowest bits first, to a byte each. */
static void unpack_bits(infer_type type, const uint8_t *from, uint8_t *to, size_t n) {
    unsigned bits = infer_type_bits(type), per_byte = 8 / bits;
    unsigned mask = (1u << bits) - 1;
    unsigned sign = infer_type_kind(type) == INFER_CLASS_SIGNED ? 1u << (bits - 1) : 0;
    for (size_t i = 0; i < n; i++) {
        unsigned value = from[i / per_byte] >> (i % per_byte * bits) & mask;
        to[i] = (uint8_t)((value ^ sign) - sign);
    }
}

/* Bytes of n elements as raw data and external files hold them. */
static size_t packed_bytes(infer_type type, size_t n) {
    unsigned bits = infer_type_bits(type);
    return bits >= 8 ? n * (bits / 8) : n / (8 / bits) + (n % (8 / bits) != 0);
}

/* ---- raw bytes ---- */

static infer_status check_bools(const uint8_t *data, size_t n) {
    unsigned all = 0;
    for (size_t i = 0; i < n; i++)
        all |= data[i];
    return all <= 1 ? INFER_OK : infer_fail(INFER_ERROR_FORMAT, "a bool is neither 0 nor 1");
}

/* The elements in raw bytes: where they lie, if they take a byte or more each and are aligned or
 * loose floats. */
static infer_status from_raw(infer_onnx_reader *r, const void *raw, size_t n, bool loose,
                             infer_view *view) {
    infer_type type = (infer_type)view->type;
    size_t element = infer_type_size(type), unit = element < 8 ? element : 8;
    if (type == INFER_TYPE_BOOL)
        INFER_TRY(check_bools(raw, n));
    bool fits = (uintptr_t)raw % unit == 0 || (loose && type == INFER_TYPE_FLOAT);
    if (infer_type_bits(type) >= 8 && fits) {
        view->data = (void *)raw;
        return INFER_OK;
    }
    if (!(view->data = infer_onnx_alloc(r, n * element)))
        return r->refused;
    if (infer_type_bits(type) < 8)
        unpack_bits(type, raw, view->data, n);
    else
        memcpy(view->data, raw, n * element);
    return INFER_OK;
}

/* ---- typed fields ---- */

/* The list of a message that holds the elements of a type. */
typedef struct typed_field {
    const void *data;
    size_t count;   /* entries in the message */
    size_t element; /* bytes of one */
} typed_field;

static typed_field field_of(const tensor_proto *t, infer_type type) {
    switch (type) {
    case INFER_TYPE_FLOAT:
    case INFER_TYPE_COMPLEX64:
        return (typed_field){t->float_data, t->n_float_data, sizeof(float)};
    case INFER_TYPE_DOUBLE:
    case INFER_TYPE_COMPLEX128:
        return (typed_field){t->double_data, t->n_double_data, sizeof(double)};
    case INFER_TYPE_INT64:
        return (typed_field){t->int64_data, t->n_int64_data, sizeof(int64_t)};
    case INFER_TYPE_UINT32:
    case INFER_TYPE_UINT64:
        return (typed_field){t->uint64_data, t->n_uint64_data, sizeof(uint64_t)};
    default:
        return (typed_field){t->int32_data, t->n_int32_data, sizeof(int32_t)};
    }
}

/* How many entries of its field n elements take. */
static size_t entries(infer_type type, size_t n) {
    if (infer_type_kind(type) == INFER_CLASS_COMPLEX)
        return 2 * n;
    return infer_type_bits(type) < 8 ? packed_bytes(type, n) : n;
}

/* Entries of four or eight bytes, cut to the lowest `size` bytes of each. */
static void cut(const typed_field *field, uint8_t *to, size_t size, size_t count) {
    const uint8_t *from = field->data;
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * size, from + i * field->element, size);
}

static infer_status from_field(infer_onnx_reader *r, const tensor_proto *t, size_t n,
                               infer_view *view) {
    infer_type type = (infer_type)view->type;
    typed_field field = field_of(t, type);
    size_t size = infer_type_size(type), count = entries(type, n);
    if (field.count != count)
        return infer_fail(INFER_ERROR_FORMAT, "%zu entries where its shape needs %zu", field.count,
                          count);
    if (infer_type_bits(type) >= 8 && count * field.element == n * size) {
        view->data = (void *)field.data;
        return INFER_OK;
    }
    if (!(view->data = infer_onnx_alloc(r, n * size)))
        return r->refused;
    if (type == INFER_TYPE_BOOL) {
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)view->data)[i] = t->int32_data[i] != 0;
    } else if (infer_type_bits(type) < 8) {
        uint8_t *packed = infer_onnx_alloc(r, count);
        if (!packed)
            return r->refused;
        cut(&field, packed, 1, count);
        unpack_bits(type, packed, view->data, n);
        infer_onnx_release(r, packed);
    } else {
        cut(&field, view->data, size, n);
    }
    return INFER_OK;
}

static infer_status from_strings(infer_onnx_reader *r, const tensor_proto *t, size_t n,
                                 infer_view *view) {
    if (t->n_string_data != n)
        return infer_fail(INFER_ERROR_FORMAT, "%zu strings where its shape needs %zu",
                          t->n_string_data, n);
    size_t bytes;
    if (!infer_mul(n, sizeof(infer_string), &bytes))
        return infer_fail(INFER_ERROR_LIMIT, "%zu strings are too many", n);
    infer_string *strings = infer_onnx_alloc(r, bytes);
    if (!strings)
        return r->refused;
    for (size_t i = 0; i < n; i++) {
        const ProtobufCBinaryData *text = &t->string_data[i];
        strings[i] = (infer_string){text->data ? (const char *)text->data : "", text->len};
    }
    view->data = strings;
    return INFER_OK;
}

/* ---- whole tensors ---- */

static infer_status fill_shape(infer_view *view, const int64_t *dims, size_t rank) {
    if (rank > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%zu dimensions; at most %d are possible", rank,
                          INFER_MAX_RANK);
    view->rank = (int32_t)rank;
    for (size_t i = 0; i < rank; i++)
        view->dim[i] = dims[i];
    return infer_view_check(view, false);
}

/* Raw data, where there is some: in the message, or left in the file. */
static infer_status find_raw(const infer_onnx_reader *r, const tensor_proto *t, infer_type type,
                             ProtobufCBinaryData *raw, bool *found) {
    /* Writers of proto3 leave empty raw data behind where a typed field is used. */
    *found = t->has_raw_data && (t->raw_data.len || !field_of(t, type).count);
    *raw = t->raw_data;
    if (!t->has_raw)
        return INFER_OK;
    const infer_onnx_cut *cut = infer_onnx_cut_at(r, t->raw, true);
    if (!cut || *found)
        return infer_fail(INFER_ERROR_FORMAT, "it has raw data twice");
    *raw = (ProtobufCBinaryData){cut->size, (uint8_t *)cut->data};
    *found = true;
    return INFER_OK;
}

static infer_status decode(infer_onnx_reader *r, const tensor_proto *t, bool loose,
                           infer_view *view) {
    if (t->segment)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "it is split into segments");
    if (infer_type_size((infer_type)t->data_type) == 0)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "unknown element type %d", (int)t->data_type);
    *view = (infer_view){.kind = INFER_KIND_TENSOR, .type = (uint8_t)t->data_type};
    INFER_TRY(fill_shape(view, t->dims, t->n_dims));
    size_t n = (size_t)infer_view_count(view);
    infer_type type = (infer_type)view->type;
    if (t->data_location < 0 || t->data_location > 1)
        return infer_fail(INFER_ERROR_FORMAT, "unknown data_location %d", (int)t->data_location);
    if (type == INFER_TYPE_STRING) {
        if (t->data_location)
            return infer_fail(INFER_ERROR_FORMAT, "strings cannot lie in an external file");
        return from_strings(r, t, n, view);
    }
    size_t bytes = packed_bytes(type, n);
    if (t->data_location) {
        const void *data;
        INFER_TRY(infer_onnx_external(r, t, bytes, &data));
        return n ? from_raw(r, data, n, loose, view) : INFER_OK;
    }
    ProtobufCBinaryData raw;
    bool found;
    INFER_TRY(find_raw(r, t, type, &raw, &found));
    if (!found)
        return from_field(r, t, n, view);
    if (raw.len != bytes)
        return infer_fail(INFER_ERROR_FORMAT, "%zu bytes of raw data where its shape needs %zu",
                          raw.len, bytes);
    return n ? from_raw(r, raw.data, n, loose, view) : INFER_OK;
}

static infer_status read_tensor(infer_onnx_reader *r, const tensor_proto *tensor, bool loose,
                                infer_view *view) {
    infer_status status = decode(r, tensor, loose, view);
    return status == INFER_OK ? status
                              : infer_fail_within(status, "tensor \"%s\"", name_of(tensor));
}

infer_status infer_onnx_tensor(infer_onnx_reader *r, const tensor_proto *tensor, infer_view *view) {
    return read_tensor(r, tensor, false, view);
}

infer_status infer_onnx_loose_tensor(infer_onnx_reader *r, const tensor_proto *tensor,
                                     infer_view *view) {
    return read_tensor(r, tensor, true, view);
}

/* ---- sparse tensors ---- */

/* Where non-default element number i lies in the dense tensor; -1 outside of it. */
static int64_t place_of(const infer_view *dense, const infer_view *indices, int64_t i) {
    const int64_t *index = indices->data;
    if (indices->rank == 1)
        return index[i] >= 0 && index[i] < infer_view_count(dense) ? index[i] : -1;
    int64_t place = 0;
    for (int32_t d = 0; d < dense->rank; d++) {
        int64_t k = index[i * dense->rank + d];
        if (k < 0 || k >= dense->dim[d])
            return -1;
        place = place * dense->dim[d] + k;
    }
    return place;
}

static infer_status densify(infer_onnx_reader *r, const Infer__Onnx__SparseTensorProto *s,
                            infer_view *view) {
    if (!s->values || !s->indices)
        return infer_fail(INFER_ERROR_FORMAT, "values or indices are missing");
    infer_view values, indices;
    INFER_TRY(infer_onnx_tensor(r, s->values, &values));
    INFER_TRY(infer_onnx_tensor(r, s->indices, &indices));
    *view = (infer_view){.kind = INFER_KIND_TENSOR, .type = values.type};
    INFER_TRY(fill_shape(view, s->dims, s->n_dims));
    bool linear = indices.rank == 1;
    bool coordinates = indices.rank == 2 && indices.dim[1] == view->rank;
    if (values.rank != 1 || indices.type != INFER_TYPE_INT64 || !(linear || coordinates) ||
        indices.dim[0] != values.dim[0])
        return infer_fail(INFER_ERROR_FORMAT, "values and indices do not fit each other");
    size_t bytes = infer_view_bytes(view), size = infer_type_size((infer_type)view->type);
    if (!(view->data = infer_onnx_alloc(r, bytes)))
        return r->refused;
    memset(view->data, 0, bytes);
    for (int64_t i = 0; i < values.dim[0]; i++) {
        int64_t place = place_of(view, &indices, i);
        if (place < 0)
            return infer_fail(INFER_ERROR_FORMAT, "index number %lld lies outside its shape",
                              (long long)i);
        memcpy((char *)view->data + (size_t)place * size, (char *)values.data + (size_t)i * size,
               size);
    }
    return INFER_OK;
}

infer_status infer_onnx_sparse(infer_onnx_reader *r, const Infer__Onnx__SparseTensorProto *sparse,
                               infer_view *view) {
    infer_status status = densify(r, sparse, view);
    if (status == INFER_OK)
        return status;
    return infer_fail_within(status, "sparse tensor \"%s\"",
                             sparse->values ? name_of(sparse->values) : "");
}
