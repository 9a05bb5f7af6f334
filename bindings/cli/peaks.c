/* What this machine does at best, one thread: the limits that a profile is measured by. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define TIERS(X)                                                                                   \
    X(512, __attribute__((target("avx512f"))), __m512, _mm512_set1_ps, _mm512_loadu_ps,            \
      _mm512_add_ps, _mm512_fmadd_ps, 16)                                                          \
    X(256, __attribute__((target("avx2,fma"))), __m256, _mm256_set1_ps, _mm256_loadu_ps,           \
      _mm256_add_ps, _mm256_fmadd_ps, 8)
#elif defined(__aarch64__)
#include <arm_neon.h>
#define NEON_FMA(a, b, c) vfmaq_f32(c, a, b)
#define TIERS(X)          X(128, , float32x4_t, vdupq_n_f32, vld1q_f32, vaddq_f32, NEON_FMA, 4)
#else
#define PLAIN_SET(x)       (x)
#define PLAIN_LOAD(x)      (*(x))
#define PLAIN_ADD(a, b)    ((a) + (b))
#define PLAIN_FMA(a, b, c) ((a) * (b) + (c))
#define TIERS(X)           X(32, , float, PLAIN_SET, PLAIN_LOAD, PLAIN_ADD, PLAIN_FMA, 1)
#endif

#define TURNS 20000
#define TRIES 9
#define SPAN  ((size_t)1 << 27) /* bytes that are read for one figure */

/* Independent sums, enough to hide what a multiply-add takes. Named ones stay in registers. */
#define SUMS 12

static volatile float sink; /* so that nothing is left out */

static double best_of(uint64_t (*measure)(const float *data, size_t count), const float *data,
                      size_t count, double amount) {
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint64_t took = measure(data, count);
        best = took < best ? took : best;
    }
    return amount / (double)(best ? best : 1);
}

#define NAMED(i) s##i = first
#define NAMES(V)                                                                                   \
    V NAMED(0), NAMED(1), NAMED(2), NAMED(3), NAMED(4), NAMED(5), NAMED(6), NAMED(7), NAMED(8),    \
        NAMED(9), NAMED(10), NAMED(11)

/* clang-format off */
#define PEAKS(bits, isa, V, SET, LOAD, ADD, FMA, LANES)                                            \
    isa static uint64_t multiply_##bits(const float *data, size_t count) {                         \
        const V a = SET(0.999f), b = SET(data[0]), first = SET(1.0f);                              \
        NAMES(V);                                                                                  \
        uint64_t begin = infer_cli_now();                                                          \
        for (size_t i = 0; i < count; i++) {                                                       \
            ROUND(FMA, s0) ROUND(FMA, s1) ROUND(FMA, s2) ROUND(FMA, s3) ROUND(FMA, s4)             \
            ROUND(FMA, s5) ROUND(FMA, s6) ROUND(FMA, s7) ROUND(FMA, s8) ROUND(FMA, s9)             \
            ROUND(FMA, s10) ROUND(FMA, s11)                                                        \
        }                                                                                          \
        uint64_t took = infer_cli_now() - begin;                                                   \
        TOTAL(ADD)                                                                                 \
        memcpy((void *)&sink, &s0, sizeof sink);                                                   \
        return took;                                                                               \
    }                                                                                              \
    isa static uint64_t read_##bits(const float *data, size_t count) {                             \
        const V first = SET(0.0f);                                                                 \
        NAMES(V);                                                                                  \
        uint64_t begin = infer_cli_now();                                                          \
        for (size_t turn = 0; turn < SPAN / sizeof *data / count; turn++)                          \
            for (size_t j = 0; j + SUMS * (LANES) <= count; j += SUMS * (LANES)) {                 \
                const float *x = data + j;                                                         \
                TAKE(ADD, LOAD, LANES, 0) TAKE(ADD, LOAD, LANES, 1) TAKE(ADD, LOAD, LANES, 2)      \
                TAKE(ADD, LOAD, LANES, 3) TAKE(ADD, LOAD, LANES, 4) TAKE(ADD, LOAD, LANES, 5)      \
                TAKE(ADD, LOAD, LANES, 6) TAKE(ADD, LOAD, LANES, 7) TAKE(ADD, LOAD, LANES, 8)      \
                TAKE(ADD, LOAD, LANES, 9) TAKE(ADD, LOAD, LANES, 10) TAKE(ADD, LOAD, LANES, 11)    \
            }                                                                                      \
        uint64_t took = infer_cli_now() - begin;                                                   \
        TOTAL(ADD)                                                                                 \
        memcpy((void *)&sink, &s0, sizeof sink);                                                   \
        return took;                                                                               \
    }                                                                                              \
    static infer_cli_peaks peaks_##bits(const float *data) {                                       \
        infer_cli_peaks p = {.fma = best_of(multiply_##bits, data, TURNS,                          \
                                            (double)TURNS * SUMS * (LANES))};                      \
        for (int i = 0; i < INFER_CLI_SIZES; i++)                                                  \
            p.read[i] = best_of(read_##bits, data, infer_cli_sizes[i] / sizeof *data, (double)SPAN); \
        return p;                                                                                  \
    }
#define ROUND(FMA, s)             s = FMA(s, a, b);
#define TAKE(ADD, LOAD, LANES, i) s##i = ADD(s##i, LOAD(x + (i) * (LANES)));
#define TOTAL(ADD)                                                                                 \
    s0 = ADD(s0, s1), s2 = ADD(s2, s3), s4 = ADD(s4, s5), s6 = ADD(s6, s7), s8 = ADD(s8, s9);      \
    s10 = ADD(s10, s11), s0 = ADD(s0, s2), s4 = ADD(s4, s6), s8 = ADD(s8, s10);                    \
    s0 = ADD(s0, ADD(s4, s8));
/* clang-format on */

const size_t infer_cli_sizes[INFER_CLI_SIZES] = {(size_t)16 << 10, (size_t)256 << 10,
                                                 (size_t)4 << 20, (size_t)64 << 20};

TIERS(PEAKS)

infer_cli_peaks infer_cli_measure_peaks(void) {
    infer_cli_peaks p = {0};
    float *data = malloc(infer_cli_sizes[INFER_CLI_SIZES - 1]);
    if (!data)
        return p;
    for (size_t i = 0; i < infer_cli_sizes[INFER_CLI_SIZES - 1] / sizeof *data; i++)
        data[i] = 1e-3f;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        p = peaks_512(data);
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        p = peaks_256(data);
#elif defined(__aarch64__)
    p = peaks_128(data);
#else
    p = peaks_32(data);
#endif
    free(data);
    return p;
}
