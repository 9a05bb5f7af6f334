/* The program around a handler: arguments, and the list of platforms. */
#include "platform.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A platform is a file with its run function and a line here. */
static const infer_serve_platform platforms[] = {
    {"lambda", "AWS_LAMBDA_RUNTIME_API", infer_serve_lambda_run},
};
#define PLATFORMS (sizeof platforms / sizeof *platforms)

static int usage(FILE *to) {
    fputs("usage: infer-serve [--platform NAME] [--model PATH] [--max-body BYTES]\n\n"
          "Serves a model on the platform that runs it:\n\n",
          to);
    for (size_t i = 0; i < PLATFORMS; i++)
        fprintf(to, "  %-10s where %s is set\n", platforms[i].name, platforms[i].variable);
    fprintf(to,
            "\nThe model is --model, else MODEL_PATH of the environment, else model.infer, "
            "model.onnx or\nmodel.json in the function's folder or beside the executable.\n"
            "Events above --max-body (default %zu) are answered with 413.\n",
            INFER_SERVE_MAX_BODY);
    return to == stdout ? INFER_SERVE_EXIT_OK : INFER_SERVE_EXIT_USAGE;
}

static bool read_size(const char *text, size_t *size) {
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    *size = (size_t)number;
    return *text >= '0' && *text <= '9' && !*end && number > 0 && number <= SIZE_MAX / 4;
}

/* Takes "--name value" and "--name=value". Returns whether it was this option. */
static bool take(const char *name, int argc, char **argv, int *at, const char **value) {
    size_t size = strlen(name);
    if (strncmp(argv[*at], name, size) != 0)
        return false;
    if (argv[*at][size] == '=')
        *value = argv[*at] + size + 1;
    else if (!argv[*at][size] && *at + 1 < argc)
        *value = argv[++*at];
    else
        return false;
    return true;
}

static const infer_serve_platform *find_platform(const char *name) {
    for (size_t i = 0; i < PLATFORMS; i++)
        if (name ? strcmp(platforms[i].name, name) == 0 : getenv(platforms[i].variable) != NULL)
            return &platforms[i];
    return NULL;
}

int infer_serve_main(int argc, char **argv, infer_serve_handler handler) {
    infer_serve_options options = {.max_body = INFER_SERVE_MAX_BODY, .handler = handler};
    const char *name = NULL, *max_body = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(stdout);
        if (strcmp(argv[i], "--version") == 0) {
            printf("infer-serve %s\n", infer_version());
            return INFER_SERVE_EXIT_OK;
        }
        if (!take("--platform", argc, argv, &i, &name) &&
            !take("--model", argc, argv, &i, &options.model) &&
            !take("--max-body", argc, argv, &i, &max_body)) {
            fprintf(stderr, "infer-serve: %s is not understood\n\n", argv[i]);
            return usage(stderr);
        }
    }
    if (max_body && !read_size(max_body, &options.max_body)) {
        fprintf(stderr, "infer-serve: --max-body %s is not a number of bytes\n\n", max_body);
        return usage(stderr);
    }
    const infer_serve_platform *platform = find_platform(name);
    if (!platform) {
        if (name)
            fprintf(stderr, "infer-serve: there is no platform %s\n\n", name);
        else
            fputs("infer-serve: this is no platform that it knows\n\n", stderr);
        return usage(stderr);
    }
    /* A runtime that goes away is a failed write. */
    signal(SIGPIPE, SIG_IGN);
    return platform->run(&options);
}
