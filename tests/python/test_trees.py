"""Ensembles and lists so large that their attributes are read ahead, beside NumPy."""


import numpy as np
import onnx
import pytest
from onnx import helper

import libinfer
from test_memory import LOAD, RATIO, measure

FEATURES, DEPTH = 20, 9


def make(node, input_type, output_type, columns):
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [value("x", input_type, columns)], [value("y", output_type, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)


def forest(trees, targets):
    """Full trees whose nodes are numbered as in a heap; every leaf votes for one target."""
    random = np.random.default_rng(3)
    inner, size = 2 ** DEPTH - 1, 2 ** (DEPTH + 1) - 1
    shape = trees, size
    leaf = np.arange(size) >= inner
    numbers = np.broadcast_to(np.arange(size), shape)
    features = np.where(leaf, 0, random.integers(0, FEATURES, shape))
    values = np.where(leaf, random.normal(size=shape), random.integers(-8, 8, shape) / 4).astype(np.float32)
    tracks = np.where(leaf, 0, random.integers(0, 2, shape))
    target = random.integers(0, targets, shape)
    ids = np.repeat(np.arange(trees), size)
    ends = np.broadcast_to(leaf, shape).ravel()
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=targets,
        nodes_treeids=ids, nodes_nodeids=numbers.ravel(), nodes_featureids=features.ravel(),
        nodes_values=values.ravel(), nodes_missing_value_tracks_true=tracks.ravel(),
        nodes_modes=["LEAF" if end else "BRANCH_LT" for end in ends], nodes_hitrates=np.ones(ends.size),
        nodes_truenodeids=np.where(leaf, 0, 2 * numbers + 2).ravel(),
        nodes_falsenodeids=np.where(leaf, 0, 2 * numbers + 1).ravel(),
        target_treeids=ids[ends], target_nodeids=numbers.ravel()[ends], target_ids=target.ravel()[ends],
        target_weights=values.ravel()[ends])

    def answer(x):
        at = np.zeros((len(x), trees), dtype=int)
        tree = np.arange(trees)
        for _ in range(DEPTH):
            value = np.take_along_axis(x, features[tree, at], axis=1)
            at = 2 * at + 1 + np.where(np.isnan(value), tracks[tree, at], value < values[tree, at])
        y = np.zeros((len(x), targets))
        for t in range(targets):
            y[:, t] = np.where(target[tree, at] == t, values[tree, at].astype(np.float64), 0).sum(axis=1)
        return y

    return make(node, 1, 1, [None, FEATURES]), answer


@pytest.mark.parametrize("targets", [1, 3])
def test_large_forest(targets):
    model, answer = forest(150, targets)
    x = np.random.default_rng(4).integers(-10, 10, size=(60, FEATURES)).astype(np.float32) / 4
    x[30:][np.random.default_rng(5).random((30, FEATURES)) < 0.3] = np.nan
    with libinfer.load(model.SerializeToString()) as ours:
        np.testing.assert_allclose(ours.run({"x": x})["y"], answer(x), rtol=1e-6, atol=1e-6)


def test_peak_memory(tmp_path):
    path = tmp_path / "forest.onnx"
    onnx.save(forest(600, 1)[0], str(path))
    assert int(measure(LOAD, path)[0]) <= RATIO * path.stat().st_size


COUNT = 70000


@pytest.mark.parametrize("keys, values, types", [
    ([7 * i - 5 for i in range(COUNT)], [i / 8 for i in range(COUNT)], ("int64", "float")),
    ([f"key {i}" for i in range(COUNT)], [(1 << 40) - i for i in range(COUNT)], ("string", "int64")),
    ([i / 2 for i in range(COUNT)], ["odd" if i % 2 else "even" for i in range(COUNT)], ("float", "string")),
])
def test_long_lists(keys, values, types):
    names = {"int64": "int64s", "float": "floats", "string": "strings"}
    numbers = {"int64": 7, "float": 1, "string": 8}
    node = helper.make_node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml",
                            **{f"keys_{names[types[0]]}": keys, f"values_{names[types[1]]}": values})
    x = keys[::997]
    x = np.array(x, dtype=object if types[0] == "string" else {"int64": np.int64, "float": np.float32}[types[0]])
    with libinfer.load(make(node, numbers[types[0]], numbers[types[1]], [None]).SerializeToString()) as ours:
        assert list(ours.run({"x": x})["y"]) == values[::997]
