/* Numbers at any address, as files have them: what packing reads. */
#ifndef INFER_KERNELS_LOOSE_H
#define INFER_KERNELS_LOOSE_H

typedef float infer_loose_f32 __attribute__((aligned(1), may_alias));
typedef double infer_loose_f64 __attribute__((aligned(1), may_alias));

#endif
