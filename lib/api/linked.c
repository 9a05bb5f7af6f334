/* In libinfer.a: the functions of other people's libraries, as far as the program that it becomes a
 * part of has them. */
#include "library.h"

#define WEAK(function)    extern infer_function function __attribute__((weak));
#define ADDRESS(function) function,
#define LINKED(name, UPPER, file)                                                                  \
    INFER_##UPPER##_FUNCTIONS(WEAK) static infer_function *const linked_##name[] = {               \
        INFER_##UPPER##_FUNCTIONS(ADDRESS)};
INFER_LIBRARIES(LINKED)

infer_function *const *const infer_linked[] = {
#define ENTRY(name, UPPER, file) linked_##name,
    INFER_LIBRARIES(ENTRY)};
