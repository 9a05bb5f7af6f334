/* post_transform of ai.onnx.ml: what becomes of a row of scores. */
#ifndef INFER_OPS_ML_LINK_H
#define INFER_OPS_ML_LINK_H

#include "kernels.h"

#include <stddef.h>
#include <stdint.h>

/* The names of the attribute in the order of the enumeration, for A_ENUM. */
#define INFER_POST_TRANSFORMS "NONE|SOFTMAX|LOGISTIC|SOFTMAX_ZERO|PROBIT"

enum infer_post_transform {
    INFER_POST_NONE,
    INFER_POST_SOFTMAX,
    INFER_POST_LOGISTIC,
    INFER_POST_SOFTMAX_ZERO,
    INFER_POST_PROBIT
};

/* n scores of one row, in place. */
void infer_post_transform(const infer_kernels *k, int64_t transform, float *z, size_t n);

void infer_post_transform_f64(int64_t transform, double *z, size_t n);

/* The normal quantile sqrt(2) * erfinv(2 p - 1); infinite at 0 and 1, NaN outside. */
double infer_probit(double p);

#endif
