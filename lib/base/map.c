/* Files: mapping one for reading, and writing one so that nobody sees half of it. */
#define _DEFAULT_SOURCE
#include "map.h"

#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static infer_status io_error(const char *what, const char *path) {
    return infer_fail(INFER_ERROR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

infer_status infer_map_descriptor(int fd, const char *name, infer_map *map) {
    struct stat st;
    *map = (infer_map){0};
    if (fstat(fd, &st) != 0)
        return io_error("stat", name);
    if (!S_ISREG(st.st_mode))
        return infer_fail(INFER_ERROR_IO, "%s is not a regular file", name);
    if (st.st_size == 0)
        return INFER_OK;
    if ((uintmax_t)st.st_size > SIZE_MAX)
        return infer_fail(INFER_ERROR_IO, "%s is too large to map", name);
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return io_error("map", name);
    *map = (infer_map){data, (size_t)st.st_size};
    return INFER_OK;
}

infer_status infer_map_file(const char *path, infer_map *map) {
    *map = (infer_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return io_error("open", path);
    infer_status status = infer_map_descriptor(fd, path, map);
    close(fd);
    return status;
}

void infer_unmap(infer_map *map) {
    if (map->data)
        munmap((void *)map->data, map->size);
    *map = (infer_map){0};
}

void infer_map_forget(const infer_map *map, size_t offset, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = (offset + page - 1) & ~(page - 1), last = (offset + size) & ~(page - 1);
    /* Advice: where the system does not take it, the pages merely stay. */
    if (first < last)
        (void)madvise((char *)map->data + first, last - first, MADV_DONTNEED);
}

static bool write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = write(fd, data, size > (1u << 30) ? (1u << 30) : size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* A new file beside path; its name goes to `name`. */
static int create_beside(const char *path, char *name, size_t room) {
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        int n = snprintf(name, room, "%s.%ld-%u.tmp", path, (long)getpid(), attempt);
        if (n < 0 || (size_t)n >= room) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

infer_status infer_write_file(const char *path, const void *data, size_t size) {
    char temporary[PATH_MAX];
    int fd = create_beside(path, temporary, sizeof temporary);
    if (fd < 0)
        return io_error("create a file beside", path);
    bool ok = write_all(fd, data, size);
    ok = close(fd) == 0 && ok;
    if (!ok || rename(temporary, path) != 0) {
        infer_status status = io_error("write", path);
        unlink(temporary);
        return status;
    }
    return INFER_OK;
}
