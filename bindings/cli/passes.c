/* `infer inspect --passes`: what each pass over a graph did, as JSON and as lines of text. */
#include "cli.h"

#include <jansson.h>
#include <string.h>

void infer_cli_add_pass(void *array, const infer_pass_info *pass) {
    json_t *all = json_object(), *changes = json_array();
    for (size_t i = 0; i < pass->change_count; i++) {
        const infer_operator_change *c = &pass->changes[i];
        json_array_append_new(changes, json_pack("{s:s, s:s, s:I}", "domain",
                                                 c->domain[0] ? c->domain : "ai.onnx", "op",
                                                 c->name, "nodes", (json_int_t)c->nodes));
    }
    json_object_set_new(all, "name", json_string(pass->name));
    json_object_set_new(all, "nanoseconds", json_integer((json_int_t)pass->nanoseconds));
    json_object_set_new(
        all, "nodes",
        json_pack("[I, I]", (json_int_t)pass->nodes_before, (json_int_t)pass->nodes_after));
    json_object_set_new(
        all, "constant_bytes",
        json_pack("[I, I]", (json_int_t)pass->bytes_before, (json_int_t)pass->bytes_after));
    json_object_set_new(all, "changes", changes);
    json_array_append_new(array, all);
}

static long long number(const json_t *pass, const char *key, size_t index) {
    return json_integer_value(json_array_get(json_object_get(pass, key), index));
}

/* What went, then what came. */
static void print_changes(const json_t *changes) {
    size_t i;
    json_t *change;
    for (int came = 0; came < 2; came++)
        json_array_foreach((json_t *)changes, i, change) {
            long long nodes = json_integer_value(json_object_get(change, "nodes"));
            const char *domain = json_string_value(json_object_get(change, "domain"));
            bool onnx = strcmp(domain, "ai.onnx") == 0;
            if ((nodes > 0) == (came > 0))
                printf(" %+lld %s%s%s", nodes, onnx ? "" : domain, onnx ? "" : ".",
                       json_string_value(json_object_get(change, "op")));
        }
}

void infer_cli_print_passes(const void *array) {
    size_t i;
    json_t *pass;
    puts("pass                nodes              bytes of constants             ms");
    json_array_foreach((json_t *)array, i, pass) {
        printf("%-14s %5lld -> %-5lld %12lld -> %-12lld %8.2f ",
               json_string_value(json_object_get(pass, "name")), number(pass, "nodes", 0),
               number(pass, "nodes", 1), number(pass, "constant_bytes", 0),
               number(pass, "constant_bytes", 1),
               (double)json_integer_value(json_object_get(pass, "nanoseconds")) / 1e6);
        print_changes(json_object_get(pass, "changes"));
        putchar('\n');
    }
}
