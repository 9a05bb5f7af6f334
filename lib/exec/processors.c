/*
 * How many processors a process may keep busy. The kernel's files are read only where a caller asks
 * for as many threads as there can be.
 *
 * Quotas: cpu.max of version 2 of control groups ("QUOTA PERIOD" or "max PERIOD"), cpu.cfs_quota_us
 * and cpu.cfs_period_us of version 1 (-1: none), in the process's group and in those around it.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "processors.h"

#include "status.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The start of a file, terminated. */
static bool read_start(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, size - 1, file);
    fclose(file);
    text[n] = 0;
    return n > 0;
}

/* The smaller of count and quota / period, rounded up. */
static uint32_t capped(uint32_t count, double quota, double period) {
    if (!(quota > 0) || !(period > 0) || quota / period >= count)
        return count;
    uint32_t whole = (uint32_t)(quota / period);
    return whole + (whole * period < quota);
}

static uint32_t cap_by_group(uint32_t count, const char *root, const char *group, bool second) {
    char path[PATH_MAX], text[64], period[64];
    if (second) {
        snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
        char *end;
        if (!read_start(path, text, sizeof text) || strncmp(text, "max", 3) == 0)
            return count;
        double quota = strtod(text, &end);
        return capped(count, quota, strtod(end, NULL));
    }
    snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", root, group);
    if (!read_start(path, text, sizeof text))
        return count;
    snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", root, group);
    if (!read_start(path, period, sizeof period))
        return count;
    return capped(count, strtod(text, NULL), strtod(period, NULL));
}

/* A group's and those of all groups around it. */
static uint32_t cap_upwards(uint32_t count, const char *root, char *group, bool second) {
    for (char *slash; (slash = strrchr(group, '/')) != NULL; *slash = 0)
        count = cap_by_group(count, root, group, second);
    return cap_by_group(count, root, "", second);
}

/* Whether a list of controllers, a,b,c, has cpu among them. */
static bool has_cpu(const char *list) {
    while (list) {
        if (strncmp(list, "cpu", 3) == 0 && (list[3] == ',' || list[3] == 0))
            return true;
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    return false;
}

/* Lines of the groups' list: NUMBER:CONTROLLERS:GROUP, without controllers for version 2. */
uint32_t infer_processors_within(uint32_t count, const char *groups, const char *root) {
    char text[4096], first[PATH_MAX], *save = NULL;
    if (!read_start(groups, text, sizeof text))
        return count;
    snprintf(first, sizeof first, "%s/cpu", root);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        if (list[1] == 0)
            count = cap_upwards(count, root, group, true);
        else if (has_cpu(list + 1))
            count = cap_upwards(count, first, group, false);
    }
    return count;
}

uint32_t infer_processors(void) {
    uint32_t count = 1;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = (uint32_t)CPU_COUNT(&set);
    else
#endif
        count = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    return infer_processors_within(count, "/proc/self/cgroup", "/sys/fs/cgroup");
}

infer_status infer_thread_count(uint32_t given, uint32_t *threads) {
    if (!infer_threads_fit(given))
        return infer_fail(INFER_ERROR_ARGUMENT, "%u threads: at most %d can be", (unsigned)given,
                          INFER_MOST_THREADS);
    if (given == INFER_THREADS_ALL)
        given = infer_processors();
    *threads = given ? given : 1;
    return INFER_OK;
}
