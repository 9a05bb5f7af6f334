/* HWCAP: the flags of an AArch64 machine. */
#include "cpu.h"

#include <asm/hwcap.h>
#include <sys/auxv.h>

uint32_t infer_cpu_detect(void) {
    return getauxval(AT_HWCAP) & HWCAP_ASIMD ? INFER_CPU_NEON : 0;
}
