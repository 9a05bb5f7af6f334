/* The tiers of this architecture, upward, and the CPU flag that each needs. */
#ifndef INFER_KERNELS_TIERS_H
#define INFER_KERNELS_TIERS_H

#include "cpu.h"

#if defined(__x86_64__)
#define INFER_TIERS(X) X(avx2, INFER_CPU_AVX2) X(avx512, INFER_CPU_AVX512)
#elif defined(__aarch64__)
#define INFER_TIERS(X) X(neon, INFER_CPU_NEON)
#else
#define INFER_TIERS(X)
#endif

#endif
