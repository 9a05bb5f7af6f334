/* Cutting evenly: no part is left with a few of what the others have many of. */
#ifndef INFER_KERNELS_EVEN_H
#define INFER_KERNELS_EVEN_H

#include <stddef.h>

/* The largest of as few parts as n can be cut into that have `most` at most; 0 of nothing. */
static inline size_t infer_even_part(size_t n, size_t most) {
    const size_t parts = n / most + (n % most != 0);
    return parts ? (n + parts - 1) / parts : 0;
}

#endif
