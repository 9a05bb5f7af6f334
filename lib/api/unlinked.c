/* In libinfer.so: no function of other people's libraries, whatever the process has beside it. */
#include "library.h"

infer_function *const *const infer_linked[INFER_LIBRARY_COUNT] = {NULL};
