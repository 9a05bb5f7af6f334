"""Branches that shapes or data choose, and what stands behind them: planned or not, onnxruntime judges."""

import itertools

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from test_merge import node

import libinfer

random = np.random.default_rng(11)
CONSTANTS = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "rest": np.array([-1])}


def body(name, *texts):
    nodes = [each if isinstance(each, type(node("a = Abs(x)"))) else node(each) for each in texts]
    return helper.make_graph(nodes, name, [], [helper.make_empty_tensor_value_info(nodes[-1].output[0])])


def choose(condition, output, then, other):
    return helper.make_node("If", [condition], [output], then_branch=body("then", *then), else_branch=body("other", *other))


MODELS = {
    "a shape chooses": (
        "s = Shape(x)", "c = Gather(s, one)", "many = Greater(c, two)",
        choose("many", "z", ["p = Softmax(x)"], ["t = Transpose(x)", "q = Neg(t)"]), "y = Exp(z)"),
    "data choose, the shapes are the same": (
        choose("flag", "z", ["p = Softmax(x)"], ["t = Transpose(x)", "u = Neg(t)", "q = Transpose(u)"]), "y = Exp(z)"),
    "data choose, the shapes differ": (
        choose("flag", "z", ["p = Softmax(x)"], ["t = Transpose(x)", "q = Neg(t)"]), "y = Exp(z)"),
    "captured shapes": (
        "s = Shape(x)", "c = Gather(s, one)", node("target = Concat(c, rest)", axis=0), "many = Greater(c, two)",
        choose("many", "z", ["p = Reshape(x, target)"], ["q = Identity(x)"]), "y = Abs(z)"),
    "a branch that gives a shape": (
        "s = Shape(x)", "c = Gather(s, one)", "many = Greater(c, two)",
        choose("many", "t", [node("p = Concat(c, rest)", axis=0)], ["q = Identity(s)"]), "r = Reshape(x, t)", "y = Exp(r)"),
    "an input handed through": (
        "s = Shape(x)", "c = Gather(s, one)", "many = Greater(c, two)", "a = Exp(x)",
        choose("many", "z", ["p = Identity(a)"], ["q = Neg(a)"]), "b = Log(z)", "d = Neg(a)", "y = Add(b, d)"),
    "branches in branches": (
        "s = Shape(x)", "c = Gather(s, one)", "many = Greater(c, two)",
        choose("many", "z", ["h = Shape(x)", "k = Gather(h, zero)", "one_row = Equal(k, one)",
                             choose("one_row", "p", ["p1 = Exp(x)"], [choose("flag", "p2", ["p3 = Neg(x)"], ["p4 = Abs(x)"])])],
               ["t = Transpose(x)", "q = Neg(t)"]), "y = Abs(z)"),
    "behind data": (
        "n = NonZero(x)", "t = Transpose(n)", "g = GatherND(x, t)",
        choose("flag", "z", ["p = Exp(g)"], ["q = Neg(g)"]), "y = Abs(z)"),
}


@pytest.mark.parametrize("name", MODELS)
def test_branches(name):
    nodes = [each if not isinstance(each, str) else node(each) for each in MODELS[name]]
    ports = [helper.make_tensor_value_info("x", 1, ["n", "m"]), helper.make_tensor_value_info("flag", 9, [])]
    graph = helper.make_graph(nodes, "g", ports, [helper.make_tensor_value_info("y", 1, None)],
                              [numpy_helper.from_array(v.astype(np.int64), k) for k, v in CONSTANTS.items()])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    judge = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    taken = {i.name for i in judge.get_inputs()}
    loaded = libinfer.load(data)
    for model in (loaded, libinfer.load(loaded.to_bytes())):
        for flag, shape in itertools.product([True, False, False, True], [(1, 2), (3, 2), (1, 5), (4, 3), (3, 2)]):
            x = random.normal(size=shape).astype(np.float32)
            feeds = {k: v for k, v in {"x": x, "flag": np.array(flag)}.items() if k in taken}
            expected, = judge.run(None, feeds)
            got = model.run(feeds, numpy=True)["y"]
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
