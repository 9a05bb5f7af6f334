/* Requests as routes see them, and replies as evhttp sends them. */
#define _POSIX_C_SOURCE 200809L
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "http_server.h"

/* ---- reading ---- */

static const char *find(const infer_http_job *job, const char *name) {
    const char *value = evhttp_find_header(job->request.headers, name);
    return value ? value : "";
}

static const char *const methods[] = {"GET",     "POST",  "HEAD",    "PUT",  "DELETE",
                                      "OPTIONS", "TRACE", "CONNECT", "PATCH"};

static const char *name_method(enum evhttp_cmd_type type) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if ((unsigned)type == 1u << i)
            return methods[i];
    return "";
}

/* Values that go into logs and back into headers: one line of visible characters. */
static void copy_visible(char *to, size_t room, const char *from) {
    size_t size = 0;
    for (; *from && size + 1 < room; from++)
        if (*from > 0x20 && *from < 0x7f)
            to[size++] = *from;
    to[size] = 0;
}

static void read_id(infer_http_job *job) {
    const char *own_header = infer_http_id_header(job->server);
    static uint64_t count;
    const char *id = own_header ? find(job, own_header) : "";
    if (!*id)
        id = find(job, "X-Request-Id");
    if (!*id)
        id = find(job, "X-Call-Id");
    copy_visible(job->id, sizeof job->id, id);
    if (!*job->id)
        snprintf(job->id, sizeof job->id, "%08llx-%llx", (unsigned long long)time(NULL),
                 (unsigned long long)++count);
}

static void read_body(infer_http_job *job, struct evbuffer *input) {
    infer_serve_body *body = &job->request.body;
    body->type = find(job, "Content-Type");
    body->size = evbuffer_get_length(input);
    body->data = body->size ? (const void *)evbuffer_pullup(input, -1) : "";
    if (!body->data)
        *body = (infer_serve_body){body->type, "", 0};
}

void infer_http_read(infer_http_job *job) {
    infer_http_request *request = &job->request;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(job->evreq);
    const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
    request->headers = evhttp_request_get_input_headers(job->evreq);
    request->method = name_method(evhttp_request_get_command(job->evreq));
    request->path = path && *path ? path : "/";
    request->query = query ? query : "";
    read_id(job);
    read_body(job, evhttp_request_get_input_buffer(job->evreq));
    const char *trace = find(job, "X-Amzn-Trace-Id");
    copy_visible(job->trace, sizeof job->trace,
                 *trace ? trace : find(job, "X-Cloud-Trace-Context"));
    copy_visible(job->traceparent, sizeof job->traceparent, find(job, "traceparent"));
    request->call = (infer_serve_call){.id = job->id,
                                       .trace = job->trace,
                                       .traceparent = job->traceparent,
                                       .function = request->path,
                                       .body = &request->body};
}

/* ---- requests that wait ---- */

static const char *keep(char **to, const char *from) {
    *to = strdup(from);
    return *to ? *to : "";
}

bool infer_http_own(infer_http_job *job) {
    infer_http_request *request = &job->request;
    const struct evkeyvalq *headers = request->headers;
    bool good = true;
    TAILQ_INIT(&job->headers);
    for (const struct evkeyval *header = headers->tqh_first; header; header = header->next.tqe_next)
        good = evhttp_add_header(&job->headers, header->key, header->value) == 0 && good;
    request->headers = &job->headers;
    request->path = keep(&job->path, request->path);
    request->query = keep(&job->query, request->query);
    job->input = evbuffer_new();
    good = good && job->path && job->query && job->input &&
           evbuffer_add_buffer(job->input, evhttp_request_get_input_buffer(job->evreq)) == 0;
    if (good)
        read_body(job, job->input);
    request->call.id = job->id;
    request->call.trace = job->trace;
    request->call.traceparent = job->traceparent;
    request->call.function = request->path;
    request->call.body = &request->body;
    return good;
}

void infer_http_disown(infer_http_job *job) {
    evhttp_clear_headers(&job->headers);
    if (job->input)
        evbuffer_free(job->input);
    free(job->path);
    free(job->query);
}

const char *infer_http_header(const infer_http_request *request, const char *name) {
    return evhttp_find_header(request->headers, name);
}

void infer_http_headers(const infer_http_request *request,
                        void (*each)(void *user, const char *name, const char *value), void *user) {
    const struct evkeyvalq *headers = request->headers;
    for (const struct evkeyval *header = headers->tqh_first; header; header = header->next.tqe_next)
        each(user, header->key, header->value);
}

/* ---- replies ---- */

void infer_http_fail(infer_http_reply *reply, int status, const char *format, ...) {
    infer_serve_error error = {.status = status};
    infer_serve_reply made;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.reason, sizeof error.reason, format, arguments);
    va_end(arguments);
    infer_http_take(reply, infer_serve_refuse(&error, &made), &made);
}

void infer_http_take(infer_http_reply *reply, bool good, infer_serve_reply *made) {
    reply->status = made->error.status;
    reply->type = "application/json";
    if (good) {
        reply->data = made->text;
        reply->size = made->size;
        return;
    }
    static const char body[] = "{\"error\":\"no memory is left for an answer\"}";
    reply->fixed = body;
    reply->size = sizeof body - 1;
}

static void free_data(const void *data, size_t size, void *extra) {
    (void)size, (void)extra;
    free((void *)data);
}

static void log_reply(const infer_http_job *job, int status, uint64_t took) {
    const infer_http_request *request = &job->request;
    infer_serve_level level = status >= 500   ? INFER_SERVE_ERROR
                              : status >= 400 ? INFER_SERVE_WARN
                                              : INFER_SERVE_DEBUG;
    infer_serve_log(level, &request->call, "%s %s: status %d, %zu bytes in, %zu out, %.3f ms",
                    request->method, request->path, status, request->body.size, job->reply.size,
                    (double)took / 1e6);
}

/* A reply whose headers cannot be set still goes out: they say nothing that the body needs. */
void infer_http_send(infer_http_job *job) {
    struct evhttp_request *evreq = job->evreq;
    infer_http_reply *reply = &job->reply;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(evreq);
    struct evbuffer *output = evhttp_request_get_output_buffer(evreq);
    int status = reply->status ? reply->status : 200;
    uint64_t took = infer_serve_now() - job->start_ns;
    infer_http_count(status, job->request.method, took);
    log_reply(job, status, took);
    evhttp_add_header(headers, "Content-Type", reply->type ? reply->type : "application/json");
    evhttp_add_header(headers, "X-Request-Id", job->id);
    if (*job->traceparent)
        evhttp_add_header(headers, "traceparent", job->traceparent);
    for (size_t i = 0; i < sizeof reply->headers / sizeof *reply->headers && reply->headers[i].name;
         i++)
        evhttp_add_header(headers, reply->headers[i].name, reply->headers[i].value);
    if (!infer_http_is_ready())
        evhttp_add_header(headers, "Connection", "close");
    if (reply->fixed)
        evbuffer_add_reference(output, reply->fixed, reply->size, NULL, NULL);
    else if (reply->data && reply->size < 4096)
        evbuffer_add(output, reply->data, reply->size), free(reply->data);
    else if (reply->data &&
             evbuffer_add_reference(output, reply->data, reply->size, free_data, NULL) != 0)
        free(reply->data);
    reply->data = NULL;
    job->evreq = NULL;
    evhttp_send_reply(evreq, status, NULL, NULL);
}
