/* `infer verify`: every check there is, content hash included. */
#include "cli.h"

static int verify(const char *path, bool quiet) {
    infer_options options;
    infer_model *model;
    infer_options_init(&options);
    options.struct_size = sizeof options;
    options.validation = INFER_VALIDATE_FULL;
    infer_cli_progress_begin("verifying", 0);
    infer_status status = infer_load_with(path, &options, &model);
    if (status == INFER_OK)
        status = infer_verify(model);
    infer_cli_progress_end();
    const void *data;
    size_t size = 0;
    if (status == INFER_OK)
        status = infer_model_image(model, &data, &size);
    int code = status == INFER_OK ? INFER_CLI_OK : infer_cli_failed(path, status);
    if (code == INFER_CLI_OK && !quiet)
        printf("%s: ok, %zu bytes, %zu node(s)\n", path, size, infer_model_nodes(model));
    infer_free(model);
    return code;
}

int infer_cli_verify(const infer_cli_command *command, int argc, char **argv) {
    bool quiet = false;
    const infer_cli_option options[] = {
        {"quiet", 'q', NULL, "print nothing about good models", &quiet}};
    int code = infer_cli_parse(command, options, 1, &argc, argv), worst = INFER_CLI_OK;
    if (code >= 0)
        return code;
    if (argc < 1)
        return infer_cli_misused(command, "a MODEL is needed");
    for (int i = 0; i < argc; i++) {
        code = verify(argv[i], quiet);
        worst = code > worst ? code : worst;
    }
    return worst;
}
