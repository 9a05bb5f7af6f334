/* Memory: the caller's allocator or the C library's, and an arena on top of it. */
#ifndef INFER_BASE_ALLOC_H
#define INFER_BASE_ALLOC_H

#include "infer.h"

#include <stdbool.h>

#define INFER_ALIGN 64

/* From this size on, memory comes from the system page by page and goes back when it is freed, so
 * that what a large model needed while it was loaded does not stay with the process. */
#define INFER_LARGE ((size_t)256 << 10)

/* The allocator of the C library, and of the system for large pieces. */
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
    struct infer_arena_chunk *first, *last; /* chunks of small pieces, in the order of their use */
    struct infer_arena_chunk *current;      /* pieces come from this one */
    struct infer_arena_chunk *blocks;       /* of one large piece each */
    size_t used;                            /* bytes used of the current chunk */
    size_t small;                           /* bytes of the chunks */
    size_t demand;                          /* bytes of the pieces since the arena was empty */
    size_t total;                           /* bytes taken from the allocator */
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

/* As infer_arena_alloc, for what may go before the arena does: from INFER_LARGE bytes on the piece
 * stands alone, and infer_arena_release with its size gives it back (smaller ones stay). */
void *infer_arena_block(infer_arena *arena, size_t size);
void infer_arena_release(infer_arena *arena, void *pointer, size_t size);

/* Forgets the pieces but keeps the chunks (not the blocks): the same demand in the same order is
 * met without the allocator. An arena that holds far more than was asked for is freed instead. */
void infer_arena_reset(infer_arena *arena);

void infer_arena_free(infer_arena *arena);

#endif
