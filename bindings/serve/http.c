/* The HTTP server: listening, routes, limits, and the end. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "http.h"

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "http_server.h"

#define BACKLOG      1024
#define HEADERS_SIZE ((ev_ssize_t)32 * 1024)
#define IDLE_SECONDS 75  /* a kept connection, longer than proxies keep theirs */
#define LOOK_MS      10  /* how often a draining server looks whether it is done */
#define LINGER_MS    100 /* from the end of listening: who had connected may still send */

#define ALL_METHODS                                                                                \
    (EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |     \
     EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH)

struct infer_http_server {
    const infer_serve_options *options;
    const infer_http_service *service;
    infer_serve *serve;
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *socket; /* NULL: not listening any more */
    struct event *signals[2], *look;
    infer_http_workers *workers; /* NULL: the listening thread predicts */
    size_t waiting;              /* jobs with the workers */
    uint64_t last_request, drain_start, listen_end;
};

const char *infer_http_id_header(const infer_http_server *server) {
    return server->service->id_header;
}

void *infer_http_user(const infer_http_server *server) {
    return server->service->user;
}

/* ---- routes ---- */

static bool fits(const char *pattern, const char *path) {
    size_t size = strlen(pattern);
    if (size && pattern[size - 1] == '*')
        return strncmp(pattern, path, size - 1) == 0;
    return strcmp(pattern, path) == 0;
}

static bool takes(const infer_http_route *route, const char *method) {
    return !route->method || strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* The route, or NULL with the reply made: 404, or 405 with what is allowed. */
static const infer_http_route *find_route(const infer_http_service *service,
                                          const infer_http_request *request,
                                          infer_http_reply *reply) {
    const char *allowed = NULL;
    for (size_t i = 0; i < service->count; i++) {
        const infer_http_route *route = &service->routes[i];
        if (!fits(route->path, request->path))
            continue;
        if (takes(route, request->method))
            return route;
        allowed = route->method;
    }
    if (allowed) {
        infer_http_fail(reply, 405, "%s takes %s", request->path, allowed);
        reply->headers[0].name = "Allow";
        snprintf(reply->headers[0].value, sizeof reply->headers[0].value, "%s", allowed);
    } else {
        infer_http_fail(reply, 404, "there is nothing at %s", request->path);
    }
    return NULL;
}

/* ---- jobs for threads ---- */

static void free_job(infer_http_job *job) {
    if (job->timer)
        event_free(job->timer);
    infer_http_disown(job);
    free(job->reply.data);
    free(job);
}

static void on_done(infer_http_job *job) {
    job->server->waiting--;
    if (job->evreq) {
        infer_http_count_in_flight(-1);
        infer_http_send(job);
    }
    free_job(job);
}

/* The thread goes on with what is its own; nobody waits for its answer. */
static void on_late(evutil_socket_t number, short what, void *job_void) {
    infer_http_job *job = job_void, answer = *job;
    (void)number, (void)what;
    answer.reply = (infer_http_reply){0};
    infer_http_fail(&answer.reply, 504, "no answer within %zu ms",
                    job->server->options->timeout_ms);
    infer_http_count_in_flight(-1);
    infer_http_send(&answer);
    job->evreq = NULL;
}

/* Puts a copy of the job, which owns what it needs, in the queue. */
static bool defer(const infer_http_job *given) {
    infer_http_server *server = given->server;
    infer_http_job *job = malloc(sizeof *job);
    if (!job)
        return false;
    *job = *given;
    uint64_t limit = server->options->timeout_ms * UINT64_C(1000000);
    uint64_t used = infer_serve_now() - job->start_ns, left = used < limit ? limit - used : 1;
    struct timeval time = {(time_t)(left / 1000000000), (suseconds_t)(left / 1000 % 1000000)};
    job->timer = infer_http_own(job) ? evtimer_new(server->base, on_late, job) : NULL;
    if (!job->timer || event_add(job->timer, &time) != 0) {
        free_job(job);
        return false;
    }
    server->waiting++;
    infer_http_count_in_flight(1);
    infer_http_workers_put(server->workers, job);
    return true;
}

/* ---- requests ---- */

static void on_request(struct evhttp_request *evreq, void *server_void) {
    infer_http_server *server = server_void;
    infer_http_job job = {
        .server = server, .evreq = evreq, .start_ns = infer_http_guard_complete(evreq)};
    infer_http_read(&job);
    server->last_request = infer_serve_now();
    job.route = find_route(server->service, &job.request, &job.reply);
    if (job.route && server->workers && !job.route->at_once) {
        if (server->waiting >= server->options->max_requests) {
            infer_http_fail(&job.reply, 429, "%zu requests are at work or waiting",
                            server->waiting);
            job.reply.headers[0].name = "Retry-After";
            strcpy(job.reply.headers[0].value, "1");
        } else if (defer(&job)) {
            return;
        } else {
            infer_http_fail(&job.reply, 503, "no memory is left");
        }
    } else if (job.route) {
        job.route->answer(server->service->user, server->serve, &job.request, &job.reply);
    }
    infer_http_send(&job);
}

/* ---- listening ---- */

static bool listen_on(infer_http_server *server) {
    const infer_serve_options *o = server->options;
    const char *address = o->address ? o->address : server->service->address;
    uint16_t port = o->port ? (uint16_t)o->port : server->service->port;
    struct sockaddr_storage where;
    int size = sizeof where, one = 1;
    char text[80];
    snprintf(text, sizeof text, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&where, &size) != 0) {
        infer_serve_log(INFER_SERVE_FATAL, NULL, "%s is not an address to listen on", address);
        return false;
    }
    struct evconnlistener *listener = evconnlistener_new_bind(
        server->base, NULL, NULL, LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE,
        BACKLOG, (struct sockaddr *)&where, size);
    if (!listener) {
        infer_serve_log(INFER_SERVE_FATAL, NULL, "cannot listen on %s: %s", text,
                        strerror(EVUTIL_SOCKET_ERROR()));
        return false;
    }
    /* Connections take it over from the listening socket. */
    setsockopt(evconnlistener_get_fd(listener), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    server->socket = evhttp_bind_listener(server->http, listener);
    if (!server->socket)
        evconnlistener_free(listener);
    else
        infer_serve_log(INFER_SERVE_INFO, NULL, "listening on %s", text);
    return server->socket != NULL;
}

/* ---- the end ---- */

static void on_signal(evutil_socket_t number, short what, void *server_void) {
    infer_http_server *server = server_void;
    const struct timeval period = {0, LOOK_MS * 1000};
    (void)what;
    if (server->drain_start || event_add(server->look, &period) != 0) {
        event_base_loopbreak(server->base);
        return;
    }
    infer_serve_log(INFER_SERVE_INFO, NULL, "signal %d: draining", (int)number);
    infer_http_set_ready(false);
    server->drain_start = server->last_request = infer_serve_now();
}

/* Listens until it was quiet or the time is almost over, then waits for what was accepted. */
static void look(evutil_socket_t number, short what, void *server_void) {
    infer_http_server *server = server_void;
    const uint64_t ms = 1000000, now = infer_serve_now();
    const uint64_t end = server->drain_start + server->options->drain_ms * ms;
    const bool busy = server->waiting || infer_http_guard_is_reading();
    uint64_t reserve = server->options->drain_ms / 4 < 1000 ? server->options->drain_ms / 4 : 1000;
    (void)number, (void)what;
    if (server->socket &&
        (now + reserve * ms >= end ||
         (!busy && now - server->last_request >= server->service->quiet_ms * ms))) {
        /* Whoever stands in the kernel's queue has been accepted, as far as he knows. */
        struct pollfd queue = {.fd = evhttp_bound_socket_get_fd(server->socket), .events = POLLIN};
        if (poll(&queue, 1, 0) > 0 && now < end)
            return;
        evhttp_del_accept_socket(server->http, server->socket);
        server->socket = NULL;
        server->listen_end = now;
    } else if (!server->socket &&
               (now >= end || (!busy && now - server->listen_end >= LINGER_MS * ms &&
                               now - server->last_request >= LINGER_MS * ms))) {
        event_base_loopbreak(server->base);
    }
}

/* ---- life ---- */

static size_t count_threads(const infer_serve_options *options) {
    cpu_set_t set;
    if (options->threads != SIZE_MAX)
        return options->threads;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}
/* Changes of what is waited for go to the kernel once a turn. */
static struct event_base *make_base(void) {
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST |
                                                    EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    return base;
}

static bool start(infer_http_server *server) {
    static const int numbers[2] = {SIGTERM, SIGINT};
    const infer_serve_options *o = server->options;
    server->base = make_base();
    server->http = server->base ? evhttp_new(server->base) : NULL;
    server->look = server->http ? event_new(server->base, -1, EV_PERSIST, look, server) : NULL;
    bool good = server->look && infer_http_guard_start(server->base, o->timeout_ms);
    for (int i = 0; good && i < 2; i++) {
        server->signals[i] = evsignal_new(server->base, numbers[i], on_signal, server);
        good = server->signals[i] && event_add(server->signals[i], NULL) == 0;
    }
    /* Linear models answer sooner than a thread wakes up. */
    size_t threads = o->threads == SIZE_MAX && server->serve->is_linear ? 0 : count_threads(o);
    if (good && threads) {
        server->workers = infer_http_workers_new(server->base, server->serve, threads, on_done);
        good = server->workers != NULL;
    }
    if (!good) {
        infer_serve_log(INFER_SERVE_FATAL, NULL, "no memory or no thread is left");
        return false;
    }
    evhttp_set_bevcb(server->http, infer_http_guard_connect, NULL);
    evhttp_set_gencb(server->http, on_request, server);
    evhttp_set_allowed_methods(server->http, ALL_METHODS);
    evhttp_set_max_body_size(server->http, (ev_ssize_t)o->max_body);
    evhttp_set_max_headers_size(server->http, HEADERS_SIZE);
    evhttp_set_default_content_type(server->http, NULL);
    evhttp_set_timeout(server->http, IDLE_SECONDS);
    return listen_on(server);
}

static void stop(infer_http_server *server) {
    infer_http_workers_free(server->workers);
    infer_http_guard_stop();
    if (server->http)
        evhttp_free(server->http);
    for (int i = 0; i < 2; i++)
        if (server->signals[i])
            event_free(server->signals[i]);
    if (server->look)
        event_free(server->look);
    if (server->base)
        event_base_free(server->base);
    infer_serve_close(server->serve);
}

int infer_http_serve(infer_serve_options *options, const infer_http_service *service) {
    infer_http_server server = {.options = options, .service = service};
    infer_serve_error error;
    uint64_t begin = infer_serve_now();
    size_t threads = count_threads(options);
    /* Half is left to the model, requests and answers. */
    if (!options->memory_limit)
        options->memory_limit = infer_serve_memory() / 2 / (threads ? threads : 1);
    if (!infer_serve_open(options, &server.serve, &error)) {
        infer_serve_log(INFER_SERVE_FATAL, NULL, "%s", error.reason);
        return INFER_SERVE_EXIT_FAILED;
    }
    infer_http_count_load(infer_serve_now() - begin);
    bool good = start(&server);
    if (good) {
        infer_http_set_ready(true);
        event_base_dispatch(server.base);
        infer_http_set_ready(false);
    }
    /* A prediction cannot be stopped, and the time for it is over. */
    if (server.waiting) {
        infer_serve_log(INFER_SERVE_ERROR, NULL, "%zu requests are left without an answer",
                        server.waiting);
        _Exit(INFER_SERVE_EXIT_FAILED);
    }
    stop(&server);
    return good ? INFER_SERVE_EXIT_OK : INFER_SERVE_EXIT_FAILED;
}
