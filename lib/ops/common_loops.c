/* Loops over the element types that models use most, for vectors. */
#include "common_loops.h"

#include "loops.h"

#include <math.h>

INFER_COMMON_LOOPS(STRIDES_LOOP)

UNARY_LOOP(sqrt_each, float, sqrtf(v))

void infer_common_sqrt(const infer_op_env *env, const void *x, void *y, size_t n) {
    sqrt_each(env, x, y, n);
}

/* Apart from each other, for vectors of the strides that pools have. */
#define LARGER(stride)                                                                             \
    for (size_t i = 0; i < n; i++)                                                                 \
        y[i] = x[i * (stride)] > y[i] ? x[i * (stride)] : y[i];

void infer_common_largest(const float *restrict x, size_t taps, size_t step, size_t stride,
                          size_t n, float *restrict y) {
    for (size_t i = 0; i < n; i++)
        y[i] = -INFINITY;
    for (size_t t = 0; t < taps; t++, x += step)
        if (stride == 1) {
            LARGER(1)
        } else if (stride == 2) {
            LARGER(2)
        } else {
            LARGER(stride)
        }
}

/* X(from, its C type, to, its C type) */
#define CASTS(X)                                                                                   \
    X(BOOL, uint8_t, FLOAT, float)                                                                 \
    X(BOOL, uint8_t, INT32, int32_t)                                                               \
    X(BOOL, uint8_t, INT64, int64_t)                                                               \
    X(UINT8, uint8_t, FLOAT, float)                                                                \
    X(INT8, int8_t, FLOAT, float)                                                                  \
    X(INT32, int32_t, FLOAT, float)                                                                \
    X(INT32, int32_t, INT64, int64_t)                                                              \
    X(INT64, int64_t, FLOAT, float)                                                                \
    X(INT64, int64_t, INT32, int32_t)

#define PAIR(from, to) ((unsigned)(from) << 8 | (unsigned)(to))

bool infer_common_cast(infer_type from, const void *x, infer_type to, void *y, size_t n) {
#define CAST(name, ctype, to_name, to_ctype)                                                       \
    case PAIR(INFER_TYPE_##name, INFER_TYPE_##to_name):                                            \
        for (size_t i = 0; i < n; i++)                                                             \
            ((to_ctype *)y)[i] = (to_ctype)((const ctype *)x)[i];                                  \
        return true;
    switch (PAIR(from, to)) {
        CASTS(CAST)
    default:
        return false;
    }
}
