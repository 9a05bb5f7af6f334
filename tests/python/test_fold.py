"""Scaling, offset, linear layer and link become one node; onnxruntime judges the answers."""

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import FLOAT
from onnx import helper, numpy_helper

import libinfer

FEATURES, OUTPUTS = 5, 3
random = np.random.default_rng(3)
CONSTANTS = {
    "W": random.normal(size=(FEATURES, OUTPUTS)),
    "Wt": random.normal(size=(OUTPUTS, FEATURES)),
    "w1": random.normal(size=(FEATURES, 1)),
    "c": random.normal(size=OUTPUTS),
    "c1": random.normal(size=(1, OUTPUTS)),
    "s": np.array(0.5),
    "m": random.normal(size=FEATURES),
    "d": random.uniform(0.5, 2, size=(1, FEATURES)),
}


def node(op, inputs, output, **attributes):
    domain = "ai.onnx.ml" if op in ("Scaler", "LinearRegressor") else ""
    return helper.make_node(op, inputs.split(), [output], domain=domain, **attributes)


def model_of(nodes, constants=CONSTANTS, features=FEATURES):
    x = helper.make_tensor_value_info("x", 1, [None, features])
    y = helper.make_tensor_value_info("y", 1, None)
    used = {name for n in nodes for name in n.input}
    initializers = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()
                    if k in used]
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


FOLDED = {
    "gemm": [node("Gemm", "x W c", "y")],
    "gemm with all": [node("Gemm", "x Wt c1", "y", transB=1, alpha=0.5, beta=2.0)],
    "standardised": [node("Sub", "x m", "a"), node("Div", "a d", "b"), node("MatMul", "b W", "z"),
                     node("Add", "c z", "l"), node("Softmax", "l", "y", axis=-1)],
    "logistic": [node("Mul", "d x", "a"), node("Add", "m a", "b"), node("MatMul", "b w1", "z"),
                 node("Add", "z s", "l"), node("Sigmoid", "l", "y")],
    "scaled behind": [node("MatMul", "x W", "z"), node("Sub", "z c", "a"), node("Div", "a c1", "b"),
                      node("Mul", "b s", "e"), node("Exp", "e", "y")],
    "scaler": [node("Scaler", "x", "a", offset=[1.0] * FEATURES, scale=[2.0] * FEATURES),
               node("LinearRegressor", "a", "b", coefficients=[0.5] * FEATURES, intercepts=[1.0]),
               node("Exp", "b", "y")],
}
# What looks alike and is something else: the product is not all of the model, or not affine.
KEPT = {
    "two layers": [node("Gemm", "x W c", "h"), node("Relu", "h", "r"), node("Add", "r c", "y")],
    "widened": [node("MatMul", "x w1", "z"), node("Add", "z c", "y")],
    "read twice": [node("Gemm", "x W c", "z"), node("Sigmoid", "z", "a"), node("Mul", "a z", "y")],
    "softmax of columns": [node("Gemm", "x W c", "z"), node("Softmax", "z", "y", axis=0)],
}


def answers(model, rows):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": rows})[0]


@pytest.mark.parametrize("name", [*FOLDED, *KEPT])
@pytest.mark.parametrize("count", [1, 4])
def test_chain(name, count):
    data = model_of({**FOLDED, **KEPT}[name])
    rows = random.normal(size=(count, FEATURES)).astype(np.float32)
    with libinfer.load(data) as model:
        operators = [n.op for n in model.nodes]
        assert (operators == ["Linear"]) == (name in FOLDED), operators
        np.testing.assert_allclose(model.run({"x": rows})["y"], answers(data, rows), **FLOAT)


def test_features_far_from_zero():
    """Years and timestamps: folding their mean into the float bias would cost all their digits."""
    mean, deviation = np.array([2020.0, 1.7e9]), np.array([0.5, 256.0])
    weights = np.array([[1.5], [-0.75]])
    constants = {"m": mean, "d": deviation, "W": weights}
    data = model_of([node("Sub", "x m", "a"), node("Div", "a d", "b"), node("MatMul", "b W", "z"),
                     node("Sigmoid", "z", "y")], constants, 2)
    rows = (mean + deviation * random.normal(size=(100, 2))).astype(np.float32)
    z = ((rows.astype(np.float64) - mean.astype(np.float32)) / deviation) @ weights
    with libinfer.load(data) as model:
        assert [n.op for n in model.nodes] == ["Linear"]
        expected = (1 / (1 + np.exp(-z))).ravel()
        np.testing.assert_allclose(np.ravel(model.predict(rows)), expected, **FLOAT)
        np.testing.assert_allclose(np.ravel(model.run({"x": rows})["y"]), expected, **FLOAT)
