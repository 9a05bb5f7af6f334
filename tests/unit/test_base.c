/* Base: the arena, the content hash and the messages. */
#include "alloc.h"
#include "hash.h"
#include "status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Values computed with the reference program xxhsum (XXH64). */
static void hash_is_xxh64(void **state) {
    (void)state;
    assert_int_equal(infer_hash64("", 0, 0), 0xef46db3751d8e999u);
    assert_int_equal(infer_hash64("a", 1, 0), 0xd24ec4f1a98c6e5bu);
    assert_int_equal(infer_hash64("abc", 3, 0), 0x44bc2cf5ad770999u);
    const char *text = "Call me Ishmael. Some years ago--never mind how long precisely-";
    assert_int_equal(infer_hash64(text, strlen(text), 0), 0x02a2e85470d6fd96u);
}

static void arena_pieces_are_aligned_and_apart(void **state) {
    (void)state;
    infer_arena arena;
    infer_arena_init(&arena, &infer_libc_allocator, 0);
    char *last = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        char *p = infer_arena_alloc(&arena, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (size >= 64 ? 64 : 16), 0);
        memset(p, 0xa5, size);
        last = p;
    }
    assert_non_null(last);
    size_t total = arena.total;
    infer_arena_reset(&arena);
    assert_int_equal(arena.total, total);
    infer_arena_free(&arena);
    assert_int_equal(arena.total, 0);
}

static void arena_keeps_to_its_limit(void **state) {
    (void)state;
    infer_arena arena;
    infer_arena_init(&arena, &infer_libc_allocator, 10000);
    assert_non_null(infer_arena_alloc(&arena, 5000));
    assert_null(infer_arena_alloc(&arena, 6000));
    assert_non_null(strstr(infer_last_error(), "limit"));
    assert_null(infer_arena_array(&arena, SIZE_MAX / 2, 4));
    infer_arena_free(&arena);
}

static void messages_nest(void **state) {
    (void)state;
    assert_int_equal(infer_fail(INFER_ERROR_SHAPE, "rank %d", 3), INFER_ERROR_SHAPE);
    infer_fail_within(INFER_ERROR_SHAPE, "node %s", "n");
    assert_string_equal(infer_last_error(), "node n: rank 3");
    assert_string_equal(infer_status_name(INFER_ERROR_SHAPE), "INFER_ERROR_SHAPE");
    assert_string_equal(infer_status_name((infer_status)99), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_xxh64),
        cmocka_unit_test(arena_pieces_are_aligned_and_apart),
        cmocka_unit_test(arena_keeps_to_its_limit),
        cmocka_unit_test(messages_nest),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
