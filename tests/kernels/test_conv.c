/* Convolutions over blocks of channels: every variant against wider arithmetic, with random
 * geometry, at sizes below, at and above tiles and windows, with memory that ends where the tensors
 * do and padding channels that are NaN. */
#include "blocks.h"
#include "unit.h"
#include "variants.h"

#include "conv2d.h"
#include "pack.h"

#include <math.h>
#include <string.h>

static variant list[VARIANTS_MAX];
static size_t count;

/* The truth of one output, and the sum of magnitudes. */
static double exact(const infer_conv2d *c, const float *x, const float *w, size_t m, size_t i,
                    size_t j, double *size, size_t *terms) {
    size_t inputs = c->channels / c->group, first = m / (c->outputs / c->group) * inputs;
    double sum = 0;
    *terms = inputs * c->kernel[0] * c->kernel[1];
    for (size_t ch = 0; ch < inputs; ch++)
        for (size_t k = 0; k < c->kernel[0]; k++)
            for (size_t l = 0; l < c->kernel[1]; l++) {
                size_t row = i * c->stride[0] + k * c->dilation[0] - c->before[0];
                size_t column = j * c->stride[1] + l * c->dilation[1] - c->before[1];
                if (row >= c->in[0] || column >= c->in[1])
                    continue;
                size_t at = ((m * inputs + ch) * c->kernel[0] + k) * c->kernel[1] + l;
                double p = (double)w[at] * (double)input(c, x, first + ch, row, column);
                sum += p;
                *size += fabs(p);
            }
    return sum;
}

/* Computes in so many parts. */
static void run(const variant *v, const infer_conv2d *c, const float *x, const float *packed,
                const float *bias, const float *add, float *y, float *scratch, size_t rows,
                size_t columns) {
    const bool fast = infer_conv_is_winograd(c), line = !fast && infer_conv_is_line(c);
    size_t places = fast   ? infer_winograd_of(c).tiles
                    : line ? infer_line_of(c).tiles
                           : c->out[0] * c->out[1];
    size_t panels = blocks_of(c->outputs);
    if (infer_conv_is_depthwise(c)) {
        v->k.conv_depthwise_f32(c, x, packed, bias, add, y);
        return;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            infer_conv_part part = {.place = places * i / rows, .panel = panels * j / columns};
            part.places = places * (i + 1) / rows - part.place;
            part.panels = panels * (j + 1) / columns - part.panel;
            if (fast)
                v->k.conv_winograd_f32(c, &part, x, packed, bias, add, y, scratch);
            else if (line)
                v->k.conv_line_f32(c, &part, x, packed, bias, add, y, scratch);
            else
                v->k.conv_blocked_f32(c, &part, x, packed, bias, add, y, scratch);
        }
}

/* The bits of all channels that are there. */
static bool same_outputs(const infer_conv2d *c, const float *a, const float *b) {
    size_t places = c->out[0] * c->out[1];
    for (size_t m = 0; m < c->outputs; m++)
        for (size_t i = 0; i < places; i++)
            if (memcmp(a + (m / 16 * places + i) * 16 + m % 16,
                       b + (m / 16 * places + i) * 16 + m % 16, sizeof *a) != 0)
                return false;
    return true;
}

/* Of Winograd's convolutions and those along a line: for each product of numbers below 1. */
#define WINOGRAD_ERROR 3e-7
#define LINE_ERROR     2e-7

static double worst[2];
static size_t lines;

#define MOST_OUTPUTS (1 << 18)

static void conv_case(infer_conv2d *c) {
    size_t plane = c->in[0] * c->in[1], places, size;
    c->out[0] = outputs_of(c, 0);
    c->out[1] = outputs_of(c, 1);
    places = c->out[0] * c->out[1];
    const float *x = c->plain ? fill(0, c->channels * plane) : fill_blocks(0, c->channels, plane);
    size_t taps = c->kernel[0] * c->kernel[1];
    const float *w = fill(1, c->outputs * (c->channels / c->group) * taps);
    assert_true(infer_conv_pack_size(c, &size));
    float *packed = fill(2, size);
    infer_conv_pack(c, w, NULL, packed);
    assert_true(fence_holds(2));
    const float *bias = fill(3, blocks_of(c->outputs) * 16);
    const float *add = choose(2) ? fill_blocks(4, c->outputs, places) : NULL;
    const bool fast = infer_conv_is_winograd(c), line = !fast && infer_conv_is_line(c);
    static _Alignas(64) float scratch[36 * 40000];
    c->act.late = add && c->act.kind && !infer_conv_is_depthwise(c) && choose(2);
    const double fine = line ? LINE_ERROR : WINOGRAD_ERROR;
    const size_t used = sizeof *scratch * (fast   ? infer_winograd_scratch(c)
                                           : line ? infer_line_scratch(c)
                                                  : INFER_CONV_SCRATCH);
    assert_true(used <= sizeof scratch);
    lines += line;
    /* What is right, and how far from it an output may be. */
    static double right[MOST_OUTPUTS], bounds[MOST_OUTPUTS];
    assert_true(blocks_of(c->outputs) * places * 16 <= MOST_OUTPUTS);
    for (size_t m = 0; m < c->outputs; m++)
        for (size_t i = 0; i < places; i++) {
            size_t at = (m / 16 * places + i) * 16 + m % 16, terms = 0;
            double magnitude = fabs((double)bias[m]) + 1;
            double sum = exact(c, x, w, m, i / c->out[1], i % c->out[1], &magnitude, &terms);
            const double plus = add ? (double)add[at] : 0;
            sum += (double)bias[m] + (c->act.late ? 0 : plus);
            right[at] = activated(&c->act, m, sum) + (c->act.late ? plus : 0);
            bounds[at] = (double)(terms + 3) * 0x1p-24 * magnitude;
            if (fast || line) /* x and w are below 1 */
                bounds[at] = fine * (double)terms;
            if (c->act.kind) /* which rounds a few times more */
                bounds[at] = 1.5 * bounds[at] + 0x1p-22;
        }
    for (size_t v = 0; v < count; v++) {
        float *y = fill(5, blocks_of(c->outputs) * places * 16);
        memset(scratch, 0xff, used);
        if (list[v].kind == VARIANT_BLAS)
            continue;
        run(&list[v], c, x, packed, bias, add, y, scratch, 1, 1);
        assert_true(fence_holds(5));
        float *cut = fill(6, blocks_of(c->outputs) * places * 16);
        memset(scratch, 0xff, used);
        run(&list[v], c, x, packed, bias, add, cut, scratch, 1 + choose(3), 1 + choose(3));
        assert_true(fence_holds(6));
        assert_true(same_outputs(c, y, cut));
        for (size_t m = 0; m < c->outputs; m++)
            for (size_t i = 0; i < places; i++) {
                size_t at = (m / 16 * places + i) * 16 + m % 16;
                double error = fabs((double)y[at] - right[at]);
                if ((fast || line) && !c->act.kind)
                    worst[line] = fmax(worst[line], error * fine / bounds[at]);
                if (!(error <= bounds[at]))
                    fail_msg("%s: %zu to %zu channels, group %zu, %zux%zu, kernel %zux%zu, "
                             "stride %zu, plain %d: output %zu at %zu: %g instead of %g",
                             list[v].name, c->channels, c->outputs, c->group, c->in[0], c->in[1],
                             c->kernel[0], c->kernel[1], c->stride[1], c->plain, m, i,
                             (double)y[at], right[at]);
            }
    }
}

/* Images at once have the bits of each alone, cut where one ends or not. */
static void images_case(infer_conv2d *c, size_t images) {
    static _Alignas(64) float scratch[36 * 40000], alone[36 * 40000];
    const size_t places = c->out[0] * c->out[1];
    size_t size;
    const size_t in = blocks_of(c->channels) * c->in[0] * c->in[1] * 16;
    const size_t out = blocks_of(c->outputs) * places * 16;
    const float *x = fill(0, images * in), *w = fill(1, c->outputs * c->channels * 9);
    assert_true(infer_conv_pack_size(c, &size));
    float *packed = fill(2, size);
    infer_conv_pack(c, w, NULL, packed);
    const float *bias = fill(3, blocks_of(c->outputs) * 16);
    const float *add = choose(2) ? fill(4, images * out) : NULL;
    const infer_conv_part all = {0, infer_winograd_of(c).tiles, 0, blocks_of(c->outputs)};
    infer_conv2d several = *c;
    several.images = images;
    assert_true(infer_winograd_scratch(&several) <= sizeof scratch / sizeof *scratch);
    for (size_t v = 0; v < count && list[v].kind != VARIANT_BLAS; v++) {
        float *y = fill(5, images * out), *one = fill(6, out);
        run(&list[v], &several, x, packed, bias, add, y, scratch, 1 + choose(4), 1 + choose(2));
        assert_true(fence_holds(5));
        for (size_t i = 0; i < images; i++) {
            list[v].k.conv_winograd_f32(c, &all, x + i * in, packed, bias,
                                        add ? add + i * out : NULL, one, alone);
            if (!same_outputs(c, y + i * out, one))
                fail_msg("%s: %zu to %zu channels, %zux%zu: image %zu of %zu is another one alone",
                         list[v].name, c->channels, c->outputs, c->in[0], c->in[1], i, images);
        }
    }
}

static void images(void **state) {
    (void)state;
    for (size_t cases = 0, several; cases < 12;) {
        infer_conv2d c = {.group = 1,
                          .images = several = 24 + choose(4),
                          .winograd = true,
                          .act = any_activation(),
                          .channels = 16 + choose(60),
                          .outputs = 16 + choose(40),
                          .in = {3 + choose(9), 3 + choose(9)},
                          .kernel = {3, 3},
                          .stride = {1, 1},
                          .dilation = {1, 1},
                          .before = {1, 1},
                          .after = {1, 1}};
        c.out[0] = outputs_of(&c, 0);
        c.out[1] = outputs_of(&c, 1);
        if (!infer_conv_is_winograd(&c)) /* maps that do not fill their tiles */
            continue;
        c.images = 1;
        images_case(&c, several);
        cases++;
    }
}

static void convolutions(void **state) {
    (void)state;
    for (size_t i = 0; i < 250; i++) {
        infer_conv2d c = geometry(12);
        c.channels = 1 + choose(50);
        c.outputs = 1 + choose(70);
        conv_case(&c);
        c.plain = true;
        c.channels = 1 + choose(5);
        conv_case(&c);
        c.plain = false;
        c.channels = c.outputs = c.group = 2 + choose(40);
        conv_case(&c);
        c.group = 1 + choose(6);
        c.channels = c.group * (1 + choose(20));
        c.outputs = c.group * (1 + choose(20));
        conv_case(&c);
    }
    /* Rows of several tiles, read where they lie or from padded copies. */
    for (size_t i = 0; i < 60; i++) {
        infer_conv2d c = geometry(6);
        c.in[1] = 14 + choose(40);
        c.stride[1] = 1 + choose(3);
        c.plain = choose(3) == 0;
        c.channels = 1 + choose(c.plain ? 5 : 50);
        c.outputs = 1 + choose(40);
        for (int axis = 0; choose(2) && axis < 2; axis++)
            c.before[axis] = c.after[axis] = 0;
        conv_case(&c);
    }
    /* Plain inputs at every other place, in rows of the largest tiles. */
    for (size_t i = 0; i < 15; i++) {
        infer_conv2d c = geometry(6);
        c.plain = true;
        c.stride[1] = 2;
        c.in[1] = 50 + choose(30);
        c.channels = 1 + choose(5);
        c.outputs = 1 + choose(40);
        conv_case(&c);
    }
    /* Groups of single taps that begin within a block, in maps of several tiles. */
    for (size_t i = 0; i < 25; i++) {
        infer_conv2d c = geometry(6);
        c.in[1] = 12 + choose(30);
        c.kernel[0] = c.kernel[1] = 1;
        c.stride[1] = 1 + choose(2);
        for (int axis = 0; choose(3) && axis < 2; axis++)
            c.before[axis] = c.after[axis] = 0;
        c.group = 2 + choose(4);
        c.channels = c.group * (1 + choose(70));
        c.outputs = c.group * (1 + choose(40));
        conv_case(&c);
    }
    /* Winograd's: odd channels, tiles that are cut off, several passes. */
    for (size_t i = 0; i < 40; i++) {
        infer_conv2d c = {.group = 1,
                          .winograd = true,
                          .in = {6 + choose(20), 6 + choose(20)},
                          .kernel = {3, 3},
                          .stride = {1, 1},
                          .dilation = {1, 1},
                          .act = any_activation()};
        for (int axis = 0; axis < 2; axis++) {
            c.before[axis] = choose(3);
            c.after[axis] = choose(3);
        }
        c.channels = 16 + choose(choose(3) ? 40 : 180);
        c.outputs = 16 + choose(60);
        conv_case(&c);
    }
    /* Along a line: either axis, dilations, kernels in pieces, odd channels, several passes. */
    for (size_t i = 0; i < 30; i++) {
        const int axis = (int)choose(2);
        infer_conv2d c = {.group = 1,
                          .winograd = true,
                          .in = {1 + choose(4), 1 + choose(4)},
                          .kernel = {1, 1},
                          .stride = {1, 1},
                          .dilation = {1, 1},
                          .act = any_activation()};
        c.in[axis] = 30 + choose(choose(3) ? 40 : 120);
        c.kernel[axis] = 2 + choose(10);
        if (choose(3) == 0 && axis == 1) { /* kernels of several rows, too */
            c.in[0] = 7 + choose(6);
            c.in[1] = 20 + choose(20);
            c.kernel[0] = 2 + choose(4);
            c.stride[0] = 1 + choose(2);
            c.dilation[0] = 1 + choose(2);
            c.before[0] = choose(3);
        }
        c.dilation[axis] = 1 + choose(choose(2) ? 1 : 4);
        c.before[axis] = choose(4);
        c.after[axis] = choose(4);
        c.channels = 16 + choose(choose(3) ? 30 : 130);
        c.outputs = 16 + choose(40);
        conv_case(&c);
    }
    assert_true(lines > 15);
    print_message("the worst errors of Winograd's: %g a product, along a line: %g\n", worst[0],
                  worst[1]);
    /* More than one window and one pass. */
    infer_conv2d c = geometry(12);
    c = (infer_conv2d){.channels = 200,
                       .outputs = 40,
                       .group = 1,
                       .winograd = true,
                       .in = {17, 19},
                       .kernel = {3, 3},
                       .stride = {1, 1},
                       .dilation = {1, 1},
                       .before = {1, 1},
                       .after = {1, 1},
                       .act = {.low = 0, .high = 6}};
    conv_case(&c);
    c.channels = 256;
    c.outputs = 17;
    c.in[0] = c.in[1] = 46;
    conv_case(&c);
    c.in[0] = 17;
    c.in[1] = 19;
    c.outputs = 40;
    c.channels = 1300;
    c.kernel[0] = c.kernel[1] = 1;
    conv_case(&c);
    c.group = 2;
    conv_case(&c);
    c.outputs = c.channels = c.group = 64;
    c.kernel[0] = c.kernel[1] = 5;
    conv_case(&c);
    /* A plain kernel of more taps than any tier sums up at once. */
    c = (infer_conv2d){.channels = 2,
                       .outputs = 18,
                       .group = 1,
                       .plain = true,
                       .in = {101, 20},
                       .kernel = {100, 12},
                       .stride = {1, 2},
                       .dilation = {1, 1},
                       .before = {2, 1},
                       .after = {2, 1},
                       .act = c.act};
    conv_case(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(convolutions), cmocka_unit_test(images)};
    count = variants_find(list);
    return cmocka_run_group_tests_name("convolutions", tests, NULL, NULL);
}
