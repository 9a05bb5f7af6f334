/* The word turn of vec.h for both tiers of x86-64. */
#ifndef INFER_KERNELS_VEC_X86_TURN_H
#define INFER_KERNELS_VEC_X86_TURN_H

/* Halves of four columns: a register holds them of rows i and i + 4, so that nothing has to cross
 * from one half of a register to the other. */
VEC_INLINE void v_turn_f32(const float *from, size_t ld, float *to, size_t ldt) {
    foreach (h, 2) {
        __m256 x[4];
        foreach (i, 4) {
            const float *row = from + i * ld + 4 * h;
            __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(row));
            x[i] = _mm256_insertf128_ps(low, _mm_loadu_ps(row + 4 * ld), 1);
        }
        __m256 a = _mm256_unpacklo_ps(x[0], x[1]), b = _mm256_unpacklo_ps(x[2], x[3]);
        __m256 c = _mm256_unpackhi_ps(x[0], x[1]), d = _mm256_unpackhi_ps(x[2], x[3]);
        _mm256_storeu_ps(to + (4 * h + 0) * ldt, _mm256_shuffle_ps(a, b, 0x44));
        _mm256_storeu_ps(to + (4 * h + 1) * ldt, _mm256_shuffle_ps(a, b, 0xee));
        _mm256_storeu_ps(to + (4 * h + 2) * ldt, _mm256_shuffle_ps(c, d, 0x44));
        _mm256_storeu_ps(to + (4 * h + 3) * ldt, _mm256_shuffle_ps(c, d, 0xee));
    }
}

#endif
