/* The HTTP side of the Lambda adapter: one kept connection to the runtime API. */
#ifndef INFER_SERVE_LAMBDA_CLIENT_H
#define INFER_SERVE_LAMBDA_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct infer_lambda_client infer_lambda_client;

/* api is host:port, perhaps with http:// in front and a path behind. NULL if it is something else
 * or there is no memory. From now on the client stops at SIGTERM and SIGINT, or, where stop_file is
 * not -1, once that file can be read: of several clients in a process only one may have signals. */
infer_lambda_client *infer_lambda_client_new(const char *api, int stop_file);
void infer_lambda_client_free(infer_lambda_client *client);

/* Where the runtime is: its host, its port, and the path in front of every request's. */
const char *infer_lambda_host(const infer_lambda_client *client, int *port, const char **path);

/* Whether a signal asked for the end. */
bool infer_lambda_stopped(const infer_lambda_client *client);

/* GET path, or POST where there is a body. Returns the HTTP status, 0 where there was no answer. A
 * GET ends with 0 as soon as the client is stopped; a POST has a second from then on. error_type is
 * a header's value, or NULL. */
int infer_lambda_get(infer_lambda_client *client, const char *path);
int infer_lambda_post(infer_lambda_client *client, const char *path, const void *body, size_t size,
                      const char *error_type);

/* A header and the body of the last answer, valid until the next exchange; never NULL. */
const char *infer_lambda_header(const infer_lambda_client *client, const char *name);
const void *infer_lambda_body(const infer_lambda_client *client, size_t *size);

/* Waits, but not beyond a stop. */
void infer_lambda_wait(infer_lambda_client *client, unsigned milliseconds);

#endif
