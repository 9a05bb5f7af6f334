/* Routes of the Open Inference Protocol. */
#ifndef INFER_SERVE_KSERVE_H
#define INFER_SERVE_KSERVE_H

#include "http.h"

/* /v2, /v2/health/live, /v2/health/ready. */
void infer_kserve_server(void *user, infer_serve *serve, const infer_http_request *request,
                         infer_http_reply *reply);

/* /v2/models/NAME and below. */
void infer_kserve_model(void *user, infer_serve *serve, const infer_http_request *request,
                        infer_http_reply *reply);

#endif
