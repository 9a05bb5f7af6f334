/* Real numbers as quantized ones: how all operators round and saturate. */
#ifndef INFER_OPS_QUANTIZE_H
#define INFER_OPS_QUANTIZE_H

#include "kernels.h"
#include "types.h"

#include <stdbool.h>
#include <stddef.h>

/* n numbers, which it may change, to elements [at, at + n) of data: integers are rounded to even,
 * moved by zero[i * step] and saturate; floats are moved, narrowed, and saturate if asked to. n is
 * at most INFER_CHUNK. */
void infer_quantize(infer_type type, float *x, size_t n, const float *zero, size_t step, void *data,
                    size_t at, bool saturate);

/* Scale and zero point of DynamicQuantizeLinear: of 8 bits for n numbers and 0. */
void infer_quantize_range(const infer_kernels *k, const float *x, size_t n, float *scale,
                          uint8_t *zero);

#endif
