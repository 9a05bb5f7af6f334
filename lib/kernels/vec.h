/* Words shared by the vector wrappers (vec_avx2.h, vec_avx512.h, vec_neon.h).
 *
 * Each wrapper defines, for S in {f32, f64}, the type vec_S and these inline functions, so that one
 * template (simd_*.inc.h) serves every instruction set and both element types. LANES_S is the
 * number of elements; ROWS the rows of weights that matvec takes at once, at most 4, and ROW_SUMS
 * the sums of each; TILE_ROWS_S and TILE_VECS_S the register tile of gemm, as many multiply-adds as
 * the latency of one hides, in as many registers as there are; TILE_LIST_S calls X with every
 * number of rows from 2 to a tile's, TILE_HALF_S and TILE_LONG_S to those of half a panel and of
 * one and a half, where tiles of convolutions have such; TILE_STEPS the steps of a sum between two
 * tests of its end: the smaller a tile, the more its loop's own instructions cost, above all where
 * another thread has half of the core's.
 *
 *     load, store, set1, add, sub, mul, div, sqrt, and, or, round (to nearest even)
 *     max(a, b), min(a, b)       NaN where b is NaN
 *     fma(a, b, c)               a * b + c, rounded once
 *     fnma(a, b, c)              c - a * b, rounded once
 *     scale(a, n)                a * 2^n for integral n of any size used here, subnormals included
 *     zero_below(x, bound, a)    0 in the lanes where x < bound, else a
 *     negative(x, a, b)          a in the lanes where x has its sign bit set, else b
 *     load_part(p, n, fill)      0 < n < LANES elements from p, fill in the other lanes
 *     store_part(p, a, n)        0 < n < LANES elements to p
 *     sum(a), largest(a)         over the lanes; largest of numbers only
 *     sum4(a, b, c, d, out)      out[0..3] = the four sums
 *     inverse_34(a)              a^(-3/4), a few units in the last place; 0 of inf; in float alone
 *     widen(p)                   LANES integers of 8 bits from p; in float alone
 *     turn(p, ld, q, ldq)        8 x 8 elements, rows to columns; in float alone
 *     pick(a, b, picks(p))       for each lane lane p[i] of b, of a lane i itself where that is -1;
 *                                picks makes a vec_pick_S; in float alone
 */
#ifndef INFER_KERNELS_VEC_H
#define INFER_KERNELS_VEC_H

#define VEC_INLINE static inline __attribute__((always_inline))
/* What is called from several places, each for long: one copy does. */
#define VEC_ONCE static __attribute__((noinline))

/* A loop over constants. Tiles are arrays that live in registers only if all of these unroll. */
#if !defined(__clang__)
#define VEC_UNROLL _Pragma("GCC unroll 32")
#elif __has_feature(address_sanitizer)
/* Every copy of an access would carry its checks: minutes to compile, and nothing more is found. */
#define VEC_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define VEC_UNROLL _Pragma("clang loop unroll(full)")
#endif
#define foreach(i, n) VEC_UNROLL for (size_t i = 0; i < (n); i++)

/* So many steps of the loop that follows between two tests of its end. */
#define VEC_PRAGMA(text) _Pragma(#text)
#if !defined(__clang__)
#define VEC_STEPS(n) VEC_PRAGMA(GCC unroll n)
#elif __has_feature(address_sanitizer)
#define VEC_STEPS(n)
#else
#define VEC_STEPS(n) VEC_PRAGMA(clang loop unroll_count(n))
#endif

#endif
