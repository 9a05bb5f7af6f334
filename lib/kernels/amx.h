/* Tiles of AMX: their shapes and instructions, said to the assembler, as compilers do not know that
 * the intrinsics read memory. */
#ifndef INFER_KERNELS_AMX_H
#define INFER_KERNELS_AMX_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a row and rows of each tile. */
typedef struct amx_shapes {
    uint8_t palette, start, zeros[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} amx_shapes;
_Static_assert(sizeof(amx_shapes) == 64, "what LDTILECFG reads");

#define TILE_SHAPES(shapes) __asm__ volatile("ldtilecfg %0" ::"m"(shapes) : "memory")
#define TILE_RELEASE()      __asm__ volatile("tilerelease" ::: "memory")
#define TILE_ZERO(t)        __asm__ volatile("tilezero %%tmm" #t ::: "memory")

/* Rows are `row` bytes apart. */
#define TILE_LOAD(t, from, row)                                                                    \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(from), "r"((size_t)(row)) : "memory")
#define TILE_STORE(t, to, row)                                                                     \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(to), "r"((size_t)(row)) : "memory")

#endif
