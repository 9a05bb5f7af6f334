/* TreeEnsemble, TreeEnsembleClassifier, TreeEnsembleRegressor: their attributes are read and the
 * node becomes infer.Trees. */
#include "ml.h"
#include "ml_link.h"
#include "trees.h"
#include "trees_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- attributes ---- */

typedef struct int_list {
    const int64_t *data;
    uint64_t count;
} int_list;

static infer_status wrong_kind(const char *name) {
    return infer_fail(INFER_ERROR_FORMAT, "%s is of the wrong kind", name);
}

static infer_status read_ints(infer_rewriter *rw, const char *name, int_list *list) {
    const infer_attr *a = rw->attr(rw, name);
    *list = (int_list){NULL, 0};
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_INTS)
        return wrong_kind(name);
    *list = (int_list){a->data, a->count};
    return INFER_OK;
}

static infer_status read_tensor(infer_rewriter *rw, const char *name, uint64_t types,
                                infer_numbers *list) {
    const infer_attr *a = rw->attr(rw, name);
    *list = (infer_numbers){.type = INFER_TYPE_FLOAT};
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_TENSOR || !(types >> a->tensor.type & 1))
        return wrong_kind(name);
    *list = (infer_numbers){a->tensor.data, (uint64_t)infer_view_count(&a->tensor),
                            (infer_type)a->tensor.type};
    return INFER_OK;
}

/* A list of floats, or from version 3 on a tensor of another name. */
static infer_status read_numbers(infer_rewriter *rw, const char *name, const char *tensor,
                                 infer_numbers *list) {
    const infer_attr *a = rw->attr(rw, name);
    if (rw->attr(rw, tensor) && (a || rw->version < 3))
        return infer_fail(INFER_ERROR_FORMAT, "%s must not be set", tensor);
    if (!a)
        return read_tensor(rw, tensor, T(FLOAT) | T(DOUBLE), list);
    if (a->type != INFER_ATTR_FLOATS)
        return wrong_kind(name);
    *list = (infer_numbers){a->data, a->count, INFER_TYPE_FLOAT};
    return INFER_OK;
}

static infer_status read_int(infer_rewriter *rw, const char *name, int64_t *value) {
    const infer_attr *a = rw->attr(rw, name);
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_INT)
        return wrong_kind(name);
    *value = a->i;
    return INFER_OK;
}

/* The number of a text among names; *value stays where it is not set. */
static infer_status read_name(infer_rewriter *rw, const char *name, const char *const *names,
                              size_t count, int64_t *value) {
    const infer_attr *a = rw->attr(rw, name);
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_STRING)
        return wrong_kind(name);
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == a->count && memcmp(names[i], a->data, a->count) == 0) {
            *value = (int64_t)i;
            return INFER_OK;
        }
    return infer_fail(INFER_ERROR_FORMAT, "%s has no known value", name);
}

static infer_status same_count(uint64_t count, uint64_t expected, const char *name) {
    return count == expected
               ? INFER_OK
               : infer_fail(INFER_ERROR_FORMAT, "%s has %llu entries instead of %llu", name,
                            (unsigned long long)count, (unsigned long long)expected);
}

/* ---- nodes by tree and number ---- */

/* A tree is a run of places; places are items, by themselves or through an order. */
typedef struct id_tree {
    int64_t id;
    uint32_t first, end;
} id_tree;

typedef struct id_nodes {
    const int64_t *trees, *ids, *yes, *no; /* by item */
    const uint32_t *order;                 /* NULL: items come in the order of their places */
    const id_tree *list, *by_id;           /* trees as they stand, and sorted */
    const uint32_t *roots;
    uint32_t tree_count, last; /* last: where the last tree was found */
} id_nodes;

static uint32_t item_at(const id_nodes *n, uint32_t place) {
    return n->order ? n->order[place] : place;
}

/* The item with a number in a tree: where it would stand if numbers had no gaps, or by halves. */
static bool find_item(const id_nodes *n, const id_tree *tree, int64_t id, uint32_t *item) {
    uint32_t low = tree->first, high = tree->end;
    uint64_t ahead = (uint64_t)id - (uint64_t)n->ids[item_at(n, low)];
    if (ahead < high - low && n->ids[ *item = item_at(n, low + (uint32_t)ahead)] == id)
        return true;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (n->ids[item_at(n, middle)] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tree->end && n->ids[*item = item_at(n, low)] == id;
}

static infer_status id_child(const infer_tree_source *s, uint32_t tree, uint32_t item, bool answer,
                             uint32_t *child) {
    const id_nodes *n = s->owner;
    int64_t id = (answer ? n->yes : n->no)[item];
    if (find_item(n, &n->list[tree], id, child))
        return INFER_OK;
    return infer_fail(INFER_ERROR_FORMAT, "tree %lld has no node %lld", (long long)n->list[tree].id,
                      (long long)id);
}

static infer_status id_root(const infer_tree_source *s, uint32_t tree, uint32_t *item) {
    *item = ((const id_nodes *)s->owner)->roots[tree];
    return INFER_OK;
}

/* ---- order of nodes ---- */

typedef struct id_key {
    int64_t tree, id;
    uint32_t item;
} id_key;

static int by_tree_and_id(const void *a, const void *b) {
    const id_key *x = a, *y = b;
    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_tree(const void *a, const void *b) {
    const id_tree *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Sorts the items where their trees are no runs of growing numbers. */
static infer_status sort_items(infer_rewriter *rw, id_nodes *n, uint32_t count) {
    id_key *keys = rw->alloc(rw, count * sizeof *keys);
    uint32_t *order = rw->alloc(rw, count * sizeof *order);
    if (!keys || !order)
        return rw->failed;
    for (uint32_t i = 0; i < count; i++)
        keys[i] = (id_key){n->trees[i], n->ids[i], i};
    qsort(keys, count, sizeof *keys, by_tree_and_id);
    for (uint32_t i = 0; i < count; i++) {
        order[i] = keys[i].item;
        if (i && by_tree_and_id(&keys[i - 1], &keys[i]) == 0)
            return infer_fail(INFER_ERROR_FORMAT, "tree %lld has two nodes %lld",
                              (long long)keys[i].tree, (long long)keys[i].id);
    }
    rw->release(rw, keys, count * sizeof *keys);
    n->order = order;
    return INFER_OK;
}

/* Runs of items of one tree; false where numbers in one do not grow. */
static bool find_runs(const id_nodes *n, uint32_t count, id_tree *list, uint32_t *trees) {
    *trees = 0;
    for (uint32_t p = 0; p < count; p++) {
        uint32_t item = item_at(n, p), before = p ? item_at(n, p - 1) : 0;
        if (p && n->trees[item] == n->trees[before]) {
            if (n->ids[item] <= n->ids[before])
                return false;
        } else {
            if (list)
                list[*trees] = (id_tree){n->trees[item], p, p};
            ++*trees;
        }
        if (list)
            list[*trees - 1].end = p + 1;
    }
    return true;
}

static infer_status find_trees(infer_rewriter *rw, id_nodes *n, uint32_t count) {
    for (int attempt = 0;; attempt++) {
        bool grows = find_runs(n, count, NULL, &n->tree_count), once = true;
        size_t size = (n->tree_count + (size_t)1) * sizeof(id_tree);
        id_tree *list = grows ? rw->alloc(rw, size) : NULL, *by_id = NULL;
        if (list && (by_id = rw->alloc(rw, size))) {
            find_runs(n, count, list, &n->tree_count);
            memcpy(by_id, list, n->tree_count * sizeof *list);
            qsort(by_id, n->tree_count, sizeof *by_id, by_tree);
            for (uint32_t t = 1; t < n->tree_count; t++)
                once = once && by_id[t].id != by_id[t - 1].id;
        }
        if (rw->failed != INFER_OK)
            return rw->failed;
        n->list = list;
        n->by_id = by_id;
        if (grows && once)
            return INFER_OK;
        if (attempt)
            return infer_fail(INFER_ERROR_FORMAT, "the nodes make no trees");
        INFER_TRY(sort_items(rw, n, count));
    }
}

/* The root of a tree is the node that is no other's child. */
static infer_status find_roots(const infer_tree_source *s, id_nodes *n) {
    infer_rewriter *rw = s->rw;
    uint8_t *is_child = rw->alloc(rw, s->item_count + (size_t)1);
    uint32_t *roots = rw->alloc(rw, (n->tree_count + (size_t)1) * sizeof *roots);
    if (!is_child || !roots)
        return rw->failed;
    memset(is_child, 0, s->item_count + (size_t)1);
    for (uint32_t t = 0; t < n->tree_count; t++) {
        uint32_t found = 0, child;
        for (uint32_t p = n->list[t].first; p < n->list[t].end; p++)
            for (int side = 0; side < 2 && s->modes[item_at(n, p)] != INFER_TREE_LEAF; side++) {
                INFER_TRY(id_child(s, t, item_at(n, p), side, &child));
                is_child[child] = 1;
            }
        for (uint32_t p = n->list[t].first; p < n->list[t].end; p++)
            if (!is_child[item_at(n, p)]) {
                roots[t] = item_at(n, p);
                found++;
            }
        if (found != 1)
            return infer_fail(INFER_ERROR_FORMAT, "tree %lld has %u roots",
                              (long long)n->list[t].id, found);
    }
    rw->release(rw, is_child, s->item_count + (size_t)1);
    n->roots = roots;
    return INFER_OK;
}

static infer_status read_modes(infer_rewriter *rw, uint64_t count, const uint8_t **modes) {
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "",           "LEAF"};
    const infer_attr *a = rw->attr(rw, "nodes_modes");
    uint8_t *mode = rw->alloc(rw, (size_t)count + 1);
    if (a && a->type != INFER_ATTR_STRINGS)
        return wrong_kind("nodes_modes");
    INFER_TRY(same_count(a ? a->count : 0, count, "nodes_modes"));
    if (!mode)
        return rw->failed;
    for (uint64_t i = 0; i < count; i++) {
        infer_string text = ((const infer_string *)a->data)[i];
        for (mode[i] = 0; mode[i] <= INFER_TREE_LEAF; mode[i]++)
            if (text.size == strlen(names[mode[i]]) && text.size &&
                memcmp(text.data, names[mode[i]], text.size) == 0)
                break;
        if (mode[i] > INFER_TREE_LEAF)
            return infer_fail(INFER_ERROR_FORMAT, "a node has the unknown mode \"%.*s\"",
                              (int)(text.size < 40 ? text.size : 40), text.data);
    }
    *modes = mode;
    return INFER_OK;
}

static infer_status read_id_nodes(infer_rewriter *rw, infer_tree_source *s, id_nodes *n) {
    struct {
        const char *name;
        const int64_t **at;
    } lists[] = {
        {"nodes_treeids", &n->trees},       {"nodes_nodeids", &n->ids},
        {"nodes_truenodeids", &n->yes},     {"nodes_falsenodeids", &n->no},
        {"nodes_featureids", &s->features}, {"nodes_missing_value_tracks_true", &s->tracks}};
    uint64_t count = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        int_list list;
        INFER_TRY(read_ints(rw, lists[i].name, &list));
        *lists[i].at = list.data;
        count = i ? count : list.count;
        if (list.count || lists[i].at != &s->tracks)
            INFER_TRY(same_count(list.count, count, lists[i].name));
        else
            s->tracks = NULL;
    }
    if (count >= UINT32_MAX / 2)
        return infer_fail(INFER_ERROR_LIMIT, "%llu nodes are too many", (unsigned long long)count);
    INFER_TRY(read_numbers(rw, "nodes_values", "nodes_values_as_tensor", &s->splits));
    INFER_TRY(same_count(s->splits.count, count, "nodes_values"));
    INFER_TRY(read_modes(rw, count, &s->modes));
    s->item_count = (uint32_t)count;
    s->child = id_child;
    s->root = id_root;
    s->owner = n;
    INFER_TRY(find_trees(rw, n, s->item_count));
    s->tree_count = n->tree_count;
    return find_roots(s, n);
}

/* ---- votes by tree and number ---- */

/* Votes mostly come tree by tree. */
static bool find_tree(id_nodes *n, int64_t id, const id_tree **tree) {
    for (uint32_t t = n->last; t < n->tree_count && t < n->last + 2; t++)
        if (n->list[t].id == id) {
            n->last = t;
            *tree = &n->list[t];
            return true;
        }
    uint32_t low = 0, high = n->tree_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (n->by_id[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    *tree = &n->by_id[low];
    return low < n->tree_count && n->by_id[low].id == id;
}

/* Lists of votes by item: counted, then dealt out in the order they come in. */
static infer_status deal_votes(infer_tree_source *s, id_nodes *n, const int64_t *trees,
                               const int64_t *ids) {
    infer_rewriter *rw = s->rw;
    uint32_t *starts = rw->alloc(rw, (s->item_count + (size_t)2) * sizeof *starts);
    uint32_t *votes = rw->alloc(rw, (s->vote_count + (size_t)1) * sizeof *votes);
    uint32_t *items = rw->alloc(rw, (s->vote_count + (size_t)1) * sizeof *items);
    if (!starts || !votes || !items)
        return rw->failed;
    memset(starts, 0, (s->item_count + (size_t)2) * sizeof *starts);
    for (uint32_t v = 0; v < s->vote_count; v++) {
        const id_tree *tree;
        if (!find_tree(n, trees[v], &tree) || !find_item(n, tree, ids[v], &items[v]))
            return infer_fail(INFER_ERROR_FORMAT,
                              "a vote is at node %lld of tree %lld, which is "
                              "not there",
                              (long long)ids[v], (long long)trees[v]);
        starts[items[v] + 2]++;
    }
    for (uint32_t i = 2; i <= s->item_count; i++)
        starts[i] += starts[i - 1];
    for (uint32_t v = 0; v < s->vote_count; v++)
        votes[starts[items[v] + 1]++] = v;
    rw->release(rw, items, (s->vote_count + (size_t)1) * sizeof *items);
    s->starts = starts;
    s->votes = votes;
    return INFER_OK;
}

/* The names of the attributes of votes. */
typedef struct vote_names {
    const char *trees, *nodes, *targets, *weights, *weights_tensor;
} vote_names;

static infer_status check_targets(const infer_tree_source *s) {
    for (uint32_t v = 0; v < s->vote_count; v++)
        if (s->vote_targets[v] < 0 || s->vote_targets[v] >= s->targets)
            return infer_fail(INFER_ERROR_VALUE, "a vote is for number %lld of %lld",
                              (long long)s->vote_targets[v], (long long)s->targets);
    return INFER_OK;
}

static infer_status read_votes(infer_tree_source *s, id_nodes *n, const vote_names *names) {
    infer_rewriter *rw = s->rw;
    int_list trees, nodes, targets;
    INFER_TRY(read_ints(rw, names->trees, &trees));
    INFER_TRY(read_ints(rw, names->nodes, &nodes));
    INFER_TRY(read_ints(rw, names->targets, &targets));
    INFER_TRY(read_numbers(rw, names->weights, names->weights_tensor, &s->weights));
    INFER_TRY(same_count(nodes.count, trees.count, names->nodes));
    INFER_TRY(same_count(targets.count, trees.count, names->targets));
    INFER_TRY(same_count(s->weights.count, trees.count, names->weights));
    if (trees.count >= UINT32_MAX)
        return infer_fail(INFER_ERROR_LIMIT, "%llu votes are too many",
                          (unsigned long long)trees.count);
    s->vote_count = (uint32_t)trees.count;
    s->vote_targets = targets.data;
    INFER_TRY(check_targets(s));
    return deal_votes(s, n, trees.data, nodes.data);
}

/* ---- what all have in common ---- */

static const char *const post_transforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO",
                                              "PROBIT"};
static const char *const aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* Attributes of infer.Trees that no model may set. */
static infer_status refuse_own(infer_rewriter *rw) {
    static const char *const own[] = {"kind",    "targets", "aggregate", "features",
                                      "flagged", "missing", "first",     "type"};
    if (rw->in_count != 1)
        return infer_fail(INFER_ERROR_FORMAT, "%u inputs instead of 1", rw->in_count);
    for (size_t i = 0; i < COUNT(own); i++)
        if (rw->attr(rw, own[i]))
            return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute %s is not known", own[i]);
    return INFER_OK;
}

static infer_status set_base(infer_rewriter *rw, const infer_numbers *base) {
    rw->drop_attr(rw, "base_values");
    if (!base->count)
        return INFER_OK;
    infer_attr attr = {
        .name = "base_values",
        .type = INFER_ATTR_TENSOR,
        .tensor = {.type = INFER_TYPE_DOUBLE, .rank = 1, .dim = {(int64_t)base->count}}};
    double *to = attr.tensor.data = rw->alloc(rw, (size_t)base->count * sizeof *to);
    if (!to)
        return rw->failed;
    for (uint64_t i = 0; i < base->count; i++)
        to[i] = infer_number_at(base, i);
    return rw->set_attr(rw, &attr);
}

static infer_status become_trees(const infer_tree_source *s, const char *const *names, size_t count,
                                 infer_numbers base, int64_t kind, int64_t post, int64_t type) {
    infer_rewriter *rw = s->rw;
    const struct {
        const char *name;
        int64_t value, usual;
    } numbers[] = {{"kind", kind, INFER_TREES_REGRESSOR},
                   {"targets", s->targets, 1},
                   {"aggregate", s->aggregate, INFER_TREES_SUM},
                   {"post_transform", post, INFER_POST_NONE},
                   {"type", type, INFER_TYPE_FLOAT}};
    /* What the builder reads of attributes stays in memory when they are dropped. */
    for (size_t i = 0; i < count; i++)
        rw->drop_attr(rw, names[i]);
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (numbers[i].value != numbers[i].usual)
            INFER_TRY(infer_set_int(rw, numbers[i].name, numbers[i].value));
    INFER_TRY(set_base(rw, &base));
    INFER_TRY(infer_trees_build(s));
    return rw->become(rw, "infer", "Trees");
}

static const char *const node_names[] = {"nodes_treeids",        "nodes_nodeids",
                                         "nodes_truenodeids",    "nodes_falsenodeids",
                                         "nodes_featureids",     "nodes_missing_value_tracks_true",
                                         "nodes_values",         "nodes_values_as_tensor",
                                         "nodes_hitrates",       "nodes_hitrates_as_tensor",
                                         "nodes_modes",          "post_transform",
                                         "base_values_as_tensor"};

static infer_status become_from_ids(const infer_tree_source *s, const vote_names *names,
                                    infer_numbers base, int64_t kind, int64_t post) {
    const char *const votes[] = {names->trees, names->nodes, names->targets, names->weights,
                                 names->weights_tensor};
    for (size_t i = 0; i < COUNT(votes); i++)
        s->rw->drop_attr(s->rw, votes[i]);
    return become_trees(s, node_names, COUNT(node_names), base, kind, post, INFER_TYPE_FLOAT);
}

/* ---- TreeEnsembleRegressor ---- */

static infer_status regressor_upgrade(infer_rewriter *rw) {
    static const vote_names names = {"target_treeids", "target_nodeids", "target_ids",
                                     "target_weights", "target_weights_as_tensor"};
    infer_tree_source s = {.rw = rw, .targets = 1, .aggregate = INFER_TREES_SUM};
    id_nodes n = {.last = 0};
    infer_numbers base;
    int64_t post = INFER_POST_NONE;
    INFER_TRY(refuse_own(rw));
    INFER_TRY(read_name(rw, "post_transform", post_transforms, COUNT(post_transforms), &post));
    INFER_TRY(read_name(rw, "aggregate_function", aggregates, COUNT(aggregates), &s.aggregate));
    INFER_TRY(read_int(rw, "n_targets", &s.targets));
    INFER_TRY(read_numbers(rw, "base_values", "base_values_as_tensor", &base));
    INFER_TRY(read_id_nodes(rw, &s, &n));
    INFER_TRY(read_votes(&s, &n, &names));
    rw->drop_attr(rw, "aggregate_function");
    rw->drop_attr(rw, "n_targets");
    return become_from_ids(&s, &names, base, INFER_TREES_REGRESSOR, post);
}

/* ---- TreeEnsembleClassifier ---- */

/* Two classes whose votes all name one: converters write binary models so, and their libraries
 * decide. The sum speaks for the second class. Forests vote by its probability, with weights from 0
 * up and no transform; boosting gives a margin. */
static int64_t classifier_kind(infer_tree_source *s, int64_t classes, int64_t post) {
    bool forest = post == INFER_POST_NONE;
    if (classes != 2 || s->vote_count == 0)
        return INFER_TREES_CLASSIFIER;
    for (uint32_t v = 0; v < s->vote_count; v++) {
        if (s->vote_targets[v] != s->vote_targets[0])
            return INFER_TREES_CLASSIFIER;
        forest = forest && infer_number_at(&s->weights, v) >= 0;
    }
    s->one_target = true;
    s->targets = 1;
    return forest ? INFER_TREES_PROBABILITY : INFER_TREES_MARGIN;
}

static infer_status classifier_upgrade(infer_rewriter *rw) {
    static const vote_names names = {"class_treeids", "class_nodeids", "class_ids", "class_weights",
                                     "class_weights_as_tensor"};
    const infer_attr *ints = rw->attr(rw, "classlabels_int64s"),
                     *text = rw->attr(rw, "classlabels_strings");
    infer_tree_source s = {.rw = rw, .aggregate = INFER_TREES_SUM};
    id_nodes n = {.last = 0};
    infer_numbers base;
    int64_t post = INFER_POST_NONE;
    INFER_TRY(refuse_own(rw));
    if (ints && ints->count == 0)
        rw->drop_attr(rw, "classlabels_int64s");
    if (text && text->count == 0)
        rw->drop_attr(rw, "classlabels_strings");
    ints = rw->attr(rw, "classlabels_int64s");
    text = rw->attr(rw, "classlabels_strings");
    if (!ints == !text)
        return infer_fail(INFER_ERROR_FORMAT, "one list of class labels must be set");
    s.targets = (int64_t)(ints ? ints : text)->count;
    INFER_TRY(read_name(rw, "post_transform", post_transforms, COUNT(post_transforms), &post));
    INFER_TRY(read_numbers(rw, "base_values", "base_values_as_tensor", &base));
    INFER_TRY(read_id_nodes(rw, &s, &n));
    INFER_TRY(read_votes(&s, &n, &names));
    int64_t kind = classifier_kind(&s, s.targets, post);
    if (s.one_target && base.count == 2) { /* that of the class that the sum speaks for */
        base.data = (const char *)base.data + infer_type_size(base.type);
        base.count = 1;
    }
    return become_from_ids(&s, &names, base, kind, post);
}

/* ---- TreeEnsemble ---- */

/* Items are the nodes, then the leaves. */
typedef struct split_nodes {
    int_list roots, yes, no, yes_leaf, no_leaf;
    uint32_t nodes, leaves;
} split_nodes;

static infer_status split_child(const infer_tree_source *s, uint32_t tree, uint32_t item,
                                bool answer, uint32_t *child) {
    const split_nodes *n = s->owner;
    int64_t to = (answer ? n->yes : n->no).data[item];
    bool leaf = (answer ? n->yes_leaf : n->no_leaf).data[item] != 0;
    if (to < 0 || to >= (leaf ? n->leaves : n->nodes))
        return infer_fail(INFER_ERROR_FORMAT, "a node of tree %u leads to %s %lld", tree,
                          leaf ? "leaf" : "node", (long long)to);
    *child = (uint32_t)to + (leaf ? n->nodes : 0);
    return INFER_OK;
}

static infer_status split_root(const infer_tree_source *s, uint32_t tree, uint32_t *item) {
    const split_nodes *n = s->owner;
    int64_t root = n->roots.data[tree];
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
    INFER_TRY(read_tensor(rw, "membership_values", T_FLOAT, &given));
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
        return wrong_kind("nodes_modes");
    INFER_TRY(same_count((uint64_t)infer_view_count(&a->tensor), n->nodes, "nodes_modes"));
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
    return check_targets(s);
}

static infer_status read_split_nodes(infer_tree_source *s, split_nodes *n) {
    infer_rewriter *rw = s->rw;
    int_list features, tracks, targets;
    INFER_TRY(read_ints(rw, "tree_roots", &n->roots));
    INFER_TRY(read_ints(rw, "nodes_featureids", &features));
    INFER_TRY(read_ints(rw, "nodes_truenodeids", &n->yes));
    INFER_TRY(read_ints(rw, "nodes_falsenodeids", &n->no));
    INFER_TRY(read_ints(rw, "nodes_trueleafs", &n->yes_leaf));
    INFER_TRY(read_ints(rw, "nodes_falseleafs", &n->no_leaf));
    INFER_TRY(read_ints(rw, "nodes_missing_value_tracks_true", &tracks));
    INFER_TRY(read_ints(rw, "leaf_targetids", &targets));
    INFER_TRY(read_tensor(rw, "nodes_splits", T_FLOAT, &s->splits));
    INFER_TRY(read_tensor(rw, "leaf_weights", T_FLOAT, &s->weights));
    INFER_TRY(same_count(n->yes.count, features.count, "nodes_truenodeids"));
    INFER_TRY(same_count(n->no.count, features.count, "nodes_falsenodeids"));
    INFER_TRY(same_count(n->yes_leaf.count, features.count, "nodes_trueleafs"));
    INFER_TRY(same_count(n->no_leaf.count, features.count, "nodes_falseleafs"));
    INFER_TRY(same_count(s->splits.count, features.count, "nodes_splits"));
    INFER_TRY(same_count(s->weights.count, targets.count, "leaf_weights"));
    if (tracks.count)
        INFER_TRY(same_count(tracks.count, features.count, "nodes_missing_value_tracks_true"));
    if (features.count >= UINT32_MAX / 4 || targets.count >= UINT32_MAX / 4 ||
        n->roots.count > features.count)
        return infer_fail(INFER_ERROR_LIMIT, "there are too many nodes or trees");
    n->nodes = (uint32_t)features.count;
    n->leaves = (uint32_t)targets.count;
    s->features = features.data;
    s->tracks = tracks.count ? tracks.data : NULL;
    s->vote_targets = targets.data;
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
    INFER_TRY(refuse_own(rw));
    if (rw->attr(rw, "base_values") || rw->attr(rw, "classlabels_int64s") ||
        rw->attr(rw, "classlabels_strings"))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "base values and labels are not known");
    INFER_TRY(read_int(rw, "post_transform", &post));
    INFER_TRY(read_int(rw, "aggregate_function", &s.aggregate));
    INFER_TRY(read_int(rw, "n_targets", &s.targets));
    if (post < INFER_POST_NONE || post > INFER_POST_PROBIT || s.aggregate < INFER_TREES_AVERAGE ||
        s.aggregate > INFER_TREES_MAX)
        return infer_fail(INFER_ERROR_FORMAT, "post_transform or aggregate_function is not known");
    INFER_TRY(read_split_nodes(&s, &n));
    uint8_t type = rw->view(rw, rw->input(rw, 0))->type;
    return become_trees(&s, names, COUNT(names), (infer_numbers){.type = INFER_TYPE_FLOAT},
                        INFER_TREES_REGRESSOR, post, type);
}

/* ---- the operators ---- */

/* None of them runs: each has become infer.Trees. */
static infer_status never(infer_op_env *env) {
    (void)env;
    return infer_fail(INFER_ERROR_UNSUPPORTED, "trees are run by infer.Trees");
}

#define TREES(symbol, op_name, first, outputs, input_types, rewrite)                               \
    const infer_op infer_op_##symbol = {                                                           \
        .domain = "ai.onnx.ml",                                                                    \
        .name = op_name,                                                                           \
        .since = first,                                                                            \
        .newest = 5,                                                                               \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = outputs,                                                                        \
        .types = {input_types},                                                                    \
        .upgrade = rewrite,                                                                        \
        .infer = never,                                                                            \
        .run = never,                                                                              \
    };
TREES(tree_ensemble, "TreeEnsemble", 5, 1, T(FLOAT) | T(DOUBLE) | T(FLOAT16), ensemble_upgrade)
TREES(tree_ensemble_classifier, "TreeEnsembleClassifier", 1, 2, T_ML, classifier_upgrade)
TREES(tree_ensemble_regressor, "TreeEnsembleRegressor", 1, 1, T_ML, regressor_upgrade)
