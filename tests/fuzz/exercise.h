/* What tests do with models that may be anything: ask everything, predict, run twice. */
#ifndef INFER_TESTS_FUZZ_EXERCISE_H
#define INFER_TESTS_FUZZ_EXERCISE_H

#include "infer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXERCISE_LIMIT    ((size_t)64 << 20) /* bytes for loading and for a context */
#define EXERCISE_ELEMENTS ((size_t)1 << 16)  /* of one input */
#define EXERCISE_PORTS    16
#define EXERCISE_OPEN     2 /* what a dynamic extent is taken as */

/* Reads a text to its end, so that one without an end shows. */
static inline size_t read_text(const char *text) {
    return text ? strlen(text) : 0;
}

static inline size_t read_port(const infer_value_info *info) {
    size_t read = read_text(info->name) + read_text(info->type_string);
    for (int32_t d = 0; d < info->rank; d++)
        read += (size_t)info->shape[d] + read_text(info->symbols[d]);
    return read;
}

static inline size_t ask_everything(const infer_model *m) {
    infer_value_info info = {.struct_size = sizeof info};
    const char *a, *b, *c;
    size_t read = 0;
    for (size_t i = 0; infer_model_input(m, i, &info) == INFER_OK; i++)
        read += read_port(&info);
    for (size_t i = 0; infer_model_output(m, i, &info) == INFER_OK; i++)
        read += read_port(&info);
    for (size_t i = 0; i < infer_model_class_count(m); i++)
        read += read_text(infer_model_class(m, i));
    for (size_t i = 0; i < infer_model_feature_count(m) && infer_model_feature_name(m, i); i++)
        read += read_text(infer_model_feature_name(m, i));
    for (size_t i = 0; infer_model_metadata(m, i, &a, &b) == INFER_OK; i++)
        read += read_text(a) + read_text(b);
    for (size_t i = 0; infer_model_node(m, i, &a, &b, &c) == INFER_OK; i++)
        read += read_text(a) + read_text(b) + read_text(c);
    return read;
}

/* An input of zeros (or empty texts); 0 where it would be too large or is no tensor. */
static inline int zero_input(const infer_model *model, size_t index, int64_t *shape,
                             infer_value *value) {
    infer_value_info info = {.struct_size = sizeof info};
    size_t element, count = 1;
    if (infer_model_input(model, index, &info) != INFER_OK || info.kind != INFER_KIND_TENSOR ||
        !(element = infer_type_size((infer_type)info.type)))
        return 0;
    int32_t rank = info.rank < 0 ? 2 : info.rank;
    for (int32_t d = 0; d < rank; d++) {
        shape[d] = info.rank < 0 || info.shape[d] < 0 ? EXERCISE_OPEN : info.shape[d];
        if (shape[d] && count > EXERCISE_ELEMENTS / (size_t)shape[d])
            return 0;
        count *= (size_t)shape[d];
    }
    *value = (infer_value){.kind = INFER_KIND_TENSOR,
                           .type = info.type,
                           .rank = (uint32_t)rank,
                           .shape = shape,
                           .count = count};
    value->data = calloc(count + 1, element);
    return value->data != NULL;
}

/* Reads every byte that a value shows. */
static inline size_t read_result(const infer_value *v) {
    size_t read = 0;
    if (v->kind != INFER_KIND_TENSOR) {
        for (size_t i = 0; i < (v->kind == INFER_KIND_MAP ? 2 : v->count); i++)
            read += read_result((const infer_value *)v->data + i);
        return read;
    }
    size_t bytes = v->count * infer_type_size((infer_type)v->type);
    for (size_t i = 0; i < bytes; i++)
        read += ((const unsigned char *)v->data)[i];
    for (size_t i = 0; v->type == INFER_TYPE_STRING && i < v->count; i++)
        for (size_t j = 0; j < ((const infer_string *)v->data)[i].size; j++)
            read += (unsigned char)((const infer_string *)v->data)[i].data[j];
    return read;
}

static inline size_t run_twice(infer_model *model) {
    int64_t shapes[EXERCISE_PORTS][INFER_MAX_RANK];
    infer_value inputs[EXERCISE_PORTS], outputs[EXERCISE_PORTS];
    size_t in = infer_model_inputs(model), out = infer_model_outputs(model), made = 0, read = 0;
    infer_context *context;
    if (in > EXERCISE_PORTS || out > EXERCISE_PORTS ||
        infer_context_new(model, &context) != INFER_OK)
        return 0;
    while (made < in && zero_input(model, made, shapes[made], &inputs[made]))
        made++;
    for (int again = 0; made == in && again < 2; again++) {
        memset(outputs, 0, sizeof outputs);
        if (infer_run(context, NULL, inputs, in, NULL, outputs, out) != INFER_OK)
            break;
        for (size_t i = 0; i < out; i++)
            read += read_result(&outputs[i]);
    }
    while (made)
        free(inputs[--made].data);
    infer_context_free(context);
    return read;
}

static inline void predict_once(infer_model *model) {
    size_t n = infer_model_feature_count(model), m = infer_model_output_count(model);
    if (!n || n > EXERCISE_ELEMENTS || m > EXERCISE_ELEMENTS)
        return;
    float *x = calloc(n + m + 1, sizeof *x);
    if (x)
        (void)infer_predict(model, x, n, x + n, m);
    free(x);
}

/* What is given here was not read in vain, as far as the compiler can tell. */
static inline void keep_read(size_t read) {
    volatile size_t kept = read;
    (void)kept;
}

/* The sum of all that was read. */
static inline size_t exercise_model(infer_model *model) {
    size_t read = ask_everything(model);
    predict_once(model);
    return read + run_twice(model);
}

/* infer_load_memory_with or infer_open_memory_with. */
typedef infer_status open_bytes(const void *data, size_t size, infer_ownership ownership,
                                const infer_options *options, infer_model **model);

static inline int exercise(const uint8_t *data, size_t size, open_bytes *open) {
    infer_options options;
    infer_model *model;
    infer_options_init(&options);
    options.load_limit = EXERCISE_LIMIT;
    options.memory_limit = EXERCISE_LIMIT;
    if (open(data, size, INFER_COPY, &options, &model) != INFER_OK)
        return 0;
    keep_read(exercise_model(model));
    infer_free(model);
    return 0;
}

#endif
