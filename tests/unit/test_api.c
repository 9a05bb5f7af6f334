/* The public interface: answers, wrong arguments, memory that fails, limits, no allocation in runs.
 */
#define _POSIX_C_SOURCE 200809L
#include "infer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "models.h"

static const float row[3] = {1.5f, -2, 0.25f};

/* The products of `row`, in double, worked out here from the formula. */
static double product(int output) {
    double z = model_intercepts[output];
    for (int i = 0; i < 3; i++)
        z += model_coefficients[3 * output + i] * (double)row[i];
    return z;
}

static void answers(void **state) {
    (void)state;
    float y[3];
    double x64[3] = {1.5, -2, 0.25}, y64[3];
    infer_model *m = make_model(MODEL_REGRESSION);
    assert_int_equal(infer_predict(m, row, 3, y, 1), INFER_OK);
    assert_float_equal(y[0], product(0), 1e-6);
    assert_int_equal(infer_predict_f64(m, x64, 3, y64, 1), INFER_OK);
    assert_true(fabs(y64[0] - product(0)) < 1e-15);
    infer_free(m);

    m = make_model(MODEL_BINARY);
    double p = 1 / (1 + exp(-product(0)));
    assert_int_equal(infer_predict(m, row, 3, y, 2), INFER_OK);
    assert_float_equal(y[1], p, 1e-6);
    assert_float_equal(y[0], 1 - p, 1e-6);
    assert_int_equal(infer_predict_f64(m, x64, 3, y64, 2), INFER_OK);
    assert_true(fabs(y64[1] - p) < 1e-15);
    infer_free(m);

    m = make_model(MODEL_SOFTMAX_STRINGS);
    double sum = exp(product(0)) + exp(product(1)) + exp(product(2));
    assert_int_equal(infer_predict(m, row, 3, y, 3), INFER_OK);
    for (int i = 0; i < 3; i++)
        assert_float_equal(y[i], exp(product(i)) / sum, 1e-6);
    infer_free(m);

    m = make_model(MODEL_EXP);
    assert_int_equal(infer_predict(m, row, 3, y, 1), INFER_OK);
    assert_float_equal(y[0], exp(product(0)), 1e-6);
    infer_free(m);
}

static void several_rows(void **state) {
    (void)state;
    infer_model *m = make_model(MODEL_BINARY);
    float x[6] = {row[0], row[1], row[2], 0, 0, 0}, y[4];
    assert_int_equal(infer_predict(m, x, 6, y, 4), INFER_OK);
    assert_float_equal(y[3], 1 / (1 + exp(-model_intercepts[0])), 1e-6);
    infer_free(m);
}

static void labels_by_name(void **state) {
    (void)state;
    infer_model *m = make_model(MODEL_SOFTMAX_STRINGS);
    infer_context *c;
    assert_int_equal(infer_context_new(m, &c), INFER_OK);
    int64_t shape[2] = {1, 3};
    infer_value in = {
        .type = INFER_TYPE_FLOAT, .rank = 2, .shape = shape, .data = (void *)row, .count = 3};
    infer_value out;
    assert_int_equal(infer_output(c, "label", &out), INFER_ERROR_STATE);
    assert_int_equal(infer_run(c, NULL, &in, 1, NULL, NULL, 0), INFER_OK);
    assert_int_equal(infer_output(c, "label", &out), INFER_OK);
    assert_int_equal(out.type, INFER_TYPE_STRING);
    int best = 0;
    for (int i = 1; i < 3; i++)
        best = product(i) > product(best) ? i : best;
    infer_string s = *(infer_string *)out.data;
    assert_int_equal(s.size, strlen(model_strings[best]));
    assert_memory_equal(s.data, model_strings[best], s.size);
    assert_int_equal(infer_output(c, "probabilities", &out), INFER_OK);
    assert_int_equal(out.count, 3);
    assert_int_equal(infer_output(c, "nothing", &out), INFER_ERROR_ARGUMENT);
    assert_non_null(strstr(infer_last_error(), "nothing"));
    infer_context_free(c);
    assert_string_equal(infer_model_class(m, 2), "virginica");
    assert_string_equal(infer_model_feature_name(m, 1), "petal");
    assert_null(infer_model_feature_name(m, 3));
    infer_free(m);
}

static void save_and_open(void **state) {
    (void)state;
    for (int kind = 0; kind < MODEL_KINDS; kind++) {
        char path[] = "/tmp/infer-test-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        infer_model *m = make_model(kind), *opened;
        assert_int_equal(infer_save(m, path), INFER_OK);
        assert_int_equal(infer_open(path, &opened), INFER_OK);
        assert_int_equal(infer_verify(opened), INFER_OK);
        float a[3], b[3];
        size_t n = infer_model_output_count(m);
        assert_int_equal(infer_predict(m, row, 3, a, n), INFER_OK);
        assert_int_equal(infer_predict(opened, row, 3, b, n), INFER_OK);
        assert_memory_equal(a, b, n * sizeof *a);
        infer_free(opened);
        assert_int_equal(infer_load(path, &opened), INFER_OK);
        infer_free(opened);
        infer_free(m);
        unlink(path);
    }
}

static void wrong_arguments(void **state) {
    (void)state;
    infer_model *m = make_model(MODEL_BINARY), *none = (infer_model *)1;
    float y[2];
    assert_int_equal(infer_load(NULL, &none), INFER_ERROR_ARGUMENT);
    assert_null(none);
    assert_int_equal(infer_load("/no/such/file", &none), INFER_ERROR_IO);
    assert_non_null(strstr(infer_last_error(), "/no/such/file"));
    assert_int_equal(infer_load("/tmp", &none), INFER_ERROR_IO);
    assert_int_equal(infer_load_memory("", 0, INFER_COPY, &none), INFER_ERROR_FORMAT);
    assert_int_equal(infer_predict(NULL, row, 3, y, 2), INFER_ERROR_ARGUMENT);
    assert_int_equal(infer_predict(m, NULL, 3, y, 2), INFER_ERROR_ARGUMENT);
    assert_int_equal(infer_predict(m, row, 3, NULL, 2), INFER_ERROR_ARGUMENT);
    assert_int_equal(infer_predict(m, row, 2, y, 2), INFER_ERROR_SHAPE);
    assert_int_equal(infer_predict(m, row, 3, y, 1), INFER_ERROR_SHAPE);
    assert_int_equal(infer_predict(m, row, 0, y, 0), INFER_ERROR_SHAPE);
    assert_int_equal(infer_save(m, "/no/such/folder/x"), INFER_ERROR_IO);
    assert_int_equal(infer_save(NULL, "x"), INFER_ERROR_ARGUMENT);
    infer_value_info info = {.struct_size = sizeof info};
    assert_int_equal(infer_model_input(m, 1, &info), INFER_ERROR_ARGUMENT);
    info.struct_size = 0;
    assert_int_equal(infer_model_input(m, 0, &info), INFER_ERROR_ARGUMENT);
    assert_int_equal(infer_run(NULL, NULL, NULL, 0, NULL, NULL, 0), INFER_ERROR_ARGUMENT);
    infer_free(NULL);
    infer_context_free(NULL);
    infer_options_init(NULL);
    assert_int_equal(infer_model_inputs(NULL), 0);
    assert_null(infer_model_class(NULL, 0));
    infer_options o;
    infer_options_init(&o);
    o.threads = 2000;
    assert_int_equal(infer_load_with("x", &o, &none), INFER_ERROR_ARGUMENT);
    o.threads = 1;
    o.struct_size = 0;
    assert_int_equal(infer_load_with("x", &o, &none), INFER_ERROR_ARGUMENT);
    infer_free(m);
}

static void wrong_linear_specs(void **state) {
    (void)state;
    infer_model *m;
    infer_linear_spec s = model_spec(MODEL_BINARY);
    s.class_count = 5;
    assert_int_equal(infer_linear(&s, &m), INFER_ERROR_ARGUMENT);
    s = model_spec(MODEL_REGRESSION);
    s.link = 17;
    assert_int_equal(infer_linear(&s, &m), INFER_ERROR_ARGUMENT);
    s = model_spec(MODEL_REGRESSION);
    s.feature_count = SIZE_MAX / 4;
    assert_int_equal(infer_linear(&s, &m), INFER_ERROR_ARGUMENT);
    double bad[3] = {1, INFINITY, 2};
    s = model_spec(MODEL_REGRESSION);
    s.coefficients = bad;
    assert_int_equal(infer_linear(&s, &m), INFER_ERROR_VALUE);
    assert_null(m);
}

/* ---- memory ---- */

typedef struct counter {
    size_t calls, live, fail_at; /* fail_at: number of the call that fails, 0 for none */
} counter;

static void *counting_alloc(void *user, size_t size) {
    counter *c = user;
    if (++c->calls == c->fail_at)
        return NULL;
    void *p = NULL;
    if (posix_memalign(&p, 64, size ? size : 1) != 0)
        return NULL;
    c->live++;
    return p;
}

static void counting_free(void *user, void *pointer, size_t size) {
    (void)size;
    ((counter *)user)->live--;
    free(pointer);
}

/* Opens an image, makes a context, runs it twice; returns the first failure. */
static infer_status whole_life(const void *image, size_t size, const infer_options *o,
                               counter *count, size_t *second_run) {
    infer_model *m;
    infer_status status = infer_load_memory_with(image, size, INFER_COPY, o, &m);
    if (status != INFER_OK)
        return status;
    infer_context *c = NULL;
    status = infer_context_new(m, &c);
    int64_t shape[2] = {1, 3};
    infer_value in = {
        .type = INFER_TYPE_FLOAT, .rank = 2, .shape = shape, .data = (void *)row, .count = 3};
    infer_value out[2] = {0};
    if (status == INFER_OK)
        status = infer_run(c, NULL, &in, 1, NULL, out, infer_model_outputs(m));
    size_t before = count->calls;
    memset(out, 0, sizeof out);
    if (status == INFER_OK)
        status = infer_run(c, NULL, &in, 1, NULL, out, infer_model_outputs(m));
    *second_run = count->calls - before;
    infer_context_free(c);
    infer_free(m);
    return status;
}

static void each_allocation_fails_once(void **state) {
    (void)state;
    static const char json[] = "{\"format\":\"libinfer-linear\",\"version\":1,\"coefficients\":"
                               "[[0.1,0.2,0.3]],\"intercepts\":[0.5],\"link\":\"logistic\","
                               "\"classes\":[0,1]}";
    for (int kind = -1; kind < MODEL_KINDS; kind++) {
        infer_model *m = make_model(kind < 0 ? 0 : kind);
        const void *image = json;
        size_t size = sizeof json - 1, second;
        if (kind >= 0)
            assert_int_equal(infer_model_image(m, &image, &size), INFER_OK);
        counter count = {0};
        infer_allocator a = {counting_alloc, counting_free, &count};
        infer_options o;
        infer_options_init(&o);
        o.allocator = &a;
        assert_int_equal(whole_life(image, size, &o, &count, &second), INFER_OK);
        assert_int_equal(second, 0); /* a run at known shapes allocates nothing */
        assert_int_equal(count.live, 0);
        size_t calls = count.calls;
        assert_true(calls > 3);
        for (size_t n = 1; n <= calls; n++) {
            count = (counter){.fail_at = n};
            assert_int_equal(whole_life(image, size, &o, &count, &second), INFER_ERROR_MEMORY);
            assert_int_equal(count.live, 0);
        }
        infer_free(m);
    }
}

static void memory_of_the_caller(void **state) {
    (void)state;
    infer_model *m = make_model(MODEL_SOFTMAX_STRINGS);
    size_t bytes;
    int exact;
    assert_int_equal(infer_model_memory(m, &bytes, &exact), INFER_OK);
    assert_int_equal(exact, 0);
    void *block = NULL;
    size_t room = bytes + 65536;
    assert_int_equal(posix_memalign(&block, 64, room), 0);
    infer_context *c;
    assert_int_equal(infer_context_new_in(m, block, room, &c), INFER_OK);
    int64_t shape[2] = {1, 3};
    infer_value in = {
        .type = INFER_TYPE_FLOAT, .rank = 2, .shape = shape, .data = (void *)row, .count = 3};
    for (int i = 0; i < 100; i++) {
        infer_value out = {0};
        assert_int_equal(infer_run(c, NULL, &in, 1, NULL, &out, 1), INFER_OK);
    }
    infer_context_free(c);
    for (size_t size = 0; size < bytes; size += 64) {
        infer_status status = infer_context_new_in(m, block, size, &c);
        infer_value out = {0};
        if (status == INFER_OK)
            status = infer_run(c, NULL, &in, 1, NULL, &out, 1);
        if (status != INFER_OK)
            assert_int_equal(status, INFER_ERROR_LIMIT);
        infer_context_free(c);
    }
    free(block);
    infer_free(m);
}

static void memory_limit(void **state) {
    (void)state;
    infer_model *m = make_model(MODEL_BINARY), *limited;
    const void *image;
    size_t size;
    assert_int_equal(infer_model_image(m, &image, &size), INFER_OK);
    infer_options o;
    infer_options_init(&o);
    o.memory_limit = 1000;
    assert_int_equal(infer_load_memory_with(image, size, INFER_COPY, &o, &limited), INFER_OK);
    infer_context *c;
    assert_int_equal(infer_context_new(limited, &c), INFER_ERROR_LIMIT);
    assert_null(c);
    infer_free(limited);
    infer_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(several_rows),
        cmocka_unit_test(labels_by_name),
        cmocka_unit_test(save_and_open),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(wrong_linear_specs),
        cmocka_unit_test(each_allocation_fails_once),
        cmocka_unit_test(memory_of_the_caller),
        cmocka_unit_test(memory_limit),
    };
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
