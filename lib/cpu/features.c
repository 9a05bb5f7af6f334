/* The machine's flags, found once, and the environment's say in them. */
#include "cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* No flag: marks the answer as found, for a machine may have none. */
#define FOUND 0x40000000u

static uint32_t allowed(void) {
    const char *level = getenv("INFER_CPU");
    if (level) {
#define LEVEL(name, flags)                                                                         \
    if (strcmp(level, #name) == 0)                                                                 \
        return (flags);
        INFER_CPU_LEVELS(LEVEL)
#undef LEVEL
    }
    return ~0u;
}

uint32_t infer_cpu_features(void) {
    static _Atomic uint32_t known;
    /* Threads that meet here at once all find the same, so the race has no loser. */
    uint32_t flags = atomic_load_explicit(&known, memory_order_relaxed);
    if (!flags) {
        flags = (infer_cpu_detect() & allowed()) | FOUND;
        atomic_store_explicit(&known, flags, memory_order_relaxed);
    }
    return flags & ~FOUND;
}
