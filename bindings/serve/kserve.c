/* The Open Inference Protocol (KServe's and Triton's version 2) with its binary tensors. */
#include "kserve.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "http_common.h"

#define LENGTH_HEADER "Inference-Header-Content-Length"

static const struct {
    const char *name;
    infer_type type;
} datatypes[] = {
    {"BOOL", INFER_TYPE_BOOL},     {"UINT8", INFER_TYPE_UINT8},   {"UINT16", INFER_TYPE_UINT16},
    {"UINT32", INFER_TYPE_UINT32}, {"UINT64", INFER_TYPE_UINT64}, {"INT8", INFER_TYPE_INT8},
    {"INT16", INFER_TYPE_INT16},   {"INT32", INFER_TYPE_INT32},   {"INT64", INFER_TYPE_INT64},
    {"FP16", INFER_TYPE_FLOAT16},  {"BF16", INFER_TYPE_BFLOAT16}, {"FP32", INFER_TYPE_FLOAT},
    {"FP64", INFER_TYPE_DOUBLE},   {"BYTES", INFER_TYPE_STRING},
};
#define DATATYPES (sizeof datatypes / sizeof *datatypes)

static const char *datatype_of(const infer_value_info *info) {
    for (size_t i = 0; info->kind == INFER_KIND_TENSOR && i < DATATYPES; i++)
        if (datatypes[i].type == info->type)
            return datatypes[i].name;
    return NULL;
}

/* ---- reading ---- */

/* What is left of the bytes behind the JSON. */
typedef struct binary {
    const char *data;
    size_t size;
} binary;

#define FAIL(...) (infer_serve_fail(error, 400, __VA_ARGS__), false)

static bool read_shape(const json_t *json, const char *name, int64_t *shape, infer_value *value,
                       infer_serve_error *error) {
    size_t count = 1;
    if (!json_is_array(json) || json_array_size(json) > INFER_MAX_RANK)
        return FAIL("input \"%.100s\": \"shape\" is not a list of at most %d", name,
                    INFER_MAX_RANK);
    value->rank = (uint32_t)json_array_size(json);
    for (size_t i = 0; i < value->rank; i++) {
        const json_t *extent = json_array_get(json, i);
        shape[i] = json_integer_value(extent);
        if (!json_is_integer(extent) || shape[i] < 0 ||
            __builtin_mul_overflow(count, (size_t)shape[i], &count) || count > SIZE_MAX / 64)
            return FAIL("input \"%.100s\": extent %zu of the shape is not allowed", name, i);
    }
    value->count = count;
    return true;
}

/* Elements as JSON, flat or nested, into the tensor; counts them. */
static bool fill(const json_t *json, const infer_value *value, size_t *done, const char **why) {
    size_t each = infer_type_size((infer_type)value->type);
    if (!json_is_array(json)) {
        *why = "one of as many as the shape says";
        return *done < value->count &&
               infer_serve_element_in(json, (infer_type)value->type,
                                      (char *)value->data + (*done)++ * each, why);
    }
    for (size_t i = 0; i < json_array_size(json); i++)
        if (!fill(json_array_get(json, i), value, done, why))
            return false;
    return true;
}

/* Texts lie behind each other, each with its length in four bytes before it. */
static bool fill_texts(const infer_value *value, const char *data, size_t size) {
    infer_string *texts = value->data;
    for (size_t i = 0; i < value->count; i++) {
        uint32_t length;
        if (size < sizeof length)
            return false;
        memcpy(&length, data, sizeof length);
        data += sizeof length;
        size -= sizeof length;
        if (length > size)
            return false;
        texts[i] = (infer_string){data, length};
        data += length;
        size -= length;
    }
    return size == 0;
}

static bool fill_binary(const infer_value *value, const char *name, size_t size, binary *rest,
                        infer_serve_error *error) {
    size_t each = infer_type_size((infer_type)value->type);
    if (size > rest->size)
        return FAIL("input \"%.100s\": the body ends before its %zu bytes", name, size);
    bool good = true;
    if (value->type == INFER_TYPE_STRING)
        good = fill_texts(value, rest->data, size);
    else if ((good = size == value->count * each) && size)
        memcpy(value->data, rest->data, size);
    rest->data += size;
    rest->size -= size;
    return good || FAIL("input \"%.100s\": %zu bytes are not what its shape says", name, size);
}

/* The elements are there, as JSON or as bytes, before memory is taken for them. */
static bool is_covered(const json_t *input, const infer_value *value, size_t size) {
    size_t least = value->type == INFER_TYPE_STRING ? 4 : infer_type_size((infer_type)value->type);
    return json_object_get(input, "data") ? true : value->count <= size / least;
}

/* Leaves of nested lists. */
static size_t count_leaves(const json_t *json) {
    size_t count = 0;
    if (!json_is_array(json))
        return 1;
    for (size_t i = 0; i < json_array_size(json); i++)
        count += count_leaves(json_array_get(json, i));
    return count;
}

static bool read_input(const json_t *input, const char *name, const infer_value_info *info,
                       binary *rest, infer_value *value, infer_serve_error *error) {
    int64_t shape[INFER_MAX_RANK] = {0};
    const char *datatype = json_string_value(json_object_get(input, "datatype")), *why = "";
    const json_t *data = json_object_get(input, "data");
    const json_t *given = json_object_get(json_object_get(input, "parameters"), "binary_data_size");
    size_t bytes = json_integer_value(given) > 0 ? (size_t)json_integer_value(given) : 0, done = 0;
    infer_value v = {.type = info->type};
    if (!datatype || !datatype_of(info) || strcmp(datatype, datatype_of(info)) != 0)
        return FAIL("input \"%.100s\" (%s) is not of the datatype %.20s", name, info->type_string,
                    datatype ? datatype : "nothing");
    if (!data == !given || (given && (!json_is_integer(given) || json_integer_value(given) < 0)))
        return FAIL("input \"%.100s\" needs one of \"data\" and \"binary_data_size\"", name);
    if (!read_shape(json_object_get(input, "shape"), name, shape, &v, error))
        return false;
    if (data ? count_leaves(data) != v.count : !is_covered(input, &v, bytes))
        return FAIL("input \"%.100s\": the elements are not as many as the shape says", name);
    size_t extents = sizeof shape;
    char *block = malloc(extents + v.count * infer_type_size((infer_type)v.type) + 1);
    if (!block)
        return infer_serve_fail(error, 503, "no memory is left"), false;
    memcpy(block, shape, extents);
    v.shape = (const int64_t *)(void *)block;
    v.data = block + extents;
    bool good = data ? fill(data, &v, &done, &why) : fill_binary(&v, name, bytes, rest, error);
    if (!good) {
        free(block);
        return error->status ? false : FAIL("input \"%.100s\": an element is not %s", name, why);
    }
    *value = v;
    return true;
}

static bool read_inputs(const infer_serve *serve, const json_t *inputs, binary rest,
                        infer_serve_tensors *tensors, infer_serve_error *error) {
    size_t count = json_array_size(inputs);
    *tensors = (infer_serve_tensors){0};
    if (!json_is_array(inputs))
        return FAIL("\"inputs\" is not a list of tensors");
    tensors->names = calloc(count + 1, sizeof *tensors->names);
    tensors->values = calloc(count + 1, sizeof *tensors->values);
    if (!tensors->names || !tensors->values)
        return infer_serve_fail(error, 503, "no memory is left"), false;
    for (size_t i = 0; i < count; i++) {
        const json_t *input = json_array_get(inputs, i);
        const char *name = json_string_value(json_object_get(input, "name"));
        infer_value_info info = {.struct_size = sizeof info};
        if (!name || !infer_serve_find_input(serve, name, &info))
            return FAIL("the model has no input \"%.100s\"", name ? name : "");
        for (size_t j = 0; j < i; j++)
            if (strcmp(tensors->names[j], name) == 0)
                return FAIL("input \"%.100s\" is there twice", name);
        if (!read_input(input, name, &info, &rest, &tensors->values[i], error))
            return false;
        tensors->names[tensors->count++] = name;
    }
    return !rest.size || FAIL("%zu bytes are left behind the tensors", rest.size);
}

/* ---- writing ---- */

static bool is_binary(const json_t *request, const json_t *output) {
    const json_t *own = json_object_get(json_object_get(output, "parameters"), "binary_data");
    return json_is_true(
        own ? own : json_object_get(json_object_get(request, "parameters"), "binary_data_output"));
}

static void put_binary(infer_serve_text *to, const infer_value *value) {
    const infer_string *texts = value->data;
    if (value->type != INFER_TYPE_STRING) {
        infer_serve_append(to, value->data,
                           value->count * infer_type_size((infer_type)value->type));
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        uint32_t length = (uint32_t)texts[i].size;
        infer_serve_append(to, (const char *)&length, sizeof length);
        infer_serve_append(to, texts[i].data, length);
    }
}

/* One output; its bytes go behind the others where they are wanted as such. */
static json_t *write_output(const infer_value_info *info, const infer_value *value, bool as_bytes,
                            infer_serve_text *bytes) {
    json_t *output = json_object(), *shape = json_array(), *data = json_array();
    size_t before = bytes->size;
    bool good =
        infer_serve_put(output, "name", infer_serve_string(info->name, strlen(info->name))) &&
        infer_serve_put(output, "datatype", json_string(datatype_of(info)));
    for (uint32_t i = 0; good && i < value->rank; i++)
        good = infer_serve_add(shape, json_integer(value->shape[i]));
    good = good && json_object_set(output, "shape", shape) == 0;
    if (as_bytes) {
        put_binary(bytes, value);
        good = good && !bytes->failed &&
               infer_serve_put(
                   output, "parameters",
                   json_pack("{s:I}", "binary_data_size", (json_int_t)(bytes->size - before)));
    } else {
        for (size_t i = 0; good && i < value->count; i++)
            good = infer_serve_add(data, infer_serve_element_out(value, i));
        good = good && json_object_set(output, "data", data) == 0;
    }
    json_decref(shape);
    json_decref(data);
    if (good)
        return output;
    json_decref(output);
    return NULL;
}

/* Number of the model's output of this name, or of all outputs. */
static size_t find_output(const infer_serve *serve, const char *name, infer_value_info *info) {
    size_t count = infer_model_outputs(serve->model);
    for (size_t i = 0; name && i < count; i++)
        if (infer_model_output(serve->model, i, info) == INFER_OK && strcmp(info->name, name) == 0)
            return i;
    return count;
}

/* Those that were asked for, or all that are tensors. */
static bool write_outputs(const infer_serve *serve, const json_t *request,
                          const infer_value *values, json_t *to, infer_serve_text *bytes,
                          infer_serve_error *error) {
    const json_t *wanted = json_object_get(request, "outputs");
    size_t all = infer_model_outputs(serve->model);
    for (size_t i = 0; i < (wanted ? json_array_size(wanted) : all); i++) {
        const json_t *output = wanted ? json_array_get(wanted, i) : NULL;
        const char *name = json_string_value(json_object_get(output, "name"));
        infer_value_info info = {.struct_size = sizeof info};
        size_t at = wanted ? find_output(serve, name, &info) : i;
        if (at == all)
            return FAIL("the model has no output \"%.100s\"", name ? name : "");
        infer_model_output(serve->model, at, &info);
        if (!datatype_of(&info)) {
            if (wanted)
                return FAIL("output \"%.100s\" (%s) has no datatype", name, info.type_string);
            continue;
        }
        if (!infer_serve_add(to,
                             write_output(&info, &values[at], is_binary(request, output), bytes)))
            return infer_serve_fail(error, 503, "no memory is left"), false;
    }
    return true;
}

/* ---- inference ---- */

static void answer(infer_serve *serve, const json_t *request, const infer_value *values,
                   infer_http_reply *reply, infer_serve_error *error) {
    infer_serve_text text = {0}, bytes = {0};
    const char *id = json_string_value(json_object_get(request, "id"));
    json_t *body = json_object(), *outputs = json_array();
    bool good = infer_serve_put(body, "model_name", json_string(serve->name)) &&
                infer_serve_put(body, "model_version", json_string("1")) &&
                (!id || infer_serve_put(body, "id", json_string(id))) &&
                json_object_set(body, "outputs", outputs) == 0 &&
                write_outputs(serve, request, values, outputs, &bytes, error);
    if (good)
        infer_serve_write(&text, body);
    size_t head = text.size;
    if (good && bytes.size)
        infer_serve_append(&text, bytes.data, bytes.size);
    json_decref(outputs);
    json_decref(body);
    if (!good || text.failed || bytes.failed) {
        free(text.data);
        if (!error->status)
            infer_serve_fail(error, 503, "no memory is left");
    } else {
        reply->data = text.data;
        reply->size = text.size;
        if (bytes.size) {
            reply->type = "application/octet-stream";
            reply->headers[0].name = LENGTH_HEADER;
            snprintf(reply->headers[0].value, sizeof reply->headers[0].value, "%zu", head);
        }
    }
    free(bytes.data);
}

static bool is_this(const infer_serve *serve, const char *name, size_t size) {
    return strlen(serve->name) == size && memcmp(serve->name, name, size) == 0;
}

static void infer(infer_serve *serve, const infer_http_request *request, infer_http_reply *reply) {
    const infer_serve_body *body = &request->body;
    const char *length = infer_http_header(request, LENGTH_HEADER);
    infer_serve_error error = {0};
    infer_serve_tensors tensors = {0};
    infer_value *values = NULL;
    char *end = NULL;
    size_t head = length ? (size_t)strtoull(length, &end, 10) : body->size;
    json_t *json = NULL;
    if (length && (*length < '0' || *length > '9' || *end || head > body->size))
        infer_serve_fail(&error, 400, LENGTH_HEADER " is not within the body");
    else
        json = infer_serve_read(serve, body->data, head, &error);
    binary rest = {(const char *)body->data + (head < body->size ? head : body->size),
                   head < body->size ? body->size - head : 0};
    if (json && read_inputs(serve, json_object_get(json, "inputs"), rest, &tensors, &error))
        values = infer_serve_run(serve, &tensors, &error);
    if (values)
        answer(serve, json, values, reply, &error);
    if (error.status)
        infer_http_fail(reply, error.status, "%s", error.reason);
    infer_serve_tensors_free(&tensors);
    free(values);
    json_decref(json);
}

/* ---- metadata ---- */

static json_t *describe_port(const infer_value_info *info) {
    json_t *port = json_object(), *shape = json_array();
    bool good = infer_serve_put(port, "name", infer_serve_string(info->name, strlen(info->name))) &&
                infer_serve_put(port, "datatype", json_string(datatype_of(info)));
    for (int32_t i = 0; good && i < info->rank; i++)
        good = infer_serve_add(shape, json_integer(info->shape[i]));
    good = good && json_object_set(port, "shape", shape) == 0;
    json_decref(shape);
    if (good)
        return port;
    json_decref(port);
    return NULL;
}

static json_t *describe_ports(const infer_serve *serve,
                              infer_status (*get)(const infer_model *, size_t,
                                                  infer_value_info *)) {
    json_t *list = json_array();
    infer_value_info info = {.struct_size = sizeof info};
    for (size_t i = 0; list && get(serve->model, i, &info) == INFER_OK; i++)
        if (datatype_of(&info) && !infer_serve_add(list, describe_port(&info))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static void describe(infer_serve *serve, infer_http_reply *reply) {
    infer_http_give(reply, json_pack("{s:s, s:[s], s:s, s:o, s:o}", "name", serve->name, "versions",
                                     "1", "platform", "libinfer", "inputs",
                                     describe_ports(serve, infer_model_input), "outputs",
                                     describe_ports(serve, infer_model_output)));
}

/* ---- routes ---- */

static void be_ready(infer_http_reply *reply) {
    if (infer_http_is_ready())
        infer_http_give(reply, json_pack("{s:b}", "ready", 1));
    else
        infer_http_fail(reply, 503, "the server is about to end");
}

void infer_kserve_server(void *user, infer_serve *serve, const infer_http_request *request,
                         infer_http_reply *reply) {
    (void)user, (void)serve;
    if (strcmp(request->path, "/v2/health/live") == 0)
        infer_http_give(reply, json_pack("{s:b}", "live", 1));
    else if (strcmp(request->path, "/v2/health/ready") == 0)
        be_ready(reply);
    else
        infer_http_give(reply, json_pack("{s:s, s:s, s:[s]}", "name", "libinfer", "version",
                                         infer_version(), "extensions", "binary_tensor_data"));
}

/* /v2/models/NAME, perhaps with /versions/1, and what is asked of it behind. */
void infer_kserve_model(void *user, infer_serve *serve, const infer_http_request *request,
                        infer_http_reply *reply) {
    const char *name = request->path + strlen("/v2/models/"), *rest = strchr(name, '/');
    size_t size = rest ? (size_t)(rest - name) : strlen(name);
    bool is_post = strcmp(request->method, "POST") == 0;
    (void)user;
    rest = rest ? rest : "";
    if (strncmp(rest, "/versions/1", 11) == 0 && (!rest[11] || rest[11] == '/'))
        rest += 11;
    if (!is_this(serve, name, size))
        infer_http_fail(reply, 404, "there is no model %.*s, only %s", size < 100 ? (int)size : 100,
                        name, serve->name);
    else if (is_post && strcmp(rest, "/infer") == 0)
        infer(serve, request, reply);
    else if (!is_post && !*rest)
        describe(serve, reply);
    else if (!is_post && strcmp(rest, "/ready") == 0)
        be_ready(reply);
    else
        infer_http_fail(reply, 404, "a model has no %.100s for %s", rest, request->method);
}
