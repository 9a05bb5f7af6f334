/* The linker sends the allocations of the core and of libinfer here (failing.h). */
#include "failing.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

static _Thread_local size_t allocations, fails_at = SIZE_MAX;
static _Thread_local bool parsing;

static bool refuse(void) {
    return !parsing && allocations++ == fails_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
json_t *__real_json_loadb(const char *text, size_t size, size_t flags, json_error_t *why);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *why);

void *__wrap_malloc(size_t size) {
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size) {
    return refuse() ? NULL : __real_realloc(pointer, size);
}

/* The parser of jansson 2.14 reads behind its buffer where that could not grow: a parse fails as a
 * whole here, not in its middle. */
json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *why) {
    if (refuse()) {
        *why = (json_error_t){.text = "Out of memory"};
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
        return NULL;
    }
    parsing = true;
    json_t *json = __real_json_loadb(text, size, flags, why);
    parsing = false;
    return json;
}

void failing_from(size_t n) {
    json_set_alloc_funcs(__wrap_malloc, free);
    allocations = 0;
    fails_at = n;
}

bool failing_ended(void) {
    bool none = allocations <= fails_at;
    fails_at = SIZE_MAX;
    return none;
}
