/* Google Cloud Run and functions: a port, and the signatures http, cloudevent and typed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloudevents.h"
#include "core.h"
#include "http_common.h"

static void not_there(void *user, infer_serve *serve, const infer_http_request *request,
                      infer_http_reply *reply) {
    (void)user, (void)serve;
    infer_http_fail(reply, 404, "there is nothing at %s", request->path);
}

/* Without a signature an event is known by its marks. */
static void answer(void *user, infer_serve *serve, const infer_http_request *request,
                   infer_http_reply *reply) {
    if (infer_cloudevents_is(request))
        infer_cloudevents_answer(user, serve, request, reply);
    else
        infer_http_predict(user, serve, request, reply);
}

/* JSON in, JSON out, and nothing else. */
static void answer_typed(void *user, infer_serve *serve, const infer_http_request *request,
                         infer_http_reply *reply) {
    const char *type = request->body.type;
    if (*type && strncmp(type, "application/json", 16) != 0)
        infer_http_fail(reply, 415, "a typed function takes application/json, not %.100s", type);
    else
        infer_http_predict(user, serve, request, reply);
}

/* ---- Cloud Logging ---- */

/* Joins lines and requests by the trace: of Google's header TRACE/SPAN;o=1, or of the W3C's. */
static bool put_trace(json_t *line, const infer_serve_call *call) {
    const char *project = getenv("GOOGLE_CLOUD_PROJECT");
    const char *trace = *call->trace ? call->trace : call->traceparent + 3;
    size_t size = *call->trace ? strcspn(call->trace, "/;") : 32;
    char name[300];
    if (!project || (!*call->trace && strlen(call->traceparent) < 55))
        return true;
    snprintf(name, sizeof name, "projects/%.100s/traces/%.*s", project,
             (int)(size < 100 ? size : 100), trace);
    return infer_serve_put(line, "logging.googleapis.com/trace",
                           infer_serve_string(name, strlen(name)));
}

static void log_to_cloud(infer_serve_options *options) {
    static const infer_serve_log_style style = {
        "severity", {"DEBUG", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}, put_trace};
    if (!getenv("K_SERVICE") || getenv("INFER_LOG_FORMAT"))
        return;
    options->log_json = 1;
    infer_serve_log_configure(options);
    infer_serve_log_set_style(&style);
}

int infer_serve_google_run(infer_serve_options *options) {
    const char *signature = getenv("FUNCTION_SIGNATURE_TYPE"), *port = getenv("PORT");
    bool is_event =
        signature && (strcmp(signature, "cloudevent") == 0 || strcmp(signature, "event") == 0);
    bool is_typed = signature && strcmp(signature, "typed") == 0;
    const infer_http_route routes[] = {
        {NULL, "/robots.txt", true, not_there},
        {NULL, "/favicon.ico", true, not_there},
        {"GET", "/ready", true, infer_http_ready},
        {"GET", "/metrics", true, infer_http_give_metrics},
        {"GET", "*", true, infer_http_health},
        {"POST", "*", false,
         is_event    ? infer_cloudevents_answer
         : is_typed  ? answer_typed
         : signature ? infer_http_predict
                     : answer},
    };
    log_to_cloud(options);
    unsigned long number = port ? strtoul(port, NULL, 10) : 0;
    const infer_http_service service = {.routes = routes,
                                        .count = sizeof routes / sizeof *routes,
                                        .address = "0.0.0.0",
                                        .port =
                                            number > 0 && number < 65536 ? (uint16_t)number : 8080,
                                        .quiet_ms = 500};
    if (signature && !is_event && !is_typed && strcmp(signature, "http") != 0) {
        infer_serve_log(INFER_SERVE_FATAL, NULL,
                        "FUNCTION_SIGNATURE_TYPE is %s, not http, cloudevent or typed", signature);
        return INFER_SERVE_EXIT_USAGE;
    }
    return infer_http_serve(options, &service);
}
