/* Discrete Fourier transforms: Cooley and Tukey's for lengths of small factors, Bluestein's
 * convolution for others. */
#include "fft.h"

#include "checked.h"
#include "status.h"

#include <math.h>

#define PI          3.14159265358979323846
#define MOST_FACTOR 31 /* larger ones cost more than the convolution */

/* The factor that a transform of n is taken apart by, odd ones first. */
static size_t factor_of(size_t n) {
    if ((n & (n - 1)) == 0) /* most, without divisions */
        return n < 4 ? n : 4;
    for (size_t p = 3; p <= MOST_FACTOR; p += 2)
        if (n % p == 0)
            return p;
    return n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : n;
}

typedef infer_complex number_f64;
typedef struct number_f32 {
    float re, im;
} number_f32;

#define REAL       double
#define NAME(name) name##_f64
#include "fft.inc.h"
#undef REAL
#undef NAME
#define REAL       float
#define NAME(name) name##_f32
#include "fft.inc.h"
#undef REAL
#undef NAME

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
    /* roots, in and out, and these in single precision; for a hard n also the chirp, and filter and
     * work of m. */
    fits = fits && infer_mul(m, m == n ? 1 : 4, &large) && infer_mul(n, m == n ? 4 : 3, &small) &&
           infer_add(large, small, &large);
    if (!fits || !infer_mul(large, sizeof(infer_complex), bytes))
        return infer_fail(INFER_ERROR_SHAPE, "a transform of %zu elements is too long", n);
    return INFER_OK;
}

static infer_complex root(double turn) {
    return (infer_complex){cos(2 * PI * turn), -sin(2 * PI * turn)};
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
    transform_f64(f->work, f->filter, f->m, 1, f->roots);
}

static void convolve(const infer_fft *f) {
    infer_complex *spectrum = f->work + f->m;
    for (size_t i = 0; i < f->m; i++)
        f->work[i] = i < f->n ? times_f64(f->in[i], f->chirp[i]) : (infer_complex){0, 0};
    transform_f64(f->work, spectrum, f->m, 1, f->roots);
    for (size_t i = 0; i < f->m; i++) {
        infer_complex c = times_f64(spectrum[i], f->filter[i]);
        spectrum[i] = (infer_complex){c.re, -c.im}; /* the way back is that of the conjugates */
    }
    transform_f64(spectrum, f->work, f->m, 1, f->roots);
    for (size_t i = 0; i < f->n; i++) {
        infer_complex c = {f->work[i].re / (double)f->m, -f->work[i].im / (double)f->m};
        f->out[i] = times_f64(c, f->chirp[i]);
    }
}

/* ---- a transform ---- */

void infer_fft_begin(infer_fft *f, size_t n, bool single, void *memory) {
    infer_complex *next = memory;
    *f = (infer_fft){.n = n, .single = single};
    length_of(n, &f->m);
    f->roots = next;
    next += f->m;
    f->in = next;
    next += n;
    f->out = next;
    next += n;
    for (size_t i = 0; i < f->m; i++)
        f->roots[i] = root((double)i / (double)f->m);
    f->work = next; /* single: roots, in and out again. Else two of m behind chirp and filter. */
    if (f->m == n) {
        number_f32 *roots = (number_f32 *)f->work;
        for (size_t i = 0; i < n && single; i++)
            roots[i] = (number_f32){(float)f->roots[i].re, (float)f->roots[i].im};
        return;
    }
    f->chirp = next;
    next += n;
    f->filter = next;
    next += f->m;
    f->work = next;
    make_chirp(f);
}

static void transform_single(const infer_fft *f) {
    number_f32 *roots = (number_f32 *)f->work, *in = roots + f->n, *out = in + f->n;
    for (size_t i = 0; i < f->n; i++)
        in[i] = (number_f32){(float)f->in[i].re, (float)f->in[i].im};
    transform_f32(in, out, f->n, 1, roots);
    for (size_t i = 0; i < f->n; i++)
        f->out[i] = (infer_complex){(double)out[i].re, (double)out[i].im};
}

void infer_fft_run(const infer_fft *f) {
    if (f->m != f->n)
        convolve(f);
    else if (f->single)
        transform_single(f);
    else
        transform_f64(f->in, f->out, f->n, 1, f->roots);
}
