/* What callers add to models and contexts: metadata, and observers of nodes. */
#include "infer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx_models.h"

static void ok(infer_status status) {
    if (status != INFER_OK)
        fail_msg("%s", infer_last_error());
}

/* x [2] -> two nodes. */
static void *layers(size_t *size) {
    onnx_model m = {0};
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(2));
    onnx_node(&m, "Tanh", "x", "t");
    onnx_node(&m, "Exp", "t", "y");
    onnx_output(&m, "y", INFER_TYPE_FLOAT, ONNX_DIMS(2));
    return onnx_bytes(&m, size);
}

static infer_model *load(void *bytes, size_t size, const infer_options *options) {
    infer_model *m;
    ok(infer_load_memory_with(bytes, size, INFER_COPY, options, &m));
    free(bytes);
    return m;
}

static infer_status run(infer_context *c) {
    static float x[2] = {1, 2};
    static const int64_t shape[] = {2};
    infer_value in = {.type = INFER_TYPE_FLOAT, .rank = 1, .shape = shape, .data = x, .count = 2};
    infer_value out = {0};
    return infer_run(c, NULL, &in, 1, NULL, &out, 1);
}

/* Per node: how often it was told. */
static void count_node(void *counts_void, size_t node, uint64_t nanoseconds) {
    int *counts = counts_void;
    assert_true(node < 8 && nanoseconds < 10000000000u);
    counts[node]++;
}

static void observed_nodes(void **state) {
    (void)state;
    size_t size;
    int counts[8] = {0};
    void *file = layers(&size);
    infer_model *m = load(file, size, NULL);
    infer_context *c;
    ok(infer_context_new(m, &c));
    assert_int_equal(infer_context_observe(NULL, count_node, counts), INFER_ERROR_ARGUMENT);
    ok(run(c));
    ok(infer_context_observe(c, count_node, counts));
    ok(run(c));
    ok(run(c));
    ok(infer_context_observe(c, NULL, NULL));
    ok(run(c));
    assert_in_range(infer_model_nodes(m), 1, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(counts[i], i < infer_model_nodes(m) ? 2 : 0);
    /* Predictions in the context are runs as well, and give what others give. */
    const double x[2] = {1, 2};
    double y[2], same[2];
    ok(infer_context_observe(c, count_node, counts));
    ok(infer_context_predict_f64(c, x, 2, y, 2));
    ok(infer_predict_f64(m, x, 2, same, 2));
    assert_memory_equal(y, same, sizeof y);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(counts[i], i < infer_model_nodes(m) ? 3 : 0);
    assert_int_equal(infer_context_predict_f64(NULL, x, 2, y, 2), INFER_ERROR_ARGUMENT);
    assert_int_equal(infer_context_predict_f64(c, NULL, 2, y, 2), INFER_ERROR_ARGUMENT);
    assert_int_equal(infer_context_predict_f64(c, x, 3, y, 2), INFER_ERROR_SHAPE);
    assert_int_equal(infer_context_predict_f64(c, x, 2, y, 1), INFER_ERROR_SHAPE);
    infer_context_free(c);
    infer_free(m);
}

/* Entries are added, replace those of the file, and are saved with the model. */
static void given_metadata(void **state) {
    (void)state;
    size_t size;
    void *file = layers(&size);
    const infer_metadata entries[] = {{"preprocess", "{}"}, {"format", "mine"}};
    infer_options options;
    infer_options_init(&options);
    options.metadata = entries;
    options.metadata_count = 2;
    infer_model *m = load(file, size, &options);
    int found = 0;
    for (size_t i = 0; i < infer_model_metadata_count(m); i++) {
        const char *key, *value;
        ok(infer_model_metadata(m, i, &key, &value));
        for (int e = 0; e < 2; e++)
            if (strcmp(key, entries[e].key) == 0) {
                assert_string_equal(value, entries[e].value);
                found++;
            }
    }
    assert_int_equal(found, 2);
    const void *image;
    infer_model *again;
    ok(infer_model_image(m, &image, &size));
    assert_int_equal(infer_load_memory_with(image, size, INFER_COPY, &options, &again),
                     INFER_ERROR_UNSUPPORTED);
    infer_free(m);
    options.metadata = NULL;
    assert_int_equal(infer_load_memory_with("{}", 2, INFER_COPY, &options, &m),
                     INFER_ERROR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observed_nodes),
        cmocka_unit_test(given_metadata),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
