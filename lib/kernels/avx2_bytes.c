/* The AVX2 tier over bytes, but for products. Compiled with -mavx2; runs where INFER_CPU_AVX2 is
 * set. */
#include "bytes.h"
#include "kernels.h"

#include <immintrin.h>

/* ---- what products take ---- */

/* Four columns of four rows, interleaved, from rows of sixteen. */
static void pack_s8(size_t k, size_t n, const uint8_t *b, size_t ldb, uint8_t flip, int8_t *packed,
                    int32_t *sums) {
    const __m128i by = _mm_set1_epi8((char)flip), ones = _mm_set1_epi8(1);
    const __m128i wide = _mm_set1_epi16(1);
    for (size_t j = 0; j < n; j += INFER_PANEL) {
        size_t columns = n - j < INFER_PANEL ? n - j : INFER_PANEL;
        __m128i sum[4];
        foreach (q, 4)
            sum[q] = _mm_setzero_si128();
        for (size_t i = 0; i < k; i += 4, packed += 64) {
            const uint8_t *from = b + i * ldb + j;
            uint8_t part[4 * INFER_PANEL];
            size_t ld = ldb;
            if (columns < INFER_PANEL) {
                memset(part, flip, sizeof part);
                for (size_t r = 0; r < 4 && r < k - i; r++)
                    memcpy(part + r * INFER_PANEL, from + r * ldb, columns);
                from = part;
                ld = INFER_PANEL;
            }
            __m128i v[4], pairs[4];
            foreach (r, 4)
                v[r] = r < k - i
                           ? _mm_xor_si128(by, _mm_loadu_si128((const __m128i *)(from + r * ld)))
                           : _mm_setzero_si128();
            pairs[0] = _mm_unpacklo_epi8(v[0], v[1]);
            pairs[1] = _mm_unpackhi_epi8(v[0], v[1]);
            pairs[2] = _mm_unpacklo_epi8(v[2], v[3]);
            pairs[3] = _mm_unpackhi_epi8(v[2], v[3]);
            foreach (q, 2) {
                v[2 * q] = _mm_unpacklo_epi16(pairs[q], pairs[2 + q]);
                v[2 * q + 1] = _mm_unpackhi_epi16(pairs[q], pairs[2 + q]);
            }
            foreach (q, 4) {
                _mm_storeu_si128((__m128i *)packed + q, v[q]);
                sum[q] = _mm_add_epi32(sum[q], _mm_madd_epi16(_mm_maddubs_epi16(ones, v[q]), wide));
            }
        }
        if (sums)
            foreach (q, 4)
                _mm_storeu_si128((__m128i *)(sums + j) + q, sum[q]);
    }
}

static void gather_s8(size_t groups, size_t plane, size_t taps, const size_t *tap,
                      const infer_runs *runs, const uint8_t *x, int8_t *y) {
    bytes_gather(groups, plane, taps, tap, runs, x, y);
}

/* ---- quantizing ---- */

/* Beyond what 8 bits and a zero point of them can be. */
#define FAR 1024.0f

/* Rounded and moved by 0 or more; NaN, and what is too small for an integer, becomes the smallest.
 */
VEC_INLINE __m256i rounded(__m256 v, __m256i zero) {
    v = _mm256_min_ps(_mm256_set1_ps(FAR), v); /* the second, where it is none */
    return _mm256_add_epi32(_mm256_cvtps_epi32(v), zero);
}

/* Numbers that are moved by flip. */
VEC_INLINE void store_8(const __m256i v[4], uint8_t flip, uint8_t *y) {
    __m256i low = _mm256_packs_epi32(v[0], v[1]), high = _mm256_packs_epi32(v[2], v[3]);
    __m256i all = _mm256_packus_epi16(low, high);
    all = _mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)y, _mm256_xor_si256(all, _mm256_set1_epi8((char)flip)));
}

/* Eight of them. */
VEC_INLINE void store_few(__m256i v, uint8_t flip, size_t n, uint8_t *y) {
    __m128i all = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    uint8_t last[8];
    all = _mm_xor_si128(_mm_packus_epi16(all, all), _mm_set1_epi8((char)flip));
    _mm_storel_epi64((__m128i *)(n < 8 ? last : y), all);
    if (n < 8)
        memcpy(y, last, n);
}

VEC_INLINE __m256i load_few(const uint8_t *x, uint8_t flip, size_t n) {
    uint8_t last[8] = {0};
    const __m128i v = _mm_loadl_epi64(n < 8 ? memcpy(last, x, n) : (const void *)x);
    return _mm256_cvtepu8_epi32(_mm_xor_si128(v, _mm_set1_epi8((char)flip)));
}

static void quantize_8(const float *x, size_t n, float scale, int32_t zero, bool sign, uint8_t *y) {
    const uint8_t flip = flip_of(sign);
    const __m256i move = _mm256_set1_epi32(zero + flip);
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        __m256i v[4];
        foreach (q, 4)
            v[q] =
                rounded(_mm256_div_ps(_mm256_loadu_ps(x + i + 8 * q), _mm256_set1_ps(scale)), move);
        store_8(v, flip, y + i);
    }
    for (; i < n; i += 8) {
        float part[8] = {0};
        const float *from = n - i < 8 ? memcpy(part, x + i, (n - i) * sizeof *x) : x + i;
        const __m256 v = _mm256_div_ps(_mm256_loadu_ps(from), _mm256_set1_ps(scale));
        store_few(rounded(v, move), flip, n - i, y + i);
    }
}

static void requantize_8(const int32_t *x, size_t n, int32_t add, const float *scale, size_t step,
                         int32_t zero, bool sign, uint8_t *y) {
    const uint8_t flip = flip_of(sign);
    const __m256i more = _mm256_set1_epi32(add), move = _mm256_set1_epi32(zero + flip);
    const __m256 same = _mm256_set1_ps(n ? *scale : 0);
    for (size_t i = 0; i < n; i += 32) {
        int32_t part[32];
        float scales[32];
        uint8_t bytes[32];
        const int32_t *from = x + i;
        const float *by = scale + i * step;
        const bool whole = n - i >= 32;
        if (!whole) {
            memset(part, 0, sizeof part);
            memset(scales, 0, sizeof scales);
            from = memcpy(part, from, (n - i) * sizeof *part);
            if (step)
                by = memcpy(scales, by, (n - i) * sizeof *scales);
        }
        __m256i v[4];
        foreach (q, 4) {
            __m256i sum = _mm256_loadu_si256((const __m256i *)from + q);
            __m256 f = _mm256_cvtepi32_ps(_mm256_add_epi32(sum, more));
            f = _mm256_mul_ps(f, step ? _mm256_loadu_ps(by + 8 * q) : same);
            v[q] = rounded(f, move);
        }
        store_8(v, flip, whole ? y + i : bytes);
        if (!whole)
            memcpy(y + i, bytes, n - i);
    }
}

static void dequantize_8(const uint8_t *x, size_t n, bool sign, int32_t zero, float scale,
                         float *y) {
    const __m256 by = _mm256_set1_ps(scale);
    const __m256i move = _mm256_set1_epi32(sign ? zero + 128 : zero);
    const __m128i flip = _mm_set1_epi8((char)flip_of(sign));
    for (size_t i = 0; i < n; i += 8) {
        const size_t some = n - i < 8 ? n - i : 8;
        uint8_t part[8];
        float numbers[8];
        __m128i bytes;
        if (some < 8) {
            memset(part, 0, sizeof part);
            memcpy(part, x + i, some);
        }
        bytes = _mm_xor_si128(_mm_loadl_epi64((const __m128i *)(some < 8 ? part : x + i)), flip);
        __m256i v = _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), move);
        _mm256_storeu_ps(some < 8 ? numbers : y + i, _mm256_mul_ps(_mm256_cvtepi32_ps(v), by));
        if (some < 8)
            memcpy(y + i, numbers, some * sizeof *y);
    }
}

static void rescale_f32(const int32_t *x, size_t n, int32_t add, const float *scale, size_t step,
                        const float *bias, float *y) {
    const __m256i more = _mm256_set1_epi32(add);
    const __m256 same = _mm256_set1_ps(n ? *scale : 0);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i sum = _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)(x + i)), more);
        __m256 v = _mm256_cvtepi32_ps(sum);
        v = _mm256_mul_ps(v, step ? _mm256_loadu_ps(scale + i) : same);
        if (bias)
            v = _mm256_add_ps(v, _mm256_loadu_ps(bias + i));
        _mm256_storeu_ps(y + i, v);
    }
    for (; i < n; i++)
        y[i] = (float)(int32_t)((uint32_t)x[i] + (uint32_t)add) * scale[i * step] +
               (bias ? bias[i] : 0);
}

static void axpy_i32(size_t n, uint32_t by, const int32_t *x, int32_t *y) {
    const __m256i factor = _mm256_set1_epi32((int32_t)by);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_mullo_epi32(factor, _mm256_loadu_si256((const __m256i *)(x + i)));
        __m256i *to = (__m256i *)(y + i);
        _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), v));
    }
    for (; i < n; i++)
        y[i] = (int32_t)((uint32_t)y[i] + by * (uint32_t)x[i]);
}

static void range_f32(const float *x, size_t n, float *low, float *high) {
    __m256 least[2], most[2];
    foreach (q, 2)
        least[q] = most[q] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        foreach (q, 2) {
            __m256 v = _mm256_loadu_ps(x + i + 8 * q);
            least[q] = _mm256_min_ps(v, least[q]); /* NaN in the first gives the second */
            most[q] = _mm256_max_ps(v, most[q]);
        }
    float lows[8], highs[8];
    _mm256_storeu_ps(lows, _mm256_min_ps(least[0], least[1]));
    _mm256_storeu_ps(highs, _mm256_max_ps(most[0], most[1]));
    *low = *high = 0;
    foreach (q, 8) {
        *low = lows[q] < *low ? lows[q] : *low;
        *high = highs[q] > *high ? highs[q] : *high;
    }
    for (; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

static void add_8(const uint8_t *a, const uint8_t *b, size_t n, bool sign, float by_a, float by_b,
                  float rest, int32_t zero, uint8_t *y) {
    const __m256 ra = _mm256_set1_ps(by_a), rb = _mm256_set1_ps(by_b), more = _mm256_set1_ps(rest);
    const uint8_t flip = flip_of(sign);
    const __m256i move = _mm256_set1_epi32(zero + flip);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 x = _mm256_cvtepi32_ps(load_few(a + i, flip, n - i));
        const __m256 z = _mm256_cvtepi32_ps(load_few(b + i, flip, n - i));
        const __m256 sum = _mm256_add_ps(more, _mm256_mul_ps(x, ra));
        store_few(rounded(_mm256_add_ps(sum, _mm256_mul_ps(z, rb)), move), flip, n - i, y + i);
    }
}

static void mul_8(const uint8_t *a, const uint8_t *b, size_t n, bool sign, int32_t zero_a,
                  int32_t zero_b, float scale, int32_t zero, uint8_t *y) {
    const uint8_t flip = flip_of(sign);
    const __m256i za = _mm256_set1_epi32(zero_a + flip), zb = _mm256_set1_epi32(zero_b + flip);
    const __m256i move = _mm256_set1_epi32(zero + flip);
    for (size_t i = 0; i < n; i += 8) {
        const __m256i x = _mm256_sub_epi32(load_few(a + i, flip, n - i), za);
        const __m256i z = _mm256_sub_epi32(load_few(b + i, flip, n - i), zb);
        const __m256 product = /* exact */
            _mm256_mul_ps(_mm256_cvtepi32_ps(x), _mm256_cvtepi32_ps(z));
        store_few(rounded(_mm256_mul_ps(product, _mm256_set1_ps(scale)), move), flip, n - i, y + i);
    }
}

/* The largest of so many taps of 32 neighbours, and of 16, as unsigned numbers. */
VEC_INLINE __m256i most_32(const uint8_t *x, size_t taps, size_t step, __m256i flip) {
    __m256i most = _mm256_setzero_si256();
    for (size_t t = 0; t < taps; t++, x += step)
        most =
            _mm256_max_epu8(most, _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)x), flip));
    return most;
}

VEC_INLINE __m128i most_16(const uint8_t *x, size_t taps, size_t step, __m128i flip) {
    __m128i most = _mm_setzero_si128();
    for (size_t t = 0; t < taps; t++, x += step)
        most = _mm_max_epu8(most, _mm_xor_si128(_mm_loadu_si128((const __m128i *)x), flip));
    return most;
}

/* The last of neighbours come with some before them, a second time. So do the last of pairs' first
 * ones: behind the last a byte less may be there, so these are the second ones of what begins a
 * byte before. */
static void max_8(const uint8_t *x, size_t taps, size_t step, size_t stride, size_t n, bool sign,
                  uint8_t *y) {
    const uint8_t by = flip_of(sign);
    const __m256i flip = _mm256_set1_epi8((char)by), even = _mm256_set1_epi16(0xff);
    const __m128i half = _mm256_castsi256_si128(flip), first = _mm256_castsi256_si128(even);
    size_t i = 0;
    if (stride == 1 && n >= 32)
        for (; i < n; i += 32) {
            i = n - i < 32 ? n - 32 : i;
            _mm256_storeu_si256((__m256i *)(y + i),
                                _mm256_xor_si256(most_32(x + i, taps, step, flip), flip));
        }
    else if (stride == 1 && n >= 16)
        for (; i < n; i += 16) {
            i = n - i < 16 ? n - 16 : i;
            _mm_storeu_si128((__m128i *)(y + i),
                             _mm_xor_si128(most_16(x + i, taps, step, half), half));
        }
    else if (stride == 1 && n >= 8)
        for (; i < n; i += 8) {
            i = n - i < 8 ? n - 8 : i;
            __m128i most = _mm_setzero_si128();
            for (size_t t = 0; t < taps; t++) {
                const __m128i v = _mm_loadl_epi64((const __m128i *)(x + t * step + i));
                most = _mm_max_epu8(most, _mm_xor_si128(v, half));
            }
            _mm_storel_epi64((__m128i *)(y + i), _mm_xor_si128(most, half));
        }
    else if (stride == 2 && n > 32)
        for (; i < n; i += 32) {
            const bool last = n - i <= 32;
            const uint8_t *from = last ? x + 2 * n - 65 : x + 2 * i;
            const __m128i move = _mm_cvtsi32_si128(last ? 8 : 0);
            __m256i a = _mm256_srl_epi16(most_32(from, taps, step, flip), move);
            __m256i b = _mm256_srl_epi16(most_32(from + 32, taps, step, flip), move);
            a = _mm256_packus_epi16(_mm256_and_si256(a, even), _mm256_and_si256(b, even));
            a = _mm256_xor_si256(_mm256_permute4x64_epi64(a, 0xd8), flip);
            _mm256_storeu_si256((__m256i *)(last ? y + n - 32 : y + i), a);
        }
    else if (stride == 2 && n > 8)
        for (; i < n; i += 8) {
            const bool last = n - i <= 8;
            const __m128i move = _mm_cvtsi32_si128(last ? 8 : 0);
            __m128i a = most_16(last ? x + 2 * n - 17 : x + 2 * i, taps, step, half);
            a = _mm_and_si128(_mm_srl_epi16(a, move), first);
            a = _mm_xor_si128(_mm_packus_epi16(a, a), half);
            _mm_storel_epi64((__m128i *)(last ? y + n - 8 : y + i), a);
        }
    else
        bytes_max(x, taps, step, stride, n, by, y);
}

/* Eight sums at a time, then four. Behind the last of strides of two a number less may be there. */
static void sum_f32(const float *x, size_t taps, size_t step, size_t stride, size_t n,
                    const float *by, float *y) {
    size_t i = 0;
    for (; stride <= 2 && n - i >= 8 + stride - 1; i += 8) {
        const float *from = x + i * stride;
        __m256 sum = _mm256_set1_ps(-0.0f);
        for (size_t t = 0; t < taps; t++, from += step) {
            __m256 v = _mm256_loadu_ps(from);
            if (stride == 2) {
                v = _mm256_shuffle_ps(v, _mm256_loadu_ps(from + 8), 0x88);
                v = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xd8));
            }
            sum = _mm256_add_ps(sum, v);
        }
        _mm256_storeu_ps(y + i, by ? _mm256_div_ps(sum, _mm256_loadu_ps(by + i)) : sum);
    }
    for (; stride == 1 && n - i >= 4; i += 4) {
        __m128 sum = _mm_set1_ps(-0.0f);
        for (size_t t = 0; t < taps; t++)
            sum = _mm_add_ps(sum, _mm_loadu_ps(x + t * step + i));
        _mm_storeu_ps(y + i, by ? _mm_div_ps(sum, _mm_loadu_ps(by + i)) : sum);
    }
    bytes_sum(x + i * stride, taps, step, stride, n - i, by ? by + i : NULL, y + i);
}

/* The first of each two of 32 bytes, or of 16, twice. */
VEC_INLINE __m128i even_of(const uint8_t *x, size_t next) {
    const __m128i even = _mm_set1_epi16(0xff);
    const __m128i a = _mm_loadu_si128((const __m128i *)x);
    const __m128i b = _mm_loadu_si128((const __m128i *)(x + next));
    return _mm_packus_epi16(_mm_and_si128(a, even), _mm_and_si128(b, even));
}

/* The second. */
VEC_INLINE __m128i odd_of(const uint8_t *x, size_t next) {
    const __m128i a = _mm_loadu_si128((const __m128i *)x);
    const __m128i b = _mm_loadu_si128((const __m128i *)(x + next));
    return _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8));
}

/* Of the last a byte less may be there, so the last ones are taken with the byte before. */
static void pick_8(const uint8_t *x, size_t step, size_t n, uint8_t *y) {
    const __m256i even = _mm256_set1_epi16(0xff);
    size_t i = 0;
    if (step == 2 && n > 8 && n <= 16) {
        _mm_storel_epi64((__m128i *)y, even_of(x, 0));
        _mm_storel_epi64((__m128i *)(y + n - 8), odd_of(x + 2 * n - 17, 0));
        return;
    }
    if (step == 2 && n > 16 && n <= 32) {
        _mm_storeu_si128((__m128i *)y, even_of(x, 16));
        _mm_storeu_si128((__m128i *)(y + n - 16), odd_of(x + 2 * n - 33, 16));
        return;
    }
    for (; step == 2 && n - i > 32; i += 32) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)(x + 2 * i));
        const __m256i b = _mm256_loadu_si256((const __m256i *)(x + 2 * i + 32));
        const __m256i all =
            _mm256_packus_epi16(_mm256_and_si256(a, even), _mm256_and_si256(b, even));
        _mm256_storeu_si256((__m256i *)(y + i), _mm256_permute4x64_epi64(all, 0xd8));
    }
    for (; i < n; i++)
        y[i] = x[i * step];
}

static void widen_8(size_t rows, size_t n, const uint8_t *x, size_t ldx, uint8_t flip, int32_t zero,
                    int16_t *y, size_t ldy) {
    const __m128i by = _mm_set1_epi8((char)flip);
    const __m256i move = _mm256_set1_epi16((int16_t)zero);
    for (size_t r = 0; r < rows; r++, x += ldx, y += ldy) {
        for (size_t i = 0; n >= 16 && i < n; i += 16) {
            i = n - i < 16 ? n - 16 : i; /* the last ones with some before them */
            const __m128i v = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(x + i)), by);
            _mm256_storeu_si256((__m256i *)(y + i),
                                _mm256_sub_epi16(_mm256_cvtepu8_epi16(v), move));
        }
        const __m128i half = _mm256_castsi256_si128(move);
        if (n >= 8 && n < 16)
            foreach (q, 2) { /* some of them twice */
                const size_t i = q ? n - 8 : 0;
                const __m128i v = _mm_xor_si128(_mm_loadl_epi64((const __m128i *)(x + i)), by);
                _mm_storeu_si128((__m128i *)(y + i), _mm_sub_epi16(_mm_cvtepu8_epi16(v), half));
            }
        if (n >= 4 && n < 8)
            foreach (q, 2) {
                const size_t i = q ? n - 4 : 0;
                const __m128i v = _mm_xor_si128(_mm_cvtsi32_si128((int)bytes_word(x + i)), by);
                _mm_storel_epi64((__m128i *)(y + i), _mm_sub_epi16(_mm_cvtepu8_epi16(v), half));
            }
        for (size_t i = 0; n < 4 && i < n; i++)
            y[i] = (int16_t)((x[i] ^ flip) - zero);
    }
}

/* ---- few taps ---- */

/* Sixteen sums, in fours of each half, as unpacking leaves them. */
VEC_INLINE void tap_pairs(const infer_taps8 *t, const int16_t *x, __m256i sum[2]) {
    for (size_t k = 0; k < t->count; k += 2) {
        const bool two = k + 1 < t->count;
        const __m256i a = _mm256_loadu_si256((const void *)(x + t->offset[k]));
        const __m256i b = _mm256_loadu_si256((const void *)(x + t->offset[two ? k + 1 : k]));
        const __m256i by = _mm256_set1_epi32(
            (int32_t)((uint16_t)t->w[k] | (two ? (uint32_t)(uint16_t)t->w[k + 1] << 16 : 0)));
        sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), by));
        sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), by));
    }
}

static void taps_8(size_t rows, size_t n, size_t ld, const infer_taps8 *t, const int16_t *x,
                   int32_t *sums, uint8_t *y) {
    const uint8_t flip = flip_of(t->sign);
    const __m256i more = _mm256_set1_epi32(t->add), move = _mm256_set1_epi32(t->zero + flip);
    for (size_t r = 0; r < rows; r++, x += ld)
        for (size_t i = 0; i < n; i += 16) {
            const size_t at = r * n + i, left = n - i < 16 ? n - i : 16;
            __m256i sum[2] = {more, more};
            int32_t last[16];
            tap_pairs(t, x + i, sum);
            if (sums) {
                foreach (q, 2)
                    _mm256_storeu_si256((__m256i *)last + q,
                                        q ? _mm256_permute2x128_si256(sum[0], sum[1], 0x31)
                                          : _mm256_permute2x128_si256(sum[0], sum[1], 0x20));
                memcpy(sums + at, last, left * sizeof *sums);
                continue;
            }
            foreach (q, 2)
                sum[q] = rounded(
                    _mm256_mul_ps(_mm256_cvtepi32_ps(sum[q]), _mm256_set1_ps(t->scale)), move);
            const __m256i all = _mm256_packs_epi32(sum[0], sum[1]);
            const __m128i low = _mm256_castsi256_si128(all),
                          high = _mm256_extracti128_si256(all, 1);
            _mm_storeu_si128((__m128i *)(left == 16 ? y + at : (uint8_t *)last),
                             _mm_xor_si128(_mm_packus_epi16(low, high), _mm_set1_epi8((char)flip)));
            if (left < 16)
                memcpy(y + at, last, left);
        }
}

/* All but lookup_8, for which there is nothing better than a byte at a time. */
void infer_kernels_avx2_bytes(infer_kernels *k) {
    k->pack_s8 = pack_s8;
    k->gather_s8 = gather_s8;
    k->gemm_u8s8 = infer_avx2_gemm_u8s8;
    k->quantize_8 = quantize_8;
    k->requantize_8 = requantize_8;
    k->dequantize_8 = dequantize_8;
    k->rescale_f32 = rescale_f32;
    k->axpy_i32 = axpy_i32;
    k->range_f32 = range_f32;
    k->add_8 = add_8;
    k->mul_8 = mul_8;
    k->max_8 = max_8;
    k->sum_f32 = sum_f32;
    k->pick_8 = pick_8;
    k->widen_8 = widen_8;
    k->taps_8 = taps_8;
    infer_kernels_avx2_winograd(k);
}
