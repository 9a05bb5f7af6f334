"""Weights rounded on request: the same answers as from weights that were rounded by hand, in less memory."""

import numpy as np
import onnx.reference
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import libinfer

RANDOM = np.random.default_rng(11)
W = RANDOM.normal(size=(96, 83)).astype(np.float32)
V = RANDOM.normal(size=(60, 83)).astype(np.float32)
V[7] = 0
X = RANDOM.normal(size=(5, 96)).astype(np.float32)


def model_of(w, v):
    """Tanh(x w) v^T + 1."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["t"]),
             helper.make_node("Gemm", ["t", "v", "one"], ["y"], transB=1)]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", None]) for n in "xy"]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:],
                              [numpy_helper.from_array(w, "w"), numpy_helper.from_array(v, "v"),
                               numpy_helper.from_array(np.ones(60, np.float32), "one")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def to_bf16(w):
    bits = w.view(np.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32)


def to_int8(w):
    """Columns are those of w."""
    scale = (np.abs(w).max(0) / np.float32(127)).astype(np.float32)
    scale = np.where(scale == 0, np.float32(1), scale)
    return (np.rint(w / scale) * scale).astype(np.float32)


def rounded(kind):
    return (to_bf16(W), to_bf16(V)) if kind == "bf16" else (to_int8(W), to_int8(V.T).T.copy())


@pytest.mark.parametrize("kind, size, error", [("bf16", 0.5, 2e-2), ("int8", 0.25, 8e-2)])
@pytest.mark.parametrize("rows", [1, 5])
def test_rounded_weights(kind, size, error, rows):
    given, narrow = libinfer.load(model_of(W, V)), libinfer.load(model_of(W, V), weights=kind)
    x = {"x": X[:rows]}
    by_hand = onnx.reference.ReferenceEvaluator(model_of(*rounded(kind))).run(None, x)[0]
    answer = narrow.run(x)["y"]
    np.testing.assert_allclose(answer, by_hand, rtol=1e-4, atol=1e-4)
    difference = np.abs(answer - given.run(x)["y"]).max() / np.abs(by_hand).max()
    assert 1e-5 < difference < error
    assert len(narrow.to_bytes()) < (size + 0.15) * len(given.to_bytes())
    for options in ({"threads": 3}, {"cpu": "scalar"}, {"cpu": "avx2"}):
        other = libinfer.load(model_of(W, V), weights=kind, **options).run(x)["y"]
        np.testing.assert_allclose(other, answer, rtol=1e-5, atol=1e-5)
    assert (libinfer.load(narrow.to_bytes()).run(x)["y"] == answer).all()


@pytest.mark.parametrize("activation", ["Identity", "Relu", "Tanh"])
@pytest.mark.parametrize("rows", [1, 7, 8, 17, 33, 300])
@pytest.mark.parametrize("k, n", [(96, 83), (600, 40), (33, 130)])
def test_products_in_bfloat16(activation, rows, k, n):
    """Both sides rounded, or the weights alone: as onnxruntime has it of numbers rounded by hand."""
    w, bias = RANDOM.normal(size=(k, n)).astype(np.float32), RANDOM.normal(size=n).astype(np.float32)
    x = RANDOM.normal(size=(rows, k)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"]), helper.make_node(activation, ["z"], ["y"])]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]) for name in "xy"]

    def data(w):
        graph = helper.make_graph(nodes, "g", ports[:1], ports[1:],
                                  [numpy_helper.from_array(w, "w"), numpy_helper.from_array(bias, "b")])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                 ir_version=8).SerializeToString()

    session = onnxruntime.InferenceSession(data(to_bf16(w)), providers=["CPUExecutionProvider"])
    by_hand = [session.run(None, {"x": a})[0] for a in (to_bf16(x), x)]
    bound = 2.0 ** -20 * (np.abs(x) @ np.abs(w) + np.abs(bias)) + 1e-6
    answers = {}
    for cpu in ("", "scalar", "avx2", "avx512"):
        model = libinfer.load(data(w), weights="bf16", cpu=cpu)
        assert "MatMulHalf" in [node.op for node in model.nodes]
        answers[cpu] = model.run({"x": x})["y"]
        several = libinfer.load(model.to_bytes(), cpu=cpu, threads=3)
        assert (several.run({"x": x})["y"] == answers[cpu]).all()
        assert any((np.abs(answers[cpu] - hand) <= bound).all() for hand in by_hand)
    assert (np.abs(answers["scalar"] - by_hand[rows < 8]) <= bound).all()
    # Weights that bfloat16 holds anyway are no request.
    exact = libinfer.load(data(to_bf16(w)))
    assert "MatMulHalf" not in [node.op for node in exact.nodes]
    assert (np.abs(exact.run({"x": x})["y"] - by_hand[1]) <= bound).all()


def test_what_is_wrong():
    with pytest.raises(libinfer.InferArgumentError):
        libinfer.load(model_of(W, V), weights="int4")
    image = libinfer.load(model_of(W, V)).to_bytes()
    with pytest.raises(libinfer.InferUnsupportedError):
        libinfer.load(image, weights="int8")


def test_numbers_without_an_end():
    """Infinities and NaN survive rounding to bfloat16; a column of them is left alone by integers."""
    w = W.copy()
    w[3, 4], w[5, 6] = np.inf, np.nan
    for kind in ("bf16", "int8"):
        y = libinfer.load(model_of(w, V), weights=kind).run({"x": X})["y"]
        expected = onnx.reference.ReferenceEvaluator(model_of(w, V)).run(None, {"x": X})[0]
        assert (np.isnan(y) == np.isnan(expected)).all()
