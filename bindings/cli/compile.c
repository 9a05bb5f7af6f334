/* `infer compile`: any model as a prepared image. */
#include "cli.h"

#include <jansson.h>
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

static int compile(const char *from, const char *to, const char *preprocess, const char *without,
                   uint32_t weights, bool quiet) {
    infer_model *model;
    infer_metadata entry = {"preprocess", preprocess};
    infer_options options;
    infer_options_init(&options);
    options.metadata = &entry;
    options.metadata_count = preprocess != NULL;
    options.without = without;
    options.weights = weights;
    infer_cli_progress_begin("compiling", 0);
    infer_status status = infer_load_with(from, &options, &model);
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

/* The text of a file that holds a JSON object, to be given to free; NULL after saying why. */
static char *read_object(const char *path) {
    json_error_t why;
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    char *text = json_is_object(json) ? json_dumps(json, JSON_COMPACT) : NULL;
    if (json && !json_is_object(json))
        infer_cli_fail(INFER_CLI_MODEL, "%s is not a JSON object", path);
    else if (!text)
        infer_cli_fail(INFER_CLI_MODEL, "%s: line %d: %s", path, json ? 0 : why.line,
                       json ? "no memory is left" : why.text);
    json_decref(json);
    return text;
}

int infer_cli_compile(const infer_cli_command *command, int argc, char **argv) {
    static const char *const kinds[] = {"given", "bf16", "int8", NULL}; /* infer_weights */
    const char *output = NULL, *preprocess = NULL, *without = NULL, *weights = "given";
    bool quiet = false;
    const infer_cli_option options[] = {
        {"output", 'o', "FILE", "where to write (default: MODEL's name with .infer)", &output},
        {"preprocess", 0, "FILE", "how images become tensors, as JSON, into the model's metadata",
         &preprocess},
        {"quiet", 'q', NULL, "print nothing", &quiet},
        {"without", 0, "NAMES", "passes to leave out, as fuse-idioms,fuse-products", &without},
        {"weights", 0, "TYPE", "what products' weights are rounded to: bf16 or int8", &weights},
    };
    int code = infer_cli_parse(command, options, sizeof options / sizeof *options, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return infer_cli_misused(command, "one MODEL is needed");
    const int kind = infer_cli_choice(kinds, weights);
    if (kind < 0)
        return infer_cli_misused(command, "--weights %s is neither bf16 nor int8", weights);
    char *text = preprocess ? read_object(preprocess) : NULL;
    if (preprocess && !text)
        return INFER_CLI_MODEL;
    char *made = output ? NULL : output_path(argv[0]);
    if (!output && !made)
        code = infer_cli_fail(INFER_CLI_MODEL, "no memory is left");
    else if (made && strcmp(made, argv[0]) == 0)
        code = infer_cli_misused(command, "%s is prepared; --output names another file", made);
    else
        code = compile(argv[0], output ? output : made, text, without, (uint32_t)kind, quiet);
    free(made);
    free(text);
    return code;
}
