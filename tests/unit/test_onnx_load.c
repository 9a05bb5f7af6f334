/* Reading ONNX against hostile bytes: protobuf that lies, tensors in every encoding, external data
 * that wants out of its folder. */
#define _POSIX_C_SOURCE 200809L
#include "onnx_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL_TYPE &infer__onnx__model_proto__descriptor

/* ---- bytes ---- */

/* A message written from its end to its start, so that lengths are known when they are written. */
typedef struct writer {
    uint8_t *bytes;
    size_t at, size;
} writer;

static void put_varint(writer *w, uint64_t value) {
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (uint8_t)(value & 0x7f) | (value >= 0x80 ? 0x80 : 0);
    } while (value >>= 7);
    w->at -= n;
    memcpy(w->bytes + w->at, bytes, n);
}

/* Puts what was written so far, all of it, into a message field. */
static void wrap(writer *w, unsigned field) {
    put_varint(w, w->size - w->at);
    put_varint(w, field << 3 | 2);
}

static infer_status unpack_within(const void *data, size_t size, size_t limit) {
    infer_onnx_reader r;
    ProtobufCMessage *message;
    infer_onnx_reader_init(&r, &infer_libc_allocator, limit, NULL);
    infer_status status = infer_onnx_unpack(&r, MODEL_TYPE, data, size, &message);
    infer_onnx_reader_free(&r);
    return status;
}

#define BYTES(...)  (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define unpack(...) unpack_within(BYTES(__VA_ARGS__), 0)

/* The status of a graph nested `levels` messages deep below the model. */
static infer_status nested(size_t levels) {
    static const unsigned path[] = {1, 5, 6}; /* node, attribute, g */
    writer w = {.size = levels * 16};
    w.bytes = malloc(w.size);
    w.at = w.size;
    for (size_t i = levels; i-- > 0;)
        wrap(&w, i ? path[(i - 1) % 3] : 7);
    infer_status status = unpack_within(w.bytes + w.at, w.size - w.at, 0);
    free(w.bytes);
    return status;
}

static void nesting_is_bounded(void **state) {
    (void)state;
    assert_int_equal(nested(INFER_ONNX_DEPTH - 1), INFER_OK);
    assert_int_equal(nested(INFER_ONNX_DEPTH), INFER_ERROR_FORMAT);
    assert_int_equal(nested(100000), INFER_ERROR_FORMAT);
}

static void malformed_bytes(void **state) {
    (void)state;
    assert_int_equal(unpack(0x08, 0x07), INFER_OK);
    assert_int_equal(unpack(0x08), INFER_ERROR_FORMAT);       /* a number is cut off */
    assert_int_equal(unpack(0x08, 0x80), INFER_ERROR_FORMAT); /* in its middle */
    assert_int_equal(unpack(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1),
                     INFER_ERROR_FORMAT); /* eleven bytes */
    assert_int_equal(unpack(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2),
                     INFER_ERROR_FORMAT); /* 65 bits */
    assert_int_equal(unpack(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
                     INFER_OK);                                     /* -1 */
    assert_int_equal(unpack(0x3a, 0x05, 0x0a), INFER_ERROR_FORMAT); /* a length beyond the end */
    assert_int_equal(unpack(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f), INFER_ERROR_FORMAT); /* 4 GB */
    assert_int_equal(unpack(0x3a, 0x02, 0x0a, 0x01), INFER_ERROR_FORMAT); /* beyond the parent */
    assert_int_equal(unpack(0x00, 0x00), INFER_ERROR_FORMAT);             /* field number 0 */
    assert_int_equal(unpack(0x0b, 0x0c), INFER_ERROR_FORMAT);             /* groups */
    assert_int_equal(unpack(0x0e), INFER_ERROR_FORMAT);                   /* wire type 6 */
    assert_int_equal(unpack(0x38, 0x01), INFER_ERROR_FORMAT); /* the graph as a number */
    assert_int_equal(unpack(0x3a, 0x00, 0x3a, 0x00), INFER_ERROR_FORMAT);   /* two graphs */
    assert_int_equal(unpack(0x12, 0x02, 'a', 0x00), INFER_ERROR_FORMAT);    /* a zero in a text */
    assert_int_equal(unpack(0x0d, 1, 2, 3), INFER_ERROR_FORMAT);            /* fixed32 cut off */
    assert_int_equal(unpack(0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8), INFER_OK); /* unknown fixed64 */
    assert_int_equal(unpack_within(NULL, 0, 0), INFER_OK);
}

/* A million nodes of two bytes each are a hundred megabytes of messages. */
static void memory_is_bounded(void **state) {
    (void)state;
    size_t count = 1000000;
    writer w = {.size = 2 * count + 16};
    w.bytes = malloc(w.size);
    w.at = w.size;
    for (size_t i = 0; i < count; i++) {
        w.bytes[--w.at] = 0;
        w.bytes[--w.at] = 0x0a;
    }
    wrap(&w, 7);
    assert_int_equal(unpack_within(w.bytes + w.at, w.size - w.at, (size_t)32 << 20),
                     INFER_ERROR_LIMIT);
    assert_non_null(strstr(infer_last_error(), "limit"));
    assert_int_equal(unpack_within(w.bytes + w.at, w.size - w.at, 0), INFER_OK);
    free(w.bytes);
}

/* ---- long lists ---- */

#define LONG_COUNT 150000

/* A graph with a node with an attribute of two bytes an integer, then `more` as it is. */
static infer_status long_list(const uint8_t *more, size_t more_size, infer_onnx_reader *r,
                              ProtobufCMessage **message) {
    writer w = {.size = 2 * LONG_COUNT + 64};
    w.at = w.size;
    w.bytes = malloc(w.size);
    if (more_size)
        memcpy(w.bytes + (w.at -= more_size), more, more_size);
    for (size_t i = LONG_COUNT; i-- > 0;) {
        put_varint(&w, i % 100);
        put_varint(&w, 8 << 3);
    }
    memcpy(w.bytes + (w.at -= 3), "\012\001n", 3);
    wrap(&w, 5);
    memcpy(w.bytes + (w.at -= 3), "\042\001o", 3);
    wrap(&w, 1);
    wrap(&w, 7);
    infer_onnx_reader_init(r, &infer_libc_allocator, 0, NULL);
    infer_status status = infer_onnx_unpack(r, MODEL_TYPE, w.bytes + w.at, w.size - w.at, message);
    free(w.bytes);
    return status;
}

static void long_lists_are_read_ahead(void **state) {
    (void)state;
    infer_onnx_reader r;
    ProtobufCMessage *message;
    infer_attr attr = {0};
    infer_arena scratch;
    infer_arena_init(&scratch, &infer_libc_allocator, 0);
    assert_int_equal(long_list(NULL, 0, &r, &message), INFER_OK);
    const Infer__Onnx__NodeProto *n = ((const Infer__Onnx__ModelProto *)message)->graph->node[0];
    assert_string_equal(n->op_type, "o");
    assert_string_equal(n->attribute[0]->name, "n");
    assert_int_equal(n->attribute[0]->n_ints, 0);
    assert_true(n->attribute[0]->has_list);
    assert_int_equal(infer_onnx_list_attr(&r, &scratch, 0, false, &attr), INFER_OK);
    assert_int_equal(attr.type, INFER_ATTR_INTS);
    assert_int_equal(attr.count, LONG_COUNT);
    assert_int_equal(((const int64_t *)attr.data)[LONG_COUNT - 1], (LONG_COUNT - 1) % 100);
    assert_int_equal(infer_onnx_list_attr(&r, &scratch, 0, true, &attr), INFER_OK);
    assert_int_equal(attr.type, INFER_ATTR_TENSOR);
    assert_int_equal(attr.tensor.type, INFER_TYPE_UINT8);
    assert_int_equal(attr.tensor.dim[0], LONG_COUNT);
    assert_int_equal(infer_onnx_list_attr(&r, &scratch, 1, true, &attr), INFER_ERROR_FORMAT);
    infer_onnx_reader_free(&r);
    /* What is malformed or mixed goes the usual way. */
    assert_int_equal(long_list((const uint8_t[]){0x40, 0x80}, 2, &r, &message), INFER_ERROR_FORMAT);
    infer_onnx_reader_free(&r);
    assert_int_equal(long_list((const uint8_t[]){0x3d, 0, 0, 0, 0}, 5, &r, &message), INFER_OK);
    n = ((const Infer__Onnx__ModelProto *)message)->graph->node[0];
    assert_int_equal(n->attribute[0]->n_ints, LONG_COUNT);
    assert_int_equal(n->attribute[0]->n_floats, 1);
    infer_onnx_reader_free(&r);
    infer_arena_free(&scratch);
}

/* ---- tensors ---- */

typedef Infer__Onnx__TensorProto tensor_proto;
typedef Infer__Onnx__StringStringEntryProto entry_proto;

static tensor_proto make_tensor(int32_t type, int64_t *dims, size_t rank) {
    tensor_proto t = INFER__ONNX__TENSOR_PROTO__INIT;
    t.name = "t";
    t.has_data_type = 1;
    t.data_type = type;
    t.n_dims = rank;
    t.dims = dims;
    return t;
}

static void set_raw(tensor_proto *t, const void *data, size_t size) {
    t->has_raw_data = 1;
    t->raw_data = (ProtobufCBinaryData){size, (uint8_t *)data};
}

static infer_status read_tensor(infer_onnx_reader *r, const tensor_proto *t, infer_view *v) {
    infer_onnx_reader_init(r, &infer_libc_allocator, (size_t)1 << 20, NULL);
    return infer_onnx_tensor(r, t, v);
}

static void check_tensor(const tensor_proto *t, const void *expected, size_t size) {
    infer_onnx_reader r;
    infer_view v;
    assert_int_equal(read_tensor(&r, t, &v), INFER_OK);
    assert_int_equal(v.type, t->data_type);
    assert_int_equal(infer_view_bytes(&v), size);
    assert_memory_equal(v.data, expected, size);
    infer_onnx_reader_free(&r);
}

static void refuse_tensor(const tensor_proto *t, infer_status expected) {
    infer_onnx_reader r;
    infer_view v;
    assert_int_equal(read_tensor(&r, t, &v), expected);
    infer_onnx_reader_free(&r);
}

static void raw_tensors(void **state) {
    (void)state;
    static const struct {
        int32_t type;
        uint8_t size; /* of three elements */
    } types[] = {
        {INFER_TYPE_FLOAT, 12},     {INFER_TYPE_UINT8, 3},         {INFER_TYPE_INT8, 3},
        {INFER_TYPE_UINT16, 6},     {INFER_TYPE_INT16, 6},         {INFER_TYPE_INT32, 12},
        {INFER_TYPE_INT64, 24},     {INFER_TYPE_FLOAT16, 6},       {INFER_TYPE_DOUBLE, 24},
        {INFER_TYPE_UINT32, 12},    {INFER_TYPE_UINT64, 24},       {INFER_TYPE_COMPLEX64, 24},
        {INFER_TYPE_BFLOAT16, 6},   {INFER_TYPE_COMPLEX128, 48},   {INFER_TYPE_FLOAT8E4M3FN, 3},
        {INFER_TYPE_FLOAT8E8M0, 3}, {INFER_TYPE_FLOAT8E5M2FNUZ, 3}};
    uint8_t buffer[64], *odd = buffer + 1;
    int64_t dims[] = {3};
    for (size_t i = 0; i < 63; i++)
        odd[i] = (uint8_t)(17 * i + 3);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        tensor_proto t = make_tensor(types[i].type, dims, 1);
        set_raw(&t, odd, types[i].size);
        check_tensor(&t, odd, types[i].size);
        t.raw_data.len--;
        refuse_tensor(&t, INFER_ERROR_FORMAT);
        t.raw_data.len += 2;
        refuse_tensor(&t, INFER_ERROR_FORMAT);
    }
    tensor_proto t = make_tensor(INFER_TYPE_BOOL, dims, 1);
    set_raw(&t, "\0\1\1", 3);
    check_tensor(&t, "\0\1\1", 3);
    set_raw(&t, "\0\1\2", 3);
    refuse_tensor(&t, INFER_ERROR_FORMAT);
}

static void packed_tensors(void **state) {
    (void)state;
    int64_t dims[] = {5};
    static const uint8_t four[] = {0x81, 0x7f, 0x0e}, two[] = {0xe4, 0x02};
    static const int8_t int4[] = {1, -8, -1, 7, -2}, int2[] = {0, 1, -2, -1, -2};
    static const uint8_t uint4[] = {1, 8, 15, 7, 14}, uint2[] = {0, 1, 2, 3, 2};
    static const struct {
        int32_t type;
        const void *packed, *expected;
        size_t size;
    } cases[] = {{INFER_TYPE_INT4, four, int4, 3},
                 {INFER_TYPE_UINT4, four, uint4, 3},
                 {INFER_TYPE_FLOAT4E2M1, four, uint4, 3},
                 {INFER_TYPE_INT2, two, int2, 2},
                 {INFER_TYPE_UINT2, two, uint2, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t entries[3] = {0};
        tensor_proto t = make_tensor(cases[i].type, dims, 1);
        set_raw(&t, cases[i].packed, cases[i].size);
        check_tensor(&t, cases[i].expected, 5);
        t.raw_data.len = 5;
        refuse_tensor(&t, INFER_ERROR_FORMAT);
        for (size_t k = 0; k < cases[i].size; k++)
            entries[k] = ((const uint8_t *)cases[i].packed)[k];
        t = make_tensor(cases[i].type, dims, 1);
        t.int32_data = entries;
        t.n_int32_data = cases[i].size;
        check_tensor(&t, cases[i].expected, 5);
    }
}

static void typed_tensors(void **state) {
    (void)state;
    int64_t dims[] = {2};
    int32_t ints[] = {-2, 0x3c01};
    tensor_proto t = make_tensor(INFER_TYPE_INT32, dims, 1);
    t.int32_data = ints;
    t.n_int32_data = 2;
    check_tensor(&t, ints, sizeof ints);
    t.data_type = INFER_TYPE_INT8;
    check_tensor(&t, "\xfe\x01", 2);
    t.data_type = INFER_TYPE_FLOAT16;
    check_tensor(&t, "\xfe\xff\x01\x3c", 4);
    t.data_type = INFER_TYPE_BOOL;
    check_tensor(&t, "\1\1", 2);
    t.data_type = INFER_TYPE_INT64;
    refuse_tensor(&t, INFER_ERROR_FORMAT); /* the data is in a field of another type */
    t.n_int32_data = 1;
    t.data_type = INFER_TYPE_INT32;
    refuse_tensor(&t, INFER_ERROR_FORMAT);

    float floats[] = {1, 2, 3, 4};
    t = make_tensor(INFER_TYPE_COMPLEX64, dims, 1);
    t.float_data = floats;
    t.n_float_data = 4;
    check_tensor(&t, floats, sizeof floats);
    t.data_type = INFER_TYPE_FLOAT;
    refuse_tensor(&t, INFER_ERROR_FORMAT);

    double doubles[] = {1, 2, 3, 4};
    t = make_tensor(INFER_TYPE_COMPLEX128, dims, 1);
    t.double_data = doubles;
    t.n_double_data = 4;
    check_tensor(&t, doubles, sizeof doubles);

    uint64_t longs[] = {1, UINT32_MAX};
    t = make_tensor(INFER_TYPE_UINT32, dims, 1);
    t.uint64_data = longs;
    t.n_uint64_data = 2;
    check_tensor(&t, "\1\0\0\0\xff\xff\xff\xff", 8);
    t.data_type = INFER_TYPE_UINT64;
    check_tensor(&t, longs, sizeof longs);

    int64_t wide[] = {INT64_MIN, 7};
    t = make_tensor(INFER_TYPE_INT64, dims, 1);
    t.int64_data = wide;
    t.n_int64_data = 2;
    check_tensor(&t, wide, sizeof wide);
    set_raw(&t, "", 0); /* an empty field that a writer left behind */
    check_tensor(&t, wide, sizeof wide);
}

static void string_tensors(void **state) {
    (void)state;
    int64_t dims[] = {2};
    ProtobufCBinaryData texts[] = {{3, (uint8_t *)"a\0b"}, {0, NULL}};
    tensor_proto t = make_tensor(INFER_TYPE_STRING, dims, 1);
    t.string_data = texts;
    t.n_string_data = 2;
    infer_onnx_reader r;
    infer_view v;
    assert_int_equal(read_tensor(&r, &t, &v), INFER_OK);
    const infer_string *s = v.data;
    assert_int_equal(s[0].size, 3);
    assert_memory_equal(s[0].data, "a\0b", 3);
    assert_int_equal(s[1].size, 0);
    infer_onnx_reader_free(&r);
    t.n_string_data = 1;
    refuse_tensor(&t, INFER_ERROR_FORMAT);
    t.n_string_data = 2;
    t.data_location = 1;
    refuse_tensor(&t, INFER_ERROR_FORMAT);
}

static void odd_shapes(void **state) {
    (void)state;
    int64_t dims[INFER_MAX_RANK + 1] = {0};
    float one[] = {1};
    tensor_proto t = make_tensor(INFER_TYPE_FLOAT, dims, 1);
    check_tensor(&t, one, 0); /* nothing at all */
    t.n_dims = 0;
    t.float_data = one;
    t.n_float_data = 1;
    check_tensor(&t, one, sizeof one); /* a scalar */
    infer_onnx_reader r;
    infer_view v;
    t.n_dims = INFER_MAX_RANK + 1;
    refuse_tensor(&t, INFER_ERROR_UNSUPPORTED);
    t.n_dims = 1;
    dims[0] = -1;
    assert_int_not_equal(read_tensor(&r, &t, &v), INFER_OK);
    infer_onnx_reader_free(&r);
    t.n_dims = 4;
    dims[0] = dims[1] = dims[2] = dims[3] = INT64_C(1) << 31;
    assert_int_not_equal(read_tensor(&r, &t, &v), INFER_OK);
    infer_onnx_reader_free(&r);
    t.n_dims = 0;
    t.data_type = 27;
    refuse_tensor(&t, INFER_ERROR_UNSUPPORTED);
    t.data_type = -1;
    refuse_tensor(&t, INFER_ERROR_UNSUPPORTED);
    t.data_type = 257; /* 1 in eight bits */
    refuse_tensor(&t, INFER_ERROR_UNSUPPORTED);
    t.data_type = INFER_TYPE_FLOAT;
    t.data_location = 2;
    refuse_tensor(&t, INFER_ERROR_FORMAT);
    t.data_location = 0;
    Infer__Onnx__TensorProto__Segment segment = INFER__ONNX__TENSOR_PROTO__SEGMENT__INIT;
    t.segment = &segment;
    refuse_tensor(&t, INFER_ERROR_UNSUPPORTED);
}

static infer_status read_sparse(const int64_t *indices, int64_t rank, const float *expected,
                                int64_t rows) {
    float data[] = {5, 6};
    int64_t values_dims[] = {2}, index_dims[] = {2, 2}, dims[] = {rows, 3};
    tensor_proto values = make_tensor(INFER_TYPE_FLOAT, values_dims, 1);
    tensor_proto index = make_tensor(INFER_TYPE_INT64, index_dims, (size_t)rank);
    Infer__Onnx__SparseTensorProto s = INFER__ONNX__SPARSE_TENSOR_PROTO__INIT;
    set_raw(&values, data, sizeof data);
    set_raw(&index, indices, sizeof *indices * 2 * (size_t)rank);
    s.values = &values;
    s.indices = &index;
    s.dims = dims;
    s.n_dims = 2;
    infer_onnx_reader r;
    infer_view v;
    infer_onnx_reader_init(&r, &infer_libc_allocator, (size_t)1 << 20, NULL);
    infer_status status = infer_onnx_sparse(&r, &s, &v);
    if (status == INFER_OK)
        assert_memory_equal(v.data, expected, 6 * sizeof(float));
    infer_onnx_reader_free(&r);
    return status;
}

static void sparse_tensors(void **state) {
    (void)state;
    static const float expected[] = {0, 5, 0, 0, 0, 6};
    int64_t linear[] = {1, 5}, places[] = {0, 1, 1, 2};
    assert_int_equal(read_sparse(linear, 1, expected, 2), INFER_OK);
    assert_int_equal(read_sparse(places, 2, expected, 2), INFER_OK);
    assert_int_equal(read_sparse(linear, 1, expected, INT64_C(1) << 40), INFER_ERROR_LIMIT);
    linear[1] = 6;
    assert_int_equal(read_sparse(linear, 1, NULL, 2), INFER_ERROR_FORMAT);
    linear[1] = -1;
    assert_int_equal(read_sparse(linear, 1, NULL, 2), INFER_ERROR_FORMAT);
    places[3] = 3;
    assert_int_equal(read_sparse(places, 2, NULL, 2), INFER_ERROR_FORMAT);
    places[2] = -1;
    assert_int_equal(read_sparse(places, 2, NULL, 2), INFER_ERROR_FORMAT);
}

/* ---- external data ---- */

static char folder[] = "/tmp/infer-external-XXXXXX";

static char *in_folder(const char *name) {
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static const float weights[] = {1.5f, -2, 3, 4};

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    mkdir(in_folder("model"), 0700);
    mkdir(in_folder("model/sub"), 0700);
    mkdir(in_folder("beside"), 0700);
    write_file(in_folder("model/w"), weights, sizeof weights);
    write_file(in_folder("model/sub/w"), weights, sizeof weights);
    write_file(in_folder("model/twice"), weights, sizeof weights);
    write_file(in_folder("model/empty"), weights, 0);
    write_file(in_folder("beside/w"), weights, sizeof weights);
    return symlink("w", in_folder("model/link")) || symlink("../beside", in_folder("model/out")) ||
           link(in_folder("model/twice"), in_folder("beside/twice")) ||
           mkfifo(in_folder("model/fifo"), 0600);
}

static int remove_folder(void **state) {
    (void)state;
    static const char *const names[] = {"model/w",     "model/sub/w",  "model/twice",
                                        "model/empty", "beside/w",     "model/link",
                                        "model/out",   "beside/twice", "model/fifo"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    rmdir(in_folder("model/sub"));
    rmdir(in_folder("model"));
    rmdir(in_folder("beside"));
    return rmdir(folder);
}

/* Two floats from a file, with offset and length unless they are NULL. */
static infer_status read_external(const char *path, const char *location, const char *offset,
                                  const char *length, const float *expected) {
    entry_proto entries[4] = {
        INFER__ONNX__STRING_STRING_ENTRY_PROTO__INIT, INFER__ONNX__STRING_STRING_ENTRY_PROTO__INIT,
        INFER__ONNX__STRING_STRING_ENTRY_PROTO__INIT, INFER__ONNX__STRING_STRING_ENTRY_PROTO__INIT};
    const char *const keys[] = {"location", "checksum", "offset", "length"};
    const char *const values[] = {location, "00", offset, length};
    entry_proto *list[4];
    int64_t dims[] = {2};
    tensor_proto t = make_tensor(INFER_TYPE_FLOAT, dims, 1);
    t.external_data = list;
    t.data_location = 1;
    for (int i = 0; i < 4; i++)
        if (values[i]) {
            entries[i].key = (char *)keys[i];
            entries[i].value = (char *)values[i];
            list[t.n_external_data++] = &entries[i];
        }
    infer_onnx_reader r;
    infer_view v;
    infer_onnx_reader_init(&r, &infer_libc_allocator, 0, path);
    infer_status status = infer_onnx_tensor(&r, &t, &v);
    if (status == INFER_OK) {
        assert_memory_equal(v.data, expected, 2 * sizeof(float));
        assert_int_equal(infer_onnx_tensor(&r, &t, &v), INFER_OK); /* from the same map */
    }
    infer_onnx_reader_free(&r);
    return status;
}

static void external_data(void **state) {
    (void)state;
    const char *path = in_folder("model/model.onnx");
    char absolute[256];
    snprintf(absolute, sizeof absolute, "%s/model/w", folder);
#define READ(location, offset, length) read_external(path, location, offset, length, weights)
    assert_int_equal(READ("w", NULL, NULL), INFER_OK);
    assert_int_equal(READ("./w", "0", "8"), INFER_OK);
    assert_int_equal(READ("sub//w", "0", "8"), INFER_OK);
    assert_int_equal(read_external(path, "w", "8", NULL, weights + 2), INFER_OK);
    float odd[2];
    memcpy(odd, (const char *)weights + 3, sizeof odd);
    assert_int_equal(read_external(path, "w", "3", NULL, odd), INFER_OK);

    assert_int_equal(READ("w", "9", NULL), INFER_ERROR_FORMAT); /* beyond the end */
    assert_int_equal(READ("w", "18446744073709551615", NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ("w", "18446744073709551616", NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ("w", "-1", NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ("w", "", NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ("w", NULL, "12"), INFER_ERROR_FORMAT);
    assert_int_equal(READ("empty", NULL, NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ(NULL, NULL, NULL), INFER_ERROR_FORMAT);

    assert_int_equal(READ("", NULL, NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ(absolute, NULL, NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ("../beside/w", NULL, NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ("sub/../w", NULL, NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ("sub/..", NULL, NULL), INFER_ERROR_FORMAT);
    assert_int_equal(READ("link", NULL, NULL), INFER_ERROR_IO);
    assert_int_equal(READ("out/w", NULL, NULL), INFER_ERROR_IO);
    assert_int_equal(READ("twice", NULL, NULL), INFER_ERROR_IO); /* a hard link */
    assert_int_equal(READ("fifo", NULL, NULL), INFER_ERROR_IO);
    assert_int_equal(READ("sub", NULL, NULL), INFER_ERROR_IO);
    assert_int_equal(READ(".", NULL, NULL), INFER_ERROR_IO);
    assert_int_equal(READ("w/w", NULL, NULL), INFER_ERROR_IO);
    assert_int_equal(READ("missing", NULL, NULL), INFER_ERROR_IO);
    assert_int_equal(read_external(NULL, "w", NULL, NULL, NULL), INFER_ERROR_UNSUPPORTED);
#undef READ
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(malformed_bytes),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(long_lists_are_read_ahead),
        cmocka_unit_test(raw_tensors),
        cmocka_unit_test(packed_tensors),
        cmocka_unit_test(typed_tensors),
        cmocka_unit_test(string_tensors),
        cmocka_unit_test(odd_shapes),
        cmocka_unit_test(sparse_tensors),
        cmocka_unit_test_setup_teardown(external_data, make_folder, remove_folder),
    };
    return cmocka_run_group_tests_name("onnx_load", tests, NULL, NULL);
}
