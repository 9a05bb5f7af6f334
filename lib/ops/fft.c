/* Discrete Fourier transforms: Cooley and Tukey's for lengths of small factors, Bluestein's
 * convolution for others. */
#include "fft.h"

#include "checked.h"
#include "status.h"

#include <math.h>

#define PI          3.14159265358979323846
#define MOST_FACTOR 31 /* larger ones cost more than the convolution */

static infer_complex times(infer_complex a, infer_complex b) {
    return (infer_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static infer_complex plus(infer_complex a, infer_complex b) {
    return (infer_complex){a.re + b.re, a.im + b.im};
}

static infer_complex minus(infer_complex a, infer_complex b) {
    return (infer_complex){a.re - b.re, a.im - b.im};
}

/* The factor that a transform of n is taken apart by. */
static size_t factor_of(size_t n) {
    if (n % 4 == 0)
        return 4;
    for (size_t p = 2; p <= MOST_FACTOR; p++)
        if (n % p == 0)
            return p;
    return n;
}

static bool is_hard(size_t n) {
    while (n > 1) {
        size_t p = factor_of(n);
        if (p > MOST_FACTOR)
            return true;
        n /= p;
    }
    return false;
}

/* The elements that are transformed: n, or for a hard n a power of two for 2n - 1. */
static bool length_of(size_t n, size_t *m) {
    *m = n;
    if (!is_hard(n))
        return true;
    for (*m = 1; *m < n; *m *= 2)
        if (*m > SIZE_MAX / 4)
            return false;
    *m *= 2;
    return true;
}

infer_status infer_fft_size(size_t n, size_t *bytes) {
    size_t m, large, small;
    bool fits = length_of(n, &m);
    /* roots, in and out; for a hard n also the chirp, and filter and work of m. */
    fits = fits && infer_mul(m, m == n ? 1 : 4, &large) && infer_mul(n, m == n ? 2 : 3, &small) &&
           infer_add(large, small, &large);
    if (!fits || !infer_mul(large, sizeof(infer_complex), bytes))
        return infer_fail(INFER_ERROR_SHAPE, "a transform of %zu elements is too long", n);
    return INFER_OK;
}

static infer_complex root(double turn) {
    return (infer_complex){cos(2 * PI * turn), -sin(2 * PI * turn)};
}

/* ---- Cooley and Tukey ---- */

/* Joins p transforms of m elements each, which lie behind one another in x, into one of p * m.
 * roots are those of p * m * step. */
static void join(infer_complex *x, size_t p, size_t m, size_t step, const infer_complex *roots) {
    infer_complex t[MOST_FACTOR];
    for (size_t k = 0; k < m; k++) {
        t[0] = x[k];
        for (size_t q = 1; q < p; q++)
            t[q] = times(x[q * m + k], roots[q * k * step]);
        if (p == 2) {
            x[k] = plus(t[0], t[1]);
            x[m + k] = minus(t[0], t[1]);
        } else if (p == 4) {
            infer_complex a = plus(t[0], t[2]), b = minus(t[0], t[2]);
            infer_complex c = plus(t[1], t[3]), d = minus(t[1], t[3]);
            d = (infer_complex){d.im, -d.re}; /* by -j */
            x[k] = plus(a, c);
            x[m + k] = plus(b, d);
            x[2 * m + k] = minus(a, c);
            x[3 * m + k] = minus(b, d);
        } else {
            for (size_t r = 0; r < p; r++) {
                infer_complex sum = t[0];
                for (size_t q = 1; q < p; q++)
                    sum = plus(sum, times(t[q], roots[q * r % p * m * step]));
                x[r * m + k] = sum;
            }
        }
    }
}

/* n elements, `step` apart, into y. */
static void transform(const infer_complex *x, infer_complex *y, size_t n, size_t step,
                      const infer_complex *roots) {
    if (n <= 1) {
        if (n)
            *y = *x;
        return;
    }
    size_t p = factor_of(n), m = n / p;
    for (size_t q = 0; q < p; q++)
        transform(x + q * step, y + q * m, m, step * p, roots);
    join(y, p, m, step, roots);
}

/* ---- Bluestein ---- */

/* ik = (i^2 + k^2 - (k - i)^2) / 2 makes the transform a convolution with the chirp
 * e^(-pi j i^2 / n). i^2 modulo 2n is kept exact. */
static void make_chirp(infer_fft *f) {
    size_t square = 0;
    for (size_t i = 0; i < f->n; i++) {
        f->chirp[i] = root((double)square / (2 * (double)f->n));
        square += 2 * i + 1;
        square %= 2 * f->n;
    }
    for (size_t i = 0; i < f->m; i++)
        f->work[i] = (infer_complex){0, 0};
    for (size_t i = 0; i < f->n; i++) {
        infer_complex c = {f->chirp[i].re, -f->chirp[i].im};
        f->work[i] = c;
        if (i)
            f->work[f->m - i] = c;
    }
    transform(f->work, f->filter, f->m, 1, f->roots);
}

static void convolve(const infer_fft *f) {
    infer_complex *spectrum = f->work + f->m;
    for (size_t i = 0; i < f->m; i++)
        f->work[i] = i < f->n ? times(f->in[i], f->chirp[i]) : (infer_complex){0, 0};
    transform(f->work, spectrum, f->m, 1, f->roots);
    for (size_t i = 0; i < f->m; i++) {
        infer_complex c = times(spectrum[i], f->filter[i]);
        spectrum[i] = (infer_complex){c.re, -c.im}; /* the way back is that of the conjugates */
    }
    transform(spectrum, f->work, f->m, 1, f->roots);
    for (size_t i = 0; i < f->n; i++) {
        infer_complex c = {f->work[i].re / (double)f->m, -f->work[i].im / (double)f->m};
        f->out[i] = times(c, f->chirp[i]);
    }
}

/* ---- a transform ---- */

void infer_fft_begin(infer_fft *f, size_t n, void *memory) {
    infer_complex *next = memory;
    *f = (infer_fft){.n = n};
    length_of(n, &f->m);
    f->roots = next;
    next += f->m;
    f->in = next;
    next += n;
    f->out = next;
    next += n;
    for (size_t i = 0; i < f->m; i++)
        f->roots[i] = root((double)i / (double)f->m);
    if (f->m == n)
        return;
    f->chirp = next;
    next += n;
    f->filter = next;
    next += f->m;
    f->work = next; /* two of m */
    make_chirp(f);
}

void infer_fft_run(const infer_fft *f) {
    if (f->m == f->n)
        transform(f->in, f->out, f->n, 1, f->roots);
    else
        convolve(f);
}
