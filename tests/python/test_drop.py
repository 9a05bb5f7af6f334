"""Nodes that give what they are given: gone, with the same answers, and kept where they do something."""

import numpy as np
import onnx.reference
import pytest
from onnx import TensorProto, helper, numpy_helper

import libinfer

X = np.random.default_rng(1).normal(size=(1, 16, 8, 8)).astype(np.float32)
W = np.random.default_rng(2).normal(size=(16, 16, 3, 3)).astype(np.float32) / 12


def between(nodes, outputs=("y",)):
    """A graph of nodes between two convolutions, from a to b."""
    convs = [helper.make_node("Conv", [i, "w"], [o], pads=[1] * 4) for i, o in (("x", "a"), ("b", "y"))]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, X.shape) for n in ("x", "y")]
    extra = [helper.make_tensor_value_info(n, TensorProto.BOOL, X.shape) for n in outputs if n != "y"]
    graph = helper.make_graph([convs[0], *nodes, convs[1]], "g", ports[:1], ports[1:] + extra,
                              [numpy_helper.from_array(W, "w"),
                               numpy_helper.from_array(np.array(False), "off"),
                               numpy_helper.from_array(np.array(0.5, np.float32), "half")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


GONE = {
    "identity": [helper.make_node("Identity", ["a"], ["b"])],
    "dropout": [helper.make_node("Dropout", ["a"], ["b"])],
    "mask nobody reads": [helper.make_node("Dropout", ["a", "half", "off"], ["b", "mask"])],
    "cast": [helper.make_node("Cast", ["a"], ["b"], to=TensorProto.FLOAT)],
    "concat": [helper.make_node("Concat", ["a"], ["b"], axis=1)],
    "several": [helper.make_node("Sum", ["a"], ["c"]), helper.make_node("Max", ["c"], ["d"]),
                helper.make_node("Identity", ["d"], ["b"])],
}


def operators(model):
    return [node.op for node in model.nodes]


@pytest.mark.parametrize("nodes", GONE.values(), ids=GONE)
def test_nothing_goes(nodes):
    proto = between(nodes)
    dropped = libinfer.load(proto)
    kept = libinfer.load(proto, without=["drop-nothing"])
    assert operators(dropped) == ["ToBlocks", "ConvBlocked", "ConvBlocked", "FromBlocks"]
    assert len(operators(kept)) > 4
    expected = onnx.reference.ReferenceEvaluator(proto).run(None, {"x": X})[0]
    for model in (dropped, kept):
        np.testing.assert_allclose(model.run({"x": X})["y"], expected, rtol=1e-4, atol=1e-5)


def test_what_does_something_stays():
    proto = between([helper.make_node("Dropout", ["a", "half", "off"], ["b", "mask"])], ("y", "mask"))
    model = libinfer.load(proto)
    assert "Dropout" in operators(model) and model.run({"x": X})["mask"].all()
    rounded = [helper.make_node("Cast", ["a"], ["c"], to=TensorProto.FLOAT16),
               helper.make_node("Cast", ["c"], ["b"], to=TensorProto.FLOAT)]
    assert operators(libinfer.load(between(rounded))).count("Cast") == 2


def test_an_output_keeps_its_name():
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [3]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ports[:1], ports[1:])
    model = libinfer.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert list(model.run({"x": np.ones(3, np.float32)})["y"]) == [1, 1, 1]
