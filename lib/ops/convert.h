/* Floating point to integers, defined for every value and the same on every machine: truncated;
 * what no 32- or 64-bit integer holds becomes the least one, narrower ones keep the low bits. */
#ifndef INFER_OPS_CONVERT_H
#define INFER_OPS_CONVERT_H

#include <stdint.h>
#include <string.h>

static inline int64_t infer_to_int64(double d) {
    return d >= -0x1p63 && d < 0x1p63 ? (int64_t)d : INT64_MIN;
}

static inline uint64_t infer_to_uint64(double d) {
    return d >= 0x1p63 && d < 0x1p64 ? (uint64_t)d : (uint64_t)infer_to_int64(d);
}

static inline int32_t infer_to_int32(double d) {
    return d > -0x1p31 - 1 && d < 0x1p31 ? (int32_t)d : INT32_MIN;
}

/* By the suffix of a type in types.h. */
#define INFER_TO_FLOAT(d)  (float)(d)
#define INFER_TO_DOUBLE(d) (double)(d)
#define INFER_TO_INT8(d)   (int8_t) infer_to_int32((double)(d))
#define INFER_TO_INT16(d)  (int16_t) infer_to_int32((double)(d))
#define INFER_TO_INT32(d)  infer_to_int32((double)(d))
#define INFER_TO_INT64(d)  infer_to_int64((double)(d))
#define INFER_TO_UINT8(d)  (uint8_t) infer_to_int32((double)(d))
#define INFER_TO_UINT16(d) (uint16_t) infer_to_int32((double)(d))
#define INFER_TO_UINT32(d) (uint32_t) infer_to_int64((double)(d))
#define INFER_TO_UINT64(d) infer_to_uint64((double)(d))

/* Rounds to a float from which rounding on to a narrower type is as good as rounding at once: what
 * is inexact is cut off and marked in the last bit. */
static inline float infer_round_to_odd(double d) {
    float f = (float)d;
    uint32_t bits;
    if ((double)f == d || f != f)
        return f;
    memcpy(&bits, &f, sizeof bits);
    bits -= (double)(f < 0 ? -f : f) > (d < 0 ? -d : d);
    bits |= 1;
    memcpy(&f, &bits, sizeof f);
    return f;
}

#endif
