/* Template: e^x and what is built on it, a vector at a time, for element type T, suffix S, in the
 * words of vec.h.
 *
 * e^x: x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite: ln 2 in two parts, multiply-adds), then
 * e^r - 1 = r + r^2 q(r), q a minimax polynomial of the relative error of e^r by Remez exchange,
 * of degree 4 (2^-28.3) for float and 9 (2^-57.9) for double. Then
 *     e^x        2^n (1 + (e^r - 1))
 *     sigmoid    t / (1 + t) below zero and 1 / (1 + t) above, t = e^-|x|
 *     tanh       u / (u + 2), u = e^2|x| - 1 = 2^n (e^r - 1) + (2^n - 1), the sign put back
 *
 * erf: |x| + |x| s(x^2) below one, s a minimax polynomial of the relative error, of degree 6
 * (2^-29.6) and 11 (2^-56.9); from one on 1 - e^-l(|x| - 1), l one of -log(erfc), of degree 7
 * (2^-35 of erf) and 19 (2^-62). */

typedef struct NAME(power) {
    VEC n, less_one; /* the power of two, e^r - 1 */
} NAME(power);

VEC_POLYNOMIAL(exp_rest, EXP_POLYNOMIAL)

VEC_INLINE NAME(power) NAME(reduce)(VEC x) {
    VEC n = V(round)(V(mul)(x, V(set1)(LOG2_E)));
    VEC r = V(fnma)(n, V(set1)(LN2_LOW), V(fnma)(n, V(set1)(LN2_HIGH), x));
    return (NAME(power)){n, V(fma)(V(mul)(r, r), NAME(exp_rest)(r), r)};
}

VEC_INLINE VEC NAME(exp_of)(VEC x) {
    /* What lies outside is 0 or infinity; NaN passes. Infinity comes of scaling, zero does not: an
     * underflow is slow, and a row masked by -inf is full of them. */
    const VEC least = V(set1)(EXP_MIN);
    NAME(power) e = NAME(reduce)(V(min)(V(set1)(EXP_MAX), V(max)(least, x)));
    return V(scale)(V(zero_below)(x, least, V(add)(e.less_one, V(set1)(1))), e.n);
}

/* Of numbers whose power is a normal one. */
VEC_INLINE VEC NAME(exp_inside)(VEC x) {
    NAME(power) e = NAME(reduce)(x);
    VEC two_n = V(pow2)(e.n);
    return V(fma)(two_n, e.less_one, two_n);
}

VEC_INLINE VEC NAME(sigmoid_of)(VEC x) {
    const VEC one = V(set1)(1);
    VEC t = NAME(exp_of)(V(or)(x, V(set1)((T)-0.0)));
    return V(div)(V(negative)(x, t, one), V(add)(one, t));
}

VEC_INLINE VEC NAME(tanh_of)(VEC x) {
    const VEC one = V(set1)(1), sign_bit = V(set1)((T)-0.0);
    VEC magnitude = V(sub)(V(set1)(0), V(or)(x, sign_bit));
    NAME(power) e = NAME(reduce)(V(min)(V(set1)(TANH_MAX), V(add)(magnitude, magnitude)));
    VEC two_n = V(pow2)(e.n);
    VEC u = V(fma)(two_n, e.less_one, V(sub)(two_n, one));
    return V(or)(V(div)(u, V(add)(u, V(set1)(2))), V(and)(x, sign_bit));
}

VEC_POLYNOMIAL(erf_small, ERF_SMALL)
VEC_POLYNOMIAL(erf_large, ERF_LARGE)

VEC_INLINE VEC NAME(erf_of)(VEC x) {
    const VEC one = V(set1)(1), zero = V(set1)(0), sign_bit = V(set1)((T)-0.0);
    VEC minus = V(or)(x, sign_bit), a = V(sub)(zero, minus);
    VEC small = V(fma)(a, NAME(erf_small)(V(mul)(a, a)), a);
    VEC far = V(sub)(V(min)(V(set1)(ERF_MAX), a), one);
    VEC large = V(sub)(one, NAME(exp_inside)(V(sub)(zero, NAME(erf_large)(far))));
    /* Each is 0 where the other is meant; what is too large for small's polynomial is there too. */
    small = V(zero_below)(minus, V(set1)(-BELOW_ONE), small);
    large = V(zero_below)(a, one, large);
    return V(or)(V(add)(small, large), V(and)(x, sign_bit));
}
