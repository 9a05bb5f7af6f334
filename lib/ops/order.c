/* The order of elements of any type as that of unsigned integers. */
#include "order.h"

#include "chunk.h"

#include <string.h>

#define SIGN (UINT64_C(1) << 63)

/* A float's bits, read as a number with a sign, are in its order. */
static uint64_t key_of(double d) {
    uint64_t bits;
    if (d != d)
        return UINT64_MAX;
    d += 0.0; /* the zeros are equal */
    memcpy(&bits, &d, sizeof bits);
    return bits & SIGN ? ~bits : bits | SIGN;
}

static void keys_of(infer_type wide, const void *from, size_t n, uint64_t *keys) {
    for (size_t i = 0; i < n; i++)
        switch (wide) {
        case INFER_TYPE_FLOAT:
            keys[i] = key_of((double)((const float *)from)[i]);
            break;
        case INFER_TYPE_DOUBLE:
            keys[i] = key_of(((const double *)from)[i]);
            break;
        case INFER_TYPE_INT64:
            keys[i] = (uint64_t)((const int64_t *)from)[i] ^ SIGN;
            break;
        default:
            keys[i] = ((const uint64_t *)from)[i];
        }
}

void infer_order_keys(infer_type type, const void *data, size_t at, size_t step, size_t n,
                      bool reverse, uint64_t *keys) {
    infer_type wide = infer_wide_type(type);
    size_t together = step == 1 ? INFER_CHUNK : 1;
    for (size_t i = 0; i < n; i += together) {
        infer_chunk chunk;
        size_t m = n - i < together ? n - i : together;
        keys_of(wide, infer_load_wide(type, data, at + i * step, m, &chunk), m, keys + i);
    }
    for (size_t i = 0; i < n && reverse; i++)
        keys[i] = ~keys[i];
}

/* ---- the heap ---- */

void infer_heap_sink(infer_keyed *heap, size_t n) {
    infer_keyed p = heap[0];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && infer_keyed_before(heap[child + 1], heap[child]))
            child++;
        if (!infer_keyed_before(heap[child], p))
            break;
        heap[i] = heap[child];
    }
    heap[i] = p;
}

void infer_heap_rise(infer_keyed *heap, size_t i) {
    infer_keyed p = heap[i];
    for (size_t parent; i > 0 && infer_keyed_before(p, heap[parent = (i - 1) / 2]); i = parent)
        heap[i] = heap[parent];
    heap[i] = p;
}
