/* The same for the kernels over bytes, whose tiers are others: the wide registers pay only where
 * they multiply bytes. */
#include "cpu.h"
#include "kernels.h"

void infer_kernels_init_bytes(infer_kernels *k, uint32_t cpu_flags) {
    (void)cpu_flags;
    infer_kernels_scalar_bytes(k);
#if defined(__x86_64__)
    if (cpu_flags & INFER_CPU_AVX2)
        infer_kernels_avx2_bytes(k);
    if (cpu_flags & INFER_CPU_AVX2 && cpu_flags & INFER_CPU_AVX512 &&
        cpu_flags & INFER_CPU_AVX512_VNNI)
        infer_kernels_vnni_bytes(k);
#elif defined(__aarch64__)
    if (cpu_flags & INFER_CPU_NEON)
        infer_kernels_neon_bytes(k);
#endif
}
