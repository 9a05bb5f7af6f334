/* Requests out of the events that carry them, and replies in the shape they expect. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* ---- base64 ---- */

static int sextet(char c) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool infer_serve_base64(const char *text, size_t size, char *to, size_t *bytes) {
    size_t padding = 0;
    uint32_t bits = 0;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    *bytes = 0;
    for (size_t i = 0; i < size - padding; i++) {
        int value = sextet(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        /* Of four digits the last three end a byte each. */
        if (i % 4)
            to[(*bytes)++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    /* What is left behind the last byte has to be zero: one spelling for each value. */
    return size % 4 == 0 && !(bits & (padding == 1 ? 3u : padding == 2 ? 15u : 0u));
}

/* ---- parsing ---- */

static json_t *parse(const char *text, size_t size, const char *what, infer_serve_error *error) {
    json_error_t why;
    json_t *json =
        json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (json)
        return json;
    if (json_error_code(&why) == json_error_out_of_memory)
        return infer_serve_fail(error, 503, "no memory is left");
    return infer_serve_fail(error, 400, "the %s is not valid JSON: line %d column %d: %s", what,
                            why.line, why.column, why.text);
}

/* ---- unwrapping ---- */

static infer_serve_origin origin_of(const json_t *event) {
    const json_t *context = json_object_get(event, "requestContext");
    if (json_is_object(json_object_get(context, "elb")))
        return INFER_SERVE_BALANCER;
    if (json_is_object(json_object_get(context, "http")))
        return INFER_SERVE_GATEWAY_V2;
    if (json_is_string(json_object_get(event, "httpMethod")))
        return INFER_SERVE_GATEWAY_V1;
    return INFER_SERVE_DIRECT;
}

/* People try functions with {"body": "..."} from the console: that is an event as well. */
static bool is_bare_body(const json_t *event) {
    size_t known = (json_object_get(event, "body") != NULL) +
                   (json_object_get(event, "isBase64Encoded") != NULL);
    return json_object_get(event, "body") && json_object_size(event) == known;
}

static json_t *read_body(const json_t *event, infer_serve_error *error) {
    json_t *body = json_object_get(event, "body");
    const json_t *encoded = json_object_get(event, "isBase64Encoded");
    if (json_is_object(body))
        return json_incref(body);
    if (!json_is_string(body) || json_string_length(body) == 0)
        return infer_serve_fail(error, 400, "the request has no body");
    if (encoded && !json_is_boolean(encoded))
        return infer_serve_fail(error, 400, "isBase64Encoded is neither true nor false");
    if (!json_is_true(encoded))
        return parse(json_string_value(body), json_string_length(body), "body", error);
    size_t size = json_string_length(body);
    char *bytes = malloc(size);
    if (!bytes)
        return infer_serve_fail(error, 503, "no memory is left");
    json_t *json = NULL;
    if (infer_serve_base64(json_string_value(body), size, bytes, &size))
        json = parse(bytes, size, "body", error);
    else
        infer_serve_fail(error, 400, "the body is not valid base64");
    free(bytes);
    return json;
}

json_t *infer_serve_unwrap(const char *event, size_t size, infer_serve_origin *origin,
                           infer_serve_error *error) {
    *origin = INFER_SERVE_DIRECT;
    json_t *request = parse(event, size, "request", error);
    *origin = origin_of(request);
    if (*origin != INFER_SERVE_DIRECT || is_bare_body(request)) {
        json_t *body = read_body(request, error);
        json_decref(request);
        request = body;
    }
    /* JSON in a string, as clients send it that encode twice. */
    if (json_is_string(request)) {
        json_t *inner =
            parse(json_string_value(request), json_string_length(request), "request", error);
        json_decref(request);
        request = inner;
    }
    if (request && !json_is_object(request)) {
        json_decref(request);
        return infer_serve_fail(error, 400, "the request is not a JSON object");
    }
    return request;
}

/* ---- wrapping ---- */

static const struct {
    int status;
    const char *description;
} descriptions[] = {
    {200, "200 OK"},
    {400, "400 Bad Request"},
    {413, "413 Content Too Large"},
    {500, "500 Internal Server Error"},
    {503, "503 Service Unavailable"},
};

void infer_serve_wrap(infer_serve_text *to, infer_serve_origin origin, int status, const char *body,
                      size_t size) {
    json_t *reply = json_object(), *headers = json_object();
    bool good = infer_serve_put(headers, "content-type", json_string("application/json")) &&
                infer_serve_put(reply, "statusCode", json_integer(status));
    if (origin == INFER_SERVE_BALANCER) {
        char number[24];
        const char *description = number;
        snprintf(number, sizeof number, "%d Error", status);
        for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++)
            if (descriptions[i].status == status)
                description = descriptions[i].description;
        good = good && infer_serve_put(reply, "statusDescription", json_string(description)) &&
               infer_serve_put(reply, "isBase64Encoded", json_false());
    }
    good = good && json_object_set(reply, "headers", headers) == 0 &&
           infer_serve_put(reply, "body", json_stringn(body, size));
    if (good)
        infer_serve_write(to, reply);
    else
        to->failed = true;
    json_decref(headers);
    json_decref(reply);
}
