/* What a body is: JSON, or bytes of a media type that become rows or tensors. */
#include "kinds.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef json_t *predictor(infer_serve *serve, const infer_serve_body *body,
                          infer_serve_error *error);

/* Images need what only graphs have. */
static json_t *predict_image(infer_serve *serve, const infer_serve_body *body,
                             infer_serve_error *error) {
    if (!serve->options.engine)
        return infer_serve_fail(error, 501, "this program has no operators: send rows of features");
    return serve->options.engine->predict_image(serve, body, error);
}

json_t *infer_serve_predict_coded_image(infer_serve *serve, const json_t *text,
                                        infer_serve_error *error) {
    size_t size = json_string_length(text);
    infer_serve_body body = {"", NULL, 0};
    if (!json_is_string(text))
        return infer_serve_fail(error, 400, "\"image\" is not a string");
    char *bytes = malloc(size + 1);
    json_t *answer = NULL;
    body.data = bytes;
    if (!bytes)
        infer_serve_fail(error, 503, "no memory is left");
    else if (!infer_serve_base64(json_string_value(text), size, bytes, &body.size))
        infer_serve_fail(error, 400, "\"image\" is not valid base64");
    else
        answer = predict_image(serve, &body, error);
    free(bytes);
    return answer;
}

static json_t *predict_text_body(infer_serve *serve, const infer_serve_body *body,
                                 infer_serve_error *error) {
    return infer_serve_predict_text(serve, body->data, body->size, error);
}

/* Media types that are plainly something else than JSON. */
static const struct kind {
    const char *type;
    predictor *predict;
} kinds[] = {
    {"text/csv", infer_serve_predict_csv},
    {"application/csv", infer_serve_predict_csv},
    {"application/x-npy", infer_serve_predict_npy},
    {"image/jpeg", predict_image},
    {"image/png", predict_image},
    {"text/plain", predict_text_body},
};

/* Whether a media type, without its parameters, is this one. */
static bool is_type(const char *type, const char *name) {
    size_t size = strlen(name);
    return strncasecmp(type, name, size) == 0 && (!type[size] || strchr("; \t", type[size]));
}

/* Browsers send JSON that is not said to be any as plain text. */
static bool starts_object(const infer_serve_body *body) {
    const char *text = body->data;
    size_t at = 0;
    while (at < body->size && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    return at < body->size && text[at] == '{';
}

static const struct kind *find_kind(const infer_serve_body *body) {
    static const struct kind npy = {"", infer_serve_predict_npy};
    if (infer_serve_is_npy(body))
        return &npy;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is_type(body->type, kinds[i].type))
            return kinds[i].predict == predict_text_body && starts_object(body) ? NULL : &kinds[i];
    return NULL;
}

bool infer_serve_is_json(const infer_serve_body *body) {
    return !find_kind(body);
}

json_t *infer_serve_predict_body(infer_serve *serve, const infer_serve_body *body,
                                 infer_serve_error *error) {
    const struct kind *kind = find_kind(body);
    return kind ? kind->predict(serve, body, error)
                : infer_serve_fail(error, 415, "bodies of type %.100s are not understood",
                                   body->type);
}

/* ---- text ---- */

json_t *infer_serve_predict_text(infer_serve *serve, const char *text, size_t size,
                                 infer_serve_error *error) {
    infer_value_info in = {.struct_size = sizeof in};
    infer_string string = {text, size};
    int64_t shape[INFER_MAX_RANK];
    if (infer_model_inputs(serve->model) != 1 ||
        infer_model_input(serve->model, 0, &in) != INFER_OK || in.kind != INFER_KIND_TENSOR ||
        in.type != INFER_TYPE_STRING)
        return infer_serve_fail(error, 415, "the model takes no text");
    for (int32_t axis = 0; axis < in.rank; axis++) {
        if (in.shape[axis] > 1)
            return infer_serve_fail(error, 400, "the model takes more than one text");
        shape[axis] = 1;
    }
    infer_value value = {.type = INFER_TYPE_STRING,
                         .rank = in.rank > 0 ? (uint32_t)in.rank : 0,
                         .shape = shape,
                         .data = &string,
                         .count = 1};
    infer_serve_tensors tensors = {&in.name, &value, 1};
    return infer_serve_answer_tensors(serve, &tensors, error);
}
