/* TreeEnsemble, whose nodes and leaves are lists of their own, becomes infer.Trees. */
#include "trees_read.h"

#include <stdlib.h>
#include <string.h>

/* Items are the nodes, then the leaves. */
typedef struct split_nodes {
    infer_integers roots, yes, no, yes_leaf, no_leaf;
    uint32_t nodes, leaves;
} split_nodes;

static infer_status split_child(const infer_tree_source *s, uint32_t tree, uint32_t item,
                                bool answer, uint32_t *child) {
    const split_nodes *n = s->owner;
    int64_t to = infer_integer_at(answer ? &n->yes : &n->no, item);
    bool leaf = infer_integer_at(answer ? &n->yes_leaf : &n->no_leaf, item) != 0;
    if (to < 0 || to >= (leaf ? n->leaves : n->nodes))
        return infer_fail(INFER_ERROR_FORMAT, "a node of tree %u leads to %s %lld", tree,
                          leaf ? "leaf" : "node", (long long)to);
    *child = (uint32_t)to + (leaf ? n->nodes : 0);
    return INFER_OK;
}

static infer_status split_root(const infer_tree_source *s, uint32_t tree, uint32_t *item) {
    const split_nodes *n = s->owner;
    int64_t root = infer_integer_at(&n->roots, tree);
    if (root < 0 || root >= n->nodes)
        return infer_fail(INFER_ERROR_FORMAT, "the root of tree %u is node %lld", tree,
                          (long long)root);
    *item = (uint32_t)root;
    return INFER_OK;
}

static int by_number(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The sets of nodes that ask for members, one after the other, parted by what is no number. */
static infer_status read_sets(infer_tree_source *s, uint32_t nodes) {
    infer_rewriter *rw = s->rw;
    infer_numbers given;
    INFER_TRY(infer_trees_tensor(rw, "membership_values", T_FLOAT, &given));
    for (uint32_t i = 0; i < nodes; i++)
        s->set_count += s->modes[i] == INFER_TREE_IN;
    if (!s->set_count)
        return INFER_OK;
    if (given.count >= UINT32_MAX)
        return infer_fail(INFER_ERROR_LIMIT, "%llu members are too many",
                          (unsigned long long)given.count);
    double *members = rw->alloc(rw, ((size_t)given.count + 1) * sizeof *members);
    uint32_t *starts = rw->alloc(rw, (s->set_count + (size_t)1) * sizeof *starts);
    uint32_t *sets = rw->alloc(rw, (nodes + (size_t)1) * sizeof *sets);
    if (!members || !starts || !sets)
        return rw->failed;
    uint32_t set = 0, count = 0;
    uint64_t at = 0;
    for (uint32_t i = 0; i < nodes; i++) {
        if (s->modes[i] != INFER_TREE_IN)
            continue;
        sets[i] = set;
        starts[set++] = count;
        for (; at < given.count; at++) {
            double member = infer_number_at(&given, at);
            if (member != member)
                break;
            members[count++] = member;
        }
        at++;
        if (count > starts[set - 1])
            qsort(members + starts[set - 1], count - starts[set - 1], sizeof *members, by_number);
    }
    starts[set] = count;
    s->sets = sets;
    s->set_starts = starts;
    s->members = (infer_numbers){members, count, INFER_TYPE_DOUBLE};
    return INFER_OK;
}

static infer_status read_split_modes(infer_tree_source *s, const split_nodes *n) {
    const infer_attr *a = s->rw->attr(s->rw, "nodes_modes");
    uint8_t *modes = s->rw->alloc(s->rw, s->item_count + (size_t)1);
    if (!a || a->type != INFER_ATTR_TENSOR || a->tensor.type != INFER_TYPE_UINT8)
        return infer_trees_wrong_kind("nodes_modes");
    INFER_TRY(
        infer_trees_same_count((uint64_t)infer_view_count(&a->tensor), n->nodes, "nodes_modes"));
    if (!modes)
        return s->rw->failed;
    memset(modes, INFER_TREE_LEAF, s->item_count + (size_t)1);
    for (uint32_t i = 0; i < n->nodes; i++)
        if ((modes[i] = ((const uint8_t *)a->tensor.data)[i]) > INFER_TREE_IN)
            return infer_fail(INFER_ERROR_FORMAT, "a node has the unknown mode %u", modes[i]);
    s->modes = modes;
    return INFER_OK;
}

/* Leaves have one vote each, behind those of the nodes, which have none. */
static infer_status read_leaves(infer_tree_source *s, const split_nodes *n) {
    uint32_t *starts = s->rw->alloc(s->rw, (s->item_count + (size_t)1) * sizeof *starts);
    if (!starts)
        return s->rw->failed;
    for (uint32_t i = 0; i <= s->item_count; i++)
        starts[i] = i < n->nodes ? 0 : i - n->nodes;
    s->starts = starts;
    s->vote_count = n->leaves;
    return infer_trees_check_targets(s);
}

static infer_status read_split_nodes(infer_tree_source *s, split_nodes *n) {
    infer_rewriter *rw = s->rw;
    infer_integers features, tracks, targets;
    INFER_TRY(infer_trees_ints(rw, "tree_roots", &n->roots));
    INFER_TRY(infer_trees_ints(rw, "nodes_featureids", &features));
    INFER_TRY(infer_trees_ints(rw, "nodes_truenodeids", &n->yes));
    INFER_TRY(infer_trees_ints(rw, "nodes_falsenodeids", &n->no));
    INFER_TRY(infer_trees_ints(rw, "nodes_trueleafs", &n->yes_leaf));
    INFER_TRY(infer_trees_ints(rw, "nodes_falseleafs", &n->no_leaf));
    INFER_TRY(infer_trees_ints(rw, "nodes_missing_value_tracks_true", &tracks));
    INFER_TRY(infer_trees_ints(rw, "leaf_targetids", &targets));
    INFER_TRY(infer_trees_tensor(rw, "nodes_splits", T_FLOAT, &s->splits));
    INFER_TRY(infer_trees_tensor(rw, "leaf_weights", T_FLOAT, &s->weights));
    INFER_TRY(infer_trees_same_count(n->yes.count, features.count, "nodes_truenodeids"));
    INFER_TRY(infer_trees_same_count(n->no.count, features.count, "nodes_falsenodeids"));
    INFER_TRY(infer_trees_same_count(n->yes_leaf.count, features.count, "nodes_trueleafs"));
    INFER_TRY(infer_trees_same_count(n->no_leaf.count, features.count, "nodes_falseleafs"));
    INFER_TRY(infer_trees_same_count(s->splits.count, features.count, "nodes_splits"));
    INFER_TRY(infer_trees_same_count(s->weights.count, targets.count, "leaf_weights"));
    if (tracks.count)
        INFER_TRY(infer_trees_same_count(tracks.count, features.count,
                                         "nodes_missing_value_tracks_true"));
    if (features.count >= UINT32_MAX / 4 || targets.count >= UINT32_MAX / 4 ||
        n->roots.count > features.count)
        return infer_fail(INFER_ERROR_LIMIT, "there are too many nodes or trees");
    n->nodes = (uint32_t)features.count;
    n->leaves = (uint32_t)targets.count;
    s->features = features;
    s->tracks = tracks;
    s->vote_targets = targets;
    s->item_count = n->nodes + n->leaves;
    s->tree_count = (uint32_t)n->roots.count;
    s->child = split_child;
    s->root = split_root;
    s->owner = n;
    INFER_TRY(read_split_modes(s, n));
    INFER_TRY(read_sets(s, n->nodes));
    return read_leaves(s, n);
}

static infer_status ensemble_upgrade(infer_rewriter *rw) {
    static const char *const names[] = {
        "tree_roots",         "nodes_featureids", "nodes_truenodeids",
        "nodes_falsenodeids", "nodes_trueleafs",  "nodes_falseleafs",
        "nodes_splits",       "nodes_modes",      "nodes_missing_value_tracks_true",
        "nodes_hitrates",     "leaf_targetids",   "leaf_weights",
        "membership_values",  "n_targets",        "aggregate_function",
        "post_transform"};
    infer_tree_source s = {.rw = rw, .targets = 1, .aggregate = INFER_TREES_SUM};
    split_nodes n = {.nodes = 0};
    int64_t post = INFER_POST_NONE;
    INFER_TRY(infer_trees_begin(rw));
    if (rw->attr(rw, "base_values") || rw->attr(rw, "classlabels_int64s") ||
        rw->attr(rw, "classlabels_strings"))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "base values and labels are not known");
    INFER_TRY(infer_trees_int(rw, "post_transform", &post));
    INFER_TRY(infer_trees_int(rw, "aggregate_function", &s.aggregate));
    INFER_TRY(infer_trees_int(rw, "n_targets", &s.targets));
    if (post < INFER_POST_NONE || post > INFER_POST_PROBIT || s.aggregate < INFER_TREES_AVERAGE ||
        s.aggregate > INFER_TREES_MAX)
        return infer_fail(INFER_ERROR_FORMAT, "post_transform or aggregate_function is not known");
    INFER_TRY(read_split_nodes(&s, &n));
    uint8_t type = rw->view(rw, rw->input(rw, 0))->type;
    return infer_trees_become(&s, names, COUNT(names), (infer_numbers){.type = INFER_TYPE_FLOAT},
                              INFER_TREES_REGRESSOR, post, type);
}

TREES(tree_ensemble, "TreeEnsemble", 5, 1, T(FLOAT) | T(DOUBLE) | T(FLOAT16), ensemble_upgrade)
