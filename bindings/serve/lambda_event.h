/* AWS's events around requests. */
#ifndef INFER_SERVE_LAMBDA_EVENT_H
#define INFER_SERVE_LAMBDA_EVENT_H

#include "core.h"

/* Where an answer goes that is sent piece by piece. */
typedef struct infer_lambda_stream infer_lambda_stream;

/* Answers the request inside an event with a reply in the event's shape. The stream may be NULL;
 * where it has been used, the reply has no text and nothing is left to send. False where the
 * invocation itself failed: reply->error says why, and *error_type what to call it. */
bool infer_lambda_respond(infer_serve *serve, const infer_serve_call *call, const void *data,
                          size_t size, infer_lambda_stream *stream, infer_serve_reply *reply,
                          const char **error_type);

/* ---- lambda_records.c ---- */

/* Whether an event carries records of a queue, a stream, a topic, or an event bus. */
bool infer_lambda_is_records(const json_t *event);

/* Answers each record: {"results":[...],"batchItemFailures":[...]}. Sources that take no partial
 * failures fail as a whole. As infer_lambda_respond. */
bool infer_lambda_respond_records(infer_serve *serve, const infer_serve_call *call,
                                  const json_t *event, infer_serve_reply *reply,
                                  const char **error_type);

/* ---- lambda_stream.c ---- */

/* What a stream says before its body: the status, and the type of the body. */
bool infer_lambda_stream_start(infer_lambda_stream *stream, int status, const char *type);
bool infer_lambda_stream_write(infer_lambda_stream *stream, const void *data, size_t size);

/* The answer to a request in pieces of rows, each a line of its own, where there are enough of
 * them and the default handler answers; else in one piece. False once the stream has failed;
 * reply->error is set where the answer ended early. */
bool infer_lambda_stream_respond(infer_serve *serve, const infer_serve_call *call,
                                 const infer_serve_body *body, infer_lambda_stream *stream,
                                 infer_serve_reply *reply);

#endif
