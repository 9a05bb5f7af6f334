"""Elementwise operators in a row as one node: which are joined, and the same bits as one by one."""

import numpy as np
import pytest
from test_fusion import compare, model_of, operators
from test_merge import node

import libinfer

random = np.random.default_rng(3)

CHAINS = {
    "hard swish spelled out": ("a = Add(x, three)", "b = Clip(a, zero, six)", "c = Mul(x, b)", "y = Div(c, six)"),
    "every kind of operand": ("a = Mul(x, row)", "b = Add(a, w)", "c = Sub(one, b)", "y = Max(c, x)"),
    "functions": ("a = Sigmoid(x)", "b = Exp(a)", "c = Log(b)", "d = Tanh(c)", "e = Erf(d)", "y = Softplus(e)"),
    "powers": ("a = Pow(x, two)", "b = Sqrt(a)", "c = Reciprocal(b)", "d = Abs(c)", "e = Neg(d)", "y = Floor(e)"),
    "pieces": ("a = LeakyRelu(x)", "b = HardSigmoid(a)", "c = HardSwish(b)", "d = Elu(c)", "e = Ceil(d)",
               "f = Min(e, x)", "y = Relu(f)"),
    "many operands": ("a = Max(one, x, two)", "b = Relu(a)", "c = Max(two, b)", "y = Exp(c)"),
    "ends out of place": ("a = Relu(x)", "y = Pow(a, three)"),
    "one operand twice": ("a = Relu(x)", "b = Mul(a, a)", "y = Mul(b, x)"),
}
SHAPES = [(), (1,), (7,), (3, 5), (2, 1024), (2, 1025), (3, 1023), (5, 2500), (2, 3, 4, 100), (0, 4)]


def constants(shape):
    row = random.normal(size=shape[-1:]).astype(np.float32)
    numbers = {"zero": 0, "one": 1, "two": 2, "three": 3, "six": 6}
    return {"row": row, **{k: np.float32(v) for k, v in numbers.items()}}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_same_bits(name, shape):
    feeds = {k: (random.normal(size=shape) * 3 + 1).astype(np.float32) for k in "xw"}
    nodes = [node(text) for text in CHAINS[name]]
    read = {value for each in nodes for value in each.input}
    feeds = {k: v for k, v in feeds.items() if k in read}
    data = model_of(nodes, feeds, ["y"], {k: v for k, v in constants(shape).items() if k in read})
    import onnx
    model = onnx.load_from_string(data)
    for value in model.graph.input:  # shapes that are known
        for dim, extent in zip(value.type.tensor_type.shape.dim, shape):
            dim.dim_value = extent
    data = model.SerializeToString()
    joined = libinfer.load(data, without=["fuse-idioms"])
    plain = libinfer.load(data, without=["fuse-idioms", "fuse-chains"])
    assert "Chain" in operators(joined) and "Chain" not in operators(plain)
    for each in (joined, libinfer.load(joined.to_bytes())):
        for _ in range(2):
            with np.errstate(all="ignore"):
                got, want = each.run(feeds, numpy=True)["y"], plain.run(feeds, numpy=True)["y"]
            assert got.shape == want.shape and got.tobytes() == want.tobytes()


def test_what_others_read_stays():
    x = random.normal(size=(4, 8)).astype(np.float32)
    nodes = [node("a = Relu(x)"), node("b = Exp(a)"), node("y = Neg(b)"), node("z = Neg(a)")]
    assert operators(compare(model_of(nodes, {"x": x}, ["y", "z", "b"], {}), {"x": x})) == ["Relu", "Exp", "Neg", "Neg"]


def test_unknown_extents_are_not_taken_for_equal():
    x, w = (random.normal(size=s).astype(np.float32) for s in ((4, 8), (4, 1)))
    nodes = [node("a = Relu(x)"), node("b = Mul(a, w)"), node("y = Neg(b)")]
    data = model_of(nodes, {"x": x, "w": w}, ["y"], {})
    assert operators(compare(data, {"x": x, "w": w})) == ["Relu", "Mul", "Neg"]
    nodes = [node("a = Relu(x)"), node("b = Sigmoid(a)"), node("y = Mul(a, b)")]
    assert operators(compare(model_of(nodes, {"x": x}, ["y"], {}), {"x": x})).count("Chain") <= 1


def test_long_chains():
    x = random.normal(size=(3, 50)).astype(np.float32)
    nodes = [node(f"v{i} = {'Neg' if i % 2 else 'Abs'}({f'v{i - 1}' if i else 'x'})") for i in range(99)]
    nodes.append(node("y = Relu(v98)"))
    assert operators(compare(model_of(nodes, {"x": x}, ["y"], {}), {"x": x})) == ["Chain"] * 4


@pytest.mark.parametrize("kind, exponent, op", [("f4", np.float32(2), "Mul"), ("f8", np.float32([2]), "Mul"),
                                                ("f4", np.float64(2), "Mul"), ("f4", np.float32(3), "Pow"),
                                                ("f4", np.float32([[[2]]]), "Pow"), ("f4", np.int64(2), "Pow")])
def test_squares_are_products(kind, exponent, op):
    x = (random.normal(size=(5, 7)) * 9).astype(kind)
    data = model_of([node("y = Pow(x, e)")], {"x": x}, ["y"], {"e": exponent})
    assert operators(compare(data, {"x": x})) == [op]


OPEN = {
    "cut from one": ("a = Slice(x, at, to, axis)", "b = Slice(x, to, end, axis)", "c = Mul(a, a)", "d = Mul(b, b)",
                     "e = Add(c, d)", "y = Sqrt(e)"),
    "turned and back": ("a = Transpose(x)", "b = Exp(a)", "c = Transpose(b)", "d = Neg(x)", "y = Add(c, d)"),
    "behind a product": ("a = MatMul(x, m)", "b = Exp(x)", "c = Tanh(a)", "y = Mul(b, c)"),
    "joined": ("a = Concat(x, w)", "b = Concat(x, x)", "c = Neg(a)", "y = Sub(c, b)"),
    "axes come and go": ("a = Unsqueeze(x, axis)", "b = Softmax(a)", "c = Squeeze(b, axis)", "d = Neg(c)", "y = Add(d, x)"),
}


def open_model(texts, feeds):
    nodes = [node(text, **({"axis": 1} if "Concat" in text else {})) for text in texts]
    whole = {"at": [0], "to": [4], "end": [8], "axis": [1]}
    constants = {k: np.array(v, np.int64) for k, v in whole.items()}
    constants["m"] = random.normal(size=(8, 8)).astype(np.float32)
    read = {value for each in nodes for value in each.input}
    import onnx
    model = onnx.load_from_string(model_of(nodes, {k: v for k, v in feeds.items() if k in read}, ["y"],
                                           {k: v for k, v in constants.items() if k in read}))
    for value in model.graph.input:
        for dim, extent in zip(value.type.tensor_type.shape.dim, [None, 8], strict=True):
            dim.Clear()
            if extent:
                dim.dim_value = extent
    return model.SerializeToString(), {k: v for k, v in feeds.items() if k in read}


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("rows", [1, 5, 300])
def test_extents_that_are_open_and_the_same(name, rows):
    feeds = {k: random.normal(size=(rows, 8)).astype(np.float32) for k in "xw"}
    data, feeds = open_model(OPEN[name], feeds)
    joined, plain = libinfer.load(data), libinfer.load(data, without=["fuse-chains"])
    assert "Chain" in operators(joined) and "Chain" not in operators(plain)
    compare(data, feeds)
    assert joined.run(feeds, numpy=True)["y"].tobytes() == plain.run(feeds, numpy=True)["y"].tobytes()


APART = {
    "rows that may be one": ("a = Exp(x)", "b = Neg(w)", "c = Add(a, b)", "y = Neg(c)"),
    "turned once": ("a = Transpose(x)", "b = MatMul(x, a)", "c = Transpose(b)", "d = Exp(w)", "y = Add(c, d)"),
}


@pytest.mark.parametrize("name", APART)
@pytest.mark.parametrize("rows", [1, 8])
def test_extents_that_may_differ(name, rows):
    feeds = {"x": random.normal(size=(8, 8)).astype(np.float32), "w": random.normal(size=(rows, 8)).astype(np.float32)}
    data, feeds = open_model(APART[name], feeds)
    compare(data, feeds)
