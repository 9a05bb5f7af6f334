"""What passes make of exporters' patterns: the nodes that are left, and the answers, judged by onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import libinfer

random = np.random.default_rng(11)


def model_of(nodes, inputs, outputs, constants, opset=17):
    """inputs: names and arrays; outputs: names."""
    def port(name, array=None):
        kind = TensorProto.FLOAT if array is None else helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(name, kind, None if array is None else [None] * array.ndim)

    double = any(a.dtype == np.float64 for a in inputs.values())
    given = [port(name, array) for name, array in inputs.items()]
    made = [helper.make_tensor_value_info(name, TensorProto.DOUBLE if double else TensorProto.FLOAT, None)
            for name in outputs]
    initializers = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "g", given, made, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                             ir_version=10).SerializeToString()


def compare(data, feeds):
    """The model, whose answers are onnxruntime's: loaded, and through its image."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, session.run(names, feeds)))
    model = libinfer.load(data)
    for each in (model, libinfer.load(model.to_bytes())):
        actual = each.run(feeds, numpy=True)
        for name in names:
            assert actual[name].dtype == expected[name].dtype and actual[name].shape == expected[name].shape
            largest = max(1, np.abs(expected[name]).max())
            np.testing.assert_allclose(actual[name], expected[name], 1e-5, 2e-6 * largest)
    return model


def operators(model):
    return [node.op for node in model.nodes]


# ---- weights of recurrent nets ----

CELLS = {"RNN": (1, {}), "LSTM": (4, {}), "GRU": (3, {}), "GRU late": (3, {"linear_before_reset": 1})}


@pytest.mark.parametrize("hidden", [1, 8, 21])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_weights_are_packed(cell, direction, hidden):
    gates, attributes = CELLS[cell]
    op, directions, width = cell.split()[0], 2 if direction == "bidirectional" else 1, 5
    shapes = {"W": (directions, gates * hidden, width), "R": (directions, gates * hidden, hidden),
              "B": (directions, 2 * gates * hidden)}
    constants = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    outputs = ["y", "y_h", "y_c"] if op == "LSTM" else ["y", "y_h"]
    node = helper.make_node(op, ["x", "W", "R", "B"], outputs, hidden_size=hidden, direction=direction,
                            **attributes)
    for steps, batch in ((1, 1), (3, 1), (4, 3), (2, 17)):
        feeds = {"x": random.normal(size=(steps, batch, width)).astype(np.float32)}
        model = compare(model_of([node], feeds, outputs, constants), feeds)
        assert operators(model) == [op + "Packed"]
        # onnxruntime has no cells of doubles: its floats judge them.
        wide = {"x": feeds["x"].astype(np.float64)}
        doubles = {name: value.astype(np.float64) for name, value in constants.items()}
        double = libinfer.load(model_of([node], wide, outputs, doubles))
        assert operators(double) == [op + "Packed"]
        for name, value in double.run(wide, numpy=True).items():
            np.testing.assert_allclose(value, model.run(feeds, numpy=True)[name], 1e-4, 1e-5)


# ---- what exporters spell out ----


def chain(text):
    """Nodes as text: `y = Op(a, b)` a line, attributes as `name=value` behind the inputs, perm=021."""
    nodes = []
    for line in text.strip().splitlines():
        output, call = (part.strip() for part in line.split("=", 1))
        op, arguments = call.rstrip(")").split("(", 1)
        parts = [part.strip() for part in arguments.split(",")]
        attributes = {key: [int(c) for c in value] if key == "perm" else int(value)
                      for key, value in (part.split("=") for part in parts if "=" in part)}
        nodes.append(helper.make_node(op, [part for part in parts if "=" not in part], [output], **attributes))
    return nodes


WIDTH = 24
SCALARS = {"half": 0.5, "one": 1, "two": 2, "three": 3, "root2": 2 ** 0.5, "unroot2": 0.5 ** 0.5,
           "cubic": 0.044715, "zero": 0, "six": 6, "sixth": 1 / 6, "tanh2": (2 / np.pi) ** 0.5, "eps": 1e-5}
CONSTANTS = {**{name: np.float32(value) for name, value in SCALARS.items()},
             **{name: random.normal(size=shape).astype(np.float32)
                for name, shape in {"g": WIDTH, "b": WIDTH, "square": (WIDTH, WIDTH), "row": (1, WIDTH),
                                    "column": (3, 1), "W": (WIDTH, 40), "c": 40, "c1": (1, 1, 40)}.items()},
             "last": np.array([-1]), "first": np.array([1])}
CENTERED = "m = ReduceMean(x, last)\nd = Sub(x, m)\np = Pow(d, two)\nv = ReduceMean(p, last)\nw = Add(v, eps)\ns = Sqrt(w)\n"
CUBIC = "{cube}\nk = Mul(cubic, q)\na = Add(x, k)\ni = Mul(a, tanh2)\nt = Tanh(i)\nu = Add(one, t)\n"
IDIOMS = {
    "gelu": ("a = Div(x, root2)\ne = Erf(a)\nu = Add(e, one)\nv = Mul(x, u)\ny = Mul(v, half)", ["Gelu"]),
    "gelu, halved first": ("a = Mul(unroot2, x)\ne = Erf(a)\nu = Add(one, e)\nh = Mul(half, x)\ny = Mul(u, h)", ["Gelu"]),
    "gelu, factor halved": ("a = Div(x, root2)\ne = Erf(a)\nu = Add(e, one)\nh = Mul(u, half)\ny = Mul(x, h)", ["Gelu"]),
    "gelu, divided by two": ("a = Div(x, root2)\ne = Erf(a)\nu = Add(e, one)\nh = Div(u, two)\ny = Mul(x, h)", ["Gelu"]),
    "gelu by tanh": (CUBIC.format(cube="q = Pow(x, three)") + "h = Mul(half, x)\ny = Mul(h, u)", ["Gelu"]),
    "gelu by tanh of products": (CUBIC.format(cube="r = Mul(x, x)\nq = Mul(r, x)") + "v = Mul(u, x)\ny = Mul(v, half)",
                                 ["Gelu"]),
    "gelu by tanh, factor first": ("p = Mul(x, cubic)\nq = Mul(x, p)\nk = Mul(q, x)\na = Add(k, x)\ni = Mul(a, tanh2)\n"
                                   "t = Tanh(i)\nu = Add(t, one)\nh = Mul(u, half)\ny = Mul(x, h)", ["Gelu"]),
    "gelu by tanh, factored": ("p = Mul(x, cubic)\nq = Mul(p, x)\nk = Add(q, one)\nr = Mul(x, tanh2)\ni = Mul(r, k)\n"
                               "t = Tanh(i)\nu = Add(t, one)\nh = Mul(x, half)\ny = Mul(h, u)", ["Gelu"]),
    "gelu by tanh of a square": ("r = Pow(x, two)\np = Mul(r, cubic)\nq = Mul(x, p)\na = Add(x, q)\ni = Mul(a, tanh2)\n"
                                 "t = Tanh(i)\nu = Add(t, one)\nh = Mul(x, half)\ny = Mul(h, u)", ["Gelu"]),
    "swish": ("s = Sigmoid(x)\ny = Mul(s, x)", ["Swish"]),
    "hard swish": ("a = Add(x, three)\ni = Clip(a, zero, six)\nm = Mul(x, i)\ny = Div(m, six)", ["HardSwish"]),
    "hard swish, divided first": ("a = Add(three, x)\ni = Clip(a, zero, six)\nd = Div(i, six)\ny = Mul(d, x)", ["HardSwish"]),
    "hard swish, multiplied": ("a = Add(x, three)\ni = Clip(a, zero, six)\nm = Mul(i, x)\ny = Mul(m, sixth)", ["HardSwish"]),
    "layer": (CENTERED + "n = Div(d, s)\ng0 = Mul(n, g)\ny = Add(b, g0)", ["LayerNormalization"]),
    "layer, squared": (CENTERED.replace("Pow(d, two)", "Mul(d, d)") + "n = Div(d, s)\ng0 = Mul(g, n)\ny = Add(g0, b)",
                       ["LayerNormalization"]),
    "layer, reciprocal": (CENTERED + "r = Reciprocal(s)\nn = Mul(d, r)\ng0 = Mul(n, g)\ny = Add(g0, b)",
                          ["LayerNormalization"]),
    "root mean square": ("p = Pow(x, two)\nv = ReduceMean(p, last)\nw = Add(v, eps)\ns = Sqrt(w)\nr = Div(one, s)\n"
                         "n = Mul(x, r)\ny = Mul(g, n)", ["RMSNormalization"]),
    "bias": ("z = MatMul(x, W)\ny = Add(c, z)", ["MatMulPacked"]),
    "bias of rank 3": ("z = MatMul(x, W)\ny = Add(z, c1)", ["MatMulPacked"]),
    "perceptron": ("z = MatMul(x, W)\na = Add(z, c)\ny = Relu(a)", ["MatMulPacked"]),
    "product and tanh": ("z = MatMul(x, W)\ny = Tanh(z)", ["MatMulPacked"]),
    "product and sigmoid": ("z = MatMul(x, W)\na = Add(z, c)\ny = Sigmoid(a)", ["MatMulPacked"]),
    "product and gelu": ("z = MatMul(x, W)\nx0 = Add(z, c)\na = Div(x0, root2)\ne = Erf(a)\nu = Add(e, one)\n"
                         "v = Mul(x0, u)\ny = Mul(v, half)", ["MatMulPacked"]),
    "product and gelu by tanh": ("z = MatMul(x, W)\nx0 = Add(z, c)\nq = Pow(x0, three)\nk = Mul(cubic, q)\na = Add(x0, k)\n"
                                 "i = Mul(a, tanh2)\nt = Tanh(i)\nu = Add(one, t)\nh = Mul(half, x0)\ny = Mul(h, u)",
                                 ["MatMulPacked"]),
    # What looks alike and is something else stays.
    "gelu of another root": ("a = Div(x, three)\ne = Erf(a)\nu = Add(e, one)\nv = Mul(x, u)\ny = Mul(v, half)", None),
    "hard swish with other bounds": ("a = Add(x, three)\ni = Clip(a, one, six)\nm = Mul(x, i)\ny = Div(m, six)", None),
    "gelu of two values": ("r = Relu(x)\na = Div(x, root2)\ne = Erf(a)\nu = Add(e, one)\nv = Mul(r, u)\n"
                           "y = Mul(v, half)", None),
    "layer over another axis": (CENTERED.replace("last", "first") + "n = Div(d, s)\ng0 = Mul(n, g)\ny = Add(g0, b)", None),
    "layer that broadcasts": (CENTERED + "n = Div(d, s)\ng0 = Mul(n, g)\ny = Add(g0, column)",
                             ["ReduceMean", "Sub", "RMSNormalization", "Add"]),
    "layer whose root is read": (CENTERED + "n = Div(d, s)\ng0 = Mul(n, g)\ny0 = Add(g0, b)\ny = Add(y0, s)", None),
    "bias that broadcasts": ("z = MatMul(x, square)\ny = Add(z, column)", None),
    "product that is read twice": ("z = MatMul(x, W)\na = Add(z, c)\nr = Relu(a)\ny = Add(r, a)", None),
}


@pytest.mark.parametrize("name", IDIOMS)
@pytest.mark.parametrize("rows", [1, 3, 300])
def test_idioms(name, rows):
    text, expected = IDIOMS[name]
    if "column" in text and rows != 3:
        pytest.skip("the constant has three rows")
    nodes = chain(text)
    feeds = {"x": (3 * random.normal(size=(2, rows, WIDTH))).astype(np.float32)}
    read = {value for node in nodes for value in node.input}
    constants = {key: value for key, value in CONSTANTS.items() if key in read}
    data = model_of(nodes, feeds, ["y"], constants, opset=18)
    model = compare(with_width(data), feeds)
    found = operators(model)
    assert found == expected if expected else not {"Gelu", "HardSwish", "LayerNormalization", "RMSNormalization"} & set(found)


def with_width(data):
    """The same with the last extent of x known, as models of words have it."""
    model = onnx.load_from_string(data)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = WIDTH
    return model.SerializeToString()


# ---- rows picked by products ----

ONE_HOT = {
    "compared with a range": ("e = Equal(i, range)\nh = Cast(e, to=1)\ny = MatMul(h, W)", ["Clip", "Squeeze", "Gather"]),
    "the range first": ("e = Equal(range3, i)\nh = Cast(e, to=1)\ny = MatMul(h, W)", ["Clip", "Squeeze", "Gather"]),
    "expanded to a shape": ("s = Shape(x)\nn = Slice(s, zero, one)\nt = Concat(n, five, one, axis=0)\ni = Reshape(x, t0)\n"
                            "b = Expand(i, t)\ne = Equal(b, range)\nh = Cast(e, to=1)\ny = MatMul(h, W)",
                            ["Clip", "Squeeze", "Gather"]),
    # What looks alike and is something else stays.
    "expanded to columns": ("s = Shape(x)\nn = Slice(s, zero, one)\nt = Concat(n, five, width, axis=0)\n"
                            "i = Reshape(x, t0)\nb = Expand(i, t)\ne = Equal(b, range)\nh = Cast(e, to=1)\n"
                            "y = MatMul(h, W)", None),
    "no range": ("e = Equal(i, jumps)\nh = Cast(e, to=1)\ny = MatMul(h, W)", None),
    "a range of more axes": ("e = Equal(i, range4)\nh = Cast(e, to=1)\ny = MatMul(h, W)", None),
    "read twice": ("e = Equal(i, range)\nh = Cast(e, to=1)\nm = MatMul(h, W)\nt = ReduceSum(h, last)\ny = Add(m, t)", None),
    "weights that are not finite": ("e = Equal(i, range)\nh = Cast(e, to=1)\ny = MatMul(h, bad)", None),
}


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("name", ONE_HOT)
def test_one_hot(name, kind):
    """Numbers that are no row's pick zeros: among them those at both ends of their type."""
    text, expected = ONE_HOT[name]
    ends = np.iinfo(kind)
    numbers = np.array([[0, 1, 6, 7, -1], [ends.min, ends.max, -7, 8, 3]], kind)
    bad = CONSTANTS["W"][:7].copy()
    bad[3, 2] = np.inf
    every = {"range": np.arange(7, dtype=kind), "range3": np.arange(7, dtype=kind).reshape(1, 1, 7),
             "range4": np.arange(7, dtype=kind).reshape(1, 1, 1, 7), "jumps": np.array([0, 1, 2, 3, 4, 6, 5], kind),
             "W": CONSTANTS["W"][:7], "bad": bad, "last": CONSTANTS["last"], "t0": np.array([-1, 5, 1]),
             **{key: np.array([value]) for key, value in {"zero": 0, "one": 1, "five": 5, "width": 7}.items()}}
    feeds = {"x": numbers} if "(x" in text else {"i": numbers[:, :, None]}
    nodes = chain(text)
    read = {value for node in nodes for value in node.input}
    model = onnx.load_from_string(model_of(nodes, feeds, ["y"], {k: v for k, v in every.items() if k in read}))
    if "i" in feeds:
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1
    found = operators(compare(model.SerializeToString(), feeds))
    assert found[-len(expected):] == expected if expected else "Gather" not in found


# ---- transposes before elementwise operators ----

SUNK = {
    "two": ("a = Transpose(x, perm=021)\nb = Transpose(z, perm=021)\ny = Add(a, b)", ["Add", "Transpose"]),
    "three, of which one comes late": ("a = Transpose(x, perm=201)\nb = Transpose(z, perm=201)\nq = Exp(x)\n"
                                       "c = Transpose(q, perm=201)\ny = Max(b, c, a)", ["Exp", "Max", "Transpose"]),
    "in their order": ("a = Transpose(z, perm=120)\nb = Transpose(x, perm=120)\ny = Sub(b, a)", ["Sub", "Transpose"]),
    "in a row": ("a = Transpose(x, perm=021)\nb = Transpose(z, perm=021)\nd = Div(a, b)\nq = Tanh(x)\n"
                 "c = Transpose(q, perm=021)\ny = Mul(d, c)", ["Div", "Tanh", "Mul", "Transpose"]),
    # What looks alike and is something else stays.
    "of other orders": ("a = Transpose(x, perm=021)\nb = Transpose(z, perm=201)\ns = ReduceSum(b)\ny = Add(a, s)", None),
    "one alone": ("a = Transpose(x, perm=021)\ns = ReduceSum(z)\ny = Add(a, s)", None),
    "read by others": ("a = Transpose(x, perm=021)\nb = Transpose(z, perm=021)\nm = Min(a, b)\ny = MatMul(m, x)\n"
                       "w = Sub(a, b)", None),
    "twice the same": ("a = Transpose(x, perm=021)\ny = Mul(a, a)", None),
}


@pytest.mark.parametrize("name", SUNK)
def test_transposes_sink(name):
    text, expected = SUNK[name]
    nodes = chain(text)
    feeds = {key: 1 + np.abs(random.normal(size=(2, 5, 7))).astype(np.float32) for key in ("x", "z")}
    used = {value for node in nodes for value in node.input}
    data = model_of(nodes, {k: v for k, v in feeds.items() if k in used}, ["y", "w"] if "w =" in text else ["y"], {})
    model = compare(data, {k: v for k, v in feeds.items() if k in used})
    plain = libinfer.load(data, without=["sink-transposes", "fuse-chains"])
    found = operators(libinfer.load(data, without=["fuse-chains"]))
    assert found == (expected or operators(plain))
    np.testing.assert_array_equal(plain.run({k: v for k, v in feeds.items() if k in used}, numpy=True)["y"],
                                  model.run({k: v for k, v in feeds.items() if k in used}, numpy=True)["y"])


# ---- transposes of transposes ----

UNDONE = {
    "at once": ("a = Transpose(x, perm=120)\nb = Transpose(a, perm=201)\ny = Exp(b)", ["Exp"]),
    "with an axis between": ("a = Transpose(x, perm=021)\nb = Unsqueeze(a, one)\nc = Transpose(b, perm=0132)\ny = Exp(c)",
                             ["Unsqueeze", "Exp"]),
    "with axes that move": ("a = Transpose(x, perm=102)\nb = Unsqueeze(a, ends)\ny = Transpose(b, perm=20143)", ["Unsqueeze"]),
    "of one that others read": ("a = Transpose(x, perm=021)\nb = Transpose(a, perm=021)\ny = Exp(b)\nw = Tanh(a)",
                                ["Transpose", "Exp", "Tanh"]),
    # What looks alike and is something else stays.
    "of another order": ("a = Transpose(x, perm=021)\nb = Unsqueeze(a, one)\ny = Transpose(b, perm=0213)", None),
    "through what others read": ("a = Transpose(x, perm=021)\nb = Unsqueeze(a, one)\nc = Transpose(b, perm=0132)\ny = Exp(c)\n"
                                 "w = Tanh(b)", None),
    "that leaves the graph": ("a = Transpose(x, perm=021)\ny = Transpose(a, perm=021)", None),
}


@pytest.mark.parametrize("name", UNDONE)
def test_transposes_undo_each_other(name):
    text, expected = UNDONE[name]
    feeds = {"x": random.normal(size=(2, 5, 7)).astype(np.float32)}
    constants = {k: v for k, v in {"one": np.array([1]), "ends": np.array([0, -1])}.items() if k in text}
    data = model_of(chain(text), feeds, ["y", "w"] if "w =" in text else ["y"], constants)
    model = compare(data, feeds)
    plain = libinfer.load(data, without=["merge-transposes"])
    assert operators(model) == (expected or operators(plain))
    np.testing.assert_array_equal(plain.run(feeds, numpy=True)["y"], model.run(feeds, numpy=True)["y"])


def test_stacked_largest_of_transposed():
    """As pooling over branches is spelled: Max is found before convolutions are laid out."""
    nodes = chain("a = Conv(x, v)\nb = Conv(x, w)\nc = Transpose(a, perm=021)\nd = Transpose(b, perm=021)\n"
                  "e = Unsqueeze(c, three)\nf = Unsqueeze(d, three)\ng = Concat(e, f, axis=3)\n"
                  "y = ReduceMax(g, three, keepdims=0)")
    feeds = {"x": random.normal(size=(2, 16, 33)).astype(np.float32)}
    constants = {"three": np.array([3]), **{k: random.normal(size=(20, 16, 1)).astype(np.float32) / 4 for k in "vw"}}
    model = onnx.load_from_string(model_of(nodes, feeds, ["y"], constants, opset=18))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 16
    found = operators(compare(model.SerializeToString(), feeds))
    assert found == ["ToBlocks", "ConvBlocked", "ConvBlocked", "Max", "FromBlocks", "Transpose"]


# ---- reductions of short runs ----


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1",
                                "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"])
@pytest.mark.parametrize("shape", [(1, 32, 196, 3), (5000, 7), (3, 1, 2), (700, 31), (300, 33), (1, 3), (4, 1)])
def test_short_runs(op, shape):
    """Of the last axis, which is shorter than a run has accumulators, or just not."""
    for keepdims in (0, 1):
        feeds = {"x": random.normal(size=shape).astype(np.float32)}
        node = helper.make_node(op, ["x", "last"], ["y"], keepdims=keepdims)
        compare(model_of([node], feeds, ["y"], {"last": CONSTANTS["last"]}, opset=18), feeds)


def test_passes_are_left_out_by_name():
    text = IDIOMS["product and gelu"][0]
    feeds = {"x": random.normal(size=(2, 3, WIDTH)).astype(np.float32)}
    nodes = chain(text)
    read = {value for node in nodes for value in node.input}
    data = with_width(model_of(nodes, feeds, ["y"], {k: v for k, v in CONSTANTS.items() if k in read}))
    expected = libinfer.load(data).run(feeds)["y"]
    for names, left in ((["fuse-products"], ["MatMulPacked", "Add", "Gelu"]),
                        (["fuse-idioms"], ["MatMulPacked", "Div", "Erf", "Add", "Mul", "Mul"]),
                        (["fuse-idioms", "fuse-products"], ["MatMulPacked", "Add", "Div", "Erf", "Add", "Mul", "Mul"])):
        model = libinfer.load(data, without=[*names, "fuse-chains"])
        assert operators(model) == left
        np.testing.assert_allclose(model.run(feeds)["y"], expected, 1e-5, 1e-5)
    with pytest.raises(libinfer.InferArgumentError, match="no pass has the name fuse-everything"):
        libinfer.load(data, without=["fuse-everything"])
    with pytest.raises(libinfer.InferError, match="has been through its passes"):
        libinfer.load(model.to_bytes(), without=["fuse-idioms"])


# ---- weights that are integers times scales ----


@pytest.mark.parametrize("name", ["a scale a column", "one scale", "unpacked in the model", "Gemm", "no integers"])
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_weights_stay_integers(name, rows):
    """The image holds a byte for each, and products are as those of the floats."""
    k, n = 96, 150
    q = random.integers(-127, 128, (k, n)).astype(np.int8)
    q[0] = 127
    q[:, 7] = 0
    scale = np.float32(0.013) if name == "one scale" else random.uniform(1e-3, 1, (1, n)).astype(np.float32)
    w = q.astype(np.float32) * scale
    if name == "no integers":
        w[50, 60] = np.nextafter(w[50, 60], np.float32(9), dtype=np.float32)
    constants = {"w": w, "c": CONSTANTS["c"][:1].repeat(n)}
    nodes = chain("z = MatMul(x, w)\na = Add(z, c)\ny = Relu(a)")
    if name == "unpacked in the model":
        nodes = chain("f = Cast(q, to=1)\nw = Mul(f, s)\nz = MatMul(x, w)\na = Add(z, c)\ny = Relu(a)")
        constants = {"q": q, "s": scale, "c": constants["c"]}
    elif name == "Gemm":
        nodes = chain("z = Gemm(x, w, c, transB=1)\ny = Relu(z)")
        constants["w"] = np.ascontiguousarray(w.T)
    x = random.normal(size=(rows, k)).astype(np.float32)
    data = model_of(nodes, {"x": x}, ["y"], constants)
    model = compare(data, {"x": x})
    assert operators(model) == ["MatMulPacked"]
    assert (len(model.to_bytes()) < 2 * q.size) == (name != "no integers")
