/* Walking trees without vectors: several at once, so that a processor has something to do while it
 * waits for a node. */
#include "kernels.h"

#include <stddef.h>

#define ABREAST 8 /* trees whose places fit registers */

static inline uint32_t within(infer_tree_nodes t, uint32_t at) {
    return at < t.last ? at : t.last;
}

/* One step from node number `at`; one that leads past the last node ends there. */
static inline uint32_t step(infer_tree_nodes t, const float *row, uint32_t at) {
    infer_tree_node_f32 n = t.nodes[at];
    return within(t, at + (n.link >> t.next) + (uint32_t)(row[n.link & t.mask] <= n.value));
}

static void walk(infer_tree_nodes t, const float *row, const uint32_t *from, uint32_t *at,
                 uint32_t steps) {
    uint32_t a = within(t, from[0]), b = within(t, from[1]), c = within(t, from[2]),
             d = within(t, from[3]), e = within(t, from[4]), f = within(t, from[5]),
             g = within(t, from[6]), h = within(t, from[7]);
    for (; steps > 0; steps--) {
        a = step(t, row, a);
        b = step(t, row, b);
        c = step(t, row, c);
        d = step(t, row, d);
        e = step(t, row, e);
        f = step(t, row, f);
        g = step(t, row, g);
        h = step(t, row, h);
    }
    at[0] = a, at[1] = b, at[2] = c, at[3] = d, at[4] = e, at[5] = f, at[6] = g, at[7] = h;
}

static bool trees_f32(const infer_tree_nodes *t, const float *row, const uint32_t *from,
                      uint32_t *at, float *values, size_t count, uint32_t steps) {
    uint32_t links = 0, some[ABREAST];
    size_t i = 0;
    for (; count - i >= ABREAST; i += ABREAST)
        walk(*t, row, from + i, at + i, steps);
    /* Where there are fewer, the first again. */
    for (size_t k = 0; i < count && k < ABREAST; k++)
        some[k] = from[k < count - i ? i + k : i];
    if (i < count)
        walk(*t, row, some, at + i, steps);
    for (i = 0; i < count; i++) {
        links |= t->nodes[at[i]].link;
        values[i] = t->nodes[at[i]].value;
    }
    return links >> t->next;
}

void infer_kernels_scalar_trees(infer_kernels *k) {
    k->trees_f32 = trees_f32;
}
