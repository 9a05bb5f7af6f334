/* Template: Gelu, for element type T, suffix S, in the words of vec.h. */

VEC_INLINE VEC NAME(gelu_of)(VEC x) {
    VEC half = V(mul)(x, V(set1)((T)0.5));
    return V(fma)(half, NAME(erf_of)(V(mul)(x, V(set1)((T)0.70710678118654752440))), half);
}

static void NAME(gelu)(const T *x, T *y, size_t n) {
    for (; n >= LANES; n -= LANES, x += LANES, y += LANES)
        V(store)(y, NAME(gelu_of)(V(load)(x)));
    if (n)
        V(store_part)(y, NAME(gelu_of)(V(load_part)(x, n, V(set1)(0))), n);
}
