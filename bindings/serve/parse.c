/* Texts to values: JSON within limits, and base64. */
#include "core.h"

#include <string.h>

/* ---- base64 ---- */

static int sextet(char c) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool infer_serve_base64(const char *text, size_t size, char *to, size_t *bytes) {
    size_t padding = 0;
    uint32_t bits = 0;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    *bytes = 0;
    for (size_t i = 0; i < size - padding; i++) {
        int value = sextet(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        /* Of four digits the last three end a byte each. */
        if (i % 4)
            to[(*bytes)++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    /* What is left behind the last byte has to be zero: one spelling for each value. */
    return size % 4 == 0 && !(bits & (padding == 1 ? 3u : padding == 2 ? 15u : 0u));
}

/* ---- JSON ---- */

/* Counts before anything is built: values are what commas and brackets part. */
static bool is_within(const infer_serve_options *limits, const char *text, size_t size,
                      infer_serve_error *error) {
    size_t depth = 0, elements = 1;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == ',') {
            elements++;
        } else if (c == '[' || c == '{') {
            elements++;
            if (++depth > limits->max_depth)
                return infer_serve_fail(error, 400, "the JSON is nested deeper than %zu",
                                        limits->max_depth),
                       false;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == 0) {
            /* jansson passes over some. */
            return infer_serve_fail(error, 400, "the request is not valid JSON: a zero byte"),
                   false;
        }
    }
    if (elements > limits->max_elements)
        infer_serve_fail(error, 413, "the JSON has more than %zu values", limits->max_elements);
    return elements <= limits->max_elements;
}

static json_t *parse(const infer_serve *serve, const char *text, size_t size,
                     infer_serve_error *error) {
    json_error_t why;
    if (!is_within(&serve->options, text, size, error))
        return NULL;
    json_t *json =
        json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (json)
        return json;
    if (json_error_code(&why) == json_error_out_of_memory)
        return infer_serve_fail(error, 503, "no memory is left");
    return infer_serve_fail(error, 400, "the request is not valid JSON: line %d column %d: %s",
                            why.line, why.column, why.text);
}

json_t *infer_serve_read(const infer_serve *serve, const char *text, size_t size,
                         infer_serve_error *error) {
    if (!size)
        return infer_serve_fail(error, 400, "the request has no body");
    json_t *json = parse(serve, text, size, error);
    if (!json_is_string(json))
        return json;
    json_t *inner = parse(serve, json_string_value(json), json_string_length(json), error);
    json_decref(json);
    return inner;
}
