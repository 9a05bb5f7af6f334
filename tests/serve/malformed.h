/* Requests that have to be refused, with the status and a part of the reason. */
#ifndef INFER_TESTS_MALFORMED_H
#define INFER_TESTS_MALFORMED_H

#include <stddef.h>

typedef struct malformed {
    int status;
    const char *event;
    const char *reason;
} malformed;

/* For a model with the inputs "features" and the features "sepal", "petal", "width". */
extern const malformed malformed_events[];
extern const size_t malformed_count;

#endif
