/* Memory: the caller's allocator or the C library's, and an arena on top of it. */
#ifndef INFER_BASE_ALLOC_H
#define INFER_BASE_ALLOC_H

#include "infer.h"

#include <stdbool.h>

#define INFER_ALIGN 64

/* The allocator of the C library. */
extern const infer_allocator infer_libc_allocator;

/* size bytes at a 64-byte aligned address, or NULL with the message set; 0 bytes count as 1. */
void *infer_alloc(const infer_allocator *a, size_t size);
void *infer_alloc_zero(const infer_allocator *a, size_t size);
void infer_dealloc(const infer_allocator *a, void *pointer, size_t size);

/* Makes room for one more: grows *items (element bytes each, *capacity of them) when count is at
 * capacity. */
infer_status infer_grow(const infer_allocator *a, void *items, size_t *capacity, size_t count,
                        size_t element);

/* An arena: many small pieces, freed together. limit bounds the bytes taken from the allocator
 * (0: unbounded). */
typedef struct infer_arena {
    infer_allocator allocator;
    struct infer_arena_chunk *chunks;
    size_t used;  /* bytes used of the newest chunk */
    size_t total; /* bytes taken from the allocator */
    size_t limit;
    bool refused; /* the limit, not the allocator, said no */
} infer_arena;

void infer_arena_init(infer_arena *arena, const infer_allocator *a, size_t limit);

/* size bytes aligned to 16 (to 64 from 64 bytes on), not cleared; NULL with the message set. */
void *infer_arena_alloc(infer_arena *arena, size_t size);

/* count * element bytes, cleared. */
void *infer_arena_array(infer_arena *arena, size_t count, size_t element);

/* A terminated copy of size bytes. */
char *infer_arena_string(infer_arena *arena, const char *text, size_t size);

/* Forgets the pieces but keeps the memory, as one chunk where it was several, so that the same
 * demand is met without the allocator next time. */
void infer_arena_reset(infer_arena *arena);

void infer_arena_free(infer_arena *arena);

#endif
