/* Routes that several platforms have. */
#include "http_common.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"

void infer_http_predict(void *user, infer_serve *serve, const infer_http_request *request,
                        infer_http_reply *reply) {
    infer_serve_reply made;
    (void)user;
    infer_http_take(reply, infer_serve_respond(serve, &request->call, &request->body, &made),
                    &made);
}

static void say(infer_http_reply *reply, const char *type, const char *text) {
    reply->type = type;
    reply->fixed = text;
    reply->size = strlen(text);
}

void infer_http_health(void *user, infer_serve *serve, const infer_http_request *request,
                       infer_http_reply *reply) {
    (void)user, (void)serve, (void)request;
    say(reply, "text/plain", "ok\n");
}

void infer_http_ready(void *user, infer_serve *serve, const infer_http_request *request,
                      infer_http_reply *reply) {
    (void)user, (void)serve, (void)request;
    if (infer_http_is_ready())
        say(reply, "text/plain", "ready\n");
    else
        infer_http_fail(reply, 503, "the server is about to end");
}

void infer_http_give_metrics(void *user, infer_serve *serve, const infer_http_request *request,
                             infer_http_reply *reply) {
    (void)user, (void)serve, (void)request;
    reply->type = "text/plain; version=0.0.4";
    reply->data = infer_http_metrics(&reply->size);
    if (!reply->data)
        infer_http_fail(reply, 503, "no memory is left");
}

void infer_http_give(infer_http_reply *reply, json_t *json) {
    infer_serve_text text = {0};
    if (json)
        infer_serve_write(&text, json);
    if (!json || text.failed) {
        free(text.data);
        infer_http_fail(reply, 503, "no memory is left");
    } else {
        reply->data = text.data;
        reply->size = text.size;
    }
    json_decref(json);
}
