/* Walking trees, for one type of node. REAL: float or double, LINK: the integer of its size, S: the
 * suffix of names. Several trees at once, so that a processor has something to do while it waits
 * for a node. */
#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define NAME(name)   PASTE(name, S)
#define NODE         NAME(infer_tree_node_)

/* One step of a walk that is at an address; one that leaves the array goes to its start. */
static inline uintptr_t NAME(step_)(uintptr_t start, uintptr_t end, const REAL *row, LINK mask,
                                    uintptr_t at) {
    const NODE *n = (const NODE *)at;
    LINK next = (n->link >> NAME(NEXT_)) + (LINK)(row[n->link & mask] <= n->value);
    at += (uintptr_t)next * sizeof *n;
    return __builtin_expect(at < end, 1) ? at : start;
}

/* Steps in all of at[0..LANES), addresses of nodes. A function of its own, so that they stay in
 * registers. */
__attribute__((noinline)) static void NAME(steps_)(const forest *all, const REAL *row,
                                                   uintptr_t *at, int64_t steps) {
    uintptr_t start = (uintptr_t)all->nodes, end = all->end;
    uintptr_t a = at[0], b = at[1], c = at[2], d = at[3], e = at[4], f = at[5], g = at[6],
              h = at[7];
    LINK mask = all->feature_mask;
    for (; steps > 0; steps--) {
        a = NAME(step_)(start, end, row, mask, a);
        b = NAME(step_)(start, end, row, mask, b);
        c = NAME(step_)(start, end, row, mask, c);
        d = NAME(step_)(start, end, row, mask, d);
        e = NAME(step_)(start, end, row, mask, e);
        f = NAME(step_)(start, end, row, mask, f);
        g = NAME(step_)(start, end, row, mask, g);
        h = NAME(step_)(start, end, row, mask, h);
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
static void NAME(flagged_steps_)(const forest *f, const REAL *row, uintptr_t *at, int64_t steps) {
    for (int lane = 0; steps > 0; lane = (lane + 1) % LANES, steps -= lane == 0) {
        const NODE *n = (const NODE *)at[lane];
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
        at[lane] += ((uintptr_t)(n->link >> NAME(NEXT_)) + second) * sizeof *n;
        at[lane] = at[lane] < f->end ? at[lane] : (uintptr_t)f->nodes;
    }
}

/* From the roots of LANES trees to their leaves; false where they are not reached within the steps
 * that are left. */
static inline bool NAME(walk_)(const forest *f, const REAL *row, bool flagged, uintptr_t *at,
                               int64_t *left) {
    for (int64_t steps = f->first;; steps = 2) {
        LINK links = 0;
        if (flagged)
            NAME(flagged_steps_)(f, row, at, steps);
        else
            NAME(steps_)(f, row, at, steps);
        *left -= steps;
        for (int lane = 0; lane < LANES; lane++)
            links |= ((const NODE *)at[lane])->link;
        if (!(links >> NAME(NEXT_)) || *left < 0)
            return *left >= 0;
    }
}

/* What the leaf of a tree says, added to the sums. */
static void NAME(vote_)(const forest *f, double *sums, uint64_t tree, uintptr_t leaf) {
    const NODE *n = (const NODE *)leaf;
    uint32_t list;
    if (!f->weights) {
        uint32_t target = f->targets ? f->targets[tree] : 0;
        if (target < f->target_count)
            add_vote(f, &sums[target], (double)n->value);
        return;
    }
    memcpy(&list, &n->value, sizeof list);
    const REAL *weights = f->weights;
    if (!f->starts) {
        uint64_t start = (uint64_t)list * f->target_count;
        for (uint32_t t = 0; t < f->target_count && start + t < f->vote_count; t++)
            add_vote(f, &sums[t], (double)weights[start + t]);
        return;
    }
    if (list >= f->list_count)
        return;
    for (uint32_t v = f->starts[list]; v < f->starts[list + 1] && v < f->vote_count; v++)
        if (f->vote_targets[v] < f->target_count)
            add_vote(f, &sums[f->vote_targets[v]], (double)weights[v]);
}

/* The address of a tree's root. */
static inline uintptr_t NAME(root_)(const forest *f, uint64_t tree) {
    uintptr_t at = (uintptr_t)f->nodes + (uintptr_t)f->roots[tree] * sizeof(NODE);
    return at < f->end ? at : (uintptr_t)f->nodes;
}

/* Roots of `count` trees from number `tree` on; some stand twice where there are less than LANES.
 */
static inline void NAME(roots_)(const forest *f, uint64_t tree, uint64_t count, uintptr_t *roots) {
    if (count == LANES)
        for (uint64_t k = 0; k < LANES; k++)
            roots[k] = NAME(root_)(f, tree + k);
    else
        for (uint64_t k = 0; k < LANES; k++)
            roots[k] = NAME(root_)(f, tree + (k < count ? k : 0));
}

static inline uint64_t NAME(count_)(const forest *f, uint64_t tree) {
    return f->tree_count - tree < LANES ? f->tree_count - tree : LANES;
}

/* The sums of a row over all trees, in their order. */
static infer_status NAME(row_)(const forest *f, const REAL *row, bool flagged, double *sums) {
    int64_t left = f->step_limit;
    double sum = sums[0];
    for (uint64_t tree = 0; tree < f->tree_count; tree += LANES) {
        uint64_t count = NAME(count_)(f, tree);
        uintptr_t at[LANES];
        NAME(roots_)(f, tree, count, at);
        if (!NAME(walk_)(f, row, flagged, at, &left))
            return infer_fail(INFER_ERROR_FORMAT, "a tree has no end");
        for (uint64_t k = 0; k < count && f->plain; k++)
            sum += (double)((const NODE *)at[k])->value;
        for (uint64_t k = 0; k < count && !f->plain; k++)
            NAME(vote_)(f, sums, tree + k, at[k]);
    }
    if (f->plain)
        sums[0] = sum;
    return INFER_OK;
}

/* The same for the rows of a block: trees that were just read serve all of them. */
static infer_status NAME(rows_)(const forest *f, const block *b) {
    int64_t left = f->step_limit * (int64_t)b->count;
    if (b->count == 1)
        return NAME(row_)(f, b->rows, b->flagged[0], b->sums);
    for (uint64_t tree = 0; tree < f->tree_count; tree += LANES) {
        uint64_t count = NAME(count_)(f, tree);
        uintptr_t roots[LANES], at[LANES];
        NAME(roots_)(f, tree, count, roots);
        for (size_t r = 0; r < b->count; r++) {
            memcpy(at, roots, sizeof at);
            if (!NAME(walk_)(f, (const REAL *)b->rows + r * b->row_stride, b->flagged[r], at,
                             &left))
                return infer_fail(INFER_ERROR_FORMAT, "a tree has no end");
            for (uint64_t k = 0; k < count; k++)
                NAME(vote_)(f, b->sums + r * b->sum_stride, tree + k, at[k]);
        }
    }
    return INFER_OK;
}

#undef PASTE_
#undef PASTE
#undef NAME
#undef NODE
#undef REAL
#undef LINK
#undef S
