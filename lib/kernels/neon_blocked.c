/* The NEON tier of AArch64. */
#define TIER neon
#include "vec_neon.h"

#include "simd_kernels_blocked.inc.h"
