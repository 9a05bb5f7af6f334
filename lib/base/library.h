/* Other people's libraries, opened when they are first needed: decoders, regular expressions,
 * Unicode.
 *
 * Nothing of libinfer links them. A file that uses one writes, behind the library's header,
 *
 *     INFER_LIBRARY(webp_library, INFER_WEBP_FUNCTIONS)
 *
 * and has a type of function pointers, which infer_library_open fills. */
#ifndef INFER_BASE_LIBRARY_H
#define INFER_BASE_LIBRARY_H

#include "libraries.h"
#include "status.h"

typedef enum infer_library {
#define INFER_LIBRARY_NUMBER(name, UPPER, file) INFER_LIBRARY_##UPPER,
    INFER_LIBRARIES(INFER_LIBRARY_NUMBER) INFER_LIBRARY_COUNT
} infer_library;

typedef void infer_function(void);

/* Fills what INFER_LIBRARY declared: from the program where it has all the functions linked, else
 * by the dynamic loader, once a process. UNSUPPORTED with the file's name and the reason where the
 * library is missing. Any thread. */
infer_status infer_library_open(infer_library library, void *functions);

/* The same functions as the linker found them, by library: absent ones are NULL, and a library of
 * which the program has none may have no list. (linked.c in libinfer.a, unlinked.c in
 * libinfer.so) */
extern infer_function *const *const infer_linked[INFER_LIBRARY_COUNT];

#define INFER_LIBRARY_FIELD(function) __typeof__(function) *function;
#define INFER_LIBRARY(name, FUNCTIONS)                                                             \
    typedef struct name {                                                                          \
        FUNCTIONS(INFER_LIBRARY_FIELD)                                                             \
    } name;

#endif
