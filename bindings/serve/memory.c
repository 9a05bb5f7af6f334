/* How much memory the process may have. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <unistd.h>

#include "core.h"

/* Of the control groups' two versions; a file without a number has no limit. */
static size_t group_limit(void) {
    static const char *const files[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    unsigned long long limit = 0;
    for (size_t i = 0; !limit && i < sizeof files / sizeof *files; i++) {
        FILE *file = fopen(files[i], "r");
        if (file && fscanf(file, "%llu", &limit) != 1)
            limit = 0;
        if (file)
            fclose(file);
    }
    return limit && limit < SIZE_MAX / 2 ? (size_t)limit : SIZE_MAX / 2;
}

size_t infer_serve_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t machine = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX / 2;
    size_t group = group_limit();
    return group < machine ? group : machine;
}
