/* Convolutions of bytes to bytes: every variant that has them against plain loops, exactly: any
 * places, with and without some between rows that do not count, and memory that ends where they do.
 */
#include "unit.h"
#include "variants.h"

#include <math.h>
#include <string.h>

static variant list[VARIANTS_MAX];
static size_t count;

/* What the kernel is to give of one output at one place. */
static uint8_t expected(const infer_conv8 *c, size_t output, const uint8_t *place) {
    int64_t sum = c->add[output];
    for (size_t s = 0; s < c->steps; s++)
        for (size_t k = 0; k < 4; k++)
            sum += place[c->at[s] + k] * c->w[(output * c->steps + s) * 4 + k];
    const float scaled = rintf((float)(int32_t)sum * c->scale[output]);
    const float least = c->sign ? -128 : 0, moved = scaled + (float)c->zero;
    const float y = !(moved > least) ? least : moved > least + 255 ? least + 255 : moved;
    return (uint8_t)(int32_t)y;
}

static float any_scale(void) {
    return choose(20) ? (float)(number() * 0.01) : choose(2) ? 1e30f : NAN;
}

/* Panels lie side by side where rows are read where they are, and apart where they are gathered. */
static void conv_case(void) {
    const size_t outputs = 1 + choose(40), width = 1 + choose(70), gap = choose(2) ? choose(9) : 0;
    const size_t across = width + gap, rows = 1 + choose(4);
    const size_t places = (rows - 1) * across + width, panels = (places + 15) / 16;
    const bool apart = choose(2);
    size_t at[32], reach = 0;
    infer_conv8 c = {.steps = 1 + choose(32), .width = width, .across = across, .at = at};
    for (size_t s = 0; s < c.steps; s++) {
        at[s] = apart ? 64 * s : 4 * choose(200);
        reach = at[s] > reach ? at[s] : reach;
    }
    c.panel = apart ? 64 * c.steps : 64;
    const size_t size = (panels - 1) * c.panel + reach + 64, kept = rows * width;
    uint8_t *x = fenced(0, size);
    int8_t *w = fenced(1, outputs * c.steps * 4);
    int32_t *add = fenced(2, outputs * sizeof *add);
    float *scale = fenced(3, outputs * sizeof *scale);
    for (size_t i = 0; i < size; i++)
        x[i] = (uint8_t)(choose(4) ? choose(256) : 255);
    for (size_t i = 0; i < outputs * c.steps * 4; i++)
        w[i] = (int8_t)(choose(4) ? choose(256) - 128 : 128);
    for (size_t i = 0; i < outputs; i++) {
        add[i] = (int32_t)choose(100000) - 50000;
        scale[i] = any_scale();
    }
    c.w = w;
    c.add = add;
    c.scale = scale;
    c.sign = choose(2);
    c.zero = (int32_t)choose(256) - (c.sign ? 128 : 0);
    const size_t ld = kept + choose(3);
    for (size_t v = 0; v < count; v++) {
        uint8_t *y = fenced(4, (outputs - 1) * ld + kept);
        memset(y, 77, (outputs - 1) * ld + kept);
        list[v].k.conv_8(&c, outputs, places, x, y, ld);
        assert_true(fence_holds(4));
        for (size_t o = 0; o < outputs; o++)
            for (size_t i = 0; i < (o + 1 < outputs ? ld : kept); i++) {
                const size_t place = i / width * across + i % width;
                const uint8_t *from = x + place / 16 * c.panel + place % 16 * 4;
                assert_int_equal(y[o * ld + i], i < kept ? expected(&c, o, from) : 77);
            }
    }
}

static void convolutions(void **state) {
    (void)state;
    for (int i = 0; i < 1500; i++)
        conv_case();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(convolutions)};
    const size_t found = variants_find(list);
    for (size_t v = 0; v < found; v++)
        if (list[v].k.conv_8)
            list[count++] = list[v];
    return cmocka_run_group_tests_name("conv_bytes", tests, NULL, NULL);
}
