/* Element types: the table, the conversions of the rare floating types, and Cast. */
#include "narrow.h"
#include "types.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "op_call.h"

static const infer_type rare[] = {INFER_TYPE_FLOAT16,      INFER_TYPE_BFLOAT16,
                                  INFER_TYPE_FLOAT8E4M3FN, INFER_TYPE_FLOAT8E4M3FNUZ,
                                  INFER_TYPE_FLOAT8E5M2,   INFER_TYPE_FLOAT8E5M2FNUZ,
                                  INFER_TYPE_FLOAT4E2M1,   INFER_TYPE_FLOAT8E8M0};

#define RARE (sizeof rare / sizeof *rare)

static void table_names_every_type(void **state) {
    (void)state;
    assert_string_equal(infer_type_name(INFER_TYPE_FLOAT), "float");
    assert_string_equal(infer_type_name(INFER_TYPE_INT2), "int2");
    assert_string_equal(infer_type_name(INFER_TYPE_UNDEFINED), "undefined");
    assert_string_equal(infer_type_name((infer_type)27), "undefined");
    assert_string_equal(infer_type_name((infer_type)-1), "undefined");
    assert_int_equal(infer_type_size((infer_type)1000), 0);
    assert_int_equal(infer_type_size(INFER_TYPE_COMPLEX128), 16);
    assert_int_equal(infer_type_bits(INFER_TYPE_UINT4), 4);
    assert_int_equal(infer_type_bits(INFER_TYPE_STRING), 0);
    assert_int_equal(infer_compute_type(INFER_TYPE_BFLOAT16), INFER_TYPE_FLOAT);
    assert_int_equal(infer_compute_type(INFER_TYPE_FLOAT4E2M1), INFER_TYPE_FLOAT);
    assert_int_equal(infer_compute_type(INFER_TYPE_INT4), INFER_TYPE_INT8);
    assert_int_equal(infer_compute_type(INFER_TYPE_UINT2), INFER_TYPE_UINT8);
    assert_int_equal(infer_compute_type(INFER_TYPE_BOOL), INFER_TYPE_BOOL);
    assert_int_equal(infer_compute_type(INFER_TYPE_STRING), INFER_TYPE_STRING);
    assert_int_equal(infer_compute_type(INFER_TYPE_DOUBLE), INFER_TYPE_DOUBLE);
}

static float widen(infer_type type, uint32_t code) {
    uint8_t byte = (uint8_t)code;
    uint16_t word = (uint16_t)code;
    float f = 0;
    infer_widen(type, infer_type_size(type) == 1 ? (void *)&byte : &word, &f, 1);
    return f;
}

static uint32_t narrow(infer_type type, float f, bool saturate) {
    uint8_t byte = 0;
    uint16_t word = 0;
    infer_narrow(type, &f, infer_type_size(type) == 1 ? (void *)&byte : &word, 1, saturate);
    return infer_type_size(type) == 1 ? byte : word;
}

/* Sign, exponent and fraction by the definition of the formats. */
static double defined_value(int exponent_bits, int fraction_bits, int bias, uint32_t code) {
    int fraction = (int)(code & ((1u << fraction_bits) - 1));
    int exponent = (int)(code >> fraction_bits & ((1u << exponent_bits) - 1));
    double sign = code >> (fraction_bits + exponent_bits) & 1 ? -1 : 1;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

static void every_code_widens_to_its_value(void **state) {
    static const struct {
        infer_type type;
        int exponent, fraction, bias;
    } formats[] = {{INFER_TYPE_FLOAT16, 5, 10, 15},    {INFER_TYPE_BFLOAT16, 8, 7, 127},
                   {INFER_TYPE_FLOAT8E4M3FN, 4, 3, 7}, {INFER_TYPE_FLOAT8E4M3FNUZ, 4, 3, 8},
                   {INFER_TYPE_FLOAT8E5M2, 5, 2, 15},  {INFER_TYPE_FLOAT8E5M2FNUZ, 5, 2, 16},
                   {INFER_TYPE_FLOAT4E2M1, 2, 1, 1}};
    (void)state;
    for (size_t t = 0; t < sizeof formats / sizeof *formats; t++) {
        uint32_t codes = 1u << infer_type_bits(formats[t].type), finite = 0;
        for (uint32_t code = 0; code < codes; code++) {
            float f = widen(formats[t].type, code);
            if (!isfinite(f))
                continue;
            finite++;
            double d =
                defined_value(formats[t].exponent, formats[t].fraction, formats[t].bias, code);
            assert_true((double)f == d);
            assert_true(!signbit(f) == !signbit(d));
        }
        uint32_t special = formats[t].type == INFER_TYPE_FLOAT16        ? 2048
                           : formats[t].type == INFER_TYPE_BFLOAT16     ? 256
                           : formats[t].type == INFER_TYPE_FLOAT8E5M2   ? 8
                           : formats[t].type == INFER_TYPE_FLOAT8E4M3FN ? 2
                           : formats[t].type == INFER_TYPE_FLOAT4E2M1   ? 0
                                                                        : 1;
        assert_int_equal(finite, codes - special);
    }
    for (uint32_t code = 0; code < 255; code++)
        assert_true((double)widen(INFER_TYPE_FLOAT8E8M0, code) == ldexp(1, (int)code - 127));
    assert_true(isnan(widen(INFER_TYPE_FLOAT8E8M0, 255)));
}

static void every_code_survives_the_way_to_float_and_back(void **state) {
    (void)state;
    for (size_t t = 0; t < RARE; t++)
        for (uint32_t code = 0; code < 1u << infer_type_bits(rare[t]); code++) {
            float f = widen(rare[t], code);
            if (!isnan(f))
                assert_int_equal(narrow(rare[t], f, false), code);
            else if (rare[t] != INFER_TYPE_FLOAT4E2M1)
                assert_true(isnan(widen(rare[t], narrow(rare[t], f, true))));
        }
}

/* Between neighbouring values the nearer one is taken, and half way the even one. */
static void narrowing_rounds_to_nearest_even(void **state) {
    (void)state;
    for (size_t t = 0; t < RARE - 1; t++) /* the last one has a rounding of its own */
        for (uint32_t code = 0; code + 1 < 1u << (infer_type_bits(rare[t]) - 1); code++) {
            float low = widen(rare[t], code), high = widen(rare[t], code + 1);
            if (!isfinite(high))
                break;
            float middle = low + (high - low) / 2;
            uint32_t even = code & 1 ? code + 1 : code;
            assert_int_equal(narrow(rare[t], middle, false), even);
            assert_int_equal(narrow(rare[t], nextafterf(middle, 0), false), code);
            assert_int_equal(narrow(rare[t], nextafterf(middle, INFINITY), false), code + 1);
        }
}

/* The tables in the description of ONNX's Cast. */
static void out_of_range_is_as_cast_says(void **state) {
    static const struct {
        infer_type type;
        uint32_t max, minus_max, infinity, minus_infinity;
    } rows[] = {{INFER_TYPE_FLOAT8E4M3FN, 0x7e, 0xfe, 0x7f, 0xff},
                {INFER_TYPE_FLOAT8E4M3FNUZ, 0x7f, 0xff, 0x80, 0x80},
                {INFER_TYPE_FLOAT8E5M2, 0x7b, 0xfb, 0x7c, 0xfc},
                {INFER_TYPE_FLOAT8E5M2FNUZ, 0x7f, 0xff, 0x80, 0x80},
                {INFER_TYPE_FLOAT4E2M1, 0x7, 0xf, 0x7, 0xf}};
    static const float large[] = {INFINITY, 1e6f, 3e38f};
    (void)state;
    for (size_t t = 0; t < sizeof rows / sizeof *rows; t++)
        for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
            assert_int_equal(narrow(rows[t].type, large[i], true), rows[t].max);
            assert_int_equal(narrow(rows[t].type, -large[i], true), rows[t].minus_max);
            assert_int_equal(narrow(rows[t].type, large[i], false), rows[t].infinity);
            assert_int_equal(narrow(rows[t].type, -large[i], false), rows[t].minus_infinity);
        }
    assert_int_equal(narrow(INFER_TYPE_FLOAT16, 65519, true), 0x7bff);
    assert_int_equal(narrow(INFER_TYPE_FLOAT16, 65520, true), 0x7c00);
    assert_int_equal(narrow(INFER_TYPE_BFLOAT16, 3.4e38f, true), 0x7f80);
    assert_int_equal(narrow(INFER_TYPE_FLOAT8E4M3FN, 464, false), 0x7e);
    assert_int_equal(narrow(INFER_TYPE_FLOAT8E4M3FN, 465, false), 0x7f);
    assert_int_equal(narrow(INFER_TYPE_FLOAT8E4M3FNUZ, -1e-9f, true), 0);
    assert_int_equal(narrow(INFER_TYPE_FLOAT8E4M3FN, -1e-9f, true), 0x80);
}

static uint32_t scale(float f, bool saturate, infer_scale_round round) {
    uint8_t code = 0;
    infer_to_scale(&f, &code, 1, saturate, round);
    return code;
}

static void scales_round_as_asked(void **state) {
    (void)state;
    assert_int_equal(scale(1.1f, true, INFER_SCALE_UP), 128);
    assert_int_equal(scale(1.1f, true, INFER_SCALE_DOWN), 127);
    assert_int_equal(scale(1.4f, true, INFER_SCALE_NEAREST), 127);
    assert_int_equal(scale(1.5f, true, INFER_SCALE_NEAREST), 128);
    assert_int_equal(scale(-4, true, INFER_SCALE_UP), 129);
    assert_int_equal(scale(0, true, INFER_SCALE_UP), 0);
    assert_int_equal(scale(0, false, INFER_SCALE_NEAREST), 255);
    assert_int_equal(scale(NAN, true, INFER_SCALE_UP), 255);
    assert_int_equal(scale(INFINITY, true, INFER_SCALE_UP), 254);
    assert_int_equal(scale(INFINITY, false, INFER_SCALE_NEAREST), 255);
    assert_int_equal(scale(0x1.8p127f, true, INFER_SCALE_UP), 254);
    assert_int_equal(scale(0x1.8p127f, false, INFER_SCALE_UP), 255);
    assert_int_equal(scale(0x1p-127f, false, INFER_SCALE_UP), 0);
    assert_int_equal(scale(0x1.8p-127f, true, INFER_SCALE_UP), 1);
    assert_int_equal(scale(0x1.8p-127f, true, INFER_SCALE_DOWN), 0);
    assert_int_equal(scale(0x1.8p-127f, true, INFER_SCALE_NEAREST), 1);
    assert_int_equal(scale(0x1p-128f, false, INFER_SCALE_UP), 255);
}

/* ---- casts ---- */

typedef struct cast_params {
    int64_t to, saturate, round_mode;
} cast_params;

static void text_is(infer_type type, const void *value, const char *want) {
    cast_params p = {INFER_TYPE_STRING, 1, 0};
    call c;
    begin(&c, &p);
    set_in(&c, 0, type, 0, NULL, value);
    run(&c, "", "Cast");
    infer_string s = *(infer_string *)c.out.data;
    if (s.size != strlen(want) || memcmp(s.data, want, s.size) != 0)
        fail_msg("\"%.*s\" instead of \"%s\"", (int)s.size, s.data, want);
    end(&c);
}

/* What Python's repr gives for double, and the fewest digits for the narrower types. */
static void numbers_become_text(void **state) {
    static const struct {
        double value;
        const char *narrow, *wide;
    } rows[] = {{0.1, "0.1", "0.1"},
                {314.15926, "314.15927", "314.15926"},
                {1, "1.0", "1.0"},
                {-0.0, "-0.0", "-0.0"},
                {1e-5, "1e-05", "1e-05"},
                {0.0001, "0.0001", "0.0001"},
                {123456789, "123456790.0", "123456789.0"},
                {1e15, "1000000000000000.0", "1000000000000000.0"},
                {1e16, "1e+16", "1e+16"},
                {1.5e20, "1.5e+20", "1.5e+20"},
                {1.0 / 3, "0.33333334", "0.3333333333333333"},
                {INFINITY, "inf", "inf"},
                {-INFINITY, "-inf", "-inf"},
                {NAN, "nan", "nan"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float f = (float)rows[i].value;
        text_is(INFER_TYPE_FLOAT, &f, rows[i].narrow);
        text_is(INFER_TYPE_DOUBLE, &rows[i].value, rows[i].wide);
    }
    uint16_t half = 0x2e66; /* the nearest to 0.1 */
    uint8_t yes = 1;
    int64_t least = INT64_MIN;
    uint64_t most = UINT64_MAX;
    double smallest = -4.9406564584124654e-324, largest = -1.7976931348623157e308;
    text_is(INFER_TYPE_FLOAT16, &half, "0.1");
    text_is(INFER_TYPE_BOOL, &yes, "True");
    text_is(INFER_TYPE_INT64, &least, "-9223372036854775808");
    text_is(INFER_TYPE_UINT64, &most, "18446744073709551615");
    text_is(INFER_TYPE_DOUBLE, &smallest, "-5e-324");
    text_is(INFER_TYPE_DOUBLE, &largest, "-1.7976931348623157e+308");
}

static infer_status cast_text(const char *text, infer_type to, void *out) {
    cast_params p = {(int64_t)to, 1, 0};
    infer_string s = {text, strlen(text)};
    const infer_op *op = infer_op_find("", "Cast");
    call c;
    begin(&c, &p);
    set_in(&c, 0, INFER_TYPE_STRING, 0, NULL, &s);
    assert_int_equal(infer_op_infer(op, &c.env), INFER_OK);
    c.out.data = out;
    return op->run(&c.env);
}

static void text_becomes_numbers(void **state) {
    static const char *const bad[] = {"",  "-",   "x",     "1x",  "0x10",    "1e",    "1e+",
                                      ".", "--1", "nan()", "1 2", "infinit", "1.5.2", "+"};
    float f;
    double d;
    int8_t i8;
    uint8_t u8;
    int64_t i64;
    uint64_t u64;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cast_text(bad[i], INFER_TYPE_FLOAT, &f), INFER_ERROR_VALUE);
        assert_int_equal(cast_text(bad[i], INFER_TYPE_INT64, &i64), INFER_ERROR_VALUE);
    }
    assert_true(cast_text("0.1", INFER_TYPE_FLOAT, &f) == INFER_OK && f == 0.1f);
    assert_true(cast_text("-.5e-2", INFER_TYPE_DOUBLE, &d) == INFER_OK && d == -.5e-2);
    assert_true(cast_text(" 7. ", INFER_TYPE_DOUBLE, &d) == INFER_OK && d == 7);
    assert_true(cast_text("+INF", INFER_TYPE_DOUBLE, &d) == INFER_OK && d == INFINITY);
    assert_true(cast_text("-inf", INFER_TYPE_FLOAT, &f) == INFER_OK && f == -INFINITY);
    assert_true(cast_text("NaN", INFER_TYPE_FLOAT, &f) == INFER_OK && isnan(f));
    assert_true(cast_text("-128", INFER_TYPE_INT8, &i8) == INFER_OK && i8 == -128);
    assert_int_equal(cast_text("-129", INFER_TYPE_INT8, &i8), INFER_ERROR_VALUE);
    assert_int_equal(cast_text("-1", INFER_TYPE_UINT8, &u8), INFER_ERROR_VALUE);
    assert_int_equal(cast_text("NaN", INFER_TYPE_UINT8, &u8), INFER_ERROR_VALUE);
    assert_true(cast_text("15", INFER_TYPE_UINT4, &u8) == INFER_OK && u8 == 15);
    assert_int_equal(cast_text("16", INFER_TYPE_UINT4, &u8), INFER_ERROR_VALUE);
    assert_true(cast_text("18446744073709551615", INFER_TYPE_UINT64, &u64) == INFER_OK &&
                u64 == UINT64_MAX);
    assert_int_equal(cast_text("18446744073709551616", INFER_TYPE_UINT64, &u64), INFER_ERROR_VALUE);
    assert_true(cast_text("-9223372036854775808", INFER_TYPE_INT64, &i64) == INFER_OK &&
                i64 == INT64_MIN);
    assert_int_equal(cast_text("9223372036854775808", INFER_TYPE_INT64, &i64), INFER_ERROR_VALUE);
    assert_true(cast_text("True", INFER_TYPE_BOOL, &u8) == INFER_OK && u8 == 1);
    assert_true(cast_text("0.0", INFER_TYPE_BOOL, &u8) == INFER_OK && u8 == 0);
}

static void cast_one(infer_type from, const void *x, infer_type to, void *y) {
    cast_params p = {(int64_t)to, 1, 0};
    call c;
    begin(&c, &p);
    set_in(&c, 0, from, 0, NULL, x);
    run(&c, "", "Cast");
    memcpy(y, c.out.data, infer_type_size(to));
    end(&c);
}

static void numbers_cast(void **state) {
    int16_t i16 = 200;
    int8_t i8;
    uint8_t u8;
    float f;
    uint16_t h;
    double d;
    int32_t i32;
    int64_t i64;
    (void)state;
    cast_one(INFER_TYPE_INT16, &i16, INFER_TYPE_INT8, &i8);
    assert_int_equal(i8, -56);
    f = -9;
    cast_one(INFER_TYPE_FLOAT, &f, INFER_TYPE_INT4, &i8);
    assert_int_equal(i8, 7);
    cast_one(INFER_TYPE_FLOAT, &f, INFER_TYPE_UINT4, &u8);
    assert_int_equal(u8, 7);
    f = 2;
    cast_one(INFER_TYPE_FLOAT, &f, INFER_TYPE_INT2, &i8);
    assert_int_equal(i8, -2);
    i8 = -2;
    cast_one(INFER_TYPE_INT2, &i8, INFER_TYPE_FLOAT, &f);
    assert_true(f == -2);
    f = NAN;
    cast_one(INFER_TYPE_FLOAT, &f, INFER_TYPE_BOOL, &u8);
    assert_int_equal(u8, 1);
    cast_one(INFER_TYPE_FLOAT, &f, INFER_TYPE_INT32, &i32);
    assert_int_equal(i32, INT32_MIN);
    f = -1.9f;
    cast_one(INFER_TYPE_FLOAT, &f, INFER_TYPE_INT32, &i32);
    assert_int_equal(i32, -1);
    d = 1e300;
    cast_one(INFER_TYPE_DOUBLE, &d, INFER_TYPE_INT64, &i64);
    assert_true(i64 == INT64_MIN);
    cast_one(INFER_TYPE_DOUBLE, &d, INFER_TYPE_FLOAT16, &h);
    assert_int_equal(h, 0x7c00);
    d = 1 + 0x1p-11 + 0x1p-40; /* just above half way, which float cannot tell from half way */
    cast_one(INFER_TYPE_DOUBLE, &d, INFER_TYPE_FLOAT16, &h);
    assert_int_equal(h, 0x3c01);
    d = -d + 0x1p-39;
    cast_one(INFER_TYPE_DOUBLE, &d, INFER_TYPE_FLOAT16, &h);
    assert_int_equal(h, 0xbc00);
    i64 = (INT64_C(1) << 40) + 1;
    cast_one(INFER_TYPE_INT64, &i64, INFER_TYPE_BFLOAT16, &h);
    assert_int_equal(h, 0x5380);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_names_every_type),
        cmocka_unit_test(every_code_widens_to_its_value),
        cmocka_unit_test(every_code_survives_the_way_to_float_and_back),
        cmocka_unit_test(narrowing_rounds_to_nearest_even),
        cmocka_unit_test(out_of_range_is_as_cast_says),
        cmocka_unit_test(scales_round_as_asked),
        cmocka_unit_test(numbers_become_text),
        cmocka_unit_test(text_becomes_numbers),
        cmocka_unit_test(numbers_cast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
