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


def dynamic_graph(seed, steps=60):
    """Steps of random operators behind NonZero: values are read once, often, late or last of all."""
    draw = np.random.default_rng(seed)
    nodes = [node("n = NonZero(x)"), helper.make_node("Cast", ["n"], ["v0"], to=1)]
    turned = [False]
    for i in range(steps):
        op = draw.choice(["Neg", "Abs", "Sin", "Add", "Max", "Sub", "Transpose", "Identity"])
        a = int(draw.integers(max(0, i - 4), i + 1))
        like = [k for k in range(i + 1) if turned[k] == turned[a]]
        inputs = [a, int(draw.choice(like))] if op in ("Add", "Max", "Sub") else [a]
        nodes.append(helper.make_node(op, [f"v{k}" for k in inputs], [f"v{i + 1}"]))
        turned.append(turned[a] != (op == "Transpose"))
    outputs = [f"v{k}" for k in sorted({steps, *map(int, draw.integers(0, steps, 3))})]
    ports = [helper.make_tensor_value_info("x", 1, ["n", "m"])]
    graph = helper.make_graph(nodes, "g", ports, [helper.make_tensor_value_info(o, 1, None) for o in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("seed", range(12))
def test_memory_that_is_over_is_used_again(seed):
    data = dynamic_graph(seed)
    judge = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for without in ([], ["fuse-chains", "merge-equal"]):
        model = libinfer.load(data, without=without)
        for shape in [(40, 50), (3, 4), (60, 30), (40, 50)]:
            feeds = {"x": (random.random(shape) < 0.7).astype(np.float32)}
            got = model.run(feeds, numpy=True)
            for name, expected in zip([o.name for o in judge.get_outputs()], judge.run(None, feeds), strict=True):
                np.testing.assert_allclose(got[name], expected, rtol=1e-4, atol=1e-4)


def test_memory_of_a_long_row():
    """A hundred values of 40 kB behind data, of which two are needed at once."""
    nodes = [node("n = NonZero(x)"), helper.make_node("Cast", ["n"], ["v0"], to=1)]
    nodes += [node(f"v{i + 1} = {'Transpose' if i % 2 else 'Sin'}(v{i})") for i in range(100)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["n", "m"])],
                              [helper.make_tensor_value_info("v100", 1, None)])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    model = libinfer.load(data, memory_limit=1_000_000)
    assert model.run({"x": np.ones((100, 50), np.float32)}, numpy=True)["v100"].shape == (2, 5000)
