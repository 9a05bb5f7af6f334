/* Long lists of attributes and raw data of tensors stay in the file: protobuf-c would copy them,
 * make eight bytes of each small integer and a block of memory of each string. It gets a message in
 * which their numbers stand in their place. */
#include "onnx_cut.h"

#include "checked.h"
#include "onnx_list.h"
#include "onnx_wire.h"
#include "status.h"

#include <string.h>

#define FIELD_NUMBER 100000 /* AttributeProto.list and TensorProto.raw of onnx.proto */

typedef struct rest {
    uint8_t *at;
    const infer_onnx_cut *next; /* the first that is not passed */
    uint32_t number;            /* its number */
} rest;

#define LENGTH 5 /* bytes of a varint that is a length of up to 31 bits, with or without need */

static void put_varint(uint8_t *to, uint64_t value) {
    for (int i = 0; i < LENGTH; i++, value >>= 7)
        to[i] = (uint8_t)(value & 0x7f) | (i < LENGTH - 1 ? 0x80 : 0);
}

static void copy_bytes(rest *w, const uint8_t *from, const uint8_t *end) {
    memcpy(w->at, from, (size_t)(end - from));
    w->at += end - from;
}

/* Copies a message whose fields were scanned, with a number in the place of what is cut out; it
 * goes down only towards that. */
static void write_message(rest *w, const uint8_t *start, const uint8_t *end) {
    infer_onnx_cursor c = {start, end};
    infer_onnx_field f;
    while (c.at < c.end && infer_onnx_read_field(&c, &f)) {
        if (!w->next || w->next->start >= c.at) {
            copy_bytes(w, f.start, c.at);
        } else if (w->next->start == f.start) {
            c.at = w->next->end;
            put_varint(w->at, FIELD_NUMBER << 3 | PROTOBUF_C_WIRE_TYPE_VARINT);
            put_varint(w->at + LENGTH, w->number++);
            w->at += 2 * LENGTH;
            w->next = w->next->next;
        } else {
            uint64_t tag;
            infer_onnx_cursor tag_end = {f.start, f.data};
            infer_onnx_read_varint(&tag_end, &tag);
            copy_bytes(w, f.start, tag_end.at);
            uint8_t *length = w->at;
            w->at += LENGTH;
            write_message(w, f.data, c.at);
            put_varint(length, (uint64_t)(w->at - length - LENGTH));
        }
    }
}

static infer_status number_cuts(infer_onnx_reader *r) {
    uint32_t i = 0;
    r->numbered = infer_arena_array(&r->arena, r->cut_count, sizeof *r->numbered);
    if (!r->numbered)
        return r->arena.refused ? INFER_ERROR_LIMIT : INFER_ERROR_MEMORY;
    for (infer_onnx_cut *cut = r->cuts; cut; cut = cut->next)
        r->numbered[i++] = cut;
    return INFER_OK;
}

infer_status infer_onnx_cut_out(infer_onnx_reader *r, const void *data, size_t size,
                                void **rest_data, size_t *rest_size) {
    size_t room = size, more = (INFER_ONNX_DEPTH + (size_t)2) * LENGTH;
    INFER_TRY(number_cuts(r));
    for (infer_onnx_cut *cut = r->cuts; cut; cut = cut->next) {
        room -= (size_t)(cut->end - cut->start);
        if (!infer_add(room, more, &room))
            return infer_fail(INFER_ERROR_MEMORY, "the message does not fit memory");
        if (!cut->data)
            INFER_TRY(infer_onnx_read_list(r, &cut->list));
    }
    rest w = {infer_onnx_alloc(r, room), r->cuts, 0};
    if (!w.at)
        return r->refused;
    *rest_data = w.at;
    write_message(&w, data, (const uint8_t *)data + size);
    *rest_size = (size_t)(w.at - (uint8_t *)*rest_data);
    return INFER_OK;
}

const infer_onnx_cut *infer_onnx_cut_at(const infer_onnx_reader *r, uint32_t number, bool raw) {
    if (number < r->cut_count && (r->numbered[number]->data != NULL) == raw)
        return r->numbered[number];
    infer_fail(INFER_ERROR_FORMAT, "it names a list that is not there");
    return NULL;
}
