/* Cutting into parts that are even. */
#ifndef INFER_KERNELS_EVEN_H
#define INFER_KERNELS_EVEN_H

#include <stddef.h>

/* Part number i of so many: no two differ by more than one. */
static inline size_t infer_even_share(size_t n, size_t parts, size_t i) {
    return n / parts + (i < n % parts);
}

/* The largest of as few parts as n can be cut into that have `most` at most; 0 of nothing. Where
 * all but the last are that large, the last may have little. */
static inline size_t infer_even_part(size_t n, size_t most) {
    const size_t parts = n / most + (n % most != 0);
    return parts ? (n + parts - 1) / parts : 0;
}

#endif
