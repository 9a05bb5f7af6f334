/* What a loader may hold where nobody said. */
#ifndef INFER_LOAD_LIMIT_H
#define INFER_LOAD_LIMIT_H

#include "load.h"

/* The limit of the source, or where that is 0, 64 MiB and 16 times its size, in which files beside
 * it count. */
static inline size_t infer_load_limit(const infer_source *source, size_t beside) {
    size_t limit;
    if (source->limit)
        return source->limit;
    return __builtin_add_overflow(source->size, beside, &limit) ||
                   __builtin_mul_overflow(limit, (size_t)16, &limit) ||
                   __builtin_add_overflow(limit, (size_t)64 << 20, &limit)
               ? SIZE_MAX
               : limit;
}

#endif
