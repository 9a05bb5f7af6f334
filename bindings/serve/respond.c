/* From an event's bytes to a reply's bytes. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

static json_t *handle(infer_serve *serve, const infer_serve_call *call, json_t *request,
                      infer_serve_error *error) {
    json_t *answer = serve->handler.handle
                         ? serve->handler.handle(serve->handler.user, serve, call, request, error)
                         : infer_serve_predict(serve, request, error);
    if (!answer && !error->status)
        infer_serve_fail(error, 500, "the handler gave neither an answer nor a reason");
    return answer;
}

static json_t *error_body(const infer_serve_error *error) {
    json_t *body = json_object();
    if (infer_serve_put(body, "error", infer_serve_string(error->reason, strlen(error->reason))))
        return body;
    json_decref(body);
    return NULL;
}

bool infer_serve_respond(infer_serve *serve, const infer_serve_call *call, const void *event,
                         size_t size, infer_serve_reply *reply) {
    infer_serve_origin origin = INFER_SERVE_DIRECT;
    infer_serve_text body_text = {0}, text = {0};
    json_t *request = NULL, *body = NULL;
    *reply = (infer_serve_reply){0};
    if (size > serve->max_body)
        infer_serve_fail(&reply->error, 413, "the request has %zu bytes, the limit is %zu", size,
                         serve->max_body);
    else
        request = infer_serve_unwrap(event, size, &origin, &reply->error);
    if (request)
        body = handle(serve, call, request, &reply->error);
    json_decref(request);
    if (!body)
        body = error_body(&reply->error);
    if (body)
        infer_serve_write(&body_text, body);
    json_decref(body);
    if (body && !body_text.failed)
        infer_serve_wrap(&text, origin, reply->error.status ? reply->error.status : 200,
                         body_text.data, body_text.size);
    free(body_text.data);
    if (text.size && !text.failed) {
        reply->text = text.data;
        reply->size = text.size;
        return true;
    }
    free(text.data);
    infer_serve_fail(&reply->error, 503, "no memory is left for an answer");
    return false;
}
