/* Template: sums, differences, products and quotients of arrays, for element type T, suffix S, in
 * the words of vec.h. */

/* Vectors from p on, or one number of them all. */
VEC_INLINE VEC NAME(operand)(const T *p, size_t step, VEC all) {
    return step ? V(load)(p) : all;
}

#define BINARY_EACH(op, sa, sb)                                                                    \
    for (; n - i >= LANES; i += LANES)                                                             \
        V(store)                                                                                   \
    (y + i, V(op)(NAME(operand)(a + i * (sa), sa, all_a), NAME(operand)(b + i * (sb), sb, all_b)))

#define BINARY(name)                                                                               \
    static void NAME(name)(const void *a_, size_t sa, const void *b_, size_t sb, void *y_,         \
                           size_t n) {                                                             \
        const T *a = a_, *b = b_;                                                                  \
        T *y = y_;                                                                                 \
        if (!n)                                                                                    \
            return;                                                                                \
        VEC all_a = V(set1)(*a), all_b = V(set1)(*b);                                              \
        size_t i = 0;                                                                              \
        if (sa && sb)                                                                              \
            BINARY_EACH(name, 1, 1);                                                               \
        else if (sa)                                                                               \
            BINARY_EACH(name, 1, 0);                                                               \
        else                                                                                       \
            BINARY_EACH(name, 0, sb);                                                              \
        if (i < n) {                                                                               \
            VEC one = V(set1)(1);                                                                  \
            VEC u = sa ? V(load_part)(a + i, n - i, one) : all_a;                                  \
            VEC v = sb ? V(load_part)(b + i, n - i, one) : all_b;                                  \
            V(store_part)(y + i, V(name)(u, v), n - i);                                            \
        }                                                                                          \
    }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)
#undef BINARY
#undef BINARY_EACH
