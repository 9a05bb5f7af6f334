/* Writes a prepared linear model of any size: linear FEATURES OUTPUTS PATH. Coefficients are exact
 * in float32, so that the image holds them once. */
#include "infer.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    infer_linear_spec spec;
    infer_linear_spec_init(&spec);
    spec.feature_count = strtoul(argv[1], NULL, 10);
    spec.output_count = strtoul(argv[2], NULL, 10);
    size_t count = spec.feature_count * spec.output_count;
    double *coefficients = malloc(count * sizeof *coefficients);
    for (size_t i = 0; coefficients && i < count; i++)
        coefficients[i] = (double)(i % 129) / 64 - 1;
    spec.coefficients = coefficients;
    infer_model *model = NULL;
    int failed = infer_linear(&spec, &model) != INFER_OK || infer_save(model, argv[3]) != INFER_OK;
    if (failed)
        fprintf(stderr, "linear: %s\n", infer_last_error());
    infer_free(model);
    free(coefficients);
    return failed;
}
