/* What this processor can do, as the INFER_CPU_ flags of infer.h. */
#ifndef INFER_CPU_H
#define INFER_CPU_H

#include "infer.h"

#include <stdbool.h>
#include <stdint.h>

/* X(level name, flags a processor may have at most at this level): the values of the environment
 * variable INFER_CPU, which lowers what was found and never raises it. */
#define INFER_CPU_LEVELS(X)                                                                        \
    X(scalar, 0)                                                                                   \
    X(avx2, INFER_CPU_AVX2)                                                                        \
    X(avx512, INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_VNNI | INFER_CPU_AVX512_BF16 |  \
                  INFER_CPU_AVX512_VBMI | INFER_CPU_FAST_BF16)                                     \
    X(neon, INFER_CPU_NEON)

/* The flags of this machine after INFER_CPU had its say; an unknown value says nothing. A flag is
 * set only where both the instructions and the operating system's saving of their registers are
 * there: AVX2 with FMA and F16C; AVX512 is F, BW, DQ and VL and comes with AVX2; AMX_BF16 and
 * AMX_INT8 are tiles with their products, and come with AVX512_BF16 and AVX512_VNNI; AVX512_VBMI
 * comes with AVX512, FAST_BF16 with AVX512_BF16. Any thread; found once in a process. */
uint32_t infer_cpu_features(void);

/* Whether this process may use the tiles of AMX: Linux gives them to those that ask,
 * and wants larger signal stacks of them from then on, so only who needs tiles asks. Asked once in
 * a process; any thread. */
bool infer_cpu_tiles(void);

/* What the machine has, before INFER_CPU; one file per architecture. */
uint32_t infer_cpu_detect(void);

#endif
