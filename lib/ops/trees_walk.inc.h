/* Walking trees, for one type of node. REAL: float or double; S: its suffix. Several trees at once,
 * so that a processor has something to do while it waits for a node. */
#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define NAME(name)   PASTE(name, S)
#define NODE         NAME(infer_tree_node_)

/* One step; a step that leaves the array goes to its start. */
static inline uint32_t NAME(step_)(const forest *f, const NODE *nodes, const REAL *row,
                                   uint32_t at) {
    const NODE *n = &nodes[at];
    at += n->next + (uint32_t)(row[n->feature & f->feature_mask] <= n->value);
    return at < f->node_count ? at : 0;
}

static bool NAME(in_set_)(const forest *f, uint64_t set, REAL x) {
    if (set >= f->set_count)
        return false;
    uint32_t low = f->set_starts[set], end = f->set_starts[set + 1], high = end;
    const REAL *members = f->members;
    if (end > f->member_count)
        return false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (members[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && members[low] == x;
}

/* One step that heeds flags and missing values. */
static uint32_t NAME(flagged_step_)(const forest *f, const NODE *nodes, const REAL *row,
                                    uint32_t at) {
    const NODE *n = &nodes[at];
    REAL x = row[n->feature & f->feature_mask];
    uint32_t flags = (uint32_t)n->feature >> NAME(SHIFT_), set;
    bool second = x <= n->value;
    if (x != x) {
        second = flags & INFER_TREE_MISSING;
    } else if (flags & INFER_TREE_EQUAL) {
        second = x == n->value;
    } else if (flags & INFER_TREE_MEMBER) {
        memcpy(&set, &n->value, sizeof set);
        second = NAME(in_set_)(f, set, x);
    }
    at += n->next + second;
    return at < f->node_count ? at : 0;
}

/* at[0..LANES) are roots and become leaves; false where they are not reached within the steps that
 * are left. */
#define WALK(name, step)                                                                           \
    static bool name(const forest *f, const void *array, const REAL *row, uint32_t *at,            \
                     int64_t *left) {                                                              \
        const NODE *nodes = array;                                                                 \
        uint32_t a = at[0], b = at[1], c = at[2], d = at[3], e = at[4], g = at[5], h = at[6],      \
                 i = at[7];                                                                        \
        int64_t steps = f->first;                                                                  \
        do {                                                                                       \
            for (*left -= steps; steps > 0; steps--) {                                             \
                a = step(f, nodes, row, a);                                                        \
                b = step(f, nodes, row, b);                                                        \
                c = step(f, nodes, row, c);                                                        \
                d = step(f, nodes, row, d);                                                        \
                e = step(f, nodes, row, e);                                                        \
                g = step(f, nodes, row, g);                                                        \
                h = step(f, nodes, row, h);                                                        \
                i = step(f, nodes, row, i);                                                        \
            }                                                                                      \
            steps = 2;                                                                             \
        } while ((nodes[a].next | nodes[b].next | nodes[c].next | nodes[d].next | nodes[e].next |  \
                  nodes[g].next | nodes[h].next | nodes[i].next) &&                                \
                 *left > 0);                                                                       \
        at[0] = a, at[1] = b, at[2] = c, at[3] = d, at[4] = e, at[5] = g, at[6] = h, at[7] = i;    \
        return *left >= 0;                                                                         \
    }
WALK(NAME(walk_), NAME(step_))
WALK(NAME(flagged_walk_), NAME(flagged_step_))
#undef WALK

/* What the leaf of a tree says, added to the sums. */
static void NAME(vote_)(const forest *f, const void *array, uint64_t tree, uint32_t leaf) {
    const NODE *n = (const NODE *)array + leaf;
    uint32_t list;
    if (!f->weights) {
        uint32_t target = f->targets ? f->targets[tree] : 0;
        if (target < f->target_count)
            add_vote(f, target, (double)n->value);
        return;
    }
    memcpy(&list, &n->value, sizeof list);
    const REAL *weights = f->weights;
    if (!f->starts) {
        uint64_t start = (uint64_t)list * f->target_count;
        for (uint32_t t = 0; t < f->target_count && start + t < f->vote_count; t++)
            add_vote(f, t, (double)weights[start + t]);
        return;
    }
    if (list >= f->list_count)
        return;
    for (uint32_t v = f->starts[list]; v < f->starts[list + 1] && v < f->vote_count; v++)
        if (f->vote_targets[v] < f->target_count)
            add_vote(f, f->vote_targets[v], (double)weights[v]);
}

/* The sums of a row over all trees, in their order. */
static infer_status NAME(row_)(const forest *f, const REAL *row, bool flagged) {
    const NODE *nodes = f->nodes;
    int64_t left = f->step_limit;
    bool plain = !f->weights && !f->targets && f->adds;
    double sum = 0;
    for (uint64_t tree = 0; tree < f->tree_count; tree += LANES) {
        uint32_t at[LANES];
        uint64_t count = f->tree_count - tree < LANES ? f->tree_count - tree : LANES;
        for (uint64_t k = 0; k < LANES; k++) {
            at[k] = f->roots[tree + (k < count ? k : count - 1)];
            at[k] = at[k] < f->node_count ? at[k] : 0;
        }
        if (!(flagged ? NAME(flagged_walk_)(f, nodes, row, at, &left)
                      : NAME(walk_)(f, nodes, row, at, &left)))
            return infer_fail(INFER_ERROR_FORMAT, "a tree has no end");
        if (plain)
            for (uint64_t k = 0; k < count; k++)
                sum += (double)nodes[at[k]].value;
        else
            for (uint64_t k = 0; k < count; k++)
                NAME(vote_)(f, nodes, tree + k, at[k]);
    }
    if (plain)
        f->sums[0] = sum;
    return INFER_OK;
}

#undef PASTE_
#undef PASTE
#undef NAME
#undef NODE
#undef REAL
#undef S
