/* Fuzz target: any bytes as a prepared image. */
#include "exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return exercise(data, size, infer_open_memory_with);
}
