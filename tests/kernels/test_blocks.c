/* What works on each channel of blocks alone, or moves it: pools, affine maps, LRN, shuffles; every
 * variant against wider arithmetic, with memory that ends where the tensors do and padding channels
 * that are NaN. */
#include "blocks.h"
#include "unit.h"
#include "variants.h"

#include "conv2d.h"

#include <math.h>
#include <string.h>

static variant list[VARIANTS_MAX];
static size_t count;

static void pool_case(infer_conv2d *c) {
    size_t plane = c->in[0] * c->in[1], places;
    c->out[0] = outputs_of(c, 0);
    c->out[1] = outputs_of(c, 1);
    places = c->out[0] * c->out[1];
    const float *x = fill_blocks(0, c->channels, plane);
    for (size_t v = 0; v < count; v++) {
        float *y = fill(1, blocks_of(c->channels) * places * 16);
        list[v].k.pool_blocked_f32(c, x, y);
        assert_true(fence_holds(1));
        for (size_t at = 0; at < blocks_of(c->channels) * places * 16; at++) {
            size_t ch = at / 16 / places * 16 + at % 16, place = at / 16 % places;
            double most = -INFINITY, sum = 0, all = 0, terms = 0;
            if (ch >= c->channels)
                continue;
            for (size_t k = 0; k < c->kernel[0]; k++)
                for (size_t l = 0; l < c->kernel[1]; l++) {
                    size_t row = place / c->out[1] * c->stride[0] + k * c->dilation[0];
                    size_t column = place % c->out[1] * c->stride[1] + l * c->dilation[1];
                    all += row < c->in[0] + c->before[0] + c->after[0] &&
                           column < c->in[1] + c->before[1] + c->after[1];
                    row -= c->before[0];
                    column -= c->before[1];
                    if (row >= c->in[0] || column >= c->in[1])
                        continue;
                    double value = (double)input(c, x, ch, row, column);
                    most = value > most ? value : most;
                    sum += value;
                    terms++;
                }
            double n = c->with_padding ? all : terms;
            double right = c->average ? (n > 0 ? sum / n : 0) : most;
            if (!(fabs((double)y[at] - right) <= 1e-5 || (double)y[at] == right))
                fail_msg("%s: channel %zu, place %zu: %g instead of %g", list[v].name, ch, place,
                         (double)y[at], right);
        }
    }
}

static void pools(void **state) {
    (void)state;
    for (size_t i = 0; i < 200; i++) {
        infer_conv2d c = geometry(12);
        c.channels = 1 + choose(40);
        c.average = choose(2);
        c.with_padding = choose(2);
        pool_case(&c);
        /* The largest of three columns, in runs of places. */
        c.average = false;
        c.in[1] = 4 + choose(40);
        c.kernel[1] = 3;
        c.stride[1] = 1 + choose(2);
        c.dilation[1] = 1;
        c.before[1] = choose(3);
        c.after[1] = choose(3);
        pool_case(&c);
    }
}

static void affine(void **state) {
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        infer_conv2d c = geometry(12);
        c.channels = 1 + choose(40);
        size_t plane = c.in[0] * c.in[1], n = blocks_of(c.channels) * 16;
        const float *x = fill_blocks(0, c.channels, plane);
        const float *scale = fill(1, n), *shift = fill(2, n);
        for (size_t v = 0; v < count; v++) {
            float *y = memcpy(fenced(3, n * plane * sizeof *y), x, n * plane * sizeof *y);
            list[v].k.affine_blocked_f32(&c, y, scale, shift, y);
            assert_true(fence_holds(3));
            for (size_t at = 0; at < n * plane; at++) {
                size_t ch = at / 16 / plane * 16 + at % 16;
                float right = x[at] * scale[ch] + shift[ch];
                right = fminf(fmaxf(right, c.act.low), c.act.high);
                assert_true(ch >= c.channels || fabsf(y[at] - right) <= 4e-7f);
            }
        }
    }
}

static void lrn(void **state) {
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        infer_conv2d c = geometry(9);
        c.channels = 1 + choose(choose(3) ? 60 : 300);
        size_t plane = c.in[0] * c.in[1], n = blocks_of(c.channels) * 16;
        size_t size = 1 + choose(choose(2) ? 5 : INFER_LRN_BLOCKED);
        const float *x = fill_blocks(0, c.channels, plane);
        for (size_t v = 0; v < count; v++) {
            float *y = fill(1, n * plane);
            /* In two parts, of which one may be nothing. */
            const size_t cut = choose(plane + 1);
            c.out[0] = 1;
            c.out[1] = cut;
            list[v].k.lrn_blocked_f32(&c, size, 0.3f, 1.5f, x, y);
            c.out[1] = plane - cut;
            list[v].k.lrn_blocked_f32(&c, size, 0.3f, 1.5f, x + cut * 16, y + cut * 16);
            assert_true(fence_holds(1));
            for (size_t at = 0; at < n * plane; at++) {
                size_t ch = at / 16 / plane * 16 + at % 16, place = at / 16 % plane;
                double sum = 0;
                for (size_t k = 0; k < size && ch < c.channels; k++) {
                    size_t other = ch + k - (size - 1) / 2;
                    if (other < c.channels)
                        sum += pow((double)x[(other / 16 * plane + place) * 16 + other % 16], 2);
                }
                double right = (double)x[at] / pow(1.5 + (double)0.3f * sum, 0.75);
                assert_true(ch >= c.channels || fabs((double)y[at] - right) <= 1e-6);
            }
        }
    }
}

static void shuffles(void **state) {
    (void)state;
    for (size_t i = 0; i < 80; i++) {
        infer_conv2d c = geometry(9);
        c.group = 1 + choose(choose(2) ? 4 : 40);
        c.channels = c.group * (1 + choose(choose(2) ? 10 : 70));
        const size_t plane = c.in[0] * c.in[1], block = choose(blocks_of(c.channels));
        const float *x = fill_blocks(0, c.channels, plane);
        for (size_t v = 0; v < count; v++) {
            float *y = fill(1, plane * 16);
            list[v].k.shuffle_blocked_f32(&c, block, x, y);
            assert_true(fence_holds(1));
            for (size_t at = 0; at < plane * 16; at++) {
                size_t ch = block * 16 + at % 16, each = c.channels / c.group;
                size_t from = ch % c.group * each + ch / c.group;
                assert_true(ch >= c.channels ||
                            y[at] == x[(from / 16 * plane + at / 16) * 16 + from % 16]);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pools), cmocka_unit_test(affine),
                                       cmocka_unit_test(lrn), cmocka_unit_test(shuffles)};
    count = variants_find(list);
    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
