/* From a request's bytes to an answer's bytes. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* ---- answering ---- */

static json_t *handle(infer_serve *serve, const infer_serve_call *call, json_t *request,
                      infer_serve_error *error) {
    const infer_serve_handler *own = &serve->options.handler;
    uint64_t start = infer_serve_slow_start(serve);
    json_t *answer = own->handle ? own->handle(own->user, serve, call, request, error)
                     : request   ? infer_serve_predict(serve, request, error)
                                 : infer_serve_predict_body(serve, call->body, error);
    if (!answer && !error->status)
        infer_serve_fail(error, 500, "the handler gave neither an answer nor a reason");
    infer_serve_slow_end(serve, call, start);
    return answer;
}

static json_t *error_body(const infer_serve_error *error) {
    json_t *body = json_object();
    if (infer_serve_put(body, "error", infer_serve_string(error->reason, strlen(error->reason))))
        return body;
    json_decref(body);
    return NULL;
}

/* The answer, or the error in its place, as text. */
static bool finish(json_t *answer, infer_serve_reply *reply) {
    infer_serve_text text = {0};
    json_t *body = answer ? answer : error_body(&reply->error);
    if (body)
        infer_serve_write(&text, body);
    json_decref(body);
    if (text.size && !text.failed) {
        reply->text = text.data;
        reply->size = text.size;
        return true;
    }
    free(text.data);
    infer_serve_fail(&reply->error, 503, "no memory is left for an answer");
    return false;
}

/* Rows that fit on the stack. */
#define QUICK_FEATURES 512

/* The answer to a plain row, NULL without an error for other requests. */
static json_t *answer_quickly(infer_serve *serve, const infer_serve_call *call,
                              infer_serve_error *error) {
    double row[QUICK_FEATURES];
    if (serve->options.handler.handle || serve->features > QUICK_FEATURES ||
        !infer_serve_read_quickly(serve, call->body, row))
        return NULL;
    uint64_t start = infer_serve_slow_start(serve);
    json_t *answer = infer_serve_answer_rows(serve, row, 1, false, error);
    infer_serve_slow_end(serve, call, start);
    return answer;
}

bool infer_serve_respond(infer_serve *serve, const infer_serve_call *call,
                         const infer_serve_body *body, infer_serve_reply *reply) {
    infer_serve_call with_body = *call;
    json_t *answer = NULL;
    with_body.body = body;
    *reply = (infer_serve_reply){0};
    if (body->size > serve->options.max_body) {
        infer_serve_fail(&reply->error, 413, "the request has %zu bytes, the limit is %zu",
                         body->size, serve->options.max_body);
    } else if (infer_serve_is_json(body)) {
        answer = answer_quickly(serve, &with_body, &reply->error);
        if (answer || reply->error.status)
            return finish(answer, reply);
        json_t *request = infer_serve_read(serve, body->data, body->size, &reply->error);
        if (request)
            return infer_serve_respond_json(serve, &with_body, request, reply);
    } else {
        answer = handle(serve, &with_body, NULL, &reply->error);
    }
    return finish(answer, reply);
}

bool infer_serve_respond_json(infer_serve *serve, const infer_serve_call *call, json_t *request,
                              infer_serve_reply *reply) {
    json_t *answer = NULL;
    *reply = (infer_serve_reply){0};
    if (json_is_object(request))
        answer = handle(serve, call, request, &reply->error);
    else
        infer_serve_fail(&reply->error, 400, "the request is not a JSON object");
    json_decref(request);
    return finish(answer, reply);
}

bool infer_serve_refuse(const infer_serve_error *error, infer_serve_reply *reply) {
    *reply = (infer_serve_reply){.error = *error};
    return finish(NULL, reply);
}
