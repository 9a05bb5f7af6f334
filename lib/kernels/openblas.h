/* OpenBLAS as a provider of dot, matrix-vector and matrix products. */
#ifndef INFER_KERNELS_OPENBLAS_H
#define INFER_KERNELS_OPENBLAS_H

#include "infer.h"
#include "kernels.h"

/* Puts OpenBLAS's functions in place of dot_*, matvec_* and gemm_packed_*. The library is opened at
 * the first call of the process and stays; UNSUPPORTED with the loader's reason where it is
 * missing. Nothing else names this function strongly, so that programs without it need no dynamic
 * loader. */
infer_status infer_openblas_install(infer_kernels *k);

#endif
