/* post_transform of ai.onnx.ml: what becomes of a row of scores. */
#include "ml_link.h"

#include <math.h>
#include <stdbool.h>

/* A closed form that is near, then Halley's method, each step of which triples the right digits.
 * Solved below one half, where the tail has its full relative precision. */
double infer_probit(double p) {
    if (!(p >= 0 && p <= 1))
        return NAN;
    double q = p > 0.5 ? 1 - p : p;
    if (q == 0)
        return p == 0 ? -INFINITY : INFINITY;
    const double a = 0.147, pi = 3.14159265358979323846;
    double l = log(4 * q * (1 - q)), b = 2 / (pi * a) + l / 2;
    double x = -sqrt(2 * (sqrt(b * b - l / a) - b));
    for (int i = 0; i < 3; i++) {
        double e = (erfc(-x * 0.70710678118654752440) / 2 - q) * sqrt(2 * pi) * exp(x * x / 2);
        x -= e / (1 + x * e / 2);
    }
    return p > 0.5 ? -x : x;
}

/* Softmax over the scores that are not zero; what counts as zero is what onnxruntime counts. */
static void softmax_zero(float *z, size_t n) {
    const float tiny = 1e-7f;
    float max = z[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        max = z[i] > max ? z[i] : max;
    float zero_scale = expf(-max);
    for (size_t i = 0; i < n; i++) {
        if (fabsf(z[i]) <= tiny) {
            z[i] *= zero_scale;
        } else {
            z[i] = expf(z[i] - max);
            sum += z[i];
        }
    }
    for (size_t i = 0; i < n && sum != 0; i++)
        z[i] = (float)(z[i] / sum);
}

void infer_post_transform(const infer_kernels *k, int64_t transform, float *z, size_t n) {
    if (n == 0)
        return;
    switch (transform) {
    case INFER_POST_SOFTMAX:
        k->softmax_f32(z, z, n);
        break;
    case INFER_POST_LOGISTIC:
        k->sigmoid_f32(z, z, n);
        break;
    case INFER_POST_SOFTMAX_ZERO:
        softmax_zero(z, n);
        break;
    case INFER_POST_PROBIT:
        for (size_t i = 0; i < n; i++)
            z[i] = (float)infer_probit(z[i]);
        break;
    default:
        break;
    }
}

/* Softmax over the scores that are not zero, or over all. */
static void softmax_f64(double *z, size_t n, bool all) {
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        max = (all || z[i] != 0) && z[i] > max ? z[i] : max;
    for (size_t i = 0; i < n; i++)
        if (all || z[i] != 0)
            sum += z[i] = exp(z[i] - max);
    for (size_t i = 0; i < n && sum != 0; i++)
        z[i] /= sum;
}

void infer_post_transform_f64(int64_t transform, double *z, size_t n) {
    if (transform == INFER_POST_SOFTMAX || transform == INFER_POST_SOFTMAX_ZERO)
        softmax_f64(z, n, transform == INFER_POST_SOFTMAX);
    for (size_t i = 0; i < n; i++)
        if (transform == INFER_POST_LOGISTIC)
            z[i] = 1 / (1 + exp(-z[i]));
        else if (transform == INFER_POST_PROBIT)
            z[i] = infer_probit(z[i]);
}
