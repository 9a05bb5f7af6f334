/* Template: activations of elements, as conv2d.h names them, in the words of vec.h; in float alone.
 * Convolutions apply them to what they have just written. */

/* f(v). The kind is a constant where this is compiled in. */
VEC_INLINE VEC NAME(activation_of)(const infer_activation_kind kind, VEC alpha, VEC beta, VEC v) {
    const VEC zero = V(set1)(0), one = V(set1)(1);
    switch (kind) {
    case INFER_ACTIVATION_LEAKY:
        return V(negative)(v, V(mul)(alpha, v), v);
    case INFER_ACTIVATION_HARD_SIGMOID:
        return V(min)(one, V(max)(zero, V(fma)(alpha, v, beta)));
    case INFER_ACTIVATION_HARD_SWISH:
        return V(mul)(v, V(min)(one, V(max)(zero, V(fma)(alpha, v, beta))));
    case INFER_ACTIVATION_SIGMOID:
        return NAME(sigmoid_of)(v);
    case INFER_ACTIVATION_SWISH:
        return NAME(swish_of)(v, V(mul)(v, V(mul)(alpha, V(set1)(-LOG2_E))));
    case INFER_ACTIVATION_GELU_TANH:
        return NAME(gelu_tanh_of)(v);
    default:
        return v;
    }
}

VEC_INLINE void NAME(activate_as)(const infer_activation_kind kind, const infer_activation *a,
                                  const T *x, T *y, size_t n) {
    const VEC alpha = V(set1)(a->alpha), beta = V(set1)(a->beta);
    const VEC scale = V(set1)(a->scale), shift = V(set1)(a->shift);
    const VEC low = V(set1)(a->low), high = V(set1)(a->high);
    const bool affine = kind && (a->scale < 1 || a->scale > 1 || a->shift < 0 || a->shift > 0);
    const bool bounded = a->low > -INFINITY || a->high < INFINITY;
    const bool simple = kind && kind < INFER_ACTIVATION_SIGMOID; /* some instructions */
    size_t i = 0;
    for (; simple && !affine && !bounded && n - i >= 4 * LANES; i += 4 * LANES)
        foreach (u, 4) {
            const VEC v = V(load)(x + i + u * LANES);
            V(store)(y + i + u * LANES, NAME(activation_of)(kind, alpha, beta, v));
        }
    for (; i < n; i += LANES) {
        const size_t left = n - i;
        VEC v = left < LANES ? V(load_part)(x + i, left, beta) : V(load)(x + i);
        v = NAME(activation_of)(kind, alpha, beta, v);
        if (affine)
            v = V(add)(V(mul)(v, scale), shift);
        v = V(min)(high, V(max)(low, v));
        if (left < LANES)
            V(store_part)(y + i, v, left);
        else
            V(store)(y + i, v);
    }
}

/* LEAKY of places of one panel, each channel with its slope. */
static void NAME(activate_slopes)(const infer_activation *a, const T *x, T *y, size_t n) {
    const VEC scale = V(set1)(a->scale), shift = V(set1)(a->shift);
    const VEC low = V(set1)(a->low), high = V(set1)(a->high);
    for (size_t i = 0; i < n; i += INFER_PANEL)
        foreach (k, INFER_PANEL / LANES) {
            VEC v = V(load)(x + i + k * LANES);
            v = V(negative)(v, V(mul)(V(load)(a->slopes + k * LANES), v), v);
            v = V(add)(V(mul)(v, scale), shift);
            V(store)(y + i + k * LANES, V(min)(high, V(max)(low, v)));
        }
}

static void NAME(activate)(const infer_activation *a, const T *x, T *y, size_t n) {
    if (a->slopes) {
        NAME(activate_slopes)(a, x, y, n);
        return;
    }
    if (a->kind == INFER_ACTIVATION_GELU) { /* long enough to be there once */
        infer_activation rest = *a;
        NAME(gelu)(x, y, n);
        rest.kind = INFER_ACTIVATION_LEAKY;
        rest.alpha = 1;
        if (a->scale < 1 || a->scale > 1 || a->shift < 0 || a->shift > 0 || a->low > -INFINITY ||
            a->high < INFINITY)
            NAME(activate)(&rest, y, y, n);
        return;
    }
    switch (a->kind) {
#define AS(kind)                                                                                   \
    case kind:                                                                                     \
        NAME(activate_as)(kind, a, x, y, n);                                                       \
        break;
        AS(INFER_ACTIVATION_LEAKY)
        AS(INFER_ACTIVATION_HARD_SIGMOID)
        AS(INFER_ACTIVATION_HARD_SWISH)
        AS(INFER_ACTIVATION_SIGMOID)
        AS(INFER_ACTIVATION_SWISH)
        AS(INFER_ACTIVATION_GELU_TANH)
#undef AS
    default:
        NAME(activate_as)(INFER_ACTIVATION_NONE, a, x, y, n);
    }
}

/* The bounds that sums are clipped to as they are stored: none where an activation comes first. */
static infer_activation NAME(bounds_of)(const infer_conv2d *c) {
    return c->act.kind ? INFER_ACTIVATION(INFER_ACTIVATION_NONE, 0, 0) : c->act;
}
