/* A few elements at a time in one of the types that loops compute in, whatever type they have. */
#ifndef INFER_OPS_CHUNK_H
#define INFER_OPS_CHUNK_H

#include "types.h"

#include <stddef.h>
#include <stdint.h>

#define INFER_CHUNK 256 /* elements */

typedef union infer_chunk {
    float f[INFER_CHUNK];
    double d[INFER_CHUNK];
    int64_t i[INFER_CHUNK];
    uint64_t u[INFER_CHUNK];
} infer_chunk;

/* FLOAT, DOUBLE, INT64 or UINT64: the type that holds every value of this one. */
infer_type infer_wide_type(infer_type type);

/* Elements [at, at + n) of data in the wide type: where they lie, if they have it, else in chunk
 * (then n is at most INFER_CHUNK). */
const void *infer_load_wide(infer_type type, const void *data, size_t at, size_t n,
                            infer_chunk *chunk);

/* The same as double, and as float. */
const double *infer_load_double(infer_type type, const void *data, size_t at, size_t n,
                                infer_chunk *chunk);
const float *infer_load_float(infer_type type, const void *data, size_t at, size_t n,
                              infer_chunk *chunk);

/* The way back, from n values of wide, which is the wide type's or double for floating types.
 * Integers wrap. */
void infer_store_double(infer_type type, const double *from, void *data, size_t at, size_t n);
void infer_store_int(infer_type type, const int64_t *from, void *data, size_t at, size_t n);

#endif
