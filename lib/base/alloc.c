/* Memory: the caller's allocator or the C library's, and an arena on top of it. */
#include "alloc.h"

#include "checked.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *user, size_t size) {
    (void)user;
    size_t rounded;
    return infer_round_up(size, INFER_ALIGN, &rounded) ? aligned_alloc(INFER_ALIGN, rounded) : NULL;
}

static void libc_free(void *user, void *pointer, size_t size) {
    (void)user;
    (void)size;
    free(pointer);
}

const infer_allocator infer_libc_allocator = {libc_alloc, libc_free, NULL};

void *infer_alloc(const infer_allocator *a, size_t size) {
    void *p = a->alloc(a->user, size ? size : 1);
    if (!p)
        infer_fail(INFER_ERROR_MEMORY, "out of memory: %zu bytes refused", size);
    return p;
}

void *infer_alloc_zero(const infer_allocator *a, size_t size) {
    void *p = infer_alloc(a, size);
    if (p)
        memset(p, 0, size);
    return p;
}

void infer_dealloc(const infer_allocator *a, void *pointer, size_t size) {
    if (pointer)
        a->free(a->user, pointer, size ? size : 1);
}

infer_status infer_grow(const infer_allocator *a, void *items, size_t *capacity, size_t count,
                        size_t element) {
    if (count < *capacity)
        return INFER_OK;
    size_t wanted, bytes;
    if (!infer_mul(*capacity, 2, &wanted) || !infer_mul(wanted ? wanted : 8, element, &bytes))
        return infer_fail(INFER_ERROR_MEMORY, "a table of %zu entries cannot grow", count);
    void *grown = infer_alloc(a, bytes);
    if (!grown)
        return INFER_ERROR_MEMORY;
    void *old;
    memcpy(&old, items, sizeof old);
    if (count)
        memcpy(grown, old, count * element);
    infer_dealloc(a, old, *capacity * element);
    memcpy(items, &grown, sizeof grown);
    *capacity = wanted ? wanted : 8;
    return INFER_OK;
}

/* ---- arena ---- */

struct infer_arena_chunk {
    struct infer_arena_chunk *next;
    size_t size; /* with this header, which takes one alignment unit */
};

#define CHUNK_HEADER INFER_ALIGN
#define CHUNK_FIRST  ((size_t)4096)

void infer_arena_init(infer_arena *arena, const infer_allocator *a, size_t limit) {
    *arena = (infer_arena){.allocator = *a, .limit = limit};
}

static infer_status add_chunk(infer_arena *arena, size_t payload) {
    size_t size;
    if (!infer_add(payload, CHUNK_HEADER, &size))
        return infer_fail(INFER_ERROR_MEMORY, "out of memory: %zu bytes asked for", payload);
    arena->refused = arena->limit && !infer_range(arena->total, size, arena->limit);
    if (arena->refused)
        return infer_fail(INFER_ERROR_LIMIT,
                          "%zu bytes held and %zu more needed pass the limit of "
                          "%zu bytes",
                          arena->total, size, arena->limit);
    struct infer_arena_chunk *chunk = infer_alloc(&arena->allocator, size);
    if (!chunk)
        return INFER_ERROR_MEMORY;
    *chunk = (struct infer_arena_chunk){arena->chunks, size};
    arena->chunks = chunk;
    arena->total += size;
    arena->used = CHUNK_HEADER;
    return INFER_OK;
}

void *infer_arena_alloc(infer_arena *arena, size_t size) {
    size_t align = size >= INFER_ALIGN ? INFER_ALIGN : 16, at = 0, end = 0;
    struct infer_arena_chunk *chunk = arena->chunks;
    if (chunk)
        at = (arena->used + align - 1) & ~(align - 1);
    if (!chunk || !infer_add(at, size, &end) || end > chunk->size) {
        /* Chunks double, so that their number stays small; a limit is met to the byte. */
        size_t payload = arena->total > CHUNK_FIRST ? arena->total : CHUNK_FIRST - CHUNK_HEADER;
        if (payload < size)
            payload = size;
        if (arena->limit && !infer_range(arena->total, payload + CHUNK_HEADER, arena->limit))
            payload = size;
        if (add_chunk(arena, payload) != INFER_OK)
            return NULL;
        chunk = arena->chunks;
        at = CHUNK_HEADER;
        end = at + size;
    }
    arena->used = end;
    return (char *)chunk + at;
}

void *infer_arena_array(infer_arena *arena, size_t count, size_t element) {
    size_t bytes;
    if (!infer_mul(count, element, &bytes)) {
        infer_fail(INFER_ERROR_MEMORY, "out of memory: %zu x %zu bytes asked for", count, element);
        return NULL;
    }
    void *p = infer_arena_alloc(arena, bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

char *infer_arena_string(infer_arena *arena, const char *text, size_t size) {
    size_t bytes;
    char *copy = infer_add(size, 1, &bytes) ? infer_arena_alloc(arena, bytes) : NULL;
    if (copy) {
        if (size)
            memcpy(copy, text, size);
        copy[size] = 0;
    }
    return copy;
}

void infer_arena_reset(infer_arena *arena) {
    if (arena->chunks && arena->chunks->next) {
        size_t total = arena->total;
        infer_arena_free(arena);
        /* Failing here only means that the next demand asks the allocator again. */
        (void)add_chunk(arena, total - CHUNK_HEADER);
    }
    arena->used = CHUNK_HEADER;
}

void infer_arena_free(infer_arena *arena) {
    for (struct infer_arena_chunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        infer_dealloc(&arena->allocator, c, c->size);
    }
    arena->chunks = NULL;
    arena->total = 0;
    arena->used = 0;
}
