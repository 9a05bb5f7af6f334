/* How many threads make sense. */
#ifndef INFER_EXEC_PROCESSORS_H
#define INFER_EXEC_PROCESSORS_H

#include "infer.h"

#include <stdbool.h>

/* How many processors this process may keep busy: those it may run on, and no more than the quota
 * of its control groups, rounded up. At least 1. */
uint32_t infer_processors(void);

/* The second half of it: `count` or fewer, by the list of the process's groups in one file and the
 * groups' folders below root. */
uint32_t infer_processors_within(uint32_t count, const char *groups, const char *root);

#define INFER_MOST_THREADS 1024

static inline bool infer_threads_fit(uint32_t given) {
    return given <= INFER_MOST_THREADS || given == INFER_THREADS_ALL;
}

/* What a number of threads given by a caller means: 0 as 1, INFER_THREADS_ALL as said. */
infer_status infer_thread_count(uint32_t given, uint32_t *threads);

#endif
