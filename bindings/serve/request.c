/* Rows and tensors out of a request. Every count is checked before memory is taken for it. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

#define FAIL(...) (infer_serve_fail(error, 400, __VA_ARGS__), false)

/* Integers on their way to a graph pass through double. */
static bool is_exact(const json_t *json) {
    json_int_t number = json_integer_value(json), most = (json_int_t)1 << 53;
    return json_is_integer(json) && number >= -most && number <= most;
}

static bool read_number(const infer_serve *serve, const json_t *json, size_t index,
                        const char *name, double *to, infer_serve_error *error) {
    bool good = serve->integers ? is_exact(json) : json_is_number(json);
    const char *what = serve->integers ? "an integer within 53 bits" : "a number";
    if (!good)
        return name ? FAIL("feature \"%.100s\" is not %s", name, what)
                    : FAIL("feature %zu is not %s", index, what);
    *to = json_number_value(json);
    return true;
}

static bool is_feature(const infer_serve *serve, const char *name) {
    for (size_t i = 0; i < serve->features; i++) {
        const char *known = infer_model_feature_name(serve->model, i);
        if (known && strcmp(known, name) == 0)
            return true;
    }
    return false;
}

static bool read_named(const infer_serve *serve, const json_t *row, double *to,
                       infer_serve_error *error) {
    const char *name;
    json_t *value;
    if (!infer_model_feature_name(serve->model, 0))
        return FAIL("the model has no feature names: send a list of %zu numbers", serve->features);
    for (size_t i = 0; i < serve->features; i++) {
        name = infer_model_feature_name(serve->model, i);
        const json_t *feature = json_object_get(row, name);
        if (!feature)
            return FAIL("feature \"%.100s\" is missing", name);
        if (!read_number(serve, feature, i, name, &to[i], error))
            return false;
    }
    /* All are there, so one too many is one that the model does not know. */
    if (json_object_size(row) != serve->features)
        json_object_foreach((json_t *)row, name, value) {
            if (!is_feature(serve, name))
                return FAIL("the model has no feature \"%.100s\"", name);
        }
    return true;
}

static bool read_row(const infer_serve *serve, const json_t *row, double *to,
                     infer_serve_error *error) {
    if (json_is_object(row))
        return read_named(serve, row, to, error);
    if (!json_is_array(row))
        return FAIL("a row of features is neither a list nor an object");
    if (json_array_size(row) != serve->features)
        return FAIL("%zu features were given, the model takes %zu", json_array_size(row),
                    serve->features);
    for (size_t i = 0; i < serve->features; i++)
        if (!read_number(serve, json_array_get(row, i), i, NULL, &to[i], error))
            return false;
    return true;
}

/* Says which of several rows the reason is about. */
static void name_row(infer_serve_error *error, size_t row) {
    infer_serve_error inner = *error;
    infer_serve_fail(error, inner.status, "row %zu: %s", row, inner.reason);
}

double *infer_serve_rows(const infer_serve *serve, const json_t *rows, bool batch,
                         infer_serve_error *error) {
    size_t count = batch ? json_array_size(rows) : 1, room = 0;
    double *features = NULL;
    for (size_t i = 0; i < count; i++) {
        const json_t *row = batch ? json_array_get(rows, i) : rows;
        /* Memory grows with the rows that were found good, not with what is claimed. */
        if (i == room) {
            room = 2 * room < count ? 2 * room + 1 : count;
            double *more = room > SIZE_MAX / sizeof *more / serve->features
                               ? NULL
                               : realloc(features, room * serve->features * sizeof *more);
            if (!more) {
                free(features);
                infer_serve_fail(error, 503, "no memory is left");
                return NULL;
            }
            features = more;
        }
        if (!read_row(serve, row, features + i * serve->features, error)) {
            if (batch)
                name_row(error, i);
            free(features);
            return NULL;
        }
    }
    return features;
}

/* ---- tensors ---- */

bool infer_serve_find_input(const infer_serve *serve, const char *name, infer_value_info *info) {
    for (size_t i = 0; i < infer_model_inputs(serve->model); i++)
        if (infer_model_input(serve->model, i, info) == INFER_OK && strcmp(info->name, name) == 0)
            return true;
    return false;
}

/* Whether nested lists have the extents all over, which bounds their product by what was sent. */
static bool is_regular(const json_t *json, const infer_value *value, uint32_t axis) {
    if (axis == value->rank)
        return !json_is_array(json);
    if (!json_is_array(json) || json_array_size(json) != (size_t)value->shape[axis])
        return false;
    for (size_t i = 0; i < json_array_size(json); i++)
        if (!is_regular(json_array_get(json, i), value, axis + 1))
            return false;
    return true;
}

static bool fill(const json_t *json, const infer_value *value, uint32_t axis, char **to,
                 const char **why) {
    if (axis < value->rank) {
        for (size_t i = 0; i < json_array_size(json); i++)
            if (!fill(json_array_get(json, i), value, axis + 1, to, why))
                return false;
        return true;
    }
    bool good = infer_serve_element_in(json, (infer_type)value->type, *to, why);
    *to += infer_type_size((infer_type)value->type);
    return good;
}

static bool read_tensor(const json_t *json, const infer_value_info *info, infer_value *value,
                        infer_serve_error *error) {
    size_t extents = INFER_MAX_RANK * sizeof(int64_t), count = 1;
    int64_t shape[INFER_MAX_RANK] = {0};
    infer_value v = {.type = info->type, .shape = shape};
    if (info->kind != INFER_KIND_TENSOR || !infer_serve_has_json((infer_type)info->type))
        return FAIL("input \"%.100s\": %.100s cannot be sent as JSON", info->name,
                    info->type_string);
    for (const json_t *at = json; json_is_array(at); at = json_array_get(at, 0)) {
        if (v.rank == INFER_MAX_RANK)
            return FAIL("input \"%.100s\": lists are nested deeper than %d", info->name,
                        INFER_MAX_RANK);
        shape[v.rank++] = (int64_t)json_array_size(at);
    }
    if (!is_regular(json, &v, 0))
        return FAIL("input \"%.100s\": lists differ in length or depth", info->name);
    /* Each element is there as JSON, which is larger: the product cannot overflow. */
    for (uint32_t i = 0; i < v.rank; i++)
        count *= (size_t)shape[i];
    /* One block holds the extents and, behind them, the elements. */
    char *block = malloc(extents + count * infer_type_size((infer_type)info->type));
    if (!block)
        return infer_serve_fail(error, 503, "no memory is left"), false;
    char *to = block + extents;
    const char *why = "";
    if (!fill(json, &v, 0, &to, &why)) {
        free(block);
        return FAIL("input \"%.100s\" (%s): an element is not %s", info->name, info->type_string,
                    why);
    }
    memcpy(block, shape, extents);
    v.shape = (const int64_t *)(void *)block;
    v.data = block + extents;
    v.count = count;
    *value = v;
    return true;
}

bool infer_serve_tensors_read(const infer_serve *serve, const json_t *inputs,
                              infer_serve_tensors *tensors, infer_serve_error *error) {
    const char *name;
    json_t *json;
    *tensors = (infer_serve_tensors){0};
    if (!json_is_object(inputs))
        return FAIL("\"inputs\" is not an object of named tensors");
    size_t room = json_object_size(inputs);
    tensors->names = calloc(room + 1, sizeof *tensors->names);
    tensors->values = calloc(room + 1, sizeof *tensors->values);
    if (!tensors->names || !tensors->values)
        return infer_serve_fail(error, 503, "no memory is left"), false;
    json_object_foreach((json_t *)inputs, name, json) {
        infer_value_info info = {.struct_size = sizeof info};
        if (!infer_serve_find_input(serve, name, &info))
            return FAIL("the model has no input \"%.100s\"", name);
        if (!read_tensor(json, &info, &tensors->values[tensors->count], error))
            return false;
        tensors->names[tensors->count++] = name;
    }
    return true;
}

void infer_serve_tensors_free(infer_serve_tensors *tensors) {
    for (size_t i = 0; i < tensors->count; i++)
        free((void *)tensors->values[i].shape);
    free(tensors->names);
    free(tensors->values);
    *tensors = (infer_serve_tensors){0};
}
