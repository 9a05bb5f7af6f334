/* The library's own version. */
#include "infer.h"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *infer_version(void) {
    return TEXT(INFER_VERSION_MAJOR) "." TEXT(INFER_VERSION_MINOR) "." TEXT(INFER_VERSION_PATCH);
}

uint32_t infer_abi_version(void) {
    return INFER_ABI_VERSION;
}
