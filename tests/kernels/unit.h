/* cmocka, or the little of it that the kernels' tests use, for machines that have no cmocka: a test
 * of another architecture under an emulator (run_aarch64.sh). */
#ifndef INFER_TESTS_KERNELS_UNIT_H
#define INFER_TESTS_KERNELS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef INFER_TEST_PLAIN

#include <cmocka.h>

#else

struct CMUnitTest {
    const char *name;
    void (*function)(void **state);
};

#define cmocka_unit_test(f)                                                                        \
    { #f, f }
#define print_message(...) printf(__VA_ARGS__)

/* The first failure ends the program; CTest-like runners see its exit status. */
#define fail_msg(...)                                                                              \
    do {                                                                                           \
        printf("%s:%d: ", __FILE__, __LINE__);                                                     \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        exit(1);                                                                                   \
    } while (0)
#define assert_true(c)                                                                             \
    do {                                                                                           \
        if (!(c))                                                                                  \
            fail_msg("%s is false", #c);                                                           \
    } while (0)
#define assert_int_equal(a, b) assert_true((a) == (b))

#define cmocka_run_group_tests_name(group, tests, setup, teardown)                                 \
    unit_run(group, tests, sizeof tests / sizeof *tests)

static inline int unit_run(const char *group, const struct CMUnitTest *tests, size_t count) {
    for (size_t i = 0; i < count; i++)
        tests[i].function(NULL);
    printf("%s: %zu passed\n", group, count);
    return 0;
}

#endif

#endif
