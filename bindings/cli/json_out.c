/* Values as JSON text. */
#include "json_io.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers and strings ---- */

const char *infer_cli_number_text(double number, bool is_float, char *text) {
    int most = is_float ? 9 : 17;
    for (int digits = is_float ? 6 : 15; digits <= most; digits++) {
        snprintf(text, 32, "%.*g", digits, number);
        if (is_float ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number)
            break;
    }
    return text;
}

void infer_cli_print_number(FILE *to, double number, bool is_float) {
    char text[32];
    if (isnan(number))
        fputs("\"NaN\"", to);
    else if (isinf(number))
        fputs(number > 0 ? "\"Infinity\"" : "\"-Infinity\"", to);
    else
        fputs(infer_cli_number_text(number, is_float, text), to);
}

void infer_cli_print_string(FILE *to, const char *text, size_t size) {
    fputc('"', to);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(to, "\\u%04x", c);
        else
            fputc(c, to);
    }
    fputc('"', to);
}

float infer_cli_half(infer_type type, uint16_t bits) {
    if (type == INFER_TYPE_BFLOAT16) {
        uint32_t wide = (uint32_t)bits << 16;
        float number;
        memcpy(&number, &wide, sizeof number);
        return number;
    }
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float number = exponent == 31  ? (fraction ? NAN : INFINITY)
                   : exponent == 0 ? ldexpf((float)fraction, -24)
                                   : ldexpf((float)(fraction + 1024), exponent - 25);
    return bits >> 15 ? -number : number;
}

/* ---- elements ---- */

static bool print_element(FILE *to, const infer_value *v, size_t i) {
    const infer_string *s;
    switch ((infer_type)v->type) {
    case INFER_TYPE_FLOAT:
        infer_cli_print_number(to, ((const float *)v->data)[i], true);
        return true;
    case INFER_TYPE_DOUBLE:
        infer_cli_print_number(to, ((const double *)v->data)[i], false);
        return true;
    case INFER_TYPE_FLOAT16:
    case INFER_TYPE_BFLOAT16:
        infer_cli_print_number(
            to, infer_cli_half((infer_type)v->type, ((const uint16_t *)v->data)[i]), true);
        return true;
    case INFER_TYPE_BOOL:
        fputs(((const uint8_t *)v->data)[i] ? "true" : "false", to);
        return true;
    case INFER_TYPE_STRING:
        s = (const infer_string *)v->data + i;
        infer_cli_print_string(to, s->data, s->size);
        return true;
#define SIGNED(NAME, T)                                                                            \
    case INFER_TYPE_##NAME:                                                                        \
        fprintf(to, "%lld", (long long)((const T *)v->data)[i]);                                   \
        return true;
#define UNSIGNED(NAME, T)                                                                          \
    case INFER_TYPE_##NAME:                                                                        \
        fprintf(to, "%llu", (unsigned long long)((const T *)v->data)[i]);                          \
        return true;
        SIGNED(INT8, int8_t)
        SIGNED(INT16, int16_t)
        SIGNED(INT32, int32_t)
        SIGNED(INT64, int64_t)
        SIGNED(INT4, int8_t)
        SIGNED(INT2, int8_t)
        UNSIGNED(UINT8, uint8_t)
        UNSIGNED(UINT16, uint16_t)
        UNSIGNED(UINT32, uint32_t)
        UNSIGNED(UINT64, uint64_t)
        UNSIGNED(UINT4, uint8_t)
        UNSIGNED(UINT2, uint8_t)
#undef SIGNED
#undef UNSIGNED
    default:
        return false;
    }
}

static bool print_axis(FILE *to, const infer_value *v, uint32_t axis, size_t first, size_t count) {
    if (axis == v->rank)
        return print_element(to, v, first);
    bool good = true;
    size_t extent = (size_t)v->shape[axis], step = extent ? count / extent : 0;
    fputc('[', to);
    for (size_t i = 0; good && i < extent; i++) {
        if (i)
            fputc(',', to);
        good = print_axis(to, v, axis + 1, first + i * step, step);
    }
    fputc(']', to);
    return good;
}

/* Keys of JSON are strings: numbers go into quotes. */
static bool print_map(FILE *to, const infer_value *keys, const infer_value *values) {
    bool good = true;
    fputc('{', to);
    for (size_t i = 0; good && i < keys->count; i++) {
        const char *quote = keys->type == INFER_TYPE_STRING ? "" : "\"";
        fputs(i ? "," : "", to);
        fputs(quote, to);
        good = print_element(to, keys, i);
        fprintf(to, "%s:", quote);
        good = good && (values->kind == INFER_KIND_TENSOR
                            ? print_element(to, values, i)
                            : infer_cli_print_value(to, (const infer_value *)values->data + i));
    }
    fputc('}', to);
    return good;
}

bool infer_cli_print_value(FILE *to, const infer_value *v) {
    const infer_value *members = v->data;
    bool good = true;
    switch ((infer_kind)v->kind) {
    case INFER_KIND_TENSOR:
        return print_axis(to, v, 0, 0, v->count);
    case INFER_KIND_MAP:
        return print_map(to, &members[0], &members[1]);
    case INFER_KIND_OPTIONAL:
        if (v->count)
            return infer_cli_print_value(to, members);
        fputs("null", to);
        return true;
    case INFER_KIND_SPARSE:
        fputs("{\"values\":", to);
        good = infer_cli_print_value(to, &members[0]);
        fputs(",\"indices\":", to);
        good = infer_cli_print_value(to, &members[1]) && good;
        fputs(",\"shape\":[", to);
        for (uint32_t i = 0; i < v->rank; i++)
            fprintf(to, "%s%lld", i ? "," : "", (long long)v->shape[i]);
        fputs("]}", to);
        return good;
    case INFER_KIND_SEQUENCE:
        break;
    }
    fputc('[', to);
    for (size_t i = 0; good && i < v->count; i++) {
        fputs(i ? "," : "", to);
        good = infer_cli_print_value(to, &members[i]);
    }
    fputc(']', to);
    return good;
}
