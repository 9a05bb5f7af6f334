/* The AVX2 tier, over blocks of channels. Compiled with -mavx2 -mfma -mf16c; runs where
 * INFER_CPU_AVX2 is set. */
#define TIER avx2
#include "vec_avx2.h"

#include "simd_kernels_blocked.inc.h"
