/* HTTP for anyone: predictions, health and metrics on a port. */
#include "describe.h"
#include "http_common.h"
#include "kserve.h"

int infer_serve_http_run(infer_serve_options *options) {
    static const infer_http_route routes[] = {
        {"POST", "/predict", false, infer_http_predict},
        {"GET", "/health", true, infer_http_health},
        {"GET", "/ready", true, infer_http_ready},
        {"GET", "/metrics", true, infer_http_give_metrics},
        {"GET", "/", true, infer_describe_page},
        {"GET", "/model", true, infer_describe_model},
        {"GET", "/openapi.json", true, infer_describe_api},
        {"GET", "/v2", true, infer_kserve_server},
        {"GET", "/v2/health/live", true, infer_kserve_server},
        {"GET", "/v2/health/ready", true, infer_kserve_server},
        {"GET", "/v2/models/*", true, infer_kserve_model},
        {"POST", "/v2/models/*", false, infer_kserve_model},
    };
    const infer_http_service service = {.routes = routes,
                                        .count = sizeof routes / sizeof *routes,
                                        .address = "127.0.0.1",
                                        .port = 8080,
                                        .quiet_ms = 200};
    return infer_http_serve(options, &service);
}
