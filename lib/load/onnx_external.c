/* External data of ONNX tensors: files beside the model, and nothing but those. */
#define _POSIX_C_SOURCE 200809L
#include "checked.h"
#include "onnx_reader.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct infer_onnx_file {
    infer_onnx_file *next;
    const char *location;
    infer_map map;
};

/* ---- finding the file ---- */

static infer_status cannot_open(const char *location, int error) {
    return infer_fail(INFER_ERROR_IO, "cannot open external data \"%s\": %s", location,
                      error == ELOOP || error == ENOTDIR
                          ? "on its path is a symbolic link or what is no folder"
                          : strerror(error));
}

static infer_status open_folder(infer_onnx_reader *r, int *fd) {
    const char *slash = strrchr(r->path, '/');
    size_t size = slash ? (size_t)(slash - r->path) + 1 : 2;
    char *folder = infer_onnx_alloc(r, size + 1);
    if (!folder)
        return r->refused;
    memcpy(folder, slash ? r->path : "./", size);
    folder[size] = 0;
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd >= 0 ? INFER_OK : cannot_open(folder, errno);
}

/* Only downwards: a relative path without "..". */
static infer_status check_location(const char *location) {
    bool good = location[0] && location[0] != '/';
    for (const char *at = location; good && *at;) {
        size_t size = strcspn(at, "/");
        good = size <= NAME_MAX && !(size == 2 && memcmp(at, "..", 2) == 0);
        at += size + strspn(at + size, "/");
    }
    if (good)
        return INFER_OK;
    return infer_fail(INFER_ERROR_FORMAT, "external data \"%s\" lies outside the model's folder",
                      location);
}

/* Opens the components of a checked path one by one and follows no link, so that none can lead out
 * of the folder. *fd is the folder on entry and the file (or -1) on return. */
static infer_status descend(const char *location, int *fd) {
    for (const char *at = location; *at;) {
        char component[NAME_MAX + 1];
        size_t size = strcspn(at, "/");
        memcpy(component, at, size);
        component[size] = 0;
        at += size + strspn(at + size, "/");
        int kind = *at ? O_DIRECTORY : O_NONBLOCK;
        int inner = openat(*fd, component, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind);
        int error = errno;
        close(*fd);
        *fd = inner;
        if (inner < 0)
            return cannot_open(location, error);
    }
    return INFER_OK;
}

/* A second name of a file may lie anywhere, so it is as suspicious as a symbolic link. */
static infer_status map_regular(int fd, const char *location, infer_map *map) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return cannot_open(location, errno);
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        return infer_fail(INFER_ERROR_IO,
                          "external data \"%s\" is not a regular file with one name", location);
    return infer_map_descriptor(fd, location, map);
}

static infer_status map_file(infer_onnx_reader *r, const char *location, infer_map *map) {
    if (!r->path)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "external data \"%s\" needs a model that lies in a folder", location);
    int fd = -1;
    INFER_TRY(check_location(location));
    INFER_TRY(open_folder(r, &fd));
    INFER_TRY(descend(location, &fd));
    infer_status status = map_regular(fd, location, map);
    close(fd);
    return status;
}

static infer_status find_file(infer_onnx_reader *r, const char *location, infer_map *map) {
    for (const infer_onnx_file *f = r->files; f; f = f->next)
        if (strcmp(f->location, location) == 0) {
            *map = f->map;
            return INFER_OK;
        }
    infer_onnx_file *file = infer_onnx_alloc(r, sizeof *file);
    if (!file)
        return r->refused;
    INFER_TRY(map_file(r, location, map));
    *file = (infer_onnx_file){r->files, location, *map};
    r->files = file;
    return INFER_OK;
}

size_t infer_onnx_external_size(const infer_onnx_reader *r) {
    size_t total = 0;
    for (const infer_onnx_file *f = r->files; f; f = f->next)
        if (!infer_add(total, f->map.size, &total))
            return SIZE_MAX;
    return total;
}

infer_status infer_onnx_map(infer_onnx_reader *r, const Infer__Onnx__TensorProto *tensor) {
    infer_map map;
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const Infer__Onnx__StringStringEntryProto *entry = tensor->external_data[i];
        if (entry->key && entry->value && strcmp(entry->key, "location") == 0)
            return find_file(r, entry->value, &map);
    }
    return INFER_OK; /* reading the tensor will complain */
}

static bool lies_in(const void *data, size_t size, const void *whole, size_t whole_size,
                    size_t *offset) {
    *offset = (size_t)((uintptr_t)data - (uintptr_t)whole);
    return whole && (uintptr_t)data >= (uintptr_t)whole && infer_range(*offset, size, whole_size);
}

/* Whether data lies in the model or in a file beside it; *map is NULL where it is no file. */
static bool find(const infer_onnx_reader *r, const void *data, size_t size, const infer_map **map,
                 size_t *offset) {
    *map = r->map;
    if (lies_in(data, size, r->model, r->model_size, offset))
        return true;
    for (const infer_onnx_file *f = r->files; f; f = f->next) {
        *map = &f->map;
        if (lies_in(data, size, f->map.data, f->map.size, offset))
            return true;
    }
    return false;
}

bool infer_onnx_stays(const infer_onnx_reader *r, const void *data, size_t size) {
    const infer_map *map;
    size_t offset;
    return find(r, data, size, &map, &offset);
}

bool infer_onnx_forget(infer_onnx_reader *r, const void *data, size_t size) {
    const infer_map *map;
    size_t offset;
    const bool found = find(r, data, size, &map, &offset);
    if (found && map)
        infer_map_forget(map, offset, size);
    return found;
}

void infer_onnx_unmap(infer_onnx_reader *r) {
    for (infer_onnx_file *f = r->files; f; f = f->next)
        infer_unmap(&f->map);
    r->files = NULL;
}

/* ---- the range in it ---- */

static infer_status parse_size(const char *key, const char *text, uint64_t *value) {
    *value = 0;
    for (const char *c = text; *c || c == text; c++) {
        unsigned digit = (unsigned)*c - '0';
        if (digit > 9 || __builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, digit, value))
            return infer_fail(INFER_ERROR_FORMAT, "external data has the %s \"%s\"", key, text);
    }
    return INFER_OK;
}

infer_status infer_onnx_external(infer_onnx_reader *r, const Infer__Onnx__TensorProto *tensor,
                                 size_t size, const void **data) {
    const char *location = NULL;
    uint64_t offset = 0, length = size;
    /* A checksum is of the whole file: checking it would read what opening must not, so it is
     * passed over like every key of a writer's own. */
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const Infer__Onnx__StringStringEntryProto *entry = tensor->external_data[i];
        if (!entry->key || !entry->value)
            continue;
        if (strcmp(entry->key, "location") == 0)
            location = entry->value;
        else if (strcmp(entry->key, "offset") == 0)
            INFER_TRY(parse_size("offset", entry->value, &offset));
        else if (strcmp(entry->key, "length") == 0)
            INFER_TRY(parse_size("length", entry->value, &length));
    }
    if (!location)
        return infer_fail(INFER_ERROR_FORMAT, "external data has no location");
    if (length != size)
        return infer_fail(INFER_ERROR_FORMAT,
                          "%llu bytes of external data where its shape needs %zu",
                          (unsigned long long)length, size);
    infer_map map;
    INFER_TRY(find_file(r, location, &map));
    if (!infer_range(offset, length, map.size))
        return infer_fail(INFER_ERROR_FORMAT,
                          "external data \"%s\" has %zu bytes, not %llu from %llu on", location,
                          map.size, (unsigned long long)length, (unsigned long long)offset);
    *data = map.data ? (const char *)map.data + offset : NULL;
    return INFER_OK;
}
