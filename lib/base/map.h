/* Files: mapping one for reading, and writing one so that nobody sees half of it. */
#ifndef INFER_BASE_MAP_H
#define INFER_BASE_MAP_H

#include "infer.h"

typedef struct infer_map {
    const void *data;
    size_t size;
} infer_map;

/* Maps a regular file whole, read-only; an empty one has data NULL. */
infer_status infer_map_file(const char *path, infer_map *map);

/* As infer_map_file, for an open descriptor, which stays open; name is for messages. */
infer_status infer_map_descriptor(int fd, const char *name, infer_map *map);
void infer_unmap(infer_map *map);

/* Gives back the memory of a part, which is read again from the file where it is touched. */
void infer_map_forget(const infer_map *map, size_t offset, size_t size);

/* Writes size bytes to a temporary file beside path and renames it. */
infer_status infer_write_file(const char *path, const void *data, size_t size);

#endif
