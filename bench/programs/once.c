/* Process start to first answer: opens a model, predicts the row of row.h (which bench/start.py
 * writes), prints the last output. LOAD is infer_open, or infer_load for any format. */
#include "infer.h"
#include "row.h"

#include <stdio.h>

#ifndef LOAD
#define LOAD infer_open
#endif

int main(int argc, char **argv) {
    infer_model *model;
    float outputs[64];
    size_t n = sizeof row / sizeof *row;
    if (argc < 2 || LOAD(argv[1], &model) != INFER_OK)
        return 1;
    size_t m = infer_model_output_count(model);
    if (m > 64 || infer_predict(model, row, n, outputs, m) != INFER_OK)
        return 2;
    printf("%.7f\n", (double)outputs[m - 1]);
    infer_free(model);
    return 0;
}
