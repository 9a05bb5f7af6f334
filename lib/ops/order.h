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

/* A heap of keys and what they belong to. At its root is the smallest key; of equal ones that of
 * the largest place. */
typedef struct infer_keyed {
    uint64_t key;
    int64_t at;
} infer_keyed;

/* Whether a belongs nearer to the root than b. */
static inline bool infer_keyed_before(infer_keyed a, infer_keyed b) {
    return a.key < b.key || (a.key == b.key && a.at > b.at);
}

/* Lets the entry at the root of a heap of n, or at the end of one (number i), find its place. */
void infer_heap_sink(infer_keyed *heap, size_t n);
void infer_heap_rise(infer_keyed *heap, size_t i);

#endif
