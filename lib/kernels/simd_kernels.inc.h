/* One tier: the templates for both element types, and the function that puts them into the table.
 * Included once, after the vector wrapper, by the file of the tier, which defines TIER. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#define JOIN_(a, b)     a##b
#define JOIN(a, b)      JOIN_(a, b)
#define JOIN3_(a, b, c) a##b##_##c
#define JOIN3(a, b, c)  JOIN3_(a, b, c)
#define EXPAND(m, ...)  m(__VA_ARGS__)
#define V(op)           JOIN3(v_, op, S)
#define NAME(name)      JOIN3(, name, S)
#define VEC             JOIN(vec_, S)
#define LANES           JOIN(LANES_, S)

/* The tile of gemm; its columns are half a panel, one or two. */
#define TILE_ROWS JOIN(TILE_ROWS_, S)
#define TILE_VECS JOIN(TILE_VECS_, S)
#define TILE_LIST JOIN(TILE_LIST_, S)
#define TILE_COLS (TILE_VECS * LANES)
/* The block of k that gemm works on at once: a tile's rows of A take up to 24 kB, most of the first
 * cache. Their copy's distance keeps rows off each other's lines, where A's own may make them
 * collide. */
#define BLOCK_K   (24576 / TILE_ROWS / 64 * 64 / sizeof(T))
#define BLOCK_LDA (BLOCK_K + 64 / sizeof(T))
/* Panels that a single row is multiplied with at once. */
#define ROW_PANELS 3
/* Tiles of rows in the copy, which lies on the stack. */
#define BLOCK_TILES 3

#define S        f32
#define T        float
#define LOG2_E   0x1.715476p+0f
#define LN2_HIGH 0x1.62e43p-1f
#define LN2_LOW  -0x1.05c61p-29f
#define EXP_MIN  -104.0f
#define EXP_MAX  89.0f
#define TANH_MAX 20.0f
#define EXP_POLYNOMIAL                                                                             \
    { 0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239d4p-7f, 0x1.6a244cp-10f }
#define ERF_MAX   4.0f
#define BELOW_ONE 0x1.fffffep-1f
#define ERF_SMALL                                                                                  \
    {                                                                                              \
        0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2cf6p-4f, -0x1.b7f8f2p-6f, 0x1.5404e4p-8f,          \
            -0x1.a3f172p-11f, 0x1.495bcp-14f                                                       \
    }
#define ERF_LARGE                                                                                  \
    {                                                                                              \
        0x1.d97fcp+0f, 0x1.51c9bp+1f, 0x1.afabbap-1f, 0x1.547d66p-5f, -0x1.49376ap-7f,             \
            0x1.07c4fp-9f, -0x1.2fcf62p-12f, 0x1.6c7b8p-16f                                        \
    }
#include "simd_blocked.inc.h"
#include "simd_conv.inc.h"
#include "simd_dot.inc.h"
#include "simd_gemm.inc.h"
#include "simd_math.inc.h"
#include "simd_winograd.inc.h"
#undef S
#undef T
#undef LOG2_E
#undef LN2_HIGH
#undef LN2_LOW
#undef EXP_MIN
#undef EXP_MAX
#undef TANH_MAX
#undef EXP_POLYNOMIAL
#undef ERF_MAX
#undef BELOW_ONE
#undef ERF_SMALL
#undef ERF_LARGE

#define S        f64
#define T        double
#define LOG2_E   0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42fefa39efp-1
#define LN2_LOW  0x1.abc9e3b39803fp-56
#define EXP_MIN  -746.0
#define EXP_MAX  710.0
#define TANH_MAX 40.0
#define EXP_POLYNOMIAL                                                                             \
    {                                                                                              \
        0x1.000000000000ap-1, 0x1.55555555554fap-3, 0x1.555555555088cp-5, 0x1.1111111127b9cp-7,    \
            0x1.6c16c18426742p-10, 0x1.a01a012a69a31p-13, 0x1.a0199a16ccef8p-16,                   \
            0x1.71df253a4315cp-19, 0x1.28ad68b76411ap-22, 0x1.ad7f7af334b32p-26                    \
    }
#define ERF_MAX   6.0
#define BELOW_ONE 0x1.fffffffffffffp-1
#define ERF_SMALL                                                                                  \
    {                                                                                              \
        0x1.06eba8214db68p-3, -0x1.812746b0379bdp-2, 0x1.ce2f21a040d11p-4, -0x1.b82ce311fa825p-6,  \
            0x1.565bccf92905dp-8, -0x1.c02db03d87564p-11, 0x1.f9a2baa1d1b0dp-14,                   \
            -0x1.f4ca4d04fa434p-17, 0x1.b97fcfe5bc540p-20, -0x1.5c070f8cc1dbcp-23,                 \
            0x1.d71a7290a3debp-27, -0x1.abac84651e2b2p-31                                          \
    }
#define ERF_LARGE                                                                                  \
    {                                                                                              \
        0x1.d97fbf27aa2a1p+0, 0x1.51c9b0006c23cp+1, 0x1.afabc11a29028p-1, 0x1.5477f09c90c3ep-5,    \
            -0x1.48c9d406dfe1ap-7, 0x1.033f68ef0ecedp-9, -0x1.f1b485ce6f5a1p-13,                   \
            -0x1.b8c45326c3586p-16, 0x1.c769069dfafc0p-16, -0x1.4192a1bfa3682p-17,                 \
            0x1.10112b5fd371bp-19, -0x1.dce76939b543ap-24, -0x1.03bfef72ce7e6p-23,                 \
            0x1.173f612447469p-24, -0x1.5c9c28d6293dfp-26, 0x1.3558082378196p-28,                  \
            -0x1.8d444a64061dcp-31, 0x1.614ebfb81ce2dp-34, -0x1.85eff477e9a07p-38,                 \
            0x1.91de8d447fb3dp-43                                                                  \
    }
#include "simd_dot.inc.h"
#include "simd_gemm.inc.h"
#include "simd_math.inc.h"

void JOIN(infer_kernels_, TIER)(infer_kernels *k) {
#define INSTALL(result, name, parameters) k->name = name;
    INFER_KERNELS(INSTALL)
#undef INSTALL
}
