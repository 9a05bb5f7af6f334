/*
 * Hostile bytes: every truncation and every flipped byte of several images and of the models they
 * were made from gives an error with a message, or an answer within a second; and no memory error
 * (run under ASan and UBSan as well).
 */
#define _POSIX_C_SOURCE 200809L
#include "alloc.h"
#include "image.h"
#include "infer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fuzz/exercise.h"
#include "models.h"
#include "onnx_models.h"

#define LIMIT   ((size_t)4 << 20) /* bytes, for loading and for a context */
#define HELD    (6 * LIMIT) /* the image, its tables, the two contexts of running and predicting */
#define SECONDS 1.0         /* of processor time that one model may take */

/* ---- one model ---- */

static double used_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What is allocated for a model and its contexts. */
typedef struct held {
    size_t now, most;
} held;

static void *held_alloc(void *user, size_t size) {
    held *h = user;
    size_t now;
    if (__builtin_add_overflow(h->now, size, &now))
        now = SIZE_MAX;
    h->most = now > h->most ? now : h->most;
    if (now > HELD)
        return NULL;
    h->now = now;
    return aligned_alloc(INFER_ALIGN, (size + INFER_ALIGN - 1) / INFER_ALIGN * INFER_ALIGN);
}

static void held_free(void *user, void *pointer, size_t size) {
    ((held *)user)->now -= size;
    free(pointer);
}

static infer_status open_one(const void *data, size_t size, infer_ownership ownership,
                             open_bytes *open) {
    held h = {0};
    infer_allocator allocator = {held_alloc, held_free, &h};
    infer_options options;
    infer_model *m;
    infer_options_init(&options);
    options.allocator = &allocator;
    options.memory_limit = options.load_limit = LIMIT;
    double start = used_time();
    infer_status status = open(data, size, ownership, &options, &m);
    if (status == INFER_OK) {
        (void)infer_verify(m);
        keep_read(exercise_model(m));
        infer_free(m);
    } else {
        assert_null(m);
        assert_true(infer_last_error()[0] != 0);
    }
    assert_int_equal(h.now, 0);
    assert_true(h.most < HELD);
    double seconds = used_time() - start;
    if (seconds > SECONDS)
        fail_msg("%g seconds", seconds);
    return status;
}

/* ---- images ---- */

/* A copy that ends where the memory ends, so that reading past it is seen. */
static char *tight_copy(const void *data, size_t size, void **block) {
    size_t room = (size + INFER_ALIGN - 1) / INFER_ALIGN * INFER_ALIGN;
    *block = NULL;
    assert_int_equal(posix_memalign(block, INFER_ALIGN, room ? room : INFER_ALIGN), 0);
    memcpy(*block, data, size);
    return *block;
}

typedef void bytes_action(const void *data, size_t size);

static void with_image(infer_model *m, bytes_action *action) {
    const void *data;
    size_t size;
    assert_int_equal(infer_model_image(m, &data, &size), INFER_OK);
    action(data, size);
    infer_free(m);
}

static infer_model *json_model(void) {
    static const char text[] =
        "{\"format\": \"libinfer-linear\", \"version\": 1, \"coefficients\": [[1, 2], [3, 4], "
        "[5, 6]], \"intercepts\": [0.1, 0.2, 0.3], \"link\": \"softmax\", \"classes\": [\"a\", "
        "\"b\", \"\\u00e9\"], \"feature_names\": [\"p\", \"q\"], \"metadata\": {\"note\": \"three "
        "classes\"}}";
    infer_model *m;
    if (infer_load_memory(text, sizeof text - 1, INFER_COPY, &m) != INFER_OK)
        fail_msg("%s", infer_last_error());
    return m;
}

static void for_each_image(bytes_action *action) {
    for (int kind = 0; kind < MODEL_KINDS; kind++)
        with_image(make_model(kind), action);
    with_image(json_model(), action);
    for (size_t i = 0; i < ONNX_MAKERS; i++)
        with_image(onnx_sample(onnx_makers[i]), action);
}

static void whole(const void *data, size_t size) {
    void *block;
    infer_model *m;
    char *copy = tight_copy(data, size, &block);
    if (infer_open_memory_with(copy, size, INFER_BORROW, NULL, &m) != INFER_OK)
        fail_msg("%s", infer_last_error());
    assert_true(run_twice(m) > 0);
    infer_free(m);
    assert_int_equal(open_one(copy, size, INFER_BORROW, infer_open_memory_with), INFER_OK);
    free(block);
}

static void truncate_all(const void *data, size_t size) {
    for (size_t n = 0; n < size; n++) {
        void *block;
        char *copy = tight_copy(data, n, &block);
        assert_int_not_equal(open_one(copy, n, INFER_BORROW, infer_open_memory_with), INFER_OK);
        free(block);
    }
}

static const unsigned char masks[] = {0x01, 0x80, 0xff};

static void flip_all(const void *data, size_t size) {
    void *block;
    char *copy = tight_copy(data, size, &block);
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j < sizeof masks; j++) {
            copy[i] = (char)(copy[i] ^ masks[j]);
            (void)open_one(copy, size, INFER_BORROW, infer_open_memory_with);
            copy[i] = (char)(copy[i] ^ masks[j]);
        }
    free(block);
}

/* Steering data far from what it was: each aligned word becomes each of these. */
static void overwrite_words(const void *data, size_t size) {
    static const uint32_t words[] = {0, 2, 0x10000, 0x7fffffff, 0xffffffff};
    void *block;
    char *copy = tight_copy(data, size, &block);
    for (size_t i = 0; i + sizeof *words <= size; i += sizeof *words)
        for (size_t j = 0; j < sizeof words / sizeof *words; j++) {
            memcpy(copy + i, &words[j], sizeof *words);
            (void)open_one(copy, size, INFER_BORROW, infer_open_memory_with);
            memcpy(copy + i, (const char *)data + i, sizeof *words);
        }
    free(block);
}

static void hash_sees_all(const void *data, size_t size) {
    infer_image image;
    void *block;
    char *copy = tight_copy(data, size, &block);
    assert_int_equal(infer_image_open(copy, size, &image), INFER_OK);
    assert_int_equal(infer_image_verify(&image), INFER_OK);
    for (size_t i = 0; i < size; i++) {
        copy[i] ^= 0x10;
        if (infer_image_open(copy, size, &image) == INFER_OK)
            assert_int_equal(infer_image_verify(&image), INFER_ERROR_FORMAT);
        copy[i] ^= 0x10;
    }
    free(block);
}

static void whole_images(void **state) {
    (void)state;
    for_each_image(whole);
}

static void truncated_images(void **state) {
    (void)state;
    for_each_image(truncate_all);
}

static void flipped_images(void **state) {
    (void)state;
    for_each_image(flip_all);
}

static void overwritten_images(void **state) {
    (void)state;
    for_each_image(overwrite_words);
}

static void hashes(void **state) {
    (void)state;
    for_each_image(hash_sees_all);
}

/* Labels that all claim the same long text: what they become would grow with the square of the
 * file. */
static void overlapping_texts(void **state) {
    (void)state;
    enum { CLASSES = 1000, LENGTH = 100000 };
    static char text[LENGTH + 1], names[CLASSES][8];
    static const char *labels[CLASSES];
    static double coefficients[CLASSES];
    infer_linear_spec spec;
    infer_model *m;
    const void *data;
    size_t size;
    memset(text, 'x', LENGTH);
    for (int i = 0; i < CLASSES; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        labels[i] = i ? names[i] : text;
    }
    infer_linear_spec_init(&spec);
    spec.feature_count = 1;
    spec.output_count = spec.class_count = CLASSES;
    spec.coefficients = coefficients;
    spec.class_strings = labels;
    spec.link = INFER_LINK_SOFTMAX;
    assert_int_equal(infer_linear(&spec, &m), INFER_OK);
    assert_int_equal(infer_model_image(m, &data, &size), INFER_OK);
    void *block;
    char *copy = tight_copy(data, size, &block);
    infer_image image;
    assert_int_equal(infer_image_open(copy, size, &image), INFER_OK);
    size_t changed = 0;
    for (uint32_t v = 0; v < image.header->values.count; v++) {
        if (!image.values[v].constant || image.values[v].type != INFER_TYPE_STRING)
            continue;
        infer_image_text *texts =
            (void *)(copy + image.header->data.offset + image.values[v].data_offset);
        for (size_t i = 1; i < CLASSES; i++, changed++)
            texts[i] = texts[0];
    }
    assert_int_equal(changed, CLASSES - 1);
    assert_int_equal(open_one(copy, size, INFER_BORROW, infer_open_memory_with),
                     INFER_ERROR_FORMAT);
    assert_non_null(strstr(infer_last_error(), "text 1 "));
    free(block);
    infer_free(m);
}

/* ---- ONNX files ---- */

static void truncated_models(void **state) {
    (void)state;
    for (size_t i = 0; i < ONNX_MAKERS; i++) {
        size_t size;
        void *bytes = onnx_makers[i](&size);
        assert_int_equal(open_one(bytes, size, INFER_COPY, infer_load_memory_with), INFER_OK);
        for (size_t n = 0; n < size; n++) {
            void *cut = malloc(n ? n : 1);
            assert_non_null(cut);
            memcpy(cut, bytes, n);
            (void)open_one(cut, n, INFER_COPY, infer_load_memory_with);
            free(cut);
        }
        free(bytes);
    }
}

static void flipped_models(void **state) {
    (void)state;
    for (size_t i = 0; i < ONNX_MAKERS; i++) {
        size_t size;
        char *bytes = onnx_makers[i](&size);
        for (size_t at = 0; at < size; at++)
            for (int bit = 0; bit < 8; bit++) {
                bytes[at] = (char)(bytes[at] ^ 1 << bit);
                (void)open_one(bytes, size, INFER_COPY, infer_load_memory_with);
                bytes[at] = (char)(bytes[at] ^ 1 << bit);
            }
        free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_images),     cmocka_unit_test(truncated_images),
        cmocka_unit_test(flipped_images),   cmocka_unit_test(overwritten_images),
        cmocka_unit_test(hashes),           cmocka_unit_test(overlapping_texts),
        cmocka_unit_test(truncated_models), cmocka_unit_test(flipped_models),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
