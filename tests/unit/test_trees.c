/* infer.Trees with constants that nobody checked: whatever stands in them, it stays in its memory
 * and comes to an end. */
#include "trees.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "op_call.h"

#define NODES 7
#define VOTES 4
#define NEXT  (1u << 5) /* of two features: two bits, and three flags */

/* Whatever an image may hold for a small ensemble. */
typedef struct forged {
    infer_trees_params params;
    infer_tree_node_f32 narrow[NODES];
    infer_tree_node_f64 wide[NODES];
    uint32_t roots[3], targets[3], starts[3], vote_targets[VOTES], set_starts[2];
    float weights[VOTES], members[VOTES];
    double weights_f64[VOTES], members_f64[VOTES];
    bool is_wide, has_lists, has_starts, has_sets;
} forged;

/* x[0] <= 1 ? 20 : 10, three times. */
static void make_plain(forged *f) {
    *f = (forged){.params = {.targets = 1,
                             .aggregate = INFER_TREES_SUM,
                             .features = 2,
                             .first = 1,
                             .type = INFER_TYPE_FLOAT}};
    for (int i = 0; i < 7; i++) {
        f->narrow[i] = (infer_tree_node_f32){i ? 10.0f * (float)i : 1, i ? 2 : NEXT};
        f->wide[i] = (infer_tree_node_f64){i ? 10.0 * i : 1, i ? 2 : UINT64_C(1) << 32};
    }
}

static void set_list_in(call *c, uint32_t index, infer_type type, int64_t count, const void *data) {
    set_in(c, index, type, 1, &count, data);
}

static infer_status run_forged(const forged *f, const float *x, float *y) {
    const infer_op *op = infer_op_find("infer", "Trees");
    call c;
    begin(&c, &f->params);
    set_in(&c, INFER_TREES_X, INFER_TYPE_FLOAT, 2, (int64_t[]){1, 2}, x);
    set_in(&c, INFER_TREES_NODES, INFER_TYPE_UINT64, 2, (int64_t[]){NODES, f->is_wide ? 2 : 1},
           f->is_wide ? (const void *)f->wide : f->narrow);
    set_list_in(&c, INFER_TREES_ROOTS, INFER_TYPE_UINT32, 3, f->roots);
    infer_type real = f->is_wide ? INFER_TYPE_DOUBLE : INFER_TYPE_FLOAT;
    if (f->has_lists)
        set_list_in(&c, INFER_TREES_WEIGHTS, real, VOTES,
                    f->is_wide ? (const void *)f->weights_f64 : f->weights);
    else
        set_list_in(&c, INFER_TREES_TARGETS, INFER_TYPE_UINT32, 3, f->targets);
    if (f->has_lists && f->has_starts) {
        set_list_in(&c, INFER_TREES_STARTS, INFER_TYPE_UINT32, 3, f->starts);
        set_list_in(&c, INFER_TREES_VOTE_TARGETS, INFER_TYPE_UINT32, VOTES, f->vote_targets);
    }
    if (f->has_sets) {
        set_list_in(&c, INFER_TREES_SET_STARTS, INFER_TYPE_UINT32, 2, f->set_starts);
        set_list_in(&c, INFER_TREES_MEMBERS, real, VOTES,
                    f->is_wide ? (const void *)f->members_f64 : f->members);
    }
    infer_status status = infer_op_infer(op, &c.env);
    if (status == INFER_OK) {
        c.out.data = take(&c.env, infer_view_bytes(&c.out));
        c.env.scratch = take(&c.env, c.env.scratch_size);
        status = op->run(&c.env);
        if (status == INFER_OK)
            memcpy(y, c.out.data, sizeof *y);
    }
    end(&c);
    return status;
}

static void test_plain(void **state) {
    (void)state;
    forged f;
    float y = 0;
    make_plain(&f);
    for (int wide = 0; wide < 2; wide++) {
        f.is_wide = wide;
        assert_int_equal(run_forged(&f, (float[]){1, 0}, &y), INFER_OK);
        assert_true(y == 60);
        assert_int_equal(run_forged(&f, (float[]){2, 0}, &y), INFER_OK);
        assert_true(y == 30);
        assert_int_equal(run_forged(&f, (float[]){NAN, 0}, &y), INFER_OK);
        assert_true(y == 30);
    }
}

/* Nodes that lead in circles, out of the array or nowhere. */
static void test_circles(void **state) {
    (void)state;
    forged f;
    float y;
    for (int wide = 0; wide < 2; wide++) {
        make_plain(&f);
        f.is_wide = wide;
        for (int i = 0; i < NODES; i++) { /* on and on, and from the end to the start */
            f.narrow[i] = (infer_tree_node_f32){0, NEXT};
            f.wide[i] = (infer_tree_node_f64){0, UINT64_C(1) << 32};
        }
        assert_int_equal(run_forged(&f, (float[]){1, 0}, &y), INFER_ERROR_FORMAT);
        f.narrow[0].link = UINT32_MAX; /* behind the end */
        f.wide[0].link = UINT64_MAX;
        assert_int_equal(run_forged(&f, (float[]){1, 0}, &y), INFER_ERROR_FORMAT);
        f.params.flagged = 1;
        assert_int_equal(run_forged(&f, (float[]){1, 0}, &y), INFER_ERROR_FORMAT);
    }
}

static uint32_t draw(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8 ^ *seed << 13;
}

/* Small numbers, and now and then any. */
static uint32_t number(uint32_t *seed) {
    return draw(seed) % 4 ? draw(seed) % 9 : draw(seed) << 8 ^ draw(seed);
}

static void test_garbage(void **state) {
    (void)state;
    uint32_t seed = 1;
    int good = 0;
    for (int round = 0; round < 40000; round++) {
        forged f;
        make_plain(&f);
        for (int i = 0; i < NODES; i++) {
            uint32_t bits = number(&seed);
            memcpy(&f.narrow[i].value, &bits, sizeof bits);
            memcpy(&f.wide[i].value, &bits, sizeof bits);
            uint32_t next = draw(&seed) % 2 ? 0 : number(&seed);
            f.narrow[i].link = (number(&seed) & 3) | draw(&seed) % 8 << 2 | next * NEXT;
            f.wide[i].link = number(&seed) | draw(&seed) % 8 << 29 | (uint64_t)next << 32;
        }
        for (int i = 0; i < 3; i++) {
            f.roots[i] = number(&seed);
            f.targets[i] = number(&seed);
            f.starts[i] = number(&seed);
            f.set_starts[i % 2] = number(&seed);
        }
        for (int i = 0; i < VOTES; i++)
            f.vote_targets[i] = number(&seed);
        uint32_t way = draw(&seed);
        f.is_wide = way & 1;
        f.has_lists = way & 2;
        f.has_starts = way & 4;
        f.has_sets = way & 8;
        f.params.flagged = way >> 4 & 1;
        f.params.missing = way >> 5 & 1;
        f.params.targets = 1 + (way >> 6 & 3);
        f.params.aggregate = way >> 8 & 3;
        f.params.first = 1 + (way >> 10 & 15);
        float x[2] = {way & 1 << 14 ? NAN : (float)(way % 7), (float)(way % 5)}, y;
        infer_status status = run_forged(&f, x, &y);
        assert_true(status == INFER_OK || status == INFER_ERROR_FORMAT);
        good += status == INFER_OK;
    }
    assert_true(good > 1000 && good < 39000);
}

/* Records that run could not follow. */
static void test_records(void **state) {
    (void)state;
    forged f;
    float y;
#define REFUSED(change)                                                                            \
    make_plain(&f);                                                                                \
    change;                                                                                        \
    assert_int_not_equal(run_forged(&f, (float[]){1, 0}, &y), INFER_OK);
    REFUSED(f.params.features = 3)
    REFUSED(f.params.features = -1)
    REFUSED(f.params.features = INT64_MAX)
    REFUSED(f.params.first = 0)
    REFUSED(f.params.first = INT64_MAX)
    REFUSED(f.params.targets = 0)
    REFUSED(f.params.targets = INT64_MAX)
    REFUSED(f.params.kind = -1)
    REFUSED(f.params.kind = INFER_TREES_KINDS)
    REFUSED(f.params.kind = INFER_TREES_CLASSIFIER) /* no labels, one output */
    REFUSED(f.params.aggregate = 4)
    REFUSED(f.params.type = INFER_TYPE_INT64)
    REFUSED(f.params.type = INT64_MAX)
    REFUSED(f.params.base_values = ((infer_list){0, 2, INFER_TYPE_DOUBLE, 0}))
#undef REFUSED
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_circles),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests_name("trees", tests, NULL, NULL);
}
