/* Template: bounds, weights that are integers, and the normalization of a row, for element type T,
 * suffix S, in the words of vec.h. */

#define MAP(n, x, y, expr)                                                                         \
    for (; n >= LANES; n -= LANES, x += LANES, y += LANES) {                                       \
        VEC v = V(load)(x);                                                                        \
        V(store)(y, expr);                                                                         \
    }                                                                                              \
    if (n) {                                                                                       \
        VEC v = V(load_part)(x, n, V(set1)(0));                                                    \
        V(store_part)(y, expr, n);                                                                 \
    }

static void NAME(clip)(const T *x, T *y, size_t n, T low, T high) {
    const VEC l = V(set1)(low), h = V(set1)(high);
    MAP(n, x, y, V(min)(h, V(max)(l, v)))
}

static void NAME(widen_panel)(size_t k, const int8_t *x, const T *scale, T *y) {
    VEC s[INFER_PANEL / LANES];
    foreach (i, INFER_PANEL / LANES)
        s[i] = V(load)(scale + i * LANES);
    for (; k; k--, x += INFER_PANEL, y += INFER_PANEL)
        foreach (i, INFER_PANEL / LANES)
            V(store)(y + i * LANES, V(mul)(V(widen)(x + i * LANES), s[i]));
}

static void NAME(widen_half)(const uint16_t *x, T *y, size_t n) {
    for (size_t i = 0; i < n; i += LANES)
        V(store)(y + i, V(widen_half)(x + i));
}

/* In bfloat16 no vector is faster than one of floats: AVX-512's products take twice as long. */
static bool NAME(gemm_half)(size_t m, size_t n, size_t k, const T *a, size_t lda,
                            const uint16_t *packed, const T *bias, T *c, size_t ldc,
                            void *scratch) {
    (void)m, (void)n, (void)k, (void)a, (void)lda, (void)packed, (void)bias, (void)c, (void)ldc;
    (void)scratch;
    return false;
}

/* The sums of d and of d^2, d being x - shift. */
VEC_INLINE void NAME(moments)(const T *x, size_t n, T shift, T *first, T *second) {
    const VEC s = V(set1)(shift);
    VEC sum[2] = {V(set1)(0), V(set1)(0)}, square[2] = {V(set1)(0), V(set1)(0)};
    for (; n >= 2 * LANES; n -= 2 * LANES, x += 2 * LANES)
        foreach (i, 2) {
            VEC d = V(sub)(V(load)(x + i * LANES), s);
            sum[i] = V(add)(sum[i], d);
            square[i] = V(fma)(d, d, square[i]);
        }
    for (size_t m; n; n -= m, x += m) {
        m = n < LANES ? n : LANES;
        VEC d = V(sub)(m < LANES ? V(load_part)(x, m, s) : V(load)(x), s);
        sum[0] = V(add)(sum[0], d);
        square[0] = V(fma)(d, d, square[0]);
    }
    *first = V(sum)(V(add)(sum[0], sum[1]));
    *second = V(sum)(V(add)(square[0], square[1]));
}

/* A second sum around the first mean takes back what was rounded in it. */
static void NAME(normalize)(const T *x, size_t n, T epsilon, bool centered, const T *scale,
                            const T *bias, T *y) {
    double count = (double)n, mean = 0, off = 0;
    T first = 0, second;
    if (centered) {
        NAME(moments)(x, n, 0, &first, &second);
        mean = (double)first / count;
    }
    NAME(moments)(x, n, (T)mean, &first, &second);
    if (centered) {
        off = (double)first / count;
        mean = (double)(T)mean + off;
    }
    const double var = (double)second / count - off * off;
    const VEC m = V(set1)((T)mean), f = V(set1)((T)(1 / sqrt(var + (double)epsilon)));
    const VEC zero = V(set1)(0);
    size_t i = 0;
    for (; n - i >= LANES; i += LANES) {
        VEC d = V(mul)(V(sub)(V(load)(x + i), m), f), b = bias ? V(load)(bias + i) : zero;
        V(store)(y + i, V(fma)(d, V(load)(scale + i), b));
    }
    if (i < n) {
        VEC d = V(mul)(V(sub)(V(load_part)(x + i, n - i, zero), m), f);
        VEC b = bias ? V(load_part)(bias + i, n - i, zero) : zero;
        V(store_part)(y + i, V(fma)(d, V(load_part)(scale + i, n - i, zero), b), n - i);
    }
}
#undef MAP
