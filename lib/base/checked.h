/* Checked arithmetic: every size from outside goes through these before it is used. */
#ifndef INFER_BASE_CHECKED_H
#define INFER_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* true where the result fits; *out is then a + b, a * b, or a rounded up to a power of two. */
static inline bool infer_add(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

static inline bool infer_mul(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool infer_round_up(size_t a, size_t alignment, size_t *out) {
    if (!infer_add(a, alignment - 1, out))
        return false;
    *out &= ~(alignment - 1);
    return true;
}

/* Whether the range [offset, offset + size) lies in [0, total). */
static inline bool infer_range(uint64_t offset, uint64_t size, uint64_t total) {
    return offset <= total && size <= total - offset;
}

#endif
