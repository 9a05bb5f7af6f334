/* Fields of protobuf messages as they lie in a file that was scanned or is being looked at. */
#ifndef INFER_ONNX_WIRE_H
#define INFER_ONNX_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

typedef struct infer_onnx_cursor {
    const uint8_t *at, *end;
} infer_onnx_cursor;

typedef struct infer_onnx_field {
    const uint8_t *start, *data; /* of the tag, of what follows it */
    uint64_t value;              /* of a varint */
    size_t size;                 /* of data */
    uint32_t number;
    unsigned wire;
} infer_onnx_field;

static inline bool infer_onnx_read_varint(infer_onnx_cursor *c, uint64_t *value) {
    if (c->at < c->end && *c->at < 0x80) { /* nearly all of them */
        *value = *c->at++;
        return true;
    }
    *value = 0;
    for (unsigned shift = 0; shift < 70 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        *value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static inline bool infer_onnx_read_field(infer_onnx_cursor *c, infer_onnx_field *f) {
    uint64_t tag;
    f->start = c->at;
    if (!infer_onnx_read_varint(c, &tag) || tag >> 32 || tag >> 3 == 0)
        return false;
    f->number = (uint32_t)tag >> 3;
    f->wire = tag & 7;
    f->data = c->at;
    if (f->wire == PROTOBUF_C_WIRE_TYPE_VARINT) {
        if (!infer_onnx_read_varint(c, &f->value))
            return false;
    } else {
        uint64_t size = f->wire == PROTOBUF_C_WIRE_TYPE_32BIT   ? 4
                        : f->wire == PROTOBUF_C_WIRE_TYPE_64BIT ? 8
                                                                : UINT64_MAX;
        if (f->wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && !infer_onnx_read_varint(c, &size))
            return false;
        f->data = c->at;
        if (size > (uint64_t)(c->end - c->at))
            return false;
        c->at += size;
    }
    f->size = (size_t)(c->at - f->data);
    return true;
}

#endif
