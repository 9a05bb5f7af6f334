"""Writes whole models as converters make them, judged by the library that trained them.

    python -m tests.ml.pipelines DIRECTORY [-v]

Every model answers two data sets, of one row and of seven. Training data lies on multiples of 1/8 and test data
1/32 above them, so that no value is at a split. Of many test rows those are taken whose answer is settled: scores
that do not depend on the last digits of float, and a clear winner.
"""

import re
import sys
import warnings
from importlib import import_module

import numpy as np
import onnx

from tests.ml.values import Maps
from tests.ml.writer import TYPES, Writer

MODULES = ["pipelines_sklearn", "pipelines_prepare", "pipelines_boost"]
DTYPES = {value: key for key, value in TYPES.items()}
SIZES = [1, 7]


def grid(seed, rows, columns, shift=0.0):
    return (np.round(np.random.default_rng(seed).normal(size=(rows, columns)) * 8) / 8 + shift).astype(np.float32)


TRAIN, TEST = grid(1, 150, 5), grid(2, 200, 5, 1 / 32)


def target(x=TRAIN):
    return np.sin(x[:, 0]) + x[:, 1] * x[:, 2] / 4 - x[:, 3] / 2


def targets(x=TRAIN):
    return np.stack([target(x), x[:, 4] - x[:, 0], np.abs(x[:, 1])], axis=1)


def classes(count, x=TRAIN):
    edges = {2: [0.1], 3: [-0.4, 0.5], 4: [-0.6, 0.0, 0.7]}[count]
    return np.digitize(target(x), edges)


# ---- what a native model answers ----


def dense(y):
    return np.asarray(y.todense()) if hasattr(y, "todense") else np.asarray(y)


def classifier(model, x):
    return [model.predict(x), model.predict_proba(x)] if hasattr(model, "predict_proba") else decided_twice(model, x)


def label_row(model, x):
    """Where the converter lays the labels in a row of their own."""
    return [model.predict(x).reshape(1, -1), model.predict_proba(x)]


def decided(model, x):
    """One decision for two classes."""
    return [model.predict(x), model.decision_function(x).reshape(len(x), -1)]


def decided_twice(model, x):
    """Converters give the decision d of two classes as {-d, d}."""
    y = decided(model, x)
    return y if y[1].shape[1] > 1 else [y[0], np.hstack([-y[1], y[1]])]


def regressor(model, x):
    y = dense(model.predict(x))
    return [y.reshape(len(y), -1)]


def transformer(model, x):
    return [dense(model.transform(x))]


def outlier(model, x):
    return [model.predict(x).reshape(-1, 1), model.decision_function(x).reshape(-1, 1)]


def cluster(model, x):
    return [model.predict(x), model.transform(x)]


# ---- rows whose answer is settled ----


def settled(answers):
    rows = len(answers[-1])
    keep = np.ones(rows, dtype=bool)
    for y in answers:
        if y.dtype.kind != "f" or y.size == 0:
            continue
        size = np.abs(np.nan_to_num(y.reshape(rows, -1)))
        keep &= ((size == 0) | (size > 3e-3 * size.max())).all(axis=1)
    scores = answers[-1]
    if len(answers) == 2 and scores.ndim == 2 and scores.shape[1] > 1 and scores.dtype.kind == "f":
        top = np.sort(scores, axis=1)
        keep &= top[:, -1] - top[:, -2] > 1e-3
    return np.flatnonzero(keep)


def as_output(value, info, labels=None):
    """A native answer in the type that the model declares."""
    if info.type.WhichOneof("value") == "sequence_type":
        kind = info.type.sequence_type.elem_type.map_type
        keys = labels.tolist()
        return Maps(DTYPES[kind.key_type], "float32",
                    [dict(zip(keys, map(float, np.float32(row)))) for row in value])
    dtype, rank = DTYPES[info.type.tensor_type.elem_type], len(info.type.tensor_type.shape.dim)
    value = np.asarray(value)
    if sorted([value.ndim, rank]) == [1, 2]:  # a column or a list: as the model has it
        value = value.reshape(-1, 1) if rank == 2 else value.ravel()
    return value.astype(str).astype(object) if dtype == object else value.astype(dtype)


def settle(model, name, note):
    """Takes out what changes from run to run: random names, dates, the order of dictionaries. The meaning stays."""
    model.doc_string = note
    del model.metadata_props[:]
    addresses = {}
    settle_graph(model.graph, name, addresses)
    for owner in (model, *model.functions):
        imports = sorted({(o.domain, o.version) for o in owner.opset_import})
        del owner.opset_import[:]
        owner.opset_import.extend(onnx.helper.make_opsetid(*pair) for pair in imports)


def settle_graph(graph, name, addresses):
    """addresses: numbers that objects had in memory, which some converters put into names, to small ones."""
    def plain(text):
        return re.sub(r"\d{12,}", lambda m: str(addresses.setdefault(m[0], len(addresses))), text)

    graph.name, graph.doc_string = name, ""
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        value.name = plain(value.name)
    for number, node in enumerate(graph.node):
        for names in (node.input, node.output):
            names[:] = map(plain, names)
        node.name = f"n{number}"
        attributes = sorted(node.attribute, key=lambda a: a.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                settle_graph(attribute.g, node.name, addresses)


def write(writer, name, onnx_model, ask, inputs, note="", labels=None):
    """ask(rows) gives the native answers for chosen rows; inputs are the columns that the graph has, with all
    test rows. Labels are the classes of a model whose scores come as maps."""
    answers = ask(np.arange(len(inputs[0])))
    rows = settled([np.asarray(a) for a in answers])
    assert len(rows) >= sum(SIZES), f"{name}: only {len(rows)} settled rows"
    sets, start = [], 0
    for size in SIZES:
        chosen = rows[start:start + size]
        start += size
        values = ask(chosen)
        outputs = onnx_model.graph.output
        if len(outputs) > len(values):  # one output for each class
            values = [values[0], *values[1].T.reshape(-1, len(chosen), 1)]
        sets.append(([x[chosen] for x in inputs],
                     [as_output(v, info, labels) for v, info in zip(values, outputs, strict=True)]))
    settle(onnx_model, name, note)
    onnx.checker.check_model(onnx_model)
    writer.write(f"test_pipeline_{name}", onnx_model, sets)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    writer, failed = Writer(sys.argv[1]), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in MODULES:
            for name, make in import_module(f"tests.ml.{module}").models():
                try:
                    make(writer, name)
                except Exception as error:
                    failed.append(name)
                    print(f"{name}: {type(error).__name__}: {str(error)[:300 if '-v' in sys.argv else 100]}")
    print(f"{len(writer.names)} models in {sys.argv[1]}, {len(failed)} could not be made")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
