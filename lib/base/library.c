/* Opening other people's libraries at their first use. */
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* A static program has these two only if something else of it needs them. */
extern __typeof__(dlopen) dlopen __attribute__((weak));
extern __typeof__(dlsym) dlsym __attribute__((weak));

#define NAMED(function) #function,
#define NAMES(name, UPPER, file)                                                                   \
    static const char *const name##_names[] = {INFER_##UPPER##_FUNCTIONS(NAMED) NULL};
INFER_LIBRARIES(NAMES)

#define MOST 32 /* functions of one library */
#define FITS(name, UPPER, file)                                                                    \
    _Static_assert(sizeof name##_names / sizeof *name##_names <= MOST, "MOST is too small");
INFER_LIBRARIES(FITS)

static const struct {
    const char *file;
    const char *const *names;
} libraries[] = {
#define ENTRY(name, UPPER, file) {file, name##_names},
    INFER_LIBRARIES(ENTRY)};

/* What was found, once a process. */
static struct {
    atomic_bool looked; /* the others are there and stay */
    bool found;
    infer_function *functions[MOST];
    char reason[160];
} states[INFER_LIBRARY_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static size_t count_of(infer_library library) {
    size_t n = 0;
    while (libraries[library].names[n])
        n++;
    return n;
}

static bool find_linked(infer_library library) {
    infer_function *const *linked = infer_linked[library];
    size_t n = count_of(library);
    for (size_t i = 0; i < n; i++) {
        if (!linked || !linked[i])
            return false;
        states[library].functions[i] = linked[i];
    }
    return true;
}

/* A static program must not open shared libraries, which would bring a second libc along. It has no
 * names that the dynamic loader knows. */
static bool is_dynamic(void) {
    return dlopen && dlsym && dlsym(RTLD_DEFAULT, "dlopen");
}

static const char *find_shared(infer_library library) {
    if (!is_dynamic())
        return "this static program was linked without it";
    void *file = dlopen(libraries[library].file, RTLD_NOW | RTLD_LOCAL);
    if (!file)
        return "it could not be opened";
    size_t n = count_of(library);
    for (size_t i = 0; i < n; i++) {
        void *symbol = dlsym(file, libraries[library].names[i]);
        if (!symbol)
            return "it is too old: a function is missing";
        memcpy(&states[library].functions[i], &symbol, sizeof symbol);
    }
    return NULL;
}

static void find(infer_library library) {
    const char *why = find_linked(library) ? NULL : find_shared(library);
    states[library].found = !why;
    if (why)
        strncpy(states[library].reason, why, sizeof states[library].reason - 1);
    atomic_store_explicit(&states[library].looked, true, memory_order_release);
}

infer_status infer_library_open(infer_library library, void *functions) {
    if (!atomic_load_explicit(&states[library].looked, memory_order_acquire)) {
        pthread_mutex_lock(&lock);
        if (!atomic_load_explicit(&states[library].looked, memory_order_relaxed))
            find(library);
        pthread_mutex_unlock(&lock);
    }
    if (!states[library].found)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "%s is needed, but %s", libraries[library].file,
                          states[library].reason);
    memcpy(functions, states[library].functions, count_of(library) * sizeof(infer_function *));
    return INFER_OK;
}
