/* Loading with every allocation failing in turn. */
#ifndef INFER_TESTS_FAILING_H
#define INFER_TESTS_FAILING_H

#include "infer.h"

#include <stdlib.h>

/* Fails allocation number `fails_at` and counts what is out. */
typedef struct failing {
    size_t calls, fails_at, out;
} failing;

static inline void *failing_alloc(void *user, size_t size) {
    failing *f = user;
    if (f->calls++ == f->fails_at)
        return NULL;
    f->out++;
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

static inline void failing_free(void *user, void *pointer, size_t size) {
    failing *f = user;
    (void)size;
    f->out--;
    free(pointer);
}

/* Loads the bytes with allocation 0, 1, ... refused until none is; each time nothing may stay
 * behind. */
static inline void failing_allocations(const void *bytes, size_t size) {
    infer_options options;
    infer_options_init(&options);
    for (size_t n = 0;; n++) {
        failing f = {.fails_at = n};
        infer_allocator allocator = {failing_alloc, failing_free, &f};
        infer_model *m;
        options.allocator = &allocator;
        infer_status status = infer_load_memory_with(bytes, size, INFER_COPY, &options, &m);
        if (status == INFER_OK)
            infer_free(m);
        else
            assert_int_equal(status, INFER_ERROR_MEMORY);
        assert_int_equal(f.out, 0);
        if (status == INFER_OK) {
            assert_true(n > 3);
            return;
        }
    }
}

#endif
