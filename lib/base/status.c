/* Status and messages: one fixed buffer a thread, so that failing needs no memory. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024];

infer_status infer_fail(infer_status status, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return status;
}

infer_status infer_fail_within(infer_status status, const char *fmt, ...) {
    char inner[sizeof message];
    memcpy(inner, message, sizeof inner);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof message)
        snprintf(message + n, sizeof message - (size_t)n, ": %s", inner);
    return status;
}

const char *infer_last_error(void) {
    return message;
}

const char *infer_status_name(infer_status status) {
    switch (status) {
#define NAME(s)                                                                                    \
    case s:                                                                                        \
        return #s;
        NAME(INFER_OK)
        NAME(INFER_ERROR_ARGUMENT)
        NAME(INFER_ERROR_MEMORY)
        NAME(INFER_ERROR_LIMIT)
        NAME(INFER_ERROR_IO)
        NAME(INFER_ERROR_FORMAT)
        NAME(INFER_ERROR_UNSUPPORTED)
        NAME(INFER_ERROR_SHAPE)
        NAME(INFER_ERROR_TYPE)
        NAME(INFER_ERROR_VALUE)
        NAME(INFER_ERROR_STATE)
#undef NAME
    }
    return "unknown";
}
