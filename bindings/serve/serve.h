/*
 * serve.h - the core of the serverless handlers: JSON requests in, JSON answers out.
 *
 * It opens a model, takes requests out of the events that platforms wrap them in, predicts, and
 * makes answers. It knows no platform and no network: adapters carry the bytes. A handler of one's
 * own is one function, given to infer_serve_main; the default handler is infer_serve_predict.
 *
 * Threads: an infer_serve belongs to one thread at a time.
 */
#ifndef INFER_SERVE_H
#define INFER_SERVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "infer.h"

/* Synchronous invocations of AWS Lambda carry at most this. */
#define INFER_SERVE_MAX_BODY ((size_t)6 * 1024 * 1024)

/* An open model and what it needs to answer. */
typedef struct infer_serve infer_serve;

/* What a platform tells about one invocation. Strings are never NULL and live as long as the call.
 */
typedef struct infer_serve_call {
    const char *id;       /* the platform's number of the request */
    const char *trace;    /* the X-Ray trace header */
    const char *function; /* the ARN that was invoked */
    int64_t deadline_ms;  /* since 1970; 0 where unknown. Some platforms send nonsense. */
} infer_serve_call;

/* Why a request has no answer: an HTTP status from 400 to 599, and the reason in words. */
typedef struct infer_serve_error {
    int status;
    char reason[300];
} infer_serve_error;

/* Sets the error and returns NULL, so that a handler can `return infer_serve_fail(...)`. */
json_t *infer_serve_fail(infer_serve_error *error, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Answers one request: returns the body of the answer, or NULL with the error set. The request is
 * the JSON that was taken out of the event; it stays the library's and may be changed. */
typedef json_t *infer_serve_handle(void *user, infer_serve *serve, const infer_serve_call *call,
                                   json_t *request, infer_serve_error *error);

typedef struct infer_serve_handler {
    infer_serve_handle *handle; /* NULL: infer_serve_predict */
    void *user;                 /* passed on */
} infer_serve_handler;

typedef struct infer_serve_options {
    const char *model;   /* a file; NULL: the environment's MODEL_PATH, else model.infer, model.onnx
                            or model.json in `folder`, else beside the executable */
    const char *folder;  /* or NULL */
    size_t max_body;     /* bytes of an event; larger ones are answered with 413 */
    size_t memory_limit; /* bytes that a prediction may hold; 0: no limit */
    infer_serve_handler handler;
} infer_serve_options;

/* Opens the model. On failure *serve is NULL and the error has the reason. */
bool infer_serve_open(const infer_serve_options *options, infer_serve **serve,
                      infer_serve_error *error);

/* NULL is allowed. */
void infer_serve_close(infer_serve *serve);

infer_model *infer_serve_model(const infer_serve *serve);

/* The default handler's work: {"features": ...}, {"instances": ...} or {"inputs": ...} in,
 * predictions out (docs/serve.md). The caller owns the answer. */
json_t *infer_serve_predict(infer_serve *serve, const json_t *request, infer_serve_error *error);

/* An answer as a platform gets it: {"statusCode":...,"headers":...,"body":"..."}. */
typedef struct infer_serve_reply {
    char *text; /* to be given to free */
    size_t size;
    infer_serve_error error; /* status 0 where the request was answered */
} infer_serve_reply;

/* Takes the request out of an event, lets the handler answer it, and writes the reply; errors are
 * replies too. False only if there is no memory for a reply: reply->error says so, text is NULL. */
bool infer_serve_respond(infer_serve *serve, const infer_serve_call *call, const void *event,
                         size_t size, infer_serve_reply *reply);

/* One line on standard error: text, or a JSON object. The id may be NULL. */
typedef enum infer_serve_level { INFER_SERVE_WARN, INFER_SERVE_ERROR } infer_serve_level;
void infer_serve_log_as_json(bool json);
void infer_serve_log(infer_serve_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The program: reads its arguments, finds the platform and serves until it is told to stop.
 * Returns the exit code. In the library with the adapters. */
int infer_serve_main(int argc, char **argv, infer_serve_handler handler);

#endif
