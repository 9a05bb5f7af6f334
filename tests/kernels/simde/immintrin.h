/* In place of the compiler's <immintrin.h>: AVX-512 in SIMDe's portable form, so that kernels
 * written for it run on machines without it. SIMDe asks for the real header in its turn and gets
 * that one. */
#ifndef INFER_TESTS_SIMDE_IMMINTRIN_H
#define INFER_TESTS_SIMDE_IMMINTRIN_H

#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

/* What SIMDe has not, or only for results that are normal numbers (scalef). */
#define SIMDE_REST(T, P, N, LDEXP)                                                                 \
    static inline simde__m512##N simde_rest_mask_loadu_##P(simde__m512##N fill, unsigned mask,     \
                                                           const T *p) {                           \
        T lanes[64 / sizeof(T)];                                                                   \
        simde_mm512_storeu_##P(lanes, fill);                                                       \
        for (unsigned i = 0; i < 64 / sizeof(T); i++)                                              \
            if (mask >> i & 1)                                                                     \
                lanes[i] = p[i];                                                                   \
        return simde_mm512_loadu_##P(lanes);                                                       \
    }                                                                                              \
    static inline void simde_rest_mask_storeu_##P(T *p, unsigned mask, simde__m512##N a) {         \
        T lanes[64 / sizeof(T)];                                                                   \
        simde_mm512_storeu_##P(lanes, a);                                                          \
        for (unsigned i = 0; i < 64 / sizeof(T); i++)                                              \
            if (mask >> i & 1)                                                                     \
                p[i] = lanes[i];                                                                   \
    }                                                                                              \
    static inline simde__m512##N simde_rest_scalef_##P(simde__m512##N a, simde__m512##N n) {       \
        T lanes[64 / sizeof(T)], powers[64 / sizeof(T)];                                           \
        simde_mm512_storeu_##P(lanes, a);                                                          \
        simde_mm512_storeu_##P(powers, n);                                                         \
        for (unsigned i = 0; i < 64 / sizeof(T); i++)                                              \
            lanes[i] = isnan(powers[i]) ? powers[i] : LDEXP(lanes[i], (int)floor(powers[i]));      \
        return simde_mm512_loadu_##P(lanes);                                                       \
    }
SIMDE_REST(float, ps, , ldexpf)
SIMDE_REST(double, pd, d, ldexp)

static inline simde__m512 simde_rest_rsqrt14_ps(simde__m512 a) {
    float lanes[16];
    simde_mm512_storeu_ps(lanes, a);
    for (unsigned i = 0; i < 16; i++)
        lanes[i] =
            1 / sqrtf(lanes[i]) * (i % 2 ? 1 + 0x1p-14f : 1 - 0x1p-14f); /* the worst allowed */
    return simde_mm512_loadu_ps(lanes);
}

static inline simde__m512i simde_rest_cvtepi8_epi32(simde__m128i a) {
    int8_t bytes[16];
    int32_t lanes[16];
    simde_mm_storeu_si128(bytes, a);
    for (unsigned i = 0; i < 16; i++)
        lanes[i] = bytes[i];
    return simde_mm512_loadu_si512(lanes);
}

static inline simde__m512 simde_rest_cvtepi32_ps(simde__m512i a) {
    int32_t lanes[16];
    float floats[16];
    simde_mm512_storeu_si512(lanes, a);
    for (unsigned i = 0; i < 16; i++)
        floats[i] = (float)lanes[i];
    return simde_mm512_loadu_ps(floats);
}

#undef _mm512_cvtepi8_epi32
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi8_epi32 simde_rest_cvtepi8_epi32
#define _mm512_cvtepi32_ps   simde_rest_cvtepi32_ps
#undef _mm512_rsqrt14_ps
#define _mm512_rsqrt14_ps simde_rest_rsqrt14_ps
#undef _mm512_mask_loadu_ps
#undef _mm512_mask_loadu_pd
#undef _mm512_mask_storeu_ps
#undef _mm512_mask_storeu_pd
#undef _mm512_scalef_ps
#undef _mm512_scalef_pd
#define _mm512_mask_loadu_ps  simde_rest_mask_loadu_ps
#define _mm512_mask_loadu_pd  simde_rest_mask_loadu_pd
#define _mm512_mask_storeu_ps simde_rest_mask_storeu_ps
#define _mm512_mask_storeu_pd simde_rest_mask_storeu_pd
#define _mm512_scalef_ps      simde_rest_scalef_ps
#define _mm512_scalef_pd      simde_rest_scalef_pd

/* What walks over trees need. */
static inline simde__m512i simde_rest_i32gather_epi64(simde__m256i at, const void *p) {
    uint32_t places[8];
    uint64_t lanes[8];
    simde_mm256_storeu_si256(places, at);
    for (unsigned i = 0; i < 8; i++)
        memcpy(&lanes[i], (const char *)p + (size_t)places[i] * sizeof *lanes, sizeof *lanes);
    return simde_mm512_loadu_si512(lanes);
}

static inline simde__m512 simde_rest_i32gather_ps(simde__m512i at, const float *p) {
    uint32_t places[16];
    float lanes[16];
    simde_mm512_storeu_si512(places, at);
    for (unsigned i = 0; i < 16; i++)
        lanes[i] = p[places[i]];
    return simde_mm512_loadu_ps(lanes);
}

static inline simde__m512i simde_rest_mask_loadu_epi32(simde__m512i fill, unsigned mask,
                                                       const void *p) {
    uint32_t lanes[16];
    simde_mm512_storeu_si512(lanes, fill);
    for (unsigned i = 0; i < 16; i++)
        if (mask >> i & 1)
            lanes[i] = ((const uint32_t *)p)[i];
    return simde_mm512_loadu_si512(lanes);
}

#undef _mm512_i32gather_epi64
#undef _mm512_i32gather_ps
#undef _mm512_mask_loadu_epi32
#undef _mm512_maskz_loadu_ps
#define _mm512_i32gather_epi64(at, p, scale) simde_rest_i32gather_epi64(at, p)
#define _mm512_i32gather_ps(at, p, scale)    simde_rest_i32gather_ps(at, p)
#define _mm512_mask_loadu_epi32              simde_rest_mask_loadu_epi32
#define _mm512_maskz_loadu_ps(mask, p)       simde_rest_mask_loadu_ps(simde_mm512_setzero_ps(), mask, p)

#endif
