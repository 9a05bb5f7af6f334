/* A handler for the tests: answers with what it was told about the invocation. */
#include <stdlib.h>
#include <string.h>

#include "serve.h"

static json_t *handle(void *user, infer_serve *serve, const infer_serve_call *call, json_t *request,
                      infer_serve_error *error) {
    const char *trace = getenv("_X_AMZN_TRACE_ID");
    (void)user, (void)error;
    return json_pack("{s:s, s:s, s:s, s:I, s:s*, s:i, s:O}", "id", call->id, "trace", call->trace,
                     "function", call->function, "deadline", (json_int_t)call->deadline_ms,
                     "environment", trace, "features",
                     (int)infer_model_feature_count(infer_serve_model(serve)), "request", request);
}

int main(int argc, char **argv) {
    return infer_serve_main(argc, argv, (infer_serve_handler){handle, NULL});
}
