/* What the kernels' tests share: every table of kernels this machine can run, memory that faults
 * where it ends, and numbers. */
#ifndef INFER_TESTS_KERNELS_VARIANTS_H
#define INFER_TESTS_KERNELS_VARIANTS_H

#include "kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum variant_kind {
    VARIANT_SCALAR,
    VARIANT_SIMD, /* promises what the tiers promise: gemm's chain, the errors of kernels.h */
    VARIANT_BLAS  /* products alone */
} variant_kind;

typedef struct variant {
    const char *name;
    variant_kind kind;
    infer_kernels k;
} variant;

/* The scalar table, every tier this machine has, AVX-512 in SIMDe's emulation where it was built in
 * and the machine has not the real one, OpenBLAS where it is installed. Says what it found. */
size_t variants_find(variant *list);
#define VARIANTS_MAX 10

/* bytes of memory that end where a page begins that nobody may touch. The bytes before are filled
 * with guard bytes. Valid until the slot's next use. */
#define FENCE_SLOTS 7
void *fenced(int slot, size_t bytes);

/* Whether the bytes before are as they were. */
bool fence_holds(int slot);

/* The same numbers in every run: in [-1, 1), and an index below n. */
double number(void);
size_t choose(size_t n);

/* What test_products.c judges, and test_functions.c, each in float and double; test_conv.c;
 * test_blocks.c; test_attention.c; test_bytes.c; test_conv_bytes.c; test_trees.c. */
#define JUDGED(X)                                                                                  \
    X(dot)                                                                                         \
    X(matvec) X(gemm_packed) X(exp) X(sigmoid) X(tanh) X(erf) X(softmax) X(log_softmax) X(logsumexp)
#define JUDGED_BLOCKED(X)                                                                          \
    X(conv_blocked)                                                                                \
    X(conv_winograd)                                                                               \
    X(conv_line)                                                                                   \
    X(conv_depthwise)                                                                              \
    X(pool_blocked)                                                                                \
    X(affine_blocked)                                                                              \
    X(lrn_blocked)                                                                                 \
    X(shuffle_blocked)                                                                             \
    X(gelu)                                                                                        \
    X(attend)                                                                                      \
    X(clip)                                                                                        \
    X(activate)                                                                                    \
    X(normalize)                                                                                   \
    X(widen_panel) X(gemm_scaled) X(widen_half) X(gemm_half) X(add) X(sub) X(mul) X(div)
#define JUDGED_BYTES(X)                                                                            \
    X(pack_s8)                                                                                     \
    X(gather_s8)                                                                                   \
    X(gemm_u8s8)                                                                                   \
    X(quantize_8)                                                                                  \
    X(requantize_8)                                                                                \
    X(dequantize_8)                                                                                \
    X(rescale_f32)                                                                                 \
    X(axpy_i32)                                                                                    \
    X(range_f32)                                                                                   \
    X(lookup_8)                                                                                    \
    X(add_8)                                                                                       \
    X(mul_8)                                                                                       \
    X(max_8)                                                                                       \
    X(sum_f32)                                                                                     \
    X(pick_8)                                                                                      \
    X(widen_8)                                                                                     \
    X(taps_8) X(winograd_weights_8) X(winograd_input_8) X(winograd_sums_8) X(conv_8)
#define JUDGED_TREES(X)    X(trees_f32)
#define JUDGED_TWICE(name) +2
#define JUDGED_ONCE(name)  +1
_Static_assert(sizeof(infer_kernels) == (0 JUDGED(JUDGED_TWICE) JUDGED_BLOCKED(JUDGED_ONCE)
                                             JUDGED_BYTES(JUDGED_ONCE) JUDGED_TREES(JUDGED_ONCE)) *
                                            sizeof(void (*)(void)),
               "a kernel of the list has no test: give it one and name it in JUDGED");

#endif
