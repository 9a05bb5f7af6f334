/* A linear model's arithmetic: one product, one link. Used where no operator is linked. */
#ifndef INFER_KERNELS_LINEAR_H
#define INFER_KERNELS_LINEAR_H

#include "kernels.h"

#include <stdbool.h>

/* Weights are row-major [outputs][features]; w64 and b64 are NULL where the float ones are exact.
 */
typedef struct infer_linear_model {
    size_t features, outputs, scores; /* scores: values a row of y, 2 where one output serves two */
    const float *w, *b;
    const double *w64, *b64;
    uint32_t link;   /* infer_link */
    uint32_t binary; /* 1: the one product z becomes {-z, z}, before the link */
    bool wide;       /* float rows are multiplied with w64, too */
} infer_linear_model;

/* The products of one row, before the link, or of many; and the link, in place. */
void infer_linear_product_f32(const infer_kernels *k, const infer_linear_model *m, const float *x,
                              float *y);
void infer_linear_products_f32(const infer_kernels *k, const infer_linear_model *m, const float *x,
                               size_t rows, float *y);
void infer_linear_product_f64(const infer_kernels *k, const infer_linear_model *m, const double *x,
                              double *y);
void infer_linear_link_f32(const infer_kernels *k, const infer_linear_model *m, float *y);
void infer_linear_link_f64(const infer_kernels *k, const infer_linear_model *m, double *y);

/* Both, y[rows][scores] of x[rows][features]. */
void infer_linear_f32(const infer_kernels *k, const infer_linear_model *m, const float *x,
                      size_t rows, float *y);
void infer_linear_f64(const infer_kernels *k, const infer_linear_model *m, const double *x,
                      size_t rows, double *y);

#endif
