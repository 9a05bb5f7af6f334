/*
 * Grows a prepared linear model into a large one whose weights are a hole in its file:
 * sparse SMALL.infer FACTOR LARGE.infer. The new model takes FACTOR times as many features.
 *
 * The image is written where it will lie, in the mapped file, so that neither memory nor disk has
 * to hold the weights.
 */
#define _POSIX_C_SOURCE 200809L
#include "image.h"
#include "map.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *map_new_file(void *path, size_t size) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    void *data = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return data == MAP_FAILED ? NULL : data;
}

static void unmap(void *path, void *data, size_t size) {
    (void)path;
    munmap(data, size);
}

/* The weights are the only constant of rank 2; they go behind the others. Every extent that is the
 * feature count grows with them. */
static size_t grow(const infer_image *m, infer_image_value *values, int64_t *extents,
                   int64_t factor) {
    size_t end = (size_t)m->header->data.count;
    for (uint64_t i = 0; i < m->header->values.count; i++)
        if (values[i].constant && values[i].rank == 2) {
            int64_t features = extents[values[i].extents + 1];
            for (uint64_t j = 0; j < m->header->extents.count; j++)
                extents[j] *= extents[j] == features ? factor : 1;
            values[i].data_offset =
                (end + INFER_IMAGE_ALIGN - 1) / INFER_IMAGE_ALIGN * INFER_IMAGE_ALIGN;
            values[i].data_size *= (uint64_t)factor;
            return (size_t)(values[i].data_offset + values[i].data_size);
        }
    return 0;
}

int main(int argc, char **argv) {
    infer_map map;
    infer_image m;
    if (argc != 4 || infer_map_file(argv[1], &map) != INFER_OK ||
        infer_image_open(map.data, map.size, &m) != INFER_OK) {
        fprintf(stderr, "sparse: %s\n", infer_last_error());
        return 1;
    }
    infer_image_tables tables = {0};
#define TAKE(name, type)                                                                           \
    tables.name = m.name;                                                                          \
    tables.name##_count = (size_t)m.header->name.count;
    INFER_IMAGE_SECTIONS(TAKE)
    infer_image_value *values = malloc(tables.values_count * sizeof *values);
    int64_t *extents = malloc(tables.extents_count * sizeof *extents);
    if (!values || !extents)
        return 1;
    memcpy(values, m.values, tables.values_count * sizeof *values);
    memcpy(extents, m.extents, tables.extents_count * sizeof *extents);
    tables.values = values;
    tables.extents = extents;
    tables.data = NULL;
    tables.data_count = grow(&m, values, extents, atoll(argv[2]));
    infer_allocator file = {map_new_file, unmap, argv[3]};
    void *image;
    char *data;
    size_t size;
    if (infer_image_write(&file, &tables, &image, &size, &data) != INFER_OK) {
        perror(argv[3]);
        return 1;
    }
    infer_image_seal(image, size);
    munmap(image, size);
    free(values);
    free(extents);
    infer_unmap(&map);
    return 0;
}
