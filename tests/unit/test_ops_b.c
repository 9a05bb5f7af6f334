/* Movement, reduction and ai.onnx.ml operators, called as the engine calls them: infer, then run.
 */
#include "kernels.h"
#include "ml_link.h"
#include "movement.h"
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

/* ---- a call without a graph ---- */

extern const infer_op infer_op_reshape, infer_op_flatten, infer_op_squeeze, infer_op_unsqueeze,
    infer_op_shape, infer_op_gather, infer_op_slice, infer_op_concat, infer_op_transpose,
    infer_op_reduce_sum, infer_op_reduce_max, infer_op_reduce_min, infer_op_reduce_mean,
    infer_op_reduce_log_sum_exp, infer_op_arg_max, infer_op_linear_classifier, infer_op_scaler,
    infer_op_imputer, infer_op_array_feature_extractor, infer_op_label_encoder, infer_op_zip_map;

#define ROOM 65536

typedef struct call {
    infer_op_env env;
    const infer_op *op;
    infer_kernels kernels;
    infer_view in[5], out[2];
    const infer_view *in_at[5];
    infer_view *out_at[2];
    uint64_t params[32];
    char blob[ROOM];
    size_t blob_used;
    void *taken[16];
    size_t taken_count;
} call;

static void *take(infer_op_env *env, size_t size) {
    call *c = env->owner;
    assert_true(c->taken_count < 16);
    return c->taken[c->taken_count++] = malloc(size ? size : 1);
}

static const infer_op_attr *find_attr(const infer_op *op, const char *name) {
    for (size_t i = 0; i < op->attr_count; i++)
        if (strcmp(op->attrs[i].name, name) == 0)
            return &op->attrs[i];
    fail_msg("no attribute %s", name);
    return NULL;
}

static call *begin(const infer_op *op) {
    call *c = calloc(1, sizeof *c);
    infer_kernels_init(&c->kernels, 0);
    infer_kernels_init_blocked(&c->kernels, 0);
    c->op = op;
    assert_true(op->params_size <= sizeof c->params);
    for (size_t i = 0; i < op->attr_count; i++) {
        char *field = (char *)c->params + op->attrs[i].offset;
        if (op->attrs[i].type == INFER_ATTR_INT)
            *(int64_t *)(void *)field = (int64_t)op->attrs[i].number;
        if (op->attrs[i].type == INFER_ATTR_FLOAT)
            *(float *)(void *)field = (float)op->attrs[i].number;
    }
    c->env = (infer_op_env){.params = c->params,
                            .blob = c->blob,
                            .blob_size = sizeof c->blob,
                            .in = c->in_at,
                            .out = c->out_at,
                            .out_count = op->max_out,
                            .kernels = &c->kernels,
                            .alloc = take,
                            .owner = c};
    for (uint32_t i = 0; i < op->max_out; i++)
        c->out_at[i] = &c->out[i];
    return c;
}

static void end(call *c) {
    for (size_t i = 0; i < c->taken_count; i++)
        free(c->taken[i]);
    free(c);
}

static void set_int(call *c, const char *name, int64_t value) {
    memcpy((char *)c->params + find_attr(c->op, name)->offset, &value, sizeof value);
}

static void set_list(call *c, const char *name, infer_type type, const void *data, size_t count) {
    size_t size = count * infer_type_size(type);
    infer_list list = {c->blob_used, count, type, 0};
    assert_true(c->blob_used + size <= ROOM);
    memcpy(c->blob + c->blob_used, data, size);
    c->blob_used += (size + 7) / 8 * 8;
    memcpy((char *)c->params + find_attr(c->op, name)->offset, &list, sizeof list);
}

/* An input of this shape, given as "2x3"; "" is a scalar, "?" an unknown extent. */
static void input(call *c, infer_type type, const char *shape, const void *data) {
    infer_view *v = &c->in[c->env.in_count];
    v->type = (uint8_t)type;
    v->data = (void *)data;
    for (const char *s = shape; *s; s += strcspn(s, "x"), s += *s == 'x')
        v->dim[v->rank++] = *s == '?' ? -1 : strtoll(s, NULL, 10);
    c->in_at[c->env.in_count++] = v;
}

static infer_status infer(call *c) {
    return infer_op_infer(c->op, &c->env);
}

static infer_status run(call *c) {
    infer_status status = infer(c);
    if (status != INFER_OK)
        return status;
    for (uint32_t i = 0; i < c->env.out_count; i++)
        if (c->out[i].kind == INFER_KIND_TENSOR)
            c->out[i].data = take(&c->env, infer_view_bytes(&c->out[i]));
    return c->op->run(&c->env);
}

static void expect_shape(const infer_view *v, const char *shape) {
    char text[256] = "";
    for (int32_t i = 0; i < v->rank; i++)
        sprintf(text + strlen(text), i ? "x%lld" : "%lld", (long long)v->dim[i]);
    assert_int_not_equal(v->rank, -1);
    assert_string_equal(text, shape);
}

#define OUT(c, type, i) (((const type *)(c)->out[0].data)[i])

/* ---- shapes ---- */

static infer_status reshape(const char *from, const int64_t *to, size_t n, int64_t allowzero,
                            const char *expected) {
    call *c = begin(&infer_op_reshape);
    char rank[8];
    sprintf(rank, "%zu", n);
    set_int(c, "allowzero", allowzero);
    input(c, INFER_TYPE_FLOAT, from, NULL);
    input(c, INFER_TYPE_INT64, rank, to);
    infer_status status = infer(c);
    if (status == INFER_OK)
        expect_shape(&c->out[0], expected);
    end(c);
    return status;
}

static void test_reshape(void **state) {
    (void)state;
    assert_int_equal(reshape("2x3x4", (int64_t[]){0, -1}, 2, 0, "2x12"), INFER_OK);
    assert_int_equal(reshape("?x3x4", (int64_t[]){0, -1}, 2, 0, "-1x12"), INFER_OK);
    assert_int_equal(reshape("?x3", (int64_t[]){-1, 3}, 2, 0, "-1x3"), INFER_OK);
    assert_int_equal(reshape("0x3", (int64_t[]){3, 0}, 2, 1, "3x0"), INFER_OK);
    assert_int_equal(reshape("", (int64_t[]){1, 1}, 2, 0, "1x1"), INFER_OK);
    assert_int_equal(reshape("2x3", NULL, 0, 0, NULL), INFER_ERROR_SHAPE);
    assert_int_equal(reshape("1x1", NULL, 0, 0, ""), INFER_OK);
    assert_int_equal(reshape("2x3", (int64_t[]){4, -1}, 2, 0, NULL), INFER_ERROR_SHAPE);
    assert_int_equal(reshape("2x3", (int64_t[]){5}, 1, 0, NULL), INFER_ERROR_SHAPE);
    assert_int_equal(reshape("2x3", (int64_t[]){1, 1, 0, 6}, 4, 0, NULL), INFER_ERROR_SHAPE);
    assert_int_equal(reshape("2x3", (int64_t[]){-1, -1}, 2, 0, NULL), INFER_ERROR_VALUE);
    assert_int_equal(reshape("2x3", (int64_t[]){-2, 3}, 2, 0, NULL), INFER_ERROR_VALUE);
    assert_int_equal(reshape("2x3", (int64_t[]){0, -1}, 2, 1, NULL), INFER_ERROR_VALUE);
    assert_int_equal(reshape("2x3", (int64_t[]){INT64_MAX, INT64_MAX}, 2, 0, NULL),
                     INFER_ERROR_SHAPE);
}

static infer_status with_axes(const infer_op *op, const char *from, const int64_t *axes,
                              const char *count, const char *expected) {
    call *c = begin(op);
    input(c, INFER_TYPE_FLOAT, from, NULL);
    if (axes)
        input(c, INFER_TYPE_INT64, count, axes);
    infer_status status = infer(c);
    if (status == INFER_OK)
        expect_shape(&c->out[0], expected);
    end(c);
    return status;
}

static void test_squeeze(void **state) {
    (void)state;
    const infer_op *squeeze = &infer_op_squeeze, *unsqueeze = &infer_op_unsqueeze;
    assert_int_equal(with_axes(squeeze, "1x3x1", NULL, "", "3"), INFER_OK);
    assert_int_equal(with_axes(squeeze, "1x3x1", (int64_t[]){-1}, "1", "1x3"), INFER_OK);
    assert_int_equal(with_axes(squeeze, "1x3x1", (int64_t[]){1}, "1", NULL), INFER_ERROR_SHAPE);
    assert_int_equal(with_axes(squeeze, "1x3x1", (int64_t[]){3}, "1", NULL), INFER_ERROR_SHAPE);
    assert_int_equal(with_axes(unsqueeze, "2x3", (int64_t[]){0, -1}, "2", "1x2x3x1"), INFER_OK);
    assert_int_equal(with_axes(unsqueeze, "2x3", (int64_t[]){0, 0}, "2", NULL), INFER_ERROR_VALUE);
    assert_int_equal(with_axes(unsqueeze, "2x3", (int64_t[]){4}, "1", NULL), INFER_ERROR_SHAPE);
}

static void test_shape_and_flatten(void **state) {
    (void)state;
    call *c = begin(&infer_op_shape);
    set_int(c, "start", -2);
    set_int(c, "end", 100);
    input(c, INFER_TYPE_FLOAT, "2x3x4", NULL);
    assert_int_equal(run(c), INFER_OK);
    expect_shape(&c->out[0], "2");
    assert_int_equal(OUT(c, int64_t, 0), 3);
    assert_int_equal(OUT(c, int64_t, 1), 4);
    end(c);
    c = begin(&infer_op_flatten);
    input(c, INFER_TYPE_FLOAT, "?x3x4", NULL);
    assert_int_equal(infer(c), INFER_OK);
    expect_shape(&c->out[0], "-1x12");
    set_int(c, "axis", 4);
    assert_int_equal(infer(c), INFER_ERROR_SHAPE);
    end(c);
}

/* ---- movement ---- */

/* The strided copy against one element at a time, over random shapes, orders and sizes. */
static void test_transpose(void **state) {
    (void)state;
    static const infer_type types[] = {INFER_TYPE_UINT8, INFER_TYPE_INT16, INFER_TYPE_FLOAT,
                                       INFER_TYPE_DOUBLE, INFER_TYPE_COMPLEX128};
    srand(7);
    for (int round = 0; round < 400; round++) {
        infer_type type = types[round % 5];
        size_t size = infer_type_size(type), total = 1;
        int64_t perm[6], dim[6], from[6];
        int rank = 1 + rand() % 6, limit = rank < 3 ? 70 : 6;
        char shape[64] = "";
        for (int i = 0; i < rank; i++) {
            dim[i] = 1 + rand() % limit;
            total *= (size_t)dim[i];
            sprintf(shape + strlen(shape), i ? "x%d" : "%d", (int)dim[i]);
            int j = rand() % (i + 1);
            perm[i] = perm[j];
            perm[j] = i;
        }
        unsigned char *data = malloc(total * size);
        for (size_t i = 0; i < total * size; i++)
            data[i] = (unsigned char)rand();
        call *c = begin(&infer_op_transpose);
        set_list(c, "perm", INFER_TYPE_INT64, perm, (size_t)rank);
        input(c, type, shape, data);
        assert_int_equal(run(c), INFER_OK);
        int64_t step = 1;
        for (int i = rank; i-- > 0; step *= dim[i])
            from[i] = step;
        for (size_t n = 0; n < total; n++) {
            size_t rest = n, at = 0;
            for (int i = rank; i-- > 0; rest /= (size_t)dim[perm[i]])
                at += rest % (size_t)dim[perm[i]] * (size_t)from[perm[i]];
            assert_memory_equal((const char *)c->out[0].data + n * size, data + at * size, size);
        }
        end(c);
        free(data);
    }
    call *c = begin(&infer_op_transpose);
    set_list(c, "perm", INFER_TYPE_INT64, (int64_t[]){0, 0}, 2);
    input(c, INFER_TYPE_FLOAT, "2x3", NULL);
    assert_int_equal(infer(c), INFER_ERROR_VALUE);
    end(c);
}

static call *slice(int64_t start, int64_t stop, int64_t step, const float *data, int64_t *lists) {
    call *c = begin(&infer_op_slice);
    lists[0] = start;
    lists[1] = stop;
    lists[2] = 0;
    lists[3] = step;
    input(c, INFER_TYPE_FLOAT, "5", data);
    for (int i = 0; i < 4; i++)
        input(c, INFER_TYPE_INT64, "1", lists + i);
    return c;
}

static void test_slice(void **state) {
    (void)state;
    static const float data[] = {0, 1, 2, 3, 4};
    int64_t lists[4];
    call *c = slice(1, INT64_MAX, 1, data, lists);
    assert_int_equal(run(c), INFER_OK);
    expect_shape(&c->out[0], "4");
    assert_float_equal(OUT(c, float, 0), 1, 0);
    /* Values that would give another extent than the one planned for. */
    lists[0] = 3;
    assert_int_equal(c->op->run(&c->env), INFER_ERROR_VALUE);
    end(c);
    c = slice(INT64_MIN, INT64_MAX, 1, data, lists);
    lists[2] = 1;
    assert_int_equal(infer(c), INFER_ERROR_SHAPE);
    end(c);
}

static infer_status stepped(int64_t start, int64_t stop, int64_t step, const char *shape,
                            const float *expected) {
    static const float data[] = {0, 1, 2, 3, 4};
    int64_t lists[4];
    call *c = slice(start, stop, step, data, lists);
    infer_status status = run(c);
    if (status == INFER_OK) {
        expect_shape(&c->out[0], shape);
        assert_memory_equal(c->out[0].data, expected, infer_view_bytes(&c->out[0]));
    }
    end(c);
    return status;
}

static void test_slice_steps(void **state) {
    (void)state;
    assert_int_equal(stepped(-1, INT64_MIN, -2, "3", (float[]){4, 2, 0}), INFER_OK);
    assert_int_equal(stepped(100, -3, -1, "2", (float[]){4, 3}), INFER_OK);
    assert_int_equal(stepped(1, 100, 3, "2", (float[]){1, 4}), INFER_OK);
    assert_int_equal(stepped(3, 1, 1, "0", (float[]){0}), INFER_OK);
    assert_int_equal(stepped(0, 5, INT64_MAX, "1", (float[]){0}), INFER_OK);
    assert_int_equal(stepped(4, INT64_MIN, INT64_MIN, "1", (float[]){4}), INFER_OK);
    assert_int_equal(stepped(0, 5, 0, NULL, NULL), INFER_ERROR_VALUE);
}

static void test_gather(void **state) {
    (void)state;
    static const int16_t data[] = {1, 2, 3, 4, 5, 6};
    call *c = begin(&infer_op_gather);
    int32_t index[] = {-1, 0};
    set_int(c, "axis", 1);
    input(c, INFER_TYPE_INT16, "2x3", data);
    input(c, INFER_TYPE_INT32, "2", index);
    assert_int_equal(run(c), INFER_OK);
    expect_shape(&c->out[0], "2x2");
    assert_memory_equal(c->out[0].data, ((int16_t[]){3, 1, 6, 4}), 8);
    index[1] = 3;
    assert_int_equal(c->op->run(&c->env), INFER_ERROR_VALUE);
    index[1] = -4;
    assert_int_equal(c->op->run(&c->env), INFER_ERROR_VALUE);
    end(c);
}

static void test_concat(void **state) {
    (void)state;
    static const infer_string a[] = {{"a", 1}, {"b", 1}},
                              b[] = {{"c", 1}, {"d", 1}, {"e", 1}, {"f", 1}};
    call *c = begin(&infer_op_concat);
    set_int(c, "axis", -1);
    input(c, INFER_TYPE_STRING, "2x1", a);
    input(c, INFER_TYPE_STRING, "2x2", b);
    assert_int_equal(run(c), INFER_OK);
    expect_shape(&c->out[0], "2x3");
    const char *order = "acdbef";
    for (int i = 0; i < 6; i++)
        assert_int_equal(*OUT(c, infer_string, i).data, order[i]);
    set_int(c, "axis", 0);
    assert_int_equal(infer(c), INFER_ERROR_SHAPE);
    set_int(c, "axis", 2);
    assert_int_equal(infer(c), INFER_ERROR_SHAPE);
    end(c);
}

/* ---- reductions ---- */

static double reduce(const infer_op *op, infer_type type, const char *shape, const void *data,
                     infer_status expected) {
    call *c = begin(op);
    double result = 0;
    input(c, type, shape, data);
    assert_int_equal(run(c), expected);
    if (expected == INFER_OK)
        result = type == INFER_TYPE_FLOAT  ? OUT(c, float, 0)
                 : type == INFER_TYPE_INT8 ? OUT(c, int8_t, 0)
                                           : OUT(c, uint8_t, 0);
    end(c);
    return result;
}

static void test_reduce_empty(void **state) {
    (void)state;
    float none[1] = {0};
    assert_true(reduce(&infer_op_reduce_sum, INFER_TYPE_FLOAT, "0", none, INFER_OK) == 0);
    assert_true(reduce(&infer_op_reduce_max, INFER_TYPE_FLOAT, "0", none, INFER_OK) == -INFINITY);
    assert_true(isnan(reduce(&infer_op_reduce_mean, INFER_TYPE_FLOAT, "0", none, INFER_OK)));
    assert_true(reduce(&infer_op_reduce_max, INFER_TYPE_INT8, "0", none, INFER_OK) == -128);
    assert_true(reduce(&infer_op_reduce_min, INFER_TYPE_UINT8, "0", none, INFER_OK) == 255);
    assert_true(reduce(&infer_op_reduce_min, INFER_TYPE_BOOL, "0", none, INFER_OK) == 1);
    assert_true(reduce(&infer_op_reduce_log_sum_exp, INFER_TYPE_FLOAT, "0", none, INFER_OK) ==
                -INFINITY);
    reduce(&infer_op_reduce_mean, INFER_TYPE_INT8, "0", none, INFER_ERROR_VALUE);
}

static void test_reduce_values(void **state) {
    (void)state;
    enum { N = 1000003 };
    float *x = malloc(N * sizeof *x);
    long double exact = 0;
    for (int i = 0; i < N; i++)
        exact += x[i] = 0.1f + (float)(i % 7);
    double sum = reduce(&infer_op_reduce_sum, INFER_TYPE_FLOAT, "1000003", x, INFER_OK);
    assert_true(sum == (float)exact); /* rounded once, at the end */
    free(x);
    static const float nan[] = {1, NAN, 3, -INFINITY};
    assert_true(isnan(reduce(&infer_op_reduce_max, INFER_TYPE_FLOAT, "4", nan, INFER_OK)));
    static const float large[] = {1000, 1000};
    double lse = reduce(&infer_op_reduce_log_sum_exp, INFER_TYPE_FLOAT, "2", large, INFER_OK);
    assert_true(fabs(lse - (1000 + log(2))) < 1e-4);
}

/* Every set of axes of a shape against sums over index arithmetic. */
static void test_reduce_axes(void **state) {
    (void)state;
    enum { A = 3, B = 2, C = 5, D = 300 };
    static double x[A * B * C * D];
    for (int i = 0; i < A * B * C * D; i++)
        x[i] = i * 37 % 101;
    const int dims[] = {A, B, C, D};
    for (unsigned set = 1; set < 16; set++) {
        static double sums[A * B * C * D];
        int64_t axes[4], count = 0, outputs = 1;
        for (int i = 0; i < 4; i++) {
            if (set >> i & 1)
                axes[count++] = i - 4;
            else
                outputs *= dims[i];
        }
        memset(sums, 0, sizeof sums);
        for (int i = 0; i < A * B * C * D; i++) {
            int64_t rest = i, to = 0, step = 1;
            for (int a = 3; a >= 0; rest /= dims[a], a--)
                if (!(set >> a & 1)) {
                    to += rest % dims[a] * step;
                    step *= dims[a];
                }
            sums[to] += x[i];
        }
        call *c = begin(&infer_op_reduce_sum);
        char length[8];
        sprintf(length, "%d", (int)count);
        set_int(c, "keepdims", set & 1);
        input(c, INFER_TYPE_DOUBLE, "3x2x5x300", x);
        input(c, INFER_TYPE_INT64, length, axes);
        assert_int_equal(run(c), INFER_OK);
        assert_int_equal(c->out[0].rank, set & 1 ? 4 : 4 - count);
        assert_memory_equal(c->out[0].data, sums, (size_t)outputs * sizeof *sums);
        end(c);
    }
}

static void test_arg_max(void **state) {
    (void)state;
    static const float x[] = {1, 7, 7, 2, NAN, 9};
    static const int64_t first[] = {1, 1}, last[] = {2, 1};
    for (int64_t select = 0; select < 2; select++) {
        call *c = begin(&infer_op_arg_max);
        set_int(c, "axis", -1);
        set_int(c, "select_last_index", select);
        input(c, INFER_TYPE_FLOAT, "2x3", x);
        assert_int_equal(run(c), INFER_OK);
        expect_shape(&c->out[0], "2x1");
        assert_memory_equal(c->out[0].data, select ? last : first, sizeof first);
        end(c);
    }
    call *c = begin(&infer_op_arg_max);
    input(c, INFER_TYPE_FLOAT, "0x3", x);
    assert_int_equal(infer(c), INFER_ERROR_SHAPE);
    end(c);
}

/* ---- ai.onnx.ml ---- */

static void test_probit(void **state) {
    (void)state;
    for (double p = 1e-300; p < 0.5; p *= 1.7) {
        double x = infer_probit(p);
        assert_true(fabs(erfc(-x / sqrt(2)) / 2 / p - 1) < 1e-13 * (1 + x * x));
        if (p > 1e-3)
            assert_true(fabs(infer_probit(1 - p) + x) < 1e-12);
    }
    assert_true(infer_probit(0.5) == 0);
    assert_true(infer_probit(0) == -INFINITY);
    assert_true(infer_probit(1) == INFINITY);
    assert_true(isnan(infer_probit(1.5)));
    assert_true(isnan(infer_probit(NAN)));
}

static void test_linear_lists(void **state) {
    (void)state;
    static const float w[] = {1, 2, 3, 4, 5, 6}, x[] = {1, 1, 1};
    static const int64_t labels[] = {10, 20};
    call *c = begin(&infer_op_linear_classifier);
    set_list(c, "coefficients", INFER_TYPE_FLOAT, w, 6);
    set_list(c, "classlabels_ints", INFER_TYPE_INT64, labels, 2);
    input(c, INFER_TYPE_FLOAT, "1x3", x);
    assert_int_equal(run(c), INFER_OK);
    expect_shape(&c->out[1], "1x2");
    assert_int_equal(OUT(c, int64_t, 0), 20);
    set_list(c, "intercepts", INFER_TYPE_FLOAT, w, 1); /* one row, of which three count */
    assert_int_equal(infer(c), INFER_OK);
    set_list(c, "intercepts", INFER_TYPE_FLOAT, w, 3);
    assert_int_equal(infer(c), INFER_ERROR_VALUE);
    set_list(c, "intercepts", INFER_TYPE_FLOAT, w, 2);
    set_list(c, "coefficients", INFER_TYPE_FLOAT, w, 4);
    assert_int_equal(infer(c), INFER_ERROR_SHAPE);
    end(c);
}

static void test_feature_lists(void **state) {
    (void)state;
    static const float two[] = {1, 2};
    call *c = begin(&infer_op_scaler);
    set_list(c, "scale", INFER_TYPE_FLOAT, two, 2);
    input(c, INFER_TYPE_FLOAT, "1x3", NULL);
    assert_int_equal(infer(c), INFER_ERROR_SHAPE);
    end(c);
    c = begin(&infer_op_imputer);
    set_list(c, "imputed_value_floats", INFER_TYPE_FLOAT, two, 2);
    input(c, INFER_TYPE_INT64, "1x2", NULL);
    assert_int_equal(infer(c), INFER_ERROR_VALUE);
    end(c);
    int64_t index[] = {0, -1};
    c = begin(&infer_op_array_feature_extractor);
    input(c, INFER_TYPE_FLOAT, "2", two);
    input(c, INFER_TYPE_INT64, "2", index);
    assert_int_equal(run(c), INFER_ERROR_VALUE);
    index[1] = 2;
    assert_int_equal(c->op->run(&c->env), INFER_ERROR_VALUE);
    end(c);
}

/* A forged image may hold keys in any order: what is found is then undefined, but bounded. */
static void test_label_encoder(void **state) {
    (void)state;
    enum { N = 257 };
    static int64_t keys[N], x[N], values[N];
    int64_t missing = -7;
    for (int sorted = 1; sorted >= 0; sorted--) {
        srand(3);
        for (int i = 0; i < N; i++) {
            keys[i] = sorted ? i * 2 : rand();
            values[i] = i;
            x[i] = i;
        }
        call *c = begin(&infer_op_label_encoder);
        set_list(c, "keys_tensor", INFER_TYPE_INT64, keys, N);
        set_list(c, "values_tensor", INFER_TYPE_INT64, values, N);
        set_list(c, "default_tensor", INFER_TYPE_INT64, &missing, 1);
        input(c, INFER_TYPE_INT64, "257", x);
        assert_int_equal(run(c), INFER_OK);
        for (int i = 0; i < N && sorted; i++)
            assert_int_equal(OUT(c, int64_t, i), i % 2 ? missing : i / 2);
        set_list(c, "values_tensor", INFER_TYPE_INT64, values, N - 1);
        assert_int_equal(infer(c), INFER_ERROR_TYPE);
        end(c);
    }
}

static void test_zip_map(void **state) {
    (void)state;
    static const float x[] = {0.25f, 0.75f, 1, 0};
    static const int64_t labels[] = {5, 6};
    call *c = begin(&infer_op_zip_map);
    set_list(c, "classlabels_int64s", INFER_TYPE_INT64, labels, 2);
    input(c, INFER_TYPE_FLOAT, "2x2", x);
    assert_int_equal(run(c), INFER_OK);
    assert_int_equal(c->out[0].kind, INFER_KIND_SEQUENCE);
    expect_shape(&c->out[0], "2");
    for (int r = 0; r < 2; r++) {
        const infer_view *map = (const infer_view *)c->out[0].data + r, *members = map->data;
        assert_int_equal(map->kind, INFER_KIND_MAP);
        assert_memory_equal(members[0].data, labels, sizeof labels);
        assert_memory_equal(members[1].data, x + 2 * r, 2 * sizeof *x);
    }
    set_list(c, "classlabels_int64s", INFER_TYPE_INT64, labels, 1);
    assert_int_equal(infer(c), INFER_ERROR_SHAPE);
    end(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_squeeze),
        cmocka_unit_test(test_shape_and_flatten),
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_slice_steps),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_reduce_empty),
        cmocka_unit_test(test_reduce_values),
        cmocka_unit_test(test_reduce_axes),
        cmocka_unit_test(test_arg_max),
        cmocka_unit_test(test_probit),
        cmocka_unit_test(test_linear_lists),
        cmocka_unit_test(test_feature_lists),
        cmocka_unit_test(test_label_encoder),
        cmocka_unit_test(test_zip_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
