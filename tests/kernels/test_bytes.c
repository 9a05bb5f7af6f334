/* Kernels over bytes: every variant against plain loops, exactly, at sizes below, at and above
 * tiles, with extreme numbers and memory that ends where the operands do. */
#include "unit.h"
#include "variants.h"

#include <math.h>
#include <string.h>

static variant list[VARIANTS_MAX];
static size_t count;

static uint8_t *bytes(int slot, size_t n) {
    uint8_t *p = fenced(slot, n);
    size_t extreme = choose(3);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(extreme == 0 ? (choose(2) ? 255 : 128) : choose(256));
    return p;
}

/* B's numbers, once flip is added: often small ones, of which two neighbours are 128 at most or a
 * little more. */
static uint8_t *weights(int slot, size_t n, uint8_t flip) {
    uint8_t *p = bytes(slot, n);
    const size_t few = 1 + choose(300);
    for (size_t i = 0; few > 20 && i < n; i++)
        if (choose(few))
            p[i] = (uint8_t)(choose(3) ? choose(129) - 64 : choose(2) ? 64 : 192) ^ flip;
    return p;
}

/* All alike. */
static const uint8_t *same_bytes(int slot, size_t n, uint8_t value) {
    return memset(fenced(slot, n), value, n);
}

static size_t panels(size_t n) {
    return (n + 15) / 16 * 16;
}

static void product_of(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda, const uint8_t *b,
                       size_t ldb, uint8_t flip) {
    const size_t ldc = n + choose(3);
    const size_t whole = panels(n), groups = (k + 3) / 4;
    int32_t *start = fenced(2, whole * sizeof *start);
    for (size_t j = 0; j < whole; j++)
        start[j] = (int32_t)(choose(2) ? INT32_MAX - choose(100) : choose(1000));
    const bool starts = choose(2);
    for (size_t v = 0; v < count; v++) {
        int8_t *packed = fenced(3, whole * groups * 4);
        int32_t *sums = fenced(4, whole * sizeof *sums);
        list[v].k.pack_s8(k, n, b, ldb, flip, packed, sums);
        assert_true(fence_holds(3) && fence_holds(4));
        for (size_t j = 0; j < whole; j++) {
            int32_t sum = 0;
            for (size_t i = 0; i < groups * 4; i++) {
                int8_t right = i < k && j < n ? (int8_t)(b[i * ldb + j] ^ flip) : 0;
                assert_int_equal(packed[(j / 16 * groups + i / 4) * 64 + j % 16 * 4 + i % 4],
                                 right);
                sum += right;
            }
            assert_int_equal(sums[j], sum);
        }
        const size_t words = (groups + 63) / 64;
        const bool known = choose(2);
        uint64_t *marks = fenced(6, whole / 16 * words * sizeof *marks);
        memset(marks, 0, whole / 16 * words * sizeof *marks);
        for (size_t i = 0; i < whole * groups * 4; i += 2)
            if (abs(packed[i] + packed[i + 1]) > 128)
                marks[i / 64 / groups * words + i / 64 % groups / 64] |= UINT64_C(1)
                                                                         << i / 64 % groups % 64;
        int32_t *c = fenced(5, (m ? (m - 1) * ldc + n : 0) * sizeof *c);
        for (size_t i = 0; m && i < (m - 1) * ldc + n; i++)
            c[i] = 77;
        list[v].k.gemm_u8s8(m, n, k, a, lda, packed, known ? marks : NULL, starts ? start : NULL, c,
                            ldc);
        assert_true(fence_holds(5));
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < ldc && i * ldc + j < (m - 1) * ldc + n; j++) {
                uint32_t sum = starts && j < n ? (uint32_t)start[j] : 0;
                for (size_t l = 0; j < n && l < k; l++)
                    sum += (uint32_t)(a[i * lda + l] * (int8_t)(b[l * ldb + j] ^ flip));
                if (c[i * ldc + j] != (j < n ? (int32_t)sum : 77))
                    fail_msg("%s: %zu x %zu x %zu: %d at %zu, %zu instead of %d", list[v].name, m,
                             n, k, (int)c[i * ldc + j], i, j, (int)sum);
            }
    }
}

static void product_case(size_t m, size_t n, size_t k) {
    const size_t lda = k + choose(3), ldb = n + choose(3);
    const uint8_t *a = bytes(0, m ? (m - 1) * lda + k : 0);
    const uint8_t flip = choose(2) ? 128 : 0;
    product_of(m, n, k, a, lda, weights(1, k ? (k - 1) * ldb + n : 0, flip), ldb, flip);
}

static void products(void **state) {
    (void)state;
    for (size_t i = 0; i < 600; i++)
        product_case(choose(choose(3) ? 12 : 30), choose(choose(3) ? 40 : 90),
                     choose(choose(3) ? 20 : 200));
    product_case(1, 64, 1024);
    product_case(17, 130, 2000);
    product_case(1723, 17, 5); /* as many parts of 42 rows as leave one with the least */
    for (size_t n = 1; n <= 5; n++)
        product_case(1 + choose(50), n, choose(choose(2) ? 80 : 1200));
    product_case(0, 20, 3);
    product_case(4, 0, 3);
    product_case(4, 20, 0);
}

/* Where tiles of 16 rows, 16 columns and 64 of k begin and end, of as much work as they are for. */
static void tiles(void **state) {
    (void)state;
    for (size_t m = 1; m <= 33; m++)
        for (size_t i = 0; i < 6; i++) {
            const size_t k = i ? 24 + choose(107) : 64, n = (i % 2 ? 66000 : 64000) / (m * k) + 1;
            product_case(m, n + choose(i < 3 ? 40 : 1), k);
        }
    for (size_t m = 4; m <= 33; m++)
        for (size_t n = 1; n <= 40; n += 1 + choose(4))
            product_case(m, n, 66000 / (m * n) + 65 + choose(64));
    for (size_t m = 120; m < 300; m += 1 + choose(20))
        product_case(m, 1 + choose(40), 64 + choose(200));
    const size_t m = 18, n = 33, k = 1030;
    product_of(m, n, k, same_bytes(0, m * k, 255), k, same_bytes(1, n * k, 128), n, 0);
    product_of(m, n, k, same_bytes(0, m * k, 255), k, same_bytes(1, n * k, 255), n, 128);
}

/* By Winograd's algorithm, in one block or in several. */
static void winograd_case(size_t v, size_t channels, size_t outputs, size_t height, size_t width) {
    const infer_kernels *k = &list[v].k;
    const size_t whole = (channels + 3) / 4 * 4, step = outputs * whole + choose(3) * 16;
    infer_winograd8 c = {.channels = channels,
                         .in = {height, width},
                         .before = {choose(3), choose(3)},
                         .flip = choose(2) ? 128 : 0,
                         .zero = (uint8_t)(choose(3) ? choose(256) : choose(2) * 255)};
    for (size_t i = 0; i < 2; i++)
        c.out[i] = c.in[i] + c.before[i] + choose(3) - 2;
    c.columns = (c.out[1] + 1) / 2;
    const uint8_t *x = bytes(0, channels * height * width), *w = bytes(1, outputs * whole * 9);
    const int32_t zero = (int32_t)choose(256);
    const size_t all = (c.out[0] + 1) / 2, rows = 1 + choose(all), some = 1 + choose(outputs);
    const size_t tiles = infer_winograd8_tiles(&c, rows), ld = 2 * rows * c.out[1] + choose(3);
    const size_t in = infer_winograd8_input_room(&c, tiles);
    const size_t out = infer_winograd8_sums_room(some, tiles);
    int16_t *weights = fenced(2, 16 * step * sizeof *weights);
    int16_t *terms = fenced(3, 16 * infer_winograd8_gap(&c, tiles) * sizeof *terms);
    for (size_t o = 0; o < outputs; o++)
        k->winograd_weights_8(whole / 4, w + o * whole * 9, zero, step, weights + o * whole);
    for (size_t first = 0; first < all; first += rows) {
        const size_t many = all - first < rows ? all - first : rows;
        const size_t left = c.out[0] - 2 * first, high = left < 2 * many ? left : 2 * many;
        k->winograd_input_8(&c, x, first, many, terms, fenced(4, in));
        assert_true(fence_holds(2) && fence_holds(3) && fence_holds(4));
        for (size_t o = 0; o < outputs; o += some) {
            const size_t n = outputs - o < some ? outputs - o : some;
            int32_t *sums = fenced(5, ((n - 1) * ld + high * c.out[1]) * sizeof *sums);
            k->winograd_sums_8(&c, n, first, many, weights + o * whole, step, terms, sums, ld,
                               fenced(4, out));
            assert_true(fence_holds(4) && fence_holds(5));
            for (size_t i = 0; i < n * high * c.out[1]; i++) {
                const size_t q = i / (high * c.out[1]), at = i % (high * c.out[1]);
                const size_t row = 2 * first + at / c.out[1], column = at % c.out[1];
                int32_t sum = 0;
                for (size_t t = 0; t < 9 * channels; t++) {
                    const size_t ch = t / 9, y = row + t % 9 / 3 - c.before[0];
                    const size_t z = column + t % 3 - c.before[1];
                    const uint8_t tap =
                        w[(((o + q) * whole / 4 + ch / 4) * 9 + t % 9) * 4 + ch % 4];
                    if (y < height && z < width)
                        sum +=
                            ((x[(ch * height + y) * width + z] ^ c.flip) - c.zero) * (tap - zero);
                }
                assert_int_equal(sums[q * ld + at], sum);
            }
        }
    }
}

static void winograd(void **state) {
    (void)state;
    for (size_t v = 0; v < count; v++) {
        for (size_t i = 0; list[v].k.winograd_sums_8 && i < 300; i++)
            winograd_case(v, 5 + choose(20), 1 + choose(20), 3 + choose(10), 3 + choose(50));
        if (list[v].k.winograd_sums_8)
            winograd_case(v, 512, 7, 12, 60);
    }
}

static void gathering(void **state) {
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        const size_t groups = choose(5), taps = choose(6), reach = 64 + choose(200);
        const size_t plane = reach + choose(100),
                     bytes_in = groups ? (groups - 1) * plane + reach : 0;
        const uint8_t *x = bytes(0, bytes_in);
        size_t *tap = fenced(1, taps * sizeof *tap);
        infer_runs runs = {.count = 1};
        size_t most = reach - 64;
        for (size_t t = 0; t < taps; t++)
            tap[t] = choose(most / 2 + 1);
        for (size_t at = 4 * (1 + choose(16)); at < 64; at += 4 * (1 + choose(9)))
            runs.to[runs.count++] = at;
        for (size_t r = 0; r < runs.count; r++)
            runs.from[r] = choose(most - most / 2 + 1);
        for (size_t v = 0; v < count; v++) {
            const size_t n = groups * taps * 64;
            int8_t *y = fenced(3, n + 64);
            list[v].k.gather_s8(groups, plane, taps, tap, &runs, x, y);
            assert_true(fence_holds(3));
            for (size_t j = 0; j < n; j++) {
                const size_t g = j / 64 / taps, t = j / 64 % taps, at = j % 64;
                size_t r = runs.count - 1;
                while (runs.to[r] > at)
                    r--;
                assert_int_equal((uint8_t)y[j],
                                 x[g * plane + tap[t] + runs.from[r] + at - runs.to[r]]);
            }
        }
    }
}

static uint8_t rounded(double v, int zero, bool sign) {
    const double low = sign ? -128 : 0, high = low + 255;
    v = isnan(v) ? low : nearbyint(v) + zero;
    return (uint8_t)(int)(v < low ? low : v > high ? high : v);
}

static void tap_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        const size_t n = 1 + choose(choose(4) ? 40 : 100), k = choose(12), rows = choose(5);
        const size_t ld = n + choose(20), m = rows * ld + choose(60) + 32;
        const bool sign = choose(2);
        const int32_t zero = (int32_t)choose(256) - (sign ? 128 : 0);
        const int32_t add = choose(2) ? (int32_t)choose(20000) - 10000 : INT32_MAX - 5;
        const float scale = (float)number() * 0.01f;
        int16_t *x = fenced(0, m * sizeof *x), *w = fenced(1, k * sizeof *w);
        size_t *offset = fenced(2, k * sizeof *offset);
        for (size_t j = 0; j < m; j++)
            x[j] = (int16_t)((int)choose(511) - 255);
        for (size_t t = 0; t < k; t++) {
            w[t] = (int16_t)((int)choose(511) - 255);
            offset[t] = choose(m - rows * ld - 31);
        }
        const uint8_t flip = choose(2) ? 128 : 0, *b = bytes(4, rows * n);
        for (size_t v = 0; v < count; v++) {
            uint8_t *y = fenced(3, rows * n);
            const infer_taps8 all = {k, w, offset, add, zero, scale, sign};
            int32_t *sums = fenced(6, rows * n * sizeof *sums);
            list[v].k.taps_8(rows, n, ld, &all, x, NULL, y);
            list[v].k.taps_8(rows, n, ld, &all, x, sums, NULL);
            assert_true(fence_holds(6));
            for (size_t j = 0; j < rows * n; j++) {
                uint32_t sum = (uint32_t)add;
                for (size_t t = 0; t < k; t++)
                    sum += (uint32_t)(w[t] * x[offset[t] + j / n * ld + j % n]);
                const float wide = (float)(int32_t)sum * scale;
                assert_int_equal(y[j], rounded((double)wide, zero, sign));
                assert_int_equal(sums[j], (int32_t)sum);
            }
            int16_t *wider = fenced(5, rows * ld * sizeof *wider);
            memset(wider, 7, rows * ld * sizeof *wider);
            list[v].k.widen_8(rows, n, b, n, flip, zero, wider, ld);
            for (size_t j = 0; j < rows * ld; j++)
                assert_int_equal(wider[j],
                                 j % ld < n ? (b[j / ld * n + j % ld] ^ flip) - zero : 0x707);
            assert_true(fence_holds(3) && fence_holds(5));
        }
    }
}

static float some(size_t of) {
    static const float odd[] = {0.5f,  1.5f,   -2.5f, NAN,    INFINITY, -INFINITY,
                                1e30f, -1e30f, -0.0f, 127.5f, -128.5f,  254.5f};
    return choose(8) ? (float)(number() * (double)of) : odd[choose(sizeof odd / sizeof *odd)];
}

static void quantizing(void **state) {
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        const size_t n = choose(140), step = choose(2);
        const bool sign = choose(2);
        const int32_t zero = (int32_t)choose(256) - (sign ? 128 : 0);
        const int32_t add = choose(2) ? (int32_t)choose(2000) - 1000 : 0;
        static const float scales_of[] = {1, 1e-40f, 0x1p-126f, 0x1p126f, 1e-20f, -0.3f};
        const float scale = choose(3) ? (float)(1 + number()) : scales_of[choose(6)];
        float *x = fenced(0, n * sizeof *x), *scales = fenced(1, (step ? n : 1) * sizeof *scales);
        int32_t *sums = fenced(2, n * sizeof *sums);
        uint8_t *b = bytes(3, n);
        for (size_t j = 0; j < n; j++) {
            x[j] = some(400);
            if (choose(4) == 0) { /* a half, or right beside one */
                x[j] = ((float)choose(600) - 299.5f) * scale;
                x[j] = nextafterf(x[j], choose(3) ? x[j] : choose(2) ? INFINITY : -INFINITY);
            }
            sums[j] = choose(4) ? (int32_t)choose(100000) - 50000 : INT32_MAX;
        }
        for (size_t j = 0; j < (step ? n : 1); j++)
            scales[j] = (float)number() * 0.01f;
        float low = 0, high = 0;
        for (size_t j = 0; j < n; j++) {
            low = x[j] < low ? x[j] : low;
            high = x[j] > high ? x[j] : high;
        }
        for (size_t v = 0; v < count; v++) {
            uint8_t *y = fenced(4, n);
            float *f = fenced(5, n * sizeof *f), lowest, highest;
            list[v].k.quantize_8(x, n, scale, zero, sign, y);
            for (size_t j = 0; j < n; j++)
                assert_int_equal(y[j], rounded((double)(x[j] / scale), zero, sign));
            list[v].k.requantize_8(sums, n, add, scales, step, zero, sign, y);
            for (size_t j = 0; j < n; j++) {
                float wide = (float)(int32_t)((uint32_t)sums[j] + (uint32_t)add);
                wide *= scales[j * step];
                assert_int_equal(y[j], rounded((double)wide, zero, sign));
            }
            list[v].k.dequantize_8(b, n, sign, zero, scale, f);
            for (size_t j = 0; j < n; j++)
                assert_true(f[j] == (float)((sign ? (int8_t)b[j] : b[j]) - zero) * scale);
            list[v].k.rescale_f32(sums, n, add, scales, step, sign ? x : NULL, f);
            for (size_t j = 0; j < n; j++) {
                float right = (float)(int32_t)((uint32_t)sums[j] + (uint32_t)add);
                right *= scales[j * step];
                right = sign ? right + x[j] : right;
                assert_true(f[j] == right || (isnan(f[j]) && isnan(right)));
            }
            int32_t *moved = memcpy(fenced(5, n * sizeof *moved), sums, n * sizeof *moved);
            list[v].k.axpy_i32(n, (uint32_t)add, sums, moved);
            for (size_t j = 0; j < n; j++)
                assert_int_equal(moved[j], (int32_t)((uint32_t)sums[j] * ((uint32_t)add + 1)));
            list[v].k.range_f32(x, n, &lowest, &highest);
            assert_true(lowest == low && highest == high);
            assert_true(fence_holds(4) && fence_holds(5));
        }
    }
}

static void elements(void **state) {
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        const size_t n = choose(choose(8) ? 140 : 600);
        const bool sign = choose(2);
        const int32_t least = sign ? -128 : 0, zero_a = (int32_t)choose(256) + least;
        const int32_t zero_b = (int32_t)choose(256) + least, zero = (int32_t)choose(256) + least;
        const float by_a = (float)number() * (choose(4) ? 2 : 1e6f), by_b = (float)number();
        const float rest = (float)number() * 100,
                    scale = (float)number() * (choose(4) ? 0.05f : 0.5f);
        const uint8_t *a = bytes(0, n), *b = bytes(1, n), *table = bytes(2, 256);
        for (size_t v = 0; v < count; v++) {
            uint8_t *y = fenced(3, n), *again = memcpy(fenced(4, n), a, n);
            list[v].k.lookup_8(a, n, table, y);
            list[v].k.lookup_8(again, n, table, again);
            for (size_t j = 0; j < n; j++) {
                assert_int_equal(y[j], table[a[j]]);
                assert_int_equal(again[j], y[j]);
            }
            list[v].k.add_8(a, b, n, sign, by_a, by_b, rest, zero, y);
            list[v].k.mul_8(a, b, n, sign, zero_a, zero_b, scale, zero, again);
            for (size_t j = 0; j < n; j++) {
                const int32_t x = sign ? (int8_t)a[j] : a[j], z = sign ? (int8_t)b[j] : b[j];
                const int32_t moved = sign ? 128 : 0;
                const float first = (float)(x + moved) * by_a, second = (float)(z + moved) * by_b;
                const float some = rest + first;
                const float sum = some + second;
                const float product = (float)((x - zero_a) * (z - zero_b)) * scale;
                assert_int_equal(y[j], rounded((double)sum, zero, sign));
                assert_int_equal(again[j], rounded((double)product, zero, sign));
            }
            assert_true(fence_holds(3) && fence_holds(4));
        }
    }
}

static void pooling(void **state) {
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        const size_t n = 1 + choose(choose(8) ? 80 : 300), taps = 1 + choose(5), step = choose(40);
        const size_t stride = 1 + choose(3);
        const bool sign = choose(2);
        const size_t reach = (n - 1) * stride + 1;
        const uint8_t *x = bytes(0, (taps - 1) * step + reach), *z = bytes(1, reach);
        for (size_t v = 0; v < count; v++) {
            uint8_t *y = fenced(3, n);
            list[v].k.max_8(x, taps, step, stride, n, sign, y);
            for (size_t j = 0; j < n; j++) {
                int most = -1000;
                for (size_t t = 0; t < taps; t++) {
                    const uint8_t tap = x[t * step + j * stride];
                    const int one = sign ? (int8_t)tap : tap;
                    most = one > most ? one : most;
                }
                assert_int_equal(y[j], (uint8_t)most);
            }
            list[v].k.pick_8(z, stride, n, y);
            for (size_t j = 0; j < n; j++)
                assert_int_equal(y[j], z[j * stride]);
            assert_true(fence_holds(3));
        }
    }
}

/* The bits of the C operators in the order of the taps. */
static void sums(void **state) {
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        const size_t n = 1 + choose(choose(4) ? 40 : 120), taps = 1 + choose(5), step = choose(30);
        const size_t stride = 1 + choose(3), all = (taps - 1) * step + (n - 1) * stride + 1;
        float *x = fenced(0, all * sizeof *x), *some_by = fenced(1, n * sizeof *some_by);
        const float *by = choose(2) ? some_by : NULL;
        for (size_t j = 0; j < all; j++)
            x[j] = choose(3) ? (float)number() : -0.0f;
        for (size_t j = 0; j < n; j++)
            some_by[j] = (float)(1 + choose(25));
        for (size_t v = 0; v < count; v++) {
            float *y = fenced(2, n * sizeof *y);
            list[v].k.sum_f32(x, taps, step, stride, n, by, y);
            assert_true(fence_holds(2));
            for (size_t j = 0; j < n; j++) {
                float sum = x[j * stride];
                for (size_t t = 1; t < taps; t++)
                    sum += x[t * step + j * stride];
                sum = by ? sum / by[j] : sum;
                assert_true(memcmp(&y[j], &sum, sizeof sum) == 0);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),  cmocka_unit_test(tiles),    cmocka_unit_test(winograd),
        cmocka_unit_test(gathering), cmocka_unit_test(tap_rows), cmocka_unit_test(quantizing),
        cmocka_unit_test(elements),  cmocka_unit_test(pooling),  cmocka_unit_test(sums)};
    count = variants_find(list);
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
