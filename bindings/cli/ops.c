/* `infer ops`: the operators of this build. */
#include "cli.h"
#include "json_io.h"

#include <string.h>

int infer_cli_ops(const infer_cli_command *command, int argc, char **argv) {
    bool json = false;
    const infer_cli_option options[] = {{"json", 0, NULL, "as a JSON array", &json}};
    int code = infer_cli_parse(command, options, 1, &argc, argv);
    if (code >= 0)
        return code;
    if (argc)
        return infer_cli_misused(command, "no argument is taken");
    if (json)
        putchar('[');
    for (size_t i = 0; i < infer_operators(); i++) {
        const char *domain, *name;
        int since, newest;
        infer_status status = infer_operator(i, &domain, &name, &since, &newest);
        if (status != INFER_OK)
            return infer_cli_failed("operators", status);
        if (!domain[0])
            domain = "ai.onnx";
        if (!json) {
            printf("%-12s %-28s %d-%d\n", domain, name, since, newest);
            continue;
        }
        fputs(i ? ",\n {\"domain\":" : "{\"domain\":", stdout);
        infer_cli_print_string(stdout, domain, strlen(domain));
        fputs(",\"name\":", stdout);
        infer_cli_print_string(stdout, name, strlen(name));
        printf(",\"since_version\":%d,\"newest_version\":%d}", since, newest);
    }
    if (json)
        puts("]");
    return INFER_CLI_OK;
}
