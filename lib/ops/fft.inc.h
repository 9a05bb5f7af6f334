/* Cooley and Tukey's transform in the precision REAL; names end in the one given by NAME. Included
 * by fft.c once for each. */

static NAME(number) NAME(times)(NAME(number) a, NAME(number) b) {
    return (NAME(number)){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static NAME(number) NAME(plus)(NAME(number) a, NAME(number) b) {
    return (NAME(number)){a.re + b.re, a.im + b.im};
}

static NAME(number) NAME(minus)(NAME(number) a, NAME(number) b) {
    return (NAME(number)){a.re - b.re, a.im - b.im};
}

/* Five numbers, by what cosines and sines of a fifth turn and two fifths have in common. */
static void NAME(join_five)(NAME(number) * x, size_t m, const NAME(number) * t) {
    static const REAL c1 = (REAL)0.30901699437494742, c2 = (REAL)-0.80901699437494742;
    static const REAL s1 = (REAL)0.95105651629515357, s2 = (REAL)0.58778525229247313;
    NAME(number) a = NAME(plus)(t[1], t[4]), b = NAME(minus)(t[1], t[4]);
    NAME(number) c = NAME(plus)(t[2], t[3]), d = NAME(minus)(t[2], t[3]);
    NAME(number) e = {t[0].re + c1 * a.re + c2 * c.re, t[0].im + c1 * a.im + c2 * c.im};
    NAME(number) f = {t[0].re + c2 * a.re + c1 * c.re, t[0].im + c2 * a.im + c1 * c.im};
    NAME(number) g = {s1 * b.im + s2 * d.im, -(s1 * b.re + s2 * d.re)};
    NAME(number) h = {s2 * b.im - s1 * d.im, -(s2 * b.re - s1 * d.re)};
    x[0] = NAME(plus)(NAME(plus)(t[0], a), c);
    x[m] = NAME(plus)(e, g);
    x[4 * m] = NAME(minus)(e, g);
    x[2 * m] = NAME(plus)(f, h);
    x[3 * m] = NAME(minus)(f, h);
}

/* Joins p transforms of m elements each, which lie behind one another in x, into one of p * m.
 * roots are those of p * m * step. */
static void NAME(join)(NAME(number) * x, size_t p, size_t m, size_t step,
                       const NAME(number) * roots) {
    NAME(number) t[MOST_FACTOR];
    for (size_t k = 0; k < m; k++) {
        t[0] = x[k];
        for (size_t q = 1; q < p; q++)
            t[q] = NAME(times)(x[q * m + k], roots[q * k * step]);
        if (p == 2) {
            x[k] = NAME(plus)(t[0], t[1]);
            x[m + k] = NAME(minus)(t[0], t[1]);
        } else if (p == 4) {
            NAME(number) a = NAME(plus)(t[0], t[2]), b = NAME(minus)(t[0], t[2]);
            NAME(number) c = NAME(plus)(t[1], t[3]), d = NAME(minus)(t[1], t[3]);
            d = (NAME(number)){d.im, -d.re}; /* by -j */
            x[k] = NAME(plus)(a, c);
            x[m + k] = NAME(plus)(b, d);
            x[2 * m + k] = NAME(minus)(a, c);
            x[3 * m + k] = NAME(minus)(b, d);
        } else if (p == 5) {
            NAME(join_five)(x + k, m, t);
        } else {
            for (size_t r = 0; r < p; r++) {
                NAME(number) sum = t[0];
                for (size_t q = 1; q < p; q++)
                    sum = NAME(plus)(sum, NAME(times)(t[q], roots[q * r % p * m * step]));
                x[r * m + k] = sum;
            }
        }
    }
}

/* n elements, `step` apart, into y. */
static void NAME(transform)(const NAME(number) * x, NAME(number) * y, size_t n, size_t step,
                            const NAME(number) * roots) {
    if (n <= 1) {
        if (n)
            *y = *x;
        return;
    }
    size_t p = factor_of(n), m = n / p;
    for (size_t q = 0; q < p; q++)
        NAME(transform)(x + q * step, y + q * m, m, step * p, roots);
    NAME(join)(y, p, m, step, roots);
}
