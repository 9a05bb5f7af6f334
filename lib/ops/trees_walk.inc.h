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

static inline uint64_t NAME(count_)(const forest *f, uint64_t tree) {
    return f->tree_count - tree < TREES ? f->tree_count - tree : TREES;
}

/* Roots of trees from number `tree` on, and the last again up to whole lanes; how many that makes.
 */
static inline size_t NAME(roots_)(const forest *f, uint64_t tree, uint64_t count, uint32_t *room,
                                  const uint32_t **roots) {
    size_t whole = (count + LANES - 1) / LANES * LANES;
    *roots = f->roots + tree;
    if (whole == count)
        return whole;
    memcpy(room, *roots, count * sizeof *room);
    for (size_t k = count; k < whole; k++)
        room[k] = room[count - 1];
    *roots = room;
    return whole;
}

/* The sums of a row over all trees, in their order. */
static infer_status NAME(row_)(const forest *f, const REAL *row, bool flagged, double *sums) {
    int64_t left = f->step_limit;
    double sum = sums[0];
    for (uint64_t tree = 0; tree < f->tree_count; tree += TREES) {
        uint64_t count = NAME(count_)(f, tree);
        uint32_t room[TREES];
        const uint32_t *roots;
        REAL values[TREES];
        size_t whole = NAME(roots_)(f, tree, count, room, &roots);
        if (!NAME(walk_)(f, row, flagged, roots, values, whole, &left))
            return infer_fail(INFER_ERROR_FORMAT, "a tree has no end");
        for (uint64_t k = 0; k < count && f->plain; k++)
            sum += (double)values[k];
        for (uint64_t k = 0; k < count && !f->plain; k++)
            NAME(vote_)(f, sums, tree + k, values[k]);
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
    for (uint64_t tree = 0; tree < f->tree_count; tree += TREES) {
        uint64_t count = NAME(count_)(f, tree);
        uint32_t room[TREES];
        const uint32_t *roots;
        REAL values[TREES];
        size_t whole = NAME(roots_)(f, tree, count, room, &roots);
        for (size_t r = 0; r < b->count; r++) {
            if (!NAME(walk_)(f, (const REAL *)b->rows + r * b->row_stride, b->flagged[r], roots,
                             values, whole, &left))
                return infer_fail(INFER_ERROR_FORMAT, "a tree has no end");
            for (uint64_t k = 0; k < count; k++)
                NAME(vote_)(f, b->sums + r * b->sum_stride, tree + k, values[k]);
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
