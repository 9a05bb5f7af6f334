/* What an adapter is: a name, how to know that we run there, and a function that serves. */
#ifndef INFER_SERVE_PLATFORM_H
#define INFER_SERVE_PLATFORM_H

#include "core.h"

/* Exit codes of the program. */
enum { INFER_SERVE_EXIT_OK, INFER_SERVE_EXIT_FAILED, INFER_SERVE_EXIT_USAGE };

typedef struct infer_serve_platform {
    const char *name;
    const char *variables[3]; /* of the environment: one of them is set on this platform */
    /* Opens the model, serves until the platform ends it, and returns the exit code. */
    int (*run)(infer_serve_options *options);
} infer_serve_platform;

/* The program with options that have their defaults. */
int infer_serve_program(int argc, char **argv, infer_serve_options *options);

int infer_serve_lambda_run(infer_serve_options *options);
int infer_serve_azure_run(infer_serve_options *options);
int infer_serve_openfaas_run(infer_serve_options *options);
int infer_serve_google_run(infer_serve_options *options);
int infer_serve_http_run(infer_serve_options *options);
int infer_serve_stdio_run(infer_serve_options *options);

#endif
