"""What is there twice becomes one: nodes, constants, packed weights. Answers are judged by onnxruntime."""

import numpy as np
import pytest
from onnx import helper
from test_fusion import compare, model_of, operators

import libinfer

random = np.random.default_rng(5)
X = random.normal(size=(4, 32)).astype(np.float32)


def node(text, **attributes):
    """`y = Op(a, b)`"""
    outputs, rest = text.split(" = ")
    op, inputs = rest.rstrip(")").split("(")
    return helper.make_node(op, inputs.split(", "), outputs.split(", "), **attributes)


def test_equal_nodes_become_one():
    data = model_of([node("a = Exp(x)"), node("b = Exp(x)"), node("c = Tanh(a)"), node("d = Tanh(b)"),
                     node("y = Mul(c, d)")], {"x": X}, ["y"], {})
    compare(data, {"x": X})
    assert operators(libinfer.load(data, without=["fuse-chains"])) == ["Exp", "Tanh", "Mul"]
    apart = ["Exp", "Exp", "Tanh", "Tanh", "Mul"]
    assert operators(libinfer.load(data, without=["merge-equal", "fuse-chains"])) == apart


@pytest.mark.parametrize("left, right", [
    ({"alpha": 0.5}, {"alpha": 0.25}),
    ({"alpha": 0.5}, {}),
])
def test_other_parameters_keep_nodes_apart(left, right):
    nodes = [node("a = LeakyRelu(x)", **left), node("b = LeakyRelu(x)", **right), node("y = Sub(a, b)")]
    data = model_of(nodes, {"x": X}, ["y"], {})
    compare(data, {"x": X})
    assert operators(libinfer.load(data, without=["fuse-chains"])) == ["LeakyRelu", "LeakyRelu", "Sub"]


def test_lists_are_compared():
    x = random.normal(size=(2, 3, 4)).astype(np.float32)
    nodes = [node("a = Transpose(x)", perm=[2, 0, 1]), node("b = Transpose(x)", perm=[2, 0, 1]),
             node("c = Transpose(x)", perm=[2, 1, 0]), node("d = Sub(a, b)"), node("e = ReduceSum(c)", keepdims=0),
             node("y = Add(d, e)")]
    assert operators(compare(model_of(nodes, {"x": x}, ["y"], {}), {"x": x})).count("Transpose") == 2


def test_outputs_that_only_one_of_them_has():
    x = random.normal(size=(4, 2, 8)).astype(np.float32)
    weights = {"w": random.normal(size=(1, 12, 8)).astype(np.float32), "r": random.normal(size=(1, 12, 3)).astype(np.float32)}
    nodes = [helper.make_node("LSTM", ["x", "w", "r"], outputs, hidden_size=3)
             for outputs in (["", "", "c"], ["", "h"])] + [node("y = Add(c, h)")]
    assert operators(compare(model_of(nodes, {"x": x}, ["y"], weights), {"x": x})) == ["LSTMPacked", "Add"]


def test_both_may_leave_the_model():
    data = model_of([node("a = Exp(x)"), node("b = Exp(x)")], {"x": X}, ["a", "b"], {})
    assert operators(compare(data, {"x": X})) == ["Exp"]


def test_random_numbers_stay_apart():
    nodes = [node("a = RandomNormalLike(x)"), node("b = RandomNormalLike(x)"), node("y = Sub(a, b)")]
    model = libinfer.load(model_of(nodes, {"x": X}, ["y"], {}))
    assert len(operators(model)) == 3 and np.abs(model.run({"x": X}, numpy=True)["y"]).max() > 0


@pytest.mark.parametrize("op, attributes", [("MatMul", {}), ("Gemm", {"transB": 1})])
def test_shared_weights_are_packed_once(op, attributes):
    w = random.normal(size=(32, 32)).astype(np.float32)
    small, large = {"w": w}, {"w": w, "v": w.copy()}
    one = [node(f"a = {op}(x, w)", **attributes), node("y = Tanh(a)")]
    sizes = [len(libinfer.load(model_of(one, {"x": X}, ["y"], small)).to_bytes())]
    for second in ("w", "v"):
        many = one[:-1] + [node("t = Tanh(a)"), node(f"b = {op}(t, {second})", **attributes), node("y = Tanh(b)")]
        constants = small if second == "w" else large
        sizes.append(len(compare(model_of(many, {"x": X}, ["y"], constants), {"x": X}).to_bytes()))
    assert max(sizes) < sizes[0] + w.nbytes / 2


def test_shared_kernels_of_convolutions_are_packed_once():
    x = random.normal(size=(1, 16, 9, 9)).astype(np.float32)
    w = random.normal(size=(16, 16, 3, 3)).astype(np.float32) / 12
    nodes = [node(f"{'abcd'[i]} = Conv({'xabc'[i]}, w)", pads=[1] * 4) for i in range(4)] + [node("y = Relu(d)")]
    model = compare(model_of(nodes, {"x": x}, ["y"], {"w": w}), {"x": x})
    assert operators(model).count("ConvBlocked") == 4 and len(model.to_bytes()) < 3 * w.nbytes


def test_constants_that_almost_agree():
    """Equal at both ends, and not in the middle; equal bits of another shape or type."""
    a = random.normal(size=(1, 4096)).astype(np.float32)
    b = a.copy()
    b[0, 2048] += 1
    nodes = [node("p = Add(x, a)"), node("q = Add(x, b)"), node("r = Sub(p, q)"), node("y = Add(r, c)")]
    x = random.normal(size=(1, 4096)).astype(np.float32)
    compare(model_of(nodes, {"x": x}, ["y"], {"a": a, "b": b, "c": a.reshape(4096, 1)[:1]}), {"x": x})
