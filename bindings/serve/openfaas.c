/* OpenFaaS: behind of-watchdog over HTTP, or one request from standard input to standard output. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "http.h"
#include "http_common.h"

#define DEFAULT_PORT        3000
#define DEFAULT_INTERVAL_MS 5000

/* A duration as Go writes it, "1m30s" or "250ms"; plain numbers are seconds. */
static size_t read_duration(const char *text, size_t otherwise) {
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"us", 1e-3}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"", 1e3}};
    double sum = 0;
    if (!text || !*text)
        return otherwise;
    while (*text) {
        char *end;
        double number = strtod(text, &end);
        size_t i = 0, length = strspn(end, "mush");
        while (i < sizeof units / sizeof *units &&
               !(strlen(units[i].unit) == length && strncmp(units[i].unit, end, length) == 0))
            i++;
        if (end == text || !(number >= 0) || i == sizeof units / sizeof *units)
            return otherwise;
        sum += number * units[i].ms;
        text = end + length;
    }
    return sum < 8.64e7 ? (size_t)sum : otherwise;
}

/* The port of "http://127.0.0.1:3000". */
static uint16_t upstream_port(void) {
    const char *url = getenv("upstream_url"), *colon = url ? strrchr(url, ':') : NULL;
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    return port > 0 && port < 65536 ? (uint16_t)port : DEFAULT_PORT;
}

static int run_http(infer_serve_options *options) {
    static const infer_http_route routes[] = {
        {"GET", "/_/health", true, infer_http_health},
        {"GET", "/_/ready", true, infer_http_ready},
        {"GET", "/metrics", true, infer_http_give_metrics},
        {"GET", "*", true, infer_http_health},
        {"POST", "*", false, infer_http_predict},
    };
    /* The watchdog sends SIGTERM first and stops to accept an interval later. */
    const infer_http_service service = {
        .routes = routes,
        .count = sizeof routes / sizeof *routes,
        .address = "127.0.0.1",
        .port = upstream_port(),
        .id_header = "X-Call-Id",
        .quiet_ms = read_duration(getenv("healthcheck_interval"), DEFAULT_INTERVAL_MS)};
    options->drain_ms =
        service.quiet_ms + read_duration(getenv("write_timeout"), options->drain_ms);
    options->timeout_ms = read_duration(getenv("exec_timeout"), options->timeout_ms);
    const char *most = getenv("max_inflight");
    if (most && strtoul(most, NULL, 10) > 0)
        options->max_requests = strtoul(most, NULL, 10);
    return infer_http_serve(options, &service);
}

/* ---- standard input ---- */

/* All of standard input, at most a byte more than the limit. */
static char *read_all(size_t most, size_t *size) {
    size_t room = 4096;
    char *data = malloc(room);
    *size = 0;
    while (data) {
        ssize_t got = read(STDIN_FILENO, data + *size, room - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(data);
            return NULL;
        }
        if (got == 0 || (*size += (size_t)got) > most)
            return data;
        if (*size == room) {
            char *more = realloc(data, room *= 2);
            if (!more)
                free(data);
            data = more;
        }
    }
    return NULL;
}

static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

int infer_serve_stdio_run(infer_serve_options *options) {
    infer_serve *serve;
    infer_serve_error error;
    infer_serve_reply reply;
    if (!infer_serve_open(options, &serve, &error)) {
        infer_serve_log(INFER_SERVE_FATAL, NULL, "%s", error.reason);
        return INFER_SERVE_EXIT_FAILED;
    }
    infer_serve_body body = {.type = environment("Http_Content_Type")};
    char *data = read_all(options->max_body, &body.size);
    if (!data) {
        infer_serve_log(INFER_SERVE_FATAL, NULL, "standard input cannot be read");
        infer_serve_close(serve);
        return INFER_SERVE_EXIT_FAILED;
    }
    body.data = data;
    const infer_serve_call call = {.id = environment("Http_X_Call_Id"),
                                   .trace = "",
                                   .traceparent = environment("Http_Traceparent"),
                                   .function = environment("Http_Path")};
    bool good = infer_serve_respond(serve, &call, &body, &reply);
    if (reply.error.status)
        infer_serve_log(INFER_SERVE_ERROR, &call, "status %d: %s", reply.error.status,
                        reply.error.reason);
    good = good && fwrite(reply.text, 1, reply.size, stdout) == reply.size &&
           putchar('\n') == '\n' && fflush(stdout) == 0 && !reply.error.status;
    free(reply.text);
    free(data);
    infer_serve_close(serve);
    return good ? INFER_SERVE_EXIT_OK : INFER_SERVE_EXIT_FAILED;
}

/* The watchdog starts a process for each request in its other modes. */
int infer_serve_openfaas_run(infer_serve_options *options) {
    const char *mode = getenv("mode");
    if (mode && (strcmp(mode, "serializing") == 0 || strcmp(mode, "streaming") == 0))
        return infer_serve_stdio_run(options);
    return run_http(options);
}
