"""Models to serve, and runtimes that drive the handler."""

import json

import pytest

from http_server import Server
from mock_runtime import Runtime, await_ends

LINEAR = {"format": "libinfer-linear", "version": 1, "coefficients": [[0.5, -1.25, 2.0]], "intercepts": [0.75]}
LOGISTIC = {**LINEAR, "link": "logistic", "classes": ["benign", "malignant"],
            "feature_names": ["age", "size", "höhe"]}


@pytest.fixture(scope="session", autouse=True)
def ends():
    yield
    await_ends()


@pytest.fixture
def model(tmp_path):
    """Writes a linear model; returns its path."""
    def write(content, name="m.json"):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path
    return write


@pytest.fixture
def runtime():
    """Makes runtimes, and ends what is left of them."""
    made = []

    def make(**options):
        made.append(Runtime(**options))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def server():
    """Starts servers, and ends what is left of them."""
    made = []

    def make(*arguments, **options):
        made.append(Server(*arguments, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def slow_model(tmp_path):
    """A graph that takes tens of milliseconds: a number in, a number out, products of matrices between."""
    onnx = pytest.importorskip("onnx")
    import numpy as np
    from onnx import helper, numpy_helper

    def make(products=1, size=600):
        constants = {"c": np.ones((size, 1), np.float32), "r": np.full((1, size), 1 / size, np.float32)}
        nodes = [helper.make_node("MatMul", ["c", "x"], ["column"], "outer1"),
                 helper.make_node("MatMul", ["column", "r"], ["square0"], "outer2")]
        nodes += [helper.make_node("MatMul", [f"square{i}", "square0"], [f"square{i + 1}"], f"long{i}")
                  for i in range(products)]
        nodes.append(helper.make_node("ReduceSum", [f"square{products}"], ["y"], "sum", keepdims=0))
        value = lambda name, shape: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)  # noqa: E731
        graph = helper.make_graph(nodes, "g", [value("x", [1, 1])], [value("y", [])],
                                  [numpy_helper.from_array(data, name) for name, data in constants.items()])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
                  tmp_path / "slow.onnx")
        return tmp_path / "slow.onnx"
    return make
