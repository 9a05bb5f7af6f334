/* Walking trees, for one type of node. REAL: float or double, LINK: the integer of its size, S: the
 * suffix of names. */
#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define NAME(name)   PASTE(name, S)
#define NODE         NAME(infer_tree_node_)

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

/* Steps that heed flags and missing values; as the kernel else. */
static bool NAME(flagged_steps_)(const forest *f, const REAL *row, const uint32_t *from,
                                 uint32_t *at, REAL *values, size_t count, uint32_t steps) {
    const NODE *nodes = f->nodes;
    LINK links = 0;
    for (size_t i = 0; i < count; i++) {
        const NODE *n = nodes + (from[i] < f->last ? from[i] : f->last);
        for (uint32_t left = steps; left > 0; left--) {
            REAL x = row[n->link & f->feature_mask];
            LINK flags = n->link >> f->flags;
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
            uint64_t to = (uint64_t)(n - nodes) + (n->link >> f->next) + second;
            n = nodes + (to < f->last ? to : f->last);
        }
        at[i] = (uint32_t)(n - nodes);
        values[i] = n->value;
        links |= n->link;
    }
    return links >> f->next;
}

/* From the roots of trees to their leaves; false where they are not reached within the steps that
 * are left. */
static inline bool NAME(walk_)(const forest *f, const REAL *row, bool flagged, const uint32_t *from,
                               REAL *values, size_t count, int64_t *left) {
    uint32_t at[TREES];
    for (uint32_t steps = f->first;; steps = 2) {
        *left -= steps;
        bool more =
            (flagged ? NAME(flagged_steps_) : NAME(steps_))(f, row, from, at, values, count, steps);
        if (!more || *left < 0)
            return *left >= 0;
        from = at;
    }
}

/* What the leaf of a tree says, added to the sums. */
static void NAME(vote_)(const forest *f, double *sums, uint64_t tree, REAL value) {
    uint32_t list;
    if (!f->weights) {
        uint32_t target = f->targets ? f->targets[tree] : 0;
        if (target < f->target_count)
            add_vote(f, &sums[target], (double)value);
        return;
    }
    memcpy(&list, &value, sizeof list);
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

static inline double NAME(weight_)(const forest *f, uint64_t i) {
    return i < f->vote_count ? (double)((const REAL *)f->weights)[i] : 0;
}

/* Lists with a vote a target: four sums in registers at a time, the last ones for nothing where
 * there are no four. */
static void NAME(dense_votes_)(const forest *f, double *sums, const REAL *values, uint64_t count) {
    for (size_t t = 0; t < f->target_count; t += 4) {
        size_t n = f->target_count - t < 4 ? f->target_count - t : 4;
        double some[4] = {0};
        memcpy(some, sums + t, n * sizeof *some);
        double a = some[0], b = some[1], c = some[2], d = some[3];
        for (uint64_t k = 0; k < count; k++) {
            uint32_t list;
            memcpy(&list, &values[k], sizeof list);
            uint64_t start = (uint64_t)list * f->target_count + t;
            a += NAME(weight_)(f, start);
            b += NAME(weight_)(f, start + 1);
            c += NAME(weight_)(f, start + 2);
            d += NAME(weight_)(f, start + 3);
        }
        some[0] = a, some[1] = b, some[2] = c, some[3] = d;
        memcpy(sums + t, some, n * sizeof *some);
    }
}

/* What the leaves of `count` trees from number `tree` on say, added to the sums in their order. */
static inline void NAME(votes_)(const forest *f, double *sums, uint64_t tree, const REAL *values,
                                uint64_t count) {
    if (f->plain) {
        double sum = sums[0];
        for (uint64_t k = 0; k < count; k++)
            sum += (double)values[k];
        sums[0] = sum;
    } else if (f->dense) {
        NAME(dense_votes_)(f, sums, values, count);
    } else {
        for (uint64_t k = 0; k < count; k++)
            NAME(vote_)(f, sums, tree + k, values[k]);
    }
}

static inline uint64_t NAME(count_)(const forest *f, uint64_t tree) {
    return f->tree_count - tree < TREES ? f->tree_count - tree : TREES;
}

/* The sums of the rows of a block over all trees, in their order: trees that were just read serve
 * all rows. */
static infer_status NAME(rows_)(const forest *f, const block *b) {
    int64_t left = f->step_limit * (int64_t)b->count;
    for (uint64_t tree = 0; tree < f->tree_count; tree += TREES) {
        uint64_t count = NAME(count_)(f, tree);
        REAL values[TREES];
        for (size_t r = 0; r < b->count; r++) {
            if (!NAME(walk_)(f, (const REAL *)b->rows + r * b->row_stride, b->flagged >> r & 1,
                             f->roots + tree, values, count, &left))
                return infer_fail(INFER_ERROR_FORMAT, "a tree has no end");
            NAME(votes_)(f, b->sums + r * b->sum_stride, tree, values, count);
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
