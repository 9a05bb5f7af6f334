/* Walking sixteen trees in a register of AVX-512: nodes are gathered, and features too where the
 * row does not fit two registers. Compiled with the flags of the AVX-512 tier. */
#include "kernels.h"
#include "vec.h"

#include <immintrin.h>

/* What a walk needs in registers. */
typedef struct walker {
    const infer_tree_node_f32 *nodes;
    const float *row;
    __m512i last, next, mask;
    __m512 low, high; /* the row, where it fits */
} walker;

VEC_INLINE void fetch(const walker *w, __m512i at, __m512i *values, __m512i *links) {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    __m512i a = _mm512_i32gather_epi64(_mm512_castsi512_si256(at), w->nodes, 8);
    __m512i b = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(at, 1), w->nodes, 8);
    *values = _mm512_permutex2var_epi32(a, even, b);
    *links = _mm512_permutex2var_epi32(a, odd, b);
}

VEC_INLINE __m512i step(const walker *w, __m512i at, const bool fits) {
    __m512i values, links;
    fetch(w, at, &values, &links);
    __m512i feature = _mm512_and_si512(links, w->mask);
    __m512 x = fits ? _mm512_permutex2var_ps(w->low, feature, w->high)
                    : _mm512_i32gather_ps(feature, w->row, 4);
    __mmask16 second = _mm512_cmp_ps_mask(x, _mm512_castsi512_ps(values), _CMP_LE_OQ);
    at = _mm512_add_epi32(at, _mm512_srlv_epi32(links, w->next));
    at = _mm512_mask_add_epi32(at, second, at, _mm512_set1_epi32(1));
    return _mm512_min_epu32(at, w->last);
}

/* Where there are fewer than sixteen, the first again. */
VEC_INLINE __m512i get_some(const uint32_t *at, size_t count, uint32_t first) {
    __mmask16 given = (__mmask16)(count < 16 ? (1u << count) - 1 : 0xffff);
    return _mm512_mask_loadu_epi32(_mm512_set1_epi32((int32_t)first), given, at);
}

/* Walks `groups` times sixteen trees, `count` at most; the links of where they end, together. */
VEC_INLINE __m512i walk(const walker *w, const uint32_t *from, uint32_t *at, float *values,
                        size_t count, const size_t groups, uint32_t steps, const bool fits) {
    __m512i places[2], links = _mm512_setzero_si512();
    foreach (g, groups)
        places[g] = _mm512_min_epu32(get_some(from + 16 * g, count - 16 * g, *from), w->last);
    for (; steps > 0; steps--)
        foreach (g, groups)
            places[g] = step(w, places[g], fits);
    foreach (g, groups) {
        __m512i value, link;
        fetch(w, places[g], &value, &link);
        links = _mm512_or_si512(links, link);
        _mm512_storeu_si512(at + 16 * g, places[g]);
        _mm512_storeu_ps(values + 16 * g, _mm512_castsi512_ps(value));
    }
    return links;
}

VEC_INLINE bool all(const walker *w, const uint32_t *from, uint32_t *at, float *values,
                    size_t count, uint32_t steps, const bool fits) {
    __m512i links = _mm512_setzero_si512();
    size_t i = 0;
    for (; count - i > 16; i += count - i < 32 ? count - i : 32)
        links = _mm512_or_si512(links,
                                walk(w, from + i, at + i, values + i, count - i, 2, steps, fits));
    if (i < count)
        links = _mm512_or_si512(links,
                                walk(w, from + i, at + i, values + i, count - i, 1, steps, fits));
    links = _mm512_srlv_epi32(links, w->next);
    return _mm512_test_epi32_mask(links, links);
}

static bool trees_f32(const infer_tree_nodes *t, const float *row, const uint32_t *from,
                      uint32_t *at, float *values, size_t count, uint32_t steps) {
    walker w = {.nodes = t->nodes,
                .row = row,
                .last = _mm512_set1_epi32((int32_t)t->last),
                .next = _mm512_set1_epi32((int32_t)t->next),
                .mask = _mm512_set1_epi32((int32_t)t->mask)};
    if (t->mask >= 32)
        return all(&w, from, at, values, count, steps, false);
    const uint32_t n = t->mask + 1;
    w.low = _mm512_maskz_loadu_ps((__mmask16)(n < 16 ? (1u << n) - 1 : 0xffff), row);
    w.high = n > 16 ? _mm512_loadu_ps(row + 16) : w.low;
    return all(&w, from, at, values, count, steps, true);
}

void infer_kernels_avx512_trees(infer_kernels *k) {
    k->trees_f32 = trees_f32;
}
