/* The rare floating types: widened to float exactly, narrowed to the nearest, ties to even. */
#include "narrow.h"

#include "types.h"

#include <stdint.h>
#include <string.h>

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

#define F32_INF  0x7f800000u
#define F32_MAG  0x7fffffffu
#define F32_MANT 23
#define F32_BIAS 127

/* 2 to the power of a normal float's exponent. */
static float power(int exponent) {
    return float_of((uint32_t)(F32_BIAS + exponent) << F32_MANT);
}

/* ---- formats of sign, exponent and mantissa ---- */

typedef struct format {
    uint8_t bits, mantissa, bias;
    bool no_minus_zero;    /* the code of -0 is the only NaN */
    uint32_t max, nan;     /* codes of the largest finite value and of NaN, without sign */
    uint32_t infinity;     /* code past max where not saturating: infinity, or NaN */
    bool saturates_always; /* there is neither infinity nor NaN */
} format;

static const format *format_of(infer_type type) {
    static const format half = {16, 10, 15, false, 0x7bff, 0x7e00, 0x7c00, false},
                        e4m3fn = {8, 3, 7, false, 0x7e, 0x7f, 0x7f, false},
                        e4m3fnuz = {8, 3, 8, true, 0x7f, 0x80, 0x80, false},
                        e5m2 = {8, 2, 15, false, 0x7b, 0x7e, 0x7c, false},
                        e5m2fnuz = {8, 2, 16, true, 0x7f, 0x80, 0x80, false},
                        e2m1 = {4, 1, 1, false, 0x7, 0x8, 0x7, true};
    switch (type) {
    case INFER_TYPE_FLOAT16:
        return &half;
    case INFER_TYPE_FLOAT8E4M3FN:
        return &e4m3fn;
    case INFER_TYPE_FLOAT8E4M3FNUZ:
        return &e4m3fnuz;
    case INFER_TYPE_FLOAT8E5M2:
        return &e5m2;
    case INFER_TYPE_FLOAT8E5M2FNUZ:
        return &e5m2fnuz;
    default:
        return &e2m1;
    }
}

static inline float decode(const format *f, uint32_t code) {
    uint32_t sign_bit = 1u << (f->bits - 1), sign = (code & sign_bit) << (32 - f->bits);
    uint32_t mag = code & (sign_bit - 1);
    uint32_t normal =
        (mag << (F32_MANT - f->mantissa)) + ((uint32_t)(F32_BIAS - f->bias) << F32_MANT);
    float subnormal = (float)mag * power(1 - f->bias - f->mantissa);
    uint32_t u = mag >> f->mantissa ? normal : bits_of(subnormal);
    bool special = f->no_minus_zero ? code == f->nan : mag > f->max && !f->saturates_always;
    if (special) /* infinity keeps a mantissa of zero; NaN becomes the quiet one */
        u = mag == f->infinity && f->infinity != f->nan ? F32_INF : F32_INF | 0x400000;
    return float_of(u | sign);
}

static inline uint32_t encode(const format *f, float x, bool saturate) {
    uint32_t u = bits_of(x), mag = u & F32_MAG, code;
    uint32_t sign = u >> 31 << (f->bits - 1);
    int least = 1 - f->bias; /* exponent of the smallest normal value */
    unsigned drop = F32_MANT - f->mantissa;
    if (mag > F32_INF)
        return f->no_minus_zero || f->saturates_always ? f->nan : f->nan | sign;
    if (mag >= bits_of(power(least)))
        code = ((mag + (1u << (drop - 1)) - 1 + (mag >> drop & 1)) >> drop) -
               ((uint32_t)(F32_BIAS - f->bias) << f->mantissa);
    else { /* adding a number whose last place is the smallest subnormal rounds to it */
        float magic = power(least + (int)drop);
        code = bits_of(float_of(mag) + magic) - bits_of(magic);
    }
    if (code > f->max)
        code = saturate || f->saturates_always ? f->max : f->infinity;
    return f->no_minus_zero && (code == 0 || code == f->nan) ? code : code | sign;
}

/* Each type its own loop with constant parameters, so that it is compiled for them. */
#define FORMAT_TYPES(X)                                                                            \
    X(FLOAT16, uint16_t)                                                                           \
    X(FLOAT8E4M3FN, uint8_t)                                                                       \
    X(FLOAT8E4M3FNUZ, uint8_t)                                                                     \
    X(FLOAT8E5M2, uint8_t)                                                                         \
    X(FLOAT8E5M2FNUZ, uint8_t)                                                                     \
    X(FLOAT4E2M1, uint8_t)

static float from_scale(uint8_t code) {
    return code == 0xff ? float_of(F32_INF | 0x400000)
                        : float_of(code ? (uint32_t)code << F32_MANT : 0x400000);
}

void infer_widen(infer_type type, const void *from, float *to, size_t n) {
    switch (type) {
#define WIDEN(suffix, ctype)                                                                       \
    case INFER_TYPE_##suffix:                                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            to[i] = decode(format_of(INFER_TYPE_##suffix), ((const ctype *)from)[i]);              \
        break;
        FORMAT_TYPES(WIDEN)
    case INFER_TYPE_BFLOAT16:
        for (size_t i = 0; i < n; i++)
            to[i] = float_of((uint32_t)((const uint16_t *)from)[i] << 16);
        break;
    case INFER_TYPE_FLOAT8E8M0:
        for (size_t i = 0; i < n; i++)
            to[i] = from_scale(((const uint8_t *)from)[i]);
        break;
    case INFER_TYPE_FLOAT:
        memmove(to, from, n * sizeof *to);
        break;
    default:
        break;
    }
}

static uint16_t to_bfloat(float x) {
    uint32_t u = bits_of(x);
    if ((u & F32_MAG) > F32_INF)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* Exponent 0 stands for 2^-127, which is half of the smallest normal float. */
static uint8_t scale_of(float x, bool saturate, infer_scale_round round) {
    const uint32_t one = 1u << F32_MANT, half = one >> 1;
    uint32_t mag = bits_of(x) & F32_MAG, code = mag >> F32_MANT, rest = mag & (one - 1);
    if (mag > F32_INF)
        return 0xff;
    if (mag < half) /* below the range */
        return saturate ? 0 : 0xff;
    if (mag < one) /* the distance from 2^-127, measured as above */
        rest = (mag - half) << 1;
    if (round == INFER_SCALE_UP ? rest > 0 : round == INFER_SCALE_NEAREST && rest >= half)
        code++;
    return code < 0xff ? (uint8_t)code : saturate ? 0xfe : 0xff;
}

void infer_to_scale(const float *from, uint8_t *to, size_t n, bool saturate,
                    infer_scale_round round) {
    for (size_t i = 0; i < n; i++)
        to[i] = scale_of(from[i], saturate, round);
}

void infer_narrow(infer_type type, const float *from, void *to, size_t n, bool saturate) {
    switch (type) {
#define NARROW(suffix, ctype)                                                                      \
    case INFER_TYPE_##suffix:                                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            ((ctype *)to)[i] =                                                                     \
                (ctype)encode(format_of(INFER_TYPE_##suffix), from[i],                             \
                              saturate && INFER_TYPE_##suffix != INFER_TYPE_FLOAT16);              \
        break;
        FORMAT_TYPES(NARROW)
    case INFER_TYPE_BFLOAT16:
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)to)[i] = to_bfloat(from[i]);
        break;
    case INFER_TYPE_FLOAT8E8M0:
        infer_to_scale(from, to, n, saturate, saturate ? INFER_SCALE_UP : INFER_SCALE_NEAREST);
        break;
    case INFER_TYPE_FLOAT:
        memmove(to, from, n * sizeof(float));
        break;
    default:
        break;
    }
}
