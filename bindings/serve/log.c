/* Lines on standard error. */
#define _POSIX_C_SOURCE 200809L
#include "core.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool as_json;

void infer_serve_log_as_json(bool json) {
    as_json = json;
}

/* Control characters would let a message look like several lines. */
static void make_plain(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

static bool write_json(infer_serve_text *line, const char *level, const char *id,
                       const char *message) {
    char stamp[40] = "";
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &parts)) {
        size_t size = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(stamp + size, sizeof stamp - size, ".%03ldZ", now.tv_nsec / 1000000);
    }
    json_t *json = json_object();
    bool good = infer_serve_put(json, "timestamp", json_string(stamp)) &&
                infer_serve_put(json, "level", json_string(level)) &&
                (!id || infer_serve_put(json, "requestId", infer_serve_string(id, strlen(id)))) &&
                infer_serve_put(json, "message", infer_serve_string(message, strlen(message)));
    if (good)
        infer_serve_write(line, json);
    json_decref(json);
    return good && !line->failed;
}

void infer_serve_log(infer_serve_level level, const char *id, const char *format, ...) {
    const char *name = level == INFER_SERVE_WARN ? "WARN" : "ERROR";
    char message[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    infer_serve_text line = {0};
    if (as_json && write_json(&line, name, id, message)) {
        fprintf(stderr, "%.*s\n", (int)line.size, line.data);
    } else {
        make_plain(message);
        fprintf(stderr, "%s%s%s %s\n", name, id ? " RequestId: " : "", id ? id : "", message);
    }
    free(line.data);
}
