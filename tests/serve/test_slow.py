"""The line about requests that take long."""

import json
import re

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402


@pytest.fixture
def slow_model(tmp_path):
    """A number in, a number out, and a product of two 600 x 600 matrices between."""
    constants = {"c": np.ones((600, 1), np.float32), "r": np.ones((1, 600), np.float32)}
    nodes = [helper.make_node("MatMul", ["c", "x"], ["column"], "outer1"),
             helper.make_node("MatMul", ["column", "r"], ["square"], "outer2"),
             helper.make_node("MatMul", ["square", "square"], ["product"], "long_one"),
             helper.make_node("ReduceSum", ["product"], ["y"], "sum", keepdims=0)]
    value = lambda name, shape: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)  # noqa: E731
    graph = helper.make_graph(nodes, "g", [value("x", [1, 1])], [value("y", [])],
                              [numpy_helper.from_array(data, name) for name, data in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
              tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_slow_requests_are_logged_with_the_times_of_nodes(runtime, slow_model):
    r = runtime().start("--model", slow_model, "--slow-ms", 1, "--log-format", "json")
    status, answer = r.invoke({"inputs": {"x": [[1]]}})
    assert status == 200 and answer["prediction"] == 600.0 ** 3
    lines = [json.loads(line) for line in r.stop()[1].splitlines()]
    [line] = [line for line in lines if line["message"].startswith("slow request")]
    total, node = map(float, re.match(r"slow request: ([\d.]+) ms, MatMul long_one ([\d.]+) ms",
                                      line["message"]).groups())
    assert 1 <= node <= total
    assert line["level"] == "WARN" and line["requestId"].startswith("00000000")


def test_fast_requests_are_not(runtime, slow_model):
    r = runtime().start("--model", slow_model, "--slow-ms", 60000)
    assert r.invoke({"inputs": {"x": [[1]]}})[0] == 200
    assert "slow" not in r.stop()[1]
