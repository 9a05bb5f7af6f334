/* One answer to the runtime API that is sent while it is made: chunks of HTTP and trailers. */
#ifndef INFER_SERVE_LAMBDA_STREAM_H
#define INFER_SERVE_LAMBDA_STREAM_H

#include "lambda_client.h"
#include "lambda_event.h"

struct infer_lambda_stream {
    const infer_lambda_client *client;
    const char *id; /* of the invocation */
    int file;       /* a socket; -1 before the start */
    bool failed;    /* a byte could not be sent */
    bool cut;       /* the answer ended early */
};

/* Ends a stream that was started: returns the status of the runtime's answer, 0 without one. A cut
 * answer takes the error along. */
int infer_lambda_stream_end(infer_lambda_stream *stream, const infer_serve_error *error);

#endif
