/* Which tier a table gets: the reference first, then upward as far as the flags go. */
#include "kernels.h"
#include "tiers.h"

void infer_kernels_init(infer_kernels *k, uint32_t cpu_flags) {
    (void)cpu_flags;
    infer_kernels_scalar(k);
#define INSTALL(tier, flag)                                                                        \
    if (!(cpu_flags & (flag)))                                                                     \
        return;                                                                                    \
    infer_kernels_##tier(k);
    INFER_TIERS(INSTALL)
#undef INSTALL
}
