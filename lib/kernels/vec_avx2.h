/* AVX2 and FMA in the words of vec.h. */
#ifndef INFER_KERNELS_VEC_AVX2_H
#define INFER_KERNELS_VEC_AVX2_H

#include "vec.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define LANES_f32        8
#define LANES_f64        4
#define ROWS             4
#define ROW_SUMS         2 /* a cache line of each row a turn: out of cache nothing is faster */
#define TILE_STEPS       4
#define TILE_ROWS_f32    6
#define TILE_VECS_f32    2
#define TILE_LIST_f32(X) X(2) X(3) X(4) X(5) X(6)
#define TILE_HALF_f32(X) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define TILE_LONG_f32(X) X(2) X(3) X(4)
#define TILE_ROWS_f64    3
#define TILE_VECS_f64    4
#define TILE_LIST_f64(X) X(2) X(3)

typedef __m256 vec_f32;
typedef __m256d vec_f64;

/* Eight set words, then eight clear ones: a mask of n lanes starts n words before the middle. */
static const int32_t vec_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

/* What differs between the element types by a suffix alone. */
#define VEC_COMMON(S, T, P, WORDS)                                                                 \
    VEC_INLINE vec_##S v_load_##S(const T *p) {                                                    \
        return _mm256_loadu_##P(p);                                                                \
    }                                                                                              \
    VEC_INLINE void v_store_##S(T *p, vec_##S a) {                                                 \
        _mm256_storeu_##P(p, a);                                                                   \
    }                                                                                              \
    VEC_INLINE vec_##S v_set1_##S(T a) {                                                           \
        return _mm256_set1_##P(a);                                                                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_add_##S(vec_##S a, vec_##S b) {                                           \
        return _mm256_add_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_sub_##S(vec_##S a, vec_##S b) {                                           \
        return _mm256_sub_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_mul_##S(vec_##S a, vec_##S b) {                                           \
        return _mm256_mul_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_div_##S(vec_##S a, vec_##S b) {                                           \
        return _mm256_div_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_and_##S(vec_##S a, vec_##S b) {                                           \
        return _mm256_and_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_or_##S(vec_##S a, vec_##S b) {                                            \
        return _mm256_or_##P(a, b);                                                                \
    }                                                                                              \
    VEC_INLINE vec_##S v_max_##S(vec_##S a, vec_##S b) {                                           \
        return _mm256_max_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_min_##S(vec_##S a, vec_##S b) {                                           \
        return _mm256_min_##P(a, b);                                                               \
    }                                                                                              \
    VEC_INLINE vec_##S v_fma_##S(vec_##S a, vec_##S b, vec_##S c) {                                \
        return _mm256_fmadd_##P(a, b, c);                                                          \
    }                                                                                              \
    VEC_INLINE vec_##S v_fnma_##S(vec_##S a, vec_##S b, vec_##S c) {                               \
        return _mm256_fnmadd_##P(a, b, c);                                                         \
    }                                                                                              \
    VEC_INLINE vec_##S v_sqrt_##S(vec_##S a) {                                                     \
        return _mm256_sqrt_##P(a);                                                                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_round_##S(vec_##S a) {                                                    \
        return _mm256_round_##P(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_zero_below_##S(vec_##S x, vec_##S bound, vec_##S a) {                     \
        return _mm256_andnot_##P(_mm256_cmp_##P(x, bound, _CMP_LT_OQ), a);                         \
    }                                                                                              \
    VEC_INLINE vec_##S v_negative_##S(vec_##S x, vec_##S a, vec_##S b) {                           \
        return _mm256_blendv_##P(b, a, x);                                                         \
    }                                                                                              \
    VEC_INLINE vec_##S v_load_part_##S(const T *p, size_t n, vec_##S fill) {                       \
        __m256i mask =                                                                             \
            _mm256_loadu_si256((const __m256i *)(const void *)(vec_mask + 8 - WORDS * n));         \
        return _mm256_blendv_##P(fill, _mm256_maskload_##P(p, mask), _mm256_castsi256_##P(mask));  \
    }
VEC_COMMON(f32, float, ps, 1)
VEC_COMMON(f64, double, pd, 2)
#undef VEC_COMMON

/* 2^n for integral n inside the range of normal exponents: adding the magic number leaves n + bias
 * in the lowest bits, from where the shift takes it to the exponent's place. */
VEC_INLINE vec_f32 v_pow2_f32(vec_f32 n) {
    __m256i bits = _mm256_castps_si256(_mm256_add_ps(n, _mm256_set1_ps(0x1.8p23f + 127)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23));
}

VEC_INLINE vec_f64 v_pow2_f64(vec_f64 n) {
    __m256i bits = _mm256_castpd_si256(_mm256_add_pd(n, _mm256_set1_pd(0x1.8p52 + 1023)));
    return _mm256_castsi256_pd(_mm256_slli_epi64(bits, 52));
}

/* In two steps, as 2^n alone may be no number; only the second can round. */
#define VEC_SCALE(S)                                                                               \
    VEC_INLINE vec_##S v_scale_##S(vec_##S a, vec_##S n) {                                         \
        vec_##S half = v_round_##S(v_mul_##S(n, v_set1_##S(0.5f)));                                \
        a = v_mul_##S(a, v_pow2_##S(half));                                                        \
        return v_mul_##S(a, v_pow2_##S(v_sub_##S(n, half)));                                       \
    }
VEC_SCALE(f32)
VEC_SCALE(f64)
#undef VEC_SCALE

/* By halves: a masked store takes AMD's cores dozens of operations. */
VEC_INLINE void v_store_part_f32(float *p, vec_f32 a, size_t n) {
    __m128 v = _mm256_castps256_ps128(a);
    if (n & 4) {
        _mm_storeu_ps(p, v);
        v = _mm256_extractf128_ps(a, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, v);
        v = _mm_movehl_ps(v, v);
        p += 2;
    }
    if (n & 1)
        _mm_store_ss(p, v);
}

VEC_INLINE void v_store_part_f64(double *p, vec_f64 a, size_t n) {
    __m128d v = _mm256_castpd256_pd128(a);
    if (n & 2) {
        _mm_storeu_pd(p, v);
        v = _mm256_extractf128_pd(a, 1);
        p += 2;
    }
    if (n & 1)
        _mm_store_sd(p, v);
}

#define VEC_REDUCE(name, op)                                                                       \
    VEC_INLINE float v_##name##_f32(vec_f32 a) {                                                   \
        __m128 v = _mm_##op##_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));          \
        v = _mm_##op##_ps(v, _mm_movehl_ps(v, v));                                                 \
        return _mm_cvtss_f32(_mm_##op##_ss(v, _mm_movehdup_ps(v)));                                \
    }                                                                                              \
    VEC_INLINE double v_##name##_f64(vec_f64 a) {                                                  \
        __m128d v = _mm_##op##_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));         \
        return _mm_cvtsd_f64(_mm_##op##_sd(v, _mm_unpackhi_pd(v, v)));                             \
    }
VEC_REDUCE(sum, add)
VEC_REDUCE(largest, max)
#undef VEC_REDUCE

VEC_INLINE void v_sum4_f32(vec_f32 a, vec_f32 b, vec_f32 c, vec_f32 d, float *out) {
    __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

VEC_INLINE void v_sum4_f64(vec_f64 a, vec_f64 b, vec_f64 c, vec_f64 d, double *out) {
    __m256d s = _mm256_hadd_pd(a, b), t = _mm256_hadd_pd(c, d);
    _mm_storeu_pd(out, _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1)));
    _mm_storeu_pd(out + 2, _mm_add_pd(_mm256_castpd256_pd128(t), _mm256_extractf128_pd(t, 1)));
}

VEC_INLINE vec_f32 v_inverse_34_f32(vec_f32 a) {
    const vec_f32 root = v_sqrt_f32(a);
    return v_div_f32(v_set1_f32(1), v_mul_f32(root, v_sqrt_f32(root)));
}

VEC_INLINE vec_f32 v_widen_f32(const int8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)));
}

VEC_INLINE vec_f32 v_widen_half_f32(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

/* The sign of a lane's number says that it is not b's. */
typedef __m256i vec_pick_f32;
VEC_INLINE vec_pick_f32 v_picks_f32(const int32_t *lanes) {
    return _mm256_loadu_si256((const void *)lanes);
}
VEC_INLINE vec_f32 v_pick_f32(vec_f32 a, vec_f32 b, vec_pick_f32 p) {
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(b, p), a, _mm256_castsi256_ps(p));
}

#include "vec_x86_turn.h"

#endif
