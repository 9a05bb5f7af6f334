/* Fuzz target: any bytes as the inside of a JSON model. */
#include "exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || data[0] != '{')
        return 0;
    return exercise(data, size, infer_load_memory_with);
}
