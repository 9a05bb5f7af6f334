/* The errors of Winograd's convolutions, and of those along a line, on what is worst for them:
 * inputs and kernels whose signs are those of rows of the transforms, so that nothing cancels
 * before the products and nearly all does behind them, alike in all channels, so that errors add
 * up. conv2d.h and conv_line.h state the bounds. */
#include "unit.h"
#include "variants.h"

#include "conv_line.h"

#include <math.h>
#include <string.h>

enum { SIDE = 6, OUT = 4, OUTPUTS = 64, CHANNELS = 192 };

static variant list[VARIANTS_MAX];
static size_t count;

/* Signs of the rows of B', which transforms inputs; those of elements that a row leaves out do not
 * matter. All signs of three numbers are kernels' rows. */
static const int rows[6][SIDE] = {{1, 1, -1, 1, 1, 1},  {1, -1, -1, 1, 1, 1}, {1, 1, -1, -1, 1, 1},
                                  {1, -1, -1, 1, 1, 1}, {1, 1, -1, -1, 1, 1}, {1, 1, 1, -1, 1, 1}};

static double sign(size_t bits, size_t i) {
    return bits >> i & 1 ? -1 : 1;
}

/* From `least` to 1 in magnitude. */
static float signed_number(double s, double least) {
    return (float)(s * (1 - (1 - least) * fabs(number())));
}

static double exact(size_t channels, const float *x, const float *w, size_t m, size_t i, size_t j) {
    double sum = 0;
    for (size_t ch = 0; ch < channels; ch++)
        for (size_t k = 0; k < 3; k++)
            for (size_t l = 0; l < 3; l++)
                sum += (double)x[((ch / 16 * SIDE + i + k) * SIDE + j + l) * 16 + ch % 16] *
                       (double)w[(m * channels + ch) * 9 + k * 3 + l];
    return sum;
}

/* The largest error of one input, for each product; every output has its own kernel. */
static double error_of(const variant *v, size_t channels, const int *down, const int *across,
                       double least) {
    static float x[CHANNELS * SIDE * SIDE], w[OUTPUTS * CHANNELS * 9];
    static _Alignas(64) float packed[OUTPUTS * CHANNELS * 9], scratch[36 * 40000];
    static float y[OUTPUTS * OUT * OUT], bias[OUTPUTS];
    infer_conv2d c = {.channels = channels,
                      .outputs = OUTPUTS,
                      .group = 1,
                      .in = {SIDE, SIDE},
                      .out = {OUT, OUT},
                      .kernel = {3, 3},
                      .stride = {1, 1},
                      .dilation = {1, 1},
                      .winograd = true,
                      .act = INFER_ACTIVATION(INFER_ACTIVATION_NONE, 0, 0)};
    const infer_conv_part all = {.places = 1, .panels = OUTPUTS / 16};
    double worst = 0;
    assert_true(infer_winograd_scratch(&c) <= sizeof scratch / sizeof *scratch);
    for (size_t ch = 0; ch < channels; ch++)
        for (size_t i = 0; i < SIDE; i++)
            for (size_t j = 0; j < SIDE; j++)
                x[((ch / 16 * SIDE + i) * SIDE + j) * 16 + ch % 16] =
                    signed_number(down[i] * across[j], least);
    for (size_t m = 0; m < OUTPUTS; m++)
        for (size_t ch = 0; ch < channels; ch++)
            for (size_t t = 0; t < 9; t++)
                w[(m * channels + ch) * 9 + t] =
                    signed_number(sign(m / 8, t / 3) * sign(m % 8, t % 3), least);
    infer_conv_pack(&c, w, NULL, packed);
    v->k.conv_winograd_f32(&c, &all, x, packed, bias, NULL, y, scratch);
    for (size_t m = 0; m < OUTPUTS; m++)
        for (size_t i = 0; i < OUT; i++)
            for (size_t j = 0; j < OUT; j++) {
                double right = exact(channels, x, w, m, i, j);
                double got = (double)y[((m / 16 * OUT + i) * OUT + j) * 16 + m % 16];
                worst = fmax(worst, fabs(got - right) / (9 * (double)channels));
                if (!(fabs(got - right) <= INFER_WINOGRAD_ERROR * 9 * (double)channels))
                    fail_msg("%s: %zu channels, output %zu at %zu, %zu: %g instead of %g", v->name,
                             channels, m, i, j, got, right);
            }
    return worst;
}

static void worst_signs(void **state) {
    static const size_t channels[] = {16, 64, CHANNELS};
    (void)state;
    for (size_t v = 0; v < count; v++) {
        if (list[v].kind == VARIANT_BLAS)
            continue;
        for (size_t n = 0; n < sizeof channels / sizeof *channels; n++) {
            double worst = 0;
            for (size_t i = 0; i < 36; i++)
                for (int whole = channels[n] == CHANNELS; whole < 2; whole++)
                    worst = fmax(worst, error_of(&list[v], channels[n], rows[i / 6], rows[i % 6],
                                                 whole ? 1 : 0.5));
            print_message("%s, %zu channels: at most %.0f roundings of each product\n",
                          list[v].name, channels[n], worst * 0x1p24);
        }
    }
}

/* ---- along a line ---- */

enum { POINTS = INFER_LINE_POINTS, TAPS = INFER_LINE_TAPS };

/* The same of one tile of a line; of inputs all signs are asked, and every output has a kernel of
 * others. */
static double line_error(const variant *v, size_t channels, size_t points, size_t taps,
                         double least, size_t signs) {
    static float x[CHANNELS * POINTS], w[OUTPUTS * CHANNELS * TAPS];
    static _Alignas(64) float packed[OUTPUTS * CHANNELS * TAPS], scratch[1 << 18];
    static float y[OUTPUTS * POINTS], bias[OUTPUTS];
    const size_t outputs = points + 1 - taps;
    infer_conv2d c = {.channels = channels,
                      .outputs = OUTPUTS,
                      .group = 1,
                      .in = {1, points},
                      .out = {1, outputs},
                      .kernel = {1, taps},
                      .stride = {1, 1},
                      .dilation = {1, 1},
                      .winograd = true,
                      .act = INFER_ACTIVATION(INFER_ACTIVATION_NONE, 0, 0)};
    const infer_line line = infer_line_of(&c);
    const infer_conv_part all = {.places = 1, .panels = OUTPUTS / 16};
    double worst = 0;
    assert_true(line.points == points && line.taps == taps && line.tiles == 1);
    assert_true(infer_line_scratch(&c) <= sizeof scratch / sizeof *scratch);
    for (size_t ch = 0; ch < channels; ch++)
        for (size_t i = 0; i < points; i++)
            x[(ch / 16 * points + i) * 16 + ch % 16] = signed_number(sign(signs, i), least);
    for (size_t m = 0; m < OUTPUTS; m++)
        for (size_t ch = 0; ch < channels; ch++)
            for (size_t t = 0; t < taps; t++)
                w[(m * channels + ch) * taps + t] = signed_number(sign(m, t), least);
    infer_conv_pack(&c, w, NULL, packed);
    v->k.conv_line_f32(&c, &all, x, packed, bias, NULL, y, scratch);
    for (size_t m = 0; m < OUTPUTS; m++)
        for (size_t i = 0; i < outputs; i++) {
            double right = 0, got = (double)y[(m / 16 * outputs + i) * 16 + m % 16];
            for (size_t ch = 0; ch < channels; ch++)
                for (size_t t = 0; t < taps; t++)
                    right += (double)x[(ch / 16 * points + i + t) * 16 + ch % 16] *
                             (double)w[(m * channels + ch) * taps + t];
            const double products = (double)(taps * channels);
            worst = fmax(worst, fabs(got - right) / products);
            if (!(fabs(got - right) <= INFER_LINE_ERROR * products))
                fail_msg("%s: %zu channels, %zu points, output %zu at %zu: %g instead of %g",
                         v->name, channels, points, m, i, got, right);
        }
    return worst;
}

static void worst_signs_of_lines(void **state) {
    static const size_t tiles[][2] = {{6, 2}, {6, 3}, {6, 4}, {8, 3}, {8, 4}, {8, 5}};
    (void)state;
    for (size_t v = 0; v < count; v++) {
        if (list[v].kind == VARIANT_BLAS)
            continue;
        for (size_t n = 0; n < sizeof tiles / sizeof *tiles; n++) {
            const size_t points = tiles[n][0];
            double worst = 0;
            for (size_t signs = 0; signs < (size_t)1 << (points - 1); signs++)
                for (size_t ch = 0; ch < 4; ch++)
                    worst = fmax(worst, line_error(&list[v], ch / 2 ? 128 : 16, points, tiles[n][1],
                                                   ch % 2 ? 1 : 0.5, signs));
            print_message("%s, %zu points, %zu taps: at most %.0f roundings of each product\n",
                          list[v].name, points, tiles[n][1], worst * 0x1p24);
        }
    }
}

int main(void) {
    count = variants_find(list);
    const struct CMUnitTest tests[] = {cmocka_unit_test(worst_signs),
                                       cmocka_unit_test(worst_signs_of_lines)};
    return cmocka_run_group_tests_name("winograd", tests, NULL, NULL);
}
