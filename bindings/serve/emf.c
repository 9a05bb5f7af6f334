/* CloudWatch's embedded metric format: one line of JSON becomes a log event and its metrics. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lambda_loop.h"

static json_t *definition(const char *name_space) {
    static const char *const metrics[][2] = {
        {"Duration", "Milliseconds"}, {"Errors", "Count"}, {"Rows", "Count"}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        if (!infer_serve_add(
                list, json_pack("{s:s, s:s}", "Name", metrics[i][0], "Unit", metrics[i][1]))) {
            json_decref(list);
            return NULL;
        }
    return json_pack("{s:o, s:[[s]], s:o}", "Namespace",
                     infer_serve_string(name_space, strlen(name_space)), "Dimensions",
                     "FunctionName", "Metrics", list);
}

static bool put_text(json_t *to, const char *key, const char *text) {
    return !text || !*text || infer_serve_put(to, key, infer_serve_string(text, strlen(text)));
}

void infer_lambda_emf(const char *name_space, const infer_serve_call *call, uint64_t ns, bool error,
                      size_t rows) {
    const char *name = getenv("AWS_LAMBDA_FUNCTION_NAME");
    struct timespec now;
    infer_serve_text line = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    json_t *json =
        json_pack("{s:{s:I, s:[o]}, s:f, s:i, s:I}", "_aws", "Timestamp",
                  (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, "CloudWatchMetrics",
                  definition(name_space), "Duration", (double)(ns / 1000) / 1000, "Errors",
                  (int)error, "Rows", (json_int_t)rows);
    if (json && put_text(json, "FunctionName", name && *name ? name : "unknown") &&
        put_text(json, "FunctionVersion", getenv("AWS_LAMBDA_FUNCTION_VERSION")) &&
        put_text(json, "requestId", call->id) && put_text(json, "xRayTraceId", call->trace) &&
        put_text(json, "traceparent", call->traceparent))
        infer_serve_write(&line, json);
    if (line.size && !line.failed) {
        printf("%.*s\n", (int)line.size, line.data);
        fflush(stdout);
    }
    free(line.data);
    json_decref(json);
}
