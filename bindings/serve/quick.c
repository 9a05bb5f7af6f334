/* The request that nearly all are, {"features":[1.5,2,...]}, read without building a document. What
 * is not plainly that is left to the reader of all JSON, which takes ten times as long. */
#include "core.h"

#include <string.h>

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool is_digit(const cursor *c) {
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool take(cursor *c, char wanted) {
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static void skip_blanks(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take_token(cursor *c, char wanted) {
    skip_blanks(c);
    return take(c, wanted);
}

/* Appends the digits to the mantissa; how many there were, -1 where it would not be exact. */
static int take_digits(cursor *c, uint64_t *mantissa) {
    int count = 0;
    for (; is_digit(c); c->at++, count++) {
        if (*mantissa > (((uint64_t)1 << 53) - 9) / 10)
            return -1;
        *mantissa = 10 * *mantissa + (uint64_t)(*c->at - '0');
    }
    return count;
}

/* A number of JSON's grammar whose value is exact: a mantissa within 53 bits times or by a power of
 * ten that a double holds (Clinger, How to Read Floating Point Numbers Accurately, 1990). */
static bool take_number(cursor *c, double *number) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t mantissa = 0;
    skip_blanks(c);
    bool negative = take(c, '-'), is_real = false;
    const char *first = c->at;
    int digits = take_digits(c, &mantissa), exponent = 0;
    if (digits < 1 || (*first == '0' && digits > 1))
        return false;
    if (take(c, '.')) {
        int places = take_digits(c, &mantissa);
        if (places < 1)
            return false;
        exponent = -places;
        is_real = true;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E'))
        return false;
    if (exponent < -22)
        return false;
    *number = (double)mantissa / powers[-exponent];
    /* The integer -0 is 0. */
    if (negative && (is_real || mantissa))
        *number = -*number;
    return true;
}

bool infer_serve_read_quickly(const infer_serve *serve, const infer_serve_body *body, double *row) {
    static const char name[] = "\"features\"";
    const infer_serve_options *limits = &serve->options;
    cursor c = {body->data, (const char *)body->data + body->size};
    if (!serve->features || serve->integers || limits->max_depth < 2 ||
        serve->features + 2 > limits->max_elements || !take_token(&c, '{'))
        return false;
    skip_blanks(&c);
    if ((size_t)(c.end - c.at) < sizeof name - 1 || memcmp(c.at, name, sizeof name - 1) != 0)
        return false;
    c.at += sizeof name - 1;
    if (!take_token(&c, ':') || !take_token(&c, '['))
        return false;
    for (size_t i = 0; i < serve->features; i++)
        if ((i && !take_token(&c, ',')) || !take_number(&c, &row[i]))
            return false;
    if (!take_token(&c, ']') || !take_token(&c, '}'))
        return false;
    skip_blanks(&c);
    return c.at == c.end;
}
