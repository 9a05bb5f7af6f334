/* Places of pieces: none meet, and blocks are no larger than they have to be. */
#include "places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { STEPS = 40, MOST = 200 };

static uint32_t next(uint32_t *seed) {
    return *seed = *seed * 1664525u + 1013904223u;
}

static void judge(const infer_piece *p, size_t count, const infer_places *places) {
    size_t least = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        size_t now = 0;
        for (size_t i = 0; i < count; i++)
            now += p[i].first <= step && step <= p[i].last ? p[i].size : 0;
        least = now > least ? now : least;
    }
    assert_int_equal(places->least, least);
    assert_true(places->end >= least && places->end <= 2 * least);
    for (size_t i = 0; i < count; i++) {
        assert_true(p[i].offset + p[i].size <= places->end && p[i].offset % 64 == 0);
        for (size_t k = 0; k < i; k++)
            assert_true(p[i].last < p[k].first || p[k].last < p[i].first ||
                        p[i].offset + p[i].size <= p[k].offset ||
                        p[k].offset + p[k].size <= p[i].offset);
    }
}

static void random_pieces(void **state) {
    (void)state;
    for (uint32_t seed = 1; seed < 200; seed++) {
        infer_piece pieces[MOST] = {0};
        infer_places places;
        infer_arena arena;
        uint32_t s = seed, step = 0;
        size_t count = next(&s) % MOST;
        for (size_t i = 0; i < count; i++) {
            step += next(&s) >> 24 > 200 && step + 1 < STEPS;
            uint32_t length = next(&s) % 16 == 0 ? STEPS : next(&s) / 65536 % 5;
            pieces[i] = (infer_piece){.size = 64 * (1 + next(&s) / 65536 % 50),
                                      .first = step,
                                      .last = step + length < STEPS ? step + length : STEPS};
        }
        infer_arena_init(&arena, &infer_libc_allocator, 0);
        assert_int_equal(infer_find_places(&arena, pieces, count, 0, STEPS, &places), INFER_OK);
        judge(pieces, count, &places);
        infer_arena_free(&arena);
    }
}

/* Placed as the steps go, the large piece would lie behind the two small ones. */
static void small_before_large(void **state) {
    (void)state;
    infer_piece pieces[] = {{64, 0, 0, 1}, {64, 0, 1, 3}, {1024, 0, 2, 3}, {960, 0, 3, 3}};
    infer_places places;
    infer_arena arena;
    infer_arena_init(&arena, &infer_libc_allocator, 0);
    assert_int_equal(infer_find_places(&arena, pieces, 4, 0, 4, &places), INFER_OK);
    assert_int_equal(places.end, places.least);
    judge(pieces, 4, &places);
    infer_arena_free(&arena);
}

static void sizes_that_overflow(void **state) {
    (void)state;
    infer_piece pieces[] = {{SIZE_MAX / 64 * 64, 0, 0, 1}, {1 << 20, 0, 1, 1}};
    infer_places places;
    infer_arena arena;
    infer_arena_init(&arena, &infer_libc_allocator, 0);
    assert_int_equal(infer_find_places(&arena, pieces, 2, 0, 2, &places), INFER_ERROR_MEMORY);
    infer_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_pieces),
        cmocka_unit_test(small_before_large),
        cmocka_unit_test(sizes_that_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
