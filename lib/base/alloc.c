/* Memory: the caller's allocator or the C library's, and an arena on top of it. */
#define _GNU_SOURCE
#include "alloc.h"

#include "checked.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Pages of 2 MB take one fault where those of 4 kB take 512, but lie at multiples of their size. */
#define HUGE ((size_t)2 << 20)

static void *map_pages(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *map_huge(size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole;
    char *p = infer_round_up(size, page, &size) && infer_add(size, HUGE, &whole) ? map_pages(whole)
                                                                                 : NULL;
    if (!p)
        return NULL;
    const size_t before = -(uintptr_t)p & (HUGE - 1);
    if (before)
        munmap(p, before);
    if (before < HUGE)
        munmap(p + before + size, HUGE - before);
    /* Advice: without it there are more faults. */
    (void)madvise(p + before, size, MADV_HUGEPAGE);
    return p + before;
}

static void *libc_alloc(void *user, size_t size) {
    (void)user;
    size_t rounded;
    if (!infer_round_up(size, INFER_ALIGN, &rounded))
        return NULL;
    if (size < INFER_LARGE)
        return aligned_alloc(INFER_ALIGN, rounded);
    return size < HUGE ? map_pages(size) : map_huge(size);
}

static void libc_free(void *user, void *pointer, size_t size) {
    (void)user;
    if (size < INFER_LARGE)
        free(pointer);
    else
        munmap(pointer, size);
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
    struct infer_arena_chunk *next, *previous;
    size_t size; /* with this header, which takes one alignment unit */
};

#define CHUNK_HEADER INFER_ALIGN
#define CHUNK_FIRST  ((size_t)4096)
#define CHUNK_GROWTH ((size_t)1 << 20)
#define KEPT_EXCESS  4

void infer_arena_init(infer_arena *arena, const infer_allocator *a, size_t limit) {
    *arena = (infer_arena){.allocator = *a, .limit = limit};
}

static struct infer_arena_chunk *new_chunk(infer_arena *arena, size_t payload) {
    size_t size;
    arena->refused = !infer_add(payload, CHUNK_HEADER, &size) ||
                     (arena->limit && !infer_range(arena->total, size, arena->limit));
    if (arena->refused) {
        infer_fail(INFER_ERROR_LIMIT, "%zu bytes held and %zu more needed pass the limit of %zu",
                   arena->total, payload, arena->limit ? arena->limit : SIZE_MAX);
        return NULL;
    }
    struct infer_arena_chunk *chunk = infer_alloc(&arena->allocator, size);
    if (!chunk)
        return NULL;
    *chunk = (struct infer_arena_chunk){NULL, NULL, size};
    arena->total += size;
    return chunk;
}

/* Chunks double up to CHUNK_GROWTH, so that their number stays small; a limit is met to the byte.
 */
static bool add_room(infer_arena *arena, size_t size) {
    size_t payload = CHUNK_FIRST - CHUNK_HEADER;
    if (arena->small > CHUNK_FIRST)
        payload = arena->small < CHUNK_GROWTH ? arena->small : CHUNK_GROWTH;
    if (payload < size ||
        (arena->limit && !infer_range(arena->total, payload + CHUNK_HEADER, arena->limit)))
        payload = size;
    struct infer_arena_chunk *chunk = new_chunk(arena, payload);
    if (!chunk)
        return false;
    if (arena->last)
        arena->last->next = chunk;
    else
        arena->first = chunk;
    arena->last = arena->current = chunk;
    arena->small += chunk->size;
    return true;
}

/* Where size bytes go in the current chunk, if there is room. */
static bool fits(const infer_arena *arena, size_t size, size_t *at) {
    size_t align = size >= INFER_ALIGN ? INFER_ALIGN : 16;
    *at = (arena->used + align - 1) & ~(align - 1);
    return arena->current && infer_range(*at, size, arena->current->size);
}

void *infer_arena_alloc(infer_arena *arena, size_t size) {
    size_t at;
    while (!fits(arena, size, &at)) {
        if (arena->current && arena->current->next)
            arena->current = arena->current->next;
        else if (!add_room(arena, size))
            return NULL;
        arena->used = CHUNK_HEADER;
    }
    arena->used = at + size;
    arena->demand += size;
    return (char *)arena->current + at;
}

void *infer_arena_block(infer_arena *arena, size_t size) {
    if (size < INFER_LARGE)
        return infer_arena_alloc(arena, size);
    struct infer_arena_chunk *chunk = new_chunk(arena, size);
    if (!chunk)
        return NULL;
    chunk->next = arena->blocks;
    if (arena->blocks)
        arena->blocks->previous = chunk;
    arena->blocks = chunk;
    return (char *)chunk + CHUNK_HEADER;
}

void infer_arena_release(infer_arena *arena, void *pointer, size_t size) {
    if (!pointer || size < INFER_LARGE)
        return;
    struct infer_arena_chunk *chunk = (void *)((char *)pointer - CHUNK_HEADER);
    if (chunk->previous)
        chunk->previous->next = chunk->next;
    else
        arena->blocks = chunk->next;
    if (chunk->next)
        chunk->next->previous = chunk->previous;
    arena->total -= chunk->size;
    infer_dealloc(&arena->allocator, chunk, chunk->size);
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

static void free_chunks(infer_arena *arena, struct infer_arena_chunk **list) {
    for (struct infer_arena_chunk *c = *list, *next; c; c = next) {
        next = c->next;
        arena->total -= c->size;
        infer_dealloc(&arena->allocator, c, c->size);
    }
    *list = NULL;
}

void infer_arena_reset(infer_arena *arena) {
    free_chunks(arena, &arena->blocks);
    /* Shapes that change from run to run would leave a chunk of each behind. */
    if (arena->small / KEPT_EXCESS > arena->demand + CHUNK_GROWTH) {
        free_chunks(arena, &arena->first);
        arena->last = NULL;
        arena->small = 0;
    }
    arena->current = arena->first;
    arena->used = CHUNK_HEADER;
    arena->demand = 0;
}

void infer_arena_free(infer_arena *arena) {
    free_chunks(arena, &arena->blocks);
    free_chunks(arena, &arena->first);
    arena->last = arena->current = NULL;
    arena->small = arena->used = arena->demand = 0;
}
