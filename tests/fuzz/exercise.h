/* What the fuzz targets do with bytes: load them, ask everything, run once, save nothing. */
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

/* An input of zeros (or empty texts) with 1 for every dynamic extent; 0 where it would be too large
 * or is no tensor. */
static inline int zero_input(const infer_model *model, size_t index, int64_t *shape,
                             infer_value *value) {
    infer_value_info info = {.struct_size = sizeof info};
    if (infer_model_input(model, index, &info) != INFER_OK || info.kind != INFER_KIND_TENSOR)
        return 0;
    size_t count = 1, element = infer_type_size((infer_type)info.type);
    int32_t rank = info.rank < 0 ? 1 : info.rank;
    for (int32_t d = 0; d < rank; d++) {
        shape[d] = info.rank < 0 || info.shape[d] < 0 ? 1 : info.shape[d];
        if (shape[d] && count > EXERCISE_ELEMENTS / (size_t)shape[d])
            return 0;
        count *= (size_t)shape[d];
    }
    *value = (infer_value){.kind = INFER_KIND_TENSOR,
                           .type = info.type,
                           .rank = (uint32_t)rank,
                           .shape = shape,
                           .count = count};
    value->data = calloc(count + 1, element + 1);
    return value->data != NULL;
}

static inline void run_once(infer_model *model) {
    int64_t shapes[EXERCISE_PORTS][INFER_MAX_RANK];
    infer_value inputs[EXERCISE_PORTS], outputs[EXERCISE_PORTS];
    size_t in = infer_model_inputs(model), out = infer_model_outputs(model), made = 0;
    infer_context *context;
    memset(outputs, 0, sizeof outputs);
    if (in > EXERCISE_PORTS || out > EXERCISE_PORTS ||
        infer_context_new(model, &context) != INFER_OK)
        return;
    while (made < in && zero_input(model, made, shapes[made], &inputs[made]))
        made++;
    if (made == in)
        (void)infer_run(context, NULL, inputs, in, NULL, outputs, out);
    while (made)
        free(inputs[--made].data);
    infer_context_free(context);
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
    run_once(model);
    infer_free(model);
    return 0;
}

#endif
