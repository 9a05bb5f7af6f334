/* From RE2's syntax to PCRE2's.
 *
 * What has no special meaning goes over as a literal, escaped where it is punctuation; groups are
 * not captured, as only whole texts are matched. */
#include "regex_syntax.h"

#include "status.h"

#include <stdbool.h>
#include <string.h>

#define REPEAT_MOST 1000 /* RE2's limit */

typedef struct translation {
    infer_string pattern;
    size_t at; /* read so far */
    char *to;
    bool repeats; /* the last thing was a repetition, which cannot be repeated */
} translation;

/* ---- characters ---- */

static bool is_digit(int c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(int c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_punctuation(int c) {
    return c > 0x20 && c < 0x7f && !is_digit(c) && !is_letter(c) && c != '_';
}

static int hex_value(int c) {
    return is_digit(c)                              ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* The byte `ahead` of the next one, -1 behind the end. */
static int peek(const translation *t, size_t ahead) {
    return t->at + ahead < t->pattern.size ? (uint8_t)t->pattern.data[t->at + ahead] : -1;
}

static bool starts(const translation *t, const char *text) {
    size_t n = strlen(text);
    return t->pattern.size - t->at >= n && memcmp(t->pattern.data + t->at, text, n) == 0;
}

static infer_status refused(const translation *t, const char *what) {
    size_t left = t->pattern.size - t->at;
    return infer_fail(INFER_ERROR_VALUE, "the pattern is not of RE2's syntax: %s at \"%.*s\"", what,
                      (int)(left < 20 ? left : 20), t->pattern.data + t->at);
}

static void put(translation *t, const char *text) {
    size_t n = strlen(text);
    memcpy(t->to, text, n);
    t->to += n;
}

static void put_literal(translation *t, int c) {
    if (is_punctuation(c))
        *t->to++ = '\\';
    *t->to++ = (char)c;
}

static void put_code(translation *t, uint32_t c) {
    char digits[9] = "";
    size_t n = 8;
    do
        digits[--n] = "0123456789abcdef"[c & 15];
    while (c >>= 4);
    put(t, "\\x{");
    put(t, digits + n);
    put(t, "}");
}

/* ---- escapes ---- */

/* The character that an escape stands for: octal, hexadecimal, of C, or punctuation itself. */
static infer_status read_escape(translation *t, uint32_t *c) {
    static const char names[] = "aftnrv", values[] = "\a\f\t\n\r\v";
    int next = peek(t, 1);
    size_t n = 2;
    const char *name = next > 0 ? strchr(names, next) : NULL;
    *c = 0;
    if (next == '0' || (next >= '1' && next <= '7' && peek(t, 2) >= '0' && peek(t, 2) <= '7')) {
        for (n = 1; n < 4 && peek(t, n) >= '0' && peek(t, n) <= '7'; n++)
            *c = *c * 8 + (uint32_t)(peek(t, n) - '0');
    } else if (next == 'x' && peek(t, 2) == '{') {
        for (n = 3; hex_value(peek(t, n)) >= 0 && *c <= 0x10ffff; n++)
            *c = *c * 16 + (uint32_t)hex_value(peek(t, n));
        if (n == 3 || peek(t, n++) != '}' || *c > 0x10ffff)
            return refused(t, "no such character");
    } else if (next == 'x') {
        for (; n < 4 && hex_value(peek(t, n)) >= 0; n++)
            *c = *c * 16 + (uint32_t)hex_value(peek(t, n));
        if (n < 4)
            return refused(t, "no such character");
    } else if (name) {
        *c = (uint32_t)values[name - names];
    } else if (next >= 0 && next < 0x80 && !is_letter(next) && !is_digit(next)) {
        *c = (uint32_t)next;
    } else {
        return refused(t, is_digit(next) ? "backreferences are not possible" : "no such escape");
    }
    t->at += n;
    return INFER_OK;
}

/* Classes of one letter; blank characters are without \v in RE2. Negated and within [], what the
 * class leaves out is spelt. */
static const struct {
    char letter;
    const char *alone, *within;
} classes[] = {
    {'d', "[0-9]", "0-9"},
    {'D', "[^0-9]", "\\D"},
    {'w', "[0-9A-Za-z_]", "0-9A-Za-z_"},
    {'W', "[^0-9A-Za-z_]", "\\W"},
    {'s', "[\\t\\n\\f\\r ]", "\\t\\n\\f\\r "},
    {'S', "[^\\t\\n\\f\\r ]", "\\x00-\\x08\\x0b\\x0e-\\x1f!-\\x{10ffff}"},
};

/* \pL, \p{Greek}, \P{^Lu}: letters of a script are meant, not of its extensions. */
static infer_status put_property(translation *t) {
    size_t n = 3, end;
    bool negated = false;
    if (peek(t, 2) != '{') {
        if (!is_letter(peek(t, 2)))
            return refused(t, "no such property");
        for (size_t i = 0; i < 3; i++)
            *t->to++ = t->pattern.data[t->at + i];
        t->at += 3;
        return INFER_OK;
    }
    negated = peek(t, 3) == '^';
    n += negated;
    for (end = n; is_letter(peek(t, end)) || peek(t, end) == '_';)
        end++;
    if (end == n || peek(t, end) != '}')
        return refused(t, "no such property");
    put(t, (peek(t, 1) == 'P') != negated ? "\\P{" : "\\p{");
    if (end - n > 2 && (end - n != 3 || memcmp(t->pattern.data + t->at + n, "Any", 3) != 0))
        put(t, "sc:");
    memcpy(t->to, t->pattern.data + t->at + n, end - n + 1);
    t->to += end - n + 1;
    t->at += end + 1;
    return INFER_OK;
}

/* A class of one letter or a property, where there is one. */
static infer_status put_class_escape(translation *t, bool within, bool *done) {
    int next = peek(t, 1);
    *done = true;
    if (next == 'p' || next == 'P')
        return put_property(t);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (next == classes[i].letter) {
            put(t, within ? classes[i].within : classes[i].alone);
            t->at += 2;
            return INFER_OK;
        }
    *done = false;
    return INFER_OK;
}

static infer_status put_escape(translation *t) {
    bool done;
    uint32_t c;
    switch (peek(t, 1)) {
    case 'A':
        put(t, "(?:\\A)");
        break;
    case 'z':
        put(t, "(?:\\z)");
        break;
    case 'b':
        put(t, "(?:\\b)");
        break;
    case 'B':
        put(t, "(?:\\B)");
        break;
    case 'C':
        return refused(t, "single bytes are not possible");
    case 'Q':
        for (t->at += 2; t->at < t->pattern.size && !starts(t, "\\E"); t->at++)
            put_literal(t, peek(t, 0));
        t->at += t->at < t->pattern.size ? 2 : 0;
        return INFER_OK;
    default:
        INFER_TRY(put_class_escape(t, false, &done));
        if (done)
            return INFER_OK;
        INFER_TRY(read_escape(t, &c));
        put_code(t, c);
        return INFER_OK;
    }
    t->at += 2;
    return INFER_OK;
}

/* ---- [...] ---- */

/* [:alpha:] and [:^alpha:]; false where the bracket is a character like others. */
static bool put_named_class(translation *t) {
    if (!starts(t, "[:"))
        return false;
    size_t n = 2;
    while (t->at + n < t->pattern.size && peek(t, n) != ':' && peek(t, n) != ']')
        n++;
    if (peek(t, n) != ':' || peek(t, n + 1) != ']')
        return false;
    memcpy(t->to, t->pattern.data + t->at, n + 2); /* PCRE2 knows the same names */
    t->to += n + 2;
    t->at += n + 2;
    return true;
}

/* One end of a range. */
static infer_status put_member(translation *t) {
    uint32_t c;
    if (peek(t, 0) != '\\') {
        put_literal(t, peek(t, 0));
        /* The bytes of one character stay together. */
        for (t->at++; peek(t, 0) >= 0x80 && peek(t, 0) < 0xc0; t->at++)
            *t->to++ = t->pattern.data[t->at];
        return INFER_OK;
    }
    INFER_TRY(read_escape(t, &c));
    put_code(t, c);
    return INFER_OK;
}

static infer_status put_brackets(translation *t) {
    size_t start = t->at;
    bool done = false;
    *t->to++ = '[';
    t->at++;
    if (peek(t, 0) == '^') {
        *t->to++ = '^';
        t->at++;
    }
    for (bool first = true; first || peek(t, 0) != ']'; first = false) {
        if (t->at >= t->pattern.size) {
            t->at = start;
            return refused(t, "no ] follows");
        }
        if (starts(t, "[:<:]") || starts(t, "[:>:]"))
            return refused(t, "no such class");
        if (put_named_class(t))
            continue;
        done = false;
        if (peek(t, 0) == '\\')
            INFER_TRY(put_class_escape(t, true, &done));
        if (done)
            continue;
        INFER_TRY(put_member(t));
        if (peek(t, 0) == '-' && peek(t, 1) >= 0 && peek(t, 1) != ']') {
            *t->to++ = '-';
            t->at++;
            INFER_TRY(put_member(t));
        }
    }
    *t->to++ = ']';
    t->at++;
    return INFER_OK;
}

/* ---- groups ---- */

/* Behind "(?": flags, or a name, which is of no use here. */
static infer_status put_group(translation *t) {
    size_t n = 2;
    if (starts(t, "(?P<") || starts(t, "(?<")) {
        n = starts(t, "(?P<") ? 4 : 3;
        size_t end = n;
        while (is_letter(peek(t, end)) || is_digit(peek(t, end)) || peek(t, end) == '_')
            end++;
        if (end == n || peek(t, end) != '>')
            return refused(t, n == 3 ? "lookbehind is not possible" : "no such name");
        put(t, "(?:");
        t->at += end + 1;
        return INFER_OK;
    }
    bool off = false, flags = false;
    for (;; n++) {
        int c = peek(t, n);
        if (c == '-' && !off) {
            off = true;
            flags = false;
        } else if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            flags = true;
        } else if ((c == ':' || c == ')') && (flags || !off)) {
            break;
        } else {
            return refused(t, c == '=' || c == '!' ? "lookahead is not possible" : "no such group");
        }
    }
    if (peek(t, n) == ')' && n == 2)
        return refused(t, "no such group");
    memcpy(t->to, t->pattern.data + t->at, n + 1);
    t->to += n + 1;
    t->at += n + 1;
    return INFER_OK;
}

/* ---- repetitions ---- */

/* {2}, {2,} and {2,5} are repetitions, all else literals. Its bytes, 0 where it is none. */
static size_t repeat_size(const translation *t, int *low, int *high) {
    size_t n = 1;
    int *number = low;
    *low = *high = 0;
    for (int part = 0; part < 2; part++, number = high) {
        size_t start = n;
        for (; is_digit(peek(t, n)); n++)
            *number = *number > REPEAT_MOST ? *number : *number * 10 + peek(t, n) - '0';
        if (n == start && part == 0)
            return 0;
        if (peek(t, n) == '}')
            return n + 1;
        if (part == 1 || peek(t, n++) != ',')
            return 0;
    }
    return 0;
}

/* A repetition, with a ? behind it where it is to match little; false where none is there. */
static infer_status put_repeat(translation *t, bool *done) {
    int c = peek(t, 0), low, high;
    size_t n = c == '*' || c == '+' || c == '?' ? 1 : c == '{' ? repeat_size(t, &low, &high) : 0;
    *done = n > 0;
    if (n == 0)
        return INFER_OK;
    if (t->repeats)
        return refused(t, "a repetition of a repetition");
    if (c == '{' && (low > REPEAT_MOST || high > REPEAT_MOST))
        return refused(t, "more repetitions than 1000");
    memcpy(t->to, t->pattern.data + t->at, n);
    t->to += n;
    t->at += n;
    if (peek(t, 0) == '?') {
        *t->to++ = '?';
        t->at++;
    }
    t->repeats = true;
    return INFER_OK;
}

/* ---- all ---- */

static infer_status put_next(translation *t) {
    bool done;
    INFER_TRY(put_repeat(t, &done));
    if (done)
        return INFER_OK;
    t->repeats = false;
    switch (peek(t, 0)) {
    case '\\':
        return put_escape(t);
    case '[':
        return put_brackets(t);
    case '(':
        if (starts(t, "(*"))
            return refused(t, "nothing to repeat");
        if (starts(t, "(?"))
            return put_group(t);
        put(t, "(?:");
        break;
    case '^':
        put(t, "(?:^)"); /* as a group it can be repeated */
        break;
    case '$':
        put(t, "(?:$)");
        break;
    case '.':
    case '|':
    case ')':
        *t->to++ = (char)peek(t, 0);
        break;
    default:
        put_literal(t, peek(t, 0));
        break;
    }
    t->at++;
    return INFER_OK;
}

infer_status infer_regex_translate(infer_string pattern, char *to, size_t *size) {
    translation t = {.pattern = pattern, .to = to};
    while (t.at < pattern.size)
        INFER_TRY(put_next(&t));
    *size = (size_t)(t.to - to);
    return INFER_OK;
}
