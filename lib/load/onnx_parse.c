/* Parsing ONNX protobuf from untrusted bytes: a scan that bounds nesting and lengths, then
 * protobuf-c with an allocator that counts. */
#include "checked.h"
#include "onnx_cut.h"
#include "status.h"

#include <limits.h>
#include <string.h>

/* ---- memory ---- */

/* Stands right before every piece, because protobuf-c frees without saying what. A large piece has
 * a whole alignment unit before it. */
typedef struct piece_tag {
    size_t size;     /* of the piece with what stands before it */
    size_t reserved; /* keeps the piece aligned to 16 bytes */
} piece_tag;

void infer_onnx_reader_init(infer_onnx_reader *r, const infer_allocator *a, size_t limit,
                            const char *path) {
    *r = (infer_onnx_reader){.path = path};
    infer_arena_init(&r->arena, a, limit);
}

void infer_onnx_reader_free(infer_onnx_reader *r) {
    infer_onnx_unmap(r);
    infer_arena_free(&r->arena);
}

void *infer_onnx_alloc(infer_onnx_reader *r, size_t size) {
    size_t before = size < INFER_LARGE ? sizeof(piece_tag) : INFER_ALIGN, whole;
    char *piece = NULL;
    if (!infer_add(size, before, &whole))
        infer_fail(INFER_ERROR_MEMORY, "a piece of %zu bytes does not fit memory", size);
    else
        piece = infer_arena_block(&r->arena, whole);
    if (!piece) {
        r->refused = r->arena.refused ? INFER_ERROR_LIMIT : INFER_ERROR_MEMORY;
        return NULL;
    }
    piece_tag *tag = (piece_tag *)(void *)(piece + before) - 1;
    *tag = (piece_tag){whole, 0};
    return tag + 1;
}

void infer_onnx_release(infer_onnx_reader *r, void *pointer) {
    if (!pointer)
        return;
    size_t whole = ((piece_tag *)pointer - 1)->size;
    size_t before = whole < INFER_LARGE + INFER_ALIGN ? sizeof(piece_tag) : INFER_ALIGN;
    infer_arena_release(&r->arena, (char *)pointer - before, whole);
}

static void *protobuf_alloc(void *reader, size_t size) {
    return infer_onnx_alloc(reader, size);
}

static void protobuf_free(void *reader, void *pointer) {
    infer_onnx_release(reader, pointer);
}

/* ---- the scan ---- */

typedef struct scan_level {
    const uint8_t *end;
    const ProtobufCMessageDescriptor *type;
    uint64_t seen; /* singular message fields that were there, one bit a field */
} scan_level;

typedef struct scan {
    const uint8_t *start, *at;
    scan_level levels[INFER_ONNX_DEPTH];
    size_t depth;
    infer_onnx_reader *reader;
    infer_onnx_cut **cuts; /* where the next one goes */
    const uint8_t *field;  /* where the field begins */
} scan;

static infer_status malformed(const scan *s, const char *why) {
    return infer_fail(INFER_ERROR_FORMAT, "the protobuf is malformed at byte %zu: %s",
                      (size_t)(s->at - s->start), why);
}

/* A varint of at most `bits` bits. */
static bool read_varint(scan *s, const uint8_t *end, unsigned bits, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < bits && s->at < end; shift += 7) {
        uint8_t byte = *s->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return bits - shift >= 7 || byte >> (bits - shift) == 0;
    }
    return false;
}

static infer_status skip(scan *s, const uint8_t *end, size_t size) {
    if (size > (size_t)(end - s->at))
        return malformed(s, "a field ends after the message around it");
    s->at += size;
    return INFER_OK;
}

static infer_status enter(scan *s, const ProtobufCMessageDescriptor *type, const uint8_t *end) {
    if (s->depth == INFER_ONNX_DEPTH)
        return malformed(s, "messages are nested too deeply");
    s->levels[s->depth++] = (scan_level){end, type, 0};
    return INFER_OK;
}

/* protobuf-c merges messages that are given twice, again and again copying lists; no writer of ONNX
 * needs that, so it is refused. */
static bool is_first(scan_level *level, const ProtobufCFieldDescriptor *field) {
    size_t index = (size_t)(field - level->type->fields);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return true;
    bool first = !(level->seen >> index & 1);
    level->seen |= UINT64_C(1) << index;
    return first;
}

static infer_status put_cut(scan *s, infer_onnx_cut cut) {
    infer_onnx_cut *kept = infer_arena_array(&s->reader->arena, 1, sizeof *kept);
    if (!kept || s->reader->cut_count == UINT32_MAX)
        return s->reader->arena.refused ? INFER_ERROR_LIMIT : INFER_ERROR_MEMORY;
    *kept = cut;
    *s->cuts = kept;
    s->cuts = &kept->next;
    s->reader->cut_count++;
    return INFER_OK;
}

#define RAW_DATA 9 /* of TensorProto */

/* Raw data of a graph's or an attribute's tensor. */
static bool is_raw(const scan *s, const scan_level *level, uint64_t number, uint64_t size) {
    if (level->type != &infer__onnx__tensor_proto__descriptor || number != RAW_DATA ||
        size < INFER_ONNX_CUT || s->depth < 2)
        return false;
    const ProtobufCMessageDescriptor *around = s->levels[s->depth - 2].type;
    return around == &infer__onnx__graph_proto__descriptor ||
           around == &infer__onnx__attribute_proto__descriptor;
}

static infer_status scan_length_prefixed(scan *s, scan_level *level, uint64_t number) {
    uint64_t size;
    if (!read_varint(s, level->end, 31, &size))
        return malformed(s, "a length is malformed");
    const uint8_t *data = s->at;
    const ProtobufCFieldDescriptor *field = NULL;
    for (unsigned i = 0; i < level->type->n_fields; i++)
        if (level->type->fields[i].id == number)
            field = &level->type->fields[i];
    bool message = field && field->type == PROTOBUF_C_TYPE_MESSAGE;
    INFER_TRY(skip(s, level->end, (size_t)size));
    if (field && field->type == PROTOBUF_C_TYPE_STRING && memchr(data, 0, (size_t)size))
        return malformed(s, "a text holds a zero byte");
    if (is_raw(s, level, number, size))
        return put_cut(s, (infer_onnx_cut){s->field, s->at, .data = data, .size = (size_t)size});
    if (!message)
        return INFER_OK;
    const uint8_t *end = s->at;
    infer_onnx_list list;
    if (field->descriptor == &infer__onnx__attribute_proto__descriptor && size >= INFER_ONNX_CUT &&
        infer_onnx_is_list(data, end, &list))
        return put_cut(s, (infer_onnx_cut){list.start, list.end, .list = list}); /* passed over */
    s->at = data;
    if (!is_first(level, field))
        return malformed(s, "a message that may be there once is there twice");
    return enter(s, field->descriptor, end);
}

static infer_status scan_field(scan *s) {
    scan_level *level = &s->levels[s->depth - 1];
    uint64_t tag, number;
    s->field = s->at;
    if (!read_varint(s, level->end, 32, &tag) || tag >> 3 == 0)
        return malformed(s, "a field has no valid number");
    switch (tag & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return read_varint(s, level->end, 64, &number) ? INFER_OK
                                                       : malformed(s, "a number is malformed");
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return skip(s, level->end, 8);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return skip(s, level->end, 4);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return scan_length_prefixed(s, level, tag >> 3);
    default:
        return malformed(s, "a field has no valid wire type");
    }
}

static infer_status scan_message(infer_onnx_reader *r, const ProtobufCMessageDescriptor *type,
                                 const uint8_t *data, size_t size) {
    scan s;
    s.start = s.at = data;
    s.depth = 0;
    s.reader = r;
    s.cuts = &r->cuts;
    r->cuts = NULL;
    r->cut_count = 0;
    INFER_TRY(enter(&s, type, data + size));
    while (s.depth) {
        if (s.at == s.levels[s.depth - 1].end)
            s.depth--;
        else
            INFER_TRY(scan_field(&s));
    }
    return INFER_OK;
}

infer_status infer_onnx_unpack(infer_onnx_reader *r, const ProtobufCMessageDescriptor *type,
                               const void *data, size_t size, ProtobufCMessage **message) {
    static const uint8_t nothing[1];
    if (!data || !size) {
        data = nothing;
        size = 0;
    }
    void *rest = NULL;
    INFER_TRY(scan_message(r, type, data, size));
    if (r->cuts) {
        INFER_TRY(infer_onnx_cut_out(r, data, size, &rest, &size));
        data = rest;
    }
    ProtobufCAllocator allocator = {protobuf_alloc, protobuf_free, r};
    r->refused = INFER_OK;
    *message = protobuf_c_message_unpack(type, &allocator, size, data);
    infer_onnx_release(r, rest);
    if (*message)
        return INFER_OK;
    if (r->refused != INFER_OK)
        return r->refused;
    return infer_fail(INFER_ERROR_FORMAT,
                      "the protobuf is malformed: a %s has a field of a wrong "
                      "kind",
                      type->short_name);
}
