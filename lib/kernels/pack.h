/* Packing of a matrix product's right-hand side into panels, the same on every machine. */
#ifndef INFER_KERNELS_PACK_H
#define INFER_KERNELS_PACK_H

#include "loose.h"

#include <stdbool.h>
#include <stddef.h>

/* Elements a packed k x n matrix takes: n rounded up to whole panels, times k. false where that
 * does not fit a size_t. */
bool infer_pack_size(size_t k, size_t n, size_t *elements);

/* Packs b into infer_pack_size(k, n) elements. Without trans b is [k][n], with trans [n][k]; ldb
 * is the distance of its rows in elements. Every element of packed is written. */
void infer_pack_b_f32(size_t k, size_t n, const infer_loose_f32 *b, size_t ldb, bool trans,
                      float *packed);
void infer_pack_b_f64(size_t k, size_t n, const infer_loose_f64 *b, size_t ldb, bool trans,
                      double *packed);

#endif
