/* AVX-512 F, BW, DQ and VL in the words of vec.h. */
#ifndef INFER_KERNELS_VEC_AVX512_H
#define INFER_KERNELS_VEC_AVX512_H

#include "vec.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define LANES_f32        16
#define LANES_f64        8
#define ROWS             4
#define ROW_SUMS         4
#define TILE_STEPS       1
#define TILE_ROWS_f32    14
#define TILE_VECS_f32    2
#define TILE_LIST_f32(X) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define TILE_ROWS_f64    TILE_ROWS_f32
#define TILE_VECS_f64    TILE_VECS_f32
#define TILE_LIST_f64    TILE_LIST_f32

typedef __m512 vec_f32;
typedef __m512d vec_f64;

/* What differs between the element types by a suffix alone; N is a mask's width, I the integer
 * lanes'. */
#define VEC_COMMON(S, T, P, N, I)                                                                  \
    VEC_INLINE vec_##S v_load_##S(const T *p) {                                                    \
        return _mm512_loadu_##P(p);                                                                \
    }                                                                                              \
    VEC_INLINE void v_store_##S(T *p, vec_##S a) {                                                 \
        _mm512_storeu_##P(p, a);                                                                   \
    }                                                                                              \
    VEC_INLINE vec_##S v_set1_##S(T a) {                                                           \
        return _mm512_set1_##P(a);                                                                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_add_##S(vec_##S a, vec_##S b) {                                           \
        return _mm512_add_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_sub_##S(vec_##S a, vec_##S b) {                                           \
        return _mm512_sub_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_mul_##S(vec_##S a, vec_##S b) {                                           \
        return _mm512_mul_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_div_##S(vec_##S a, vec_##S b) {                                           \
        return _mm512_div_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_and_##S(vec_##S a, vec_##S b) {                                           \
        return _mm512_and_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_or_##S(vec_##S a, vec_##S b) {                                            \
        return _mm512_or_##P(a, b);                                                                \
    }                                                                                              \
    VEC_INLINE vec_##S v_max_##S(vec_##S a, vec_##S b) {                                           \
        return _mm512_max_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_min_##S(vec_##S a, vec_##S b) {                                           \
        return _mm512_min_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_fma_##S(vec_##S a, vec_##S b, vec_##S c) {                                \
        return _mm512_fmadd_##P(a, b, c);                                                          \
    }                                                                                              \
    VEC_INLINE vec_##S v_fnma_##S(vec_##S a, vec_##S b, vec_##S c) {                               \
        return _mm512_fnmadd_##P(a, b, c);                                                         \
    }                                                                                              \
    VEC_INLINE vec_##S v_sqrt_##S(vec_##S a) {                                                     \
        return _mm512_sqrt_##P(a);                                                                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_round_##S(vec_##S a) {                                                    \
        return _mm512_roundscale_##P(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);            \
    }                                                                                              \
    VEC_INLINE vec_##S v_scale_##S(vec_##S a, vec_##S n) {                                         \
        return _mm512_scalef_##P(a, n);                                                            \
    }                                                                                              \
    VEC_INLINE vec_##S v_pow2_##S(vec_##S n) {                                                     \
        return _mm512_scalef_##P(_mm512_set1_##P(1), n);                                           \
    }                                                                                              \
    VEC_INLINE vec_##S v_zero_below_##S(vec_##S x, vec_##S bound, vec_##S a) {                     \
        return _mm512_maskz_mov_##P(_mm512_cmp_##P##_mask(x, bound, _CMP_NLT_UQ), a);              \
    }                                                                                              \
    VEC_INLINE vec_##S v_negative_##S(vec_##S x, vec_##S a, vec_##S b) {                           \
        return _mm512_mask_blend_##P(_mm512_movepi##I##_mask(_mm512_cast##P##_si512(x)), b, a);    \
    }                                                                                              \
    VEC_INLINE vec_##S v_load_part_##S(const T *p, size_t n, vec_##S fill) {                       \
        return _mm512_mask_loadu_##P(fill, (__mmask##N)((1u << n) - 1), p);                        \
    }                                                                                              \
    VEC_INLINE void v_store_part_##S(T *p, vec_##S a, size_t n) {                                  \
        _mm512_mask_storeu_##P(p, (__mmask##N)((1u << n) - 1), a);                                 \
    }
VEC_COMMON(f32, float, ps, 16, 32)
VEC_COMMON(f64, double, pd, 8, 64)
#undef VEC_COMMON

/* The upper half. */
VEC_INLINE __m256d v_upper_f64(vec_f64 a) {
    return _mm512_extractf64x4_pd(a, 1);
}
VEC_INLINE __m256 v_upper_f32(vec_f32 a) {
    return _mm256_castpd_ps(v_upper_f64(_mm512_castps_pd(a)));
}

/* Halves onto each other until one lane is left: the same order with every compiler. */
#define VEC_REDUCE(name, op)                                                                       \
    VEC_INLINE __m256 v_half_##name##_f32(vec_f32 a) {                                             \
        return _mm256_##op##_ps(_mm512_castps512_ps256(a), v_upper_f32(a));                        \
    }                                                                                              \
    VEC_INLINE __m256d v_half_##name##_f64(vec_f64 a) {                                            \
        return _mm256_##op##_pd(_mm512_castpd512_pd256(a), v_upper_f64(a));                        \
    }                                                                                              \
    VEC_INLINE float v_##name##_f32(vec_f32 a) {                                                   \
        __m256 h = v_half_##name##_f32(a);                                                         \
        __m128 v = _mm_##op##_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));          \
        v = _mm_##op##_ps(v, _mm_movehl_ps(v, v));                                                 \
        return _mm_cvtss_f32(_mm_##op##_ss(v, _mm_movehdup_ps(v)));                                \
    }                                                                                              \
    VEC_INLINE double v_##name##_f64(vec_f64 a) {                                                  \
        __m256d h = v_half_##name##_f64(a);                                                        \
        __m128d v = _mm_##op##_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));         \
        return _mm_cvtsd_f64(_mm_##op##_sd(v, _mm_unpackhi_pd(v, v)));                             \
    }
VEC_REDUCE(sum, add)
VEC_REDUCE(largest, max)
#undef VEC_REDUCE

VEC_INLINE void v_sum4_f32(vec_f32 a, vec_f32 b, vec_f32 c, vec_f32 d, float *out) {
    __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(v_half_sum_f32(a), v_half_sum_f32(b)),
                              _mm256_hadd_ps(v_half_sum_f32(c), v_half_sum_f32(d)));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

VEC_INLINE void v_sum4_f64(vec_f64 a, vec_f64 b, vec_f64 c, vec_f64 d, double *out) {
    __m256d s = _mm256_hadd_pd(v_half_sum_f64(a), v_half_sum_f64(b));
    __m256d t = _mm256_hadd_pd(v_half_sum_f64(c), v_half_sum_f64(d));
    _mm_storeu_pd(out, _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1)));
    _mm_storeu_pd(out + 2, _mm_add_pd(_mm256_castpd256_pd128(t), _mm256_extractf128_pd(t, 1)));
}

/* An estimate of 14 bits and one of Newton's steps, which has no number for 0 and infinity. */
VEC_INLINE vec_f32 vec_inverse_root(vec_f32 a) {
    const vec_f32 half = v_set1_f32(0.5f), r = _mm512_rsqrt14_ps(a);
    const vec_f32 near = v_fma_f32(r, v_fnma_f32(v_mul_f32(v_mul_f32(half, a), r), r, half), r);
    return _mm512_mask_mov_ps(r, _mm512_cmp_ps_mask(near, near, _CMP_ORD_Q), near);
}

/* Roots and quotients take some twenty cycles each. */
VEC_INLINE vec_f32 v_inverse_34_f32(vec_f32 a) {
    const vec_f32 r = vec_inverse_root(a); /* a^(-1/2) = r; sqrt(r) = r / sqrt(r) */
    return v_mul_f32(r, v_mul_f32(r, vec_inverse_root(v_max_f32(v_set1_f32(0x1p-126f), r))));
}

VEC_INLINE vec_f32 v_widen_f32(const int8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)));
}

VEC_INLINE vec_f32 v_widen_half_f32(const uint16_t *p) {
    __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(p + 8)));
    __m256 first = _mm256_castsi256_ps(_mm256_slli_epi32(low, 16));
    __m256 second = _mm256_castsi256_ps(_mm256_slli_epi32(high, 16));
    return _mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1);
}

typedef struct vec_pick_f32 {
    __m512i lanes;
    __mmask16 own;
} vec_pick_f32;
VEC_INLINE vec_pick_f32 v_picks_f32(const int32_t *lanes) {
    const __m512i v = _mm512_loadu_si512(lanes);
    return (vec_pick_f32){v, _mm512_cmpge_epi32_mask(v, _mm512_setzero_si512())};
}
VEC_INLINE vec_f32 v_pick_f32(vec_f32 a, vec_f32 b, vec_pick_f32 p) {
    return _mm512_mask_permutexvar_ps(a, p.own, p.lanes, b);
}

#include "vec_x86_turn.h"

#endif
