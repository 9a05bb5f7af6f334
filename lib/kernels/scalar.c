/* The reference: every kernel in plain C, one body for both element types. Sums run in parallel
 * lanes of a fixed number, which a compiler may turn into vectors without changing a bit. */
#include "kernels.h"

#include <math.h>

#define LANES 8

#define DOT(T, S)                                                                                  \
    static T dot_##S(const T *a, const T *b, size_t n) {                                           \
        T sum[LANES] = {0};                                                                        \
        size_t i = 0;                                                                              \
        for (; n - i >= LANES; i += LANES)                                                         \
            for (size_t j = 0; j < LANES; j++)                                                     \
                sum[j] += a[i + j] * b[i + j];                                                     \
        for (size_t j = 0; i < n; i++, j++)                                                        \
            sum[j] += a[i] * b[i];                                                                 \
        return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));  \
    }                                                                                              \
                                                                                                   \
    static void matvec_##S(size_t n, size_t k, const T *w, size_t ldw, const T *x, const T *bias,  \
                           T *y) {                                                                 \
        for (size_t r = 0; r < n; r++)                                                             \
            y[r] = dot_##S(w + r * ldw, x, k) + (bias ? bias[r] : 0);                              \
    }                                                                                              \
                                                                                                   \
    static void gemm_packed_##S(size_t m, size_t n, size_t k, const T *a, size_t lda,              \
                                const T *packed, const T *bias, T *c, size_t ldc) {                \
        for (size_t r = 0; r < m; r++) {                                                           \
            const T *b = packed;                                                                   \
            for (size_t p = 0; p < n; p += INFER_PANEL) {                                          \
                T sum[INFER_PANEL] = {0};                                                          \
                size_t columns = n - p < INFER_PANEL ? n - p : INFER_PANEL;                        \
                for (size_t i = 0; i < k; i++, b += INFER_PANEL)                                   \
                    for (size_t j = 0; j < INFER_PANEL; j++)                                       \
                        sum[j] += a[r * lda + i] * b[j];                                           \
                for (size_t j = 0; j < columns; j++)                                               \
                    c[r * ldc + p + j] = sum[j] + (bias ? bias[p + j] : 0);                        \
            }                                                                                      \
        }                                                                                          \
    }
DOT(float, f32)
DOT(double, f64)

/* M is the suffix of the C library's functions of T. */
#define MATH(T, S, M)                                                                              \
    static void exp_##S(const T *x, T *y, size_t n) {                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = exp##M(x[i]);                                                                   \
    }                                                                                              \
                                                                                                   \
    static void sigmoid_##S(const T *x, T *y, size_t n) {                                          \
        for (size_t i = 0; i < n; i++) {                                                           \
            T t = exp##M(-fabs##M(x[i]));                                                          \
            y[i] = (signbit(x[i]) ? t : 1) / (1 + t);                                              \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void tanh_##S(const T *x, T *y, size_t n) {                                             \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = tanh##M(x[i]);                                                                  \
    }                                                                                              \
                                                                                                   \
    static void erf_##S(const T *x, T *y, size_t n) {                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = erf##M(x[i]);                                                                   \
    }                                                                                              \
                                                                                                   \
    static T row_max_##S(const T *x, size_t n) {                                                   \
        T max = -(T)INFINITY;                                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            max = x[i] > max ? x[i] : max;                                                         \
        return max;                                                                                \
    }                                                                                              \
                                                                                                   \
    static double exp_sum_##S(const T *x, size_t n, T shift) {                                     \
        double sum = 0;                                                                            \
        for (size_t i = 0; i < n; i++)                                                             \
            sum += (double)exp##M(x[i] - shift);                                                   \
        return sum;                                                                                \
    }                                                                                              \
                                                                                                   \
    static void softmax_##S(const T *x, T *y, size_t n) {                                          \
        T max = row_max_##S(x, n), factor = (T)(1 / exp_sum_##S(x, n, max));                       \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = exp##M(x[i] - max) * factor;                                                    \
    }                                                                                              \
                                                                                                   \
    static void log_softmax_##S(const T *x, T *y, size_t n) {                                      \
        T max = row_max_##S(x, n), log_sum = (T)log(exp_sum_##S(x, n, max));                       \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = x[i] - max - log_sum;                                                           \
    }                                                                                              \
                                                                                                   \
    static T logsumexp_##S(const T *x, size_t n) {                                                 \
        T max = row_max_##S(x, n);                                                                 \
        if (isinf(max))                                                                            \
            max = 0;                                                                               \
        return (T)((double)max + log(exp_sum_##S(x, n, max)));                                     \
    }
MATH(float, f32, f)
MATH(double, f64, )

void infer_kernels_scalar(infer_kernels *k) {
#define INSTALL(result, name, parameters) k->name = name;
    INFER_KERNELS_OF(INSTALL, float, f32)
    INFER_KERNELS_OF(INSTALL, double, f64)
#undef INSTALL
}
