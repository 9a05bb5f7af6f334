/* AWS's events around requests. */
#ifndef INFER_SERVE_LAMBDA_EVENT_H
#define INFER_SERVE_LAMBDA_EVENT_H

#include "core.h"

/* Answers the request inside an event with a reply in the event's shape. As infer_serve_respond. */
bool infer_lambda_respond(infer_serve *serve, const infer_serve_call *call, const void *data,
                          size_t size, infer_serve_reply *reply);

#endif
