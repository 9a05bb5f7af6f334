/* A hash table from names to numbers, sized once. */
#include "checked.h"
#include "hash.h"
#include "onnx_graph.h"
#include "status.h"

#include <string.h>

struct name_slot {
    const char *name; /* NULL: free */
    uint32_t number;
};

infer_status infer_onnx_names_init(infer_onnx_names *names, const infer_allocator *a,
                                   size_t count) {
    size_t capacity = 16, bytes;
    *names = (infer_onnx_names){.allocator = a};
    while (capacity / 2 < count)
        if (!infer_mul(capacity, 2, &capacity))
            return infer_fail(INFER_ERROR_MEMORY, "out of memory: %zu names", count);
    if (!infer_mul(capacity, sizeof *names->slots, &bytes))
        return infer_fail(INFER_ERROR_MEMORY, "out of memory: %zu names", count);
    if (!(names->slots = infer_alloc_zero(a, bytes)))
        return INFER_ERROR_MEMORY;
    names->capacity = capacity;
    return INFER_OK;
}

void infer_onnx_names_free(infer_onnx_names *names) {
    if (names->slots)
        infer_dealloc(names->allocator, names->slots, names->capacity * sizeof *names->slots);
    *names = (infer_onnx_names){0};
}

/* The slot that holds a name, or the free one where it belongs. */
static struct name_slot *find_slot(const infer_onnx_names *names, const char *name) {
    size_t mask = names->capacity - 1;
    size_t at = (size_t)infer_hash64(name, strlen(name), 0) & mask;
    while (names->slots[at].name && strcmp(names->slots[at].name, name) != 0)
        at = (at + 1) & mask;
    return &names->slots[at];
}

bool infer_onnx_names_add(infer_onnx_names *names, const char *name, uint32_t number) {
    struct name_slot *slot = find_slot(names, name);
    if (slot->name)
        return false;
    *slot = (struct name_slot){name, number};
    return true;
}

bool infer_onnx_names_find(const infer_onnx_names *names, const char *name, uint32_t *number) {
    if (!names->capacity)
        return false;
    const struct name_slot *slot = find_slot(names, name);
    *number = slot->number;
    return slot->name != NULL;
}
