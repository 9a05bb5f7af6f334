/* NEON of AArch64 in the words of vec.h. */
#ifndef INFER_KERNELS_VEC_NEON_H
#define INFER_KERNELS_VEC_NEON_H

#include "vec.h"

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES_f32        4
#define LANES_f64        2
#define ROWS             4
#define ROW_SUMS         4
#define TILE_STEPS       1
#define TILE_ROWS_f32    5
#define TILE_VECS_f32    4
#define TILE_LIST_f32(X) X(2) X(3) X(4) X(5)
#define TILE_HALF_f32(X) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define TILE_LONG_f32(X) X(2) X(3)
#define TILE_ROWS_f64    TILE_ROWS_f32
#define TILE_VECS_f64    TILE_VECS_f32
#define TILE_LIST_f64    TILE_LIST_f32

typedef float32x4_t vec_f32;
typedef float64x2_t vec_f64;

/* What differs between the element types by a suffix alone; I is the integer lanes' width. */
#define VEC_COMMON(S, T, I)                                                                        \
    VEC_INLINE vec_##S v_load_##S(const T *p) {                                                    \
        return vld1q_##S(p);                                                                       \
    }                                                                                              \
    VEC_INLINE void v_store_##S(T *p, vec_##S a) {                                                 \
        vst1q_##S(p, a);                                                                           \
    }                                                                                              \
    VEC_INLINE vec_##S v_set1_##S(T a) {                                                           \
        return vdupq_n_##S(a);                                                                     \
    }                                                                                              \
    VEC_INLINE vec_##S v_add_##S(vec_##S a, vec_##S b) {                                           \
        return vaddq_##S(a, b);                                                                    \
    }                                                                                              \
    VEC_INLINE vec_##S v_sub_##S(vec_##S a, vec_##S b) {                                           \
        return vsubq_##S(a, b);                                                                    \
    }                                                                                              \
    VEC_INLINE vec_##S v_mul_##S(vec_##S a, vec_##S b) {                                           \
        return vmulq_##S(a, b);                                                                    \
    }                                                                                              \
    VEC_INLINE vec_##S v_div_##S(vec_##S a, vec_##S b) {                                           \
        return vdivq_##S(a, b);                                                                    \
    }                                                                                              \
    VEC_INLINE vec_##S v_and_##S(vec_##S a, vec_##S b) {                                           \
        return vreinterpretq_##S##_u##I(                                                           \
            vandq_u##I(vreinterpretq_u##I##_##S(a), vreinterpretq_u##I##_##S(b)));                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_or_##S(vec_##S a, vec_##S b) {                                            \
        return vreinterpretq_##S##_u##I(                                                           \
            vorrq_u##I(vreinterpretq_u##I##_##S(a), vreinterpretq_u##I##_##S(b)));                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_max_##S(vec_##S a, vec_##S b) {                                           \
        return vmaxq_##S(a, b);                                                                    \
    }                                                                                              \
    VEC_INLINE vec_##S v_min_##S(vec_##S a, vec_##S b) {                                           \
        return vminq_##S(a, b);                                                                    \
    }                                                                                              \
    VEC_INLINE vec_##S v_fma_##S(vec_##S a, vec_##S b, vec_##S c) {                                \
        return vfmaq_##S(c, a, b);                                                                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_fnma_##S(vec_##S a, vec_##S b, vec_##S c) {                               \
        return vfmsq_##S(c, a, b);                                                                 \
    }                                                                                              \
    VEC_INLINE vec_##S v_sqrt_##S(vec_##S a) {                                                     \
        return vsqrtq_##S(a);                                                                      \
    }                                                                                              \
    VEC_INLINE vec_##S v_round_##S(vec_##S a) {                                                    \
        return vrndnq_##S(a);                                                                      \
    }                                                                                              \
    VEC_INLINE vec_##S v_zero_below_##S(vec_##S x, vec_##S bound, vec_##S a) {                     \
        return vbslq_##S(vcltq_##S(x, bound), vdupq_n_##S(0), a);                                  \
    }                                                                                              \
    VEC_INLINE vec_##S v_negative_##S(vec_##S x, vec_##S a, vec_##S b) {                           \
        return vbslq_##S(vcltzq_s##I(vreinterpretq_s##I##_##S(x)), a, b);                          \
    }                                                                                              \
    VEC_INLINE T v_sum_##S(vec_##S a) {                                                            \
        return vaddvq_##S(a);                                                                      \
    }                                                                                              \
    VEC_INLINE T v_largest_##S(vec_##S a) {                                                        \
        return vmaxvq_##S(a);                                                                      \
    }
VEC_COMMON(f32, float, 32)
VEC_COMMON(f64, double, 64)
#undef VEC_COMMON

/* 2^n for integral n inside the range of normal exponents. */
VEC_INLINE vec_f32 v_pow2_f32(vec_f32 n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}

VEC_INLINE vec_f64 v_pow2_f64(vec_f64 n) {
    return vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(vcvtq_s64_f64(n), vdupq_n_s64(1023)), 52));
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

VEC_INLINE vec_f32 v_load_part_f32(const float *p, size_t n, vec_f32 fill) {
    fill = vld1q_lane_f32(p, fill, 0);
    if (n > 1)
        fill = vld1q_lane_f32(p + 1, fill, 1);
    if (n > 2)
        fill = vld1q_lane_f32(p + 2, fill, 2);
    return fill;
}

VEC_INLINE void v_store_part_f32(float *p, vec_f32 a, size_t n) {
    vst1q_lane_f32(p, a, 0);
    if (n > 1)
        vst1q_lane_f32(p + 1, a, 1);
    if (n > 2)
        vst1q_lane_f32(p + 2, a, 2);
}

/* A part of two lanes is one. */
VEC_INLINE vec_f64 v_load_part_f64(const double *p, size_t n, vec_f64 fill) {
    (void)n;
    return vld1q_lane_f64(p, fill, 0);
}

VEC_INLINE void v_store_part_f64(double *p, vec_f64 a, size_t n) {
    (void)n;
    vst1q_lane_f64(p, a, 0);
}

VEC_INLINE void v_sum4_f32(vec_f32 a, vec_f32 b, vec_f32 c, vec_f32 d, float *out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

VEC_INLINE void v_sum4_f64(vec_f64 a, vec_f64 b, vec_f64 c, vec_f64 d, double *out) {
    vst1q_f64(out, vpaddq_f64(a, b));
    vst1q_f64(out + 2, vpaddq_f64(c, d));
}

VEC_INLINE vec_f32 v_inverse_34_f32(vec_f32 a) {
    const vec_f32 root = v_sqrt_f32(a);
    return v_div_f32(v_set1_f32(1), v_mul_f32(root, v_sqrt_f32(root)));
}

VEC_INLINE vec_f32 v_widen_f32(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

VEC_INLINE vec_f32 v_widen_half_f32(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

VEC_INLINE void v_turn_f32(const float *from, size_t ld, float *to, size_t ldt) {
    foreach (i, 2)
        foreach (j, 2) {
            const float *x = from + 4 * i * ld + 4 * j;
            float *y = to + 4 * j * ldt + 4 * i;
            /* Pairs of rows 0 and 2, 1 and 3, then these of one another. */
            float32x4_t a = vld1q_f32(x), b = vld1q_f32(x + ld), c = vld1q_f32(x + 2 * ld);
            float32x4_t d = vld1q_f32(x + 3 * ld);
            float32x4x2_t even = vzipq_f32(a, c), odd = vzipq_f32(b, d);
            float32x4x2_t low = vzipq_f32(even.val[0], odd.val[0]);
            float32x4x2_t high = vzipq_f32(even.val[1], odd.val[1]);
            vst1q_f32(y, low.val[0]);
            vst1q_f32(y + ldt, low.val[1]);
            vst1q_f32(y + 2 * ldt, high.val[0]);
            vst1q_f32(y + 3 * ldt, high.val[1]);
        }
}

/* Bytes; those past the last of b leave a's. */
typedef uint8x16_t vec_pick_f32;
VEC_INLINE vec_pick_f32 v_picks_f32(const int32_t *lanes) {
    uint8_t bytes[16];
    for (size_t i = 0; i < 16; i++)
        bytes[i] = lanes[i / 4] < 0 ? 255 : (uint8_t)(lanes[i / 4] * 4 + (int32_t)(i % 4));
    return vld1q_u8(bytes);
}
VEC_INLINE vec_f32 v_pick_f32(vec_f32 a, vec_f32 b, vec_pick_f32 p) {
    return vreinterpretq_f32_u8(vqtbx1q_u8(vreinterpretq_u8_f32(a), vreinterpretq_u8_f32(b), p));
}

#endif
