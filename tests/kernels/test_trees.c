/* Kernels over trees: every variant against a plain walk, exactly: any nodes, rows of any length,
 * memory that ends where they do. */
#include "unit.h"
#include "variants.h"

#include <math.h>
#include <string.h>

static variant list[VARIANTS_MAX];
static size_t count;

static uint32_t walked(const infer_tree_nodes *t, const float *row, uint32_t at, uint32_t steps) {
    at = at < t->last ? at : t->last;
    for (; steps > 0; steps--) {
        infer_tree_node_f32 n = t->nodes[at];
        uint64_t to = (uint64_t)at + (n.link >> t->next) + (row[n.link & t->mask] <= n.value);
        at = to < t->last ? (uint32_t)to : t->last;
    }
    return at;
}

static void walk_case(void) {
    const size_t n = 1 + choose(300), trees = choose(100),
                 room = (trees + INFER_WALK_LANES - 1) / INFER_WALK_LANES * INFER_WALK_LANES;
    const uint32_t bits = (uint32_t)choose(9), steps = (uint32_t)choose(12);
    infer_tree_node_f32 *nodes = fenced(0, n * sizeof *nodes);
    float *row = fenced(1, ((size_t)1 << bits) * sizeof *row);
    uint32_t *starts = fenced(2, trees * sizeof *starts);
    const infer_tree_nodes t = {nodes, (uint32_t)n - 1, bits + 3, (1u << bits) - 1};
    for (size_t i = 0; i < (size_t)1 << bits; i++)
        row[i] = choose(10) ? (float)choose(5) : NAN;
    for (size_t i = 0; i < n; i++) {
        const uint32_t any = (uint32_t)choose(1u << 31);
        nodes[i].value = choose(10) ? (float)choose(5) : NAN;
        nodes[i].link =
            choose(20) ? (any & ((8u << bits) - 1)) | (uint32_t)choose(9) << t.next : any * 2;
    }
    for (size_t i = 0; i < trees; i++)
        starts[i] = choose(20) ? (uint32_t)choose(n) : UINT32_MAX - (uint32_t)choose(n);
    const bool in_place = choose(2);
    for (size_t v = 0; v < count; v++) {
        uint32_t *at = fenced(3, room * sizeof *at), links = 0;
        float *values = fenced(4, room * sizeof *values);
        if (in_place)
            memcpy(at, starts, trees * sizeof *at);
        bool more = list[v].k.trees_f32(&t, row, in_place ? at : starts, at, values, trees, steps);
        for (size_t i = 0; i < trees; i++) {
            assert_int_equal(at[i], walked(&t, row, starts[i], steps));
            assert_true(memcmp(&values[i], &nodes[at[i]].value, sizeof(float)) == 0);
            links |= nodes[at[i]].link;
        }
        assert_int_equal(more, links >> t.next != 0);
        assert_true(fence_holds(3) && fence_holds(4));
    }
}

static void walks(void **state) {
    (void)state;
    for (int i = 0; i < 4000; i++)
        walk_case();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(walks)};
    count = variants_find(list);
    return cmocka_run_group_tests_name("trees", tests, NULL, NULL);
}
