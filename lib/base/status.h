/* Status and messages: how a failure gets its words. */
#ifndef INFER_BASE_STATUS_H
#define INFER_BASE_STATUS_H

#include "infer.h"

/* Sets the calling thread's message and returns status, for `return infer_fail(...)`. */
__attribute__((format(printf, 2, 3))) infer_status infer_fail(infer_status status, const char *fmt,
                                                              ...);

/* Puts "prefix: " before the calling thread's message and returns status. */
__attribute__((format(printf, 2, 3))) infer_status infer_fail_within(infer_status status,
                                                                     const char *fmt, ...);

/* Evaluates an expression of type infer_status and returns it where it is a failure. */
#define INFER_TRY(expr)                                                                            \
    do {                                                                                           \
        infer_status infer_try_ = (expr);                                                          \
        if (infer_try_ != INFER_OK)                                                                \
            return infer_try_;                                                                     \
    } while (0)

#endif
