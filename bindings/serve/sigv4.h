/* AWS's Signature Version 4 over one request. */
#ifndef INFER_SERVE_SIGV4_H
#define INFER_SERVE_SIGV4_H

#include <stdbool.h>
#include <stddef.h>

#define INFER_SIGV4_HASH 65 /* hexadecimal, with its end */

typedef struct infer_sigv4_header {
    const char *name, *value; /* in lower case; without blanks around */
} infer_sigv4_header;

/* What is signed, in its canonical form: path and query encoded, the query's members and the
 * headers sorted. */
typedef struct infer_sigv4 {
    const char *key, *secret;
    const char *region, *service;
    const char *date; /* 20130524T000000Z */
    const char *method, *path, *query;
    const infer_sigv4_header *headers;
    size_t header_count;
    const char *payload; /* the body's hash */
} infer_sigv4;

/* SHA-256 in hexadecimal. */
bool infer_sigv4_hash(const void *data, size_t size, char hash[INFER_SIGV4_HASH]);

/* The value of the header Authorization. False where there is no room or no memory for it. */
bool infer_sigv4_sign(const infer_sigv4 *request, char *to, size_t room);

#endif
