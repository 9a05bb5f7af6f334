/* Template: Gelu, in both of its forms, and Swish, in the words of vec.h; in float alone. Both need
 * a power of two that is good to some roundings of their argument alone.
 *
 * Gelu: x / 2 (1 + erf(x / sqrt(2))) = max(x, 0) - |x| h, h = erfc(|x| / sqrt(2)) / 2 = 2^-l(-|x|):
 * nothing cancels where x is negative. l is a polynomial of degree 8, by Lawson's iteration minimax
 * of h's error below 5.5 (2^-26.0), where h is 2^-25; from there on it grows until h is 0 at the
 * bound of |x|. 2^r, |r| <= 1 / 2, is one of degree 6, minimax of its relative error (2^-28.9). */

#define GELU_BOUND -10.463f /* where -l is between -126.5 and -127.5: 2^-127 is 0 */
#define GELU_POWER                                                                                 \
    {                                                                                              \
        -1.0f, 0x1.26aee4p+0f, -0x1.d637c8p-2f, 0x1.ae694ap-5f, 0x1.d42c3ap-8f, 0x1.bbc564p-13f,   \
            -0x1.399b02p-13f, -0x1.fe12b6p-16f, -0x1.09207ep-19f                                   \
    }
#define EXP2_REST                                                                                  \
    {                                                                                              \
        1.0f, 0x1.62e43p-1f, 0x1.ebfbdcp-3f, 0x1.c6aee8p-5f, 0x1.3b2d4cp-7f, 0x1.5f3e54p-10f,      \
            0x1.41fbbcp-13f                                                                        \
    }

VEC_POLYNOMIAL(gelu_power, GELU_POWER)
VEC_POLYNOMIAL(exp2_rest, EXP2_REST)

/* 2^x for x from -127, where it is 0, to 128, where it is infinite. */
VEC_INLINE VEC NAME(exp2_of)(VEC x) {
    VEC n = V(round)(x);
    return V(mul)(NAME(exp2_rest)(V(sub)(x, n)), V(pow2)(n));
}

VEC_INLINE VEC NAME(gelu_of)(VEC x) {
    VEC minus = V(max)(V(set1)(GELU_BOUND), V(or)(x, V(set1)(-0.0f)));
    VEC h = NAME(exp2_of)(NAME(gelu_power)(minus));
    return V(fma)(minus, h, V(max)(V(set1)(0), x));
}

/* x / (1 + 2^power). */
VEC_INLINE VEC NAME(swish_of)(VEC x, VEC power) {
    power = V(min)(V(set1)(128), V(max)(V(set1)(-127), power));
    return V(div)(x, V(add)(V(set1)(1), NAME(exp2_of)(power)));
}

/* (1 + tanh(u)) / 2 = 1 / (1 + 2^(-2 u / ln 2)), u being x times a polynomial of x x. */
VEC_INLINE VEC NAME(gelu_tanh_of)(VEC x) {
    const T root = -2 * 0.79788456f * LOG2_E;
    VEC u = V(fma)(V(mul)(x, x), V(set1)(0.044715f * root), V(set1)(root));
    return NAME(swish_of)(x, V(mul)(x, u));
}

static void NAME(gelu)(const T *x, T *y, size_t n) {
    for (; n >= LANES; n -= LANES, x += LANES, y += LANES)
        V(store)(y, NAME(gelu_of)(V(load)(x)));
    if (n)
        V(store_part)(y, NAME(gelu_of)(V(load_part)(x, n, V(set1)(0))), n);
}

#undef GELU_BOUND
#undef GELU_POWER
#undef EXP2_REST
