/* The program's options: one list for the command line, the environment, and the help. */
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *program = "infer-serve";

static const char *const answers[] = {"label", "probability", NULL};
static const char *const levels[] = {"trace", "debug", "info", "warn", "error", "fatal", NULL};
static const char *const formats[] = {"text", "json", NULL};

/* A text where there are no words and most is 0; a number where there is a most; else the number
 * of a word. */
static const struct option {
    const char *name, *variable;
    size_t offset; /* in infer_serve_options */
    size_t least, most;
    const char *const *words;
    const char *value, *help;
} list[] = {
#define AT(FIELD) offsetof(infer_serve_options, FIELD)
    {"model", "MODEL_PATH", AT(model), 0, 0, NULL, "PATH", "the model"},
    {"preprocess", "INFER_PREPROCESS", AT(preprocess), 0, 0, NULL, "PATH",
     "how images become tensors, as JSON"},
    {"prediction", "INFER_PREDICTION", AT(probability), 0, 0, answers, "WHAT",
     "label, or probability of the last class"},
    {"address", "INFER_ADDRESS", AT(address), 0, 0, NULL, "IP", "to listen on"},
    {"port", "INFER_PORT", AT(port), 1, 65535, NULL, "NUMBER", "to listen on"},
    {"threads", "INFER_THREADS", AT(threads), 0, 1024, NULL, "COUNT",
     "that predict; 0: the one that listens"},
    {"run-threads", "INFER_RUN_THREADS", AT(run_threads), 0, 1024, NULL, "COUNT",
     "that share one prediction; 0: as many as CPUs"},
    {"max-body", "INFER_MAX_BODY", AT(max_body), 1, SIZE_MAX / 4, NULL, "BYTES", "of a request"},
    {"max-elements", "INFER_MAX_ELEMENTS", AT(max_elements), 1, SIZE_MAX / 4, NULL, "COUNT",
     "values in a request"},
    {"max-depth", "INFER_MAX_DEPTH", AT(max_depth), 1, 1000, NULL, "COUNT",
     "nested lists and objects of a request"},
    {"max-requests", "INFER_MAX_REQUESTS", AT(max_requests), 1, 1000000, NULL, "COUNT",
     "at work or waiting at once"},
    {"memory-limit", "INFER_MEMORY_LIMIT", AT(memory_limit), 1, SIZE_MAX / 4, NULL, "BYTES",
     "that a prediction may hold"},
    {"timeout-ms", "INFER_TIMEOUT_MS", AT(timeout_ms), 1, 86400000, NULL, "MS", "for a request"},
    {"drain-ms", "INFER_DRAIN_MS", AT(drain_ms), 1, 86400000, NULL, "MS",
     "from SIGTERM to the end at the latest"},
    {"slow-ms", "INFER_SLOW_MS", AT(slow_ms), 1, 86400000, NULL, "MS",
     "from which on a request is logged with times per node"},
    {"log-level", "INFER_LOG_LEVEL", AT(log_level), 0, 0, levels, "LEVEL",
     "trace, debug, info, warn, error or fatal"},
    {"log-format", "INFER_LOG_FORMAT", AT(log_json), 0, 0, formats, "FORMAT", "text or json"},
    {"response-stream", "INFER_RESPONSE_STREAM", AT(stream), 0, 1, NULL, "0|1",
     "1: AWS Lambda's answers are streamed"},
    {"s3-output", "INFER_S3_OUTPUT", AT(s3_output), 0, 0, NULL, "URL",
     "s3://bucket/prefix of answers about S3's objects"},
    {"emf", "INFER_EMF", AT(emf), 0, 0, NULL, "NAMESPACE",
     "of metrics that AWS Lambda's log embeds"},
    /* What AWS calls them. */
    {NULL, "AWS_LAMBDA_LOG_LEVEL", AT(log_level), 0, 0, levels, NULL, NULL},
    {NULL, "AWS_LAMBDA_LOG_FORMAT", AT(log_json), 0, 0, formats, NULL, NULL},
#undef AT
};
#define OPTIONS (sizeof list / sizeof *list)

void infer_serve_options_name(const char *name) {
    program = name;
}

static bool read_number(const struct option *option, const char *text, size_t *to) {
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number < option->least || number > option->most)
        return false;
    *to = (size_t)number;
    return true;
}

static bool read_word(const struct option *option, const char *text, size_t *to) {
    for (size_t i = 0; option->words[i]; i++)
        if (strcasecmp(option->words[i], text) == 0) {
            *to = i;
            return true;
        }
    return false;
}

static bool set(infer_serve_options *options, const struct option *option, const char *value,
                const char *dashes, const char *name) {
    void *to = (char *)options + option->offset;
    bool good = true;
    if (option->most)
        good = read_number(option, value, to);
    else if (option->words)
        good = read_word(option, value, to);
    else
        memcpy(to, &value, sizeof value);
    if (!good)
        fprintf(stderr, "%s: %s%s %s is not allowed: %s\n", program, dashes, name, value,
                option->help ? option->help : "see --help");
    return good;
}

/* Takes "--name value" and "--name=value". */
bool infer_serve_option_read(infer_serve_options *options, int argc, char **argv, int *at) {
    const char *text = argv[*at];
    for (size_t i = 0; i < OPTIONS && strncmp(text, "--", 2) == 0; i++) {
        const struct option *option = &list[i];
        size_t size = option->name ? strlen(option->name) : 0;
        if (!size || strncmp(text + 2, option->name, size) != 0)
            continue;
        if (text[2 + size] == '=')
            return set(options, option, text + 3 + size, "--", option->name);
        if (!text[2 + size] && *at + 1 < argc)
            return set(options, option, argv[++*at], "--", option->name);
    }
    fprintf(stderr, "%s: %s is not understood\n", program, text);
    return false;
}

bool infer_serve_options_from_environment(infer_serve_options *options) {
    for (size_t i = 0; i < OPTIONS; i++) {
        const char *value = getenv(list[i].variable);
        if (value && *value && !set(options, &list[i], value, "", list[i].variable))
            return false;
    }
    return true;
}

void infer_serve_options_help(FILE *to) {
    for (size_t i = 0; i < OPTIONS; i++)
        if (list[i].name) {
            int width = fprintf(to, "  --%s %s", list[i].name, list[i].value);
            fprintf(to, "%*s%-20s %s\n", width < 26 ? 26 - width : 1, "", list[i].variable,
                    list[i].help);
        }
}
