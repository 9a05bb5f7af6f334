/* Fuzz target: any bytes as a request. The first byte chooses its type, and which model answers. */
#define _POSIX_C_SOURCE 200809L
#include "exercise.h"

#include <stdio.h>
#include <unistd.h>

#include "lambda_event.h"
#include "onnx_models.h"

static const char *const types[] = {
    "",           "application/json",         "text/csv",   "application/x-npy",
    "text/plain", "application/octet-stream", "image/jpeg", "image/png",
};
#define TYPES (sizeof types / sizeof *types)

/* The last type's number and those beyond stand for an event of AWS Lambda. */
enum { REGRESSION, CLASSIFIER, PICTURES, MODELS };

static const double coefficients[] = {1, -2, 0.5, 3, 0, 1, -1, 2, 0.25};
static const char *const features[] = {"age", "size", "h\xc3\xb6he"};
static const char *const classes[] = {"a", "b", "c"};

/* Gives back the tensor that it made of an image. */
static infer_model *make_pictures(void) {
    static const infer_metadata block = {
        "preprocess", "{\"resize\":{\"size\":[5,6],\"filter\":\"bicubic\"},\"channels\":\"GRAY\"}"};
    onnx_model m = {0};
    infer_options options;
    infer_model *model = NULL;
    size_t size;
    onnx_input(&m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(1, 1, 5, 6));
    onnx_node(&m, "Identity", "x", "y");
    onnx_output(&m, "y", INFER_TYPE_FLOAT, ONNX_DIMS(1, 1, 5, 6));
    void *bytes = onnx_bytes(&m, &size);
    infer_options_init(&options);
    options.metadata = &block;
    options.metadata_count = 1;
    if (infer_load_memory_with(bytes, size, INFER_COPY, &options, &model) != INFER_OK)
        abort();
    free(bytes);
    return model;
}

/* A regression without names, a classifier with them, and a model of images. */
static infer_model *make_model(int number) {
    infer_linear_spec spec;
    infer_model *model = NULL;
    if (number == PICTURES)
        return make_pictures();
    infer_linear_spec_init(&spec);
    spec.feature_count = 3;
    spec.output_count = number ? 3 : 1;
    spec.coefficients = coefficients;
    if (number) {
        spec.link = INFER_LINK_SOFTMAX;
        spec.class_count = 3;
        spec.class_strings = classes;
        spec.feature_names = features;
    }
    if (infer_linear(&spec, &model) != INFER_OK)
        abort();
    return model;
}

static infer_serve *open_serve(int number) {
    char path[] = "/tmp/fuzz_request_XXXXXX";
    int file = mkstemp(path);
    infer_model *model = make_model(number);
    infer_serve_options options;
    infer_serve_error error;
    infer_serve *serve;
    if (file < 0 || infer_save(model, path) != INFER_OK)
        abort();
    close(file);
    infer_free(model);
    infer_serve_options_init(&options);
    options.model = path;
    options.log_level = INFER_SERVE_FATAL;
    infer_serve_log_configure(&options);
    if (!infer_serve_open(&options, &serve, &error))
        abort();
    unlink(path);
    return serve;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static infer_serve *serves[MODELS];
    static const infer_serve_call call = {
        .id = "id", .trace = "", .traceparent = "", .function = "f"};
    if (size < 1)
        return 0;
    infer_serve **serve = &serves[data[0] % MODELS];
    size_t type = data[0] / MODELS % (TYPES + 1);
    infer_serve_reply reply;
    if (!*serve)
        *serve = open_serve(data[0] % MODELS);
    infer_serve_body body = {types[type % TYPES], data + 1, size - 1};
    const char *error_type;
    bool good = type == TYPES ? infer_lambda_respond(*serve, &call, data + 1, size - 1, NULL,
                                                     &reply, &error_type)
                              : infer_serve_respond(*serve, &call, &body, &reply);
    /* Whatever came, the answer is JSON. */
    json_t *answer = good ? json_loadb(reply.text, reply.size, JSON_DECODE_ANY, NULL) : NULL;
    if (good && !answer)
        abort();
    json_decref(answer);
    free(reply.text);
    return 0;
}
