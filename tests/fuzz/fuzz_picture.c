/* Fuzz target: any bytes as a picture for ImageDecoder. */
#include "one_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static infer_model *model;
    if (!model && !(model = one_node("ImageDecoder", INFER_TYPE_UINT8, NULL)))
        abort();
    run_node(model, INFER_TYPE_UINT8, data, size);
    return 0;
}
