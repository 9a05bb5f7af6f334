/* A linear model's arithmetic: one product, one link. */
#include "linear.h"

#include "infer.h"

/* Rows and weights of different precision: each product is one of doubles. */
#define DOT_MIXED(name, W, X)                                                                      \
    static double name(const W *w, const X *x, size_t n) {                                         \
        double sum[4] = {0};                                                                       \
        size_t i = 0;                                                                              \
        for (; i + 4 <= n; i += 4)                                                                 \
            for (size_t j = 0; j < 4; j++)                                                         \
                sum[j] += (double)w[i + j] * (double)x[i + j];                                     \
        for (; i < n; i++)                                                                         \
            sum[0] += (double)w[i] * (double)x[i];                                                 \
        return (sum[0] + sum[1]) + (sum[2] + sum[3]);                                              \
    }
DOT_MIXED(dot_narrow_w, float, double)
DOT_MIXED(dot_narrow_x, double, float)

/* Not inlined: the common case stays small. */
static __attribute__((noinline)) void product_wide(const infer_linear_model *m, const float *x,
                                                   float *z) {
    for (size_t i = 0; i < m->outputs; i++)
        z[i] = (float)(dot_narrow_x(m->w64 + i * m->features, x, m->features) + m->b64[i]);
}

void infer_linear_product_f32(const infer_kernels *k, const infer_linear_model *m, const float *x,
                              float *y) {
    float *z = y + m->binary;
    if (m->wide)
        product_wide(m, x, z);
    else if (m->outputs == 1)
        *z = k->dot_f32(m->w, x, m->features) + m->b[0];
    else
        k->matvec_f32(m->outputs, m->features, m->w, m->features, x, m->b, z);
    if (m->binary)
        y[0] = -z[0];
}

/* Weights that stay in the first cache while rows pass over them. */
#define NEAR ((size_t)4096)

void infer_linear_products_f32(const infer_kernels *k, const infer_linear_model *m, const float *x,
                               size_t rows, float *y) {
    const size_t fits = NEAR / 4 / m->features * 4, each = fits ? fits : 4;
    if (rows == 1 || m->wide || m->outputs <= each) {
        for (; rows; rows--, x += m->features, y += m->scores)
            infer_linear_product_f32(k, m, x, y);
        return;
    }
    for (size_t at = 0, n; at < m->outputs; at += n) {
        n = m->outputs - at < each ? m->outputs - at : each;
        for (size_t r = 0; r < rows; r++)
            k->matvec_f32(n, m->features, m->w + at * m->features, m->features, x + r * m->features,
                          m->b + at, y + r * m->scores + at);
    }
}

void infer_linear_product_f64(const infer_kernels *k, const infer_linear_model *m, const double *x,
                              double *y) {
    double *z = y + m->binary;
    if (m->w64)
        k->matvec_f64(m->outputs, m->features, m->w64, m->features, x, m->b64, z);
    else
        for (size_t i = 0; i < m->outputs; i++)
            z[i] = dot_narrow_w(m->w + i * m->features, x, m->features) + (double)m->b[i];
    if (m->binary)
        y[0] = -z[0];
}

/* One body for both precisions. */
#define LINK(T, suffix)                                                                            \
    void infer_linear_link_##suffix(const infer_kernels *k, const infer_linear_model *m, T *y) {   \
        if (m->link == INFER_LINK_LOGISTIC)                                                        \
            k->sigmoid_##suffix(y, y, m->scores);                                                  \
        else if (m->link == INFER_LINK_SOFTMAX)                                                    \
            k->softmax_##suffix(y, y, m->scores);                                                  \
        else if (m->link == INFER_LINK_EXP)                                                        \
            k->exp_##suffix(y, y, m->scores);                                                      \
    }                                                                                              \
                                                                                                   \
    void infer_linear_##suffix(const infer_kernels *k, const infer_linear_model *m, const T *x,    \
                               size_t rows, T *y) {                                                \
        for (; rows; rows--, x += m->features, y += m->scores) {                                   \
            infer_linear_product_##suffix(k, m, x, y);                                             \
            infer_linear_link_##suffix(k, m, y);                                                   \
        }                                                                                          \
    }
LINK(float, f32)
LINK(double, f64)
