/* What permutations of bytes make short: tables of them, and convolutions whose sums become bytes
 * while they are in registers. Compiled with the flags of the AVX-512 tier, -mavx512vnni and
 * -mavx512vbmi; runs where INFER_CPU_AVX512_VNNI and INFER_CPU_AVX512_VBMI are set. */
#include "bytes.h"
#include "kernels.h"
#include "vnni.h"

/* Permutations of bytes in two registers of the table's four. */
static void lookup_8(const uint8_t *x, size_t n, const uint8_t *table, uint8_t *y) {
    __m512i t[4];
    foreach (q, 4)
        t[q] = _mm512_loadu_si512(table + 64 * q);
    for (size_t i = 0; i < n; i += 64) {
        const __mmask64 mask = byte_lanes(n - i);
        const __m512i v = _mm512_maskz_loadu_epi8(mask, x + i);
        const __m512i low = _mm512_permutex2var_epi8(t[0], v, t[1]);
        const __m512i high = _mm512_permutex2var_epi8(t[2], v, t[3]);
        _mm512_mask_storeu_epi8(y + i, mask,
                                _mm512_mask_blend_epi8(_mm512_movepi8_mask(v), low, high));
    }
}

/* ---- convolutions ---- */

#define PLACES (2 * INFER_PANEL) /* of a tile */

/* The places of a tile: where their bytes lie among those of two outputs once these are packed,
 * those that count being first; how many these are, and which they are of an output's. */
typedef struct places {
    __m512i order;
    size_t kept, at;
    bool over; /* what is written past them is within the output and written again */
} places;

/* Packing keeps to quarters of a register: each has fours of either panel of the first output, then
 * of the second. */
static const uint8_t packed_order[PLACES] = {0,  1,  2,  3,  16, 17, 18, 19, 32, 33, 34,
                                             35, 48, 49, 50, 51, 4,  5,  6,  7,  20, 21,
                                             22, 23, 36, 37, 38, 39, 52, 53, 54, 55};
#define SECOND 8

/* The next n places, the first being at `column` of its row. */
static places choose_places(const infer_conv8 *c, size_t *column, size_t n) {
    uint8_t order[PLACES] = {0};
    places p = {.kept = 0};
    const bool all = *column + n <= c->width;
    for (size_t i = 0; !all && i < n; i++) {
        if (*column < c->width)
            order[p.kept++] = packed_order[i];
        *column = *column + 1 < c->across ? *column + 1 : 0;
    }
    if (all) {
        p.kept = n;
        *column = *column + n < c->across ? *column + n : 0;
    }
    const __m256i first = _mm256_loadu_si256((const void *)(all ? packed_order : order));
    const __m256i second = _mm256_add_epi8(first, _mm256_set1_epi8(SECOND));
    p.order = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    return p;
}

/* An output's two panels as words: scaled, rounded, moved by zero. */
VEC_INLINE __m512i words(const __m512i *sum, float scale, __m512i zero) {
    __m512i v[2];
    foreach (p, 2) {
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[p]), _mm512_set1_ps(scale));
        v[p] = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(FAR), scaled));
    }
    return _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), zero);
}

VEC_INLINE void store_places(const places *p, __m256i bytes, uint8_t *y) {
    if (p->over)
        _mm256_storeu_si256((void *)(y + p->at), bytes);
    else
        _mm256_mask_storeu_epi8(y + p->at, (__mmask32)byte_lanes(p->kept), bytes);
}

/* Outputs [i, i + rows) at the places of a and b. */
VEC_INLINE void conv_tile(const size_t rows, const infer_conv8 *c, size_t i, const places *at,
                          const uint8_t *a, const uint8_t *b, uint8_t *y, size_t ldy) {
    const size_t depth = c->steps * 4;
    const int8_t *w = c->w + i * depth;
    __m512i sum[MOST_ROWS][2];
    foreach (r, rows)
        sum[r][0] = sum[r][1] = _mm512_set1_epi32(c->add[i + r]);
    for (size_t s = 0; s < c->steps; s++, w += 4) {
        const __m512i u[2] = {_mm512_loadu_si512(a + c->at[s]), _mm512_loadu_si512(b + c->at[s])};
        foreach (r, rows) {
            const __m512i v =
                _mm512_set1_epi32((int32_t)bytes_word((const uint8_t *)w + r * depth));
            foreach (p, 2)
                add_products(&sum[r][p], u[p], v);
        }
    }
    const uint8_t flip = flip_of(c->sign);
    const __m512i zero = _mm512_set1_epi16((int16_t)(c->zero + flip));
    foreach (pair, (rows + 1) / 2) {
        const size_t r = 2 * pair, s = r + 1 < rows ? r + 1 : r;
        const __m512i both = _mm512_packus_epi16(words(sum[r], c->scale[i + r], zero),
                                                 words(sum[s], c->scale[i + s], zero));
        const __m512i bytes = _mm512_xor_si512(_mm512_permutexvar_epi8(at->order, both),
                                               _mm512_set1_epi8((char)flip));
        store_places(at, _mm512_castsi512_si256(bytes), y + (i + r) * ldy);
        if (s > r)
            store_places(at, _mm512_extracti64x4_epi64(bytes, 1), y + (i + s) * ldy);
    }
}

static void conv_8(const infer_conv8 *c, size_t outputs, size_t count, const uint8_t *x, uint8_t *y,
                   size_t ldy) {
    const size_t last = count % c->across;
    const size_t all = count / c->across * c->width + (last < c->width ? last : c->width);
    size_t column = 0, done = 0;
    for (size_t j = 0; j < count; j += PLACES) {
        places at = choose_places(c, &column, count - j < PLACES ? count - j : PLACES);
        const uint8_t *a = x + j / INFER_PANEL * c->panel;
        const uint8_t *b = count - j > INFER_PANEL ? a + c->panel : a;
        at.at = done;
        at.over = all - done >= PLACES;
        done += at.kept;
        for (size_t i = 0, rows; i < outputs; i += rows) {
            rows = tile_rows(outputs - i, outputs);
            i = rows > outputs - i ? outputs - rows : i;
            switch (rows) {
#define TILE(rows)                                                                                 \
    case rows:                                                                                     \
        conv_tile(rows, c, i, &at, a, b, y, ldy);                                                  \
        break;
                TILE_ROWS(TILE)
#undef TILE
            default:
                conv_tile(1, c, i, &at, a, b, y, ldy);
            }
        }
    }
}

void infer_kernels_vbmi_bytes(infer_kernels *k) {
    k->lookup_8 = lookup_8;
    k->conv_8 = conv_8;
}
