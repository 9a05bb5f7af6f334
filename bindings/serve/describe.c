/* What a model takes and gives: a description, an OpenAPI document, and a page to try it. */
#include "describe.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "http_common.h"
#include "page.h"

typedef infer_status port_of(const infer_model *model, size_t index, infer_value_info *info);

static json_t *name_of(const char *text) {
    return infer_serve_string(text, strlen(text));
}

/* Adds to a list, or gives the whole list up: NULL stays NULL. */
static json_t *with(json_t *list, json_t *item) {
    if (infer_serve_add(list, item))
        return list;
    json_decref(list);
    return NULL;
}

/* ---- the model ---- */

static json_t *describe_shape(const infer_value_info *info) {
    json_t *shape = info->rank < 0 ? json_null() : json_array();
    for (int32_t i = 0; shape && i < info->rank; i++)
        shape = with(shape, info->shape[i] >= 0   ? json_integer(info->shape[i])
                            : info->symbols[i][0] ? name_of(info->symbols[i])
                                                  : json_null());
    return shape;
}

static json_t *describe_ports(const infer_serve *serve, port_of *get) {
    infer_value_info info = {.struct_size = sizeof info};
    json_t *list = json_array();
    for (size_t i = 0; list && get(serve->model, i, &info) == INFER_OK; i++)
        list = with(list, json_pack("{s:o, s:s, s:o}", "name", name_of(info.name), "type",
                                    info.type_string, "shape", describe_shape(&info)));
    return list;
}

static json_t *list_features(const infer_serve *serve) {
    if (!serve->features || !infer_model_feature_name(serve->model, 0))
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; list && i < serve->features; i++)
        list = with(list, name_of(infer_model_feature_name(serve->model, i)));
    return list;
}

static json_t *list_classes(const infer_serve *serve) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < serve->classes; i++)
        list = with(list, name_of(infer_model_class(serve->model, i)));
    return list;
}

static bool takes_text(const infer_serve *serve) {
    infer_value_info info = {.struct_size = sizeof info};
    return infer_model_inputs(serve->model) == 1 &&
           infer_model_input(serve->model, 0, &info) == INFER_OK &&
           info.kind == INFER_KIND_TENSOR && info.type == INFER_TYPE_STRING;
}

/* The members of a request that this model can answer. */
static json_t *list_forms(const infer_serve *serve) {
    const struct {
        const char *name;
        bool taken;
    } forms[] = {
        {"features", serve->features && (serve->outputs || serve->label_name)},
        {"instances", serve->features && (serve->outputs || serve->label_name)},
        {"inputs", serve->options.engine != NULL},
        {"text", takes_text(serve)},
        {"image", serve->preprocess != NULL},
    };
    json_t *list = json_array();
    for (size_t i = 0; list && i < sizeof forms / sizeof *forms; i++)
        if (forms[i].taken)
            list = with(list, json_string(forms[i].name));
    return list;
}

static json_t *describe(const infer_serve *serve) {
    return json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "name", name_of(serve->name),
                     "feature_count", (json_int_t)serve->features, "features", list_features(serve),
                     "classes", list_classes(serve), "takes", list_forms(serve), "inputs",
                     describe_ports(serve, infer_model_input), "outputs",
                     describe_ports(serve, infer_model_output));
}

void infer_describe_model(void *user, infer_serve *serve, const infer_http_request *request,
                          infer_http_reply *reply) {
    (void)user, (void)request;
    infer_http_give(reply, describe(serve));
}

/* ---- OpenAPI ---- */

static json_t *row_schema(const infer_serve *serve) {
    const char *number = serve->integers ? "integer" : "number";
    json_t *list =
        json_pack("{s:s, s:{s:s}, s:I, s:I}", "type", "array", "items", "type", number, "minItems",
                  (json_int_t)serve->features, "maxItems", (json_int_t)serve->features);
    json_t *names = list_features(serve), *properties = json_object(), *name;
    size_t i;
    if (!json_is_array(names)) {
        json_decref(names);
        json_decref(properties);
        return list;
    }
    json_array_foreach(names, i, name)
        infer_serve_put(properties, json_string_value(name), json_pack("{s:s}", "type", number));
    return json_pack("{s:[o, {s:s, s:o, s:o, s:b}]}", "oneOf", list, "type", "object", "properties",
                     properties, "required", names, "additionalProperties", 0);
}

/* What one member of a request looks like. */
static json_t *form_schema(const infer_serve *serve, const char *form) {
    infer_value_info info = {.struct_size = sizeof info};
    if (strcmp(form, "features") == 0)
        return row_schema(serve);
    if (strcmp(form, "instances") == 0)
        return json_pack("{s:s, s:I, s:o}", "type", "array", "minItems", (json_int_t)1, "items",
                         row_schema(serve));
    if (strcmp(form, "inputs") != 0)
        return json_pack("{s:s}", "type", "string");
    json_t *properties = json_object();
    for (size_t i = 0; infer_model_input(serve->model, i, &info) == INFER_OK; i++)
        infer_serve_put(properties, info.name, json_pack("{s:s}", "description", info.type_string));
    return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

static json_t *request_schema(const infer_serve *serve) {
    json_t *forms = list_forms(serve), *any = json_array(), *form;
    size_t i;
    json_array_foreach(forms, i, form) {
        const char *name = json_string_value(form);
        infer_serve_add(any, json_pack("{s:s, s:{s:o}, s:[s]}", "type", "object", "properties",
                                       name, form_schema(serve, name), "required", name));
    }
    json_decref(forms);
    return json_pack("{s:o}", "oneOf", any);
}

/* A response that refers to the error's schema. */
static json_t *error_response(const char *description) {
    return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", description, "content",
                     "application/json", "schema", "$ref", "#/components/schemas/Error");
}

static json_t *plain_path(const char *summary, const char *id, const char *type) {
    return json_pack("{s:{s:s, s:s, s:{s:{s:s, s:{s:{}}}}}}", "get", "summary", summary,
                     "operationId", id, "responses", "200", "description", "as it is", "content",
                     type);
}

static json_t *predict_path(const infer_serve *serve) {
    return json_pack(
        "{s:{s:s, s:s, s:{s:b, s:{s:{s:o}}}, s:{s:{s:s, s:{s:{s:{s:s}}}}, s:o, s:o, s:o, s:o, s:o,"
        " s:o}}}",
        "post", "summary", "Predict", "operationId", "predict", "requestBody", "required", 1,
        "content", "application/json", "schema", request_schema(serve), "responses", "200",
        "description", "The answer", "content", "application/json", "schema", "type", "object",
        "400", error_response("The request is wrong"), "413",
        error_response("The request is too large"), "415",
        error_response("The body's type is not understood"), "429",
        error_response("Too many requests at once"), "503", error_response("No memory is left"),
        "504", error_response("The answer takes too long"));
}

void infer_describe_api(void *user, infer_serve *serve, const infer_http_request *request,
                        infer_http_reply *reply) {
    (void)user, (void)request;
    json_t *paths =
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "/predict", predict_path(serve), "/model",
                  plain_path("What the model takes and gives", "model", "application/json"),
                  "/health", plain_path("Whether the process lives", "health", "text/plain"),
                  "/ready", plain_path("Whether it takes requests", "ready", "text/plain"),
                  "/metrics", plain_path("Counters for Prometheus", "metrics", "text/plain"));
    infer_http_give(
        reply, json_pack("{s:s, s:{s:o, s:s}, s:o, s:{s:{s:{s:s, s:{s:{s:s}}, s:[s]}}}}", "openapi",
                         "3.1.0", "info", "title", name_of(serve->name), "version", infer_version(),
                         "paths", paths, "components", "schemas", "Error", "type", "object",
                         "properties", "error", "type", "string", "required", "error"));
}

/* ---- the page ---- */

void infer_describe_page(void *user, infer_serve *serve, const infer_http_request *request,
                         infer_http_reply *reply) {
    (void)user, (void)serve, (void)request;
    reply->type = "text/html; charset=utf-8";
    reply->fixed = (const char *)infer_page;
    reply->size = sizeof infer_page;
}
