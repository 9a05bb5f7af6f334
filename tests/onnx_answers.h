/* The samples of onnx_models.h with their answers, which onnxruntime 1.32 gave, and what tests of
 * runs expect. Include after cmocka.h. */
#ifndef INFER_TESTS_ONNX_ANSWERS_H
#define INFER_TESTS_ONNX_ANSWERS_H

#include "onnx_models.h"

#include <stdio.h>

/* ---- values ---- */

static inline infer_value floats(float *data, int rank, const int64_t *shape) {
    infer_value v = {.type = INFER_TYPE_FLOAT, .rank = (uint32_t)rank, .shape = shape, .count = 1};
    for (int i = 0; i < rank; i++)
        v.count *= (size_t)shape[i];
    v.data = data;
    return v;
}

static inline void ok(infer_status status) {
    if (status != INFER_OK)
        fail_msg("%s: %s", infer_status_name(status), infer_last_error());
}

/* The status, and a message that has each of the words in it. */
static inline void refused(infer_status status, infer_status expected, const char *first,
                           const char *second) {
    if (status != expected || !strstr(infer_last_error(), first) ||
        !strstr(infer_last_error(), second))
        fail_msg("%s: %s, without \"%s\" or \"%s\"", infer_status_name(status), infer_last_error(),
                 first, second);
}

static inline void expect_floats(const infer_value *v, const float *expected, size_t count,
                                 float error) {
    assert_int_equal(v->type, INFER_TYPE_FLOAT);
    assert_int_equal(v->count, count);
    for (size_t i = 0; i < count; i++) {
        float x = ((const float *)v->data)[i], off = x - expected[i];
        if (!(off <= error && -off <= error))
            fail_msg("element %zu is %.9g, expected %.9g", i, (double)x, (double)expected[i]);
    }
}

static inline void expect_text(const infer_value *v, size_t index, const char *expected) {
    const infer_string *s = (const infer_string *)v->data + index;
    assert_int_equal(v->type, INFER_TYPE_STRING);
    assert_true(index < v->count);
    assert_int_equal(s->size, strlen(expected));
    assert_memory_equal(s->data, expected, s->size);
}

/* ---- the classifier, with what onnxruntime 1.32 answers ---- */

#define ROWS_MOST 64

static const float answer[] = {0.008564719f,  0.9899469f,     0.001488325f,
                               1.855391e-07f, 3.0988185e-12f, 0.9999998f};

static inline float rows_of(size_t row, size_t i) {
    static const float two[] = {1, 2, 3, 4, 4, -3, 2, 1};
    return two[row % 2 * 4 + i];
}

/* Runs `rows` rows, the two known ones by turns, and looks at every output. */
static inline void classify(infer_context *c, size_t rows) {
    static float x[4 * ROWS_MOST];
    int64_t shape[] = {(int64_t)rows, 4};
    infer_value in, out[3];
    memset(out, 0, sizeof out);
    for (size_t i = 0; i < 4 * rows; i++)
        x[i] = rows_of(i / 4, i % 4);
    in = floats(x, 2, shape);
    ok(infer_run(c, NULL, &in, 1, NULL, out, 3));
    assert_int_equal(out[2].count, 3 * rows);
    assert_int_equal(out[1].count, rows);
    for (size_t r = 0; r < rows; r++) {
        infer_value row = out[2];
        row.count = 3;
        row.data = (float *)out[2].data + 3 * r;
        expect_floats(&row, answer + r % 2 * 3, 3, 1e-6f);
        expect_text(&out[0], r, r % 2 ? "plum" : "pear");
        const infer_value *map = (const infer_value *)out[1].data + r, *pair = map->data;
        assert_int_equal(map->kind, INFER_KIND_MAP);
        expect_text(&pair[0], 1, "pear");
        expect_floats(&pair[1], row.data, 3, 0);
    }
}

static inline void dynamic_run(infer_context *c, size_t rows) {
    float x[ROWS_MOST * 3], expected[6] = {0};
    int64_t shape[] = {(int64_t)rows, 3}, target[] = {3, (int64_t)rows}, two[] = {2}, *flat;
    infer_value in[2], out[3];
    memset(out, 0, sizeof out);
    for (size_t i = 0; i < 3 * rows; i++)
        x[i] = (float)i;
    in[0] = floats(x, 2, shape);
    in[1] = (infer_value){
        .type = INFER_TYPE_INT64, .rank = 1, .shape = two, .data = target, .count = 2};
    ok(infer_run(c, NULL, in, 2, NULL, out, 3));
    assert_int_equal(out[0].shape[0], 2);
    for (size_t i = 0; i < 2 * rows && i < 6; i++)
        expected[i] = -x[i];
    out[0].count = out[0].count > 6 ? 6 : out[0].count;
    expect_floats(&out[0], expected, 2 * rows > 6 ? 6 : 2 * rows, 0);
    flat = out[2].data;
    assert_int_equal(flat[0], rows);
    assert_int_equal(flat[1], -1);
    if (rows == 2)
        expect_floats(&out[1], (float[]){3.9933057f}, 1, 1e-6f);
}

static inline void texts_run(infer_context *c, size_t rows) {
    int64_t index[] = {(int64_t)(rows % 2) * 3, 2, -1}, shape[] = {3};
    infer_value in = {
        .type = INFER_TYPE_INT64, .rank = 1, .shape = shape, .data = index, .count = 3};
    infer_value out[3];
    memset(out, 0, sizeof out);
    ok(infer_run(c, NULL, &in, 1, NULL, out, 3));
    expect_text(&out[0], 0, rows % 2 ? "blue" : "red");
    expect_text(&out[0], 1, "gr\xc3\xbcn");
    expect_text(&out[0], 2, "none");
    expect_text(&out[1], 0, rows % 2 ? "2" : "1");
    expect_text(&out[1], 1, "-5");
    expect_floats(&out[2], (float[]){rows % 2 ? 42 : 11, 25, -9.223372e18f}, 3, 1e12f);
}

static inline void linear_run(infer_context *c, size_t rows) {
    static float x[3 * ROWS_MOST];
    int64_t shape[] = {(int64_t)rows, 3};
    infer_value in, out[2];
    memset(out, 0, sizeof out);
    for (size_t i = 0; i < 3 * rows; i++)
        x[i] = (float[]){1, 2, 3, 4, 3, 2}[i % 6];
    in = floats(x, 2, shape);
    ok(infer_run(c, NULL, &in, 1, NULL, out, 2));
    for (size_t r = 0; r < rows; r++) {
        const infer_value *pair = ((const infer_value *)out[1].data)[r].data;
        assert_int_equal(((const int64_t *)out[0].data)[r], r % 2 ? 1 : -7);
        float score = r % 2 ? -0.5f : 0.5f;
        expect_floats(&pair[1], (float[]){score, -score}, 2, 1e-6f);
    }
}

static const struct {
    onnx_maker *make;
    void (*run)(infer_context *c, size_t rows);
} samples[] = {{onnx_classifier, classify},
               {onnx_dynamic, dynamic_run},
               {onnx_texts, texts_run},
               {onnx_linear, linear_run}};
#define SAMPLES (sizeof samples / sizeof *samples)

#endif
