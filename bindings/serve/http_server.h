/* What the files of the HTTP server share. */
#ifndef INFER_SERVE_HTTP_SERVER_H
#define INFER_SERVE_HTTP_SERVER_H

#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "http.h"

typedef struct infer_http_server infer_http_server;

/* A request on its way: read, perhaps waiting for a thread, answered. */
typedef struct infer_http_job {
    infer_http_server *server;
    struct evhttp_request *evreq; /* NULL once it was answered without the thread (504) */
    const infer_http_route *route;
    infer_http_request request;
    infer_http_reply reply;
    char id[128], trace[256], traceparent[64];
    uint64_t start_ns;
    /* Of jobs that wait for a thread. */
    struct event *timer;
    struct evkeyvalq headers;
    struct evbuffer *input;
    char *path, *query;
    struct infer_http_job *next;
} infer_http_job;

/* ---- http_message.c ---- */

/* Reads what evhttp has of a request; the strings are the job's or evhttp's. */
void infer_http_read(infer_http_job *job);

/* Gives a job that waits what it reads from, so that it outlives evhttp's request; and frees it. */
bool infer_http_own(infer_http_job *job);
void infer_http_disown(infer_http_job *job);

/* Sends the job's reply, counts it, logs it. The evhttp request is gone then. */
void infer_http_send(infer_http_job *job);

/* The service's user. */
void *infer_http_user(const infer_http_server *server);

/* The platform's header for a request's id, or NULL. */
const char *infer_http_id_header(const infer_http_server *server);

/* ---- http_work.c ---- */

typedef struct infer_http_workers infer_http_workers;

/* Threads with a share of the model each. `done` is called on the base's thread for every job that
 * was put in. NULL for no memory or no thread. */
infer_http_workers *infer_http_workers_new(struct event_base *base, infer_serve *serve,
                                           size_t threads, void (*done)(infer_http_job *job));
void infer_http_workers_put(infer_http_workers *workers, infer_http_job *job);

/* Waits for what is being predicted; what was put in and not begun is forgotten. */
void infer_http_workers_free(infer_http_workers *workers);

/* ---- http_guard.c ---- */

/* Ends connections whose requests stay incomplete for longer than the timeout, with 408. */
bool infer_http_guard_start(struct event_base *base, size_t timeout_ms);
void infer_http_guard_stop(void);

/* For evhttp_set_bevcb: makes a connection's bufferevent and watches it. */
struct bufferevent *infer_http_guard_connect(struct event_base *base, void *unused);

/* The connection's request is complete, the next one begins with its first byte. When it began. */
uint64_t infer_http_guard_complete(struct evhttp_request *request);

/* Whether a request has begun and is not complete. */
bool infer_http_guard_is_reading(void);

/* ---- http_metrics.c ---- */

void infer_http_count(int status, const char *method, uint64_t nanoseconds);
void infer_http_count_in_flight(int change);
void infer_http_count_load(uint64_t nanoseconds);
void infer_http_set_ready(bool ready);

#endif
