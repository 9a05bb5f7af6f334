/* Walking eight trees in a register of AVX2: nodes and features are gathered. Compiled with the
 * flags of the AVX2 tier. */
#include "kernels.h"
#include "vec.h"

#include <immintrin.h>

/* What a walk needs in registers. */
typedef struct walker {
    const infer_tree_node_f32 *nodes;
    const float *row;
    __m256i last, mask;
    __m128i next;
} walker;

/* Lanes 0, 1, 4 and 5 are gathered first: so a shuffle within halves puts all in their places. */
VEC_INLINE void fetch(const walker *w, __m256i at, __m256 *values, __m256i *links) {
    const void *nodes = w->nodes;
    __m256i order = _mm256_permute4x64_epi64(at, 0xd8);
    __m256 a = _mm256_castsi256_ps(_mm256_i32gather_epi64(nodes, _mm256_castsi256_si128(order), 8));
    __m256 b =
        _mm256_castsi256_ps(_mm256_i32gather_epi64(nodes, _mm256_extracti128_si256(order, 1), 8));
    *values = _mm256_shuffle_ps(a, b, 0x88);
    *links = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
}

VEC_INLINE __m256i step(const walker *w, __m256i at) {
    __m256 values;
    __m256i links;
    fetch(w, at, &values, &links);
    __m256 x = _mm256_i32gather_ps(w->row, _mm256_and_si256(links, w->mask), 4);
    __m256i second = _mm256_castps_si256(_mm256_cmp_ps(x, values, _CMP_LE_OQ));
    at = _mm256_add_epi32(at, _mm256_srl_epi32(links, w->next));
    at = _mm256_sub_epi32(at, second);
    return _mm256_min_epu32(at, w->last);
}

static bool trees_f32(const infer_tree_nodes *t, const float *row, uint32_t *at, float *values,
                      size_t count, uint32_t steps) {
    const walker w = {.nodes = t->nodes,
                      .row = row,
                      .last = _mm256_set1_epi32((int32_t)t->last),
                      .mask = _mm256_set1_epi32((int32_t)t->mask),
                      .next = _mm_cvtsi32_si128((int32_t)t->next)};
    __m256i links = _mm256_setzero_si256();
    for (size_t i = 0; i < count; i += 16) {
        __m256i places[2];
        foreach (g, 2)
            places[g] = _mm256_loadu_si256((const void *)(at + i + 8 * g));
        for (uint32_t left = steps; left > 0; left--)
            foreach (g, 2)
                places[g] = step(&w, places[g]);
        foreach (g, 2) {
            __m256 value;
            __m256i link;
            fetch(&w, places[g], &value, &link);
            links = _mm256_or_si256(links, link);
            _mm256_storeu_si256((void *)(at + i + 8 * g), places[g]);
            _mm256_storeu_ps(values + i + 8 * g, value);
        }
    }
    links = _mm256_srl_epi32(links, w.next);
    return !_mm256_testz_si256(links, links);
}

void infer_kernels_avx2_trees(infer_kernels *k) {
    k->trees_f32 = trees_f32;
}
