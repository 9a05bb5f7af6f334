/* CPUID and XGETBV: the flags of an x86-64 machine. */
#define _DEFAULT_SOURCE /* syscall */

#include "cpu.h"

#include <cpuid.h>
#include <stdatomic.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Register state in XCR0 that the operating system must save. */
#define XCR0_YMM 0x06u    /* SSE and AVX */
#define XCR0_ZMM 0xe6u    /* these, the mask registers and both halves of AVX-512's */
#define XCR0_AMX 0x60000u /* tiles and their shapes */

/* Bits that older <cpuid.h> do not name: CPUID 7 EDX and 7.1 EAX. */
#define LEAF_7_EDX_BF16   (1u << 22 | 1u << 24) /* tiles and their bfloat16 */
#define LEAF_7_EDX_INT8   (1u << 25 | 1u << 24) /* tiles and their bytes */
#define LEAF_7_1_EAX_BF16 (1u << 5)

/* Of arch_prctl: asks for a part of the register state, here that of the tiles. */
#define REQUEST_STATE 0x1023
#define STATE_TILES   18

static uint32_t xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int has(uint32_t bits, uint32_t wanted) {
    return (bits & wanted) == wanted;
}

/* Intel's processors multiply bfloat16 in half the registers that float has, AMD's in all. */
static int is_amd(void) {
    uint32_t a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && c == signature_AMD_ecx &&
           d == signature_AMD_edx;
}

uint32_t infer_cpu_detect(void) {
    uint32_t a, b, c, d, flags = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return 0;
    uint32_t saved = xcr0();
    if (!has(saved, XCR0_YMM) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, bit_AVX2))
        return 0;
    flags |= INFER_CPU_AVX2;
    if (!has(saved, XCR0_ZMM) || !has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL))
        return flags;
    flags |= INFER_CPU_AVX512;
    if (has(c, bit_AVX512VNNI))
        flags |= INFER_CPU_AVX512_VNNI;
    if (has(c, bit_AVX512VBMI))
        flags |= INFER_CPU_AVX512_VBMI;
    const int half = has(saved, XCR0_AMX) && has(d, LEAF_7_EDX_BF16);
    if (flags & INFER_CPU_AVX512_VNNI && has(saved, XCR0_AMX) && has(d, LEAF_7_EDX_INT8))
        flags |= INFER_CPU_AMX_INT8;
    /* EAX of leaf 7 is the number of its last subleaf. */
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, LEAF_7_1_EAX_BF16))
        flags |= INFER_CPU_AVX512_BF16 | (half ? INFER_CPU_AMX_BF16 : 0) |
                 (is_amd() ? INFER_CPU_FAST_BF16 : 0);
    return flags;
}

bool infer_cpu_tiles(void) {
    enum { UNKNOWN, GIVEN, REFUSED };
    static _Atomic int known;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == UNKNOWN) {
        answer = REFUSED;
#ifdef __linux__
        if (syscall(SYS_arch_prctl, REQUEST_STATE, STATE_TILES) == 0)
            answer = GIVEN;
#endif
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == GIVEN;
}
