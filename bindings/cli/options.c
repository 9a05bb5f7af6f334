/* Command lines: options, help, and what is said when something is wrong. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* ---- failures ---- */

int infer_cli_fail(int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("infer: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

int infer_cli_failed(const char *what, infer_status status) {
    const char *message = infer_last_error();
    return infer_cli_fail(status == INFER_ERROR_IO ? INFER_CLI_IO : INFER_CLI_MODEL, "%s: %s", what,
                          message[0] ? message : infer_status_name(status));
}

int infer_cli_misused(const infer_cli_command *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "infer %s: ", command->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n`infer %s --help` tells more.\n", command->name);
    va_end(arguments);
    return INFER_CLI_USAGE;
}

int infer_cli_finish(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    return code ? code : infer_cli_fail(INFER_CLI_IO, "standard output: %s", strerror(errno));
}

/* ---- options ---- */

static void print_help(const infer_cli_command *c, const infer_cli_option *options, size_t count) {
    printf("usage: infer %s [OPTIONS]%s%s\n\n%c%s.\n\n", c->name, c->arguments[0] ? " " : "",
           c->arguments, toupper((unsigned char)c->summary[0]), c->summary + 1);
    for (size_t i = 0; i < count; i++) {
        char left[64], letter[8] = "    ";
        if (options[i].letter)
            snprintf(letter, sizeof letter, "-%c, ", options[i].letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, options[i].name,
                 options[i].value ? " " : "", options[i].value ? options[i].value : "");
        printf("  %-26s %s\n", left, options[i].help);
    }
    printf("  %-26s %s\n", "-h, --help", "this text");
    if (c->help[0])
        printf("\n%s", c->help);
}

static bool is_positional(const char *text) {
    return text[0] != '-' || text[1] == 0 || isdigit((unsigned char)text[1]) || text[1] == '.' ||
           strcmp(text, "-inf") == 0 || strcmp(text, "-nan") == 0;
}

/* "--name", "--name=value" or "-l" against one option; *value points behind "=" or is NULL. */
static bool matches(const infer_cli_option *o, const char *text, const char **value) {
    *value = NULL;
    if (text[1] != '-')
        return o->letter && text[1] == o->letter && text[2] == 0;
    size_t length = strlen(o->name);
    if (strncmp(text + 2, o->name, length) != 0 || (text[2 + length] && text[2 + length] != '='))
        return false;
    *value = text[2 + length] ? text + 3 + length : NULL;
    return true;
}

int infer_cli_parse(const infer_cli_command *command, const infer_cli_option *options, size_t count,
                    int *argc, char **argv) {
    int kept = 0;
    bool only_positional = false;
    for (int i = 0; i < *argc; i++) {
        const char *value = NULL;
        size_t o = 0;
        if (only_positional || is_positional(argv[i])) {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            only_positional = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(command, options, count);
            return INFER_CLI_OK;
        }
        while (o < count && !matches(&options[o], argv[i], &value))
            o++;
        if (o == count)
            return infer_cli_misused(command, "unknown option %s", argv[i]);
        if (!options[o].value) {
            if (value)
                return infer_cli_misused(command, "--%s takes no value", options[o].name);
            *(bool *)options[o].target = true;
            continue;
        }
        if (!value && i + 1 == *argc)
            return infer_cli_misused(command, "--%s needs a value", options[o].name);
        *(const char **)options[o].target = value ? value : argv[++i];
    }
    *argc = kept;
    return -1;
}

int infer_cli_choice(const char *const *names, const char *text) {
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}
