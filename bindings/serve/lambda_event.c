/* AWS's events: requests out of what carries them, and replies in the shape that is expected. */
#include "lambda_event.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- unwrapping ---- */

typedef enum origin {
    DIRECT,
    GATEWAY_V1, /* API Gateway, REST */
    GATEWAY_V2, /* API Gateway, HTTP; function URLs */
    BALANCER    /* Application Load Balancer */
} origin;

static origin origin_of(const json_t *event) {
    const json_t *context = json_object_get(event, "requestContext");
    if (json_is_object(json_object_get(context, "elb")))
        return BALANCER;
    if (json_is_object(json_object_get(context, "http")))
        return GATEWAY_V2;
    if (json_is_string(json_object_get(event, "httpMethod")))
        return GATEWAY_V1;
    return DIRECT;
}

/* People try functions with {"body": "..."} from the console: that is an event as well. */
static bool is_bare_body(const json_t *event) {
    size_t known = (json_object_get(event, "body") != NULL) +
                   (json_object_get(event, "isBase64Encoded") != NULL);
    return json_object_get(event, "body") && json_object_size(event) == known;
}

/* A header of either kind of event, "" where it is not there. */
static const char *find_header(const json_t *event, const char *name) {
    static const char *const members[] = {"headers", "multiValueHeaders"};
    const char *key;
    json_t *value;
    for (int i = 0; i < 2; i++)
        json_object_foreach(json_object_get(event, members[i]), key, value) {
            const json_t *text = json_is_array(value) ? json_array_get(value, 0) : value;
            if (strcasecmp(key, name) == 0 && json_is_string(text))
                return json_string_value(text);
        }
    return "";
}

static bool respond_to_bytes(infer_serve *serve, const infer_serve_call *call,
                             const infer_serve_body *body, infer_lambda_stream *stream,
                             infer_serve_reply *reply) {
    return stream ? infer_lambda_stream_respond(serve, call, body, stream, reply)
                  : infer_serve_respond(serve, call, body, reply);
}

/* Answers the body of an event, whose bytes live as long as the event. */
static bool respond_to_body(infer_serve *serve, const infer_serve_call *call, const json_t *event,
                            infer_lambda_stream *stream, infer_serve_reply *reply) {
    json_t *text = json_object_get(event, "body");
    const json_t *encoded = json_object_get(event, "isBase64Encoded");
    infer_serve_call with = *call;
    infer_serve_body body = {.type = find_header(event, "content-type")};
    infer_serve_error error = {0};
    char *bytes = NULL;
    if (!*with.traceparent)
        with.traceparent = find_header(event, "traceparent");
    if (json_is_object(text))
        return infer_serve_respond_json(serve, &with, json_incref(text), reply);
    if (!json_is_string(text) || json_string_length(text) == 0)
        infer_serve_fail(&error, 400, "the request has no body");
    else if (encoded && !json_is_boolean(encoded))
        infer_serve_fail(&error, 400, "isBase64Encoded is neither true nor false");
    if (error.status)
        return infer_serve_refuse(&error, reply);
    body.data = json_string_value(text);
    body.size = json_string_length(text);
    if (json_is_true(encoded)) {
        bytes = malloc(body.size);
        if (!bytes)
            infer_serve_fail(&error, 503, "no memory is left");
        else if (!infer_serve_base64(body.data, body.size, bytes, &body.size))
            infer_serve_fail(&error, 400, "the body is not valid base64");
        body.data = bytes;
    }
    bool good = error.status ? infer_serve_refuse(&error, reply)
                             : respond_to_bytes(serve, &with, &body, stream, reply);
    free(bytes);
    return good;
}

/* ---- wrapping ---- */

static const struct {
    int status;
    const char *description;
} descriptions[] = {
    {200, "200 OK"},
    {400, "400 Bad Request"},
    {413, "413 Content Too Large"},
    {415, "415 Unsupported Media Type"},
    {500, "500 Internal Server Error"},
    {503, "503 Service Unavailable"},
};

static void wrap(infer_serve_text *to, origin from, int status, const char *body, size_t size) {
    json_t *reply = json_object(), *headers = json_object();
    bool good = infer_serve_put(headers, "content-type", json_string("application/json")) &&
                infer_serve_put(reply, "statusCode", json_integer(status));
    if (from == BALANCER) {
        char number[24];
        const char *description = number;
        snprintf(number, sizeof number, "%d Error", status);
        for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++)
            if (descriptions[i].status == status)
                description = descriptions[i].description;
        good = good && infer_serve_put(reply, "statusDescription", json_string(description)) &&
               infer_serve_put(reply, "isBase64Encoded", json_false());
    }
    /* AWS needs neither, cargo-lambda both. */
    if (from == GATEWAY_V2)
        good = good && infer_serve_put(reply, "isBase64Encoded", json_false()) &&
               infer_serve_put(reply, "cookies", json_array());
    good = good && json_object_set(reply, "headers", headers) == 0 &&
           infer_serve_put(reply, "body", json_stringn(body, size));
    if (good)
        infer_serve_write(to, reply);
    else
        to->failed = true;
    json_decref(headers);
    json_decref(reply);
}

/* ---- events ---- */

/* Answers an event of a request; false where the invocation failed. */
static bool respond_to_request(infer_serve *serve, const infer_serve_call *call,
                               const json_t *event, const infer_serve_error *error,
                               infer_lambda_stream *stream, infer_serve_reply *reply) {
    infer_serve_reply inner;
    infer_serve_text text = {0};
    origin from = origin_of(event);
    bool good;
    if (from != GATEWAY_V1 && from != GATEWAY_V2)
        stream = NULL;
    if (!event)
        good = infer_serve_refuse(error, &inner);
    else if (from != DIRECT || is_bare_body(event))
        good = respond_to_body(serve, call, event, stream, &inner);
    else
        good = infer_serve_respond_json(serve, call, json_incref((json_t *)event), &inner);
    *reply = (infer_serve_reply){.error = inner.error};
    if (good && !inner.text)
        return true;
    if (good)
        wrap(&text, from, inner.error.status ? inner.error.status : 200, inner.text, inner.size);
    free(inner.text);
    if (good && text.size && !text.failed) {
        reply->text = text.data;
        reply->size = text.size;
        return true;
    }
    free(text.data);
    if (good || !reply->error.status)
        infer_serve_fail(&reply->error, 503, "no memory is left for an answer");
    return false;
}

bool infer_lambda_respond(infer_serve *serve, const infer_serve_call *call, const void *data,
                          size_t size, infer_lambda_stream *stream, infer_serve_reply *reply,
                          const char **error_type) {
    infer_serve_error error = {0};
    json_t *event = NULL;
    *error_type = "Runtime.OutOfMemory";
    if (size > serve->options.max_body)
        infer_serve_fail(&error, 413, "the request has %zu bytes, the limit is %zu", size,
                         serve->options.max_body);
    else
        event = infer_serve_read(serve, data, size, &error);
    bool good = infer_lambda_is_records(event)
                    ? infer_lambda_respond_records(serve, call, event, reply, error_type)
                    : respond_to_request(serve, call, event, &error, stream, reply);
    json_decref(event);
    return good;
}
