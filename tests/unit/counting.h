/* Counting allocations: those of the C library by this program, and those of an allocator that is
 * given in the options. For one file a program. */
#ifndef INFER_TESTS_COUNTING_H
#define INFER_TESTS_COUNTING_H

#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

/* Calls of the C library's allocator, which this program stands in front of. A sanitizer does so
 * already. */
#if defined(__GLIBC__) && !defined(SANITIZED)
#define COUNTS_MALLOC 1
static size_t malloc_calls;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    malloc_calls++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    malloc_calls++;
    return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size) {
    malloc_calls++;
    return __libc_realloc(pointer, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    malloc_calls++;
    return __libc_memalign(alignment, size);
}
#else
#define COUNTS_MALLOC 0
static const size_t malloc_calls = 0;
#endif

/* Calls of an allocator given in the options, and the bytes that are out. */
typedef struct counter {
    size_t calls, held;
} counter;

static inline void *counter_alloc(void *user, size_t size) {
    counter *c = user;
    c->calls++;
    c->held += size;
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

static inline void counter_free(void *user, void *pointer, size_t size) {
    ((counter *)user)->held -= size;
    free(pointer);
}

#endif
