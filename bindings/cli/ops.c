/* `infer ops`: the operators of this build, their versions, and the element types of their inputs.
 */
#include "cli.h"
#include "json_io.h"

#include <string.h>

#define LISTED 6 /* inputs behind these are like the last of them */

/* What an input may be, as names behind one another or as a JSON object. */
static void print_types(uint64_t types, bool json) {
    const char *mark = "";
    if (json)
        fputs("{\"types\":[", stdout);
    for (int t = 1; t < 61; t++) {
        if (!(types >> t & 1))
            continue;
        printf(json ? "%s\"%s\"" : "%s%s", mark, infer_type_name((infer_type)t));
        mark = json ? "," : " ";
    }
    if (json)
        printf("],\"same_as_first\":%s,\"composite\":%s}",
               types & INFER_TYPES_SAME ? "true" : "false",
               types & INFER_TYPES_COMPOSITE ? "true" : "false");
    else if (types & INFER_TYPES_COMPOSITE)
        printf("%ssequences maps optionals", mark);
}

static void print_inputs(size_t index, bool json) {
    size_t least = 0, most = 0;
    uint64_t types, before = 0;
    infer_operator_inputs(index, &least, &most);
    if (json)
        printf(",\"least_inputs\":%zu,\"most_inputs\":%lld,\"inputs\":[", least,
               most == SIZE_MAX ? -1ll : (long long)most);
    for (size_t i = 0; i < LISTED && infer_operator_types(index, i, &types) == INFER_OK; i++) {
        bool same = types & INFER_TYPES_SAME;
        if (json) {
            fputs(i ? "," : "", stdout);
            print_types(types, true);
        } else if (i == 0 || types != before) {
            printf("%s%zu: ", i ? "; " : "  ", i);
            if (i && same)
                fputs("as 0", stdout);
            else
                print_types(types, false);
        }
        before = types;
    }
    if (json)
        putchar(']');
}

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
            printf("%-12s %-28s %2d-%-2d", domain, name, since, newest);
            print_inputs(i, false);
            putchar('\n');
            continue;
        }
        fputs(i ? ",\n {\"domain\":" : "{\"domain\":", stdout);
        infer_cli_print_string(stdout, domain, strlen(domain));
        fputs(",\"name\":", stdout);
        infer_cli_print_string(stdout, name, strlen(name));
        printf(",\"since_version\":%d,\"newest_version\":%d", since, newest);
        print_inputs(i, true);
        putchar('}');
    }
    if (json)
        puts("]");
    return INFER_CLI_OK;
}
