/* Which tier a table gets: the reference first, then upward as far as the flags go. */
#include "kernels.h"

#include "cpu.h"

void infer_kernels_init(infer_kernels *k, uint32_t cpu_flags) {
    infer_kernels_scalar(k);
#if defined(__x86_64__)
    if (!(cpu_flags & INFER_CPU_AVX2))
        return;
    infer_kernels_avx2(k);
    if (!(cpu_flags & INFER_CPU_AVX512))
        return;
    infer_kernels_avx512(k);
#elif defined(__aarch64__)
    if (!(cpu_flags & INFER_CPU_NEON))
        return;
    infer_kernels_neon(k);
#else
    (void)cpu_flags;
#endif
}
