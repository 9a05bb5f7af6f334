/* The order of elements of any type as that of unsigned integers. */
#ifndef INFER_OPS_ORDER_H
#define INFER_OPS_ORDER_H

#include "types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys of n elements, `step` apart, from element `at` on: a larger number has a larger key, equal
 * ones the same, a NaN the largest. reverse: the other way round, but a NaN stays the largest
 * number. No strings, no complex numbers. */
void infer_order_keys(infer_type type, const void *data, size_t at, size_t step, size_t n,
                      bool reverse, uint64_t *keys);

#endif
