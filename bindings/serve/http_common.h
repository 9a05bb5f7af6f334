/* Routes that several platforms have. */
#ifndef INFER_SERVE_HTTP_COMMON_H
#define INFER_SERVE_HTTP_COMMON_H

#include "http.h"

/* The body is the request, the reply its answer. */
void infer_http_predict(void *user, infer_serve *serve, const infer_http_request *request,
                        infer_http_reply *reply);

/* 200 as long as the process lives; 200 or 503 while it drains; counters. */
void infer_http_health(void *user, infer_serve *serve, const infer_http_request *request,
                       infer_http_reply *reply);
void infer_http_ready(void *user, infer_serve *serve, const infer_http_request *request,
                      infer_http_reply *reply);
void infer_http_give_metrics(void *user, infer_serve *serve, const infer_http_request *request,
                             infer_http_reply *reply);

/* A document as the reply's body; it is released. NULL is no memory. */
void infer_http_give(infer_http_reply *reply, json_t *json);

#endif
