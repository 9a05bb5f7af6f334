/* `infer inspect`: what a model is. One JSON document is made; the text form is printed from it. */
#include "cli.h"

#include <jansson.h>
#include <string.h>

typedef infer_status describe_fn(const infer_model *, size_t, infer_value_info *);

static json_t *shape_of(const infer_value_info *info) {
    if (info->rank < 0)
        return json_null();
    json_t *shape = json_array();
    for (int32_t i = 0; i < info->rank; i++) {
        const char *symbol = info->symbols ? info->symbols[i] : NULL;
        json_t *extent = info->shape[i] >= 0   ? json_integer(info->shape[i])
                         : symbol && symbol[0] ? json_string(symbol)
                                               : json_null();
        json_array_append_new(shape, extent);
    }
    return shape;
}

static json_t *ports(const infer_model *model, size_t count, describe_fn *describe) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        infer_value_info info = {.struct_size = sizeof info};
        if (describe(model, i, &info) != INFER_OK)
            continue;
        json_t *port = json_object();
        json_object_set_new(port, "name", json_string(info.name));
        json_object_set_new(port, "type", json_string(info.type_string));
        json_object_set_new(port, "shape", shape_of(&info));
        json_array_append_new(list, port);
    }
    return list;
}

static json_t *metadata(const infer_model *model) {
    json_t *all = json_object();
    for (size_t i = 0; i < infer_model_metadata_count(model); i++) {
        const char *key, *value;
        if (infer_model_metadata(model, i, &key, &value) == INFER_OK)
            json_object_set_new(all, key, json_string(value));
    }
    return all;
}

static json_t *features(const infer_model *model) {
    json_t *names = json_array();
    for (size_t i = 0; i < infer_model_feature_count(model); i++) {
        const char *name = infer_model_feature_name(model, i);
        if (!name)
            break;
        json_array_append_new(names, json_string(name));
    }
    return names;
}

static json_t *classes(const infer_model *model) {
    json_t *labels = json_array();
    for (size_t i = 0; i < infer_model_class_count(model); i++)
        json_array_append_new(labels, json_string(infer_model_class(model, i)));
    return labels;
}

static json_t *nodes(const infer_model *model) {
    json_t *list = json_array();
    for (size_t i = 0; i < infer_model_nodes(model); i++) {
        const char *name, *domain, *op;
        if (infer_model_node(model, i, &name, &domain, &op) != INFER_OK)
            continue;
        json_t *node = json_object();
        json_object_set_new(node, "name", json_string(name));
        json_object_set_new(node, "domain", json_string(domain[0] ? domain : "ai.onnx"));
        json_object_set_new(node, "op", json_string(op));
        json_array_append_new(list, node);
    }
    return list;
}

static json_t *describe(const infer_model *model, const infer_cli_shapes *shapes) {
    json_t *all = json_object();
    json_object_set_new(all, "inputs", ports(model, infer_model_inputs(model), infer_model_input));
    json_object_set_new(all, "outputs",
                        ports(model, infer_model_outputs(model), infer_model_output));
    json_object_set_new(all, "features",
                        json_integer((json_int_t)infer_model_feature_count(model)));
    json_object_set_new(all, "feature_names", features(model));
    json_object_set_new(all, "values", json_integer((json_int_t)infer_model_output_count(model)));
    json_object_set_new(all, "classes", classes(model));
    json_object_set_new(all, "metadata", metadata(model));
    json_object_set_new(all, "nodes", nodes(model));
    json_object_set_new(all, "memory", infer_cli_memory(model, shapes));
    return all;
}

/* ---- as text ---- */

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void print_ports(const char *title, const json_t *list) {
    size_t i, d;
    json_t *port, *extent;
    printf("%s\n", title);
    json_array_foreach((json_t *)list, i, port) {
        json_t *shape = json_object_get(port, "shape");
        printf("  %s  %s ", text_of(port, "name"), text_of(port, "type"));
        if (json_is_array(shape))
            putchar('[');
        json_array_foreach(shape, d, extent) {
            fputs(d ? ", " : "", stdout);
            if (json_is_integer(extent))
                printf("%lld", (long long)json_integer_value(extent));
            else
                fputs(json_is_string(extent) ? json_string_value(extent) : "?", stdout);
        }
        puts(json_is_array(shape) ? "]" : "");
    }
}

static void print_names(const char *title, const json_t *names) {
    size_t i;
    json_t *name;
    if (!json_array_size(names))
        return;
    printf("%s\n ", title);
    json_array_foreach((json_t *)names, i, name) printf(" %s", json_string_value(name));
    putchar('\n');
}

/* Neighbours of the same operator are one line. */
static void print_nodes(const json_t *list, bool each) {
    printf("nodes: %zu\n", json_array_size(list));
    for (size_t i = 0, run; i < json_array_size(list); i += run) {
        const json_t *node = json_array_get(list, i);
        const char *domain = text_of(node, "domain"), *op = text_of(node, "op");
        for (run = 1; !each && i + run < json_array_size(list); run++) {
            const json_t *next = json_array_get(list, i + run);
            if (strcmp(text_of(next, "domain"), domain) || strcmp(text_of(next, "op"), op))
                break;
        }
        printf("  %s.%s", domain, op);
        if (each)
            printf("  %s", text_of(node, "name"));
        if (run > 1)
            printf("  x %zu", run);
        putchar('\n');
    }
}

static void print_text(const json_t *all, bool each) {
    const char *key;
    json_t *value;
    print_ports("inputs", json_object_get(all, "inputs"));
    print_ports("outputs", json_object_get(all, "outputs"));
    printf("predict: %lld value(s) a row in, %lld out\n",
           (long long)json_integer_value(json_object_get(all, "features")),
           (long long)json_integer_value(json_object_get(all, "values")));
    print_names("feature names", json_object_get(all, "feature_names"));
    print_names("classes", json_object_get(all, "classes"));
    puts("metadata");
    json_object_foreach(json_object_get(all, "metadata"), key, value)
        printf("  %s: %s\n", key, json_string_value(value));
    print_nodes(json_object_get(all, "nodes"), each);
    infer_cli_print_memory(json_object_get(all, "memory"));
}

/* ---- what is missing ---- */

/* Nodes by their operator: "domain.name version" to an array of names. */
static void add_missing(void *user, const char *domain, const char *name, int version,
                        const char *node) {
    char key[512];
    snprintf(key, sizeof key, "%.200s.%.200s %d", domain[0] ? domain : "ai.onnx", name, version);
    json_t *list = json_object_get(user, key);
    if (!list) {
        list = json_object();
        json_object_set_new(list, "domain", json_string(domain[0] ? domain : "ai.onnx"));
        json_object_set_new(list, "name", json_string(name));
        json_object_set_new(list, "version", json_integer(version));
        json_object_set_new(list, "nodes", json_array());
        json_object_set_new(user, key, list);
    }
    json_array_append_new(json_object_get(list, "nodes"), json_string(node));
}

static void print_missing(json_t *missing, bool json) {
    const char *key;
    json_t *value, *name, *list = json_array();
    size_t i;
    if (!json)
        puts("missing operators");
    json_object_foreach(missing, key, value) {
        json_array_append(list, value);
        if (json)
            continue;
        printf("  %s:", key);
        json_array_foreach(json_object_get(value, "nodes"), i, name)
            printf(" %s", json_string_length(name) ? json_string_value(name) : "-");
        putchar('\n');
    }
    if (json) {
        json_t *all = json_object();
        json_object_set(all, "missing_operators", list);
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
    }
    json_decref(list);
}

/* A model that does not load because operators are missing: which ones, all of them. */
static int inspect_missing(const char *path, bool json, infer_status status) {
    int code = infer_cli_failed(path, status);
    json_t *missing = json_object();
    if (status == INFER_ERROR_UNSUPPORTED &&
        infer_missing(path, add_missing, missing) == INFER_OK && json_object_size(missing))
        print_missing(missing, json);
    json_decref(missing);
    return code;
}

int infer_cli_inspect(const infer_cli_command *command, int argc, char **argv) {
    bool json = false, each = false, by_pass = false;
    const char *shape = NULL;
    infer_cli_shapes shapes;
    const infer_cli_option options[] = {
        {"json", 0, NULL, "as one JSON object", &json},
        {"nodes", 0, NULL, "a line for each node, with its name", &each},
        {"passes", 0, NULL, "what each pass over the graph did", &by_pass},
        {"shape", 0, "SHAPES", "of inputs, for the memory that a run needs: x=1,3,224,224", &shape},
    };
    int code = infer_cli_parse(command, options, 4, &argc, argv);
    if (code >= 0)
        return code;
    if (argc != 1)
        return infer_cli_misused(command, "one MODEL is needed");
    if (!infer_cli_read_shapes(shape, &shapes))
        return infer_cli_misused(command,
                                 "--shape takes NAME=EXTENT,EXTENT,... with ; between inputs");
    infer_model *model;
    json_t *passes = json_array();
    infer_options load;
    infer_options_init(&load);
    load.pass_observer = by_pass ? infer_cli_add_pass : NULL;
    load.pass_observer_user = passes;
    infer_cli_progress_begin("loading", 0);
    infer_status status = infer_load_with(argv[0], &load, &model);
    infer_cli_progress_end();
    if (status != INFER_OK) {
        json_decref(passes);
        return inspect_missing(argv[0], json, status);
    }
    json_t *all = describe(model, &shapes);
    if (by_pass)
        json_object_set(all, "passes", passes);
    if (json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (by_pass) {
        infer_cli_print_passes(passes);
    } else {
        print_text(all, each);
    }
    json_decref(passes);
    json_decref(all);
    infer_free(model);
    return INFER_CLI_OK;
}
