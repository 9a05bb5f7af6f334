/* Predictions for an instruction counter, which looks at `predict` alone:
 * calls COUNT MODEL.onnx [LIBONNXRUNTIME.so]; with the last one they are ONNX Runtime's. */
#define _POSIX_C_SOURCE 200809L
#include "infer.h"
#include "peer.h"

static infer_model *model;
static peer other;
static float *row, *y;
static size_t n, m;

void predict(int by_peer);

__attribute__((noinline)) void predict(int by_peer) {
    if (by_peer)
        peer_predict(&other, row, y, m);
    else
        infer_predict(model, row, n, y, m);
}

int main(int argc, char **argv) {
    infer_value_info in = {.struct_size = sizeof in}, out = {.struct_size = sizeof out};
    if (argc < 3 || infer_load(argv[2], &model) != INFER_OK)
        return 1;
    n = infer_model_feature_count(model);
    m = infer_model_output_count(model);
    row = calloc(n, sizeof *row);
    y = calloc(m, sizeof *y);
    infer_model_input(model, 0, &in);
    infer_model_output(model, infer_model_outputs(model) - 1, &out);
    if (argc > 3) {
        peer_start(&other, argv[3]);
        peer_open(&other, argv[2]);
        peer_bind(&other, in.name, out.name, n);
    }
    for (int i = 0; i < atoi(argv[1]); i++)
        predict(argc > 3);
    return 0;
}
