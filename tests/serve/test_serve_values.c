/* The values of the handlers' core: base64, elements of tensors, strings, numbers as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* ---- base64 ---- */

static void base64(void **state) {
    (void)state;
    char bytes[16];
    /* RFC 4648, section 10, and the last digits. */
    static const char *const pairs[][2] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"+/+/", "\xfb\xff\xbf"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t size = 99;
        assert_true(infer_serve_base64(pairs[i][0], strlen(pairs[i][0]), bytes, &size));
        assert_int_equal(size, strlen(pairs[i][1]));
        assert_memory_equal(bytes, pairs[i][1], size);
    }
    static const char *const wrong[] = {"Z",        "Zg",    "Zg=",  "Zg===",  "=",
                                        "====",     "Zh==",  "Zm9=", "Z=g=",   "Zm 8",
                                        "Zm8=Zm8=", "Zm8\n", "-_-_", "Zg==\n", "Z\xc3\xa9g"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t size;
        assert_false(infer_serve_base64(wrong[i], strlen(wrong[i]), bytes, &size));
    }
    size_t size;
    assert_false(infer_serve_base64("Z\0==", 4, bytes, &size));
}

/* ---- elements ---- */

static json_t *through(infer_type type, json_t *in) {
    union {
        double aligned;
        infer_string string;
    } element;
    const char *why = NULL;
    bool good = infer_serve_element_in(in, type, &element, &why);
    assert_non_null(why);
    infer_value value = {.type = type, .data = &element, .count = 1};
    json_t *out = good ? infer_serve_element_out(&value, 0) : NULL;
    json_decref(in);
    return out;
}

static void check_integer(infer_type type, int64_t low, int64_t high) {
    int64_t good[] = {low, high, 0, 1};
    for (int i = 0; i < 4; i++) {
        json_t *out = through(type, json_integer(good[i]));
        assert_true(json_is_integer(out));
        assert_int_equal(json_integer_value(out), good[i]);
        json_decref(out);
    }
    if (low != INT64_MIN)
        assert_null(through(type, json_integer(low - 1)));
    if (high != INT64_MAX)
        assert_null(through(type, json_integer(high + 1)));
    assert_null(through(type, json_real(1)));
    assert_null(through(type, json_true()));
    assert_null(through(type, json_string("1")));
    assert_true(infer_serve_has_json(type));
}

static void integers(void **state) {
    (void)state;
    check_integer(INFER_TYPE_INT8, -128, 127);
    check_integer(INFER_TYPE_INT16, -32768, 32767);
    check_integer(INFER_TYPE_INT32, INT32_MIN, INT32_MAX);
    check_integer(INFER_TYPE_INT64, INT64_MIN, INT64_MAX);
    check_integer(INFER_TYPE_UINT8, 0, 255);
    check_integer(INFER_TYPE_UINT16, 0, 65535);
    check_integer(INFER_TYPE_UINT32, 0, UINT32_MAX);
    check_integer(INFER_TYPE_UINT64, 0, INT64_MAX);
    check_integer(INFER_TYPE_INT4, -8, 7);
    check_integer(INFER_TYPE_UINT4, 0, 15);
    check_integer(INFER_TYPE_INT2, -2, 1);
    check_integer(INFER_TYPE_UINT2, 0, 3);
    uint64_t large = UINT64_MAX;
    infer_value value = {.type = INFER_TYPE_UINT64, .data = &large, .count = 1};
    json_t *out = infer_serve_element_out(&value, 0);
    assert_true(json_real_value(out) == 0x1p64);
    json_decref(out);
    assert_false(infer_serve_has_json(INFER_TYPE_COMPLEX64));
    assert_false(infer_serve_has_json(INFER_TYPE_UNDEFINED));
    assert_null(through(INFER_TYPE_COMPLEX64, json_integer(1)));
}

static void check_real(infer_type type, double in, double expected) {
    json_t *out = through(type, json_real(in));
    if (json_real_value(out) != expected || signbit(json_real_value(out)) != signbit(expected))
        fail_msg("%.17g became %.17g, not %.17g", in, json_real_value(out), expected);
    json_decref(out);
}

/* Values of IEEE 754 binary16 and of the upper half of binary32, by hand. */
static void reals(void **state) {
    (void)state;
    check_real(INFER_TYPE_DOUBLE, 0.1, 0.1);
    check_real(INFER_TYPE_FLOAT, 0.1, 0.1); /* the shortest text of 0.1f is 0.1 */
    check_real(INFER_TYPE_FLOAT, 16777217, 16777216);
    check_real(INFER_TYPE_FLOAT, -0.0, -0.0);
    check_real(INFER_TYPE_FLOAT, 3.4028235e38, 3.4028235e38);
    check_real(INFER_TYPE_FLOAT, 1e-45, 1e-45);
    check_real(INFER_TYPE_FLOAT, 0x1p-126, 1.1754944e-38);
    check_real(INFER_TYPE_FLOAT16, 1, 1);
    check_real(INFER_TYPE_FLOAT16, -2.5, -2.5);
    check_real(INFER_TYPE_FLOAT16, 65504, 65504);
    check_real(INFER_TYPE_FLOAT16, 65519.99, 65504);
    check_real(INFER_TYPE_FLOAT16, 2049, 2048); /* ties to even */
    check_real(INFER_TYPE_FLOAT16, 2051, 2052);
    check_real(INFER_TYPE_FLOAT16, 0x1p-24, 5.9604645e-08);
    check_real(INFER_TYPE_FLOAT16, 0x1p-25, 0);
    check_real(INFER_TYPE_FLOAT16, 0x1.8p-24, 1.1920929e-07);
    check_real(INFER_TYPE_FLOAT16, 0x1.ffcp-15, 6.1035156e-05); /* rounds up to the normal ones */
    check_real(INFER_TYPE_FLOAT16, -0.0, -0.0);
    check_real(INFER_TYPE_BFLOAT16, 1.00390625, 1);
    check_real(INFER_TYPE_BFLOAT16, 1.01171875, 1.015625);
    check_real(INFER_TYPE_BFLOAT16, -3, -3);
    assert_null(through(INFER_TYPE_FLOAT, json_real(3.4028236e38)));
    assert_null(through(INFER_TYPE_FLOAT16, json_real(65520)));
    assert_null(through(INFER_TYPE_FLOAT16, json_real(-1e300)));
    assert_null(through(INFER_TYPE_BFLOAT16, json_real(3.4e38)));
    assert_null(through(INFER_TYPE_FLOAT, json_true()));
    assert_null(through(INFER_TYPE_DOUBLE, json_null()));
    /* What JSON has no number for. */
    uint16_t bits[] = {0x7c00, 0xfe00};
    infer_value value = {.type = INFER_TYPE_FLOAT16, .data = bits, .count = 2};
    assert_true(json_is_null(infer_serve_element_out(&value, 0)));
    assert_true(json_is_null(infer_serve_element_out(&value, 1)));
    assert_true(json_is_null(infer_serve_double(NAN)));
    assert_true(json_is_null(infer_serve_float(-INFINITY)));
}

static void texts(void **state) {
    (void)state;
    json_t *out = through(INFER_TYPE_STRING, json_stringn("a\0b", 3));
    assert_int_equal(json_string_length(out), 3);
    json_decref(out);
    assert_null(through(INFER_TYPE_STRING, json_integer(1)));
    out = through(INFER_TYPE_BOOL, json_true());
    assert_true(json_is_true(out));
    out = through(INFER_TYPE_BOOL, json_false());
    assert_true(json_is_false(out));
    assert_null(through(INFER_TYPE_BOOL, json_integer(1)));
    /* Every character is kept, every byte that belongs to none becomes '?'. */
    static const char *const pairs[][2] = {
        {"a\xff\"", "a?\""},
        {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc3\xbc\xc3", "\xc3\xbc?"},
        {"\xe2\x82", "??"},
        {"\xc0\xaf", "??"},
        {"\xe0\x80\xaf", "???"},
        {"\xed\xa0\x80", "???"},
        {"\xf4\x90\x80\x80", "????"},
        {"\xf5\x80\x80\x80", "????"},
        {"\x80z", "?z"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        json_t *string = infer_serve_string(pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(json_string_value(string), pairs[i][1]);
        json_decref(string);
    }
}

static void shortest_numbers(void **state) {
    (void)state;
    static const struct {
        double number;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {3, "3.0"},
        {-0.0, "-0.0"},
        {1e300, "1e+300"},
        {0.1 + 0.2, "0.30000000000000004"},
        {5e-324, "5e-324"},
        {1e15, "1e+15"},
        {123456, "123456.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        infer_serve_text text = {0};
        json_t *json = json_real(cases[i].number);
        infer_serve_write(&text, json);
        assert_int_equal(text.size, strlen(cases[i].text));
        assert_memory_equal(text.data, cases[i].text, text.size);
        json_decref(json);
        free(text.data);
    }
    /* Any float survives. */
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        float number, back;
        seed = seed * 1664525u + 1013904223u;
        memcpy(&number, &seed, sizeof number);
        json_t *json = infer_serve_float(number);
        if (isfinite(number)) {
            infer_serve_text text = {0};
            infer_serve_write(&text, json);
            char copy[40] = "";
            memcpy(copy, text.data, text.size);
            back = strtof(copy, NULL);
            assert_memory_equal(&back, &number, sizeof back);
            assert_true(text.size <= 18);
            free(text.data);
        } else {
            assert_true(json_is_null(json));
        }
        json_decref(json);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64), cmocka_unit_test(integers),         cmocka_unit_test(reals),
        cmocka_unit_test(texts),  cmocka_unit_test(shortest_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
