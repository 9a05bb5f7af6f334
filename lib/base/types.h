/* Element types: names, sizes, classes, and the way between the rare ones and float. */
#ifndef INFER_BASE_TYPES_H
#define INFER_BASE_TYPES_H

#include "infer.h"

#include <stdbool.h>

/* X(enum suffix, name, size in bytes as held, bits as ONNX packs it, class). A type whose numbers
 * C can compute with also stands in the lists below. */
#define INFER_TYPES(X)                                                                             \
    X(FLOAT, "float", 4, 32, FLOATING)                                                             \
    X(UINT8, "uint8", 1, 8, UNSIGNED)                                                              \
    X(INT8, "int8", 1, 8, SIGNED)                                                                  \
    X(UINT16, "uint16", 2, 16, UNSIGNED)                                                           \
    X(INT16, "int16", 2, 16, SIGNED)                                                               \
    X(INT32, "int32", 4, 32, SIGNED)                                                               \
    X(INT64, "int64", 8, 64, SIGNED)                                                               \
    X(STRING, "string", sizeof(infer_string), 0, TEXT)                                             \
    X(BOOL, "bool", 1, 8, BOOLEAN)                                                                 \
    X(FLOAT16, "float16", 2, 16, FLOATING)                                                         \
    X(DOUBLE, "double", 8, 64, FLOATING)                                                           \
    X(UINT32, "uint32", 4, 32, UNSIGNED)                                                           \
    X(UINT64, "uint64", 8, 64, UNSIGNED)                                                           \
    X(COMPLEX64, "complex64", 8, 64, COMPLEX)                                                      \
    X(COMPLEX128, "complex128", 16, 128, COMPLEX)                                                  \
    X(BFLOAT16, "bfloat16", 2, 16, FLOATING)                                                       \
    X(FLOAT8E4M3FN, "float8e4m3fn", 1, 8, FLOATING)                                                \
    X(FLOAT8E4M3FNUZ, "float8e4m3fnuz", 1, 8, FLOATING)                                            \
    X(FLOAT8E5M2, "float8e5m2", 1, 8, FLOATING)                                                    \
    X(FLOAT8E5M2FNUZ, "float8e5m2fnuz", 1, 8, FLOATING)                                            \
    X(UINT4, "uint4", 1, 4, UNSIGNED)                                                              \
    X(INT4, "int4", 1, 4, SIGNED)                                                                  \
    X(FLOAT4E2M1, "float4e2m1", 1, 4, FLOATING)                                                    \
    X(FLOAT8E8M0, "float8e8m0", 1, 8, FLOATING)                                                    \
    X(UINT2, "uint2", 1, 2, UNSIGNED)                                                              \
    X(INT2, "int2", 1, 2, SIGNED)

typedef enum infer_type_class {
    INFER_CLASS_NONE,
    INFER_CLASS_FLOATING,
    INFER_CLASS_SIGNED,
    INFER_CLASS_UNSIGNED,
    INFER_CLASS_BOOLEAN,
    INFER_CLASS_COMPLEX,
    INFER_CLASS_TEXT
} infer_type_class;

infer_type_class infer_type_kind(infer_type type);

/* Bits of one element as ONNX packs it in raw_data and external files; 0 for strings. */
unsigned infer_type_bits(infer_type type);

/* The floating type a rare one is computed in; the C integer type that holds a sub-byte one. The
 * type itself where it computes natively. */
infer_type infer_compute_type(infer_type type);

/* n elements of a rare floating type (16, 8 or 4 bits) to float and back. Back rounds to nearest
 * even; overflow in 8- and 4-bit types saturates where saturate is set, else becomes the type's
 * infinity or NaN as ONNX's Cast says. float8e8m0 rounds up in magnitude when saturating is asked
 * for by Cast's default round mode "up". */
void infer_widen(infer_type type, const void *from, float *to, size_t n);
void infer_narrow(infer_type type, const float *from, void *to, size_t n, bool saturate);

/* X(enum suffix, C type) over the types C computes in. */
#define INFER_FLOAT_TYPES(X)  X(FLOAT, float) X(DOUBLE, double)
#define INFER_SIGNED_TYPES(X) X(INT8, int8_t) X(INT16, int16_t) X(INT32, int32_t) X(INT64, int64_t)
#define INFER_UNSIGNED_TYPES(X)                                                                    \
    X(UINT8, uint8_t) X(UINT16, uint16_t) X(UINT32, uint32_t) X(UINT64, uint64_t)
#define INFER_INTEGER_TYPES(X) INFER_SIGNED_TYPES(X) INFER_UNSIGNED_TYPES(X)
#define INFER_NUMERIC_TYPES(X) INFER_FLOAT_TYPES(X) INFER_INTEGER_TYPES(X)

#endif
