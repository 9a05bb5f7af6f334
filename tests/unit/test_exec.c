/* Contexts and runs: what is allocated when, memory of the caller, limits, values that share
 * memory, names, and what wrong inputs are told. */
#include "infer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "counting.h"
#include "onnx_answers.h"

/* ---- models ---- */

static infer_model *load_with(void *bytes, size_t size, const infer_options *options) {
    infer_model *m;
    if (infer_load_memory_with(bytes, size, INFER_COPY, options, &m) != INFER_OK)
        fail_msg("%s", infer_last_error());
    free(bytes);
    return m;
}

static infer_model *load(void *bytes, size_t size) {
    return load_with(bytes, size, NULL);
}

static infer_context *open_context(infer_model *m) {
    infer_context *c;
    if (infer_context_new(m, &c) != INFER_OK)
        fail_msg("%s", infer_last_error());
    return c;
}

/* ---- allocation ---- */

static const size_t walk[] = {2, 40, 2, 64, 5, 40, 1, 64, 2};
#define WALK (sizeof walk / sizeof *walk)

/* Every shape once, then all again in other orders: the allocator is not called, nor malloc. */
static void seen_shapes_allocate_nothing(void **state) {
    (void)state;
    for (size_t s = 0; s < SAMPLES; s++)
        for (int own = 0; own < 2; own++) {
            size_t size;
            void *bytes = samples[s].make(&size);
            counter n = {0};
            infer_allocator allocator = {counter_alloc, counter_free, &n};
            infer_options options;
            infer_options_init(&options);
            options.allocator = own ? &allocator : NULL;
            infer_model *m = load_with(bytes, size, &options);
            infer_context *c = open_context(m);
            for (size_t i = 0; i < WALK; i++) {
                bool seen = false;
                for (size_t j = 0; j < i; j++)
                    seen = seen || walk[j] == walk[i];
                for (int again = 0; again < 3; again++) {
                    size_t before = n.calls, before_malloc = malloc_calls;
                    samples[s].run(c, walk[i]);
                    if ((seen || again) && (n.calls != before || malloc_calls != before_malloc))
                        fail_msg("sample %zu: %zu rows, seen before, run %d: %zu allocations", s,
                                 walk[i], again, n.calls - before + malloc_calls - before_malloc);
                }
            }
            assert_true(own ? n.held >= infer_context_memory(c) : infer_context_memory(c) > 0);
            infer_context_free(c);
            infer_free(m);
            assert_int_equal(n.held, 0);
            assert_true(!own || n.calls > 0);
        }
    if (!COUNTS_MALLOC)
        print_message("malloc is not counted under a sanitizer\n");
    else
        assert_true(malloc_calls > 0);
}

static void predicting_allocates_nothing(void **state) {
    (void)state;
    counter n = {0};
    infer_allocator allocator = {counter_alloc, counter_free, &n};
    infer_options options;
    size_t size, before = 0, before_malloc = 0;
    void *bytes = onnx_classifier(&size);
    float x[8], y[6];
    infer_options_init(&options);
    options.allocator = &allocator;
    infer_model *m = load_with(bytes, size, &options);
    for (size_t i = 0; i < 8; i++)
        x[i] = rows_of(i / 4, i % 4);
    for (int i = 0; i < 5; i++) {
        ok(infer_predict(m, x, 8, y, 6));
        infer_value v = {.type = INFER_TYPE_FLOAT, .data = y, .count = 6};
        expect_floats(&v, answer, 6, 1e-6f);
        if (i > 0) {
            assert_int_equal(n.calls, before);
            assert_int_equal(malloc_calls, before_malloc);
        }
        before = n.calls;
        before_malloc = malloc_calls;
    }
    infer_free(m);
    assert_int_equal(n.held, 0);
}

/* ---- memory of the caller ---- */

/* x [2, 4] -> two layers, extents all fixed. */
static void *fixed_layers(size_t *size) {
    static const float w[] = {1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4};
    onnx_model m = {0};
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(2, 4));
    onnx_constant(&m, "w", INFER_TYPE_FLOAT, w, ONNX_DIMS(4, 3));
    onnx_node(&m, "MatMul", "x w", "h");
    onnx_node(&m, "Tanh", "h", "t");
    onnx_node(&m, "ReduceSum", "t", "y");
    onnx_int(&m, "keepdims", 0);
    onnx_output(&m, "y", INFER_TYPE_FLOAT, 0, NULL);
    onnx_output(&m, "h", INFER_TYPE_FLOAT, ONNX_DIMS(2, 3));
    return onnx_bytes(&m, size);
}

static void *aligned(size_t size) {
    void *block = aligned_alloc(64, (size + 63) / 64 * 64);
    assert_non_null(block);
    return block;
}

static infer_status run_layers(infer_context *c) {
    static float x[8] = {1, 0, 0, 0, 0, 0, 0, 1};
    static const int64_t shape[] = {2, 4};
    infer_value in = floats(x, 2, shape), out[2];
    memset(out, 0, sizeof out);
    infer_status status = infer_run(c, NULL, &in, 1, NULL, out, 2);
    if (status == INFER_OK)
        expect_floats(&out[1], (float[]){1, 2, 3, -2, -3, -4}, 6, 0);
    return status;
}

static void exact_memory(void **state) {
    (void)state;
    counter n = {0};
    infer_allocator allocator = {counter_alloc, counter_free, &n};
    infer_options options;
    size_t size, bytes = 0;
    int exact = 0;
    void *file = fixed_layers(&size);
    infer_options_init(&options);
    options.allocator = &allocator;
    infer_model *m = load_with(file, size, &options);
    ok(infer_model_memory(m, &bytes, &exact));
    assert_int_equal(exact, 1);
    infer_context *c = open_context(m);
    ok(run_layers(c));
    assert_int_equal(infer_context_memory(c), bytes);
    infer_context_free(c);

    char *block = aligned(bytes + 64);
    memset(block, 0x5a, bytes + 64);
    size_t calls = n.calls;
    ok(infer_context_new_in(m, block, bytes, &c));
    for (int i = 0; i < 3; i++)
        ok(run_layers(c));
    assert_int_equal(infer_context_memory(c), bytes);
    infer_context_free(c);
    for (size_t i = bytes; i < bytes + 64; i++)
        assert_int_equal(block[i], 0x5a);

    /* Every smaller size: refused when it is opened or run, and the message counts the bytes. */
    for (size_t room = bytes - 1; room > 0; room = room > 64 ? room - 61 : room - 1) {
        infer_status status = infer_context_new_in(m, block, room, &c);
        if (status == INFER_OK) {
            status = run_layers(c);
            infer_context_free(c);
        } else {
            assert_null(c);
        }
        refused(status, INFER_ERROR_LIMIT, "bytes", "more");
        size_t holds = 0, more = 0;
        const char *text = strpbrk(infer_last_error(), "0123456789");
        if (room == bytes - 1) {
            assert_int_equal(sscanf(text, "%zu bytes and may hold %*u: %zu more", &holds, &more),
                             2);
            assert_int_equal(holds + more, bytes);
        }
    }
    assert_int_equal(n.calls, calls);
    refused(infer_context_new_in(m, block + 1, bytes, &c), INFER_ERROR_ARGUMENT, "64", "");
    free(block);
    infer_free(m);
    assert_int_equal(n.held, 0);
}

/* Maps and texts take memory that is not known before: the number is a lower bound and says so. */
static void inexact_memory(void **state) {
    (void)state;
    size_t size, bytes;
    int exact = 1;
    onnx_model o = {0};
    onnx_input(&o, "x", INFER_TYPE_FLOAT, ONNX_DIMS(2, 3));
    onnx_node(&o, "Softmax", "x", "y");
    onnx_node(&o, "ml.ZipMap", "y", "map");
    onnx_strings(&o, "classlabels_strings", "a b c");
    onnx_zipmap_output(&o, "map", INFER_TYPE_STRING);
    void *file = onnx_bytes(&o, &size);
    infer_model *m = load(file, size);
    infer_context *c = open_context(m);
    infer_value in = floats((float[6]){0}, 2, (const int64_t[]){2, 3}), out = {0};
    ok(infer_run(c, NULL, &in, 1, NULL, &out, 1));
    ok(infer_model_memory(m, &bytes, &exact));
    assert_int_equal(exact, 0);
    assert_true(bytes > 0 && bytes < infer_context_memory(c));
    infer_context_free(c);
    infer_free(m);
}

/* Changing shapes do not use up the caller's memory. */
static void block_survives_changes(void **state) {
    (void)state;
    for (size_t s = 0; s < SAMPLES; s++) {
        infer_context *c = NULL;
        infer_model *m = onnx_sample(samples[s].make);
        c = open_context(m);
        size_t most = 0;
        for (size_t i = 0; i < WALK; i++) {
            samples[s].run(c, walk[i]);
            most = infer_context_memory(c) > most ? infer_context_memory(c) : most;
        }
        infer_context_free(c);
        char *block = aligned(2 * most);
        ok(infer_context_new_in(m, block, 2 * most, &c));
        for (int again = 0; again < 20; again++)
            for (size_t i = 0; i < WALK; i++)
                samples[s].run(c, walk[i]);
        infer_context_free(c);
        free(block);
        infer_free(m);
    }
}

static void memory_limit(void **state) {
    (void)state;
    for (size_t s = 0; s < SAMPLES; s++) {
        size_t size, passed = 0;
        void *bytes = samples[s].make(&size);
        for (size_t limit = 64; limit < (size_t)1 << 17; limit += limit / 8 / 8 * 8 + 8) {
            infer_options options;
            infer_model *m;
            infer_context *c;
            infer_options_init(&options);
            options.memory_limit = limit;
            ok(infer_load_memory_with(bytes, size, INFER_COPY, &options, &m));
            infer_status status = infer_context_new(m, &c);
            if (status == INFER_OK) {
                float x[12] = {0};
                int64_t shape[] = {1, s == 3 ? 3 : 4}, flat[] = {1}, three[] = {3}, ids[3] = {0};
                int64_t all[] = {-1};
                infer_value in[2] = {floats(x, 2, shape)}, out[3];
                memset(out, 0, sizeof out);
                in[1] = (infer_value){
                    .type = INFER_TYPE_INT64, .rank = 1, .shape = flat, .data = all, .count = 1};
                if (s == 2)
                    in[0] = (infer_value){.type = INFER_TYPE_INT64,
                                          .rank = 1,
                                          .shape = three,
                                          .data = ids,
                                          .count = 3};
                status = infer_run(c, NULL, in, s == 1 ? 2 : 1, NULL, out, s == 3 ? 2 : 3);
                assert_true(infer_context_memory(c) <= limit);
                infer_context_free(c);
            }
            if (status != INFER_OK)
                refused(status, INFER_ERROR_LIMIT, "bytes", "more");
            assert_true(status == INFER_OK || !passed);
            passed = status == INFER_OK ? limit : 0;
            infer_free(m);
        }
        assert_true(passed > 0);
        free(bytes);
    }
}

/* ---- outputs ---- */

static void outputs_of_the_caller(void **state) {
    (void)state;
    infer_model *m = onnx_sample(onnx_classifier);
    infer_context *c = open_context(m);
    float x[8], y[7] = {0};
    int64_t shape[] = {2, 4};
    static const char *const scores[] = {"scores"}, *const both[] = {"scores", "label"};
    for (size_t i = 0; i < 8; i++)
        x[i] = rows_of(i / 4, i % 4);
    infer_value in = floats(x, 2, shape), out[2];
    memset(out, 0, sizeof out);
    refused(infer_output(c, "scores", &out[0]), INFER_ERROR_STATE, "run", "");

    y[6] = 77;
    out[0] = (infer_value){.data = y, .count = 7};
    ok(infer_run(c, NULL, &in, 1, scores, out, 1));
    assert_ptr_equal(out[0].data, y);
    assert_int_equal(out[0].count, 6);
    assert_int_equal(out[0].rank, 2);
    assert_int_equal(out[0].shape[1], 3);
    expect_floats(&out[0], answer, 6, 1e-6f);
    assert_true(y[6] == 77);

    out[0] = (infer_value){.data = y, .count = 6};
    ok(infer_run(c, NULL, &in, 1, both, out, 2));
    expect_text(&out[1], 1, "plum");

    memset(y, 0, sizeof y);
    out[0] = (infer_value){.data = y, .count = 5};
    refused(infer_run(c, NULL, &in, 1, scores, out, 1), INFER_ERROR_SHAPE, "scores", "5");
    for (int i = 0; i < 7; i++)
        assert_true(y[i] == 0);
    memset(out, 0, sizeof out);
    out[1] = (infer_value){.data = y, .count = 7};
    refused(infer_run(c, NULL, &in, 1, both, out, 2), INFER_ERROR_TYPE, "label", "");
    out[0] = (infer_value){.data = NULL};
    refused(infer_run(c, NULL, &in, 1, (const char *const[]){"nothing"}, out, 1),
            INFER_ERROR_ARGUMENT, "nothing", "");

    /* Any output by its name, as often as one likes. */
    memset(out, 0, sizeof out);
    ok(infer_run(c, NULL, &in, 1, NULL, NULL, 0));
    for (int i = 0; i < 100; i++) {
        ok(infer_output(c, "label", &out[0]));
        expect_text(&out[0], 0, "pear");
        ok(infer_output(c, "scores", &out[1]));
        expect_floats(&out[1], answer, 6, 1e-6f);
        ok(infer_output(c, "map", &out[1]));
        assert_int_equal(out[1].count, 2);
    }
    refused(infer_output(c, "best", &out[0]), INFER_ERROR_ARGUMENT, "best", "");
    infer_context_free(c);
    infer_free(m);
}

/* ---- values that share memory ---- */

static void *shared_values(size_t *size) {
    static const float w[] = {10, 20, 30, 40};
    static const int64_t square[] = {2, 2}, line[] = {4};
    onnx_model m = {0};
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N));
    onnx_constant(&m, "w", INFER_TYPE_FLOAT, w, ONNX_DIMS(4));
    onnx_constant(&m, "square", INFER_TYPE_INT64, square, ONNX_DIMS(2));
    onnx_constant(&m, "line", INFER_TYPE_INT64, line, ONNX_DIMS(1));
    onnx_node(&m, "Neg", "x", "a"); /* a has three readers */
    onnx_node(&m, "Relu", "a", "b");
    onnx_node(&m, "Add", "a b", "c");
    onnx_node(&m, "Mul", "a c", "d");
    onnx_node(&m, "Identity", "d", "e"); /* a view that is an output, and so is its source */
    onnx_node(&m, "Reshape", "d square", "f");
    onnx_node(&m, "Neg", "f", "g"); /* must not overwrite d */
    onnx_node(&m, "Reshape", "g line", "h");
    onnx_node(&m, "Sub", "h w", "i"); /* may overwrite g, whose only reader is a view */
    onnx_node(&m, "Identity", "x", "j");
    onnx_node(&m, "Reshape", "j square", "k"); /* a view of a view of the caller's memory */
    onnx_node(&m, "Identity", "w", "l");
    onnx_output(&m, "d", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_OPEN));
    onnx_output(&m, "e", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_OPEN));
    onnx_output(&m, "f", INFER_TYPE_FLOAT, ONNX_DIMS(2, 2));
    onnx_output(&m, "i", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_OPEN));
    onnx_output(&m, "k", INFER_TYPE_FLOAT, ONNX_DIMS(2, 2));
    onnx_output(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_OPEN));
    onnx_output(&m, "w", INFER_TYPE_FLOAT, ONNX_DIMS(4));
    onnx_output(&m, "l", INFER_TYPE_FLOAT, ONNX_DIMS(4));
    onnx_output(&m, "b", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_OPEN));
    return onnx_bytes(&m, size);
}

#define SHARED 9

static void check_shared(const infer_value *out, const float *x, const float *w) {
    float b[4], d[4], i[4];
    for (int at = 0; at < 4; at++) {
        float a = -x[at];
        b[at] = a > 0 ? a : 0;
        d[at] = a * (a + b[at]);
        i[at] = -d[at] - w[at];
    }
    const float *const expected[SHARED] = {d, d, d, i, x, x, w, w, b};
    for (int at = 0; at < SHARED; at++)
        expect_floats(&out[at], expected[at], 4, 0);
}

static void shared_memory(void **state) {
    (void)state;
    static const float w[] = {10, 20, 30, 40};
    float x[] = {1, -2, 3, -4}, kept[4], room[4];
    int64_t shape[] = {4};
    size_t size;
    void *bytes = shared_values(&size);
    infer_model *m = load(bytes, size);
    infer_context *c = open_context(m);
    for (int again = 0; again < 3; again++) {
        infer_value in = floats(x, 1, shape), out[SHARED], e = {0};
        memset(out, 0, sizeof out);
        for (int i = 0; i < 4; i++)
            x[i] += (float)again;
        ok(infer_run(c, NULL, &in, 1, NULL, out, SHARED));
        check_shared(out, x, w);
        /* Borrowed until the next run, whatever the caller does with its input meanwhile, and
         * whoever else uses the model. */
        memcpy(kept, x, sizeof x);
        memset(x, 0x55, sizeof x);
        ok(infer_output(c, "d", &e));
        infer_context *other = open_context(m);
        infer_value zeros = floats((float[]){5, 6, 7, 8}, 1, shape), more[SHARED];
        memset(more, 0, sizeof more);
        ok(infer_run(other, NULL, &zeros, 1, NULL, more, SHARED));
        check_shared(more, zeros.data, w);
        infer_context_free(other);
        check_shared(out, kept, w);
        memcpy(x, kept, sizeof x);
        /* The same into the caller's memory. */
        out[4] = (infer_value){.data = room, .count = 4};
        ok(infer_run(c, NULL, &in, 1, (const char *const[]){"k"}, &out[4], 1));
        assert_memory_equal(room, x, sizeof room);
    }
    infer_context_free(c);
    infer_free(m);
}

/* The same name as two outputs, and texts that pass through. */
static void same_twice_and_texts(void **state) {
    (void)state;
    size_t size;
    onnx_model twice = {0}, pass = {0};
    float x[] = {1, 2};
    int64_t shape[] = {2};
    infer_value in = floats(x, 1, shape), out[2];
    onnx_input(&twice, "x", INFER_TYPE_FLOAT, ONNX_DIMS(2));
    onnx_node(&twice, "Neg", "x", "y");
    onnx_output(&twice, "y", INFER_TYPE_FLOAT, ONNX_DIMS(2));
    onnx_output(&twice, "y", INFER_TYPE_FLOAT, ONNX_DIMS(2));
    void *bytes = onnx_bytes(&twice, &size);
    infer_model *m = load(bytes, size);
    infer_context *c = open_context(m);
    memset(out, 0, sizeof out);
    ok(infer_run(c, NULL, &in, 1, NULL, out, 2));
    expect_floats(&out[0], (float[]){-1, -2}, 2, 0);
    expect_floats(&out[1], (float[]){-1, -2}, 2, 0);
    infer_context_free(c);
    infer_free(m);

    onnx_input(&pass, "s", INFER_TYPE_STRING, ONNX_DIMS(2));
    onnx_node(&pass, "Identity", "s", "t");
    onnx_output(&pass, "t", INFER_TYPE_STRING, ONNX_DIMS(2));
    onnx_output(&pass, "s", INFER_TYPE_STRING, ONNX_DIMS(2));
    bytes = onnx_bytes(&pass, &size);
    m = load(bytes, size);
    c = open_context(m);
    char first[] = "left", second[] = "right";
    infer_string texts[] = {{first, 4}, {second, 5}};
    in = (infer_value){
        .type = INFER_TYPE_STRING, .rank = 1, .shape = shape, .data = texts, .count = 2};
    memset(out, 0, sizeof out);
    ok(infer_run(c, NULL, &in, 1, NULL, out, 2));
    memset(first, '?', sizeof first);
    memset(second, '?', sizeof second);
    memset(texts, 0, sizeof texts);
    for (int i = 0; i < 2; i++) {
        expect_text(&out[i], 0, "left");
        expect_text(&out[i], 1, "right");
    }
    infer_context_free(c);
    infer_free(m);
}

/* ---- inputs ---- */

static void *difference(size_t *size) {
    onnx_model m = {0};
    onnx_input(&m, "left", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 2));
    onnx_input(&m, "right", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 2));
    onnx_node(&m, "Sub", "left right", "y");
    onnx_output(&m, "y", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 2));
    return onnx_bytes(&m, size);
}

static void named_inputs(void **state) {
    (void)state;
    size_t size;
    void *bytes = difference(&size);
    infer_model *m = load(bytes, size);
    infer_context *c = open_context(m);
    static const char *const orders[][2] = {{"left", "right"}, {"right", "left"}};
    int64_t shape[] = {1, 2};
    infer_value in[2] = {floats((float[]){5, 7}, 2, shape), floats((float[]){1, 2}, 2, shape)}, out;
    for (int i = 0; i < 2; i++) {
        float sign = i ? -1.f : 1.f;
        out = (infer_value){0};
        ok(infer_run(c, orders[i], in, 2, NULL, &out, 1));
        expect_floats(&out, (float[]){4 * sign, 5 * sign}, 2, 0);
    }
    out = (infer_value){0};
    ok(infer_run(c, NULL, in, 2, NULL, &out, 1));
    expect_floats(&out, (float[]){4, 5}, 2, 0);
#define RUN(names, count) infer_run(c, names, in, count, NULL, &out, 1)
#define NAMES(...)        ((const char *const[]){__VA_ARGS__})
    refused(RUN(NAMES("left", "left"), 2), INFER_ERROR_ARGUMENT, "right", "");
    refused(RUN(NAMES("left", "middle"), 2), INFER_ERROR_ARGUMENT, "middle", "");
    refused(RUN(NAMES("right"), 1), INFER_ERROR_ARGUMENT, "left", "");
    refused(RUN(NAMES("left", NULL), 2), INFER_ERROR_ARGUMENT, "1", "NULL");
    refused(RUN(NULL, 1), INFER_ERROR_ARGUMENT, "right", "");
    refused(infer_run(c, NULL, in, 3, NULL, &out, 1), INFER_ERROR_ARGUMENT, "3", "2");
    refused(infer_run(c, NULL, in, 2, NULL, &out, 2), INFER_ERROR_ARGUMENT, "2", "1");

    /* Each mistake names the input, and leaves the context fit for the next run. */
    infer_value good = in[1];
    int64_t wrong_shape[] = {1, 3}, negative[] = {-1, 2}, huge[] = {INT64_MAX, 2};
    double doubles[] = {1, 2};
    in[1].type = INFER_TYPE_DOUBLE;
    in[1].data = doubles;
    refused(RUN(NULL, 2), INFER_ERROR_TYPE, "right", "double");
    in[1] = good;
    in[1].type = 99;
    refused(RUN(NULL, 2), INFER_ERROR_TYPE, "right", "99");
    in[1] = good;
    in[1].rank = 1;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "right", "");
    in[1].shape = shape + 1;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "right", "rank");
    in[1] = good;
    in[1].rank = 17;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "right", "17");
    in[1] = good;
    in[1].shape = wrong_shape;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "right", "");
    in[1].count = 3;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "right", "3");
    in[1] = good;
    in[1].shape = negative;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "right", "-1");
    in[1].shape = huge;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "right", "");
    in[1].shape = NULL;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "right", "NULL");
    in[1] = good;
    in[1].data = NULL;
    refused(RUN(NULL, 2), INFER_ERROR_ARGUMENT, "right", "NULL");
    in[1] = good;
    in[1].kind = INFER_KIND_SEQUENCE;
    in[1].count = 0;
    refused(RUN(NULL, 2), INFER_ERROR_TYPE, "right", "");
    refused(infer_output(c, "y", &out), INFER_ERROR_STATE, "", "");
    in[1] = good;
    in[1].shape = (const int64_t[]){3, 2};
    in[1].count = 6;
    in[1].data = (float[]){1, 2, 3, 4, 5, 6};
    out = (infer_value){0};
    ok(RUN(NULL, 2)); /* one row against three: broadcast, as Sub defines it */
    expect_floats(&out, (float[]){4, 5, 2, 3, 0, 1}, 6, 0);
    in[1].shape = (const int64_t[]){0, 2};
    in[1].count = 0;
    out = (infer_value){0};
    ok(RUN(NULL, 2)); /* no rows */
    assert_int_equal(out.count, 0);
    in[0].shape = (const int64_t[]){2, 2};
    in[0].count = 4;
    in[0].data = (float[]){1, 2, 3, 4};
    in[1].shape = (const int64_t[]){3, 2};
    in[1].count = 6;
    refused(RUN(NULL, 2), INFER_ERROR_SHAPE, "Sub", ""); /* the node is named */
    infer_context_free(c);
    infer_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seen_shapes_allocate_nothing),
        cmocka_unit_test(predicting_allocates_nothing),
        cmocka_unit_test(exact_memory),
        cmocka_unit_test(inexact_memory),
        cmocka_unit_test(block_survives_changes),
        cmocka_unit_test(memory_limit),
        cmocka_unit_test(outputs_of_the_caller),
        cmocka_unit_test(shared_memory),
        cmocka_unit_test(same_twice_and_texts),
        cmocka_unit_test(named_inputs),
    };
    return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
