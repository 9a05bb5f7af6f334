/* The JSON form of linear models: what it computes, and what it refuses. */
#include "infer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing.h"

/* The value of a metadata entry. */
static const char *metadata(const infer_model *m, const char *wanted) {
    const char *key, *value;
    for (size_t i = 0; i < infer_model_metadata_count(m); i++)
        if (infer_model_metadata(m, i, &key, &value) == INFER_OK && strcmp(key, wanted) == 0)
            return value;
    return "";
}

#define HEAD "{\"format\":\"libinfer-linear\",\"version\":1,"

static infer_status load_json(const char *text, infer_model **m) {
    return infer_load_memory(text, strlen(text), INFER_COPY, m);
}

static void json_models(void **state) {
    (void)state;
    infer_model *m;
    double x[] = {3, -1}, y[3];
    assert_int_equal(load_json(HEAD "\"coefficients\":[2,0.5],\"intercepts\":1,\"mean\":[1,2],"
                                    "\"scale\":[4,0.5],\"metadata\":{\"k\":\"v\"}}",
                               &m),
                     INFER_OK);
    assert_int_equal(infer_predict_f64(m, x, 2, y, 1), INFER_OK);
    /* 2 (3 - 1) / 4 + 0.5 (-1 - 2) / 0.5 + 1 */
    assert_true(y[0] == -1);
    assert_string_equal(metadata(m, "k"), "v");
    assert_string_equal(metadata(m, "format"), "json");
    infer_free(m);

    assert_int_equal(load_json("\n" HEAD
                               "\"coefficients\":[[1,0],[0,1],[1,1]],\"intercepts\":[0,0,5],"
                               "\"classes\":[\"a\",\"b\",\"c\"],\"feature_names\":[\"p\",\"q\"]}",
                               &m),
                     INFER_OK);
    assert_int_equal(infer_predict_f64(m, x, 2, y, 3), INFER_OK);
    assert_true(y[0] == 3 && y[1] == -1 && y[2] == 7);
    assert_int_equal(infer_model_class_count(m), 3);
    assert_string_equal(infer_model_class(m, 1), "b");
    assert_string_equal(infer_model_feature_name(m, 1), "q");
    infer_free(m);

    assert_int_equal(
        load_json(HEAD "\"coefficients\":[[0,0]],\"link\":\"logistic\",\"classes\":[-5,7]}", &m),
        INFER_OK);
    assert_int_equal(infer_predict_f64(m, x, 2, y, 2), INFER_OK);
    assert_true(y[0] == 0.5 && y[1] == 0.5);
    assert_int_equal(infer_model_class_type(m), INFER_TYPE_INT64);
    infer_free(m);
}

static void json_errors(void **state) {
    (void)state;
    static const struct {
        const char *text, *word;
    } wrong[] = {
        {"{", "line 1"},
        {"{}", "format"},
        {"{\"format\":\"other\"}", "format"},
        {"{\"format\":\"libinfer-linear\"}", "version"},
        {HEAD "\"coefficients\":[1]", "line"},
        {HEAD "\"coefficients\":[1],\"coefficients\":[1]}", "duplicate"},
        {HEAD "\"coefficients\":[1],\"surprise\":1}", "surprise"},
        {HEAD "\"coefficients\":[NaN]}", "line"},
        {HEAD "\"coefficients\":[1e999]}", "line"},
        {HEAD "\"link\":\"identity\"}", "coefficients"},
        {HEAD "\"coefficients\":[]}", "coefficients"},
        {HEAD "\"coefficients\":[[]]}", "coefficients"},
        {HEAD "\"coefficients\":7}", "coefficients"},
        {HEAD "\"coefficients\":[[1,2],[3]]}", "row 1"},
        {HEAD "\"coefficients\":[[1,2],3]}", "row 1"},
        {HEAD "\"coefficients\":[1,[2]]}", "coefficients"},
        {HEAD "\"coefficients\":[1,\"2\"]}", "position 1"},
        {HEAD "\"coefficients\":[1],\"intercepts\":[1,2]}", "intercepts"},
        {HEAD "\"coefficients\":[1],\"intercepts\":\"1\"}", "intercepts"},
        {HEAD "\"coefficients\":[1],\"link\":\"probit\"}", "link"},
        {HEAD "\"coefficients\":[1],\"link\":1}", "link"},
        {HEAD "\"coefficients\":[1],\"scale\":[0]}", "scale"},
        {HEAD "\"coefficients\":[1],\"mean\":[0,1]}", "mean"},
        {HEAD "\"coefficients\":[1],\"classes\":[1]}", "classes"},
        {HEAD "\"coefficients\":[1],\"classes\":[1,2,3]}", "classes"},
        {HEAD "\"coefficients\":[1],\"classes\":[1,\"2\"]}", "classes"},
        {HEAD "\"coefficients\":[1],\"classes\":[\"1\",2]}", "classes"},
        {HEAD "\"coefficients\":[1],\"feature_names\":[]}", "feature_names"},
        {HEAD "\"coefficients\":[1],\"metadata\":{\"k\":1}}", "metadata"},
        {HEAD "\"coefficients\":[1],\"metadata\":[]}", "metadata"},
    };
    infer_model *m;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        infer_status status = load_json(wrong[i].text, &m);
        if (status != INFER_ERROR_FORMAT || !strstr(infer_last_error(), wrong[i].word))
            fail_msg("%s: %s %s", wrong[i].text, infer_status_name(status), infer_last_error());
    }
    assert_int_equal(load_json("{\"format\":\"libinfer-linear\",\"version\":2}", &m),
                     INFER_ERROR_UNSUPPORTED);
    assert_int_equal(load_json(HEAD "\"coefficients\":[1e300],\"scale\":[1e-300]}", &m),
                     INFER_ERROR_VALUE);
}

static void json_limits(void **state) {
    (void)state;
    static const char text[] = HEAD "\"coefficients\":[1,2],\"classes\":[\"a\",\"b\"]}";
    infer_options options;
    infer_model *m;
    infer_options_init(&options);
    options.load_limit = 512;
    assert_int_equal(infer_load_memory_with(text, sizeof text - 1, INFER_COPY, &options, &m),
                     INFER_ERROR_LIMIT);
    failing_allocations(text, sizeof text - 1);
    /* A hundred thousand arrays in one another. */
    size_t size = 100000;
    char *deep = malloc(size);
    memset(deep, '[', size);
    memcpy(deep, HEAD "\"coefficients\":", sizeof HEAD + 14);
    assert_int_equal(infer_load_memory(deep, size, INFER_COPY, &m), INFER_ERROR_FORMAT);
    free(deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_models),
        cmocka_unit_test(json_errors),
        cmocka_unit_test(json_limits),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
