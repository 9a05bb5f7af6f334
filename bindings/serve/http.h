/* The HTTP server of the platforms that call a port: routes to functions, over libevent.
 *
 * One thread listens, reads and writes; predictions run there as well where they are short (linear
 * models, threads 0), else on threads of their own, each with its share of the model. The server
 * answers by itself what needs no model: 404, 405, 408, 413, 429, 504. */
#ifndef INFER_SERVE_HTTP_H
#define INFER_SERVE_HTTP_H

#include "platform.h"

typedef struct infer_http_request {
    const char *method, *path, *query; /* path: as sent, up to '?'; query behind it or "" */
    infer_serve_body body;             /* its type is the header Content-Type, "" without */
    /* id: X-Request-Id, X-Call-Id or what the platform names (infer_http_service), made where there
     * is none; trace: X-Amzn-Trace-Id or X-Cloud-Trace-Context; function: the path. */
    infer_serve_call call;
    const void *headers;
} infer_http_request;

/* A header, found whatever its case; NULL where it is not there. */
const char *infer_http_header(const infer_http_request *request, const char *name);

/* Calls back for each header, in the order they came. */
void infer_http_headers(const infer_http_request *request,
                        void (*each)(void *user, const char *name, const char *value), void *user);

typedef struct infer_http_reply {
    int status;       /* 0 counts as 200 */
    const char *type; /* Content-Type, a literal; NULL: application/json */
    char *data;       /* given to free by the server; NULL: no body */
    size_t size;
    const char *fixed; /* a body that stays: used instead of data where it is set */
    struct {
        const char *name; /* a literal; NULL ends the list */
        char value[200];
    } headers[6];
} infer_http_reply;

/* Any error as a reply of JSON, {"error": reason}. */
void infer_http_fail(infer_http_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The reply that infer_serve_respond and its like made; takes over what it holds. `good` is what
 * they returned. */
void infer_http_take(infer_http_reply *reply, bool good, infer_serve_reply *made);

typedef struct infer_http_route {
    const char *method; /* "GET" serves HEAD as well; NULL: any */
    const char *path;   /* exact; one that ends with '*' fits whatever follows */
    bool at_once; /* answered by the listening thread, also while everything else is at work, and
                     not counted to max_requests: health, metrics */
    void (*answer)(void *user, infer_serve *serve, const infer_http_request *request,
                   infer_http_reply *reply);
} infer_http_route;

typedef struct infer_http_service {
    const infer_http_route *routes; /* the first that fits answers */
    size_t count;
    void *user;
    const char *address; /* where the options name none */
    uint16_t port;
    const char *id_header; /* the platform's own header for the request's id, or NULL */
    size_t quiet_ms; /* after SIGTERM the server goes on accepting until nothing came for so long */
} infer_http_service;

/* Opens the model, listens, serves until SIGTERM or SIGINT, drains: what was accepted is answered,
 * new connections are taken until it was quiet, at the latest at drain_ms. Returns the exit code.
 */
int infer_http_serve(infer_serve_options *options, const infer_http_service *service);

/* Whether the server still takes requests (readiness), and its counters as Prometheus' text
 * (version 0.0.4), to be given to free. For routes, from the listening thread. */
bool infer_http_is_ready(void);
char *infer_http_metrics(size_t *size);

#endif
