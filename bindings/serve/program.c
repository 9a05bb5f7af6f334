/* The program around a handler: arguments, and the list of platforms. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "options.h"
#include "platform.h"

/* A platform is a file with its run function and a line here; the first that fits is taken. */
static const infer_serve_platform platforms[] = {
    {"lambda", {"AWS_LAMBDA_RUNTIME_API"}, infer_serve_lambda_run},
    {"azure", {"FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"}, infer_serve_azure_run},
    {"openfaas", {"fprocess"}, infer_serve_openfaas_run},
    {"google", {"K_SERVICE", "FUNCTION_TARGET", "PORT"}, infer_serve_google_run},
    {"http", {NULL}, infer_serve_http_run},
    {"stdio", {NULL}, infer_serve_stdio_run},
};
#define PLATFORMS (sizeof platforms / sizeof *platforms)
#define VARIABLES (sizeof platforms->variables / sizeof *platforms->variables)

static int usage(FILE *to) {
    fputs("usage: infer-serve [--platform NAME] [OPTION VALUE]...\n\n"
          "Serves a model on the platform that runs it:\n\n",
          to);
    for (size_t i = 0; i < PLATFORMS; i++) {
        fprintf(to, "  %-10s", platforms[i].name);
        for (size_t v = 0; v < VARIABLES && platforms[i].variables[v]; v++)
            fprintf(to, "%s %s", v ? " or" : " where", platforms[i].variables[v]);
        fputs(platforms[i].variables[0] ? " is set\n" : " when it is named\n", to);
    }
    fputs("\nOptions, and the variables of the environment that stand for them:\n\n", to);
    infer_serve_options_help(to);
    fputs("\nWithout a name the model is model.infer, model.onnx or model.json in the function's "
          "folder or\nbeside the executable. On no platform a request on standard input is "
          "answered on "
          "standard output.\n",
          to);
    return to == stdout ? INFER_SERVE_EXIT_OK : INFER_SERVE_EXIT_USAGE;
}

static bool is_here(const infer_serve_platform *platform) {
    for (size_t v = 0; v < VARIABLES && platform->variables[v]; v++)
        if (getenv(platform->variables[v]))
            return true;
    return false;
}

static const infer_serve_platform *find_platform(const char *name) {
    for (size_t i = 0; i < PLATFORMS; i++)
        if (name ? strcmp(platforms[i].name, name) == 0 : is_here(&platforms[i]))
            return &platforms[i];
    if (name)
        fprintf(stderr, "infer-serve: there is no platform %s\n\n", name);
    else if (!isatty(STDIN_FILENO))
        return find_platform("stdio");
    else
        fputs("infer-serve: this is no platform that it knows\n\n", stderr);
    return NULL;
}

int infer_serve_program(int argc, char **argv, infer_serve_options *options) {
    const char *name = NULL;
    bool good = infer_serve_options_from_environment(options);
    for (int i = 1; good && i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(stdout);
        if (strcmp(argv[i], "--version") == 0) {
            printf("infer-serve %s\n", infer_version());
            return INFER_SERVE_EXIT_OK;
        }
        if (strcmp(argv[i], "--platform") == 0 && i + 1 < argc)
            name = argv[++i];
        else if (strncmp(argv[i], "--platform=", 11) == 0)
            name = argv[i] + 11;
        else
            good = infer_serve_option_read(options, argc, argv, &i);
    }
    if (!good)
        fputs("\n", stderr);
    const infer_serve_platform *platform = good ? find_platform(name) : NULL;
    if (!platform)
        return usage(stderr);
    infer_serve_log_configure(options);
    /* A runtime that goes away is a failed write. */
    signal(SIGPIPE, SIG_IGN);
    return platform->run(options);
}
