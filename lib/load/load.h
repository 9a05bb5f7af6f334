/* The frontends: each turns the bytes of one source format into a graph. */
#ifndef INFER_LOAD_H
#define INFER_LOAD_H

#include "graph.h"
#include "map.h"

/* What a loader may use. The bytes stay unchanged until the graph is freed; of a mapped file the
 * loader forgets what it has decoded, which would stand in memory beside it. */
typedef struct infer_source {
    const void *data;
    size_t size;
    const char *path; /* NULL for bytes; external data is looked for beside it */
    const infer_allocator *allocator;
    size_t limit;         /* bytes a loader may hold while parsing */
    const infer_map *map; /* that the bytes are; NULL: they are somebody's memory */
} infer_source;

/* A loaded graph and what it borrows from: close frees parsed memory and mappings, after the image
 * was written or on failure. */
typedef struct infer_loaded {
    infer_graph *graph;
    void *parsed;
    void (*close)(struct infer_loaded *loaded);
} infer_loaded;

typedef struct infer_loader {
    const char *name; /* "onnx", "json": the metadata entry "format" */
    /* How sure the loader is that the bytes are of its format: 0 no, 1 maybe, 2 yes. */
    int (*probe)(const void *data, size_t size, const char *path);
    infer_status (*load)(infer_source *source, infer_loaded *loaded);
    /* Tells of every node whose operator is missing; NULL where the format has no operators. */
    infer_status (*missing)(infer_source *source, infer_missing_operator *found, void *user);
} infer_loader;

extern const infer_loader infer_loader_onnx;
extern const infer_loader infer_loader_json;

/* Picks the surest loader and runs it; on failure nothing is left to close. */
infer_status infer_load_source(infer_source *source, infer_loaded *loaded);

/* What the surest loader's `missing` tells. */
infer_status infer_load_missing(infer_source *source, infer_missing_operator *found, void *user);

#endif
