/* Template: exponential functions and the softmax family over arrays, for element type T, suffix S,
 * in the words of vec.h. */
#include "simd_exp.inc.h"

#define MAP(name)                                                                                  \
    static void NAME(name)(const T *x, T *y, size_t n) {                                           \
        for (; n >= LANES; n -= LANES, x += LANES, y += LANES)                                     \
            V(store)(y, NAME(name##_of)(V(load)(x)));                                              \
        if (n)                                                                                     \
            V(store_part)(y, NAME(name##_of)(V(load_part)(x, n, V(set1)(0))), n);                  \
    }
MAP(exp)
MAP(sigmoid)
MAP(tanh)
MAP(erf)
#undef MAP

/* The largest number of a row, -inf if there is none; NaNs show up in the sum. */
static T NAME(row_max)(const T *x, size_t n) {
    const VEC none = V(set1)(-(T)INFINITY);
    VEC max[4] = {none, none, none, none};
    for (; n >= 4 * LANES; n -= 4 * LANES, x += 4 * LANES)
        foreach (j, 4)
            max[j] = V(max)(V(load)(x + j * LANES), max[j]);
    for (; n >= LANES; n -= LANES, x += LANES)
        max[0] = V(max)(V(load)(x), max[0]);
    if (n)
        max[1] = V(max)(V(load_part)(x, n, none), max[1]);
    return V(largest)(V(max)(V(max)(max[0], max[1]), V(max)(max[2], max[3])));
}

/* The sum of e^(x - shift); each is kept in y where there is one. Lanes are summed in blocks, the
 * blocks in double, so that the error of a long row stays that of a short one. */
static double NAME(exp_sum)(const T *x, T *y, size_t n, T shift) {
    const VEC s = V(set1)(shift);
    double total = 0;
    while (n) {
        VEC sum = V(set1)(0);
        for (size_t i = 0; i < 64 && n >= LANES; i++, n -= LANES, x += LANES) {
            VEC e = NAME(exp_of)(V(sub)(V(load)(x), s));
            sum = V(add)(sum, e);
            if (y) {
                V(store)(y, e);
                y += LANES;
            }
        }
        if (n && n < LANES) {
            VEC e = NAME(exp_of)(V(sub)(V(load_part)(x, n, V(set1)(-(T)INFINITY)), s));
            sum = V(add)(sum, e);
            if (y)
                V(store_part)(y, e, n);
            n = 0;
        }
        total += (double)V(sum)(sum);
    }
    return total;
}

static void NAME(softmax)(const T *x, T *y, size_t n) {
    const T factor = (T)(1 / NAME(exp_sum)(x, y, n, NAME(row_max)(x, n)));
    const VEC f = V(set1)(factor);
    for (; n >= LANES; n -= LANES, y += LANES)
        V(store)(y, V(mul)(V(load)(y), f));
    for (size_t i = 0; i < n; i++)
        y[i] *= factor;
}

static void NAME(log_softmax)(const T *x, T *y, size_t n) {
    const T max = NAME(row_max)(x, n), log_sum = (T)log(NAME(exp_sum)(x, NULL, n, max));
    const VEC m = V(set1)(max), l = V(set1)(log_sum);
    for (; n >= LANES; n -= LANES, x += LANES, y += LANES)
        V(store)(y, V(sub)(V(sub)(V(load)(x), m), l));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] - max - log_sum;
}

static T NAME(logsumexp)(const T *x, size_t n) {
    T max = NAME(row_max)(x, n);
    if (isinf(max))
        max = 0;
    return (T)((double)max + log(NAME(exp_sum)(x, NULL, n, max)));
}
