/* Walking trees, for one type of node. REAL: float or double, LINK: the integer of its size, S: the
 * suffix of names. Several trees at once, so that a processor has something to do while it waits
 * for a node. */
#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define NAME(name)   PASTE(name, S)
#define NODE         NAME(infer_tree_node_)

/* Nodes are counted in bytes. */
static inline const NODE *NAME(node_)(const void *nodes, size_t at) {
    return (const NODE *)(const void *)((const char *)nodes + at);
}

/* One step; one that leaves the array goes to its start. */
static inline size_t NAME(step_)(const void *nodes, size_t size, const REAL *row, LINK mask,
                                 size_t at) {
    const NODE *n = NAME(node_)(nodes, at);
    LINK next = (n->link >> NAME(NEXT_)) + (LINK)(row[n->link & mask] <= n->value);
    at += (size_t)next * sizeof *n;
    return __builtin_expect(at < size, 1) ? at : 0;
}

/* Steps in all of at[0..LANES). A function of its own, so that they stay in registers. */
__attribute__((noinline)) static void NAME(steps_)(const void *nodes, size_t size, const REAL *row,
                                                   LINK mask, size_t *at, int64_t steps) {
    size_t a = at[0], b = at[1], c = at[2], d = at[3], e = at[4], f = at[5], g = at[6], h = at[7];
    for (; steps > 0; steps--) {
        a = NAME(step_)(nodes, size, row, mask, a);
        b = NAME(step_)(nodes, size, row, mask, b);
        c = NAME(step_)(nodes, size, row, mask, c);
        d = NAME(step_)(nodes, size, row, mask, d);
        e = NAME(step_)(nodes, size, row, mask, e);
        f = NAME(step_)(nodes, size, row, mask, f);
        g = NAME(step_)(nodes, size, row, mask, g);
        h = NAME(step_)(nodes, size, row, mask, h);
    }
    at[0] = a, at[1] = b, at[2] = c, at[3] = d, at[4] = e, at[5] = f, at[6] = g, at[7] = h;
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

/* Steps that heed flags and missing values. */
static void NAME(flagged_steps_)(const forest *f, const REAL *row, size_t *at, int64_t steps) {
    for (int lane = 0; steps > 0; lane = (lane + 1) % LANES, steps -= lane == 0) {
        const NODE *n = NAME(node_)(f->nodes, at[lane]);
        REAL x = row[n->link & f->feature_mask];
        LINK flags = n->link >> NAME(FLAGS_);
        bool second = x <= n->value;
        uint32_t set;
        if (x != x) {
            second = flags & INFER_TREE_MISSING;
        } else if (flags & INFER_TREE_EQUAL) {
            second = x == n->value;
        } else if (flags & INFER_TREE_MEMBER) {
            memcpy(&set, &n->value, sizeof set);
            second = NAME(in_set_)(f, set, x);
        }
        at[lane] += ((size_t)(n->link >> NAME(NEXT_)) + second) * sizeof *n;
        at[lane] = at[lane] < f->size ? at[lane] : 0;
    }
}

/* at[0..LANES) are roots and become leaves; false where they are not reached within the steps that
 * are left. */
static bool NAME(walk_)(const forest *f, const REAL *row, bool flagged, size_t *at, int64_t *left) {
    for (int64_t steps = f->first;; steps = 2) {
        LINK links = 0;
        if (flagged)
            NAME(flagged_steps_)(f, row, at, steps);
        else
            NAME(steps_)(f->nodes, f->size, row, f->feature_mask, at, steps);
        *left -= steps;
        for (int i = 0; i < LANES; i++)
            links |= NAME(node_)(f->nodes, at[i])->link;
        if (!(links >> NAME(NEXT_)) || *left < 0)
            return *left >= 0;
    }
}

/* What the leaf of a tree says, added to the sums. */
static void NAME(vote_)(const forest *f, uint64_t tree, size_t leaf) {
    const NODE *n = NAME(node_)(f->nodes, leaf);
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
    int64_t left = f->step_limit;
    bool plain = !f->weights && !f->targets && f->adds;
    double sum = 0;
    for (uint64_t tree = 0; tree < f->tree_count; tree += LANES) {
        size_t at[LANES];
        uint64_t count = f->tree_count - tree < LANES ? f->tree_count - tree : LANES;
        for (uint64_t k = 0; k < LANES; k++) {
            at[k] = f->roots[tree + (k < count ? k : count - 1)] * sizeof(NODE);
            at[k] = at[k] < f->size ? at[k] : 0;
        }
        if (!NAME(walk_)(f, row, flagged, at, &left))
            return infer_fail(INFER_ERROR_FORMAT, "a tree has no end");
        for (uint64_t k = 0; k < count && plain; k++)
            sum += (double)NAME(node_)(f->nodes, at[k])->value;
        for (uint64_t k = 0; k < count && !plain; k++)
            NAME(vote_)(f, tree + k, at[k]);
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
#undef LINK
#undef S
