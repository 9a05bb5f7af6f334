/* The program's options: one list for the command line, the environment, and the help. */
#ifndef INFER_SERVE_OPTIONS_H
#define INFER_SERVE_OPTIONS_H

#include <stdio.h>

#include "serve.h"

/* Who speaks in messages: "infer-serve" unless it is set. */
void infer_serve_options_name(const char *program);

/* Takes option *at of the command line, and its value, into the options. False with the reason on
 * standard error. */
bool infer_serve_option_read(infer_serve_options *options, int argc, char **argv, int *at);

/* Takes what the environment says. False with the reason on standard error. */
bool infer_serve_options_from_environment(infer_serve_options *options);

void infer_serve_options_help(FILE *to);

#endif
