/* `infer serve`: a model over HTTP. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "options.h"
#include "platform.h"

static int help(const infer_cli_command *command) {
    printf("usage: infer %s [OPTIONS] %s\n\nServe a model over HTTP.\n\n", command->name,
           command->arguments);
    infer_serve_options_help(stdout);
    printf("  %-24s this text\n\n%s", "-h, --help", command->help);
    return INFER_CLI_OK;
}

int infer_cli_serve(const infer_cli_command *command, int argc, char **argv) {
    infer_serve_options options;
    infer_serve_options_init(&options);
    infer_serve_options_name("infer serve");
    bool good = infer_serve_options_from_environment(&options);
    for (int i = 0; good && i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return help(command);
        if (argv[i][0] == '-')
            good = infer_serve_option_read(&options, argc, argv, &i);
        else
            options.model = argv[i];
    }
    if (!good)
        return INFER_CLI_USAGE;
    if (!options.model)
        return infer_cli_misused(command, "one MODEL is needed");
    infer_serve_log_configure(&options);
    return infer_serve_http_run(&options) == INFER_SERVE_EXIT_OK ? INFER_CLI_OK : INFER_CLI_MODEL;
}
