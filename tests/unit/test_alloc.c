/* Memory that fails: each allocation of a whole life of a model is refused in turn, once or from
 * then on. What comes back is INFER_ERROR_MEMORY or the right answer, and nothing stays behind. */
#define _POSIX_C_SOURCE 200809L
#include "infer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fuzz/exercise.h"
#include "onnx_models.h"

/* ---- an allocator that refuses ---- */

typedef struct refusing {
    size_t calls, first; /* call number `first` is refused */
    bool later;          /* and all that come after it */
    size_t pieces, bytes;
} refusing;

static void *refusing_alloc(void *user, size_t size) {
    refusing *r = user;
    size_t call = r->calls++;
    if (call == r->first || (r->later && call > r->first))
        return NULL;
    r->pieces++;
    r->bytes += size;
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

static void refusing_free(void *user, void *pointer, size_t size) {
    refusing *r = user;
    r->pieces--;
    r->bytes -= size;
    free(pointer);
}

/* ---- a life ---- */

typedef struct life {
    const void *bytes;
    size_t size;
    char path[64];
    size_t reads; /* sums of what was read */
} life;

#define TRY(call)                                                                                  \
    do {                                                                                           \
        infer_status status_ = (call);                                                             \
        if (status_ != INFER_OK)                                                                   \
            return status_;                                                                        \
    } while (0)

/* Two runs in two shapes, of every output. */
static infer_status run_model(infer_model *m, size_t *read) {
    int64_t shapes[EXERCISE_PORTS][INFER_MAX_RANK];
    infer_value in[EXERCISE_PORTS], out[EXERCISE_PORTS];
    size_t inputs = infer_model_inputs(m), outputs = infer_model_outputs(m), made = 0;
    infer_context *c;
    TRY(infer_context_new(m, &c));
    while (made < inputs && zero_input(m, made, shapes[made], &in[made]))
        made++;
    assert_int_equal(made, inputs);
    infer_status status = INFER_OK;
    for (int again = 0; status == INFER_OK && again < 3; again++) {
        memset(out, 0, sizeof out);
        status = infer_run(c, NULL, in, inputs, NULL, out, outputs);
        for (size_t i = 0; status == INFER_OK && i < outputs; i++)
            *read += read_result(&out[i]) * (i + 1);
    }
    if (status == INFER_OK)
        status = infer_output(c, "map", &out[0]);
    if (status == INFER_ERROR_ARGUMENT) /* not every sample has a map */
        status = INFER_OK;
    while (made)
        free(in[--made].data);
    infer_context_free(c);
    return status;
}

static infer_status use_model(const life *l, infer_model *m, size_t *read) {
    float x[16] = {0};
    double wide[16] = {0};
    size_t n = infer_model_feature_count(m), k = infer_model_output_count(m), bytes;
    int exact;
    infer_value_info info = {.struct_size = sizeof info};
    TRY(infer_model_input(m, 0, &info));
    TRY(run_model(m, read));
    TRY(infer_model_memory(m, &bytes, &exact));
    if (infer_model_inputs(m) == 1 && info.rank == 2) {
        k = k ? k : 3; /* a ZipMap of a graph does not tell: the sample's has three classes */
        assert_true(n > 0 && n <= 8 && k <= 8);
        TRY(infer_predict(m, x, n, x + n, k));
        TRY(infer_predict_f64(m, wide, n, wide + n, k));
        for (size_t i = 0; i < k; i++)
            *read += (size_t)(x[n + i] * 1000 + (float)wide[n + i] * 1000 + 10000);
    }
    return infer_save(m, l->path);
}

static infer_status live(const life *l, const infer_options *options, size_t *read) {
    infer_model *m = (infer_model *)1;
    infer_status status = infer_load_memory_with(l->bytes, l->size, INFER_COPY, options, &m);
    if (status == INFER_OK)
        status = use_model(l, m, read);
    else
        assert_null(m);
    infer_free(m);
    TRY(status);
    m = (infer_model *)1;
    status = infer_open_with(l->path, options, &m);
    if (status == INFER_OK)
        status = run_model(m, read);
    else
        assert_null(m);
    infer_free(m);
    return status;
}

/* ---- every allocation in turn ---- */

static infer_status live_with(const life *l, refusing *r, size_t *read) {
    infer_allocator allocator = {refusing_alloc, refusing_free, r};
    infer_options options;
    infer_options_init(&options);
    options.allocator = &allocator;
    infer_status status = live(l, &options, read);
    unlink(l->path);
    if (r->pieces || r->bytes)
        fail_msg("allocation %zu: %zu pieces of %zu bytes stay", r->first, r->pieces, r->bytes);
    return status;
}

static void all_lives(const void *bytes, size_t size) {
    static int number;
    life l = {.bytes = bytes, .size = size};
    size_t expected = 0, refused = 0, survived = 0;
    snprintf(l.path, sizeof l.path, "/tmp/infer-test-alloc.%ld.%d", (long)getpid(), number++);
    refusing all = {.first = SIZE_MAX};
    if (live_with(&l, &all, &expected) != INFER_OK)
        fail_msg("%s", infer_last_error());
    assert_true(all.calls > 10);
    for (int later = 0; later < 2; later++)
        for (size_t first = 0; first < all.calls; first++) {
            refusing r = {.first = first, .later = later};
            size_t read = 0;
            infer_status status = live_with(&l, &r, &read);
            assert_true(r.calls > first);
            if (status == INFER_OK)
                assert_int_equal(read, expected);
            else if (status != INFER_ERROR_MEMORY || !strstr(infer_last_error(), "memory"))
                fail_msg("allocation %zu of %zu: %s: %s", first, all.calls,
                         infer_status_name(status), infer_last_error());
            survived += status == INFER_OK;
            refused += status != INFER_OK;
        }
    /* Only room that is taken ahead may be refused without a word. */
    assert_true(refused > 10 && survived < refused / 4);
}

static void onnx_models(void **state) {
    (void)state;
    for (size_t i = 0; i < ONNX_MAKERS; i++) {
        size_t size;
        void *bytes = onnx_makers[i](&size);
        all_lives(bytes, size);
        free(bytes);
    }
}

static void json_model(void **state) {
    (void)state;
    static const char text[] =
        "{\"format\": \"libinfer-linear\", \"version\": 1, \"coefficients\": [[1, 2], [3, 4], "
        "[5, 6]], \"intercepts\": [0.1, 0.2, 0.3], \"link\": \"softmax\", \"classes\": [\"a\", "
        "\"b\", \"c\"], \"feature_names\": [\"p\", \"q\"], \"metadata\": {\"note\": \"three "
        "classes\"}, \"mean\": [1, 2], \"scale\": [2, 4]}";
    all_lives(text, sizeof text - 1);
}

/* Texts that come from the caller, outputs that are inputs, and a table of strings that grows. */
static void texts_and_passages(void **state) {
    (void)state;
    size_t size;
    onnx_model m = {0};
    onnx_input(&m, "s", INFER_TYPE_STRING, ONNX_DIMS(ONNX_N, 3));
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 3));
    onnx_node(&m, "Identity", "s", "t");
    onnx_node(&m, "Cast", "x", "u");
    onnx_int(&m, "to", INFER_TYPE_STRING);
    onnx_node(&m, "Concat", "t u", "v");
    onnx_int(&m, "axis", 0);
    onnx_node(&m, "ml.LabelEncoder", "v", "w");
    onnx_strings(&m, "keys_strings", "a b c d e f g h i j k l m n o p q r s t u v w x y z");
    onnx_ints(&m, "values_int64s", 26, (const int64_t[26]){1, 2, 3});
    onnx_output(&m, "s", INFER_TYPE_STRING, ONNX_DIMS(ONNX_N, 3));
    onnx_output(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 3));
    onnx_output(&m, "v", INFER_TYPE_STRING, ONNX_DIMS(ONNX_OPEN, 3));
    onnx_output(&m, "w", INFER_TYPE_INT64, ONNX_DIMS(ONNX_OPEN, 3));
    void *bytes = onnx_bytes(&m, &size);
    all_lives(bytes, size);
    free(bytes);
}

/* Weights that stand in pieces of their own while the model is loaded. */
static void large_weights(void **state) {
    (void)state;
    enum { WIDTH = 300 };
    static float w[WIDTH * WIDTH], b[WIDTH];
    size_t size;
    onnx_model m = {0};
    for (size_t i = 0; i < WIDTH * WIDTH; i++)
        w[i] = (float)(i % 13) - 6;
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 4));
    onnx_constant(&m, "w", INFER_TYPE_FLOAT, w, ONNX_DIMS(WIDTH, WIDTH));
    onnx_constant(&m, "b", INFER_TYPE_FLOAT, b, ONNX_DIMS(WIDTH));
    onnx_constant(&m, "grow", INFER_TYPE_FLOAT, w, ONNX_DIMS(4, WIDTH));
    onnx_constant(&m, "shrink", INFER_TYPE_FLOAT, w, ONNX_DIMS(WIDTH, 2));
    onnx_node(&m, "Gemm", "x grow", "g");
    onnx_node(&m, "Gemm", "g w b", "h");
    onnx_int(&m, "transB", 1);
    onnx_node(&m, "Relu", "h", "r");
    onnx_node(&m, "MatMul", "r shrink", "y");
    onnx_output(&m, "y", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, 2));
    void *bytes = onnx_bytes(&m, &size);
    all_lives(bytes, size);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(onnx_models),
        cmocka_unit_test(json_model),
        cmocka_unit_test(texts_and_passages),
        cmocka_unit_test(large_weights),
    };
    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
