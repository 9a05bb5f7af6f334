/* Walking eight trees in a register of AVX2. Nodes are loaded one by one, not gathered: gathers of
 * AMD cost more, and so do those of Intel since they wait for each other (GDS). Features are picked
 * from registers where the row fits four. Compiled with the flags of the AVX2 tier. */
#include "kernels.h"
#include "vec.h"

#include <immintrin.h>
#include <string.h>

/* Where there are fewer than eight, the first again. */
VEC_INLINE __m256i get_some(const uint32_t *at, size_t count) {
    const __m256i lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    const __m256i given = _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)count), lanes);
    __m256i some = _mm256_maskload_epi32((const void *)at, given);
    return _mm256_blendv_epi8(_mm256_set1_epi32((int32_t)*at), some, given);
}

VEC_INLINE __m256i get(const uint32_t *at) {
    return _mm256_loadu_si256((const void *)at);
}

VEC_INLINE void put(uint32_t *at, __m256i places) {
    _mm256_storeu_si256((void *)at, places);
}

/* What a walk needs in registers. */
typedef struct walker {
    const infer_tree_node_f32 *nodes;
    const float *row;
    __m256i last, mask;
    __m128i next;
    __m256 parts[4]; /* the row, where it fits */
} walker;

/* The nodes that two neighbouring places say: the places are loaded as one, as loads are what there
 * are most of. */
VEC_INLINE __m128 two_nodes(const infer_tree_node_f32 *nodes, const uint32_t *at) {
    uint64_t places;
    memcpy(&places, at, sizeof places);
    __m128 low = _mm_castsi128_ps(_mm_loadl_epi64((const void *)(nodes + (uint32_t)places)));
    return _mm_loadh_pi(low, (const void *)(nodes + (places >> 32)));
}

VEC_INLINE __m256 four_nodes(const infer_tree_node_f32 *nodes, const uint32_t *low,
                             const uint32_t *high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(two_nodes(nodes, low)),
                                two_nodes(nodes, high), 1);
}

/* Halves are paired so that shuffles within them put all lanes in their places. */
VEC_INLINE void fetch(const walker *w, const uint32_t *at, __m256 *values, __m256i *links) {
    __m256 a = four_nodes(w->nodes, at, at + 4), b = four_nodes(w->nodes, at + 2, at + 6);
    *values = _mm256_shuffle_ps(a, b, 0x88);
    *links = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
}

/* The features of a row that fits: their lowest three bits are the lane, the next two say which
 * part. */
VEC_INLINE __m256 pick(const walker *w, __m256i links) {
    __m256 odd = _mm256_castsi256_ps(_mm256_slli_epi32(links, 28));
    __m256 high = _mm256_castsi256_ps(_mm256_slli_epi32(links, 27));
    __m256 p[4];
    foreach (i, 4)
        p[i] = _mm256_permutevar8x32_ps(w->parts[i], links);
    return _mm256_blendv_ps(_mm256_blendv_ps(p[0], p[1], odd), _mm256_blendv_ps(p[2], p[3], odd),
                            high);
}

VEC_INLINE __m128 two_features(const float *row, const uint32_t *at) {
    uint64_t features;
    memcpy(&features, at, sizeof features);
    return _mm_unpacklo_ps(_mm_load_ss(row + (uint32_t)features),
                           _mm_load_ss(row + (features >> 32)));
}

/* The same from a row of any length. */
VEC_INLINE __m256 load(const walker *w, __m256i links) {
    uint32_t at[8];
    put(at, _mm256_and_si256(links, w->mask));
    __m128 low = _mm_movelh_ps(two_features(w->row, at), two_features(w->row, at + 2));
    __m128 high = _mm_movelh_ps(two_features(w->row, at + 4), two_features(w->row, at + 6));
    return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

/* One step of eight trees from where `at` says. */
VEC_INLINE __m256i step(const walker *w, const uint32_t *at, const bool fits) {
    __m256 values;
    __m256i links;
    fetch(w, at, &values, &links);
    __m256 x = fits ? pick(w, links) : load(w, links);
    __m256i second = _mm256_castps_si256(_mm256_cmp_ps(x, values, _CMP_LE_OQ));
    __m256i places = _mm256_add_epi32(get(at), _mm256_srl_epi32(links, w->next));
    places = _mm256_sub_epi32(places, second);
    return _mm256_min_epu32(places, w->last);
}

/* All trees take a step before any takes the next: so one waits for memory while others go on. */
VEC_INLINE bool walk(const walker *w, const uint32_t *from, uint32_t *at, float *values,
                     size_t count, uint32_t steps, const bool fits) {
    __m256i links = _mm256_setzero_si256();
    for (size_t i = 0; i < count; i += 8)
        put(at + i, _mm256_min_epu32(get_some(from + i, count - i), w->last));
    for (; steps > 0; steps--)
        for (size_t i = 0; i < count; i += 8)
            put(at + i, step(w, at + i, fits));
    for (size_t i = 0; i < count; i += 8) {
        __m256 value;
        __m256i link;
        fetch(w, at + i, &value, &link);
        links = _mm256_or_si256(links, link);
        _mm256_storeu_ps(values + i, value);
    }
    links = _mm256_srl_epi32(links, w->next);
    return !_mm256_testz_si256(links, links);
}

/* A row of fewer than 32 features is repeated until there are as many: so the bits above those of
 * a feature may be anything. */
static void take_row(walker *w, uint32_t mask) {
    const __m256i lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    const __m256i given = _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)mask + 1), lanes);
    const __m256i order = _mm256_and_si256(lanes, w->mask);
    foreach (i, 4) {
        __m256 part = _mm256_maskload_ps(w->row + (8 * i & mask), given);
        w->parts[i] = _mm256_permutevar8x32_ps(part, order);
    }
}

static bool trees_f32(const infer_tree_nodes *t, const float *row, const uint32_t *from,
                      uint32_t *at, float *values, size_t count, uint32_t steps) {
    walker w = {.nodes = t->nodes,
                .row = row,
                .last = _mm256_set1_epi32((int32_t)t->last),
                .mask = _mm256_set1_epi32((int32_t)t->mask),
                .next = _mm_cvtsi32_si128((int32_t)t->next)};
    if (t->mask >= 32)
        return walk(&w, from, at, values, count, steps, false);
    take_row(&w, t->mask);
    return walk(&w, from, at, values, count, steps, true);
}

void infer_kernels_avx2_trees(infer_kernels *k) {
    k->trees_f32 = trees_f32;
}
