/* One tier's kernels over blocks of channels, in an object of their own: programs of linear models
 * leave it out. Included once, after the vector wrapper, by the file of the tier, which defines
 * TIER. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#include "simd_names.inc.h"

#include "simd_f32.inc.h"

#include "simd_exp.inc.h"

#include "simd_gates.inc.h"

#include "simd_activate.inc.h"
#include "simd_binary.inc.h"
#include "simd_blocked.inc.h"
#include "simd_conv_tile.inc.h"

#include "simd_attention.inc.h"
#include "simd_conv.inc.h"
#include "simd_conv_line.inc.h"
#include "simd_pool.inc.h"
#include "simd_rows.inc.h"
#include "simd_scaled.inc.h"
#include "simd_shuffle.inc.h"
#include "simd_winograd.inc.h"

#include "simd_conv_copy.inc.h"
#include "simd_conv_patch.inc.h"
#undef S
#undef T

void JOIN3(infer_kernels_, TIER, blocked)(infer_kernels *k) {
#define INSTALL(result, name, parameters) k->name = name;
    INFER_KERNELS_BLOCKED(INSTALL)
#undef INSTALL
}
