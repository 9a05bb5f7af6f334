/* What a model takes and gives, for people and for programs. */
#ifndef INFER_SERVE_DESCRIBE_H
#define INFER_SERVE_DESCRIBE_H

#include "http.h"

/* GET /model: names, types, shapes, features, classes, and the forms of requests. */
void infer_describe_model(void *user, infer_serve *serve, const infer_http_request *request,
                          infer_http_reply *reply);

/* GET /openapi.json. */
void infer_describe_api(void *user, infer_serve *serve, const infer_http_request *request,
                        infer_http_reply *reply);

/* GET /: a page to try the model. */
void infer_describe_page(void *user, infer_serve *serve, const infer_http_request *request,
                         infer_http_reply *reply);

#endif
