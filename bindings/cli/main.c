/* The command `infer`: a table of commands. */
#include "cli.h"

#include <signal.h>
#include <string.h>

static const infer_cli_command commands[] = {
    {"predict", "MODEL [FEATURE...]", "predict rows of numbers",
     "Rows come from the arguments (one row) or from standard input:\n"
     "  CSV   rows of numbers, read as a stream. A first row that is not all numbers is a header;\n"
     "        where the model names its features, columns are picked by these names.\n"
     "  JSON  rows as arrays, or as objects by feature name: one a line, or all in one array.\n"
     "Output has a line for each row: the label of a classifier, and the primary output.\n"
     "Numbers that JSON cannot hold are \"NaN\", \"Infinity\" and \"-Infinity\".\n",
     infer_cli_predict},
    {"run", "MODEL", "run any model on named tensors from JSON",
     "Standard input is one object, {\"x\": [[1, 2, 3]], ...}: nested arrays for tensors, arrays "
     "for\n"
     "sequences, objects for maps, null for an empty optional. Standard output is an object of "
     "every\n"
     "output. Numbers that JSON cannot hold are \"NaN\", \"Infinity\" and \"-Infinity\".\n",
     infer_cli_run},
    {"compile", "MODEL", "write a model as a prepared image", "", infer_cli_compile},
    {"inspect", "MODEL", "show inputs, outputs, metadata, nodes and memory", "", infer_cli_inspect},
    {"verify", "MODEL...", "validate models in full, content hash included", "", infer_cli_verify},
    {"bench", "MODEL", "time single predictions",
     "Every prediction has other numbers. The time of the clock itself is taken off.\n",
     infer_cli_bench},
    {"serve", "MODEL", "serve a model over HTTP",
     "POST /predict takes what docs/serve.md says; a browser finds a page to try the model at /.\n",
     infer_cli_serve},
    {"ops", "", "list the operators of this build", "", infer_cli_ops},
};
static const size_t command_count = sizeof commands / sizeof *commands;

static int usage(FILE *to) {
    fputs("usage: infer COMMAND [OPTIONS] ARGUMENTS\n\n", to);
    for (size_t i = 0; i < command_count; i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`infer COMMAND --help` tells more. MODEL is a file: a prepared image (.infer), ONNX, "
          "or\n"
          "the JSON form of linear models.\n\n"
          "Exit codes: 0 ok, 1 the model or the data is wrong, 2 the command line is wrong,\n"
          "3 a file or stream could not be read or written.\n",
          to);
    return to == stdout ? INFER_CLI_OK : INFER_CLI_USAGE;
}

int main(int argc, char **argv) {
    /* A reader that goes away is a failed write, which is reported. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        return usage(stderr);
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return infer_cli_finish(usage(stdout));
    if (strcmp(name, "--version") == 0) {
        printf("infer %s\n", infer_version());
        return infer_cli_finish(INFER_CLI_OK);
    }
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(name, commands[i].name) == 0)
            return infer_cli_finish(commands[i].run(&commands[i], argc - 2, argv + 2));
    fprintf(stderr, "infer: no such command: %s\n\n", name);
    return usage(stderr);
}
