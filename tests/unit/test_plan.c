/* What planning knows of branches, and that runs allocate nothing behind what it cannot know. */
#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "counting.h"
#include "onnx_answers.h"

enum { COLUMNS_MOST = 5, RUNS = 4 };

/* ---- models: x [n, ?] and flag -> y ---- */

typedef struct branch {
    const char *op, *in, *out;
} branch;

static void body_of(onnx_model *m, const char *name, const branch *nodes, size_t count) {
    onnx_model body = {0};
    for (size_t i = 0; i < count; i++)
        onnx_node(&body, nodes[i].op, nodes[i].in, nodes[i].out);
    onnx_output(&body, nodes[count - 1].out, INFER_TYPE_FLOAT, -1, NULL);
    onnx_body(m, name, &body);
}

static void ports(onnx_model *m) {
    onnx_input(m, "x", INFER_TYPE_FLOAT, ONNX_DIMS(ONNX_N, ONNX_OPEN));
    onnx_input(m, "flag", INFER_TYPE_BOOL, 0, NULL);
    onnx_constant(m, "one", INFER_TYPE_INT64, (const int64_t[]){1}, ONNX_DIMS(1));
    onnx_constant(m, "rest", INFER_TYPE_INT64, (const int64_t[]){-1}, ONNX_DIMS(1));
    onnx_output(m, "y", INFER_TYPE_FLOAT, -1, NULL);
}

/* Columns choose: one goes, of more there is the sum of rows after a body in the body. */
static void *chosen(size_t *size) {
    onnx_model m = {0}, deep = {0}, other = {0};
    ports(&m);
    onnx_node(&m, "Shape", "x", "shape");
    onnx_node(&m, "Gather", "shape one", "columns");
    onnx_node(&m, "Equal", "columns one", "single");
    onnx_node(&m, "If", "single", "z");
    body_of(&m, "then_branch", &(branch){"Squeeze", "x one", "squeezed"}, 1);
    onnx_node(&deep, "Shape", "x", "again");
    onnx_node(&deep, "Size", "again", "rank");
    onnx_node(&deep, "Equal", "rank one", "flat");
    onnx_node(&deep, "If", "flat", "inner");
    body_of(&deep, "then_branch", &(branch){"Exp", "x", "never"}, 1);
    onnx_node(&other, "Neg", "x", "minus");
    onnx_node(&other, "Neg", "minus", "plus");
    onnx_output(&other, "plus", INFER_TYPE_FLOAT, -1, NULL);
    onnx_body(&deep, "else_branch", &other);
    onnx_node(&deep, "ReduceSum", "inner one", "sum");
    onnx_int(&deep, "keepdims", 0);
    onnx_output(&deep, "sum", INFER_TYPE_FLOAT, -1, NULL);
    onnx_body(&m, "else_branch", &deep);
    onnx_node(&m, "Abs", "z", "y");
    return onnx_bytes(&m, size);
}

/* A branch that reads what follows from shapes outside of it. */
static void *captured(size_t *size) {
    onnx_model m = {0};
    ports(&m);
    onnx_node(&m, "Shape", "x", "shape");
    onnx_node(&m, "Gather", "shape one", "columns");
    onnx_node(&m, "Concat", "columns rest", "target");
    onnx_int(&m, "axis", 0);
    onnx_node(&m, "Less", "one columns", "many");
    onnx_node(&m, "If", "many", "z");
    body_of(&m, "then_branch", &(branch){"Reshape", "x target", "turned"}, 1);
    body_of(&m, "else_branch", &(branch){"Identity", "x", "same"}, 1);
    onnx_node(&m, "Abs", "z", "a");
    onnx_node(&m, "ReduceSum", "a", "y");
    onnx_int(&m, "keepdims", 0);
    return onnx_bytes(&m, size);
}

/* Data choose between branches of one shape; the second cannot run where there are many columns. */
static void *open_condition(size_t *size) {
    onnx_model m = {0};
    ports(&m);
    onnx_node(&m, "If", "flag", "z");
    body_of(&m, "then_branch", (const branch[]){{"Relu", "x", "r"}, {"Exp", "r", "e"}}, 2);
    body_of(&m, "else_branch",
            (const branch[]){{"Squeeze", "x one", "s"}, {"Unsqueeze", "s one", "u"}}, 2);
    onnx_node(&m, "Abs", "z", "y");
    return onnx_bytes(&m, size);
}

/* Extents from data, and what hangs on them. */
static void *from_data(size_t *size) {
    onnx_model m = {0};
    ports(&m);
    onnx_node(&m, "NonZero", "x", "where");
    onnx_node(&m, "Transpose", "where", "pairs");
    onnx_node(&m, "GatherND", "x pairs", "picked");
    onnx_node(&m, "Neg", "picked", "minus");
    onnx_node(&m, "Exp", "minus", "e");
    onnx_node(&m, "If", "flag", "z");
    body_of(&m, "then_branch", (const branch[]){{"Sqrt", "e", "r"}, {"Abs", "r", "a"}}, 2);
    body_of(&m, "else_branch", (const branch[]){{"Neg", "e", "n"}, {"Neg", "n", "nn"}}, 2);
    onnx_node(&m, "ReduceSum", "z", "y");
    onnx_int(&m, "keepdims", 0);
    return onnx_bytes(&m, size);
}

/* A loop that hands a value on, one time or three times. */
static void *looped(size_t *size) {
    onnx_model m = {0}, body = {0};
    ports(&m);
    onnx_constant(&m, "turns", INFER_TYPE_INT64, (const int64_t[]){1}, 0, NULL);
    onnx_node(&m, "Loop", "turns flag x", "z");
    onnx_input(&body, "turn", INFER_TYPE_INT64, 0, NULL);
    onnx_input(&body, "go", INFER_TYPE_BOOL, 0, NULL);
    onnx_input(&body, "state", INFER_TYPE_FLOAT, -1, NULL);
    onnx_node(&body, "Identity", "go", "on");
    onnx_node(&body, "Exp", "state", "next");
    onnx_output(&body, "on", INFER_TYPE_BOOL, 0, NULL);
    onnx_output(&body, "next", INFER_TYPE_FLOAT, -1, NULL);
    onnx_body(&m, "body", &body);
    onnx_node(&m, "Abs", "z", "y");
    return onnx_bytes(&m, size);
}

/* ---- what is asked of them ---- */

static infer_status run(infer_context *c, int64_t columns, bool flag, infer_value *y) {
    float x[2 * COLUMNS_MOST];
    int64_t shape[] = {2, columns};
    uint8_t bit = flag;
    infer_value in[2] = {floats(x, 2, shape), {.type = INFER_TYPE_BOOL, .data = &bit, .count = 1}};
    for (int64_t i = 0; i < 2 * columns; i++)
        x[i] = (float)(i % 3) - 1;
    *y = (infer_value){0};
    return infer_run(c, NULL, in, 2, NULL, y, 1);
}

static bool is_dynamic(const infer_context *c, const char *op) {
    bool any = false;
    for (size_t i = 0; i < c->program->step_count; i++)
        if (!strcmp(c->program->steps[i].op->name, op))
            any = any || c->state[i] == INFER_STEP_DYNAMIC;
    return any;
}

typedef struct bench {
    counter n;
    infer_model *model;
    infer_context *c;
} bench;

static void begin(bench *b, onnx_maker *make) {
    infer_allocator allocator = {counter_alloc, counter_free, &b->n};
    infer_options options;
    infer_options_init(&options);
    options.allocator = &allocator;
    size_t size;
    void *bytes = make(&size);
    ok(infer_load_memory_with(bytes, size, INFER_COPY, &options, &b->model));
    free(bytes);
    ok(infer_context_new(b->model, &b->c));
}

static void end(bench *b) {
    infer_context_free(b->c);
    infer_free(b->model);
    assert_int_equal(b->n.held, 0);
}

static void the_branch_of_a_shape_is_planned(void **state) {
    (void)state;
    static const float sums[][2] = {{0, 0}, {1, 0}, {1, 0}, {0, 0}, {1, 0}};
    bench b = {0};
    infer_value y;
    begin(&b, chosen);
    for (size_t round = 0; round < 3; round++)
        for (int64_t columns = 1; columns <= 4; columns++) {
            ok(run(b.c, columns, false, &y));
            assert_int_equal(y.rank, 1);
            expect_floats(&y, sums[columns], 2, 0);
            assert_false(is_dynamic(b.c, "If") || is_dynamic(b.c, "Abs"));
        }
    end(&b);
}

static void branches_know_what_follows_from_shapes(void **state) {
    (void)state;
    static const float sums[] = {0, 1, 3, 4, 5};
    bench b = {0};
    infer_value y;
    begin(&b, captured);
    for (size_t round = 0; round < 3; round++)
        for (int64_t columns = 1; columns <= 4; columns++) {
            ok(run(b.c, columns, false, &y));
            expect_floats(&y, &sums[columns], 1, 0);
            assert_false(is_dynamic(b.c, "If") || is_dynamic(b.c, "Reshape") ||
                         is_dynamic(b.c, "Abs"));
        }
    end(&b);
}

/* Both branches plan the same; or only one can be run, and the other says why. */
static void open_conditions_have_shapes(void **state) {
    (void)state;
    bench b = {0};
    infer_value y;
    begin(&b, open_condition);
    for (size_t round = 0; round < 3; round++) {
        ok(run(b.c, 1, round % 2, &y));
        expect_floats(&y, round % 2 ? (float[]){1, 1} : (float[]){1, 0}, 2, 0);
        assert_false(is_dynamic(b.c, "If") || is_dynamic(b.c, "Abs"));
        ok(run(b.c, 2, true, &y));
        assert_int_equal(y.count, 4);
        refused(run(b.c, 2, false, &y), INFER_ERROR_SHAPE, "Squeeze", "If");
    }
    end(&b);
}

/* The second run of each shape and branch, and all behind it, find their memory. */
static void runs_allocate_nothing(void **state) {
    (void)state;
    onnx_maker *const models[] = {chosen, captured, open_condition, from_data, looped};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        bench b = {0};
        infer_value y;
        begin(&b, models[i]);
        for (int64_t columns = 1; columns <= (models[i] == open_condition ? 1 : 4); columns++)
            for (int flag = 0; flag < 2; flag++) {
                float first = 0;
                for (size_t again = 0; again < RUNS; again++) {
                    size_t before = b.n.calls, before_malloc = malloc_calls;
                    ok(run(b.c, columns, flag, &y));
                    if (again && (b.n.calls != before || malloc_calls != before_malloc))
                        fail_msg("model %zu, %d columns, run %zu: %zu allocations", i, (int)columns,
                                 again, b.n.calls - before + malloc_calls - before_malloc);
                    first = again ? first : *(const float *)y.data;
                    assert_true(first == *(const float *)y.data);
                }
            }
        end(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_branch_of_a_shape_is_planned),
        cmocka_unit_test(branches_know_what_follows_from_shapes),
        cmocka_unit_test(open_conditions_have_shapes),
        cmocka_unit_test(runs_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
