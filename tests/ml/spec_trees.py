"""TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble."""

import math

import numpy as np
from onnx import numpy_helper

from tests.ml.spec_links import labels_of, transformed

COMPARE = {
    "BRANCH_LEQ": lambda value, split: value <= split,
    "BRANCH_LT": lambda value, split: value < split,
    "BRANCH_GTE": lambda value, split: value >= split,
    "BRANCH_GT": lambda value, split: value > split,
    "BRANCH_EQ": lambda value, split: value == split,
    "BRANCH_NEQ": lambda value, split: value != split,
    "BRANCH_MEMBER": lambda value, members: value in members,
}
MODES = list(COMPARE)  # in the order of TreeEnsemble's numbers
AGGREGATES = ["AVERAGE", "SUM", "MIN", "MAX"]
POST_TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]


def is_true(mode, value, split, track):
    """The branch of a node. A missing value goes where the node says, whatever its comparison."""
    return bool(track) if math.isnan(value) else COMPARE[mode](value, split)


def numbers(attributes, name):
    """An attribute of numbers in double, from its list of floats or its tensor."""
    tensor = attributes.get(f"{name}_as_tensor")
    if tensor is not None:
        return numpy_helper.to_array(tensor).astype(np.float64).tolist()
    return np.array(attributes.get(name) or [], dtype=np.float32).astype(np.float64).tolist()


def leaves(x, a):
    """For each row the leaf that it ends in of every tree, as (tree, node). A tree's root is the node that is
    nobody's child."""
    nodes = {}
    tracks = a.get("nodes_missing_value_tracks_true") or [0] * len(a["nodes_nodeids"])
    for node in zip(a["nodes_treeids"], a["nodes_nodeids"], a["nodes_modes"], a["nodes_featureids"],
                    numbers(a, "nodes_values"), tracks, a["nodes_truenodeids"], a["nodes_falsenodeids"],
                    strict=True):
        nodes[node[0], node[1]] = node[2:]
    children = {(tree, child) for (tree, _), node in nodes.items() if node[0] != "LEAF" for child in node[4:]}
    roots = [key for key in nodes if key not in children]
    assert sorted(tree for tree, _ in roots) == sorted(set(a["nodes_treeids"])), "one root for each tree"
    found = []
    for row in np.asarray(x).tolist():
        ends = []
        for tree, node in roots:
            while nodes[tree, node][0] != "LEAF":
                mode, feature, split, track, yes, no = nodes[tree, node]
                node = yes if is_true(mode, row[feature], split, track) else no
            ends.append((tree, node))
        found.append(ends)
    return found


def votes_at(a, prefix):
    """The votes of each leaf: (tree, node) to a list of (index, weight)."""
    votes = {}
    for tree, node, index, weight in zip(a[f"{prefix}_treeids"], a[f"{prefix}_nodeids"], a[f"{prefix}_ids"],
                                         numbers(a, f"{prefix}_weights"), strict=True):
        votes.setdefault((tree, node), []).append((index, weight))
    return votes


def aggregated(rows, targets, trees, function):
    """rows: for each row the votes (target, weight) that it gathered. A target without any has zero; an average
    is over the trees, which tells nothing else apart where every tree has a vote for every target."""
    y = np.zeros((len(rows), targets))
    for out, votes in zip(y, rows):
        for target in range(targets):
            weights = [w for t, w in votes if t == target]
            if weights:
                out[target] = {"SUM": sum, "MIN": min, "MAX": max,
                               "AVERAGE": lambda w: sum(w) / trees}[function](weights)
    return y


def tree_ensemble_regressor(x, version, n_targets=1, aggregate_function="SUM", post_transform="NONE", **a):
    """base_values come after the aggregation."""
    votes = votes_at(a, "target")
    rows = [[v for leaf in ends for v in votes.get(leaf, [])] for ends in leaves(np.atleast_2d(x), a)]
    y = aggregated(rows, n_targets, len(set(a["nodes_treeids"])), aggregate_function)
    return transformed(y + np.array(numbers(a, "base_values") or [0.0]), post_transform)


def tree_ensemble_classifier(x, version, classlabels_int64s=None, classlabels_strings=None,
                             post_transform="NONE", **a):
    """The label is the class of the largest sum, the first of equals.

    Two classes whose votes all name the first: converters write binary models so, and their libraries decide. The
    sum speaks for the second class. Forests vote by its probability p: weights from 0 up, no transform, scores
    {1 - p, p}, the second class above one half. Boosting gives a margin, the second class above zero; with
    LOGISTIC the scores are {1 - p, p}.
    """
    votes = votes_at(a, "class")
    classes = len(classlabels_strings or classlabels_int64s)
    base = np.array(numbers(a, "base_values") or [0.0])
    ends = leaves(np.atleast_2d(x), a)
    rows = [[v for leaf in row for v in votes.get(leaf, [])] for row in ends]
    if classes == 2 and set(a["class_ids"]) == {0}:
        s = aggregated(rows, 1, 1, "SUM")[:, 0] + base
        forest = post_transform == "NONE" and min(numbers(a, "class_weights")) >= 0
        best = (s > (0.5 if forest else 0)).astype(int)
        scores = np.stack([1 - s if forest else -s, s], axis=1)
    else:
        scores = aggregated(rows, classes, 1, "SUM") + base
        best = scores.argmax(axis=1)
    return labels_of(best, classlabels_int64s, classlabels_strings), transformed(scores, post_transform)


def tree_ensemble(x, version, tree_roots, n_targets=1, aggregate_function=1, post_transform=0, **a):
    """The trees of version 5: interior nodes and leaves apart, all in the type of the input."""
    x = np.atleast_2d(x)
    splits = numpy_helper.to_array(a["nodes_splits"]).astype(np.float64)
    weights = numpy_helper.to_array(a["leaf_weights"]).astype(np.float64)
    modes = [MODES[m] for m in numpy_helper.to_array(a["nodes_modes"]).tolist()]
    tracks = a.get("nodes_missing_value_tracks_true") or [0] * len(modes)
    sets = [[]]
    if a.get("membership_values") is not None:
        for member in numpy_helper.to_array(a["membership_values"]).astype(np.float64):
            if math.isnan(member):
                sets.append([])
            else:
                sets[-1].append(member)
    members = iter(sets)
    members = [next(members) if mode == "BRANCH_MEMBER" else None for mode in modes]
    rows = []
    for row in x.astype(np.float64):
        votes = []
        for at in tree_roots:
            leaf = False
            while not leaf:
                value = row[a["nodes_featureids"][at]]
                test = splits[at] if members[at] is None else members[at]
                side = "true" if is_true(modes[at], value, test, tracks[at]) else "false"
                leaf, at = a[f"nodes_{side}leafs"][at], a[f"nodes_{side}nodeids"][at]
            votes.append((a["leaf_targetids"][at], weights[at]))
        rows.append(votes)
    y = aggregated(rows, n_targets, len(tree_roots), AGGREGATES[aggregate_function])
    return transformed(y, POST_TRANSFORMS[post_transform], x.dtype)
