/* exp, sigmoid, tanh, erf and the softmax family: every variant against wider arithmetic in units
 * in the last place, at the edges of the number line, in place, and with memory that ends where
 * they do.
 */
#include "activated.h"
#include "unit.h"
#include "variants.h"

#include <float.h>
#include <math.h>
#include <string.h>

static variant list[VARIANTS_MAX];
static size_t count;

/* Distance of got from the exact value in units of T's last place at that value, with digits
 * binary digits and the least exponent of a normal number. */
static double ulps(long double got, long double exact, int digits, int least, long double max) {
    if (got == exact || (isnan(got) && isnan(exact)))
        return 0;
    int e;
    frexpl(exact, &e);
    long double ulp = ldexpl(1, (exact == 0 || e < least ? least : e) - digits);
    /* What rounds to infinity lies half a unit above the largest number. */
    if (isinf(got) && (got > 0) == (exact > 0) && fabsl(exact) > max)
        return 0;
    return (double)(fabsl(got - exact) / ulp);
}

/* An odd number of lanes, so that every place in a vector and every kind of tail is met. */
#define BATCH 1021

/* W computes the truth: its functions have suffix M. EXP and ERF are the bounds of their errors.
 * SWEEP points lie densely in the range where the functions are neither constant nor linear. */
#define FUNCTIONS(T, S, W, M, DIGITS, LEAST, MAX, EXP, ERF, RANGE, SWEEP)                          \
    static W exact_exp_##S(W x) {                                                                  \
        return exp##M(x);                                                                          \
    }                                                                                              \
    static W exact_tanh_##S(W x) {                                                                 \
        return tanh##M(x);                                                                         \
    }                                                                                              \
    static W exact_erf_##S(W x) {                                                                  \
        return erf##M(x);                                                                          \
    }                                                                                              \
    static W exact_sigmoid_##S(W x) {                                                              \
        return x < 0 ? exp##M(x) / (1 + exp##M(x)) : 1 / (1 + exp##M(-x));                         \
    }                                                                                              \
                                                                                                   \
    typedef void map_##S(const T *x, T *y, size_t n);                                              \
    typedef struct function_##S {                                                                  \
        const char *name;                                                                          \
        W (*exact)(W);                                                                             \
        size_t offset; /* of the kernel in the table */                                            \
        double bound;  /* in units in the last place, as kernels.h says */                         \
        T bend;        /* constant from here on */                                                 \
    } function_##S;                                                                                \
    static const function_##S functions_##S[] = {                                                  \
        {"exp", exact_exp_##S, offsetof(infer_kernels, exp_##S), EXP, RANGE},                      \
        {"sigmoid", exact_sigmoid_##S, offsetof(infer_kernels, sigmoid_##S), 2.5, RANGE},          \
        {"tanh", exact_tanh_##S, offsetof(infer_kernels, tanh_##S), 2.7, 24},                      \
        {"erf", exact_erf_##S, offsetof(infer_kernels, erf_##S), ERF, 7},                          \
    };                                                                                             \
    enum { FUNCTIONS_##S = sizeof functions_##S / sizeof *functions_##S };                         \
    static map_##S *kernel_##S(const variant *v, const function_##S *f) {                          \
        map_##S *kernel;                                                                           \
        memcpy(&kernel, (const char *)&v->k + f->offset, sizeof kernel);                           \
        return kernel;                                                                             \
    }                                                                                              \
                                                                                                   \
    static double batch_##S(const variant *v, const function_##S *f, const T *x, size_t n) {       \
        static T y[BATCH];                                                                         \
        double worst = 0;                                                                          \
        kernel_##S(v, f)(x, y, n);                                                                 \
        for (size_t i = 0; i < n; i++) {                                                           \
            double u = ulps((long double)y[i], (long double)f->exact((W)x[i]), DIGITS, LEAST,      \
                            (long double)MAX);                                                     \
            if (!(u <= f->bound))                                                                  \
                fail_msg("%s %s_%s(%.17g) = %.17g is %.2f ulp off", v->name, f->name, #S,          \
                         (double)x[i], (double)y[i], u);                                           \
            worst = u > worst ? u : worst;                                                         \
        }                                                                                          \
        return worst;                                                                              \
    }                                                                                              \
                                                                                                   \
    /* Every exponent of T in both signs, then the range where the function bends. */              \
    static void accuracy_##S(void **state) {                                                       \
        (void)state;                                                                               \
        static T x[BATCH];                                                                         \
        for (size_t i = 0; i < count; i++)                                                         \
            for (size_t j = 0; j < FUNCTIONS_##S && list[i].kind != VARIANT_BLAS; j++) {           \
                const function_##S *f = &functions_##S[j];                                         \
                double worst = 0, u;                                                               \
                for (int e = LEAST - DIGITS; e <= 1 - LEAST; e++) {                                \
                    for (size_t p = 0; p < 64; p++)                                                \
                        x[p] = (T)ldexp((1 + fabs(number())) * (p % 2 ? 1 : -1), e);               \
                    u = batch_##S(&list[i], f, x, 64);                                             \
                    worst = u > worst ? u : worst;                                                 \
                }                                                                                  \
                for (size_t at = 0; at < SWEEP; at += BATCH) {                                     \
                    for (size_t p = 0; p < BATCH; p++)                                             \
                        x[p] = (T)((((double)(at + p) + number()) / SWEEP * 2 - 1) *               \
                                   (double)f->bend);                                               \
                    u = batch_##S(&list[i], f, x, BATCH);                                          \
                    worst = u > worst ? u : worst;                                                 \
                }                                                                                  \
                print_message("%-12s %s_%s: %.2f ulp\n", list[i].name, f->name, #S, worst);        \
            }                                                                                      \
    }                                                                                              \
                                                                                                   \
    static T one_##S(map_##S *f, T x) {                                                            \
        f(&x, &x, 1);                                                                              \
        return x;                                                                                  \
    }                                                                                              \
                                                                                                   \
    static void edges_##S(void **state) {                                                          \
        (void)state;                                                                               \
        const T inf = (T)INFINITY, nan = (T)NAN, tiny = (T)ldexp(1, LEAST - DIGITS);               \
        const T big = (T)MAX, zero = 0;                                                            \
        for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++) {                       \
            const infer_kernels *k = &list[i].k;                                                   \
            assert_true(one_##S(k->exp_##S, inf) == inf && one_##S(k->exp_##S, big) == inf);       \
            assert_true(one_##S(k->exp_##S, -inf) == 0 && one_##S(k->exp_##S, -big) == 0);         \
            assert_true(one_##S(k->exp_##S, zero) == 1 && one_##S(k->exp_##S, -zero) == 1);        \
            assert_true(one_##S(k->exp_##S, tiny) == 1 && isnan(one_##S(k->exp_##S, nan)));        \
            assert_true(one_##S(k->sigmoid_##S, inf) == 1 && one_##S(k->sigmoid_##S, big) == 1);   \
            assert_true(one_##S(k->sigmoid_##S, -inf) == 0 && one_##S(k->sigmoid_##S, -big) == 0); \
            assert_true(one_##S(k->sigmoid_##S, zero) == (T)0.5);                                  \
            assert_true(one_##S(k->sigmoid_##S, -zero) == (T)0.5);                                 \
            assert_true(isnan(one_##S(k->sigmoid_##S, nan)));                                      \
            assert_true(one_##S(k->tanh_##S, inf) == 1 && one_##S(k->tanh_##S, -inf) == -1);       \
            assert_true(one_##S(k->tanh_##S, big) == 1 && one_##S(k->tanh_##S, -big) == -1);       \
            assert_true(one_##S(k->tanh_##S, tiny) == tiny);                                       \
            assert_true(one_##S(k->tanh_##S, -tiny) == -tiny);                                     \
            assert_true(!signbit(one_##S(k->tanh_##S, zero)) && !one_##S(k->tanh_##S, zero));      \
            assert_true(signbit(one_##S(k->tanh_##S, -zero)) && !one_##S(k->tanh_##S, -zero));     \
            assert_true(isnan(one_##S(k->tanh_##S, nan)));                                         \
            assert_true(one_##S(k->erf_##S, inf) == 1 && one_##S(k->erf_##S, -inf) == -1);         \
            assert_true(one_##S(k->erf_##S, big) == 1 && one_##S(k->erf_##S, -big) == -1);         \
            assert_true(!signbit(one_##S(k->erf_##S, zero)) && !one_##S(k->erf_##S, zero));        \
            assert_true(signbit(one_##S(k->erf_##S, -zero)) && !one_##S(k->erf_##S, -zero));       \
            assert_true(isnan(one_##S(k->erf_##S, nan)));                                          \
            /* The last number before infinity and the first after; the subnormals. */             \
            T edge = (T)log##M((W)MAX);                                                            \
            edge = (W)exp##M((W)edge) > (W)MAX ? (T)nextafter##S(edge, 0) : edge;                  \
            assert_true(isfinite(one_##S(k->exp_##S, edge)));                                      \
            assert_true(isinf(one_##S(k->exp_##S, (T)nextafter##S(edge, inf))));                   \
            T sub = one_##S(k->exp_##S, (T)((LEAST - 4) * 0.693147180559945));                     \
            assert_true(sub > 0 && sub < (T)ldexp(1, LEAST - 1));                                  \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* At every size, out of place and in place, between fences. */                                \
    static void shapes_##S(void **state) {                                                         \
        (void)state;                                                                               \
        for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++)                         \
            for (size_t j = 0; j < FUNCTIONS_##S; j++)                                             \
                for (size_t n = 0; n < 70; n++) {                                                  \
                    map_##S *f = kernel_##S(&list[i], &functions_##S[j]);                          \
                    T *x = fenced(0, n * sizeof(T)), *y = fenced(1, n * sizeof(T));                \
                    for (size_t p = 0; p < n; p++)                                                 \
                        x[p] = (T)(number() * 5);                                                  \
                    f(x, y, n);                                                                    \
                    for (size_t p = 0; p < n; p++)                                                 \
                        assert_true(y[p] == one_##S(f, x[p]));                                     \
                    f(x, x, n);                                                                    \
                    assert_true(memcmp(x, y, n * sizeof(T)) == 0);                                 \
                    assert_true(fence_holds(0) && fence_holds(1));                                 \
                }                                                                                  \
    }                                                                                              \
                                                                                                   \
    static void softmax_case_##S(const variant *v, size_t n, double spread) {                      \
        T *x = fenced(0, n * sizeof(T)), *y = fenced(1, n * sizeof(T));                            \
        T *l = fenced(2, n * sizeof(T));                                                           \
        W max = -(W)INFINITY, sum = 0;                                                             \
        for (size_t i = 0; i < n; i++) {                                                           \
            x[i] = (T)(number() * spread);                                                         \
            max = (W)x[i] > max ? (W)x[i] : max;                                                   \
        }                                                                                          \
        for (size_t i = 0; i < n; i++)                                                             \
            sum += exp##M((W)x[i] - max);                                                          \
        W lse = max + log##M(sum), unit = (W)ldexp(1, 1 - DIGITS);                                 \
        /* x - max is rounded before the exponential sees it, twice as often in the logarithm;     \
         * the sum of a block of 64 vectors adds at most half a unit an addition. */               \
        W summing = 32 + 4, one = 1;                                                               \
        v->k.softmax_##S(x, y, n);                                                                 \
        v->k.log_softmax_##S(x, l, n);                                                             \
        T got = v->k.logsumexp_##S(x, n);                                                          \
        assert_true(fabsl((W)got - lse) <= unit * (summing + fabsl(lse) + fabsl(max)));            \
        for (size_t i = 0; i < n; i++) {                                                           \
            W d = (W)x[i] - max, p = exp##M(d) / sum;                                              \
            W least = (W)ldexp(1, LEAST - DIGITS);                                                 \
            if (!(fabsl((W)y[i] - p) <= unit * (fabsl(d) + summing) * p + least))                  \
                fail_msg("%s softmax_%s n %zu at %zu: %.17g instead of %.17g", v->name, #S, n, i,  \
                         (double)y[i], (double)p);                                                 \
            assert_true(fabsl((W)l[i] - (d - log##M(sum))) <=                                      \
                        unit * (summing + 2 * fabsl(d) + one));                                    \
        }                                                                                          \
        memcpy(l, x, n * sizeof(T));                                                               \
        v->k.softmax_##S(l, l, n);                                                                 \
        assert_true(memcmp(l, y, n * sizeof(T)) == 0);                                             \
        v->k.log_softmax_##S(x, y, n);                                                             \
        v->k.log_softmax_##S(x, x, n);                                                             \
        assert_true(memcmp(x, y, n * sizeof(T)) == 0);                                             \
        assert_true(fence_holds(0) && fence_holds(1) && fence_holds(2));                           \
    }                                                                                              \
                                                                                                   \
    /* Sets x to value but for one place; says whether all of y is NaN. */                         \
    static bool all_nan_##S(void (*f)(const T *, T *, size_t), size_t n, T value, size_t place,    \
                            T other) {                                                             \
        T x[70], y[70];                                                                            \
        for (size_t i = 0; i < n; i++)                                                             \
            x[i] = i == place ? other : value;                                                     \
        f(x, y, n);                                                                                \
        for (size_t i = 0; i < n; i++)                                                             \
            if (!isnan(y[i]))                                                                      \
                return false;                                                                      \
        return true;                                                                               \
    }                                                                                              \
                                                                                                   \
    static void softmax_##S(void **state) {                                                        \
        (void)state;                                                                               \
        const T inf = (T)INFINITY, nan = (T)NAN;                                                   \
        for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++) {                       \
            const infer_kernels *k = &list[i].k;                                                   \
            for (size_t n = 1; n < 70; n++) {                                                      \
                softmax_case_##S(&list[i], n, 1);                                                  \
                softmax_case_##S(&list[i], n, 40);                                                 \
                softmax_case_##S(&list[i], n, 300);                                                \
                size_t at = choose(n);                                                             \
                assert_true(all_nan_##S(k->softmax_##S, n, 1, at, nan));                           \
                assert_true(all_nan_##S(k->softmax_##S, n, -inf, at, nan));                        \
                assert_true(all_nan_##S(k->softmax_##S, n, -inf, at, -inf));                       \
                assert_true(all_nan_##S(k->softmax_##S, n, 1, at, inf));                           \
                assert_true(all_nan_##S(k->log_softmax_##S, n, 1, at, nan));                       \
                assert_true(all_nan_##S(k->log_softmax_##S, n, -inf, at, -inf));                   \
                T x[70], y[70];                                                                    \
                for (size_t p = 0; p < n; p++)                                                     \
                    x[p] = -inf;                                                                   \
                assert_true(k->logsumexp_##S(x, n) == -inf);                                       \
                x[at] = 3;                                                                         \
                k->softmax_##S(x, y, n);                                                           \
                for (size_t p = 0; p < n; p++)                                                     \
                    assert_true(y[p] == (p == at));                                                \
                k->log_softmax_##S(x, y, n);                                                       \
                for (size_t p = 0; p < n; p++)                                                     \
                    assert_true(y[p] == (p == at ? 0 : -inf));                                     \
                assert_true(k->logsumexp_##S(x, n) == 3);                                          \
                x[at] = inf;                                                                       \
                assert_true(k->logsumexp_##S(x, n) == inf);                                        \
                x[choose(n)] = nan;                                                                \
                assert_true(isnan(k->logsumexp_##S(x, n)));                                        \
                for (size_t p = 0; p < n; p++)                                                     \
                    x[p] = -5;                                                                     \
                k->softmax_##S(x, y, n);                                                           \
                for (size_t p = 0; p < n; p++)                                                     \
                    assert_true(y[p] == (T)1 / (T)n);                                              \
            }                                                                                      \
            assert_true(k->logsumexp_##S(NULL, 0) == -inf);                                        \
            k->softmax_##S(NULL, NULL, 0);                                                         \
            k->log_softmax_##S(NULL, NULL, 0);                                                     \
            softmax_case_##S(&list[i], 1000, 10);                                                  \
            softmax_case_##S(&list[i], 20011, 5);                                                  \
        }                                                                                          \
    }
#define nextafterf32 nextafterf
#define nextafterf64 nextafter
FUNCTIONS(float, f32, double, , 24, -125, FLT_MAX, 1.02, 1.1, 104, INFER_TEST_SWEEP)
FUNCTIONS(double, f64, long double, l, 53, -1021, DBL_MAX, 1.1, 1.3, 745, INFER_TEST_SWEEP / 4)

static double exact_gelu(double x) {
    return x / 2 * erfc(-x * 0.70710678118654752440);
}

/* Over its bend and far beyond, of every length, in place. */
static void gelu(void **state) {
    (void)state;
    for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++)
        for (size_t n = 0; n < 300; n++) {
            float x[300], *y = fenced(0, n * sizeof *y);
            for (size_t j = 0; j < n; j++)
                y[j] = x[j] = (float)(number() * (n % 2 ? 6 : ldexp(1, (int)choose(40) - 20)));
            list[i].k.gelu_f32(y, y, n);
            for (size_t j = 0; j < n; j++)
                if (!(fabs((double)y[j] - exact_gelu((double)x[j])) <=
                      0x1p-23 * fabs((double)x[j])))
                    fail_msg("%s gelu(%.9g) = %.9g", list[i].name, (double)x[j], (double)y[j]);
            assert_true(fence_holds(0));
        }
}

/* Every length and way to broadcast, in place of either: the bits of the C operator. */
static void arithmetic(void **state) {
    (void)state;
    for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++)
        for (size_t n = 1; n < 70; n++)
            for (int way = 0; way < 16; way++) {
                size_t sa = way & 1, sb = way >> 1 & 1;
                float *a = fenced(0, (sa ? n : 1) * sizeof *a),
                      *b = fenced(1, (sb ? n : 1) * sizeof *b);
                float want[4][70];
                *a = *b = 3;
                for (size_t j = 0; j < n; j++) {
                    a[j * sa] = sa || !j ? (float)number() : *a;
                    b[j * sb] = sb || !j ? (float)number() : *b;
                }
                for (size_t j = 0; j < n; j++) {
                    want[0][j] = a[j * sa] + b[j * sb];
                    want[1][j] = a[j * sa] - b[j * sb];
                    want[2][j] = a[j * sa] * b[j * sb];
                    want[3][j] = a[j * sa] / b[j * sb];
                }
                const infer_kernels *k = &list[i].k;
                void(*const f[]) INFER_BINARY = {k->add_f32, k->sub_f32, k->mul_f32, k->div_f32};
                float *y = n % 2 && sa ? a : n % 2 && sb ? b : fenced(2, n * sizeof *y);
                f[way >> 2](a, sa, b, sb, y, n);
                assert_true(memcmp(y, want[way >> 2], n * sizeof *y) == 0);
                assert_true(fence_holds(0) && fence_holds(1));
            }
}

/* Bounds: the bits of the C operators, a NaN among the numbers, of every length, in place. */
static void bounds(void **state) {
    (void)state;
    for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++)
        for (size_t n = 0; n < 100; n++) {
            float x[100], *y = fenced(0, n * sizeof *y);
            for (size_t j = 0; j < n; j++)
                y[j] = x[j] = choose(20) ? (float)(number() * (n % 3 ? 6 : 1000)) : NAN;
            list[i].k.clip_f32(y, y, n, -1, 2);
            for (size_t j = 0; j < n; j++) {
                float v = x[j] < -1 ? -1 : x[j] > 2 ? 2 : x[j];
                assert_true(y[j] == v || (isnan(y[j]) && isnan(v)));
            }
            assert_true(fence_holds(0));
        }
}

/* Every kind, scaled, shifted and bounded or not, of every length, in place; a NaN stays one. */
static void activations(void **state) {
    (void)state;
    for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++)
        for (size_t n = 0; n < 400; n++) {
            infer_activation a = any_activation();
            const size_t length = a.slopes ? n % 100 / 16 * 16 : n % 100;
            float x[100], *y = fenced(0, length * sizeof *y);
            for (size_t j = 0; j < length; j++)
                y[j] = x[j] = choose(20) ? (float)(number() * (n % 3 ? 6 : 1000)) : NAN;
            list[i].k.activate_f32(&a, y, y, length);
            for (size_t j = 0; j < length; j++) {
                double exact = activated(&a, j % 16, (double)x[j]);
                double bound = (1 + fabs((double)x[j])) * 0x1p-22;
                if (!(fabs((double)y[j] - exact) <= bound) && !(isnan(y[j]) && isnan(x[j])))
                    fail_msg("%s: activation %d of %.9g is %.9g instead of %.9g", list[i].name,
                             (int)a.kind, (double)x[j], (double)y[j], exact);
            }
            assert_true(fence_holds(0));
        }
}

/* Rows of every length, far from 0 too. */
static void normalize(void **state) {
    (void)state;
    for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++)
        for (size_t n = 1; n < 900; n += n < 70 ? 1 : 61) {
            float x[900], *y = fenced(0, n * sizeof *y), *scale = fenced(1, n * sizeof *y);
            float *bias = n % 3 ? fenced(2, n * sizeof *y) : NULL;
            const bool centered = n % 2;
            double mean = 0, var = 0, shift = n % 5 ? 0 : 100;
            for (size_t j = 0; j < n; j++) {
                y[j] = x[j] = (float)(number() * 3 + shift);
                scale[j] = (float)number();
                if (bias)
                    bias[j] = (float)number();
                mean += centered ? (double)x[j] / (double)n : 0;
            }
            for (size_t j = 0; j < n; j++)
                var += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)n;
            list[i].k.normalize_f32(y, n, 0.01f, centered, scale, bias, y);
            double inverse = 1 / sqrt(var + (double)0.01f);
            for (size_t j = 0; j < n; j++) {
                double f = inverse * (double)scale[j], d = (double)x[j] - mean;
                double exact = d * f + (bias ? (double)bias[j] : 0);
                double size = (fabs((double)x[j]) + fabs(mean)) * fabs(f) +
                              (double)(8 + n / 8) * (fabs(d) + sqrt(var)) * fabs(f) + fabs(exact);
                if (!(fabs((double)y[j] - exact) <= size * 0x1p-23))
                    fail_msg("%s normalize of %zu at %zu: %.9g instead of %.9g", list[i].name, n, j,
                             (double)y[j], exact);
            }
            assert_true(fence_holds(0));
        }
}

static void widen(void **state) {
    (void)state;
    for (size_t i = 0; i < count && list[i].kind != VARIANT_BLAS; i++)
        for (size_t k = 0; k < 20; k++) {
            int8_t *x = fenced(0, k * INFER_PANEL);
            float *scale = fenced(1, INFER_PANEL * sizeof *scale);
            float *y = fenced(2, k * INFER_PANEL * sizeof *y);
            for (size_t j = 0; j < INFER_PANEL; j++)
                scale[j] = (float)number();
            for (size_t j = 0; j < k * INFER_PANEL; j++)
                x[j] = (int8_t)((int)choose(256) - 128);
            list[i].k.widen_panel_f32(k, x, scale, y);
            for (size_t j = 0; j < k * INFER_PANEL; j++)
                assert_true(y[j] == (float)x[j] * scale[j % INFER_PANEL]);
            assert_true(fence_holds(2));
            uint16_t *half = fenced(3, k * INFER_PANEL * sizeof *half);
            for (size_t j = 0; j < k * INFER_PANEL; j++)
                half[j] = (uint16_t)choose(65536);
            list[i].k.widen_half_f32(half, y, k * INFER_PANEL);
            for (size_t j = 0; j < k * INFER_PANEL; j++) {
                uint32_t bits = (uint32_t)half[j] << 16;
                assert_true(memcmp(&y[j], &bits, sizeof bits) == 0);
            }
            assert_true(fence_holds(2));
        }
}

int main(void) {
    count = variants_find(list);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accuracy_f32), cmocka_unit_test(accuracy_f64),
        cmocka_unit_test(edges_f32),    cmocka_unit_test(edges_f64),
        cmocka_unit_test(shapes_f32),   cmocka_unit_test(shapes_f64),
        cmocka_unit_test(softmax_f32),  cmocka_unit_test(softmax_f64),
        cmocka_unit_test(gelu),         cmocka_unit_test(arithmetic),
        cmocka_unit_test(bounds),       cmocka_unit_test(activations),
        cmocka_unit_test(normalize),    cmocka_unit_test(widen),
    };
    return cmocka_run_group_tests_name("kernels: functions", tests, NULL, NULL);
}
