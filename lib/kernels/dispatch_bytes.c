/* The same for the kernels over bytes and trees, whose tiers are others: the wide registers pay
 * only where they multiply bytes, and where gathers are fast. */
#include "cpu.h"
#include "kernels.h"

void infer_kernels_init_bytes(infer_kernels *k, uint32_t cpu_flags) {
    (void)cpu_flags;
    infer_kernels_scalar_bytes(k);
#if defined(__x86_64__)
    if (cpu_flags & INFER_CPU_AVX2)
        infer_kernels_avx2_bytes(k);
    const uint32_t vnni = INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_VNNI;
    if ((cpu_flags & vnni) != vnni)
        return;
    infer_kernels_vnni_bytes(k);
    if (cpu_flags & INFER_CPU_AVX512_VBMI)
        infer_kernels_vbmi_bytes(k);
    if (cpu_flags & INFER_CPU_AMX_INT8)
        infer_kernels_amx_bytes(k);
#elif defined(__aarch64__)
    if (cpu_flags & INFER_CPU_NEON)
        infer_kernels_neon_bytes(k);
#endif
}

/* Gathers are as fast as loads where there are tiles: AMD's are made of many steps, and those of
 * Intel before were made slow by what keeps them from leaking. */
void infer_kernels_init_trees(infer_kernels *k, uint32_t cpu_flags) {
    (void)cpu_flags;
    infer_kernels_scalar_trees(k);
#if defined(__x86_64__)
    if (cpu_flags & INFER_CPU_AVX2)
        infer_kernels_avx2_trees(k);
    if (cpu_flags & INFER_CPU_AVX512 && cpu_flags & (INFER_CPU_AMX_BF16 | INFER_CPU_AMX_INT8))
        infer_kernels_avx512_trees(k);
#endif
}
