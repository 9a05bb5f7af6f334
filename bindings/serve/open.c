/* Finding and opening the model. */
#define _POSIX_C_SOURCE 200809L
#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_ROOM 4096

/* ---- where ---- */

/* The first of the usual names that lies in a folder. */
static bool find_in(const char *folder, size_t length, char path[PATH_ROOM]) {
    static const char *const names[] = {"model.infer", "model.onnx", "model.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int size = snprintf(path, PATH_ROOM, "%.*s/%s", (int)length, folder, names[i]);
        if (size > 0 && size < PATH_ROOM && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

static bool find_beside_executable(char path[PATH_ROOM]) {
    char self[PATH_ROOM];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self);
    while (size > 0 && self[size - 1] != '/')
        size--;
    return size > 0 && find_in(self, (size_t)size - 1, path);
}

static const char *find_model(const infer_serve_options *options, char path[PATH_ROOM]) {
    if (options->model && *options->model)
        return options->model;
    if (options->folder && find_in(options->folder, strlen(options->folder), path))
        return path;
    return find_beside_executable(path) ? path : NULL;
}

/* ---- what it is ---- */

static bool is_linear(const infer_model *model) {
    const char *name, *domain, *op;
    return infer_model_nodes(model) == 1 &&
           infer_model_node(model, 0, &name, &domain, &op) == INFER_OK &&
           strcmp(domain, "infer") == 0 && strcmp(op, "Linear") == 0;
}

static bool is_real(const infer_value_info *info) {
    return info->kind == INFER_KIND_TENSOR &&
           (info->type == INFER_TYPE_FLOAT || info->type == INFER_TYPE_DOUBLE);
}

/* A list of labels, by the type; where no classes are known, also by the name that converters give
 * it, or any list of integers would be one. */
static bool is_label(const infer_serve *s, const infer_value_info *out) {
    return out->kind == INFER_KIND_TENSOR &&
           (out->type == INFER_TYPE_INT64 || out->type == INFER_TYPE_STRING) &&
           (s->classes || strcmp(out->name, "label") == 0 ||
            strcmp(out->name, "output_label") == 0);
}

/* A graph with one input of rows that gives labels is asked for them and for its scores: not every
 * classifier takes the largest score. */
static void find_outputs(infer_serve *s, const infer_value_info *in) {
    infer_value_info out = {.struct_size = sizeof out};
    if (infer_model_inputs(s->model) != 1 || in->rank != 2 ||
        (in->type != INFER_TYPE_FLOAT && in->type != INFER_TYPE_DOUBLE &&
         in->type != INFER_TYPE_INT64))
        return;
    s->input_type = (infer_type)in->type;
    for (size_t i = 0; i < infer_model_outputs(s->model); i++) {
        if (infer_model_output(s->model, i, &out) != INFER_OK)
            continue;
        if (!s->label_name && is_label(s, &out))
            s->label_name = out.name;
        if (!s->scores_name && (is_real(&out) || out.kind == INFER_KIND_SEQUENCE))
            s->scores_name = out.name;
    }
}

/* Whether the output that infer_predict gives has no more digits than float32. */
static bool has_float_output(const infer_model *model) {
    infer_value_info out = {.struct_size = sizeof out};
    for (size_t i = 0; i < infer_model_outputs(model); i++)
        if (infer_model_output(model, i, &out) == INFER_OK && is_real(&out))
            return out.type == INFER_TYPE_FLOAT;
    return false;
}

static void name_model(infer_serve *s, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t size = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    snprintf(s->name, sizeof s->name, "%.*s", (int)(size < 120 ? size : 120), name);
}

static void describe(infer_serve *s) {
    infer_value_info in = {.struct_size = sizeof in};
    s->features = infer_model_feature_count(s->model);
    s->outputs = infer_model_output_count(s->model);
    s->classes = infer_model_class_count(s->model);
    s->is_linear = is_linear(s->model);
    if (s->is_linear || infer_model_input(s->model, 0, &in) != INFER_OK ||
        in.kind != INFER_KIND_TENSOR)
        return;
    s->is_float = has_float_output(s->model);
    s->integers = infer_serve_is_integer((infer_type)in.type);
    s->one_row = in.rank > 1 && in.shape[0] == 1;
    find_outputs(s, &in);
}

/* ---- opening ---- */

void infer_serve_options_init_linear(infer_serve_options *options) {
    *options = (infer_serve_options){
        .max_body = (size_t)6 * 1024 * 1024, /* what synchronous invocations of AWS Lambda carry */
        .max_elements = 1000000,
        .max_depth = 64,
        .log_level = INFER_SERVE_INFO,
        .max_requests = 1024,
        .timeout_ms = 30000,
        .drain_ms = 9000,
        .threads = SIZE_MAX,
        .run_threads = 1,
    };
}

bool infer_serve_open(const infer_serve_options *options, infer_serve **serve,
                      infer_serve_error *error) {
    char found[PATH_ROOM];
    const char *path = find_model(options, found);
    infer_options load;
    *serve = NULL;
    if (!path) {
        infer_serve_fail(error, 500,
                         "there is no model: neither MODEL_PATH nor model.infer, "
                         "model.onnx or model.json beside the executable");
        return false;
    }
    infer_serve *s = calloc(1, sizeof *s);
    if (!s) {
        infer_serve_fail(error, 503, "no memory is left");
        return false;
    }
    infer_options_init(&load);
    load.memory_limit = options->memory_limit;
    load.threads = options->run_threads ? (uint32_t)options->run_threads : INFER_THREADS_ALL;
    infer_status status =
        (options->engine ? options->engine->load : infer_open_with)(path, &load, &s->model);
    if (status != INFER_OK) {
        infer_serve_failed(error, status);
        free(s);
        return false;
    }
    s->options = *options;
    name_model(s, path);
    if (!options->engine && !is_linear(s->model)) {
        infer_serve_fail(error, 500, "%s is a graph, this program serves linear models only", path);
        infer_serve_close(s);
        return false;
    }
    describe(s);
    infer_serve_preprocess *block = NULL;
    if (options->engine && !options->engine->preprocess_open(s, &block, error)) {
        infer_serve_close(s);
        return false;
    }
    s->preprocess = block;
    *serve = s;
    return true;
}

infer_serve *infer_serve_share(const infer_serve *serve) {
    infer_serve *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    *s = *serve;
    s->context = NULL;
    s->node_ns = NULL;
    s->connections = NULL;
    s->shares = true;
    return s;
}

void infer_serve_close(infer_serve *serve) {
    if (!serve)
        return;
    if (serve->context)
        serve->options.engine->context_free(serve->context);
    if (serve->connections)
        serve->options.objects->close(serve->connections);
    free(serve->node_ns);
    if (!serve->shares)
        free((void *)serve->preprocess);
    if (!serve->shares)
        infer_free(serve->model);
    free(serve);
}

infer_model *infer_serve_model(const infer_serve *serve) {
    return serve->model;
}
