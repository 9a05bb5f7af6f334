/* Attention: every variant against wider arithmetic, with random extents below, at and above tiles
 * and blocks of keys, masks of every kind, memory that ends where the tensors do; what a query gets
 * does not depend on the queries beside it. */
#include "unit.h"
#include "variants.h"

#include <math.h>
#include <string.h>

static variant list[VARIANTS_MAX];
static size_t count;

static float *fill(int slot, size_t rows, size_t ld, size_t n, double spread) {
    size_t size = rows ? (rows - 1) * ld + n : 0;
    float *p = fenced(slot, size * sizeof(float));
    for (size_t i = 0; i < size; i++)
        p[i] = (float)(number() * spread);
    return p;
}

static double score(const infer_attend *a, size_t i, size_t j, double *size) {
    double sum = 0;
    for (size_t d = 0; d < a->size; d++) {
        double p = (double)a->q[i * a->ldq + d] * (double)a->scale * (double)a->k[j * a->ldk + d];
        sum += p;
        *size += fabs(p);
    }
    if (a->softcap > 0)
        sum = tanh(sum / (double)a->softcap) * (double)a->softcap;
    if (a->keep && (a->keep[i * a->keep_row + j * a->keep_key] != 0) == a->inverts) {
        sum = (double)a->fill;
        *size = isinf(sum) ? 1 : fabs(sum);
    }
    if (a->add) {
        double add = (double)a->add[i * a->add_row + j * a->add_key];
        sum += add;
        *size += isinf(add) ? 0 : fabs(add);
    }
    return sum;
}

static double scores[1200], weights[1200];

/* Compares row i of y. */
static void judge(const variant *v, const infer_attend *a, size_t i) {
    size_t bound = infer_attend_bound(a, i);
    double max = -INFINITY, sum = 0, error = 0;
    for (size_t j = 0; j < bound; j++) {
        double size = 1;
        scores[j] = score(a, i, j, &size);
        max = fmax(max, scores[j]);
        error = fmax(error, size * (double)(a->size + 4) * 0x1p-24);
    }
    for (size_t j = 0; j < bound; j++)
        sum += weights[j] = exp(scores[j] - max);
    error = 3 * error + (double)(bound + 20) * 0x1p-24;
    for (size_t c = 0; c < a->value_size; c++) {
        double y = 0, size = 0, got = (double)a->y[i * a->ldy + c];
        for (size_t j = 0; j < bound; j++) {
            double p = weights[j] / sum * (double)a->v[j * a->ldv + c];
            y += p;
            size += fabs(p);
        }
        bool nothing = bound == 0 || max == -INFINITY;
        if (nothing ? !(a->zeros ? got == 0 : isnan(got)) : !(fabs(got - y) <= error * size))
            fail_msg("%s: %zu queries, %zu keys, sizes %zu, %zu, few %d, at %zu, %zu: %g instead "
                     "of %g, bound %g",
                     v->name, a->queries, a->keys, a->size, a->value_size, a->few, i, c, got, y,
                     error * size);
    }
}

static float *scratch_of(const infer_attend *a) {
    infer_attend_room room;
    size_t floats = 0;
    assert_true(infer_attend_scratch(a->queries, a->keys, a->size, a->value_size, &room, &floats));
    float *scratch = fenced(5, (floats + 15) / 16 * 16 * sizeof(float));
    memset(scratch, 0xff, floats * sizeof(float));
    return scratch;
}

static void attend_case(infer_attend a) {
    static uint8_t keep[64 * 1200];
    static float add[64 * 1200], first[200];
    a.ldq = a.size + choose(3);
    a.ldk = a.size + choose(3);
    a.ldv = a.value_size + choose(3);
    a.ldy = a.value_size + choose(3);
    a.q = fill(0, a.queries, a.ldq, a.size, 2);
    a.k = fill(1, a.keys, a.ldk, a.size, 2);
    a.v = fill(2, a.keys, a.ldv, a.value_size, 1);
    if (choose(2)) {
        a.add_key = choose(5) != 0;
        a.add_row = choose(2) * (a.add_key ? a.keys : 1);
        for (size_t i = 0; i < sizeof add / sizeof *add; i++)
            add[i] = choose(6) ? (float)number() * 3 : -INFINITY;
        a.add = add;
    }
    if (choose(3) == 0) {
        a.keep_key = choose(5) != 0;
        a.keep_row = choose(2) * (a.keep_key ? a.keys : 1);
        for (size_t i = 0; i < sizeof keep; i++)
            keep[i] = choose(4) != 0;
        a.keep = keep;
        a.fill = choose(2) ? -INFINITY : -10000;
        a.inverts = choose(2);
    }
    for (size_t v = 0; v < count; v++) {
        if (list[v].kind == VARIANT_BLAS)
            continue;
        a.y = fill(3, a.queries, a.ldy, a.value_size, 1);
        list[v].k.attend_f32(&a, scratch_of(&a));
        assert_true(fence_holds(3));
        for (size_t i = 0; i < a.queries; i++)
            judge(&list[v], &a, i);
        /* A part of the queries, on their own. */
        infer_attend part = a;
        size_t from = choose(a.queries);
        part.queries = 1 + choose(a.queries - from);
        part.q += from * a.ldq;
        part.first += from;
        part.add = a.add ? a.add + from * a.add_row : NULL;
        part.keep = a.keep ? a.keep + from * a.keep_row : NULL;
        part.y = fill(4, part.queries, a.ldy, a.value_size, 1);
        list[v].k.attend_f32(&part, scratch_of(&part));
        for (size_t i = 0; i < part.queries && list[v].kind == VARIANT_SIMD; i++)
            assert_true(memcmp(part.y + i * a.ldy, a.y + (from + i) * a.ldy,
                               a.value_size * sizeof *first) == 0);
    }
}

static void attention(void **state) {
    (void)state;
    for (size_t i = 0; i < 300; i++) {
        infer_attend a = {.queries = 1 + choose(i % 3 ? 40 : 6),
                          .keys = i % 7 ? choose(70) : 200 + choose(400),
                          .size = 1 + choose(i % 5 ? 40 : 130),
                          .value_size = 1 + choose(i % 5 ? 40 : 130),
                          .scale = (float)number() + 1.25f,
                          .softcap = choose(4) ? 0 : 2,
                          .causal = choose(2),
                          .zeros = choose(2)};
        a.first = choose(a.keys + 1);
        a.few = a.queries <= INFER_ATTEND_ROWS && choose(2);
        attend_case(a);
    }
    attend_case(
        (infer_attend){.queries = 29, .keys = 1024, .size = 64, .value_size = 64, .scale = 1});
    attend_case((infer_attend){
        .queries = 1, .keys = 1100, .size = 64, .value_size = 64, .scale = 1, .few = true});
}

/* What is not a number, and the infinite, as softmax has them. */
static void edges(void **state) {
    (void)state;
    for (size_t v = 0; v < count; v++)
        for (size_t few = 0; few < 2 && list[v].kind != VARIANT_BLAS; few++)
            for (size_t at = 0; at < 600; at += 37) {
                static float q[2] = {1, 2}, k[600], x[600], add[600];
                static _Alignas(64) float scratch[20000];
                infer_attend a = {.queries = 1,
                                  .keys = 600,
                                  .size = 1,
                                  .value_size = 1,
                                  .ldq = 1,
                                  .ldk = 1,
                                  .ldv = 1,
                                  .ldy = 1,
                                  .q = q,
                                  .k = k,
                                  .v = x,
                                  .add = add,
                                  .add_key = 1,
                                  .scale = 1,
                                  .few = few};
                float y = 0;
                a.y = &y;
                for (size_t i = 0; i < 600; i++) {
                    k[i] = 1;
                    x[i] = (float)i;
                    add[i] = -INFINITY;
                }
                list[v].k.attend_f32(&a, scratch);
                assert_true(isnan(y));
                add[at] = 3;
                list[v].k.attend_f32(&a, scratch);
                assert_true(y == (float)at);
                add[at] = -3e38f;
                list[v].k.attend_f32(&a, scratch);
                assert_true(y == (float)at);
                add[at] = NAN;
                list[v].k.attend_f32(&a, scratch);
                assert_true(isnan(y));
                add[at] = INFINITY;
                list[v].k.attend_f32(&a, scratch);
                assert_true(isnan(y));
                a.zeros = true;
                list[v].k.attend_f32(&a, scratch);
                assert_true(y == 0);
            }
}

int main(void) {
    count = variants_find(list);
    const struct CMUnitTest tests[] = {cmocka_unit_test(attention), cmocka_unit_test(edges)};
    return cmocka_run_group_tests_name("kernels: attention", tests, NULL, NULL);
}
