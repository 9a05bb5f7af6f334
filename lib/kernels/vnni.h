/* What the kernels over bytes with AVX-512 VNNI share. */
#ifndef INFER_KERNELS_VNNI_H
#define INFER_KERNELS_VNNI_H

#include "avx512_tiles.h"
#include "vec.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sum += u * v, four products a lane. Said to the assembler because gcc moves the sums of the
 * intrinsic from register to register, and out of them. */
VEC_INLINE void add_products(__m512i *sum, __m512i u, __m512i v) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(u), "v"(v));
}

/* Beyond what 8 bits and a zero point of them can be. */
#define FAR 1024.0f

#endif
