/* TreeEnsembleClassifier and TreeEnsembleRegressor become infer.Trees. */
#include "trees_read.h"

#include <string.h>

/* The number of a text among names; *value stays where it is not set. */
static infer_status read_name(infer_rewriter *rw, const char *name, const char *const *names,
                              size_t count, int64_t *value) {
    const infer_attr *a = rw->attr(rw, name);
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_STRING)
        return infer_trees_wrong_kind(name);
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == a->count && memcmp(names[i], a->data, a->count) == 0) {
            *value = (int64_t)i;
            return INFER_OK;
        }
    return infer_fail(INFER_ERROR_FORMAT, "%s has no known value", name);
}

static const char *const post_transforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO",
                                              "PROBIT"};
static const char *const aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};

static const char *const node_names[] = {"nodes_treeids",        "nodes_nodeids",
                                         "nodes_truenodeids",    "nodes_falsenodeids",
                                         "nodes_featureids",     "nodes_missing_value_tracks_true",
                                         "nodes_values",         "nodes_values_as_tensor",
                                         "nodes_hitrates",       "nodes_hitrates_as_tensor",
                                         "nodes_modes",          "post_transform",
                                         "base_values_as_tensor"};

static infer_status become_from_ids(const infer_tree_source *s, const infer_vote_names *names,
                                    infer_numbers base, int64_t kind, int64_t post) {
    const char *const votes[] = {names->trees, names->nodes, names->targets, names->weights,
                                 names->weights_tensor};
    for (size_t i = 0; i < COUNT(votes); i++)
        s->rw->drop_attr(s->rw, votes[i]);
    return infer_trees_become(s, node_names, COUNT(node_names), base, kind, post, INFER_TYPE_FLOAT);
}

/* ---- TreeEnsembleRegressor ---- */

static infer_status regressor_upgrade(infer_rewriter *rw) {
    static const infer_vote_names names = {"target_treeids", "target_nodeids", "target_ids",
                                           "target_weights", "target_weights_as_tensor"};
    infer_tree_source s = {.rw = rw, .targets = 1, .aggregate = INFER_TREES_SUM};
    infer_id_nodes n = {.last = 0};
    infer_numbers base;
    int64_t post = INFER_POST_NONE;
    INFER_TRY(infer_trees_begin(rw));
    INFER_TRY(read_name(rw, "post_transform", post_transforms, COUNT(post_transforms), &post));
    INFER_TRY(read_name(rw, "aggregate_function", aggregates, COUNT(aggregates), &s.aggregate));
    INFER_TRY(infer_trees_int(rw, "n_targets", &s.targets));
    INFER_TRY(infer_trees_numbers(rw, "base_values", "base_values_as_tensor", &base));
    INFER_TRY(infer_trees_id_nodes(rw, &s, &n));
    INFER_TRY(infer_trees_votes(&s, &n, &names));
    rw->drop_attr(rw, "aggregate_function");
    rw->drop_attr(rw, "n_targets");
    return become_from_ids(&s, &names, base, INFER_TREES_REGRESSOR, post);
}

/* ---- TreeEnsembleClassifier ---- */

/* Two classes whose votes all name the first: converters write binary models so, and their
 * libraries decide. The sum speaks for the second class. Forests vote by its probability, with
 * weights from 0 up and no transform; boosting gives a margin. */
static int64_t classifier_kind(infer_tree_source *s, int64_t classes, int64_t post) {
    bool forest = post == INFER_POST_NONE;
    if (classes != 2 || s->vote_count == 0)
        return INFER_TREES_CLASSIFIER;
    for (uint32_t v = 0; v < s->vote_count; v++) {
        if (infer_integer_at(&s->vote_targets, v) != 0)
            return INFER_TREES_CLASSIFIER;
        forest = forest && infer_number_at(&s->weights, v) >= 0;
    }
    s->one_target = true;
    s->targets = 1;
    return forest ? INFER_TREES_PROBABILITY : INFER_TREES_MARGIN;
}

static infer_status classifier_upgrade(infer_rewriter *rw) {
    static const infer_vote_names names = {"class_treeids", "class_nodeids", "class_ids",
                                           "class_weights", "class_weights_as_tensor"};
    const infer_attr *ints = rw->attr(rw, "classlabels_int64s"),
                     *text = rw->attr(rw, "classlabels_strings");
    infer_tree_source s = {.rw = rw, .aggregate = INFER_TREES_SUM};
    infer_id_nodes n = {.last = 0};
    infer_numbers base;
    int64_t post = INFER_POST_NONE;
    INFER_TRY(infer_trees_begin(rw));
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
    INFER_TRY(infer_trees_numbers(rw, "base_values", "base_values_as_tensor", &base));
    INFER_TRY(infer_trees_id_nodes(rw, &s, &n));
    INFER_TRY(infer_trees_votes(&s, &n, &names));
    int64_t kind = classifier_kind(&s, s.targets, post);
    if (s.one_target && base.count == 2) { /* that of the class that the sum speaks for */
        base.data = (const char *)base.data + infer_type_size(base.type);
        base.count = 1;
    }
    return become_from_ids(&s, &names, base, kind, post);
}

TREES(tree_ensemble_classifier, "TreeEnsembleClassifier", 1, 2, T_ML, classifier_upgrade)
TREES(tree_ensemble_regressor, "TreeEnsembleRegressor", 1, 1, T_ML, regressor_upgrade)
