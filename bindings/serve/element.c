/* Elements of tensors from JSON and to JSON, by their types. */
#include "core.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Types of integers that fit JSON's here, which are int64: name, C type, smallest and largest
 * value.
 */
#define INTEGERS(X)                                                                                \
    X(INT8, int8_t, INT8_MIN, INT8_MAX)                                                            \
    X(INT16, int16_t, INT16_MIN, INT16_MAX)                                                        \
    X(INT32, int32_t, INT32_MIN, INT32_MAX)                                                        \
    X(INT64, int64_t, INT64_MIN, INT64_MAX)                                                        \
    X(UINT8, uint8_t, 0, UINT8_MAX)                                                                \
    X(UINT16, uint16_t, 0, UINT16_MAX)                                                             \
    X(UINT32, uint32_t, 0, UINT32_MAX)                                                             \
    X(INT4, int8_t, -8, 7)                                                                         \
    X(UINT4, uint8_t, 0, 15)                                                                       \
    X(INT2, int8_t, -2, 1)                                                                         \
    X(UINT2, uint8_t, 0, 3)

/* ---- 16 bits ---- */

/* To nearest, ties to even. Counts units of the last place: 1024 of them are the implicit bit, so
 * that the exponent's field comes out one too high where they are added and not or-ed. */
static uint16_t float16_bits(double number) {
    double size = fabs(number);
    int exponent = size < 0x1p-14 ? -14 : ilogb(size);
    long units = lrint(ldexp(size, 10 - exponent));
    return (uint16_t)((signbit(number) ? 0x8000 : 0) + (exponent + 14) * 1024 + units);
}

static double float16_number(uint16_t bits) {
    int exponent = bits >> 10 & 31;
    double units = (bits & 1023) + (exponent ? 1024 : 0), number;
    if (exponent == 31)
        number = bits & 1023 ? NAN : INFINITY;
    else
        number = ldexp(units, (exponent ? exponent : 1) - 25);
    return bits & 0x8000 ? -number : number;
}

static uint16_t bfloat16_bits(double number) {
    float narrow = (float)number;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static float bfloat16_number(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float number;
    memcpy(&number, &wide, sizeof number);
    return number;
}

/* ---- in ---- */

/* The largest number that still rounds to a finite one is half a unit above the largest. */
static bool real_in(double number, infer_type type, void *to, const char **why) {
    static const struct {
        infer_type type;
        double beyond;
    } ranges[] = {
        {INFER_TYPE_FLOAT, 0x1.ffffffp127},
        {INFER_TYPE_FLOAT16, 65520},
        {INFER_TYPE_BFLOAT16, 0x1.ffp127},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].type == type && fabs(number) >= ranges[i].beyond) {
            *why = "a number that its type can hold";
            return false;
        }
    if (type == INFER_TYPE_FLOAT)
        *(float *)to = (float)number;
    else if (type == INFER_TYPE_DOUBLE)
        *(double *)to = number;
    else
        *(uint16_t *)to = type == INFER_TYPE_FLOAT16 ? float16_bits(number) : bfloat16_bits(number);
    return true;
}

bool infer_serve_element_in(const json_t *json, infer_type type, void *to, const char **why) {
    switch (type) {
    case INFER_TYPE_STRING:
        *why = "a string";
        *(infer_string *)to = (infer_string){json_string_value(json), json_string_length(json)};
        return json_is_string(json);
    case INFER_TYPE_BOOL:
        *why = "true or false";
        *(uint8_t *)to = json_is_true(json);
        return json_is_boolean(json);
    case INFER_TYPE_FLOAT:
    case INFER_TYPE_DOUBLE:
    case INFER_TYPE_FLOAT16:
    case INFER_TYPE_BFLOAT16:
        *why = "a number";
        return json_is_number(json) && real_in(json_number_value(json), type, to, why);
#define INTEGER_IN(NAME, T, LOW, HIGH)                                                             \
    case INFER_TYPE_##NAME: {                                                                      \
        json_int_t number = json_integer_value(json);                                              \
        *why = "an integer that its type can hold";                                                \
        *(T *)to = (T)number;                                                                      \
        return json_is_integer(json) && number >= (json_int_t)(LOW) &&                             \
               number <= (json_int_t)(HIGH);                                                       \
    }
        INTEGERS(INTEGER_IN)
        INTEGER_IN(UINT64, uint64_t, 0, INT64_MAX)
    default:
        *why = "of a type that JSON can spell";
        return false;
    }
}

/* ---- out ---- */

bool infer_serve_is_integer(infer_type type) {
    switch (type) {
    case INFER_TYPE_UINT64:
#define INTEGER_NAME(NAME, T, LOW, HIGH) case INFER_TYPE_##NAME:
        INTEGERS(INTEGER_NAME)
        return true;
    default:
        return false;
    }
}

bool infer_serve_has_json(infer_type type) {
    return type == INFER_TYPE_STRING || type == INFER_TYPE_BOOL || type == INFER_TYPE_FLOAT ||
           type == INFER_TYPE_DOUBLE || type == INFER_TYPE_FLOAT16 || type == INFER_TYPE_BFLOAT16 ||
           infer_serve_is_integer(type);
}

json_t *infer_serve_element_out(const infer_value *value, size_t i) {
    switch ((infer_type)value->type) {
    case INFER_TYPE_STRING: {
        const infer_string *string = (const infer_string *)value->data + i;
        return infer_serve_string(string->data, string->size);
    }
    case INFER_TYPE_BOOL:
        return json_boolean(((const uint8_t *)value->data)[i]);
    case INFER_TYPE_FLOAT:
        return infer_serve_float(((const float *)value->data)[i]);
    case INFER_TYPE_DOUBLE:
        return infer_serve_double(((const double *)value->data)[i]);
    case INFER_TYPE_FLOAT16:
        return infer_serve_float((float)float16_number(((const uint16_t *)value->data)[i]));
    case INFER_TYPE_BFLOAT16:
        return infer_serve_float(bfloat16_number(((const uint16_t *)value->data)[i]));
    case INFER_TYPE_UINT64: {
        uint64_t number = ((const uint64_t *)value->data)[i];
        return number > INT64_MAX ? json_real((double)number) : json_integer((json_int_t)number);
    }
#define INTEGER_OUT(NAME, T, LOW, HIGH)                                                            \
    case INFER_TYPE_##NAME:                                                                        \
        return json_integer((json_int_t)((const T *)value->data)[i]);
        INTEGERS(INTEGER_OUT)
    default:
        return NULL;
    }
}
