/* What the commands of `infer` share: commands, options, failures, progress. */
#ifndef INFER_CLI_H
#define INFER_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "infer.h"

/* Exit codes, as `infer --help` lists them. */
enum {
    INFER_CLI_OK = 0,
    INFER_CLI_MODEL = 1, /* the model or the data is wrong */
    INFER_CLI_USAGE = 2, /* the command line is wrong */
    INFER_CLI_IO = 3     /* a file or stream could not be read or written */
};

typedef struct infer_cli_option {
    const char *name;  /* without the dashes */
    char letter;       /* 0: none */
    const char *value; /* what the value is called; NULL: a flag */
    const char *help;
    void *target; /* const char ** for values, bool * for flags */
} infer_cli_option;

typedef struct infer_cli_command {
    const char *name;
    const char *arguments;
    const char *summary;
    const char *help; /* paragraphs behind the options, or "" */
    int (*run)(const struct infer_cli_command *command, int argc, char **argv);
} infer_cli_command;

/* ---- options.c ---- */

/* Parses argv, keeps positional arguments in argv[0 ...] and their number in *argc. Returns -1 to
 * go on, else the exit code: --help was asked for, or the usage is wrong. Arguments such as -1.5
 * are positional, as are all behind "--". */
int infer_cli_parse(const infer_cli_command *command, const infer_cli_option *options, size_t count,
                    int *argc, char **argv);

/* Prints a failure to stderr and returns the code. */
int infer_cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a status of the library, with its message and what it happened to. */
int infer_cli_failed(const char *what, infer_status status);

/* A usage error of a command: says it, and where help is. */
int infer_cli_misused(const infer_cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A number of a name list {"text", "json", NULL}, or -1. */
int infer_cli_choice(const char *const *names, const char *text);

/* Whether all that was printed went out. */
int infer_cli_finish(int code);

/* ---- memory.c ---- */

#define INFER_CLI_SHAPES 16

/* Shapes of inputs by name, as the command line has them. */
typedef struct infer_cli_shapes {
    size_t count;
    char text[1024]; /* the names */
    const char *names[INFER_CLI_SHAPES];
    infer_value values[INFER_CLI_SHAPES];
    int64_t extents[INFER_CLI_SHAPES][INFER_MAX_RANK];
} infer_cli_shapes;

/* Reads "x=1,3,224,224;y=2"; NULL: none. */
bool infer_cli_read_shapes(const char *text, infer_cli_shapes *shapes);

/* What the image and a run of it take, as JSON (json_t), and its text form. */
void *infer_cli_memory(const infer_model *model, const infer_cli_shapes *shapes);
void infer_cli_print_memory(const void *memory);

/* ---- passes.c ---- */

/* An infer_pass_observer that adds an object to the array (json_t) at array; and the text form. */
void infer_cli_add_pass(void *array, const infer_pass_info *pass);
void infer_cli_print_passes(const void *array);

/* ---- progress.c ---- */

/* Draws on stderr, if that is a terminal, while work lasts longer than a moment. total 0: only the
 * time. */
void infer_cli_progress_begin(const char *label, uint64_t total);
void infer_cli_progress_at(uint64_t done);
void infer_cli_progress_end(void);

/* ---- commands ---- */

int infer_cli_bench(const infer_cli_command *command, int argc, char **argv);
int infer_cli_compile(const infer_cli_command *command, int argc, char **argv);
int infer_cli_inspect(const infer_cli_command *command, int argc, char **argv);
int infer_cli_ops(const infer_cli_command *command, int argc, char **argv);
int infer_cli_predict(const infer_cli_command *command, int argc, char **argv);
int infer_cli_serve(const infer_cli_command *command, int argc, char **argv);
int infer_cli_run(const infer_cli_command *command, int argc, char **argv);
int infer_cli_verify(const infer_cli_command *command, int argc, char **argv);

#endif
