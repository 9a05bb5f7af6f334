/* Numbers as text and text as numbers. */
#include "cast.h"
#include "chunk.h"
#include "convert.h"
#include "status.h"
#include "types.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers to text ---- */

/* Whether text, as printf wrote it, reads back as the value. */
static bool reads_back(infer_type type, const char *text, double value) {
    if (type == INFER_TYPE_DOUBLE)
        return strtod(text, NULL) == value;
    if (type == INFER_TYPE_FLOAT)
        return (double)strtof(text, NULL) == value;
    float f = infer_round_to_odd(strtod(text, NULL));
    infer_chunk narrow;
    infer_narrow(type, &f, &narrow, 1, false);
    infer_widen(type, &narrow, &f, 1);
    return (double)f == value;
}

/* The shortest decimal digits of a finite value, and the power of ten of the first. */
static int shortest(infer_type type, double value, char *digits, int *exponent) {
    char text[40];
    int count = 0, precision = 0;
    do
        snprintf(text, sizeof text, "%.*e", precision, value);
    while (!reads_back(type, text, value) && ++precision < 17);
    const char *p = text;
    for (; *p != 'e'; p++) /* the decimal point is the locale's */
        if (*p >= '0' && *p <= '9')
            digits[count++] = *p;
    *exponent = atoi(p + 1);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

/* One rule for all widths, that of Python's floats: 0.0001 to below 1e16 without exponent. */
static size_t write_float(infer_type type, double value, char *text) {
    char digits[40] = "0", *to = text;
    int exponent = 0, count;
    if (isnan(value))
        return (size_t)sprintf(text, "nan");
    if (isinf(value))
        return (size_t)sprintf(text, value < 0 ? "-inf" : "inf");
    if (signbit(value))
        *to++ = '-';
    count = shortest(type, fabs(value), digits, &exponent);
    if (exponent < -4 || exponent >= 16) {
        *to++ = digits[0];
        if (count > 1)
            *to++ = '.';
        memcpy(to, digits + 1, (size_t)count - 1);
        to += count - 1;
        return (size_t)(to - text) + (size_t)sprintf(to, "e%+03d", exponent);
    }
    if (exponent < 0) {
        *to++ = '0';
        *to++ = '.';
        for (int i = -1; i > exponent; i--)
            *to++ = '0';
    }
    for (int i = 0; i < count || i <= exponent; i++) {
        *to++ = i < count ? digits[i] : '0';
        if (i == exponent)
            *to++ = '.';
    }
    if (to[-1] == '.')
        *to++ = '0';
    return (size_t)(to - text);
}

size_t infer_number_to_text(infer_type type, const void *data, size_t i, char *text) {
    infer_chunk chunk;
    const void *wide = infer_load_wide(type, data, i, 1, &chunk);
    int size;
    switch (infer_wide_type(type)) {
    case INFER_TYPE_FLOAT:
        return write_float(type, (double)*(const float *)wide, text);
    case INFER_TYPE_DOUBLE:
        return write_float(type, *(const double *)wide, text);
    case INFER_TYPE_INT64:
        size = sprintf(text, "%" PRId64, *(const int64_t *)wide);
        break;
    default:
        if (type == INFER_TYPE_BOOL)
            size = sprintf(text, *(const uint64_t *)wide ? "True" : "False");
        else
            size = sprintf(text, "%" PRIu64, *(const uint64_t *)wide);
    }
    return (size_t)size;
}

/* ---- text to numbers ---- */

#define LONGEST 256 /* characters of a number */

/* A number's text without blanks around it, terminated and with the locale's decimal point. */
typedef struct number_text {
    char text[LONGEST + 8];
    bool whole; /* an integer in plain digits */
} number_text;

static infer_status not_a_number(infer_string s) {
    return infer_fail(INFER_ERROR_VALUE, "\"%.*s\" is no number of the type wanted",
                      (int)(s.size < 40 ? s.size : 40), s.data);
}

static infer_string trimmed(infer_string s) {
    while (s.size && strchr(" \t\r\n", s.data[0]) && s.data[0]) {
        s.data++;
        s.size--;
    }
    while (s.size && strchr(" \t\r\n", s.data[s.size - 1]) && s.data[s.size - 1])
        s.size--;
    return s;
}

static bool is_word(infer_string s, const char *word) {
    if (s.size != strlen(word))
        return false;
    for (size_t i = 0; i < s.size; i++)
        if ((s.data[i] | 0x20) != word[i])
            return false;
    return true;
}

static size_t digits_at(infer_string s, size_t at) {
    size_t n = 0;
    while (at + n < s.size && s.data[at + n] >= '0' && s.data[at + n] <= '9')
        n++;
    return n;
}

/* Checks the grammar, which is narrower than that of strtod, and copies. */
static bool read_text(infer_string s, number_text *out) {
    const char *point = localeconv()->decimal_point;
    out->whole = false;
    if (s.size == 0 || s.size > LONGEST || strlen(point) > 4)
        return false;
    size_t sign = s.data[0] == '+' || s.data[0] == '-', at = sign;
    infer_string rest = {s.data + sign, s.size - sign};
    if (is_word(rest, "inf") || is_word(rest, "infinity") || is_word(rest, "nan")) {
        memcpy(out->text, s.data, s.size);
        out->text[s.size] = '\0';
        return true;
    }
    size_t before = digits_at(s, at), after = 0, dot;
    dot = at += before;
    bool has_dot = at < s.size && s.data[at] == '.';
    if (has_dot)
        at += 1 + (after = digits_at(s, at + 1));
    if (before + after == 0)
        return false;
    bool has_exponent = at < s.size && (s.data[at] | 0x20) == 'e';
    if (has_exponent) {
        at++;
        at += at < s.size && (s.data[at] == '+' || s.data[at] == '-');
        size_t n = digits_at(s, at);
        if (n == 0)
            return false;
        at += n;
    }
    if (at != s.size)
        return false;
    out->whole = !has_dot && !has_exponent;
    memcpy(out->text, s.data, dot);
    char *to = out->text + dot;
    if (has_dot) {
        memcpy(to, point, strlen(point));
        to += strlen(point);
        dot++;
    }
    memcpy(to, s.data + dot, s.size - dot);
    to[s.size - dot] = '\0';
    return true;
}

/* As an integer that the type holds; false where it does not. */
static bool read_integer(const number_text *t, infer_type type, uint64_t *out) {
    unsigned bits = infer_type_bits(type);
    bool is_signed = infer_type_kind(type) == INFER_CLASS_SIGNED, negative = t->text[0] == '-';
    uint64_t most = UINT64_MAX >> (64 - bits + is_signed), magnitude = 0;
    if (t->whole) {
        for (const char *p = t->text + strspn(t->text, "+-"); *p; p++)
            if (__builtin_mul_overflow(magnitude, 10u, &magnitude) ||
                __builtin_add_overflow(magnitude, (uint64_t)(*p - '0'), &magnitude))
                return false;
    } else {
        double d = trunc(fabs(strtod(t->text, NULL)));
        if (!(d < 0x1p64))
            return false;
        magnitude = (uint64_t)d;
    }
    *out = negative ? 0 - magnitude : magnitude;
    return magnitude <= (negative ? (is_signed ? most + 1 : 0) : most);
}

static void put_float(const number_text *t, infer_type type, char *to, bool saturate) {
    float f;
    double d;
    if (type == INFER_TYPE_DOUBLE) {
        d = strtod(t->text, NULL);
        memcpy(to, &d, sizeof d);
    } else {
        f = type == INFER_TYPE_FLOAT ? strtof(t->text, NULL)
                                     : infer_round_to_odd(strtod(t->text, NULL));
        infer_narrow(type, &f, to, 1, saturate);
    }
}

infer_status infer_text_to_number(infer_string text, infer_type type, void *data, size_t i,
                                  bool saturate) {
    infer_string s = trimmed(text);
    char *to = (char *)data + i * infer_type_size(type);
    number_text number;
    uint64_t value;
    if (type == INFER_TYPE_BOOL && (is_word(s, "true") || is_word(s, "false"))) {
        *to = is_word(s, "true");
        return INFER_OK;
    }
    if (!read_text(s, &number))
        return not_a_number(text);
    if (type == INFER_TYPE_BOOL) {
        *to = strtod(number.text, NULL) != 0;
        return INFER_OK;
    }
    if (infer_type_kind(type) == INFER_CLASS_FLOATING) {
        put_float(&number, type, to, saturate);
        return INFER_OK;
    }
    if (!read_integer(&number, type, &value))
        return not_a_number(text);
    infer_store_int(type, (const int64_t *)&value, data, i, 1);
    return INFER_OK;
}
