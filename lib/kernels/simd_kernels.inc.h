/* One tier: the templates for both element types, and the function that puts them into the table.
 * Included once, after the vector wrapper, by the file of the tier, which defines TIER. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#include "simd_names.inc.h"

#include "simd_f32.inc.h"

#include "simd_dot.inc.h"
#include "simd_gemm.inc.h"
#include "simd_math.inc.h"
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
    INFER_KERNELS_OF(INSTALL, float, f32)
    INFER_KERNELS_OF(INSTALL, double, f64)
#undef INSTALL
}
