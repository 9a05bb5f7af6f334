/* Walking eight trees in a register of AVX2. Nodes are loaded one by one: no processor with AVX2
 * gathers them faster, and many do it slower by far. Features are picked from registers where the
 * row fits four. Compiled with the flags of the AVX2 tier. */
#include "kernels.h"
#include "vec.h"

#include <immintrin.h>
#include <string.h>

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
VEC_INLINE __m128 two(const infer_tree_node_f32 *nodes, const uint32_t *at) {
    uint64_t places;
    memcpy(&places, at, sizeof places);
    __m128 low = _mm_castsi128_ps(_mm_loadl_epi64((const void *)(nodes + (uint32_t)places)));
    return _mm_loadh_pi(low, (const void *)(nodes + (places >> 32)));
}

VEC_INLINE __m256 four(const infer_tree_node_f32 *nodes, const uint32_t *low,
                       const uint32_t *high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(two(nodes, low)), two(nodes, high), 1);
}

/* Halves are paired so that shuffles within them put all lanes in their places. */
VEC_INLINE void fetch(const walker *w, const uint32_t *at, __m256 *values, __m256i *links) {
    __m256 a = four(w->nodes, at, at + 4), b = four(w->nodes, at + 2, at + 6);
    *values = _mm256_shuffle_ps(a, b, 0x88);
    *links = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
}

/* The lowest three bits of a feature are the lane, the next two say which part. */
VEC_INLINE __m256 pick(const walker *w, __m256i links) {
    __m256 odd = _mm256_castsi256_ps(_mm256_slli_epi32(links, 28));
    __m256 high = _mm256_castsi256_ps(_mm256_slli_epi32(links, 27));
    __m256 p[4];
    foreach (i, 4)
        p[i] = _mm256_permutevar8x32_ps(w->parts[i], links);
    return _mm256_blendv_ps(_mm256_blendv_ps(p[0], p[1], odd), _mm256_blendv_ps(p[2], p[3], odd),
                            high);
}

/* One step of eight trees from where `at` says. */
VEC_INLINE __m256i step(const walker *w, const uint32_t *at, const bool fits) {
    __m256 values;
    __m256i links;
    fetch(w, at, &values, &links);
    __m256 x =
        fits ? pick(w, links) : _mm256_i32gather_ps(w->row, _mm256_and_si256(links, w->mask), 4);
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
        put(at + i, _mm256_min_epu32(get(from + i), w->last));
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
