/* `infer compile`: any model as a prepared image. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* model.onnx becomes model.infer. */
static char *output_path(const char *model) {
    const char *slash = strrchr(model, '/'), *dot = strrchr(slash ? slash : model, '.');
    size_t stem = dot && dot != (slash ? slash + 1 : model) ? (size_t)(dot - model) : strlen(model);
    char *path = malloc(stem + sizeof ".infer");
    if (path) {
        memcpy(path, model, stem);
        memcpy(path + stem, ".infer", sizeof ".infer");
    }
    return path;
}

static int compile(const char *from, const char *to, bool quiet) {
    infer_model *model;
    infer_cli_progress_begin("compiling", 0);
    infer_status status = infer_load(from, &model);
    infer_cli_progress_end();
    if (status != INFER_OK)
        return infer_cli_failed(from, status);
    const void *data;
    size_t size = 0;
    status = infer_save(model, to);
    if (status == INFER_OK)
        status = infer_model_image(model, &data, &size);
    if (status == INFER_OK && !quiet)
        printf("%s: %zu bytes, %zu node(s)\n", to, size, infer_model_nodes(model));
    infer_free(model);
    return status == INFER_OK ? INFER_CLI_OK : infer_cli_failed(to, status);
}

int infer_cli_compile(const infer_cli_command *command, int argc, char **argv) {
    const char *output = NULL;
    bool quiet = false;
    const infer_cli_option options[] = {
        {"output", 'o', "FILE", "where to write (default: MODEL's name with .infer)", &output},
        {"quiet", 'q', NULL, "print nothing", &quiet},
    };
    int code = infer_cli_parse(command, options, 2, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return infer_cli_misused(command, "one MODEL is needed");
    char *made = output ? NULL : output_path(argv[0]);
    if (!output && !made)
        return infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    if (made && strcmp(made, argv[0]) == 0)
        code = infer_cli_misused(command, "%s is prepared; --output names another file", made);
    else
        code = compile(argv[0], output ? output : made, quiet);
    free(made);
    return code;
}
