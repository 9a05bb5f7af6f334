/* What this machine does at best, one body for each width of its vectors. Built with what unrolls,
 * so that sums stay in registers. */
#include "limits.h"

#include <string.h>

#define SUMS 12 /* independent ones, enough to hide the latency of an addition */

/* Four streams, each two vectors a turn. */
#define READ(tier, isa, V, ZERO, LOAD, ADD)                                                        \
    isa static double read_##tier(const char *const streams[4], size_t bytes) {                    \
        V s[8];                                                                                    \
        size_t i = 0;                                                                              \
        float all[sizeof(V) / sizeof(float)];                                                      \
        for (size_t j = 0; j < 8; j++)                                                             \
            s[j] = ZERO;                                                                           \
        for (; i + 2 * sizeof(V) <= bytes; i += 2 * sizeof(V))                                     \
            for (size_t j = 0; j < 8; j++)                                                         \
                s[j] = ADD(s[j], LOAD((const void *)(streams[j / 2] + i + j % 2 * sizeof(V))));    \
        for (size_t j = 1; j < 8; j++)                                                             \
            s[0] = ADD(s[0], s[j]);                                                                \
        memcpy(all, &s[0], sizeof all);                                                            \
        double sum = (double)all[0];                                                               \
        for (; i + sizeof(float) <= bytes; i += sizeof(float))                                     \
            for (size_t j = 0; j < 4; j++) {                                                       \
                float one;                                                                         \
                memcpy(&one, streams[j] + i, sizeof one);                                          \
                sum += (double)one;                                                                \
            }                                                                                      \
        return sum;                                                                                \
    }

#define FMA(tier, isa, S, V, SPLAT, MULTIPLY_ADD)                                                  \
    isa static double fma_##S##_##tier(double count) {                                             \
        V s[SUMS], x = SPLAT(0.5f), y = SPLAT(1.0f);                                               \
        for (size_t j = 0; j < SUMS; j++)                                                          \
            s[j] = y;                                                                              \
        for (double done = 0; done < count; done += 16 * SUMS * sizeof(V) / sizeof(S))             \
            for (size_t i = 0; i < 16; i++)                                                        \
                for (size_t j = 0; j < SUMS; j++)                                                  \
                    s[j] = MULTIPLY_ADD(s[j], x, y);                                               \
        S first;                                                                                   \
        double sum = 0;                                                                            \
        for (size_t j = 0; j < SUMS; j++) {                                                        \
            memcpy(&first, &s[j], sizeof first);                                                   \
            sum += (double)first;                                                                  \
        }                                                                                          \
        return sum;                                                                                \
    }

#if defined __x86_64__
#include <immintrin.h>
#define AVX2   __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))
READ(avx2, AVX2, __m256, _mm256_setzero_ps(), _mm256_loadu_ps, _mm256_add_ps)
FMA(avx2, AVX2, float, __m256, _mm256_set1_ps, _mm256_fmadd_ps)
FMA(avx2, AVX2, double, __m256d, _mm256_set1_pd, _mm256_fmadd_pd)
READ(avx512, AVX512, __m512, _mm512_setzero_ps(), _mm512_loadu_ps, _mm512_add_ps)
FMA(avx512, AVX512, float, __m512, _mm512_set1_ps, _mm512_fmadd_ps)
FMA(avx512, AVX512, double, __m512d, _mm512_set1_pd, _mm512_fmadd_pd)

int infer_limits_exist(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#define CHOOSE(f, ...)                                                                             \
    (__builtin_cpu_supports("avx512f") ? f##_avx512(__VA_ARGS__)                                   \
     : infer_limits_exist()            ? f##_avx2(__VA_ARGS__)                                     \
                                       : 0)
#elif defined __aarch64__
#include <arm_neon.h>
#define ADD_TO(s, x, y)      vfmaq_f32(y, s, x)
#define ADD_TO_WIDE(s, x, y) vfmaq_f64(y, s, x)
READ(neon, , float32x4_t, vdupq_n_f32(0), vld1q_f32, vaddq_f32)
FMA(neon, , float, float32x4_t, vdupq_n_f32, ADD_TO)
FMA(neon, , double, float64x2_t, vdupq_n_f64, ADD_TO_WIDE)

int infer_limits_exist(void) {
    return 1;
}

#define CHOOSE(f, ...) f##_neon(__VA_ARGS__)
#else
int infer_limits_exist(void) {
    return 0;
}

#define CHOOSE(f, ...) 0
#endif

double infer_limits_read(const void *a, const void *b, size_t bytes) {
    size_t each = bytes / (b ? 2 : 4) / sizeof(float) * sizeof(float);
    const char *p = a, *q = b ? b : p + 2 * each, *const streams[] = {p, p + each, q, q + each};
    (void)streams;
    return CHOOSE(read, streams, each);
}

double infer_limits_fma_f32(double count) {
    (void)count;
    return CHOOSE(fma_float, count);
}

double infer_limits_fma_f64(double count) {
    (void)count;
    return CHOOSE(fma_double, count);
}
