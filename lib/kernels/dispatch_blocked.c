/* The same for the kernels over blocks of channels, bytes and trees; apart, so that programs of
 * linear models leave them out. */
#include "kernels.h"
#include "tiers.h"

void infer_kernels_init_blocked(infer_kernels *k, uint32_t cpu_flags) {
    (void)cpu_flags;
    infer_kernels_init_bytes(k, cpu_flags);
    infer_kernels_init_trees(k, cpu_flags);
    infer_kernels_scalar_blocked(k);
#define INSTALL(tier, flag)                                                                        \
    if (!(cpu_flags & (flag)))                                                                     \
        return;                                                                                    \
    infer_kernels_##tier##_blocked(k);
    INFER_TIERS(INSTALL)
#undef INSTALL
#if defined(__x86_64__)
    if (cpu_flags & INFER_CPU_FAST_BF16)
        infer_kernels_avx512_half(k);
    if (cpu_flags & INFER_CPU_AVX512_BF16 && cpu_flags & INFER_CPU_AMX_BF16)
        infer_kernels_amx_half(k);
#endif
}
