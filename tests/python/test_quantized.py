"""Operators between DequantizeLinear and QuantizeLinear compute with the integers; onnxruntime, which is told to optimize
nothing, judges: of its 8-bit integers one in a thousand (at least one) may be one step away."""

import json
import os
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import ROOT
from onnx import TensorProto, helper, numpy_helper

import libinfer

FEW = 1e-3
U8, I8, F = np.uint8, np.int8, np.float32
SCALE = 0.0517  # scales are no round numbers, whose sums would be halves all the time
random = np.random.default_rng(21)


class Net:
    """Nodes with constants and inputs of 8 bits; names are made on the way."""

    def __init__(self, opset=17):
        self.nodes, self.constants, self.inputs, self.opset = [], {}, {}, opset

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [self.constant(value) if isinstance(value, np.ndarray | np.generic) else value for value in inputs]
        made = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, names, made, **attributes))
        return made[0] if outputs == 1 else made

    def input(self, name, shape, kind=U8):
        info = np.iinfo(kind)
        self.inputs[name] = random.integers(info.min, info.max, shape, endpoint=True, dtype=kind)
        return name

    def real(self, x, scale=SCALE, zero=U8(118), **attributes):
        return self.node("DequantizeLinear", x, np.asarray(scale, F), np.asarray(zero), **attributes)

    def real_input(self, name, shape, scale=SCALE, zero=U8(118)):
        return self.real(self.input(name, shape, zero.dtype.type), scale, zero)

    def quantized(self, x, scale=0.0973, zero=U8(131)):
        return self.node("QuantizeLinear", x, F(scale), np.asarray(zero))

    def model(self, *outputs):
        ports = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
                 for name, value in self.inputs.items()]
        # Outputs have the types that onnxruntime finds.
        graph = helper.make_graph(self.nodes, "g", ports, [onnx.ValueInfoProto(name=name) for name in outputs],
                                  [numpy_helper.from_array(v, k) for k, v in self.constants.items()])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)],
                                 ir_version=10).SerializeToString()

    def judge(self, *outputs, without=(), threads=1):
        """The operators that are left."""
        data = self.model(*outputs)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        expected = dict(zip(outputs, session.run(list(outputs), self.inputs), strict=True))
        with libinfer.load(data, without=list(without), threads=threads) as model:
            actual = model.run(self.inputs, numpy=True)
            again = libinfer.load(model.to_bytes()).run(self.inputs, numpy=True)
            found = [n.op for n in model.nodes]
        assert list(actual) == list(outputs)
        for name in outputs:
            close(expected[name], np.asarray(actual[name]))
            np.testing.assert_array_equal(np.asarray(actual[name]), np.asarray(again[name]))
        return found


def close(expected, actual):
    assert expected.dtype == actual.dtype and expected.shape == actual.shape
    if expected.dtype in (U8, I8):
        away = np.abs(expected.astype(int) - actual.astype(int))
        assert away.max(initial=0) <= 1 and away.sum() <= max(1, FEW * away.size)
        assert len(np.unique(expected)) > 8  # not all saturated: a test that can fail
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


FLOAT_OPS = {"Conv", "MatMul", "Gemm", "Add", "Sum", "Mul", "Sigmoid", "Relu", "Clip", "DequantizeLinear",
             "QuantizeLinear"}


def check(net, *outputs, ops, threads=1):
    """What is left with the pass, and that without it the floats are there."""
    assert sorted(net.judge(*outputs, threads=threads)) == sorted(ops)
    plain = net.judge(*outputs, without=["fuse-quantized", "fuse-chains"])
    assert "DequantizeLinear" in plain and "QuantizeLinear" in plain


# ---- convolutions ----


def conv(net, x, outputs=12, channels=8, kernel=(3, 3), kind=I8, per_channel=True, bias="int32", w_zero=0, group=1,
         x_scale=SCALE, **attributes):
    weights = random.integers(-127 if kind == I8 else 0, 128 if kind == I8 else 256,
                              (outputs, channels // group, *kernel)).astype(kind)
    w_scale = random.uniform(0.001, 0.01, outputs).astype(F) if per_channel else F(0.00423)
    zero = np.full(np.shape(w_scale), w_zero, kind)
    inputs = [x, net.real(weights, w_scale, zero, axis=0)]
    values = random.integers(-20000, 20000, outputs).astype(np.int32)
    if bias == "int32":
        inputs.append(net.real(values, F(x_scale) * w_scale, np.zeros(np.shape(w_scale), np.int32), axis=0))
    elif bias == "float":
        inputs.append((values * (F(x_scale) * w_scale)).astype(F) + F(1e-5))
    return net.node("Conv", *inputs, group=group, **attributes)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind, w_zero", [(I8, 0), (I8, -3), (U8, 121)])
@pytest.mark.parametrize("zero", [U8(118), I8(-7), U8(0)])
@pytest.mark.parametrize("bias", ["int32", "float", None])
def test_convolutions(kind, w_zero, zero, bias, per_channel):
    net = Net()
    y = conv(net, net.real_input("x", (2, 8, 9, 11), zero=zero), kind=kind, w_zero=w_zero, per_channel=per_channel,
             bias=bias, pads=[1, 1, 1, 1], strides=[1, 2])
    check(net, net.quantized(y, 0.15, zero.dtype.type(3)), ops=["QLinearConvOrdered"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("group, kernel, strides, dilations", [
    (16, (3, 3), [1, 1], [1, 1]), (16, (3, 3), [2, 2], [1, 1]), (16, (5, 5), [1, 1], [1, 2]), (4, (1, 1), [1, 1], [1, 1]),
    (16, (3, 3), [2, 1], [1, 1]), (16, (7, 7), [3, 3], [1, 1])])
def test_groups(group, kernel, strides, dilations, threads):
    net = Net()
    y = conv(net, net.real_input("x", (2, 16, 37, 35)), 16, 16, kernel, group=group, strides=strides, dilations=dilations,
             pads=[2, 1, 1, 2])
    check(net, net.quantized(y, 0.06), threads=threads,
          ops=["QLinearConv" if group == 16 else "QLinearConvOrdered"])


@pytest.mark.parametrize("bound, clips", [("relu", False), ("relu", True), ("six", True), ("wide", False)])
def test_bounds_behind_a_convolution(bound, clips):
    net = Net()
    y = conv(net, net.real_input("x", (1, 8, 12, 12)))
    y = net.node("Relu", y) if bound == "relu" else net.node("Clip", y, F(0 if bound == "six" else -99), F(6 if bound == "six" else 99))
    zero = U8(0) if not clips else U8(100)
    found = net.judge(net.quantized(y, 0.06, zero))
    assert found == ["QLinearConvOrdered", "LookupBytes"] if clips else ["QLinearConvOrdered"]


@pytest.mark.parametrize("op", ["Add", "Conv"])
def test_relu_of_signed_numbers_without_a_zero_point(op):
    """As models have it that are quantized alike on both sides of 0."""
    net = Net()
    x = net.real_input("x", (1, 8, 12, 12), zero=I8(0))
    y = conv(net, x) if op == "Conv" else net.node("Add", x, net.real_input("z", (1, 8, 12, 12), 0.0213, I8(0)))
    found = net.judge(net.quantized(net.node("Relu", y), 0.0571, I8(0)))
    assert found == ["QLinearConvOrdered" if op == "Conv" else "AddBytes", "LookupBytes"]


def test_a_bias_that_is_too_fine_stays():
    """Steps of the sums as large as those of the result: rounding the bias would be seen."""
    net = Net()
    w = random.integers(-2, 3, (12, 2, 1, 1)).astype(I8)
    y = net.node("Conv", net.real_input("x", (1, 2, 6, 6), 0.5), net.real(w, F(0.5), I8(0)),
                 random.uniform(-1, 1, 12).astype(F))
    assert "QLinearConv" not in "".join(net.judge(net.quantized(y, 1.0)))


@pytest.mark.parametrize("other", ["weights that vary", "int16", "scales that vary", "blocks"])
def test_what_fits_nothing_stays(other):
    net = Net(21)
    w = random.integers(-100, 100, (32, 16)).astype(np.int16 if other == "int16" else I8)
    x = net.real_input("x", (5, 32))
    if other == "weights that vary":
        net.inputs["w"] = w
        real = net.real("w", random.uniform(0.001, 0.01, 16).astype(F), np.zeros(16, I8), axis=1)
    elif other == "int16":
        real = net.real(w, F(0.001), np.int16(0))
    elif other == "scales that vary":
        net.inputs["s"] = np.asarray(0.01, F)
        real = net.node("DequantizeLinear", w, "s", I8(0))
    else:
        real = net.real(w, random.uniform(0.001, 0.01, (2, 16)).astype(F), np.zeros((2, 16), I8), axis=0, block_size=16)
    found = net.judge(net.quantized(net.node("MatMul", x, real)))
    assert "QuantizeLinear" in found and not any("Bytes" in op or "QLinear" in op for op in found)


# ---- products ----


@pytest.mark.parametrize("zero", [U8(118), I8(5)])
@pytest.mark.parametrize("kind, w_zero, per_column", [(I8, 0, True), (I8, 0, False), (U8, 130, False)])
@pytest.mark.parametrize("result", ["bytes", "floats"])
def test_products(zero, kind, w_zero, per_column, result):
    net = Net()
    w = random.integers(-127 if kind == I8 else 0, 128, (24, 20)).astype(kind)
    scale = random.uniform(0.001, 0.01, 20).astype(F) if per_column else F(0.00423)
    y = net.node("MatMul", net.real_input("x", (3, 7, 24), zero=zero),
                 net.real(w, scale, np.full(np.shape(scale), w_zero, kind), axis=1))
    if result == "floats":
        y = net.node("Add", y, random.normal(size=20).astype(F))
        assert net.judge(y) == ["MatMulBytes"]
    else:
        check(net, net.quantized(y, 0.05), ops=["MatMulBytes"])


def test_product_of_two_that_vary():
    net = Net()
    a, b = net.real_input("a", (2, 3, 9, 16)), net.real_input("b", (2, 3, 16, 11), 0.02, I8(4))
    check(net, net.quantized(net.node("MatMul", a, b), 0.2), ops=["QLinearMatMul"])


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_gemm(turned, bias):
    net = Net()
    w = random.integers(-127, 128, (20, 24) if turned else (24, 20)).astype(I8)
    scale = random.uniform(0.001, 0.01, 20).astype(F)
    inputs = [net.real_input("x", (7, 24)), net.real(w, scale, np.zeros(20, I8), axis=0 if turned else 1)]
    if bias:
        inputs.append(net.real(random.integers(-9000, 9000, 20).astype(np.int32), F(SCALE) * scale, np.zeros(20, np.int32), axis=0))
    y = net.node("Gemm", *inputs, transB=turned)
    check(net, net.quantized(y, 0.05), ops=["MatMulBytes", "QuantizeLinear"])


# ---- sums, products of elements, tables ----


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("op", ["Add", "Sum", "Mul"])
@pytest.mark.parametrize("shapes", [((2, 5, 70, 67), (2, 5, 70, 67)), ((2, 5, 9, 7), (2, 5, 1, 1)), ((4, 3, 33), (33,)),
                                    ((3, 1, 7), (1, 4, 1)), ((1,), (300,))])
@pytest.mark.parametrize("kind", [U8, I8])
def test_two_values(op, shapes, kind, threads):
    net = Net()
    a, b = net.real_input("a", shapes[0], SCALE, kind(7)), net.real_input("b", shapes[1], 0.0213, kind(100))
    y = net.quantized(net.node(op, a, b), 0.0631, kind(90))
    check(net, y, ops=["QLinearMul" if op == "Mul" else "AddBytes"], threads=threads)


@pytest.mark.parametrize("zero", [U8(10), U8(11), I8(-3)])
def test_sums_that_are_halves(zero):
    """They are rounded to even before the zero point is added."""
    net = Net()
    kind = zero.dtype.type
    a, b = net.real_input("a", (9, 40), 0.5, kind(0)), net.real_input("b", (9, 40), 0.25, kind(3))
    data = net.quantized(net.node("Add", a, b), 1.0, zero)
    assert net.judge(data) == ["AddBytes"]


def test_sum_with_a_bound():
    net = Net()
    y = net.node("Relu", net.node("Add", net.real_input("a", (3, 40)), net.real_input("b", (3, 40), 0.0213)))
    assert net.judge(net.quantized(y, 0.0229, U8(0))) == ["AddBytes"]


@pytest.mark.parametrize("op, attributes", [("Sigmoid", {}), ("LeakyRelu", {"alpha": 0.2}), ("HardSwish", {}), ("Tanh", {}),
                                            ("Elu", {}), ("Erf", {}), ("Relu", {})])
@pytest.mark.parametrize("zero", [U8(118), I8(-7)])
def test_functions_are_tables(op, attributes, zero):
    net = Net()
    y = net.node(op, net.real_input("x", (2, 3, 50), zero=zero), **attributes)
    check(net, net.quantized(y, 0.02, zero.dtype.type(20)), ops=["LookupBytes"])


def test_functions_in_a_row_are_one_table():
    """x * Sigmoid(x), quantized between, times a number and limited."""
    net = Net()
    x = net.real_input("x", (2, 3, 50))
    s = net.real(net.quantized(net.node("Sigmoid", x), 1 / 256, U8(0)), 1 / 256, U8(0))
    y = net.real(net.quantized(net.node("Mul", x, s), 0.03, U8(10)), 0.03, U8(10))
    y = net.node("Clip", net.node("Mul", y, F(0.7)), F(-0.1), F(3))
    check(net, net.quantized(y, 0.02, U8(5)), ops=["LookupBytes"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("places, left", [((31, 33), ["LookupBytes"]),
                                          ((5, 5), ["BatchNormalization", "DequantizeLinear", "QuantizeLinear"])])
@pytest.mark.parametrize("kind", [U8, I8])
def test_normalized_channels_are_tables(places, left, kind, threads):
    """One for each channel, where there are places enough."""
    net = Net()
    rows = [random.uniform(0.5, 2, 6).astype(F), random.normal(size=6).astype(F), random.normal(size=6).astype(F),
            random.uniform(0.5, 2, 6).astype(F)]
    y = net.node("BatchNormalization", net.real_input("x", (2, 6, *places), zero=kind(12)), *rows)
    assert sorted(net.judge(net.quantized(y, 0.0631, kind(7)), threads=threads)) == left


def test_a_function_that_more_is_made_of_stays():
    net = Net()
    x, z = net.real_input("x", (2, 30)), net.real_input("z", (2, 30), 0.01)
    y = net.node("Mul", net.node("Sigmoid", x), z)
    assert "LookupBytes" not in net.judge(net.quantized(y, 0.02))


# ---- data movement ----


MOVES = {
    "reshape": (lambda n, x: n.node("Reshape", x, np.int64([4, -1])), "Reshape"),
    "transpose": (lambda n, x: n.node("Transpose", x, perm=[0, 2, 3, 1]), "Transpose"),
    "max pool": (lambda n, x: n.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), "MaxPool"),
    "slice": (lambda n, x: n.node("Slice", x, np.int64([1]), np.int64([9]), np.int64([2])), "Slice"),
    "gather": (lambda n, x: n.node("Gather", x, np.int64([3, 0]), axis=2), "Gather"),
    "resize": (lambda n, x: n.node("Resize", x, "", F([1, 1, 2, 2]), mode="nearest"), "Resize"),
    "flatten": (lambda n, x: n.node("Flatten", x), "Flatten"),
    "depth": (lambda n, x: n.node("DepthToSpace", x, blocksize=2), "DepthToSpace"),
    "expand": (lambda n, x: n.node("Expand", x, np.int64([3, 1, 1, 1, 1])), "Expand"),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("zero", [U8(118), I8(-7)])
def test_movement(name, zero):
    move, left = MOVES[name]
    net = Net()
    y = move(net, net.real_input("x", (2, 4, 10, 10), zero=zero))
    found = net.judge(net.quantized(y, SCALE, zero))
    assert [op for op in found if op != "Identity"] == [left]


def test_movement_to_another_scale():
    net = Net()
    y = net.node("Transpose", net.real_input("x", (5, 40)), perm=[1, 0])
    check(net, net.quantized(y, 0.07), ops=["Transpose", "LookupBytes"])


def test_parts_of_one_value():
    """Split has several outputs, each with its readers; a chunk in float is what it was."""
    net = Net()
    a, b = net.node("Split", net.real_input("x", (2, 8, 30)), outputs=2, axis=1)
    y = net.quantized(net.node("Add", a, b))
    found = net.judge(y, a)
    assert "AddBytes" in found and "Split" in found


@pytest.mark.parametrize("scales", [(SCALE, SCALE), (SCALE, 0.0213)])
def test_concat(scales):
    net = Net()
    parts = [net.real_input(f"x{i}", (2, 3 + i, 20), scale) for i, scale in enumerate(scales)]
    y = net.quantized(net.node("Concat", *parts, axis=1), SCALE, U8(118))
    found = net.judge(y)
    assert sorted(op for op in found if op != "Identity") == ["Concat", "LookupBytes"][:1 + (scales[0] != scales[1])]


def test_types_that_no_zero_point_says():
    net = Net(21)
    parts = [net.node("DequantizeLinear", net.input(f"x{i}", (3, 40), I8), F(scale)) for i, scale in enumerate((SCALE, 0.0213))]
    joined = net.node("Concat", *parts, axis=0)
    y = net.node("QuantizeLinear", joined, F(0.0571), output_dtype=TensorProto.INT8)
    z = net.node("QuantizeLinear", net.node("Add", *parts), F(0.0571), output_dtype=TensorProto.INT8)
    assert {"Concat", "AddBytes", "LookupBytes"} <= set(net.judge(y, z))


# ---- readers, outputs, bodies ----


def test_several_readers():
    """A dequantized value that a convolution, a sum and a float operator read."""
    net = Net()
    x = net.real_input("x", (1, 8, 10, 10))
    c = net.real(net.quantized(conv(net, x, 8, pads=[1] * 4)), 0.0973, U8(131))
    y, z = net.quantized(net.node("Add", c, x), 0.1171), net.node("ReduceMean", x, axes=[2, 3])
    found = net.judge(y, z)
    assert "QLinearConvOrdered" in found and "AddBytes" in found and "Conv" not in found


def test_quantized_values_that_leave_the_graph():
    net = Net()
    x = net.real_input("x", (1, 8, 10, 10))
    q = net.quantized(conv(net, x, 8))
    r = net.real(q, 0.0973, U8(131))
    same = net.quantized(net.node("Reshape", r, np.int64([8, -1])))
    found = net.judge(q, r, same)
    assert "QLinearConvOrdered" in found and "DequantizeLinear" in found


def test_a_pair_that_rounds_stays():
    """What is quantized and dequantized again is not what it was."""
    net = Net()
    x = net.real_input("x", (4, 60), 0.013)
    r = net.real(net.quantized(net.node("Softmax", x), 0.002, U8(0)), 0.002, U8(0))
    found = net.judge(net.node("Exp", r))
    assert "QuantizeLinear" in "".join(found) or "Chain" in found


def test_in_a_branch():
    """A body of If reads what is around it."""
    body = Net()
    y = body.quantized(body.node("Add", body.real("x"), body.real("x", 0.02)), 0.2)
    net = Net()
    net.input("x", (3, 20))
    net.inputs["which"] = np.asarray(True)
    branches = []
    for name in "ab":
        nodes = [helper.make_node(n.op_type, [f"{name}{i}" if i != "x" else i for i in n.input],
                                  [f"{name}{o}" for o in n.output]) for n in body.nodes]
        branches.append(helper.make_graph(nodes, name, [], [onnx.ValueInfoProto(name=name + y)],
                                          [numpy_helper.from_array(v, name + k) for k, v in body.constants.items()]))
    for graph in branches:
        graph.output[0].CopyFrom(helper.make_tensor_value_info(graph.output[0].name, TensorProto.UINT8, [3, 20]))
    out = net.node("If", "which", then_branch=branches[0], else_branch=branches[1])
    net.judge(out)


def test_inspect_says_what_the_pass_did(tmp_path):
    net = Net()
    path = tmp_path / "model.onnx"
    path.write_bytes(net.model(net.quantized(conv(net, net.real_input("x", (1, 8, 9, 9))), 0.1)))
    infer = os.environ.get("INFER_EXE", str(ROOT / "build" / "infer"))
    about = json.loads(subprocess.run([infer, "inspect", str(path), "--passes", "--json"], check=True,
                                      capture_output=True, text=True).stdout)
    passes = {p["name"]: p for p in about["passes"]}
    assert passes["fuse-quantized"]["nodes"] == [3, 1]
    changes = {change["op"]: change["nodes"] for change in passes["fuse-quantized"]["changes"]}
    assert changes == {"Conv": -1, "DequantizeLinear": -1, "QuantizeLinear": -1, "QLinearConv": 1}
