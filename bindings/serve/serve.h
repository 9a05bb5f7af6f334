/*
 * serve.h - the core of the serverless handlers: requests in, JSON answers out.
 *
 * It opens a model, reads requests, predicts, and makes answers. It knows no platform and no
 * network: adapters carry the bytes. A handler of one's own is one function, given to
 * infer_serve_main; the default handler is infer_serve_predict.
 *
 * Threads: an infer_serve belongs to one thread at a time; infer_serve_share makes another one for
 * another thread on the same model.
 */
#ifndef INFER_SERVE_H
#define INFER_SERVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "infer.h"

/* An open model and what it needs to answer. */
typedef struct infer_serve infer_serve;

/* A request's bytes and what they are said to be: a media type with or without parameters, "" where
 * nobody said. */
typedef struct infer_serve_body {
    const char *type;
    const void *data;
    size_t size;
} infer_serve_body;

/* What a platform tells about one invocation. Strings are never NULL and live as long as the call.
 */
typedef struct infer_serve_call {
    const char *id;               /* the platform's number of the request */
    const char *trace;            /* the X-Ray trace header */
    const char *traceparent;      /* the trace context of the W3C */
    const char *function;         /* what was invoked: an ARN, a path, a name */
    int64_t deadline_ms;          /* since 1970; 0 where unknown. Some platforms send nonsense. */
    const infer_serve_body *body; /* the bytes; NULL where the request came inside an event */
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
 * an object of JSON that stays the library's and may be changed; NULL where the body is something
 * else (call->body). */
typedef json_t *infer_serve_handle(void *user, infer_serve *serve, const infer_serve_call *call,
                                   json_t *request, infer_serve_error *error);

typedef struct infer_serve_handler {
    infer_serve_handle *handle; /* NULL: infer_serve_predict and infer_serve_predict_body */
    void *user;                 /* passed on */
} infer_serve_handler;

/* Lines on standard error, by weight; those below the level in the options are left out. */
typedef enum infer_serve_level {
    INFER_SERVE_TRACE,
    INFER_SERVE_DEBUG,
    INFER_SERVE_INFO,
    INFER_SERVE_WARN,
    INFER_SERVE_ERROR,
    INFER_SERVE_FATAL
} infer_serve_level;

/* What graph models need beyond linear ones. */
typedef struct infer_serve_engine infer_serve_engine;

/* What fetches objects that events only name. */
typedef struct infer_serve_objects infer_serve_objects;

/* Every option has a safe default, set by infer_serve_options_init; docs/serve.md lists their names
 * on the command line and in the environment. */
typedef struct infer_serve_options {
    const char *model;      /* a file; NULL: model.infer, model.onnx or model.json in `folder`, else
                               beside the executable */
    const char *folder;     /* or NULL */
    const char *preprocess; /* a file that says how images become tensors; NULL: the model does */
    size_t max_body;        /* bytes of a request; longer ones are answered with 413 */
    size_t max_elements;    /* values in a request of JSON, 413 */
    size_t max_depth;       /* nested lists and objects, 400 */
    size_t memory_limit;    /* bytes that a prediction may hold, 503; 0: no limit */
    size_t probability;     /* 1: "prediction" is the last class's probability, not the label */
    size_t run_threads;     /* that share one prediction; 0: as many as there are CPUs */
    size_t slow_ms;         /* requests that take longer are logged with times per node; 0: none */
    size_t log_level;       /* infer_serve_level */
    size_t log_json;        /* 1: a line is an object */
    size_t stream;          /* 1: answers are streamed where the platform can */
    const char *emf; /* namespace of metrics in the log, as CloudWatch embeds them; or NULL */
    const char
        *s3_output; /* where answers about S3's objects are put, s3://bucket/prefix; or NULL */
    /* Of adapters that listen. */
    const char *address; /* NULL: as the platform has it */
    size_t port;         /* 0: as the platform has it */
    size_t max_requests; /* at work or waiting at once; more are answered with 429 */
    size_t timeout_ms;   /* from the first byte to the answer, 504 (408 without a whole request) */
    size_t drain_ms;     /* after SIGTERM the process is gone by then */
    size_t threads;      /* that predict; 0: the thread that listens */
    infer_serve_handler handler;
    const infer_serve_engine *engine;   /* NULL: prepared linear models only */
    const infer_serve_objects *objects; /* NULL: none are fetched; infer_serve_main sets it */
} infer_serve_options;

/* The second one sets no engine: a static program that calls nothing but it stays small. */
void infer_serve_options_init(infer_serve_options *options);
void infer_serve_options_init_linear(infer_serve_options *options);

/* Opens the model. On failure *serve is NULL and the error has the reason. */
bool infer_serve_open(const infer_serve_options *options, infer_serve **serve,
                      infer_serve_error *error);

/* Another one on the same model, to be closed before it. NULL for no memory. */
infer_serve *infer_serve_share(const infer_serve *serve);

/* NULL is allowed. */
void infer_serve_close(infer_serve *serve);

infer_model *infer_serve_model(const infer_serve *serve);

/* The default handler's work on an object with "features", "instances", "inputs", "text" or "image"
 * (docs/serve.md), and on bytes of another type: CSV, NumPy, images, text. The caller owns the
 * answer. */
json_t *infer_serve_predict(infer_serve *serve, const json_t *request, infer_serve_error *error);
json_t *infer_serve_predict_body(infer_serve *serve, const infer_serve_body *body,
                                 infer_serve_error *error);

/* An answer's JSON. */
typedef struct infer_serve_reply {
    char *text; /* to be given to free */
    size_t size;
    infer_serve_error error; /* status 0 where the request was answered */
} infer_serve_reply;

/* Lets the handler answer a request and writes the reply; errors are replies too. False only if
 * there is no memory for a reply: reply->error says so, text is NULL. The second takes a request
 * that was parsed already, and releases it; the third is for a request that nobody has to see. */
bool infer_serve_respond(infer_serve *serve, const infer_serve_call *call,
                         const infer_serve_body *body, infer_serve_reply *reply);
bool infer_serve_respond_json(infer_serve *serve, const infer_serve_call *call, json_t *request,
                              infer_serve_reply *reply);
bool infer_serve_refuse(const infer_serve_error *error, infer_serve_reply *reply);

/* One line on standard error: text, or a JSON object. The call may be NULL. */
void infer_serve_log(infer_serve_level level, const infer_serve_call *call, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The program: reads its arguments and the environment, finds the platform and serves until it is
 * told to stop. Returns the exit code. In the library with the adapters. The second one is for
 * prepared linear models only. */
int infer_serve_main(int argc, char **argv, infer_serve_handler handler);
int infer_serve_main_linear(int argc, char **argv, infer_serve_handler handler);

#endif
