/* Small ONNX models for tests: a writer of the wire format, and models that bring many paths of the
 * library together. Written by hand, so that the tests do not read with the code they check. */
#ifndef INFER_TESTS_ONNX_MODELS_H
#define INFER_TESTS_ONNX_MODELS_H

#include "infer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the wire format ---- */

typedef struct wire {
    char *data;
    size_t size, room;
} wire;

static inline void wire_bytes(wire *w, const void *data, size_t size) {
    if (w->size + size > w->room) {
        w->room = 2 * w->room + size + 256;
        if (!(w->data = realloc(w->data, w->room)))
            exit(2);
    }
    if (size)
        memcpy(w->data + w->size, data, size);
    w->size += size;
}

static inline void wire_varint(wire *w, uint64_t value) {
    for (; value >= 128; value >>= 7)
        wire_bytes(w, &(unsigned char){(unsigned char)(value | 128)}, 1);
    wire_bytes(w, &(unsigned char){(unsigned char)value}, 1);
}

static inline void wire_int(wire *w, unsigned field, int64_t value) {
    wire_varint(w, field << 3);
    wire_varint(w, (uint64_t)value);
}

static inline void wire_float(wire *w, unsigned field, float value) {
    wire_varint(w, field << 3 | 5);
    wire_bytes(w, &value, sizeof value);
}

static inline void wire_block(wire *w, unsigned field, const void *data, size_t size) {
    wire_varint(w, field << 3 | 2);
    wire_varint(w, size);
    wire_bytes(w, data, size);
}

static inline void wire_text(wire *w, unsigned field, const char *text) {
    wire_block(w, field, text, strlen(text));
}

/* Ends `inner`, which becomes a field of w. */
static inline void wire_nest(wire *w, unsigned field, wire *inner) {
    wire_block(w, field, inner->data, inner->size);
    free(inner->data);
    *inner = (wire){0};
}

/* ---- a model: inputs, constants, nodes with their attributes, outputs, in any order ---- */

typedef struct onnx_model {
    wire graph, node; /* the node is open while attributes may come */
} onnx_model;

static inline void onnx_end_node(onnx_model *m) {
    if (m->node.size)
        wire_nest(&m->graph, 1, &m->node);
}

#define ONNX_OPEN -1 /* an extent without a name */
#define ONNX_N    -2 /* the extent named "n" */

static inline void onnx_port(onnx_model *m, unsigned field, const char *name, int type, int rank,
                             const int64_t *dims) {
    wire shape = {0}, tensor = {0}, proto = {0}, info = {0};
    for (int i = 0; i < rank; i++) {
        wire dim = {0};
        if (dims[i] >= 0)
            wire_int(&dim, 1, dims[i]);
        else if (dims[i] == ONNX_N)
            wire_text(&dim, 2, "n");
        wire_nest(&shape, 1, &dim);
    }
    wire_int(&tensor, 1, type);
    if (rank >= 0)
        wire_nest(&tensor, 2, &shape);
    wire_nest(&proto, 1, &tensor);
    wire_text(&info, 1, name);
    wire_nest(&info, 2, &proto);
    wire_nest(&m->graph, field, &info);
}

#define ONNX_DIMS(...)                                                                             \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) {                 \
        __VA_ARGS__                                                                                \
    }

/* onnx_input(m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 3)); rank -1 with NULL: unknown. */
static inline void onnx_input(onnx_model *m, const char *name, int type, int rank,
                              const int64_t *dims) {
    onnx_port(m, 11, name, type, rank, dims);
}

static inline void onnx_output(onnx_model *m, const char *name, int type, int rank,
                               const int64_t *dims) {
    onnx_port(m, 12, name, type, rank, dims);
}

/* An output seq(map(key type, float)). */
static inline void onnx_zipmap_output(onnx_model *m, const char *name, int key_type) {
    wire tensor = {0}, value = {0}, map = {0}, member = {0}, sequence = {0}, proto = {0},
         info = {0};
    wire_int(&tensor, 1, INFER_TYPE_FLOAT);
    wire_nest(&tensor, 2, &(wire){0});
    wire_nest(&value, 1, &tensor);
    wire_int(&map, 1, key_type);
    wire_nest(&map, 2, &value);
    wire_nest(&member, 5, &map);
    wire_nest(&sequence, 1, &member);
    wire_nest(&proto, 4, &sequence);
    wire_text(&info, 1, name);
    wire_nest(&info, 2, &proto);
    wire_nest(&m->graph, 12, &info);
}

/* An initializer: `elements` are the elements' bytes, or const char *[] for strings. */
static inline void onnx_constant(onnx_model *m, const char *name, int type, const void *elements,
                                 int rank, const int64_t *dims) {
    wire tensor = {0};
    size_t count = 1;
    for (int i = 0; i < rank; i++) {
        wire_int(&tensor, 1, dims[i]);
        count *= (size_t)dims[i];
    }
    wire_int(&tensor, 2, type);
    if (type == INFER_TYPE_STRING)
        for (size_t i = 0; i < count; i++)
            wire_text(&tensor, 6, ((const char *const *)elements)[i]);
    else
        wire_block(&tensor, 9, elements, count * infer_type_size((infer_type)type));
    wire_text(&tensor, 8, name);
    wire_nest(&m->graph, 5, &tensor);
}

static inline void onnx_words(wire *w, unsigned field, const char *words) {
    for (size_t n; words += strspn(words, " "), (n = strcspn(words, " ")) > 0; words += n)
        wire_block(w, field, words, n);
}

/* Names stand with blanks between them; operators of ai.onnx.ml begin with "ml.". */
static inline void onnx_node(onnx_model *m, const char *op, const char *in, const char *out) {
    int ml = strncmp(op, "ml.", 3) == 0;
    onnx_end_node(m);
    onnx_words(&m->node, 1, in);
    onnx_words(&m->node, 2, out);
    wire_text(&m->node, 3, out);
    wire_text(&m->node, 4, ml ? op + 3 : op);
    if (ml)
        wire_text(&m->node, 7, "ai.onnx.ml");
}

/* Attributes of the last node. */
static inline void onnx_int(onnx_model *m, const char *name, int64_t value) {
    wire a = {0};
    wire_text(&a, 1, name);
    wire_int(&a, 3, value);
    wire_int(&a, 20, 2);
    wire_nest(&m->node, 5, &a);
}

static inline void onnx_ints(onnx_model *m, const char *name, int count, const int64_t *values) {
    wire a = {0};
    wire_text(&a, 1, name);
    for (int i = 0; i < count; i++)
        wire_int(&a, 8, values[i]);
    wire_int(&a, 20, 7);
    wire_nest(&m->node, 5, &a);
}

static inline void onnx_floats(onnx_model *m, const char *name, int count, const float *values) {
    wire a = {0};
    wire_text(&a, 1, name);
    for (int i = 0; i < count; i++)
        wire_float(&a, 7, values[i]);
    wire_int(&a, 20, 6);
    wire_nest(&m->node, 5, &a);
}

/* A body: a graph of its own, which ends. */
static inline void onnx_body(onnx_model *m, const char *name, onnx_model *body) {
    wire a = {0};
    onnx_end_node(body);
    wire_text(&body->graph, 2, name);
    wire_text(&a, 1, name);
    wire_nest(&a, 6, &body->graph);
    wire_int(&a, 20, 5);
    wire_nest(&m->node, 5, &a);
}

static inline void onnx_strings(onnx_model *m, const char *name, const char *words) {
    wire a = {0};
    wire_text(&a, 1, name);
    onnx_words(&a, 9, words);
    wire_int(&a, 20, 8);
    wire_nest(&m->node, 5, &a);
}

/* The bytes, to be freed. */
static inline void *onnx_bytes(onnx_model *m, size_t *size) {
    wire model = {0}, ai_onnx = {0}, ml = {0};
    onnx_end_node(m);
    wire_text(&m->graph, 2, "small");
    wire_int(&ai_onnx, 2, 17);
    wire_text(&ml, 1, "ai.onnx.ml");
    wire_int(&ml, 2, 3);
    wire_int(&model, 1, 8);
    wire_text(&model, 2, "a test");
    wire_nest(&model, 8, &ai_onnx);
    wire_nest(&model, 8, &ml);
    wire_nest(&model, 7, &m->graph);
    *size = model.size;
    return model.data;
}

/* ---- models ---- */

/* A classifier: x [n, 4] -> label (strings), map (ZipMap), scores [n, 3]. */
static inline void *onnx_classifier(size_t *size) {
    static const float w1[24] = {1, -1, 2, 0.5f, 3, -2, 1, 1}, b1[6] = {0.5f, -1, 0, 1, 2, -0.5f};
    static const float w2[12] = {1, 0, -1, 0.25f, -0.5f, 2, 1, 1, 0, -1, 3, 0.125f};
    static const int64_t shape[] = {0, 2, 3}, from[] = {0}, to[] = {1}, axis[] = {1};
    static const int64_t flat[] = {0, -1};
    onnx_model m = {0};
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 4));
    onnx_constant(&m, "w1", INFER_TYPE_FLOAT, w1, ONNX_DIMS(6, 4));
    onnx_constant(&m, "b1", INFER_TYPE_FLOAT, b1, ONNX_DIMS(6));
    onnx_constant(&m, "w2", INFER_TYPE_FLOAT, w2, ONNX_DIMS(4, 3));
    onnx_constant(&m, "shape", INFER_TYPE_INT64, shape, ONNX_DIMS(3));
    onnx_constant(&m, "flat", INFER_TYPE_INT64, flat, ONNX_DIMS(2));
    onnx_constant(&m, "from", INFER_TYPE_INT64, from, ONNX_DIMS(1));
    onnx_constant(&m, "to", INFER_TYPE_INT64, to, ONNX_DIMS(1));
    onnx_constant(&m, "axis", INFER_TYPE_INT64, axis, ONNX_DIMS(1));
    onnx_node(&m, "Gemm", "x w1 b1", "h");
    onnx_int(&m, "transB", 1);
    onnx_node(&m, "Relu", "h", "r");
    onnx_node(&m, "Reshape", "r shape", "r3");
    onnx_node(&m, "Slice", "r3 from to axis", "half"); /* [n, 1, 3] */
    onnx_node(&m, "Reshape", "half flat", "left");
    onnx_node(&m, "ReduceMax", "x", "top");
    onnx_ints(&m, "axes", 1, axis);
    onnx_node(&m, "Concat", "left top", "both"); /* [n, 4] */
    onnx_int(&m, "axis", 1);
    onnx_node(&m, "MatMul", "both w2", "z");
    onnx_node(&m, "Softmax", "z", "scores");
    onnx_node(&m, "ArgMax", "z", "best");
    onnx_int(&m, "axis", 1);
    onnx_int(&m, "keepdims", 0);
    onnx_node(&m, "ml.LabelEncoder", "best", "label");
    onnx_ints(&m, "keys_int64s", 3, (const int64_t[]){0, 1, 2});
    onnx_strings(&m, "values_strings", "apple pear plum");
    onnx_node(&m, "ml.ZipMap", "scores", "map");
    onnx_strings(&m, "classlabels_strings", "apple pear plum");
    onnx_output(&m, "label", INFER_TYPE_STRING, ONNX_DIMS(ONNX_N));
    onnx_zipmap_output(&m, "map", INFER_TYPE_STRING);
    onnx_output(&m, "scores", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 3));
    return onnx_bytes(&m, size);
}

/* Extents from data: x [n, ?] and the target of a Reshape, and shapes computed from shapes. */
static inline void *onnx_dynamic(size_t *size) {
    static const int64_t zero[] = {0}, two[] = {2}, rest[] = {-1};
    onnx_model m = {0};
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, ONNX_OPEN));
    onnx_input(&m, "target", INFER_TYPE_INT64, ONNX_DIMS(ONNX_OPEN));
    onnx_constant(&m, "zero", INFER_TYPE_INT64, zero, ONNX_DIMS(1));
    onnx_constant(&m, "two", INFER_TYPE_INT64, two, ONNX_DIMS(1));
    onnx_constant(&m, "rest", INFER_TYPE_INT64, rest, ONNX_DIMS(1));
    onnx_node(&m, "Shape", "x", "shape");
    onnx_node(&m, "Gather", "shape zero", "rows");
    onnx_node(&m, "Concat", "rows rest", "flat");
    onnx_int(&m, "axis", 0);
    onnx_node(&m, "Transpose", "x", "t");
    onnx_node(&m, "MatMul", "x t", "square"); /* [n, n] */
    onnx_node(&m, "Reshape", "square flat", "same");
    onnx_node(&m, "Reshape", "x target", "y"); /* known at the run only */
    onnx_node(&m, "Neg", "y", "y_neg");
    onnx_node(&m, "Slice", "y_neg zero two", "y_head");
    onnx_node(&m, "Sigmoid", "same", "s");
    onnx_node(&m, "Clip", "s", "clipped");
    onnx_node(&m, "ReduceSum", "clipped two_axes", "sum");
    onnx_int(&m, "keepdims", 0);
    onnx_constant(&m, "two_axes", INFER_TYPE_INT64, (const int64_t[]){0, 1}, ONNX_DIMS(2));
    onnx_output(&m, "y_head", INFER_TYPE_FLOAT, -1, NULL);
    onnx_output(&m, "sum", INFER_TYPE_FLOAT, 0, NULL);
    onnx_output(&m, "flat", INFER_TYPE_INT64, ONNX_DIMS(2));
    return onnx_bytes(&m, size);
}

/* Strings and integers: constants of both, gathered, compared, encoded, chosen between. */
static inline void *onnx_texts(size_t *size) {
    static const char *const words[] = {"red", "", "gr\xc3\xbcn", "blue",
                                        "a longer word than most"};
    static const char *const other[] = {"none"};
    static const int64_t codes[] = {10, 20, 30, 40, INT64_MIN};
    onnx_model m = {0};
    onnx_input(&m, "index", INFER_TYPE_INT64, ONNX_DIMS(3));
    onnx_constant(&m, "words", INFER_TYPE_STRING, words, ONNX_DIMS(5));
    onnx_constant(&m, "other", INFER_TYPE_STRING, other, ONNX_DIMS(1));
    onnx_constant(&m, "codes", INFER_TYPE_INT64, codes, ONNX_DIMS(5));
    onnx_node(&m, "Gather", "words index", "picked");
    onnx_node(&m, "Gather", "codes index", "numbers");
    onnx_node(&m, "Greater", "numbers index", "more");
    onnx_node(&m, "Where", "more picked other", "shown");
    onnx_node(&m, "ml.LabelEncoder", "shown", "code");
    onnx_strings(&m, "keys_strings", "red blue none");
    onnx_ints(&m, "values_int64s", 3, (const int64_t[]){1, 2, 3});
    onnx_int(&m, "default_int64", -5);
    onnx_node(&m, "Cast", "code", "text");
    onnx_int(&m, "to", INFER_TYPE_STRING);
    onnx_node(&m, "Add", "code numbers", "sum");
    onnx_node(&m, "Cast", "sum", "value");
    onnx_int(&m, "to", INFER_TYPE_FLOAT);
    onnx_output(&m, "shown", INFER_TYPE_STRING, ONNX_DIMS(3));
    onnx_output(&m, "text", INFER_TYPE_STRING, ONNX_DIMS(3));
    onnx_output(&m, "value", INFER_TYPE_FLOAT, ONNX_DIMS(3));
    return onnx_bytes(&m, size);
}

/* A scikit-learn classifier's shape: Scaler, LinearClassifier, ZipMap, which becomes a linear
 * model; x [n, 3] -> label (int64), map. */
static inline void *onnx_linear(size_t *size) {
    onnx_model m = {0};
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_OPEN, 3));
    onnx_node(&m, "ml.Scaler", "x", "s");
    onnx_floats(&m, "offset", 3, (const float[]){1, 2, 3});
    onnx_floats(&m, "scale", 3, (const float[]){0.5f, 2, 1});
    onnx_node(&m, "ml.LinearClassifier", "s", "label scores");
    onnx_floats(&m, "coefficients", 6, (const float[]){1, -1, 0.5f, -1, 1, -0.5f});
    onnx_floats(&m, "intercepts", 2, (const float[]){0.5f, -0.5f});
    onnx_ints(&m, "classlabels_ints", 2, (const int64_t[]){-7, 1});
    onnx_node(&m, "ml.ZipMap", "scores", "map");
    onnx_ints(&m, "classlabels_int64s", 2, (const int64_t[]){-7, 1});
    onnx_output(&m, "label", INFER_TYPE_INT64, ONNX_DIMS(ONNX_OPEN));
    onnx_zipmap_output(&m, "map", INFER_TYPE_INT64);
    return onnx_bytes(&m, size);
}

typedef void *onnx_maker(size_t *size);

static onnx_maker *const onnx_makers[] = {onnx_classifier, onnx_dynamic, onnx_texts, onnx_linear};
#define ONNX_MAKERS (sizeof onnx_makers / sizeof *onnx_makers)

/* Loads a sample, or ends the program: only for models that must load. */
static inline infer_model *onnx_sample(onnx_maker *make) {
    size_t size;
    void *bytes = make(&size);
    infer_model *m;
    if (infer_load_memory(bytes, size, INFER_COPY, &m) != INFER_OK) {
        fprintf(stderr, "a sample does not load: %s\n", infer_last_error());
        exit(2);
    }
    free(bytes);
    return m;
}

#endif
