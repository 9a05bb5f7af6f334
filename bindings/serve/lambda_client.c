/* Exchanges with the runtime API over libevent's HTTP client, one at a time. */
#define _POSIX_C_SOURCE 200809L
#include "lambda_client.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer.h"

/* A poll lasts as long as nobody calls the function, frozen or not: evhttp's own default would end
 * it after 50 seconds, so it gets 30 years. */
#define PATIENCE_SECONDS 1000000000

/* What is left to a POST after a signal. */
#define GRACE_SECONDS 1

struct infer_lambda_client {
    struct event_base *base;
    struct evhttp_connection *connection; /* NULL: to be made by the next exchange */
    struct evhttp_request *answer;        /* the last one, owned */
    struct event *signals[2], *timer;
    char *host, *path; /* path goes in front of every request's */
    int port;
    int status;
    bool done, stopped, polling;
};

/* ---- life ---- */

static void on_signal(evutil_socket_t number, short what, void *client_void) {
    infer_lambda_client *client = client_void;
    struct timeval grace = {GRACE_SECONDS, 0};
    (void)number, (void)what;
    client->stopped = true;
    if (client->polling)
        event_base_loopbreak(client->base);
    else if (!evtimer_pending(client->timer, NULL))
        event_add(client->timer, &grace);
}

static void on_timer(evutil_socket_t number, short what, void *client_void) {
    infer_lambda_client *client = client_void;
    (void)number, (void)what;
    event_base_loopbreak(client->base);
}

static bool parse_api(infer_lambda_client *client, const char *api) {
    char url[1100];
    bool has_scheme = strncmp(api, "http://", 7) == 0;
    int size = snprintf(url, sizeof url, "%s%s", has_scheme ? "" : "http://", api);
    struct evhttp_uri *uri = size > 0 && (size_t)size < sizeof url ? evhttp_uri_parse(url) : NULL;
    const char *host = uri ? evhttp_uri_get_host(uri) : NULL;
    if (host && *host && !evhttp_uri_get_query(uri) && !evhttp_uri_get_fragment(uri)) {
        const char *path = evhttp_uri_get_path(uri);
        size_t host_size = strlen(host), path_size = path ? strlen(path) : 0;
        /* Brackets belong to the URL, not to an IPv6 address. */
        bool bracketed = host[0] == '[' && host[host_size - 1] == ']';
        while (path_size && path[path_size - 1] == '/')
            path_size--;
        client->host = strndup(host + bracketed, host_size - 2 * bracketed);
        client->path = strndup(path ? path : "", path_size);
        client->port = evhttp_uri_get_port(uri) > 0 ? evhttp_uri_get_port(uri) : 80;
    }
    if (uri)
        evhttp_uri_free(uri);
    return client->host && client->path;
}

/* Changes of what is waited for go to the kernel once a turn: a third of the system calls is saved.
 */
static struct event_base *make_base(void) {
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    return base;
}

static struct event *make_stop(infer_lambda_client *client, int stop_file, int signal_number) {
    return stop_file < 0 ? evsignal_new(client->base, signal_number, on_signal, client)
                         : event_new(client->base, stop_file, EV_READ, on_signal, client);
}

infer_lambda_client *infer_lambda_client_new(const char *api, int stop_file) {
    static const int numbers[2] = {SIGTERM, SIGINT};
    infer_lambda_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->base = make_base();
    bool good = client->base && parse_api(client, api);
    if (good)
        client->timer = evtimer_new(client->base, on_timer, client);
    good = good && client->timer;
    for (int i = 0; good && i < (stop_file < 0 ? 2 : 1); i++) {
        client->signals[i] = make_stop(client, stop_file, numbers[i]);
        good = client->signals[i] && event_add(client->signals[i], NULL) == 0;
    }
    if (good)
        return client;
    infer_lambda_client_free(client);
    return NULL;
}

static void drop_answer(infer_lambda_client *client) {
    if (client->answer)
        evhttp_request_free(client->answer);
    client->answer = NULL;
}

static void drop_connection(infer_lambda_client *client) {
    if (client->connection)
        evhttp_connection_free(client->connection);
    client->connection = NULL;
}

void infer_lambda_client_free(infer_lambda_client *client) {
    if (!client)
        return;
    drop_answer(client);
    drop_connection(client);
    for (int i = 0; i < 2; i++)
        if (client->signals[i])
            event_free(client->signals[i]);
    if (client->timer)
        event_free(client->timer);
    if (client->base)
        event_base_free(client->base);
    free(client->host);
    free(client->path);
    free(client);
}

const char *infer_lambda_host(const infer_lambda_client *client, int *port, const char **path) {
    *port = client->port;
    *path = client->path;
    return client->host;
}

bool infer_lambda_stopped(const infer_lambda_client *client) {
    return client->stopped;
}

/* ---- exchanges ---- */

/* request is NULL, or has no status, where the connection ended before the answer did. */
static void on_answer(struct evhttp_request *request, void *client_void) {
    infer_lambda_client *client = client_void;
    client->status = request ? evhttp_request_get_response_code(request) : 0;
    if (client->status) {
        evhttp_request_own(request);
        client->answer = request;
    }
    client->done = true;
    event_base_loopbreak(client->base);
}

static bool connect_client(infer_lambda_client *client) {
    const struct timeval patience = {PATIENCE_SECONDS, 0};
    if (client->connection)
        return true;
    client->connection = evhttp_connection_base_bufferevent_new(
        client->base, NULL, NULL, client->host, (uint16_t)client->port);
    if (!client->connection)
        return false;
    evhttp_connection_set_timeout_tv(client->connection, &patience);
    /* The runtime may refuse an answer before it has read it all. */
    evhttp_connection_set_flags(client->connection, EVHTTP_CON_READ_ON_WRITE_ERROR);
    return true;
}

static struct evhttp_request *make_request(infer_lambda_client *client, const void *body,
                                           size_t size, const char *error_type) {
    char host[300], agent[40];
    struct evhttp_request *request = evhttp_request_new(on_answer, client);
    if (!request)
        return NULL;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    bool is_v6 = strchr(client->host, ':') != NULL;
    snprintf(host, sizeof host, "%s%s%s:%d", is_v6 ? "[" : "", client->host, is_v6 ? "]" : "",
             client->port);
    snprintf(agent, sizeof agent, "libinfer/%s", infer_version());
    bool good = evhttp_add_header(headers, "Host", host) == 0 &&
                evhttp_add_header(headers, "User-Agent", agent) == 0;
    if (body)
        good = good && evhttp_add_header(headers, "Content-Type", "application/json") == 0 &&
               evbuffer_add_reference(evhttp_request_get_output_buffer(request), body, size, NULL,
                                      NULL) == 0;
    if (error_type)
        good = good &&
               evhttp_add_header(headers, "Lambda-Runtime-Function-Error-Type", error_type) == 0;
    if (good)
        return request;
    evhttp_request_free(request);
    return NULL;
}

static int exchange(infer_lambda_client *client, const char *path, const void *body, size_t size,
                    const char *error_type) {
    char url[2048];
    int length = snprintf(url, sizeof url, "%s%s", client->path, path);
    drop_answer(client);
    client->status = 0;
    client->done = false;
    client->polling = !body;
    if (length < 0 || (size_t)length >= sizeof url || (client->stopped && client->polling) ||
        !connect_client(client))
        return 0;
    struct evhttp_request *request = make_request(client, body, size, error_type);
    /* evhttp_make_request owns the request whether it succeeds or not. */
    if (!request || evhttp_make_request(client->connection, request,
                                        body ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, url) != 0) {
        drop_connection(client);
        return 0;
    }
    if (client->stopped)
        on_signal(-1, 0, client);
    if (!client->done)
        event_base_dispatch(client->base);
    if (!client->status)
        drop_connection(client);
    return client->status;
}

int infer_lambda_get(infer_lambda_client *client, const char *path) {
    return exchange(client, path, NULL, 0, NULL);
}

int infer_lambda_post(infer_lambda_client *client, const char *path, const void *body, size_t size,
                      const char *error_type) {
    return exchange(client, path, body, size, error_type);
}

const char *infer_lambda_header(const infer_lambda_client *client, const char *name) {
    const char *value =
        client->answer ? evhttp_find_header(evhttp_request_get_input_headers(client->answer), name)
                       : NULL;
    return value ? value : "";
}

const void *infer_lambda_body(const infer_lambda_client *client, size_t *size) {
    struct evbuffer *body = client->answer ? evhttp_request_get_input_buffer(client->answer) : NULL;
    *size = body ? evbuffer_get_length(body) : 0;
    const void *data = *size ? evbuffer_pullup(body, -1) : NULL;
    if (!data)
        *size = 0;
    return data ? data : "";
}

void infer_lambda_wait(infer_lambda_client *client, unsigned milliseconds) {
    struct timeval time = {milliseconds / 1000, (int)(milliseconds % 1000) * 1000};
    client->polling = true;
    if (client->stopped || event_add(client->timer, &time) != 0)
        return;
    event_base_dispatch(client->base);
    event_del(client->timer);
}
