/* Time that only goes on; whoever includes this defines _POSIX_C_SOURCE. */
#ifndef INFER_BASE_CLOCK_H
#define INFER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t infer_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
