/* The AVX-512 tier, over blocks of channels. Compiled with -mavx512f, bw, dq, vl and -mfma; runs
 * where INFER_CPU_AVX512 is set. */
#define TIER avx512
#include "vec_avx512.h"

#include "simd_kernels_blocked.inc.h"
