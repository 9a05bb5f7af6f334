/* Products of 8-bit numbers: unsigned ones of the left, signed ones of the right, and what shifts
 * and zero points add to their sums. */
#ifndef INFER_OPS_BYTES_H
#define INFER_OPS_BYTES_H

#include "op.h"

/* Added to the bits of numbers on the left to make them unsigned, of those on the right to make
 * them signed. As numbers they move by +128 and by -128, and so do their zero points. */
static inline uint8_t infer_flip_left(uint8_t type) {
    return type == INFER_TYPE_INT8 ? 128 : 0;
}
static inline uint8_t infer_flip_right(uint8_t type) {
    return type == INFER_TYPE_INT8 ? 0 : 128;
}

/* n bytes with flip added. */
void infer_flip_bytes(const uint8_t *from, size_t n, uint8_t flip, uint8_t *to);

/* Element i of a tensor of 8 bits or its only one; 0 where there is no tensor. */
static inline int32_t infer_byte_of(const infer_view *v, size_t i) {
    if (!v)
        return 0;
    i = infer_view_count(v) == 1 ? 0 : i;
    return v->type == INFER_TYPE_INT8 ? ((const int8_t *)v->data)[i]
                                      : ((const uint8_t *)v->data)[i];
}

uint32_t infer_sum_bytes(const uint8_t *from, size_t n);

/* Bytes of a packed matrix; elements of its columns' sums. false: they do not fit. */
bool infer_bytes_pack_size(size_t k, size_t n, size_t *packed, size_t *sums);

/* The same of a packed matrix that has its marks behind it. */
bool infer_bytes_marked_size(size_t k, size_t n, size_t *packed, size_t *sums);
/* Writes them. */
void infer_bytes_mark(size_t k, size_t n, int8_t *packed);
/* From the panel of column j on, as gemm_u8s8 takes them. */
const uint64_t *infer_bytes_marks(const int8_t *packed, size_t k, size_t n, size_t j);

/* start[j] = -zero * sums[j], for n columns rounded up to whole panels: what a zero point of the
 * left adds. */
void infer_bytes_start(const infer_kernels *k, const int32_t *sums, size_t n, int32_t zero,
                       int32_t *start);

/* prepare of Mul and of Add (bytes_fuse.c). */
infer_status infer_bytes_fuse_scale(infer_rewriter *rw);
infer_status infer_bytes_fuse_bias(infer_rewriter *rw);

#endif
