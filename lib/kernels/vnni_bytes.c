/* Products of bytes with AVX-512 VNNI, and what quantizes them. Compiled with the flags of the
 * AVX-512 tier and -mavx512vnni; runs where INFER_CPU_AVX512_VNNI is set as well. */
#include "bytes.h"
#include "kernels.h"
#include "vnni.h"

#include <math.h>

/* rows x panels sums in registers. Panels past the last are the last again and not stored. */
VEC_INLINE void tile(const size_t rows, const size_t panels, size_t n, size_t k, const uint8_t *a,
                     size_t lda, const int8_t *packed, const int32_t *start, int32_t *c,
                     size_t ldc) {
    const size_t panel = (k + 3) / 4 * 64;
    const int8_t *b[4];
    __m512i sum[MOST_ROWS][4];
    foreach (p, panels) {
        const bool there = p * INFER_PANEL < n;
        b[p] = there ? packed + p * panel : b[p - 1];
        __m512i first =
            start && there ? _mm512_loadu_si512(start + p * INFER_PANEL) : _mm512_setzero_si512();
        foreach (r, rows)
            sum[r][p] = first;
    }
    size_t l = 0, at = 0;
    for (; l + 4 <= k; l += 4, at += 64) {
        __m512i v[4];
        foreach (p, panels)
            v[p] = _mm512_loadu_si512(b[p] + at);
        foreach (r, rows) {
            __m512i u = _mm512_set1_epi32((int32_t)bytes_word(a + r * lda + l));
            foreach (p, panels)
                add_products(&sum[r][p], u, v[p]);
        }
    }
    if (l < k)
        foreach (r, rows) {
            __m512i u = _mm512_set1_epi32((int32_t)bytes_rest(a + r * lda + l, k - l));
            foreach (p, panels)
                add_products(&sum[r][p], u, _mm512_loadu_si512(b[p] + at));
        }
    foreach (p, panels) {
        if (p * INFER_PANEL >= n)
            break;
        size_t columns = n - p * INFER_PANEL;
        __mmask16 mask = (__mmask16)(columns < INFER_PANEL ? (1u << columns) - 1 : 0xffff);
        foreach (r, rows)
            _mm512_mask_storeu_epi32(c + r * ldc + p * INFER_PANEL, mask, sum[r][p]);
    }
}

/* ---- few columns ---- */

#define TERM int8_t
#define STEP 64
#include "bytes_columns.inc.h"

static __m128i four(size_t k, const uint8_t *a, size_t ld, const int8_t *b) {
    __m512i sum[ROWS];
    __m256i half[ROWS];
    foreach (r, ROWS)
        sum[r] = _mm512_setzero_si512();
    for (size_t l = 0; l < k; l += STEP) {
        const __mmask64 mask = byte_lanes(k - l);
        const __m512i v = _mm512_load_si512(b + l);
        foreach (r, ROWS)
            add_products(&sum[r], _mm512_maskz_loadu_epi8(mask, a + r * ld + l), v);
    }
    foreach (r, ROWS)
        half[r] =
            _mm256_add_epi32(_mm512_castsi512_si256(sum[r]), _mm512_extracti64x4_epi64(sum[r], 1));
    const __m256i all =
        _mm256_hadd_epi32(_mm256_hadd_epi32(half[0], half[1]), _mm256_hadd_epi32(half[2], half[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

/* ---- products ---- */

void infer_vnni_gemm_u8s8(size_t m, size_t n, size_t k, const uint8_t *a, size_t lda,
                          const int8_t *packed, const uint64_t *marks, const int32_t *start,
                          int32_t *c, size_t ldc) {
    (void)marks; /* nothing saturates */
    if (n <= INFER_FEW_COLUMNS && m > 2) {
        few_columns(m, n, k, a, lda, packed, start, c, ldc);
        return;
    }
    const size_t panel = (k + 3) / 4 * 64, panels = m > 1 ? 2 : 4;
    for (size_t j = 0; m > 0 && j < n; j += panels * INFER_PANEL) {
        const int8_t *b = packed + j / INFER_PANEL * panel;
        const int32_t *first = start ? start + j : NULL;
        for (size_t i = 0, rows; i < m; i += rows) {
            rows = tile_rows(m - i, m);
            i = rows > m - i ? m - rows : i;
            const uint8_t *from = a + i * lda;
            int32_t *to = c + i * ldc + j;
            switch (rows) {
#define TILE(rows)                                                                                 \
    case rows:                                                                                     \
        tile(rows, 2, n - j, k, from, lda, b, first, to, ldc);                                     \
        break;
                TILE_ROWS(TILE)
#undef TILE
            default:
                if (panels == 4)
                    tile(1, 4, n - j, k, from, lda, b, first, to, ldc);
                else
                    tile(1, 2, n - j, k, from, lda, b, first, to, ldc);
            }
        }
    }
}

/* ---- columns ---- */

static void gather_s8(size_t groups, size_t plane, size_t taps, const size_t *tap,
                      const infer_runs *runs, const uint8_t *x, int8_t *y) {
    const size_t many = runs->count, bytes = 4 * INFER_PANEL;
    const uint8_t *from[INFER_PANEL];
    __mmask16 mask[INFER_PANEL]; /* where a run and those behind it are */
    for (size_t r = 0; r < many; r++) {
        from[r] = x + runs->from[r] - runs->to[r];
        mask[r] = (__mmask16)(0xffffu << runs->to[r] / 4);
    }
    for (size_t g = 0, at = 0; g < groups; g++, at += plane)
        for (size_t t = 0; t < taps; t++, y += bytes) {
            __m512i v = _mm512_loadu_si512(from[0] + at + tap[t]);
            for (size_t r = 1; r < many; r++)
                v = _mm512_mask_loadu_epi32(v, mask[r], from[r] + at + tap[t]);
            _mm512_storeu_si512(y, v);
        }
}

/* ---- quantizing ---- */

/* Rounded and moved by 0 or more; NaN, and what is too small for an integer, becomes the smallest.
 */
VEC_INLINE __m512i rounded(__m512 v, __m512i zero) {
    v = _mm512_min_ps(_mm512_set1_ps(FAR), v); /* the second, where it is none */
    return _mm512_add_epi32(_mm512_cvtps_epi32(v), zero);
}

/* Sixteen numbers saturated, and 64, which are moved by flip. */
VEC_INLINE void store_8(__m512 v, __m512i zero, uint8_t flip, __mmask16 mask, uint8_t *y) {
    const __m512i all = _mm512_max_epi32(rounded(v, zero), _mm512_setzero_si512());
    const __m128i bytes = _mm512_cvtusepi32_epi8(all);
    _mm_mask_storeu_epi8(y, mask, _mm_xor_si128(bytes, _mm_set1_epi8((char)flip)));
}

VEC_INLINE void store_64(const __m512i v[4], uint8_t flip, uint8_t *y) {
    const __m512i low = _mm512_packs_epi32(v[0], v[1]), high = _mm512_packs_epi32(v[2], v[3]);
    const __m512i all = _mm512_packus_epi16(low, high);
    /* Packing keeps to quarters of a register: fours of each vector are in each. */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(
        y, _mm512_xor_si512(_mm512_permutexvar_epi32(order, all), _mm512_set1_epi8((char)flip)));
}

/* x / by where its integer is all that counts: times the inverse, which is off by less than 2^-12
 * up to FAR; what comes that close to a half, or is no number, is divided. */
VEC_INLINE __m512 quotient(__m512 x, __m512 by, __m512 inverse) {
    const __m512 q = _mm512_mul_ps(x, inverse);
    const __m512 off =
        _mm512_sub_ps(q, _mm512_roundscale_ps(q, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    const __mmask16 close =
        _mm512_cmp_ps_mask(_mm512_abs_ps(off), _mm512_set1_ps(0.5f - 0x1p-12f), _CMP_NLT_UQ);
    return close ? _mm512_div_ps(x, by) : q;
}

static void quantize_8(const float *x, size_t n, float scale, int32_t zero, bool sign, uint8_t *y) {
    /* The inverse of what is smaller or larger is no normal number. */
    const bool usual = fabsf(scale) > 0x1p-100f && fabsf(scale) < 0x1p100f;
    const __m512 by = _mm512_set1_ps(scale);
    const __m512 inverse = _mm512_set1_ps(usual ? 1 / scale : NAN);
    const uint8_t flip = flip_of(sign);
    const __m512i move = _mm512_set1_epi32(zero + flip);
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i v[4];
        foreach (q, 4)
            v[q] = rounded(quotient(_mm512_loadu_ps(x + i + 16 * q), by, inverse), move);
        store_64(v, flip, y + i);
    }
    for (; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        __m512 v = quotient(_mm512_maskz_loadu_ps(mask, x + i), by, inverse);
        store_8(v, move, flip, mask, y + i);
    }
}

static void requantize_8(const int32_t *x, size_t n, int32_t add, const float *scale, size_t step,
                         int32_t zero, bool sign, uint8_t *y) {
    const uint8_t flip = flip_of(sign);
    const __m512i more = _mm512_set1_epi32(add), move = _mm512_set1_epi32(zero + flip);
    const __m512 same = _mm512_set1_ps(n ? *scale : 0);
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m512i v[4];
        foreach (q, 4) {
            __m512i sum = _mm512_add_epi32(_mm512_loadu_si512(x + i + 16 * q), more);
            __m512 by = step ? _mm512_loadu_ps(scale + i + 16 * q) : same;
            v[q] = rounded(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), by), move);
        }
        store_64(v, flip, y + i);
    }
    for (; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        __m512i sum = _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, x + i), more);
        __m512 by = step ? _mm512_maskz_loadu_ps(mask, scale + i) : same;
        store_8(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), by), move, flip, mask, y + i);
    }
}

static void rescale_f32(const int32_t *x, size_t n, int32_t add, const float *scale, size_t step,
                        const float *bias, float *y) {
    const __m512i more = _mm512_set1_epi32(add);
    const __m512 same = _mm512_set1_ps(n ? *scale : 0);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        __m512i sum = _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, x + i), more);
        __m512 by = step ? _mm512_maskz_loadu_ps(mask, scale + i) : same;
        __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), by);
        if (bias)
            v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, bias + i));
        _mm512_mask_storeu_ps(y + i, mask, v);
    }
}

static void axpy_i32(size_t n, uint32_t by, const int32_t *x, int32_t *y) {
    const __m512i factor = _mm512_set1_epi32((int32_t)by);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        __m512i v = _mm512_mullo_epi32(factor, _mm512_maskz_loadu_epi32(mask, x + i));
        v = _mm512_add_epi32(v, _mm512_maskz_loadu_epi32(mask, y + i));
        _mm512_mask_storeu_epi32(y + i, mask, v);
    }
}

static void range_f32(const float *x, size_t n, float *low, float *high) {
    __m512 least[4], most[4];
    foreach (q, 4)
        least[q] = most[q] = _mm512_setzero_ps();
    size_t i = 0;
    for (; n - i >= 64; i += 64)
        foreach (q, 4) {
            const __m512 v = _mm512_loadu_ps(x + i + 16 * q);
            least[q] = _mm512_min_ps(v, least[q]); /* NaN in the first gives the second */
            most[q] = _mm512_max_ps(v, most[q]);
        }
    for (; i < n; i += 16) {
        const __m512 v = _mm512_maskz_loadu_ps(lanes(n - i), x + i);
        least[0] = _mm512_min_ps(v, least[0]);
        most[0] = _mm512_max_ps(v, most[0]);
    }
    foreach (q, 3) {
        least[0] = _mm512_min_ps(least[0], least[q + 1]);
        most[0] = _mm512_max_ps(most[0], most[q + 1]);
    }
    *low = _mm512_reduce_min_ps(least[0]);
    *high = _mm512_reduce_max_ps(most[0]);
}

/* ---- elements ---- */

VEC_INLINE __m512i load_some(const uint8_t *x, size_t n) {
    return _mm512_maskz_loadu_epi8(byte_lanes(n), x);
}

/* Sixteen numbers. */
VEC_INLINE __m512i load_16(const uint8_t *x, __mmask16 mask, uint8_t flip) {
    const __m128i v = _mm_maskz_loadu_epi8(mask, x);
    return _mm512_cvtepu8_epi32(_mm_xor_si128(v, _mm_set1_epi8((char)flip)));
}

static void add_8(const uint8_t *a, const uint8_t *b, size_t n, bool sign, float by_a, float by_b,
                  float rest, int32_t zero, uint8_t *y) {
    const __m512 ra = _mm512_set1_ps(by_a), rb = _mm512_set1_ps(by_b), more = _mm512_set1_ps(rest);
    const uint8_t flip = flip_of(sign);
    const __m512i move = _mm512_set1_epi32(zero + flip);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        const __m512 x = _mm512_cvtepi32_ps(load_16(a + i, mask, flip));
        const __m512 z = _mm512_cvtepi32_ps(load_16(b + i, mask, flip));
        const __m512 sum = _mm512_add_ps(more, _mm512_mul_ps(x, ra));
        store_8(_mm512_add_ps(sum, _mm512_mul_ps(z, rb)), move, flip, mask, y + i);
    }
}

static void mul_8(const uint8_t *a, const uint8_t *b, size_t n, bool sign, int32_t zero_a,
                  int32_t zero_b, float scale, int32_t zero, uint8_t *y) {
    const uint8_t flip = flip_of(sign);
    const __m512i za = _mm512_set1_epi32(zero_a + flip), zb = _mm512_set1_epi32(zero_b + flip);
    const __m512i move = _mm512_set1_epi32(zero + flip);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        const __m512i x = _mm512_sub_epi32(load_16(a + i, mask, flip), za);
        const __m512i z = _mm512_sub_epi32(load_16(b + i, mask, flip), zb);
        const __m512 product = /* exact */
            _mm512_mul_ps(_mm512_cvtepi32_ps(x), _mm512_cvtepi32_ps(z));
        store_8(_mm512_mul_ps(product, _mm512_set1_ps(scale)), move, flip, mask, y + i);
    }
}

/* The largest of so many taps of 64 neighbours; `some` of them, where they are not all there. */
VEC_INLINE __m512i most_64(const uint8_t *x, size_t taps, size_t step, size_t some, __m512i flip) {
    __m512i most = _mm512_setzero_si512();
    for (size_t t = 0; t < taps; t++, x += step) {
        const __m512i v = some < 64 ? load_some(x, some) : _mm512_loadu_si512(x);
        most = _mm512_max_epu8(most, _mm512_xor_si512(v, flip));
    }
    return _mm512_xor_si512(most, flip);
}

/* Masks are for the last numbers alone, as stores with them are slow. Behind the last of strides of
 * two a byte less may be there. */
static void max_8(const uint8_t *x, size_t taps, size_t step, size_t stride, size_t n, bool sign,
                  uint8_t *y) {
    const __m512i flip = _mm512_set1_epi8((char)flip_of(sign));
    size_t i = 0;
    if (stride == 1) {
        for (; n - i >= 64; i += 64)
            _mm512_storeu_si512(y + i, most_64(x + i, taps, step, 64, flip));
        if (i < n)
            _mm512_mask_storeu_epi8(y + i, byte_lanes(n - i),
                                    most_64(x + i, taps, step, n - i, flip));
    } else if (stride == 2) {
        for (; n - i > 32; i += 32)
            _mm256_storeu_si256((__m256i *)(y + i),
                                _mm512_cvtepi16_epi8(most_64(x + 2 * i, taps, step, 64, flip)));
        const __mmask32 mask = (__mmask32)byte_lanes(n - i);
        if (i < n)
            _mm256_mask_storeu_epi8(
                y + i, mask,
                _mm512_cvtepi16_epi8(most_64(x + 2 * i, taps, step, 2 * (n - i) - 1, flip)));
    } else
        bytes_max(x, taps, step, stride, n, flip_of(sign), y);
}

static void pick_8(const uint8_t *x, size_t step, size_t n, uint8_t *y) {
    size_t i = 0;
    for (; step == 2 && i < n; i += 32) {
        const __m512i v = load_some(x + 2 * i, 2 * (n - i) - 1);
        const __mmask32 mask = n - i < 32 ? ((__mmask32)1 << (n - i)) - 1 : ~(__mmask32)0;
        _mm256_mask_storeu_epi8(y + i, mask, _mm512_cvtepi16_epi8(v));
    }
    for (; i < n; i++)
        y[i] = x[i * step];
}

/* ---- few taps ---- */

static void widen_8(size_t rows, size_t n, const uint8_t *x, size_t ldx, uint8_t flip, int32_t zero,
                    int16_t *y, size_t ldy) {
    const __m256i by = _mm256_set1_epi8((char)flip);
    const __m512i move = _mm512_set1_epi16((int16_t)zero);
    for (size_t r = 0; r < rows; r++, x += ldx, y += ldy)
        for (size_t i = 0; i < n; i += 32) {
            const __mmask32 mask = n - i < 32 ? ((__mmask32)1 << (n - i)) - 1 : ~(__mmask32)0;
            const __m256i v = _mm256_xor_si256(_mm256_maskz_loadu_epi8(mask, x + i), by);
            _mm512_mask_storeu_epi16(y + i, mask, _mm512_sub_epi16(_mm512_cvtepu8_epi16(v), move));
        }
}

/* Sixteen numbers and, `second` behind them, sixteen more. */
VEC_INLINE __m512i load_halves(const int16_t *x, size_t second) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const void *)x)),
                              _mm256_loadu_si256((const void *)(x + second)), 1);
}

/* The 32 sums of two halves, in fours of each quarter, as unpacking leaves them. */
VEC_INLINE void tap_pairs(const infer_taps8 *t, const int16_t *x, size_t second, __m512i sum[2]) {
    for (size_t k = 0; k < t->count; k += 2) {
        const bool two = k + 1 < t->count;
        const __m512i a = load_halves(x + t->offset[k], second);
        const __m512i b = load_halves(x + t->offset[two ? k + 1 : k], second);
        const __m512i pair = _mm512_set1_epi32(
            (int32_t)((uint16_t)t->w[k] | (two ? (uint32_t)(uint16_t)t->w[k + 1] << 16 : 0)));
        sum[0] = _mm512_dpwssd_epi32(sum[0], _mm512_unpacklo_epi16(a, b), pair);
        sum[1] = _mm512_dpwssd_epi32(sum[1], _mm512_unpackhi_epi16(a, b), pair);
    }
}

static void taps_8(size_t rows, size_t n, size_t ld, const infer_taps8 *t, const int16_t *x,
                   int32_t *sums, uint8_t *y) {
    const uint8_t flip = flip_of(t->sign);
    const __m512i more = _mm512_set1_epi32(t->add), move = _mm512_set1_epi32(t->zero + flip);
    const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    for (size_t r = 0, many; r < rows; r += many, x += many * ld) {
        many = n <= 16 && r + 1 < rows ? 2 : 1; /* short rows are half a register each */
        const size_t second = many == 2 ? ld : 16, behind = many == 2 ? n : 16;
        for (size_t i = 0; i < n; i += 32) {
            const size_t at = r * n + i, left = n - i;
            const __mmask16 first = lanes(left);
            const __mmask16 rest = many == 2 ? first : left > 16 ? lanes(left - 16) : 0;
            __m512i sum[2] = {more, more};
            tap_pairs(t, x + i, second, sum);
            if (sums) {
                _mm512_mask_storeu_epi32(sums + at, first,
                                         _mm512_permutex2var_epi32(sum[0], low, sum[1]));
                _mm512_mask_storeu_epi32(sums + at + behind, rest,
                                         _mm512_permutex2var_epi32(sum[0], high, sum[1]));
                continue;
            }
            foreach (q, 2)
                sum[q] = rounded(
                    _mm512_mul_ps(_mm512_cvtepi32_ps(sum[q]), _mm512_set1_ps(t->scale)), move);
            const __m512i all =
                _mm512_max_epi16(_mm512_packs_epi32(sum[0], sum[1]), _mm512_setzero_si512());
            const __m256i bytes =
                _mm256_xor_si256(_mm512_cvtusepi16_epi8(all), _mm256_set1_epi8((char)flip));
            _mm_mask_storeu_epi8(y + at, first, _mm256_castsi256_si128(bytes));
            _mm_mask_storeu_epi8(y + at + behind, rest, _mm256_extracti128_si256(bytes, 1));
        }
    }
}

void infer_kernels_vnni_bytes(infer_kernels *k) {
#define NONE(result, name, parameters) k->name = NULL;
    INFER_KERNELS_WINOGRAD_8(NONE)
#undef NONE
    k->widen_8 = widen_8;
    k->taps_8 = taps_8;
    k->max_8 = max_8;
    k->pick_8 = pick_8;
    k->add_8 = add_8;
    k->mul_8 = mul_8;
    k->quantize_8 = quantize_8;
    k->requantize_8 = requantize_8;
    k->rescale_f32 = rescale_f32;
    k->axpy_i32 = axpy_i32;
    k->range_f32 = range_f32;
    k->gather_s8 = gather_s8;
    k->gemm_u8s8 = infer_vnni_gemm_u8s8;
}
