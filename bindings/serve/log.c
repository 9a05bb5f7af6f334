/* Lines on standard error. */
#define _POSIX_C_SOURCE 200809L
#include "core.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool as_json;
static infer_serve_level lowest;

void infer_serve_log_configure(const infer_serve_options *options) {
    as_json = options->log_json;
    lowest = (infer_serve_level)options->log_level;
}

/* Control characters would let a message look like several lines. */
static void make_plain(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

static bool put_text(json_t *to, const char *key, const char *text) {
    return !*text || infer_serve_put(to, key, infer_serve_string(text, strlen(text)));
}

static bool put_traces(json_t *to, const infer_serve_call *call) {
    return put_text(to, "xRayTraceId", call->trace) &&
           put_text(to, "traceparent", call->traceparent);
}

static const infer_serve_log_style plain_style = {
    "level", {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}, put_traces};
static const infer_serve_log_style *style = &plain_style;

void infer_serve_log_set_style(const infer_serve_log_style *wanted) {
    style = wanted;
}

static bool write_json(infer_serve_text *line, infer_serve_level level,
                       const infer_serve_call *call, const char *message) {
    char stamp[40] = "";
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &parts)) {
        size_t size = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(stamp + size, sizeof stamp - size, ".%03ldZ", now.tv_nsec / 1000000);
    }
    json_t *json = json_object();
    bool good =
        infer_serve_put(json, "timestamp", json_string(stamp)) &&
        infer_serve_put(json, style->level, json_string(style->levels[level])) &&
        (!call || (put_text(json, "requestId", call->id) && style->put_trace(json, call))) &&
        infer_serve_put(json, "message", infer_serve_string(message, strlen(message)));
    if (good)
        infer_serve_write(line, json);
    json_decref(json);
    return good && !line->failed;
}

void infer_serve_log(infer_serve_level level, const infer_serve_call *call, const char *format,
                     ...) {
    char message[600];
    va_list arguments;
    if (level < lowest)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    infer_serve_text line = {0};
    bool has_id = call && *call->id;
    if (as_json && write_json(&line, level, call, message)) {
        fprintf(stderr, "%.*s\n", (int)line.size, line.data);
    } else {
        make_plain(message);
        infer_serve_repair(message, strlen(message));
        fprintf(stderr, "%s%s%s %s\n", plain_style.levels[level], has_id ? " RequestId: " : "",
                has_id ? call->id : "", message);
    }
    free(line.data);
}
