/* `infer run`: named tensors in as JSON, every output out as JSON. */
#include "cli.h"
#include "json_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one run needs. */
typedef struct request {
    infer_model *model;
    infer_context *context;
    infer_cli_pool pool;
    json_t *feeds;
    const char **names;
    infer_value *inputs;
    size_t count;
} request;

static int read_feeds(request *r, const char *path) {
    FILE *from = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!from)
        return infer_cli_fail(INFER_CLI_IO, "%s: %s", path, strerror(errno));
    json_error_t error;
    r->feeds = json_loadf(from, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    bool unreadable = ferror(from) != 0;
    if (from != stdin)
        fclose(from);
    if (unreadable)
        return infer_cli_fail(INFER_CLI_IO, "%s: it cannot be read", path);
    if (!r->feeds)
        return infer_cli_fail(INFER_CLI_MODEL, "input line %d column %d: %s", error.line,
                              error.column, error.text);
    if (!json_is_object(r->feeds))
        return infer_cli_fail(INFER_CLI_MODEL, "the input is no object of named tensors");
    return INFER_CLI_OK;
}

static bool find_input(const infer_model *model, const char *name, infer_value_info *info) {
    for (size_t i = 0; i < infer_model_inputs(model); i++)
        if (infer_model_input(model, i, info) == INFER_OK && strcmp(info->name, name) == 0)
            return true;
    return false;
}

static int convert_feeds(request *r) {
    size_t room = json_object_size(r->feeds);
    const char *name;
    json_t *json;
    char why[200];
    r->names = infer_cli_pool_take(&r->pool, room, sizeof *r->names);
    r->inputs = infer_cli_pool_take(&r->pool, room, sizeof *r->inputs);
    if (!r->names || !r->inputs)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    json_object_foreach(r->feeds, name, json) {
        infer_value_info info = {.struct_size = sizeof info};
        if (!find_input(r->model, name, &info))
            return infer_cli_fail(INFER_CLI_MODEL, "the model has no input \"%s\"", name);
        if (!infer_cli_json_value(&r->pool, json, info.type_string, &r->inputs[r->count], why,
                                  sizeof why))
            return infer_cli_fail(INFER_CLI_MODEL, "input \"%s\": %s", name, why);
        r->names[r->count++] = name;
    }
    return INFER_CLI_OK;
}

/* The outputs asked for, separated by commas, or all. */
static int choose_outputs(request *r, const char *wanted, const char ***names, size_t *count) {
    size_t room = infer_model_outputs(r->model) + (wanted ? strlen(wanted) + 1 : 0);
    *names = infer_cli_pool_take(&r->pool, room, sizeof **names);
    char *copy = wanted ? infer_cli_pool_take(&r->pool, strlen(wanted) + 1, 1) : NULL;
    if (!*names || (wanted && !copy))
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    *count = 0;
    if (!wanted) {
        for (size_t i = 0; i < infer_model_outputs(r->model); i++) {
            infer_value_info info = {.struct_size = sizeof info};
            if (infer_model_output(r->model, i, &info) == INFER_OK)
                (*names)[(*count)++] = info.name;
        }
        return INFER_CLI_OK;
    }
    strcpy(copy, wanted);
    for (char *at = copy; at;) {
        char *comma = strchr(at, ',');
        (*names)[(*count)++] = at;
        if (comma)
            *comma++ = 0;
        at = comma;
    }
    return INFER_CLI_OK;
}

static int run_and_print(request *r, const char *wanted) {
    const char **names;
    size_t count = 0;
    int code = choose_outputs(r, wanted, &names, &count);
    if (code)
        return code;
    infer_value *outputs = infer_cli_pool_take(&r->pool, count, sizeof *outputs);
    if (!outputs)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    infer_cli_progress_begin("running", 0);
    infer_status status = infer_context_new(r->model, &r->context);
    if (status == INFER_OK)
        status = infer_run(r->context, r->names, r->inputs, r->count, names, outputs, count);
    infer_cli_progress_end();
    if (status != INFER_OK)
        return infer_cli_failed("run", status);
    putchar('{');
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ",\n " : "", stdout);
        infer_cli_print_string(stdout, names[i], strlen(names[i]));
        putchar(':');
        if (!infer_cli_print_value(stdout, &outputs[i]))
            return infer_cli_fail(INFER_CLI_MODEL, "output \"%s\": JSON cannot hold its type %s",
                                  names[i], infer_type_name((infer_type)outputs[i].type));
    }
    puts("}");
    return INFER_CLI_OK;
}

int infer_cli_run(const infer_cli_command *command, int argc, char **argv) {
    const char *input = "-", *wanted = NULL;
    const infer_cli_option options[] = {
        {"input", 'i', "FILE", "read this file instead of standard input", &input},
        {"outputs", 'o', "NAMES", "only these outputs, separated by commas", &wanted},
    };
    int code = infer_cli_parse(command, options, 2, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return infer_cli_misused(command, "one MODEL is needed");
    request r = {0};
    infer_status status = infer_load(argv[0], &r.model);
    if (status != INFER_OK)
        return infer_cli_failed(argv[0], status);
    code = read_feeds(&r, input);
    if (!code)
        code = convert_feeds(&r);
    if (!code)
        code = run_and_print(&r, wanted);
    infer_context_free(r.context);
    infer_cli_pool_free(&r.pool);
    json_decref(r.feeds);
    infer_free(r.model);
    return code;
}
