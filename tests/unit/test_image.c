/*
 * The compact format: every truncation and every flipped byte of several images gives an error or
 * an answer, and no memory error (run under ASan and UBSan as well).
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

#include <cmocka.h>

#include "models.h"

/* A copy that ends where the memory ends, so that reading past it is seen. */
static char *tight_copy(const void *data, size_t size, void **block) {
    size_t room = (size + INFER_ALIGN - 1) / INFER_ALIGN * INFER_ALIGN;
    *block = NULL;
    assert_int_equal(posix_memalign(block, INFER_ALIGN, room ? room : INFER_ALIGN), 0);
    memcpy(*block, data, size);
    return *block;
}

/* Opens what may be an image and uses all of it. */
static void use(const void *data, size_t size) {
    infer_model *m;
    if (infer_open_memory_with(data, size, INFER_BORROW, NULL, &m) != INFER_OK) {
        assert_null(m);
        assert_true(infer_last_error()[0] != 0);
        return;
    }
    infer_value_info info = {.struct_size = sizeof info};
    for (size_t i = 0; i < infer_model_inputs(m); i++)
        assert_int_equal(infer_model_input(m, i, &info), INFER_OK);
    const char *a, *b, *c;
    for (size_t i = 0; i < infer_model_metadata_count(m); i++)
        assert_int_equal(infer_model_metadata(m, i, &a, &b), INFER_OK);
    for (size_t i = 0; i < infer_model_nodes(m); i++)
        assert_int_equal(infer_model_node(m, i, &a, &b, &c), INFER_OK);
    (void)infer_verify(m);
    float x[64] = {0}, y[64];
    size_t n = infer_model_feature_count(m), k = infer_model_output_count(m);
    if (n <= 64 && k <= 64)
        (void)infer_predict(m, x, n, y, k);
    infer_context *context;
    if (infer_context_new(m, &context) == INFER_OK) {
        int64_t shape[2] = {1, (int64_t)n};
        infer_value in = {
            .type = INFER_TYPE_FLOAT, .rank = 2, .shape = shape, .data = x, .count = n};
        infer_value out = {0};
        if (n <= 64)
            (void)infer_run(context, NULL, &in, 1, NULL, &out, 1);
        infer_context_free(context);
    }
    infer_free(m);
}

static void for_each_image(void (*action)(const void *data, size_t size)) {
    for (int kind = 0; kind < MODEL_KINDS; kind++) {
        infer_model *m = make_model(kind);
        const void *data;
        size_t size;
        assert_int_equal(infer_model_image(m, &data, &size), INFER_OK);
        action(data, size);
        infer_free(m);
    }
}

static void truncate_all(const void *data, size_t size) {
    for (size_t n = 0; n < size; n++) {
        void *block;
        use(tight_copy(data, n, &block), n);
        free(block);
    }
}

static void flip_all(const void *data, size_t size) {
    static const unsigned char masks[] = {0x01, 0x80, 0xff};
    void *block;
    char *copy = tight_copy(data, size, &block);
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j < sizeof masks; j++) {
            copy[i] = (char)(copy[i] ^ masks[j]);
            use(copy, size);
            copy[i] = (char)(copy[i] ^ masks[j]);
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

static void truncations(void **state) {
    (void)state;
    for_each_image(truncate_all);
}

static void flips(void **state) {
    (void)state;
    for_each_image(flip_all);
}

static void hashes(void **state) {
    (void)state;
    for_each_image(hash_sees_all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncations),
        cmocka_unit_test(flips),
        cmocka_unit_test(hashes),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
