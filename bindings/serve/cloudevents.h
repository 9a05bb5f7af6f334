/* CloudEvents 1.0 over HTTP: binary, structured and batched. */
#ifndef INFER_SERVE_CLOUDEVENTS_H
#define INFER_SERVE_CLOUDEVENTS_H

#include "http.h"

/* Whether a request carries an event, by its headers. */
bool infer_cloudevents_is(const infer_http_request *request);

/* Answers the data of the event, or of each one of a batch, with an event in the same mode. */
void infer_cloudevents_answer(void *user, infer_serve *serve, const infer_http_request *request,
                              infer_http_reply *reply);

#endif
