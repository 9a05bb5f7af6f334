/* A client of HTTP/1.1 with one kept connection. */
#ifndef INFER_SERVE_HTTPS_H
#define INFER_SERVE_HTTPS_H

#include "core.h"

typedef struct infer_https infer_https;

typedef struct infer_https_request {
    bool tls;
    const char *host;
    uint16_t port;
    const char *method, *target;
    const char *headers; /* whole lines, all but Content-Length */
    const void *body;    /* NULL: none */
    size_t size;
    size_t most;       /* bytes of an answer with a status of success: 413 before they are read */
    size_t timeout_ms; /* for it all */
} infer_https_request;

typedef struct infer_https_answer {
    int status;
    char type[200], encoding[40]; /* Content-Type and -Encoding, "" where they are not there */
    char *body;                   /* to be given to free; ends with a zero behind size */
    size_t size;
} infer_https_answer;

/* NULL for no memory. Nothing is connected before the first exchange. */
infer_https *infer_https_new(void);
void infer_https_free(infer_https *client);

/* One request and its answer, whatever its status. On a connection that was kept and turns out to
 * be dead the request is sent once more, on a new one: it has to be one that may be repeated. False
 * where there was no answer, with the error set. */
bool infer_https_exchange(infer_https *client, const infer_https_request *request,
                          infer_https_answer *answer, infer_serve_error *error);

#endif
