/* The list of operators, broadcasting, and the elementwise, product and softmax operators,
 * called as the engine calls them: infer, then run. */
#include "broadcast.h"
#include "op.h"
#include "types.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op_call.h"

static infer_status infer(call *c, const char *name) {
    return infer_op_infer(infer_op_find("", name), &c->env);
}

static unsigned seed = 1;

static double noise(void) {
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) / (1 << 23) - 1;
}

/* ---- the list ---- */

static void list_is_sorted_and_found(void **state) {
    (void)state;
    for (size_t i = 0; i < infer_op_count(); i++) {
        const infer_op *op = infer_op_at(i);
        assert_ptr_equal(infer_op_find(op->domain, op->name), op);
        assert_true(op->since >= 1 && op->newest >= op->since);
        assert_true(op->infer && op->run);
        for (size_t a = 0; a < op->attr_count; a++)
            assert_true(op->attrs[a].offset < op->params_size);
    }
    assert_null(infer_op_at(infer_op_count()));
    assert_null(infer_op_find("", "NoSuchOperator"));
    assert_null(infer_op_find("nowhere", "Add"));
    assert_ptr_equal(infer_op_find("ai.onnx", "Add"), infer_op_find("", "Add"));
}

static void inputs_are_checked(void **state) {
    static const int64_t two[] = {2}, huge[] = {INT64_MAX / 2, 3};
    float f[2] = {1, 2};
    int64_t i[2] = {1, 2};
    call c;
    (void)state;
    begin(&c, NULL);
    set_in(&c, 0, INFER_TYPE_FLOAT, 1, two, f);
    assert_int_equal(infer(&c, "Add"), INFER_ERROR_FORMAT);
    set_in(&c, 1, INFER_TYPE_INT64, 1, two, i);
    assert_int_equal(infer(&c, "Add"), INFER_ERROR_TYPE);
    set_in(&c, 0, INFER_TYPE_BOOL, 1, two, f);
    set_in(&c, 1, INFER_TYPE_BOOL, 1, two, f);
    assert_int_equal(infer(&c, "Add"), INFER_ERROR_TYPE);
    c.in[0].kind = INFER_KIND_SEQUENCE;
    assert_int_equal(infer(&c, "And"), INFER_ERROR_TYPE);
    assert_int_equal(infer_view_check(&(infer_view){.type = INFER_TYPE_FLOAT, .rank = 17}, true),
                     INFER_ERROR_SHAPE);
    infer_view v = {.type = INFER_TYPE_UINT8, .rank = 2, .dim = {huge[0], huge[1]}};
    assert_int_equal(infer_view_check(&v, true), INFER_ERROR_SHAPE);
    v = (infer_view){.type = INFER_TYPE_FLOAT, .rank = 2, .dim = {-1, 3}};
    assert_int_equal(infer_view_check(&v, true), INFER_OK);
    assert_int_equal(infer_view_check(&v, false), INFER_ERROR_SHAPE);
    assert_int_equal(infer_view_count(&v), -1);
}

/* ---- broadcasting ---- */

static size_t offset_of(const infer_view *v, const infer_view *out, size_t flat) {
    size_t at = 0, step = 1;
    for (int32_t i = out->rank; i-- > 0;) {
        size_t index = flat % (size_t)out->dim[i];
        int32_t own = i - (out->rank - v->rank);
        flat /= (size_t)out->dim[i];
        if (own < 0)
            continue;
        at += v->dim[own] == 1 ? 0 : index * step;
        step *= (size_t)v->dim[own];
    }
    return at;
}

/* Shapes of up to four axes of extents 1, 2 and 3 that broadcast. */
static void walk_meets_the_elements_in_order(void **state) {
    (void)state;
    for (int n = 0; n < 6000; n++) {
        infer_view v[3] = {{.rank = n % 5}, {.rank = n / 5 % 5}, {.rank = n / 25 % 5}}, out = {0};
        const infer_view *in[3] = {&v[0], &v[1], &v[2]};
        for (int32_t i = 0; i < 4; i++) {
            int64_t full = 1 + (int64_t)(fabs(noise()) * 2.99);
            for (int k = 0; k < 3; k++)
                if (i < v[k].rank)
                    v[k].dim[v[k].rank - 1 - i] = noise() > 0 ? full : 1;
        }
        assert_int_equal(infer_broadcast_shape(in, 3, &out), INFER_OK);
        infer_broadcast b;
        infer_broadcast_begin(&b, in, 3, &out);
        size_t flat = 0, count = (size_t)infer_view_count(&out);
        assert_false(b.empty);
        do
            for (size_t i = 0; i < b.inner; i++, flat++)
                for (int k = 0; k < 3; k++)
                    assert_int_equal(b.at[k] + b.step[k] * i, offset_of(&v[k], &out, flat));
        while (infer_broadcast_next(&b));
        assert_int_equal(flat, count);
    }
}

static void unknown_extents_broadcast(void **state) {
    infer_view a = {.rank = 3, .dim = {-1, 1, 4}}, b = {.rank = 2, .dim = {-1, -1}}, out;
    const infer_view *in[] = {&a, NULL, &b};
    (void)state;
    assert_int_equal(infer_broadcast_shape(in, 3, &out), INFER_OK);
    assert_int_equal(out.rank, 3);
    assert_int_equal(out.dim[0], -1);
    assert_int_equal(out.dim[1], -1);
    assert_int_equal(out.dim[2], 4);
    b.dim[1] = 3;
    assert_int_equal(infer_broadcast_shape(in, 3, &out), INFER_ERROR_SHAPE);
    b.rank = -1;
    assert_int_equal(infer_broadcast_shape(in, 3, &out), INFER_OK);
    assert_int_equal(out.rank, -1);
}

/* ---- arithmetic ---- */

static void integers_divide_without_traps(void **state) {
    static const int64_t n[] = {4};
    int32_t a[] = {7, INT32_MIN, -7, 5}, b[] = {0, -1, 2, -5}, want[] = {0, INT32_MIN, -3, -1};
    int64_t a64[] = {7, INT64_MIN, -7, 5}, b64[] = {0, -1, 2, -5};
    int64_t want64[] = {0, INT64_MIN, -3, -1};
    int8_t a8[] = {7, -128, -7, 100}, b8[] = {0, -1, 2, 3}, want8[] = {0, -128, -3, 33};
    call c;
    (void)state;
    begin(&c, NULL);
    set_in(&c, 0, INFER_TYPE_INT32, 1, n, a);
    set_in(&c, 1, INFER_TYPE_INT32, 1, n, b);
    run(&c, "", "Div");
    assert_memory_equal(c.out.data, want, sizeof want);
    set_in(&c, 0, INFER_TYPE_INT64, 1, n, a64);
    set_in(&c, 1, INFER_TYPE_INT64, 1, n, b64);
    run(&c, "", "Div");
    assert_memory_equal(c.out.data, want64, sizeof want64);
    set_in(&c, 0, INFER_TYPE_INT8, 1, n, a8);
    set_in(&c, 1, INFER_TYPE_INT8, 1, n, b8);
    run(&c, "", "Div");
    assert_memory_equal(c.out.data, want8, sizeof want8);
    set_in(&c, 0, INFER_TYPE_INT8, 1, n, a8);
    set_in(&c, 1, INFER_TYPE_INT8, 1, n, a8);
    run(&c, "", "Mul");
    assert_int_equal(((int8_t *)c.out.data)[3], 16); /* 10000 modulo 256 */
    end(&c);
}

/* The inverses of trigonometric functions and the tangent, which double has of its own, beside the
 * C library's in long double. Wherever an argument is a rounded one the result is off by that, too:
 * what is judged is a few units in its last place. */
static void double_trigonometry_is_exact(void **state) {
    static const double edges[] = {0,    -0.0,     0x1p-27,  0x1.8p-27, 1,      0.9999999999,
                                   -1,   INFINITY, 0.5,      1e-300,    0x1p60, 0x1.1p60,
                                   1e18, 1e300,    1.5,      1e-10,     3e-6,   0x1p-40,
                                   1e38, 1e39,     -INFINITY};
    enum { EDGES = sizeof edges / sizeof *edges, N = 20000 };
    static double x[N];
    static const int64_t dim[] = {N};
    static const struct {
        const char *name;
        long double (*exact)(long double);
        double limit;
    } functions[] = {
        {"Atan", atanl, INFINITY}, {"Tan", tanl, 1e6}, {"Asin", asinl, 1}, {"Acos", acosl, 1}};
    (void)state;
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        for (size_t i = 0; i < N; i++)
            x[i] = i < EDGES ? edges[i] : noise() * (f > 1 ? 1 : exp2(floor(noise() * 20)));
        call c;
        begin(&c, NULL);
        set_in(&c, 0, INFER_TYPE_DOUBLE, 1, dim, x);
        run(&c, "", functions[f].name);
        const double *y = c.out.data;
        for (size_t i = 0; i < N; i++) {
            const long double exact = functions[f].exact((long double)x[i]);
            if (!(fabs(x[i]) <= functions[f].limit)) {
                assert_true(isnan(y[i]) || f == 1);
                continue;
            }
            const long double error = fabsl((long double)y[i] - exact);
            if (!(error <= 6 * 0x1p-53L * fabsl(exact)))
                fail_msg("%s(%.17g) is %.17g", functions[f].name, x[i], y[i]);
            assert_true(x[i] != 0 || f == 3 || signbit(y[i]) == signbit(x[i]));
        }
        end(&c);
    }
}

static void half_adds_and_broadcasts(void **state) {
    static const int64_t shape[] = {2, 300}, row[] = {300};
    uint16_t a[600], b[300];
    float f = 0.5f, one = 1.25f;
    call c;
    (void)state;
    for (int i = 0; i < 600; i++)
        infer_narrow(INFER_TYPE_FLOAT16, &f, &a[i], 1, false);
    for (int i = 0; i < 300; i++)
        infer_narrow(INFER_TYPE_FLOAT16, &one, &b[i], 1, false);
    begin(&c, NULL);
    set_in(&c, 0, INFER_TYPE_FLOAT16, 1, row, b);
    set_in(&c, 1, INFER_TYPE_FLOAT16, 2, shape, a);
    run(&c, "", "Sub");
    for (int i = 0; i < 600; i++)
        assert_int_equal(((uint16_t *)c.out.data)[i], 0x3a00); /* 0.75 */
    run(&c, "", "Greater");
    for (int i = 0; i < 600; i++)
        assert_int_equal(((uint8_t *)c.out.data)[i], 1);
    end(&c);
}

static void clip_keeps_nan_and_the_upper_bound(void **state) {
    static const int64_t n[] = {4};
    float x[] = {NAN, -5, 0.5f, 5}, min = -1, max = 1, low = -2;
    call c;
    (void)state;
    begin(&c, NULL);
    set_in(&c, 0, INFER_TYPE_FLOAT, 1, n, x);
    set_in(&c, 1, INFER_TYPE_FLOAT, 0, NULL, &min);
    set_in(&c, 2, INFER_TYPE_FLOAT, 0, NULL, &max);
    run(&c, "", "Clip");
    float *y = c.out.data;
    assert_true(isnan(y[0]) && y[1] == -1 && y[2] == 0.5f && y[3] == 1);
    set_in(&c, 2, INFER_TYPE_FLOAT, 0, NULL, &low);
    run(&c, "", "Clip");
    y = c.out.data;
    assert_true(y[1] == -2 && y[2] == -2 && y[3] == -2);
    c.in_at[1] = NULL;
    run(&c, "", "Clip");
    y = c.out.data;
    assert_true(y[1] == -5 && y[2] == -2);
    set_in(&c, 1, INFER_TYPE_FLOAT, 1, n, x);
    assert_int_equal(infer(&c, "Clip"), INFER_ERROR_SHAPE);
    end(&c);
}

static void strings_compare_and_are_chosen(void **state) {
    static const int64_t n[] = {3}, one[] = {1};
    infer_string a[] = {{"ab", 2}, {"", 0}, {"abc", 3}}, b[] = {{"abc", 3}};
    uint8_t want[] = {0, 0, 1};
    call c;
    (void)state;
    begin(&c, NULL);
    set_in(&c, 0, INFER_TYPE_STRING, 1, n, a);
    set_in(&c, 1, INFER_TYPE_STRING, 1, one, b);
    run(&c, "", "Equal");
    assert_memory_equal(c.out.data, want, 3);
    set_in(&c, 0, INFER_TYPE_BOOL, 1, n, want);
    set_in(&c, 1, INFER_TYPE_STRING, 1, n, a);
    set_in(&c, 2, INFER_TYPE_STRING, 1, one, b);
    run(&c, "", "Where");
    infer_string *s = c.out.data;
    assert_true(s[0].size == 3 && s[1].size == 3 && s[2].data == a[2].data);
    set_in(&c, 2, INFER_TYPE_INT64, 1, one, a);
    assert_int_equal(infer(&c, "Where"), INFER_ERROR_TYPE);
    end(&c);
}

/* ---- products ---- */

static float fa[64 * 64 * 8], fb[64 * 64 * 8], fc[64 * 66];

static void fill(void) {
    for (size_t i = 0; i < sizeof fa / sizeof *fa; i++) {
        fa[i] = (float)noise();
        fb[i] = (float)noise();
    }
    for (size_t i = 0; i < sizeof fc / sizeof *fc; i++)
        fc[i] = (float)noise();
}

/* Elements of x in another type; floats keep 8 bits so that all types hold them alike. */
static void convert(infer_type type, const float *x, void *to, size_t n) {
    for (size_t i = 0; i < n; i++)
        switch (type) {
        case INFER_TYPE_DOUBLE:
            ((double *)to)[i] = (double)x[i];
            break;
        case INFER_TYPE_INT32:
            ((int32_t *)to)[i] = (int32_t)(x[i] * 100);
            break;
        case INFER_TYPE_UINT64:
            ((uint64_t *)to)[i] = (uint64_t)(int64_t)(x[i] * 100);
            break;
        default:
            infer_narrow(type, &x[i], (char *)to + i * infer_type_size(type), 1, false);
        }
}

static double element(infer_type type, const void *x, size_t i) {
    float f;
    switch (type) {
    case INFER_TYPE_DOUBLE:
        return ((const double *)x)[i];
    case INFER_TYPE_INT32:
        return ((const int32_t *)x)[i];
    case INFER_TYPE_UINT64:
        return (double)((const int64_t *)x)[i];
    default:
        infer_widen(type, (const char *)x + i * infer_type_size(type), &f, 1);
        return (double)f;
    }
}

/* Relative to the sum of magnitudes: k roundings of the type that is summed in, and one of the
 * type that is stored. */
static double tolerance(infer_type type, size_t k) {
    double stored = type == INFER_TYPE_FLOAT16 ? 0x1p-11 : type == INFER_TYPE_BFLOAT16 ? 0x1p-8 : 0;
    double summed = type == INFER_TYPE_DOUBLE ? 0x1p-53 : 0x1p-24;
    return type == INFER_TYPE_INT32 || type == INFER_TYPE_UINT64
               ? 0
               : stored + (double)(k + 3) * summed;
}

static const infer_type product_types[] = {INFER_TYPE_FLOAT,   INFER_TYPE_DOUBLE,
                                           INFER_TYPE_FLOAT16, INFER_TYPE_BFLOAT16,
                                           INFER_TYPE_INT32,   INFER_TYPE_UINT64};

static double a_store[64 * 64 * 8], b_store[64 * 64 * 8], c_store[64 * 66];

static void gemm_is_the_sum_of_products(void **state) {
    static const int64_t sizes[][3] = {{1, 1, 1},   {1, 33, 7},  {5, 1, 9},    {3, 16, 1},
                                       {17, 17, 5}, {64, 20, 3}, {64, 64, 64}, {2, 3, 0},
                                       {0, 3, 2},   {1, 5, 0}};
    struct {
        float alpha, beta;
        int64_t trans_a, trans_b;
    } p;
    (void)state;
    fill();
    for (size_t t = 0; t < 6; t++)
        for (size_t s = 0; s < 10; s++)
            for (int flags = 0; flags < 32; flags++) {
                infer_type type = product_types[t];
                int64_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
                int c_shape = flags >> 2 & 3;
                p.trans_a = flags & 1;
                p.trans_b = flags >> 1 & 1;
                p.alpha = flags & 16 ? 2 : 1;
                p.beta = flags & 16 ? 3 : 1;
                int64_t a_dim[] = {p.trans_a ? k : m, p.trans_a ? m : k};
                int64_t b_dim[] = {p.trans_b ? n : k, p.trans_b ? k : n};
                int64_t c_dim[] = {c_shape == 3 ? 1 : m, c_shape == 2 ? 1 : n};
                convert(type, fa, a_store, (size_t)(m * k));
                convert(type, fb, b_store, (size_t)(k * n));
                convert(type, fc, c_store, (size_t)(m * n + n + m));
                call c;
                begin(&c, &p);
                set_in(&c, 0, type, 2, a_dim, a_store);
                set_in(&c, 1, type, 2, b_dim, b_store);
                if (c_shape)
                    set_in(&c, 2, type, c_shape == 3 && p.trans_a ? 1 : 2,
                           c_dim + (c_shape == 3 && p.trans_a), c_store);
                run(&c, "", "Gemm");
                for (int64_t i = 0; i < m; i++)
                    for (int64_t j = 0; j < n; j++) {
                        double sum = 0, magnitude = 0, add = 0;
                        for (int64_t l = 0; l < k; l++) {
                            double term =
                                element(type, a_store,
                                        (size_t)(p.trans_a ? l * m + i : i * k + l)) *
                                element(type, b_store, (size_t)(p.trans_b ? j * k + l : l * n + j));
                            sum += term;
                            magnitude += fabs(term);
                        }
                        if (c_shape)
                            add = element(type, c_store,
                                          (size_t)(c_shape == 1   ? i * n + j
                                                   : c_shape == 2 ? i
                                                                  : j));
                        double want = (double)p.alpha * sum + (double)p.beta * add;
                        double near = ((double)p.alpha * magnitude + (double)p.beta * fabs(add)) *
                                      tolerance(type, (size_t)k);
                        double got = element(type, c.out.data, (size_t)(i * n + j));
                        if (!(type == INFER_TYPE_UINT64 && flags & 16)) /* negative there */
                            assert_true(fabs(got - want) <= near);
                    }
                end(&c);
            }
}

static void matmul_stacks_broadcast(void **state) {
    static const struct {
        int32_t rank_a, rank_b;
        int64_t a[4], b[4];
    } cases[] = {{1, 1, {5}, {5}},
                 {1, 2, {5}, {5, 3}},
                 {2, 1, {4, 5}, {5}},
                 {2, 2, {4, 5}, {5, 3}},
                 {3, 2, {2, 4, 5}, {5, 3}},
                 {3, 1, {2, 4, 5}, {5}},
                 {1, 3, {5}, {2, 5, 3}},
                 {4, 3, {2, 1, 4, 5}, {3, 5, 3}},
                 {3, 4, {3, 4, 5}, {2, 1, 5, 3}},
                 {4, 4, {2, 3, 1, 5}, {2, 3, 5, 17}},
                 {3, 3, {2, 4, 5}, {1, 5, 1}}};
    (void)state;
    fill();
    for (size_t t = 0; t < 6; t++)
        for (size_t s = 0; s < sizeof cases / sizeof *cases; s++) {
            infer_type type = product_types[t];
            int32_t ra = cases[s].rank_a, rb = cases[s].rank_b;
            call c;
            convert(type, fa, a_store, 500);
            convert(type, fb, b_store, 1000);
            begin(&c, NULL);
            set_in(&c, 0, type, ra, cases[s].a, a_store);
            set_in(&c, 1, type, rb, cases[s].b, b_store);
            run(&c, "", "MatMul");
            size_t m = ra > 1 ? (size_t)cases[s].a[ra - 2] : 1;
            size_t n = rb > 1 ? (size_t)cases[s].b[rb - 1] : 1, k = 5;
            infer_view va = c.in[0], vb = c.in[1], stack = c.out;
            va.rank = ra > 2 ? ra - 2 : 0;
            vb.rank = rb > 2 ? rb - 2 : 0;
            stack.rank = c.out.rank - (ra > 1) - (rb > 1);
            assert_int_equal(infer_view_count(&c.out), (int64_t)(m * n) * infer_view_count(&stack));
            for (size_t i = 0; i < (size_t)infer_view_count(&c.out); i++) {
                size_t at = i / (m * n), row = i / n % m, column = i % n;
                double sum = 0, magnitude = 0;
                for (size_t l = 0; l < k; l++) {
                    double term =
                        element(type, a_store, offset_of(&va, &stack, at) * m * k + row * k + l) *
                        element(type, b_store, offset_of(&vb, &stack, at) * k * n + l * n + column);
                    sum += term;
                    magnitude += fabs(term);
                }
                assert_true(fabs(element(type, c.out.data, i) - sum) <=
                            magnitude * tolerance(type, k));
            }
            end(&c);
        }
}

static void packed_weights_are_checked(void **state) {
    static const int64_t a_dim[] = {3, 5}, b_dim[] = {5, 20}, t_dim[] = {20, 5}, bias_dim[] = {20};
    int64_t trans = 0, n[2] = {20}; /* columns, activation */
    float want[60];
    call c, packed;
    (void)state;
    fill();
    begin(&c, NULL);
    set_in(&c, 0, INFER_TYPE_FLOAT, 2, a_dim, fa);
    set_in(&c, 1, INFER_TYPE_FLOAT, 2, b_dim, fb);
    run(&c, "", "MatMul");
    for (int i = 0; i < 60; i++)
        want[i] = ((float *)c.out.data)[i] + fc[i % 20];
    end(&c);
    for (trans = 0; trans < 2; trans++) {
        float turned[100];
        for (int i = 0; i < 100; i++)
            turned[i] = trans ? fb[i % 5 * 20 + i / 5] : fb[i];
        begin(&packed, &trans);
        set_in(&packed, 0, INFER_TYPE_FLOAT, 2, trans ? t_dim : b_dim, turned);
        run(&packed, "infer", "PackWeights");
        begin(&c, n);
        n[0] = 20;
        set_in(&c, 0, INFER_TYPE_FLOAT, 2, a_dim, fa);
        set_in(&c, 1, INFER_TYPE_FLOAT, 3, packed.out.dim, packed.out.data);
        set_in(&c, 2, INFER_TYPE_FLOAT, 1, bias_dim, fc);
        run(&c, "infer", "MatMulPacked");
        for (int i = 0; i < 60; i++)
            assert_true(fabsf(((float *)c.out.data)[i] - want[i]) < 1e-5f);
        const infer_op *op = infer_op_find("infer", "MatMulPacked");
        for (n[0] = -1; n[0] < 40;
             n[0] += 3) /* 17 to 32 columns fit two panels, but not this bias */
            assert_int_equal(infer_op_infer(op, &c.env), n[0] == 20 ? INFER_OK : INFER_ERROR_SHAPE);
        n[0] = INT64_MAX;
        assert_int_equal(infer_op_infer(op, &c.env), INFER_ERROR_SHAPE);
        end(&c);
        end(&packed);
    }
}

/* ---- softmax ---- */

static void softmax_of_every_axis_sums_to_one(void **state) {
    static const int64_t dim[] = {3, 7, 19};
    static const infer_type types[] = {INFER_TYPE_FLOAT, INFER_TYPE_DOUBLE, INFER_TYPE_FLOAT16};
    (void)state;
    fill();
    for (size_t t = 0; t < 3; t++)
        for (int64_t axis = -3; axis < 3; axis++) {
            size_t n = (size_t)dim[(axis + 3) % 3];
            size_t stride = axis == -1 || axis == 2 ? 1 : axis == -2 || axis == 1 ? 19 : 133;
            double near = types[t] == INFER_TYPE_FLOAT16 ? 0x1p-10
                          : types[t] == INFER_TYPE_FLOAT ? 1e-6
                                                         : 1e-14;
            call c, l;
            convert(types[t], fa, a_store, 399);
            begin(&c, &axis);
            begin(&l, &axis);
            set_in(&c, 0, types[t], 3, dim, a_store);
            set_in(&l, 0, types[t], 3, dim, a_store);
            run(&c, "", "Softmax");
            run(&l, "", "LogSoftmax");
            for (size_t i = 0; i < 399; i++) {
                long double sum = 0;
                size_t first = i - i / stride % n * stride;
                for (size_t r = 0; r < n; r++)
                    sum += expl((long double)element(types[t], a_store, first + r * stride));
                double x = element(types[t], a_store, i);
                double want = (double)(expl((long double)x) / sum),
                       log_want = x - (double)logl(sum);
                assert_true(fabs(element(types[t], c.out.data, i) - want) <= near * want);
                assert_true(fabs(element(types[t], l.out.data, i) - log_want) <=
                            near * (1 + fabs(log_want)));
            }
            end(&c);
            end(&l);
        }
    int64_t bad = 3;
    call c;
    begin(&c, &bad);
    set_in(&c, 0, INFER_TYPE_FLOAT, 3, dim, fa);
    assert_int_equal(infer(&c, "Softmax"), INFER_ERROR_SHAPE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_sorted_and_found),
        cmocka_unit_test(inputs_are_checked),
        cmocka_unit_test(walk_meets_the_elements_in_order),
        cmocka_unit_test(unknown_extents_broadcast),
        cmocka_unit_test(integers_divide_without_traps),
        cmocka_unit_test(double_trigonometry_is_exact),
        cmocka_unit_test(half_adds_and_broadcasts),
        cmocka_unit_test(clip_keeps_nan_and_the_upper_bound),
        cmocka_unit_test(strings_compare_and_are_chosen),
        cmocka_unit_test(gemm_is_the_sum_of_products),
        cmocka_unit_test(matmul_stacks_broadcast),
        cmocka_unit_test(packed_weights_are_checked),
        cmocka_unit_test(softmax_of_every_axis_sums_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
