/* What an initialised function does: polling and answering, and saying what went wrong. */
#ifndef INFER_SERVE_LAMBDA_LOOP_H
#define INFER_SERVE_LAMBDA_LOOP_H

#include "core.h"
#include "lambda_client.h"

#define INFER_LAMBDA_API "/2018-06-01/runtime/"

/* Serves until the client is stopped or the runtime is gone; returns the exit code. */
int infer_lambda_serve(infer_lambda_client *client, infer_serve *serve);

/* Reports an error of an invocation, or, where the call is NULL, of the phase "init" or "restore".
 */
void infer_lambda_report(infer_lambda_client *client, const infer_serve_call *call,
                         const char *phase, const char *type, const char *message);

/* ---- emf.c ---- */

/* Writes an invocation's metrics for CloudWatch as a line on standard output. */
void infer_lambda_emf(const char *name_space, const infer_serve_call *call, uint64_t ns, bool error,
                      size_t rows);

#endif
