/* The runtime API's loop: next invocation, answer, next invocation. */
#define _POSIX_C_SOURCE 200809L
#include "lambda_loop.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lambda_stream.h"
#include "platform.h"

#define API INFER_LAMBDA_API

/* A runtime API that cannot be reached: waits of 0, 10, 20, 40 ... 1000 ms, about 10 s in all. */
#define MOST_FAILURES 16
#define LONGEST_WAIT  1000u

/* The invocation at hand. What the answer to the poll holds is gone once another is asked for. */
typedef struct invocation {
    char id[128], trace[1024], function[512];
    infer_serve_call call;
} invocation;

/* ---- errors ---- */

static bool is_success(int status) {
    return status >= 200 && status < 300;
}

void infer_lambda_report(infer_lambda_client *client, const infer_serve_call *call,
                         const char *phase, const char *type, const char *message) {
    char path[200];
    json_t *json =
        json_pack("{s:s, s:s, s:[]}", "errorMessage", message, "errorType", type, "stackTrace");
    char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;
    const char *plain = "{\"errorMessage\":\"an error that cannot be spelled\",\"errorType\":"
                        "\"Runtime.Unknown\",\"stackTrace\":[]}";
    if (call)
        snprintf(path, sizeof path, API "invocation/%s/error", call->id);
    else
        snprintf(path, sizeof path, API "%s/error", phase);
    const char *sent = body ? body : plain;
    int status = infer_lambda_post(client, path, sent, strlen(sent), type);
    if (!is_success(status))
        infer_serve_log(INFER_SERVE_ERROR, call, "the runtime did not take an error: status %d",
                        status);
    free(body);
    json_decref(json);
}

/* ---- invocations ---- */

/* Ids become part of a path. */
static bool is_id(const char *id) {
    size_t size = strlen(id);
    for (const char *c = id; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
            return false;
    return size > 0 && size < sizeof((invocation *)0)->id;
}

static bool read_invocation(const infer_lambda_client *client, invocation *in) {
    const char *id = infer_lambda_header(client, "Lambda-Runtime-Aws-Request-Id");
    if (!is_id(id))
        return false;
    snprintf(in->id, sizeof in->id, "%s", id);
    snprintf(in->trace, sizeof in->trace, "%s",
             infer_lambda_header(client, "Lambda-Runtime-Trace-Id"));
    snprintf(in->function, sizeof in->function, "%s",
             infer_lambda_header(client, "Lambda-Runtime-Invoked-Function-Arn"));
    in->call = (infer_serve_call){
        .id = in->id,
        .trace = in->trace,
        .traceparent = "",
        .function = in->function,
        .deadline_ms = strtoll(infer_lambda_header(client, "Lambda-Runtime-Deadline-Ms"), NULL, 10),
    };
    return true;
}

/* For libraries that a handler of one's own may call. With several invocations at once there is no
 * such thing as the environment's trace. */
static void set_trace(const char *trace) {
    if (getenv("AWS_LAMBDA_MAX_CONCURRENCY"))
        return;
    if (*trace)
        setenv("_X_AMZN_TRACE_ID", trace, 1);
    else
        unsetenv("_X_AMZN_TRACE_ID");
}

static void deliver(infer_lambda_client *client, const infer_serve_call *call,
                    const infer_serve_reply *reply) {
    char path[200], message[100];
    snprintf(path, sizeof path, API "invocation/%s/response", call->id);
    int status = infer_lambda_post(client, path, reply->text, reply->size, NULL);
    /* The kept connection may have gone while the function was frozen. */
    if (!status)
        status = infer_lambda_post(client, path, reply->text, reply->size, NULL);
    if (is_success(status))
        return;
    snprintf(message, sizeof message, "the runtime did not take an answer of %zu bytes: status %d",
             reply->size, status);
    infer_serve_log(INFER_SERVE_ERROR, call, "%s", message);
    infer_lambda_report(client, call, "",
                        status == 413 ? "Function.ResponseSizeTooLarge" : "Runtime.AnswerRefused",
                        message);
}

/* Ends an answer that was sent while it was made. */
static void finish_stream(infer_lambda_client *client, const infer_serve_call *call,
                          infer_lambda_stream *stream, const infer_serve_error *error) {
    char message[100];
    int status = infer_lambda_stream_end(stream, error);
    if (is_success(status))
        return;
    snprintf(message, sizeof message, "the runtime did not take a streamed answer: status %d",
             status);
    infer_serve_log(INFER_SERVE_ERROR, call, "%s", message);
    infer_lambda_report(client, call, "", "Runtime.AnswerRefused", message);
}

static void serve_one(infer_lambda_client *client, infer_serve *serve, const invocation *in) {
    const infer_serve_options *options = &serve->options;
    const char *error_type;
    uint64_t start = infer_serve_now();
    infer_lambda_stream stream = {.client = client, .id = in->id, .file = -1};
    infer_serve_reply reply;
    size_t size;
    const void *event = infer_lambda_body(client, &size);
    set_trace(in->trace);
    serve->rows = 0;
    bool good = infer_lambda_respond(serve, &in->call, event, size,
                                     options->stream ? &stream : NULL, &reply, &error_type);
    if (reply.error.status)
        infer_serve_log(reply.error.status < 500 ? INFER_SERVE_WARN : INFER_SERVE_ERROR, &in->call,
                        "status %d: %s", reply.error.status, reply.error.reason);
    /* Before the answer: what comes after it waits for the next invocation. */
    if (options->emf)
        infer_lambda_emf(options->emf, &in->call, infer_serve_now() - start,
                         reply.error.status != 0, serve->rows);
    if (stream.file >= 0 || stream.failed)
        finish_stream(client, &in->call, &stream, &reply.error);
    else if (good)
        deliver(client, &in->call, &reply);
    else
        infer_lambda_report(client, &in->call, "", error_type, reply.error.reason);
    free(reply.text);
}

/* ---- the loop ---- */

int infer_lambda_serve(infer_lambda_client *client, infer_serve *serve) {
    unsigned failures = 0;
    while (!infer_lambda_stopped(client)) {
        invocation in;
        int status = infer_lambda_get(client, API "invocation/next");
        if (status == 200 && read_invocation(client, &in)) {
            failures = 0;
            serve_one(client, serve, &in);
            continue;
        }
        if (infer_lambda_stopped(client))
            break;
        if (++failures == MOST_FAILURES) {
            infer_serve_log(INFER_SERVE_ERROR, NULL,
                            "the runtime API gives no invocations: status %d", status);
            return INFER_SERVE_EXIT_FAILED;
        }
        /* The first time it is most likely a connection that a freeze has cut. */
        unsigned wait = failures < 2 ? 0 : 10u << (failures - 2 < 7 ? failures - 2 : 7);
        infer_lambda_wait(client, wait < LONGEST_WAIT ? wait : LONGEST_WAIT);
    }
    return INFER_SERVE_EXIT_OK;
}
