/* Nodes of trees that are known by tree and number, and the votes at them. */
#include "trees_read.h"

#include <stdlib.h>
#include <string.h>

/* ---- nodes by tree and number ---- */

static uint32_t item_at(const infer_id_nodes *n, uint32_t place) {
    return n->order ? n->order[place] : place;
}

/* The item with a number in a tree: where it would stand if numbers had no gaps, or by halves. */
static bool find_item(const infer_id_nodes *n, const infer_id_tree *tree, int64_t id,
                      uint32_t *item) {
    uint32_t low = tree->first, high = tree->end;
    uint64_t ahead = (uint64_t)id - (uint64_t)infer_integer_at(&n->ids, item_at(n, low));
    if (ahead < high - low &&
        infer_integer_at(&n->ids, *item = item_at(n, low + (uint32_t)ahead)) == id)
        return true;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (infer_integer_at(&n->ids, item_at(n, middle)) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tree->end && infer_integer_at(&n->ids, *item = item_at(n, low)) == id;
}

static infer_status id_child(const infer_tree_source *s, uint32_t tree, uint32_t item, bool answer,
                             uint32_t *child) {
    const infer_id_nodes *n = s->owner;
    int64_t id = infer_integer_at(answer ? &n->yes : &n->no, item);
    if (find_item(n, &n->list[tree], id, child))
        return INFER_OK;
    return infer_fail(INFER_ERROR_FORMAT, "tree %lld has no node %lld", (long long)n->list[tree].id,
                      (long long)id);
}

static infer_status id_root(const infer_tree_source *s, uint32_t tree, uint32_t *item) {
    *item = ((const infer_id_nodes *)s->owner)->roots[tree];
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
    const infer_id_tree *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Sorts the items where their trees are no runs of growing numbers. */
static infer_status sort_items(infer_rewriter *rw, infer_id_nodes *n, uint32_t count) {
    id_key *keys = rw->alloc(rw, count * sizeof *keys);
    uint32_t *order = rw->alloc(rw, count * sizeof *order);
    if (!keys || !order)
        return rw->failed;
    for (uint32_t i = 0; i < count; i++)
        keys[i] = (id_key){infer_integer_at(&n->trees, i), infer_integer_at(&n->ids, i), i};
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
static bool find_runs(const infer_id_nodes *n, uint32_t count, infer_id_tree *list,
                      uint32_t *trees) {
    *trees = 0;
    for (uint32_t p = 0; p < count; p++) {
        uint32_t item = item_at(n, p), before = p ? item_at(n, p - 1) : 0;
        if (p && infer_integer_at(&n->trees, item) == infer_integer_at(&n->trees, before)) {
            if (infer_integer_at(&n->ids, item) <= infer_integer_at(&n->ids, before))
                return false;
        } else {
            if (list)
                list[*trees] = (infer_id_tree){infer_integer_at(&n->trees, item), p, p};
            ++*trees;
        }
        if (list)
            list[*trees - 1].end = p + 1;
    }
    return true;
}

static infer_status find_trees(infer_rewriter *rw, infer_id_nodes *n, uint32_t count) {
    for (int attempt = 0;; attempt++) {
        bool grows = find_runs(n, count, NULL, &n->tree_count), once = true;
        size_t size = (n->tree_count + (size_t)1) * sizeof(infer_id_tree);
        infer_id_tree *list = grows ? rw->alloc(rw, size) : NULL, *by_id = NULL;
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
static infer_status find_roots(const infer_tree_source *s, infer_id_nodes *n) {
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

/* The number of a mode's name; one more than the last where there is none. */
static uint8_t mode_of(infer_string text) {
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "",           "LEAF"};
    uint8_t mode = 0;
    while (mode <= INFER_TREE_LEAF && (!text.size || text.size != strlen(names[mode]) ||
                                       memcmp(text.data, names[mode], text.size) != 0))
        mode++;
    return mode;
}

static infer_status read_modes(infer_rewriter *rw, uint64_t count, const uint8_t **modes) {
    const infer_attr *a = rw->attr(rw, "nodes_modes");
    bool codes = a && a->type == INFER_ATTR_CODES;
    const infer_string *names = a ? a->data : NULL;
    const uint8_t *code = codes ? a->tensor.data : NULL;
    uint8_t *mode = rw->alloc(rw, (size_t)count + 1), of_code[256];
    if (a && !codes && a->type != INFER_ATTR_STRINGS)
        return infer_trees_wrong_kind("nodes_modes");
    INFER_TRY(infer_trees_same_count(codes ? (uint64_t)infer_view_count(&a->tensor)
                                     : a   ? a->count
                                           : 0,
                                     count, "nodes_modes"));
    if (!mode)
        return rw->failed;
    for (size_t i = 0; codes && i < a->count; i++)
        of_code[i] = mode_of(names[i]);
    for (uint64_t i = 0; i < count; i++) {
        mode[i] = codes ? of_code[code[i]] : mode_of(names[i]);
        infer_string text = names[codes ? code[i] : i];
        if (mode[i] > INFER_TREE_LEAF)
            return infer_fail(INFER_ERROR_FORMAT, "a node has the unknown mode \"%.*s\"",
                              (int)(text.size < 40 ? text.size : 40), text.data);
    }
    *modes = mode;
    return INFER_OK;
}

infer_status infer_trees_id_nodes(infer_rewriter *rw, infer_tree_source *s, infer_id_nodes *n) {
    struct {
        const char *name;
        infer_integers *list;
    } lists[] = {
        {"nodes_treeids", &n->trees},       {"nodes_nodeids", &n->ids},
        {"nodes_truenodeids", &n->yes},     {"nodes_falsenodeids", &n->no},
        {"nodes_featureids", &s->features}, {"nodes_missing_value_tracks_true", &s->tracks}};
    for (size_t i = 0; i < COUNT(lists); i++) {
        INFER_TRY(infer_trees_ints(rw, lists[i].name, lists[i].list));
        if (lists[i].list->count || lists[i].list != &s->tracks)
            INFER_TRY(infer_trees_same_count(lists[i].list->count, n->trees.count, lists[i].name));
    }
    uint64_t count = n->trees.count;
    if (count >= UINT32_MAX / 2)
        return infer_fail(INFER_ERROR_LIMIT, "%llu nodes are too many", (unsigned long long)count);
    INFER_TRY(infer_trees_numbers(rw, "nodes_values", "nodes_values_as_tensor", &s->splits));
    INFER_TRY(infer_trees_same_count(s->splits.count, count, "nodes_values"));
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
static bool find_tree(infer_id_nodes *n, int64_t id, const infer_id_tree **tree) {
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
static infer_status deal_votes(infer_tree_source *s, infer_id_nodes *n, const infer_integers *trees,
                               const infer_integers *ids) {
    infer_rewriter *rw = s->rw;
    uint32_t *starts = rw->alloc(rw, (s->item_count + (size_t)2) * sizeof *starts);
    uint32_t *votes = rw->alloc(rw, (s->vote_count + (size_t)1) * sizeof *votes);
    uint32_t *items = rw->alloc(rw, (s->vote_count + (size_t)1) * sizeof *items);
    if (!starts || !votes || !items)
        return rw->failed;
    memset(starts, 0, (s->item_count + (size_t)2) * sizeof *starts);
    for (uint32_t v = 0; v < s->vote_count; v++) {
        const infer_id_tree *tree;
        if (!find_tree(n, infer_integer_at(trees, v), &tree) ||
            !find_item(n, tree, infer_integer_at(ids, v), &items[v]))
            return infer_fail(INFER_ERROR_FORMAT,
                              "a vote is at node %lld of tree %lld, which is "
                              "not there",
                              (long long)infer_integer_at(ids, v),
                              (long long)infer_integer_at(trees, v));
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

infer_status infer_trees_votes(infer_tree_source *s, infer_id_nodes *n,
                               const infer_vote_names *names) {
    infer_rewriter *rw = s->rw;
    infer_integers trees, nodes, targets;
    INFER_TRY(infer_trees_ints(rw, names->trees, &trees));
    INFER_TRY(infer_trees_ints(rw, names->nodes, &nodes));
    INFER_TRY(infer_trees_ints(rw, names->targets, &targets));
    INFER_TRY(infer_trees_numbers(rw, names->weights, names->weights_tensor, &s->weights));
    INFER_TRY(infer_trees_same_count(nodes.count, trees.count, names->nodes));
    INFER_TRY(infer_trees_same_count(targets.count, trees.count, names->targets));
    INFER_TRY(infer_trees_same_count(s->weights.count, trees.count, names->weights));
    if (trees.count >= UINT32_MAX)
        return infer_fail(INFER_ERROR_LIMIT, "%llu votes are too many",
                          (unsigned long long)trees.count);
    s->vote_count = (uint32_t)trees.count;
    s->vote_targets = targets;
    INFER_TRY(infer_trees_check_targets(s));
    return deal_votes(s, n, &trees, &nodes);
}
