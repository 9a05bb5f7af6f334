/* AWS Lambda: the runtime API's loop of next invocation, answer, next invocation. */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lambda_client.h"
#include "lambda_event.h"
#include "platform.h"

#define API "/2018-06-01/runtime/"

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

/* Reports an error of the initialisation (call NULL) or of an invocation. */
static void report(infer_lambda_client *client, const infer_serve_call *call, const char *type,
                   const char *message) {
    char path[200];
    json_t *json =
        json_pack("{s:s, s:s, s:[]}", "errorMessage", message, "errorType", type, "stackTrace");
    char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;
    const char *plain = "{\"errorMessage\":\"an error that cannot be spelled\",\"errorType\":"
                        "\"Runtime.Unknown\",\"stackTrace\":[]}";
    if (call)
        snprintf(path, sizeof path, API "invocation/%s/error", call->id);
    else
        snprintf(path, sizeof path, API "init/error");
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
    report(client, call, status == 413 ? "Function.ResponseSizeTooLarge" : "Runtime.AnswerRefused",
           message);
}

static void serve_one(infer_lambda_client *client, infer_serve *serve, const invocation *in) {
    infer_serve_reply reply;
    size_t size;
    const void *event = infer_lambda_body(client, &size);
    set_trace(in->trace);
    bool good = infer_lambda_respond(serve, &in->call, event, size, &reply);
    if (reply.error.status)
        infer_serve_log(reply.error.status < 500 ? INFER_SERVE_WARN : INFER_SERVE_ERROR, &in->call,
                        "status %d: %s", reply.error.status, reply.error.reason);
    if (good)
        deliver(client, &in->call, &reply);
    else
        report(client, &in->call, "Runtime.OutOfMemory", reply.error.reason);
    free(reply.text);
}

/* ---- the loop ---- */

static int serve_all(infer_lambda_client *client, infer_serve *serve) {
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

int infer_serve_lambda_run(infer_serve_options *options) {
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    const char *memory = getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    infer_lambda_client *client = api ? infer_lambda_client_new(api) : NULL;
    if (!client) {
        infer_serve_log(INFER_SERVE_ERROR, NULL, "AWS_LAMBDA_RUNTIME_API is not host:port");
        return INFER_SERVE_EXIT_USAGE;
    }
    if (!options->folder)
        options->folder = getenv("LAMBDA_TASK_ROOT");
    /* A prediction that would take more than the function has is an answer with 503, not the end of
     * the process. A quarter is left to requests, answers and the model. */
    if (!options->memory_limit && memory)
        options->memory_limit = (size_t)strtoul(memory, NULL, 10) * (1024 * 1024 / 4 * 3);
    infer_serve *serve;
    infer_serve_error error;
    int code = INFER_SERVE_EXIT_FAILED;
    if (infer_serve_open(options, &serve, &error)) {
        code = serve_all(client, serve);
    } else {
        infer_serve_log(INFER_SERVE_ERROR, NULL, "%s", error.reason);
        report(client, NULL, "Runtime.ModelUnavailable", error.reason);
    }
    infer_serve_close(serve);
    infer_lambda_client_free(client);
    return code;
}
