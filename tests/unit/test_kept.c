/* Plans that are kept for shapes seen before: which, how many, within which memory. */
#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "counting.h"
#include "onnx_answers.h"

static infer_model *load(size_t sample, const infer_options *options) {
    infer_model *m;
    size_t size;
    void *bytes = samples[sample].make(&size);
    ok(infer_load_memory_with(bytes, size, INFER_COPY, options, &m));
    free(bytes);
    return m;
}

enum { TEXTS = 2 }; /* the sample that has one shape only */

static size_t kept(const infer_context *c) {
    size_t count = 0;
    for (size_t i = 0; i < INFER_KEPT_PLANS; i++)
        count += c->frames[0].kept[i] != NULL;
    return count;
}

/* A plan is made once for each shape: plans that come back keep what was folded where it lies. */
static void plans_come_back(void **state) {
    (void)state;
    for (size_t s = 0; s < SAMPLES; s++) {
        counter n = {0};
        infer_allocator allocator = {counter_alloc, counter_free, &n};
        infer_options options;
        infer_options_init(&options);
        options.allocator = &allocator;
        infer_model *m = load(s, &options);
        infer_context *c;
        const void *arenas[INFER_KEPT_PLANS];
        ok(infer_context_new(m, &c));
        for (size_t i = 0; i < INFER_KEPT_PLANS; i++) {
            samples[s].run(c, i + 1);
            arenas[i] = c->frames[0].planned.first;
        }
        assert_int_equal(kept(c), s == TEXTS ? 0 : INFER_KEPT_PLANS);
        for (size_t i = 0; i < 50; i++) {
            size_t at = i * 5 % INFER_KEPT_PLANS, before = n.calls, before_malloc = malloc_calls;
            samples[s].run(c, at + 1);
            assert_int_equal(n.calls, before);
            assert_int_equal(malloc_calls, before_malloc);
            assert_ptr_equal(c->frames[0].planned.first, arenas[at]);
        }
        infer_context_free(c);
        infer_free(m);
        assert_int_equal(n.held, 0);
    }
}

/* One shape alone costs nothing more than its plan. */
static void one_shape_keeps_nothing(void **state) {
    (void)state;
    infer_model *m = load(0, NULL);
    infer_context *c;
    ok(infer_context_new(m, &c));
    for (int i = 0; i < 3; i++)
        samples[0].run(c, 4);
    assert_int_equal(kept(c), 0);
    infer_context_free(c);
    infer_free(m);
}

/* The longest unused goes; memory does not grow with the number of shapes. */
static void many_shapes(void **state) {
    (void)state;
    for (size_t s = 0; s < SAMPLES; s++) {
        infer_model *m = load(s, NULL);
        infer_context *c;
        size_t most = 0;
        ok(infer_context_new(m, &c));
        for (size_t round = 0; round < 6; round++) {
            for (size_t i = 0; i < 40; i++)
                samples[s].run(c, 1 + i * 7 % 40);
            assert_int_equal(kept(c), s == TEXTS ? 0 : INFER_KEPT_PLANS);
            most = round < 3 && infer_context_memory(c) > most ? infer_context_memory(c) : most;
            assert_true(round < 3 || infer_context_memory(c) <= most);
        }
        infer_context_free(c);
        infer_free(m);
    }
}

/* Where there is no memory for old plans, they go and the new one comes. */
static void limits_are_kept(void **state) {
    (void)state;
    for (size_t s = 0; s < SAMPLES; s++) {
        infer_model *m = load(s, NULL);
        infer_context *c;
        size_t need = 0;
        for (size_t rows = 1; rows <= 12; rows++) { /* alone, each in a context of its own */
            ok(infer_context_new(m, &c));
            samples[s].run(c, rows);
            need = infer_context_memory(c) > need ? infer_context_memory(c) : need;
            infer_context_free(c);
        }
        infer_free(m);
        for (size_t room = 0; room < 6; room++) {
            infer_options options;
            infer_options_init(&options);
            options.memory_limit = 2 * need + room * need / 2;
            m = load(s, &options);
            ok(infer_context_new(m, &c));
            for (size_t i = 0; i < 100; i++) {
                samples[s].run(c, 1 + i * 5 % 12);
                assert_true(infer_context_memory(c) <= options.memory_limit);
            }
            infer_context_free(c);
            infer_free(m);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_come_back),
        cmocka_unit_test(one_shape_keeps_nothing),
        cmocka_unit_test(many_shapes),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
