"""Attention as exporters spell it becomes one node; the answers are onnxruntime's."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import libinfer
from test_fusion import chain, compare, operators

random = np.random.default_rng(23)
B, S, T, H, D = 2, 9, 13, 3, 8  # batch, queries, keys, heads, their size
ROOT = D ** 0.5
CONSTANTS = {
    "root": np.float32(ROOT), "scale": np.float32(1 / ROOT), "root1": np.array([ROOT], np.float32),
    "quarter": np.float32(D ** -0.25), "one": np.float32(1), "zero": np.float32(0), "never": np.float32(-np.inf),
    "least": np.float32(np.finfo(np.float32).min), "minus": np.float32(-10000),
    "heads": np.array([0, 0, H, D]), "rows": np.array([0, 0, H * D]), "far": np.array([2 ** 63 - 1]),
    "last": np.array([-1]), "before": np.array([-2]), "first": np.array([-2 ** 63]),
    "axis0": np.array([0]), "axis1": np.array([1]), "axis3": np.array([3]), "wide": np.ones((B, H, S, T), np.float32),
}
INPUTS = {
    "x": (B, S, H * D), "z": (B, T, H * D),  # rows of queries, of keys and values
    "q": (B, H, S, D), "k": (B, H, T, D), "v": (B, H, T, D), "kt": (B, H, D, T), "k1": (B, 1, T, D), "v1": (1, 1, T, D),
    "q3": (B, S, D), "k3": (B, T, D), "v3": (B, T, D),
    "row": (B, 1, 1, T), "full": (B, 1, S, T), "each": (1, H, S, T), "column": (B, 1, S, 1),
}
TURN, HEADS, BOTH = "perm=0132", "perm=0213", "perm=0231"
SDPA = """n = Shape(q)
w = Slice(n, last, far)
f = Cast(w, to=1)
r = Sqrt(f)
i = Div(one, r)
j = Cast(i, to=1)
m = Sqrt(j)
qs = Mul(q, m)
t = Transpose(k, perm=0132)
ks = Mul(t, m)
s = MatMul(qs, ks)
"""
DYNAMO = """n = Shape(k)
d = Slice(n, last, far)
l = Slice(n, before, last)
f = Slice(n, first, before)
c = Concat(last, l, d, axis=0)
a = Reshape(k, c)
t = Transpose(a, perm=021)
e = Concat(f, d, l, axis=0)
u = Reshape(t, e)
qs = Mul(q, quarter)
ks = Mul(u, quarter)
s = MatMul(qs, ks)
"""
SCORES = f"t = Transpose(k, {TURN})\ns = MatMul(q, t)\n"
END = "p = Softmax({}, axis=-1)\ny = MatMul(p, v)"
# What is left, beside what makes the masks; None: no attention.
SPELLINGS = {
    "plain": (SCORES + END.format("s"), ["Attention"]),
    "scores divided": (SCORES + "d = Div(s, root)\n" + END.format("d"), ["Attention"]),
    "scores multiplied": (SCORES + "d = Mul(scale, s)\n" + END.format("d"), ["Attention"]),
    "by a list of one": (SCORES + "d = Div(s, root1)\n" + END.format("d"), ["Attention"]),
    "queries scaled": (f"a = Div(q, root)\nt = Transpose(k, {TURN})\ns = MatMul(a, t)\n" + END.format("s"), ["Attention"]),
    "both scaled": (SDPA + END.format("s"), ["Attention"]),
    "both scaled, a mask": (SDPA + "d = Add(s, full)\n" + END.format("d"), ["Attention"]),
    "reshaped keys": (DYNAMO + "g = Add(s, row)\n" + END.format("g"), ["Attention"]),
    "reshaped keys, none for NaN": (DYNAMO + "g = Add(s, row)\np = Softmax(g, axis=-1)\nb = IsNaN(p)\nw = Where(b, zero, p)\n"
                                    "y = MatMul(w, v)", ["Attention"]),
    "a mask for all": (SCORES + "d = Div(s, root)\ne = Add(d, row)\n" + END.format("e"), ["Attention"]),
    "a mask for each head": (SCORES + "e = Add(each, s)\n" + END.format("e"), ["Attention"]),
    "a mask for each query": (SCORES + "e = Add(s, column)\n" + END.format("e"), ["Attention"]),
    "a mask of the last rank": (SCORES + "e = Add(s, last3)\n" + END.format("e"), ["Attention"]),
    "filled": (SCORES + "b = Greater(full, zero)\ne = Where(b, s, least)\n" + END.format("e"), ["Greater", "Attention"]),
    "filled where masked": (SCORES + "b = Less(row, zero)\ne = Where(b, minus, s)\n" + END.format("e"), ["Less", "Attention"]),
    "filled and a mask": (SCORES + "d = Div(s, root)\nb = Less(each, zero)\ne = Where(b, minus, d)\ng = Add(e, row)\n" +
                          END.format("g"), ["Less", "Attention"]),
    "all masked": (SCORES + "c = Less(full, minus)\ne = Where(c, s, never)\np = Softmax(e, axis=-1)\n"
                   "n = IsNaN(p)\nw = Where(n, zero, p)\ny = MatMul(w, v)", ["Less", "Attention"]),
    "one head of keys": (f"t = Transpose(k1, {TURN})\ns = MatMul(q, t)\np = Softmax(s, axis=-1)\ny = MatMul(p, v1)", ["Attention"]),
    "rank 3": ("t = Transpose(k3, perm=021)\ns = MatMul(q3, t)\nd = Div(s, root)\np = Softmax(d, axis=-1)\ny = MatMul(p, v3)",
               ["Attention"]),
    "heads of rows": (f"a = Reshape(x, heads)\nq0 = Transpose(a, {HEADS})\nb = Reshape(z, heads)\nk0 = Transpose(b, {BOTH})\n"
                      f"v0 = Transpose(b, {HEADS})\ns = MatMul(q0, k0)\nd = Div(s, root)\ne = Add(d, row)\n"
                      f"p = Softmax(e, axis=-1)\no = MatMul(p, v0)\ni = Transpose(o, {HEADS})\ny = Reshape(i, rows)",
                      ["Reshape", "Reshape", "Attention", "Reshape"]),
    "keys turned twice": (f"b = Reshape(z, heads)\nk0 = Transpose(b, {HEADS})\nt = Transpose(k0, {TURN})\nv0 = Transpose(b, {HEADS})\n"
                          "s = MatMul(q, t)\np = Softmax(s, axis=-1)\ny = MatMul(p, v0)", ["Reshape", "Attention"]),
    # What looks alike and is something else stays.
    "keys as they come": ("s = MatMul(q, kt)\n" + END.format("s"), None),
    "scores that are read": (SCORES + "p = Softmax(s, axis=-1)\no = MatMul(p, v)\nr = ReduceMax(s)\ny = Add(o, r)", None),
    "weights that are read": (SCORES + "p = Softmax(s, axis=-1)\no = MatMul(p, v)\nr = ReduceMax(p)\ny = Add(o, r)", None),
    "another axis": (SCORES + "p = Softmax(s, axis=-2)\ny = MatMul(p, v)", None),
    "scaled behind the mask": (SCORES + "e = Add(s, row)\nd = Div(e, root)\n" + END.format("d"), None),
    "scaled by what is no number": (SCORES + "d = Mul(s, wide)\n" + END.format("d"), None),
}


def build(text, known):
    """The model with its inputs' extents known, or only their last."""
    nodes = chain(text)
    read = {value for node in nodes for value in node.input}
    inputs = {**INPUTS, "last3": (S, T)}
    feeds = {name: random.normal(size=shape).astype(np.float32) for name, shape in inputs.items() if name in read}
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [extent if known or i == value.ndim - 1 and name[0] in "qkvxz"
                                                                     else None for i, extent in enumerate(value.shape)])
             for name, value in feeds.items()]
    constants = [numpy_helper.from_array(value, name) for name, value in CONSTANTS.items() if name in read]
    graph = helper.make_graph(nodes, "g", given, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString(), feeds


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name, known):
    text, left = SPELLINGS[name]
    data, feeds = build(text, known)
    model = compare(data, feeds)
    found = [op for op in operators(model) if op not in ("Shape", "Slice", "Concat", "Cast")]
    assert found == left if left else "Attention" not in found
    plain = libinfer.load(data, without=["fuse-attention"])
    assert "Attention" not in operators(plain)
    np.testing.assert_allclose(plain.run(feeds)["y"], model.run(feeds)["y"], 1e-4, 1e-5)


@pytest.mark.parametrize("batch, queries, keys", [(1, 1, 700), (3, 1, 5), (1, 20, 20), (1, 300, 300), (2, 64, 257)])
def test_lengths(batch, queries, keys):
    """One model for every length; past a block of keys, and a single query."""
    data, _ = build(SPELLINGS["a mask for all"][0], False)
    feeds = {"q": (batch, H, queries, D), "k": (batch, H, keys, D), "v": (batch, H, keys, D), "row": (batch, 1, 1, keys)}
    compare(data, {name: random.normal(size=shape).astype(np.float32) for name, shape in feeds.items()})


def test_what_does_not_fit_is_refused():
    data, feeds = build(SPELLINGS["a mask for all"][0], False)
    model = libinfer.load(data)
    for name, shape in (("row", (B, 1, 1, T + 1)), ("k", (B, H, T, D))):
        wrong = {**feeds, name: np.zeros(shape, np.float32)}
        if name == "k":
            wrong["v"] = np.zeros((B, H, T + 1, D), np.float32)
        with pytest.raises(libinfer.InferError, match="Attention"):
            model.run(wrong)


# ---- rotary embeddings ----

HALVES = {
    "slices": "a = Slice(q, none, half, last)\nb = Slice(q, half, far, last)\n",
    "slices with steps": "a = Slice(q, none, half, axis3, step)\nb = Slice(q, half, far, axis3, step)\n",
    "split": "a, b = Split(q, halves, axis=-1)\n",
}
TURNED = "n = Neg(b)\nt = Concat(n, a, axis=-1)\nu = Mul(q, cos)\nv = Mul(t, sin)\ny = Add(u, v)"
ROTARY = {
    **{name: (text + TURNED, True) for name, text in HALVES.items()},
    "other orders": (HALVES["slices"] + "n = Neg(b)\nt = Concat(n, a, axis=3)\nu = Mul(cos, q)\nv = Mul(sin, t)\ny = Add(v, u)", True),
    "the first half turned": (HALVES["slices"] + "n = Neg(a)\nt = Concat(b, n, axis=-1)\nu = Mul(q, cos)\nv = Mul(t, sin)\n"
                              "y = Add(u, v)", False),
    "halves as they are": (HALVES["slices"] + "n = Neg(a)\nt = Concat(n, b, axis=-1)\nu = Mul(q, cos)\nv = Mul(t, sin)\n"
                           "y = Add(u, v)", False),
    "of something else": (HALVES["slices"] + "n = Neg(b)\nt = Concat(n, a, axis=-1)\nr = Relu(q)\nu = Mul(r, cos)\n"
                          "v = Mul(t, sin)\ny = Add(u, v)", False),
}
ROTARY_CONSTANTS = {"none": np.array([0]), "half": np.array([D // 2]), "far": np.array([2 ** 63 - 1]), "last": np.array([-1]),
                    "axis3": np.array([3]), "step": np.array([1]), "halves": np.array([D // 2, D // 2])}


@pytest.mark.parametrize("angles", [(B, 1, S, D), (1, 1, S, D), (S, D), (B, H, S, D)])
@pytest.mark.parametrize("name", ROTARY)
def test_rotary(name, angles):
    text, found = ROTARY[name]
    nodes = []
    for node in chain(text.replace("a, b =", "a|b =")):
        outputs = node.output[0].split("|")
        del node.output[:]
        node.output.extend(outputs)
        nodes.append(node)
    feeds = {"q": (B, H, S, D), "cos": angles, "sin": angles}
    feeds = {key: random.normal(size=shape).astype(np.float32) for key, shape in feeds.items()}
    given = [helper.make_tensor_value_info(key, TensorProto.FLOAT, [None] * (value.ndim - 1) + [D]) for key, value in feeds.items()]
    read = {value for node in nodes for value in node.input}
    constants = [numpy_helper.from_array(value, key) for key, value in ROTARY_CONSTANTS.items() if key in read]
    graph = helper.make_graph(nodes, "g", given, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], constants)
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    model = compare(data, feeds)
    assert (operators(model) == ["Rotary"]) == found
    np.testing.assert_array_equal(libinfer.load(data, without=["fuse-rotary"]).run(feeds)["y"], model.run(feeds)["y"])
