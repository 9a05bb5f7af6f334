/* dot, matvec, gemm_packed and packing: every variant against wider arithmetic, at sizes below, at,
 * above and at multiples of its tiles and blocks, with inputs and outputs that end where memory
 * ends. */
#include "unit.h"
#include "variants.h"

#include "pack.h"

#include <math.h>
#include <string.h>

static variant list[VARIANTS_MAX];
static size_t count;

/* Every length up to more than four panels, and those around eight vectors of every tier and
 * around gemm's blocks. */
static const size_t long_ones[] = {95,  96,  97,  127, 128, 129, 143, 144,  145,  159,
                                   255, 256, 257, 271, 511, 512, 513, 1000, 1024, 4099};
#define EACH_LENGTH(n)                                                                             \
    for (size_t i_ = 0, n = 0; i_ < 70 + sizeof long_ones / sizeof *long_ones;                     \
         i_++, n = i_ < 70                                          ? i_                           \
                   : i_ - 70 < sizeof long_ones / sizeof *long_ones ? long_ones[i_ - 70]           \
                                                                    : 0)

/* W is the type the truth is summed in; HALF_ULP the rounding error of T. A sum of n products is
 * within n + 1 roundings of the sum of their magnitudes in whatever order it is taken. */
#define PRODUCTS(T, S, W, HALF_ULP, FMA)                                                           \
    static T *fill_##S(int slot, size_t n) {                                                       \
        T *p = fenced(slot, n * sizeof(T));                                                        \
        for (size_t i = 0; i < n; i++)                                                             \
            p[i] = (T)number();                                                                    \
        return p;                                                                                  \
    }                                                                                              \
                                                                                                   \
    static void near_##S(const variant *v, const char *what, size_t n, size_t at, T got,           \
                         const T *a, const T *b, size_t step, size_t terms, T bias) {              \
        W sum = (W)bias, size = fabsl((W)bias);                                                    \
        for (size_t i = 0; i < terms; i++) {                                                       \
            W p = (W)a[i] * (W)b[i * step];                                                        \
            sum += p;                                                                              \
            size += p < 0 ? -p : p;                                                                \
        }                                                                                          \
        if (!(fabsl((W)got - sum) <= (W)(terms + 2) * HALF_ULP * size))                            \
            fail_msg("%s %s_%s, size %zu, place %zu: %.17g instead of %.17g", v->name, what, #S,   \
                     n, at, (double)got, (double)sum);                                             \
    }                                                                                              \
                                                                                                   \
    static void dot_length_##S(const variant *v, size_t n) {                                       \
        const T *a = fill_##S(0, n), *b = fill_##S(1, n);                                          \
        T got = v->k.dot_##S(a, b, n);                                                             \
        near_##S(v, "dot", n, 0, got, a, b, 1, n, 0);                                              \
        /* Alignment changes no bit. */                                                            \
        T *moved = memcpy((T *)fenced(2, (n + 1) * sizeof(T)), a, n * sizeof(T));                  \
        if (v->kind == VARIANT_SIMD)                                                               \
            assert_true(v->k.dot_##S(moved, b, n) == got);                                         \
    }                                                                                              \
                                                                                                   \
    static void dot_##S(const variant *v) {                                                        \
        EACH_LENGTH(n)                                                                             \
        dot_length_##S(v, n);                                                                      \
        /* Around where a vector is read as two. */                                                \
        for (size_t n = (1 << 15) - 1; n < (1 << 15) + 300; n += 7)                                \
            dot_length_##S(v, n);                                                                  \
        const T a[3] = {1, (T)INFINITY, 2}, b[3] = {1, 1, (T)NAN};                                 \
        assert_true(isinf(v->k.dot_##S(a, b, 2)) && isnan(v->k.dot_##S(a, b, 3)));                 \
    }                                                                                              \
                                                                                                   \
    static void matvec_##S(const variant *v) {                                                     \
        for (size_t n = 0; n < 10; n++)                                                            \
            EACH_LENGTH(k) {                                                                       \
                size_t ldw = k + choose(4);                                                        \
                const T *w = fill_##S(0, n ? (n - 1) * ldw + k : 0), *x = fill_##S(1, k);          \
                const T *bias = choose(4) ? fill_##S(2, n) : NULL;                                 \
                T *y = fill_##S(3, n);                                                             \
                v->k.matvec_##S(n, k, w, ldw, x, bias, y);                                         \
                for (size_t r = 0; r < n; r++)                                                     \
                    near_##S(v, "matvec", k, r, y[r], w + r * ldw, x, 1, k, bias ? bias[r] : 0);   \
                assert_true(fence_holds(3));                                                       \
                /* A row's sum depends on k alone, so it may be computed alone. */                 \
                T alone;                                                                           \
                if (n && v->kind == VARIANT_SIMD) {                                                \
                    v->k.matvec_##S(1, k, w, ldw, x, bias, &alone);                                \
                    assert_true(alone == y[0]);                                                    \
                }                                                                                  \
            }                                                                                      \
    }                                                                                              \
                                                                                                   \
    static void gemm_case_##S(const variant *v, size_t m, size_t n, size_t k) {                    \
        size_t size, lda = k + choose(4), ldb = n + choose(4), ldc = n + choose(4);                \
        assert_true(infer_pack_size(k, n, &size));                                                 \
        const T *a = fill_##S(0, m ? (m - 1) * lda + k : 0);                                       \
        const T *b = fill_##S(1, k ? (k - 1) * ldb + n : 0);                                       \
        const T *bias = choose(4) ? fill_##S(2, n) : NULL;                                         \
        T *packed = fenced(3, size * sizeof(T));                                                   \
        infer_pack_b_##S(k, n, b, ldb, false, packed);                                             \
        size_t extent = m ? (m - 1) * ldc + n : 0;                                                 \
        T *c = fenced(4, extent * sizeof(T));                                                      \
        for (size_t i = 0; i < extent; i++)                                                        \
            c[i] = (T)777;                                                                         \
        v->k.gemm_packed_##S(m, n, k, a, lda, packed, bias, c, ldc);                               \
        assert_true(fence_holds(4));                                                               \
        for (size_t i = 0; i < extent; i++) {                                                      \
            size_t row = i / ldc, column = i % ldc;                                                \
            if (column >= n) {                                                                     \
                assert_true(c[i] == (T)777);                                                       \
                continue;                                                                          \
            }                                                                                      \
            T first = bias ? bias[column] : 0;                                                     \
            if (v->kind != VARIANT_SIMD || m == 1) {                                               \
                near_##S(v, "gemm_packed", m, i, c[i], a + row * lda, b + column, ldb, k, first);  \
                continue;                                                                          \
            }                                                                                      \
            /* The promised chain, to the bit. */                                                  \
            for (size_t l = 0; l < k; l++)                                                         \
                first = FMA(a[row * lda + l], b[l * ldb + column], first);                         \
            if (c[i] != first)                                                                     \
                fail_msg("%s gemm_packed_%s %zu x %zu x %zu at %zu, %zu: %.17g instead of %.17g",  \
                         v->name, #S, m, n, k, row, column, (double)c[i], (double)first);          \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void gemm_packed_##S(const variant *v) {                                                \
        static const size_t depths[] = {0, 1, 2, 3, 7, 8, 9, 31, 127, 128, 129, 255, 256, 257};    \
        for (size_t n = 0; n <= 66; n++)                                                           \
            for (size_t m = 0; m <= 30; m += n % 16 < 2 ? 1 : 1 + choose(12))                      \
                gemm_case_##S(v, m, n, 1 + choose(20));                                            \
        for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)                                \
            for (size_t m = 1; m <= 17; m += 1 + choose(4))                                        \
                gemm_case_##S(v, m, 1 + choose(50), depths[i]);                                    \
        gemm_case_##S(v, 3, 255, 5);                                                               \
        gemm_case_##S(v, 5, 257, 300);                                                             \
        gemm_case_##S(v, 15, 288, 257);                                                            \
        gemm_case_##S(v, 1, 530, 100);                                                             \
    }                                                                                              \
                                                                                                   \
    static void products_##S(void **state) {                                                       \
        (void)state;                                                                               \
        for (size_t i = 0; i < count; i++) {                                                       \
            dot_##S(&list[i]);                                                                     \
            matvec_##S(&list[i]);                                                                  \
            gemm_packed_##S(&list[i]);                                                             \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* Every place of a packed matrix against its definition. */                                   \
    static void pack_##S(void **state) {                                                           \
        (void)state;                                                                               \
        for (size_t k = 0; k < 5; k++)                                                             \
            for (size_t n = 0; n < 40; n++)                                                        \
                for (int trans = 0; trans < 2; trans++) {                                          \
                    size_t size, rows = trans ? n : k, columns = trans ? k : n;                    \
                    size_t ldb = columns + choose(3);                                              \
                    assert_true(infer_pack_size(k, n, &size));                                     \
                    assert_int_equal(size, (n + INFER_PANEL - 1) / INFER_PANEL * INFER_PANEL * k); \
                    const T *b = fill_##S(0, rows ? (rows - 1) * ldb + columns : 0);               \
                    T *packed = fill_##S(1, size);                                                 \
                    infer_pack_b_##S(k, n, b, ldb, trans, packed);                                 \
                    assert_true(fence_holds(1));                                                   \
                    for (size_t i = 0; i < size; i++) {                                            \
                        size_t row = i / INFER_PANEL % k;                                          \
                        size_t column = i / INFER_PANEL / k * INFER_PANEL + i % INFER_PANEL;       \
                        T expected = column >= n ? 0                                               \
                                     : trans     ? b[column * ldb + row]                           \
                                                 : b[row * ldb + column];                              \
                        assert_true(packed[i] == expected);                                        \
                    }                                                                              \
                }                                                                                  \
    }
PRODUCTS(float, f32, double, 0x1p-24, fmaf)
PRODUCTS(double, f64, long double, 0x1p-53, fma)

static void pack_size_overflow(void **state) {
    (void)state;
    size_t size;
    assert_true(!infer_pack_size(SIZE_MAX / 8, 16, &size));
    assert_true(!infer_pack_size(1, SIZE_MAX - 3, &size));
    assert_true(infer_pack_size(0, 5, &size) && size == 0);
}

/* ---- products in bfloat16 ---- */

/* To the nearest number of 8 bits, of two to the even one. */
static double rounded(float x) {
    int power;
    frexp((double)x, &power);
    const double unit = ldexp(1, power - 8);
    return nearbyint((double)x / unit) * unit;
}

static float half(uint16_t x) {
    const uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

/* Panels of numbers in [-1, 1) with zeros past n. */
static uint16_t *fill_halves(size_t n, size_t k) {
    const size_t panels = (n + INFER_PANEL - 1) / INFER_PANEL;
    uint16_t *packed = fenced(1, panels * INFER_PANEL * k * sizeof *packed);
    for (size_t i = 0; i < panels * k * INFER_PANEL; i++) {
        const float x = (float)number();
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        packed[i] =
            i / (k * INFER_PANEL) * INFER_PANEL + i % INFER_PANEL < n ? (uint16_t)(bits >> 16) : 0;
    }
    return packed;
}

/* Sums of rounded numbers are off by their own roundings alone; those of the numbers as they were
 * by 2^-8 of the sum of the magnitudes at most, as a significand has 8 bits. */
static void half_case(const variant *v, size_t m, size_t n, size_t k) {
    const size_t lda = k + choose(4), ldc = n + choose(4), extent = m && n ? (m - 1) * ldc + n : 0;
    float *a = fill_f32(0, m ? (m - 1) * lda + k : 0);
    const uint16_t *packed = fill_halves(n, k);
    const float *bias = choose(4) ? fill_f32(2, n) : NULL;
    float *c = fenced(4, extent * sizeof *c);
    void *scratch = aligned_alloc(64, INFER_HALF_SCRATCH);
    memset(scratch, 0xff, INFER_HALF_SCRATCH);
    for (size_t i = 0; i < extent; i++)
        c[i] = 77;
    if (!v->k.gemm_half_f32(m, n, k, a, lda, packed, bias, c, ldc, scratch)) {
        for (size_t i = 0; i < extent; i++)
            assert_true(c[i] == 77);
        free(scratch);
        return;
    }
    double *near = malloc((m * k + 1) * sizeof *near);
    for (size_t i = 0; i < m * k; i++)
        near[i] = rounded(a[i / k * lda + i % k]);
    for (size_t i = 0; i < extent; i++) {
        const size_t row = i / ldc, j = i % ldc;
        if (j >= n) {
            assert_true(c[i] == 77);
            continue;
        }
        const uint16_t *b = packed + j / INFER_PANEL * k * INFER_PANEL + j % INFER_PANEL;
        double sum = bias ? (double)bias[j] : 0, exact = sum, size = fabs(sum);
        for (size_t l = 0; l < k; l++) {
            const double w = (double)half(b[l * INFER_PANEL]);
            sum += near[row * k + l] * w;
            exact += (double)a[row * lda + l] * w;
            size += fabs((double)a[row * lda + l] * w);
        }
        const double error = (double)(k + 2) * 0x1p-23 * size + 0x1p-100;
        if (!(fabs((double)c[i] - sum) <= error &&
              fabs((double)c[i] - exact) <= error + 0x1p-8 * size))
            fail_msg("%s gemm_half %zu x %zu x %zu at %zu, %zu: %.9g instead of %.9g", v->name, m,
                     n, k, row, j, (double)c[i], sum);
    }
    free(near);
    assert_true(fence_holds(4));
    /* A row alone, and the columns behind the first panel, are the same bits. */
    if (m && n) {
        const size_t row = choose(m), skip = n > INFER_PANEL ? INFER_PANEL : 0;
        float *alone = fenced(5, (n - skip) * sizeof *alone);
        v->k.gemm_half_f32(1, n - skip, k, a + row * lda, lda, packed + skip * k,
                           bias ? bias + skip : NULL, alone, n - skip, scratch);
        assert_true(memcmp(alone, c + row * ldc + skip, (n - skip) * sizeof *alone) == 0);
        if (k) {
            a[row * lda + choose(k)] = NAN;
            v->k.gemm_half_f32(m, n, k, a, lda, packed, bias, c, ldc, scratch);
            for (size_t i = 0; i < m; i++)
                assert_true(isnan(c[i * ldc]) == (i == row));
        }
    }
    free(scratch);
}

static void gemm_half(void **state) {
    (void)state;
    static const size_t rows[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 49, 256, 257},
                        columns[] = {0, 1, 15, 16, 17, 32, 33, 48, 49},
                        depths[] = {0, 1, 2, 3, 15, 16, 31, 32, 33, 65, 511, 512, 513, 1025};
    for (size_t v = 0; v < count && list[v].kind != VARIANT_BLAS; v++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
                for (size_t l = 0; l < sizeof depths / sizeof *depths; l++)
                    if (rows[i] * columns[j] * depths[l] < 50000 ||
                        (columns[j] == 33 && depths[l] == 513))
                        half_case(&list[v], rows[i], columns[j], depths[l]);
}

/* The bits of gemm_packed with the widened panels, which are exact, for each row as for two. */
static void scaled_case(const variant *v, size_t m, size_t n, size_t k) {
    const size_t lda = k + choose(4), ldc = n + choose(4), extent = m && n ? (m - 1) * ldc + n : 0;
    const size_t panels = (n + INFER_PANEL - 1) / INFER_PANEL, scales = INFER_PANEL * sizeof(float);
    const size_t size = scales + k * INFER_PANEL;
    float *a = fill_f32(0, (m + 1) * lda), *c = fenced(4, extent * sizeof *c);
    char *packed = fenced(1, panels * size);
    float *wide = fenced(5, panels * k * INFER_PANEL * sizeof *wide);
    const float *bias = choose(4) ? fill_f32(2, n) : NULL;
    for (size_t p = 0; p < panels; p++) {
        float *scale = (float *)(void *)(packed + p * size);
        int8_t *x = (int8_t *)(scale + INFER_PANEL);
        for (size_t j = 0; j < INFER_PANEL; j++)
            scale[j] = (float)number();
        for (size_t i = 0; i < k * INFER_PANEL; i++) {
            x[i] = (int8_t)((int)choose(256) - 128);
            wide[p * k * INFER_PANEL + i] = (float)x[i] * scale[i % INFER_PANEL];
        }
    }
    for (size_t i = 0; i < extent; i++)
        c[i] = 77;
    v->k.gemm_scaled_f32(m, n, k, a, lda, packed, bias, c, ldc);
    assert_true(fence_holds(4));
    float *two = malloc((2 * n + 1) * sizeof *two);
    for (size_t r = 0; r < m && n; r++) {
        for (size_t i = r * ldc + n; i < (r + 1) * ldc && i < extent; i++)
            assert_true(c[i] == 77);
        v->k.gemm_packed_f32(2, n, k, a + r * lda, lda, wide, bias, two, n);
        for (size_t j = 0; j < n; j++)
            if (c[r * ldc + j] != two[j])
                fail_msg("%s gemm_scaled %zu x %zu x %zu at %zu, %zu: %.9g instead of %.9g",
                         v->name, m, n, k, r, j, (double)c[r * ldc + j], (double)two[j]);
    }
    free(two);
}

static void gemm_scaled(void **state) {
    (void)state;
    static const size_t rows[] = {0, 1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 29},
                        columns[] = {0, 1, 15, 16, 17, 32, 33, 48, 49},
                        depths[] = {0, 1, 2, 16, 33, 384, 385, 800};
    for (size_t v = 0; v < count && list[v].kind != VARIANT_BLAS; v++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
                for (size_t l = 0; l < sizeof depths / sizeof *depths; l++)
                    if (rows[i] * columns[j] * depths[l] < 50000)
                        scaled_case(&list[v], rows[i], columns[j], depths[l]);
}

int main(void) {
    count = variants_find(list);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_f32),       cmocka_unit_test(products_f64),
        cmocka_unit_test(pack_f32),           cmocka_unit_test(pack_f64),
        cmocka_unit_test(pack_size_overflow), cmocka_unit_test(gemm_half),
        cmocka_unit_test(gemm_scaled),
    };
    return cmocka_run_group_tests_name("kernels: products", tests, NULL, NULL);
}
