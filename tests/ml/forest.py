"""Trees for cases: built at random or read from native libraries, and laid out as the operators want them."""

import json
from dataclasses import dataclass, field

import numpy as np
from onnx import numpy_helper

from tests.ml.spec_trees import MODES


@dataclass
class Leaf:
    votes: list  # of (class or target, weight)


@dataclass
class Node:
    feature: int
    split: float
    yes: object
    no: object
    mode: str = "BRANCH_LEQ"
    track: int = 0
    members: list = field(default_factory=list)


# ---- made trees ----


def whole_split(rng, dtype):
    return float(rng.integers(-3, 4)) if np.dtype(dtype).kind == "i" else float(np.float32(rng.normal() * 2))


def grow(rng, depth, features, votes, modes=("BRANCH_LEQ",), track=False, splits=None):
    """A tree of at most this depth; votes(rng) makes a leaf's, splits(rng) a node's threshold."""
    if depth == 0 or (depth < 3 and rng.random() < 0.2):
        return Leaf(votes(rng))
    return Node(int(rng.integers(features)), splits(rng) if splits else whole_split(rng, "float32"),
                grow(rng, depth - 1, features, votes, modes, track, splits),
                grow(rng, depth - 1, features, votes, modes, track, splits),
                str(rng.choice(modes)), int(track and rng.random() < 0.5))


def forest(seed, trees, depth, features, votes, **options):
    rng = np.random.default_rng(seed)
    return [grow(rng, depth, features, votes, **options) for _ in range(trees)]


def each(count, low=-1.0, high=1.0):
    """Votes for each of `count` classes or targets."""
    return lambda rng: [(i, float(np.float32(rng.uniform(low, high)))) for i in range(count)]


def one_of(count, low=-1.0, high=1.0):
    """A vote for one of them."""
    return lambda rng: [(int(rng.integers(count)), float(np.float32(rng.uniform(low, high))))]


def for_one(index, low=-1.0, high=1.0):
    return lambda rng: [(index, float(np.float32(rng.uniform(low, high))))]


# ---- trees of native libraries ----


def floor32(threshold):
    """The largest float that is not above: no float lies between, so x <= threshold means the same."""
    near = np.float32(threshold)
    return float(near if near <= threshold else np.nextafter(near, np.float32(-np.inf)))


def sklearn_tree(tree, votes, at=0):
    """votes(value) of a leaf's value: an array of outputs by classes."""
    if tree.children_left[at] < 0:
        return Leaf(votes(tree.value[at]))
    track = int(tree.missing_go_to_left[at])
    return Node(int(tree.feature[at]), floor32(tree.threshold[at]), sklearn_tree(tree, votes, tree.children_left[at]),
                sklearn_tree(tree, votes, tree.children_right[at]), track=track)


def xgboost_trees(booster, classes=1):
    """Tree i speaks for class i modulo the number of classes."""
    def read(node, c):
        if "leaf" in node:
            return Leaf([(c, node["leaf"])])
        children = {child["nodeid"]: child for child in node["children"]}
        return Node(int(node["split"][1:]), node["split_condition"], read(children[node["yes"]], c),
                    read(children[node["no"]], c), "BRANCH_LT", int(node["missing"] == node["yes"]))
    dump = booster.get_dump(dump_format="json")
    return [read(json.loads(tree), i % classes) for i, tree in enumerate(dump)]


def lightgbm_trees(booster, classes=1):
    def read(node, c):
        if "leaf_value" in node:
            return Leaf([(c, node["leaf_value"])])
        return Node(node["split_feature"], floor32(node["threshold"]), read(node["left_child"], c),
                    read(node["right_child"], c), track=int(node["default_left"]))
    trees = booster.dump_model()["tree_info"]
    return [read(tree["tree_structure"], i % classes) for i, tree in enumerate(trees)]


# ---- layouts ----


def flat(root):
    """Nodes in the order of a walk, children after parents, with the numbers of their children."""
    rows = []

    def walk(node):
        number = len(rows)
        rows.append(None)
        if isinstance(node, Leaf):
            rows[number] = (node, 0, 0)
        else:
            yes = walk(node.yes)
            rows[number] = (node, yes, walk(node.no))
        return number

    walk(root)
    return rows


def columns(trees, prefix, double=False, track=True, order=None, ids=lambda tree, node: (tree, node)):
    """The attributes of TreeEnsembleRegressor (prefix target) and TreeEnsembleClassifier (class).

    double: thresholds and weights as tensors of doubles. track: whether missing values are said anything about.
    order: rearranges the rows of nodes. ids: numbers trees and nodes.
    """
    nodes, votes = [], []
    for t, root in enumerate(trees):
        for n, (node, yes, no) in enumerate(flat(root)):
            tree, number = ids(t, n)
            if isinstance(node, Leaf):
                nodes.append((tree, number, 0, "LEAF", 0.0, 0, 0, 0))
                votes += [(tree, number, i, weight) for i, weight in node.votes]
            else:
                nodes.append((tree, number, node.feature, node.mode, node.split, node.track, ids(t, yes)[1],
                              ids(t, no)[1]))
    nodes = [nodes[i] for i in order(len(nodes))] if order else nodes
    keys = ["treeids", "nodeids", "featureids", "modes", "values", "missing_value_tracks_true", "truenodeids",
            "falsenodeids"]
    out = {f"nodes_{key}": list(column) for key, column in zip(keys, zip(*nodes))}
    out |= {f"{prefix}_{key}": list(column)
            for key, column in zip(("treeids", "nodeids", "ids", "weights"), zip(*votes))}
    if not track:
        del out["nodes_missing_value_tracks_true"]
    if double:
        for key in ("nodes_values", f"{prefix}_weights"):
            out[f"{key}_as_tensor"] = numpy_helper.from_array(np.array(out.pop(key), dtype=np.float64))
    return out


def tensors(trees, dtype, track=True):
    """The attributes of TreeEnsemble, all numbers in one type; a leaf has one vote."""
    out = {"tree_roots": [], "nodes_featureids": [], "nodes_truenodeids": [], "nodes_trueleafs": [],
           "nodes_falsenodeids": [], "nodes_falseleafs": [], "leaf_targetids": []}
    splits, modes, weights, members, tracks = [], [], [], [], []

    def leaf(node):
        (target, weight), = node.votes
        out["leaf_targetids"].append(target)
        weights.append(weight)
        return len(weights) - 1, 1

    def place(node):
        number = len(splits)
        splits.append(node.split)
        modes.append(MODES.index(node.mode))
        tracks.append(node.track)
        out["nodes_featureids"].append(node.feature)
        if node.mode == "BRANCH_MEMBER":
            members.extend([*node.members, np.nan])
        for side in ("true", "false"):
            out[f"nodes_{side}nodeids"].append(None)
            out[f"nodes_{side}leafs"].append(None)
        for side, child in (("true", node.yes), ("false", node.no)):
            at, is_leaf = leaf(child) if isinstance(child, Leaf) else (place(child), 0)
            out[f"nodes_{side}nodeids"][number], out[f"nodes_{side}leafs"][number] = at, is_leaf
        return number

    for root in trees:
        if isinstance(root, Leaf):  # a node whose branches are the same leaf
            number = place(Node(0, 0.0, root, root))
            out["nodes_falsenodeids"][number] = out["nodes_truenodeids"][number]
            weights.pop()
            out["leaf_targetids"].pop()
        else:
            number = place(root)
        out["tree_roots"].append(number)
    out["nodes_splits"] = numpy_helper.from_array(np.array(splits, dtype=dtype))
    out["nodes_modes"] = numpy_helper.from_array(np.array(modes, dtype=np.uint8))
    out["leaf_weights"] = numpy_helper.from_array(np.array(weights, dtype=dtype))
    if members:
        out["membership_values"] = numpy_helper.from_array(np.array(members, dtype=dtype))
    if track:
        out["nodes_missing_value_tracks_true"] = tracks
    return out
