"""com.microsoft's operators against onnxruntime: random small models over attributes, types and optional inputs.

Integers must be the same, floats within 1e-4 relative or 1e-5 of the largest number."""

import zlib

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
from onnx import helper
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

import libinfer

onnxruntime.set_default_logger_severity(4)
CASES = []
HALF = {"float16": (2e-3, 2e-3)}


def cases(op, count=8, domain="com.microsoft", **how):
    """Registers a function of (random, number of the case) that gives inputs (None: absent), attributes and more."""
    def register(make):
        CASES.extend(pytest.param(op, make, i, {"domain": domain, **how}, id=f"{op}-{make.__name__}-{i}")
                     for i in range(count))
        return make
    return register


def element_type(value):
    return onnx.TensorProto.STRING if value.dtype == object else helper.np_dtype_to_tensor_dtype(value.dtype)


def build(op, inputs, attributes, domain, outputs=1, constants=(), free=False):
    names = [f"i{i}" if v is not None else "" for i, v in enumerate(inputs)]
    while not names[-1]:
        names.pop()
    given = {n: np.asarray(v) for n, v in zip(names, inputs) if n}
    wanted = [f"o{i}" for i in range(outputs)] if isinstance(outputs, int) else list(outputs)
    node = helper.make_node(op, names, wanted, domain=domain, **attributes)
    ports = [helper.make_tensor_value_info(n, element_type(v),
                                           [f"{n}_{a}" for a in range(v.ndim)] if free else v.shape)
             for n, v in given.items() if int(n[1:]) not in constants]
    weights = [onnx.numpy_helper.from_array(v, n) for n, v in given.items() if int(n[1:]) in constants]
    graph = helper.make_graph([node], "g", ports, [onnx.ValueInfoProto(name=o) for o in wanted if o], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21),
                                                    helper.make_opsetid("com.microsoft", 1)], ir_version=10)
    return model.SerializeToString(), {p.name: given[p.name] for p in ports}


def onnxruntime_runs(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def close(got, expected):
    assert np.shape(got) == np.shape(expected)
    if not isinstance(expected, np.ndarray) or expected.dtype.kind in "iubOU":
        np.testing.assert_array_equal(got, expected)
        return
    assert np.asarray(got).dtype == expected.dtype
    rtol, atol = HALF.get(expected.dtype.name, (1e-4, 1e-5))
    finite = expected[np.isfinite(expected)]
    scale = float(np.abs(finite).max()) if finite.size else 1
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol * max(scale, 1e-30))


def compare(op, make, number, how):
    random = np.random.default_rng([number, zlib.crc32(f"{op}{make.__name__}".encode())])
    inputs, attributes, *more = make(random, number)
    extra = {k: v for part in (how, *more) for k, v in part.items()}
    weights = extra.pop("weights", ())
    domain = extra.pop("domain")
    expected = None
    for constants in (weights,) if extra.get("constant") else ((), weights) if weights else ((),):
        for free in (False, True):
            if free and extra.get("ranked"):
                continue
            options = {k: v for k, v in extra.items() if k in ("outputs",)}
            model, feeds = build(op, inputs, attributes, domain, constants=constants, free=free, **options)
            if expected is None:
                expected = onnxruntime_runs(model, feeds)
            with libinfer.load(model) as ours:
                got = list(ours.run(feeds).values())
            for a, b in zip(got, expected, strict=True):
                close(a, b)


# ---- numbers ----

def reals(random, *shape, dtype=np.float32):
    return random.normal(size=shape).astype(dtype)


def bytes_of(random, dtype, *shape, narrow=False):
    """narrow: weights that onnxruntime multiplies without saturating on every processor."""
    low, high = (-64, 64) if dtype == np.int8 and narrow else (np.iinfo(dtype).min, np.iinfo(dtype).max + 1)
    return random.integers(low, high, shape).astype(dtype)


def scale(random):
    return np.array(random.uniform(0.005, 0.05), np.float32)


def zero(random, dtype):
    return np.array(bytes_of(random, dtype, 1)[0], dtype)


def pick(number, *choices):
    return choices[number % len(choices)]


BYTES = (np.uint8, np.int8)
SHAPES = [((3, 5), (3, 5)), ((2, 3, 4), (4,)), ((1,), (7,)), ((300, 3), (300, 1)), ((2, 1, 5), (3, 1)), ((), (4,)),
          ((1000,), ()), ((2, 8, 3, 3), (8, 1, 1))]


# ---- quantized elementwise ----

@cases("QLinearAdd", 16)
@cases("QLinearMul", 16)
def binary(random, number):
    dtype = pick(number, *BYTES)
    a, b = SHAPES[number // 2]
    zeros = [zero(random, dtype) for _ in range(3)]  # onnxruntime refuses models without
    return [bytes_of(random, dtype, *a), scale(random), zeros[0], bytes_of(random, dtype, *b), scale(random), zeros[1],
            scale(random), zeros[2]], {}


@cases("QLinearSigmoid", 8)
@cases("QLinearLeakyRelu", 8)
def table(random, number):
    dtype = pick(number, *BYTES)
    zeros = [zero(random, dtype) for _ in range(2)]  # onnxruntime aborts without them
    return [bytes_of(random, dtype, *pick(number // 2, (3, 5), (40, 30), (), (257,))), scale(random), zeros[0],
            scale(random), zeros[1]], {}


@cases("QLinearLeakyRelu", 4)
def slope(random, number):
    inputs, _ = table(random, number)
    return inputs, {"alpha": pick(number, 0.1, 0.5, 0.0, 2.0)}


@cases("QLinearSoftmax", 16)
def softmax(random, number):
    dtype = pick(number, *BYTES)
    shape = pick(number // 2, (3, 5), (2, 3, 4), (1, 1000), (2, 7, 3, 2))
    axis = pick(number // 4, -1, 1, 0, -2)
    y_zero = np.array(np.iinfo(dtype).min + (3 if number % 3 == 0 and dtype == np.uint8 else 0), dtype)
    return [bytes_of(random, dtype, *shape), scale(random), zero(random, dtype) if number % 5 else None,
            np.array(1 / 127, np.float32), y_zero], {"opset": pick(number // 8, 13, 12), "axis": axis}, {"ranked": True}


@cases("QLinearConcat", 8)
def concat(random, number):
    dtype = pick(number, *BYTES)
    axis = pick(number // 2, 0, 1, -1, 2)
    y = [scale(random), zero(random, dtype)]
    parts = []
    for i in range(1 + number % 3):
        shape = [2, 3, 4]
        shape[axis] = 1 + i
        same = number % 2 and i == 0
        parts += [bytes_of(random, dtype, *shape), *(y if same else (scale(random), zero(random, dtype)))]
    return [*y, *parts], {"axis": axis}


@cases("QLinearWhere", 8)
def where(random, number):
    dtype = pick(number, *BYTES)
    a, b = SHAPES[number]
    return [random.integers(0, 2, pick(number, a, b, ())).astype(bool), bytes_of(random, dtype, *a), scale(random),
            zero(random, dtype), bytes_of(random, dtype, *b), scale(random), zero(random, dtype), scale(random),
            zero(random, dtype)], {}, {"weights": (2, 3, 5, 6, 7, 8)}


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearAveragePool", "QLinearReduceMean"])
def test_absent_zero_points_are_zero(op):
    random = np.random.default_rng(3)
    x, y = bytes_of(random, np.uint8, 2, 3, 4, 4), bytes_of(random, np.uint8, 3, 4, 4)
    binary = op in ("QLinearAdd", "QLinearMul")
    attributes = {"QLinearAveragePool": {"kernel_shape": [2, 2]}, "QLinearReduceMean": {"axes": [1], "keepdims": 0}}
    answers = []
    for none in (None, np.uint8(0)):
        one = [x, np.float32(0.02), none]
        inputs = [*one, y, np.float32(0.03), none] if binary else one
        model, feeds = build(op, [*inputs, np.float32(0.05), none], attributes.get(op, {}), "com.microsoft")
        with libinfer.load(model) as ours:
            answers += ours.run(feeds).values()
    close(answers[0], answers[1])
    if op == "QLinearReduceMean":  # which onnxruntime does not have
        np.testing.assert_array_equal(answers[0], np.rint(x.mean(1) * (0.02 / 0.05)).astype(np.uint8))


# ---- quantized pools ----

@cases("QLinearAveragePool", 16)
def average(random, number):
    dtype = pick(number, *BYTES)
    attributes = pick(number // 2, {"kernel_shape": [2, 2]}, {"kernel_shape": [3, 3], "strides": [2, 2]},
                      {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]},
                      {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1},
                      {"kernel_shape": [2, 3], "auto_pad": "SAME_UPPER", "strides": [2, 1]},
                      {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
                      {"kernel_shape": [3], "strides": [2]}, {"kernel_shape": [3, 3], "channels_last": 1})
    shape = (2, 3, 9) if len(attributes["kernel_shape"]) == 1 else (2, 3, 7, 5)
    if attributes.get("channels_last"):
        shape = (2, 7, 5, 3)
    zeros = [zero(random, dtype) for _ in range(2)]
    return [bytes_of(random, dtype, *shape), scale(random), zeros[0], scale(random), zeros[1]], attributes


@cases("QLinearGlobalAveragePool", 8)
def global_average(random, number):
    dtype = pick(number, *BYTES)
    last = number // 2 % 2
    shape = pick(number // 2, (2, 3, 4, 4), (2, 5, 3, 6), (1, 8, 7, 7), (3, 2, 2, 9))
    return [bytes_of(random, dtype, *shape), scale(random), zero(random, dtype), scale(random),
            zero(random, dtype)], {"channels_last": last}


# ---- quantized products ----

MATRICES = [((3, 5), (5, 4)), ((2, 3, 5), (5, 4)), ((1, 16), (16, 33)), ((2, 2, 3, 8), (8, 1)), ((7, 64), (64, 17)),
            ((1, 1), (1, 1)), ((2, 3, 4), (2, 4, 5)), ((4, 100), (100, 3))]


@cases("MatMulIntegerToFloat", 16)
def to_float(random, number):
    a, b = MATRICES[number // 2]
    da, db = pick(number, *BYTES), pick(number // 2, *BYTES)
    if da == np.int8:
        db = np.int8  # onnxruntime multiplies no int8 by uint8
    n = b[-1] if number % 3 == 0 and len(b) == 2 else 1
    scales = random.uniform(0.01, 0.1, n).astype(np.float32)
    return [bytes_of(random, da, *a), bytes_of(random, db, *b, narrow=True), scale(random), scales,
            zero(random, da) if number % 4 else None, bytes_of(random, db, n, narrow=True) if number % 5 else None,
            reals(random, b[-1]) if number % 2 else None], {}, {"weights": (1, 3, 5, 6)}


@cases("DynamicQuantizeMatMul", 16)
def dynamic(random, number):
    a, b = MATRICES[number // 2]
    db = pick(number, *BYTES)
    n = b[-1] if number % 3 == 0 and len(b) == 2 else 1
    scales = random.uniform(0.01, 0.1, n).astype(np.float32)
    return [reals(random, *a), bytes_of(random, db, *b, narrow=True), scales,
            bytes_of(random, db, n, narrow=True) if number % 4 else None,
            reals(random, b[-1]) if number % 2 else None], {}, {"weights": (1, 2, 3, 4)}


@cases("QGemm", 16)
def q_gemm(random, number):
    m, k, n = pick(number, (3, 5, 4), (1, 16, 33), (7, 64, 17), (2, 3, 1))
    da = pick(number // 2, *BYTES)
    db = np.int8 if da == np.int8 else pick(number, *BYTES)
    trans_a, trans_b = number // 4 % 2, number // 2 % 2
    columns = n if number % 3 == 0 else 1
    y = [scale(random) * 10, zero(random, da)] if number % 5 else [None, None]
    c = pick(number, None, (n,), (m, n), (1, n))
    return [bytes_of(random, da, *((k, m) if trans_a else (m, k))), scale(random), zero(random, da),
            bytes_of(random, db, *((n, k) if trans_b else (k, n)), narrow=True),
            random.uniform(0.01, 0.1, columns).astype(np.float32), bytes_of(random, db, columns, narrow=True),
            None if c is None else random.integers(-500, 500, c).astype(np.int32), *y], {
                "transA": trans_a, "transB": trans_b, "alpha": pick(number // 8, 1.0, 0.5)}, {"weights": (3, 4, 5, 6)}


@cases("QLinearConv", 8)
def q_conv(random, number):
    dtype = pick(number, *BYTES)
    last = number // 2 % 2
    group = pick(number // 4, 1, 2)
    shape = (1, 6, 5, 4) if last else (1, 4, 6, 5)
    attributes = pick(number, {}, {"pads": [1, 1, 1, 1]}, {"strides": [2, 1]}, {"auto_pad": "SAME_UPPER"})
    weight = bytes_of(random, np.int8, 6, 4 // group, 3, 3, narrow=True)
    return [bytes_of(random, dtype, *shape), scale(random), zero(random, dtype), weight,
            random.uniform(0.01, 0.1, pick(number, 1, 6)).astype(np.float32), np.zeros(pick(number, 1, 6), np.int8),
            scale(random) * 50, zero(random, dtype),
            random.integers(-500, 500, 6).astype(np.int32) if number % 3 else None], {
                "channels_last": last, "group": group, "kernel_shape": [3, 3], **attributes}, {
                    "weights": (3, 4, 5, 8), "ranked": True}


@cases("MatMulNBits", 24)
def n_bits(random, number):
    bits = pick(number, 4, 8, 4)
    block = pick(number // 2, 16, 32, 128, 64, 256)
    rows, k, n = pick(number, ((1,), 64, 16), ((2, 3), 100, 7), ((9,), 300, 33), ((1, 1), 32, 20))
    blocks = -(-k // block)
    kind = pick(number // 4, None, "packed", "real", "packed")
    zeros = {None: None, "packed": bytes_of(random, np.uint8, n, -(-blocks * bits // 8)),
             "real": random.uniform(0, 2 ** bits, (n, blocks)).astype(np.float32)}[kind]
    if bits == 8 and kind == "real":
        zeros = None
    groups = random.integers(0, blocks, k).astype(np.int32) if number % 12 == 6 else None
    if groups is not None:
        zeros = None  # onnxruntime forgets packed ones
    return [reals(random, *rows, k), bytes_of(random, np.uint8, n, blocks, block * bits // 8),
            random.uniform(0.001, 0.02, (n, blocks)).astype(np.float32), zeros, groups,
            reals(random, n) if number % 5 == 0 else None], {
                "K": k, "N": n, "bits": bits, "block_size": block, "accuracy_level": pick(number, 0, 1)}, {
                    "weights": (1, 2, 3, 4, 5)}


@cases("GatherBlockQuantized", 16)
def gather_quantized(random, number):
    bits = pick(number // 2, 4, 8)
    block = pick(number, 16, 32)
    rows, k = 9, pick(number, 64, 96, 80)
    blocks = -(-k // block)
    zeros = bytes_of(random, np.uint8, rows, -(-blocks * bits // 8)) if number % 4 < 3 else None
    ids = random.integers(0, rows, pick(number, (2, 3), (4,), (1, 2, 2))).astype(pick(number, np.int64, np.int32))
    return [bytes_of(random, np.uint8, rows, k * bits // 8), ids,
            random.uniform(0.01, 0.1, (rows, blocks)).astype(np.float32), zeros], {
                "bits": bits, "block_size": block, "gather_axis": 0, "quantize_axis": pick(number, 1, -1)}, {
                    "weights": (0, 2, 3)}


@cases("GatherBlockQuantized", 6)
def gather_nibbles(random, number):
    kind = pick(number, ml_dtypes.int4, ml_dtypes.uint4)
    low = -8 if number % 2 == 0 else 0
    def nibbles(*shape):
        return random.integers(low, low + 16, shape).astype(np.int8).astype(kind)
    return [nibbles(5, 32, 3), random.integers(0, 5, (2, 2)), random.uniform(0.01, 0.1, (5, 2, 3)).astype(np.float32),
            nibbles(5, 2, 3) if number % 3 else None], {"block_size": 16, "quantize_axis": 1}, {"weights": (0, 2, 3),
                                                                                            "constant": True}


# ---- recurrent ----

@cases("DynamicQuantizeLSTM", 16, outputs=3)
def lstm(random, number):
    """One sequence, or many as with a single thread: onnxruntime quantizes the state of as many as a thread has."""
    steps, batch, size, hidden = pick(number, (5, 1, 4, 6), (1, 1, 16, 8), (7, 1, 3, 20), (4, 3, 5, 4))
    direction = pick(number // 4, "forward", "reverse", "bidirectional", "bidirectional")
    directions = 2 if direction == "bidirectional" else 1
    dtype = pick(number // 2, np.int8, np.uint8)
    per_column = number % 3 == 0
    shape = (directions, 4 * hidden) if per_column else (directions,)
    zeros = np.zeros(shape, dtype) if dtype == np.int8 else np.full(shape, 128, dtype)
    state = [reals(random, directions, batch, hidden) * 0.5 if number % 4 > 1 else None for _ in range(2)]
    attributes = {"direction": direction, "hidden_size": hidden}
    if number % 8 == 5:
        attributes |= {"clip": 0.5, "input_forget": 1}
    if number % 8 == 6:
        attributes |= {"activations": ["HardSigmoid", "Tanh", "Relu"] * directions}
    return [reals(random, steps, batch, size), bytes_of(random, dtype, directions, size, 4 * hidden, narrow=True),
            bytes_of(random, dtype, directions, hidden, 4 * hidden, narrow=True),
            reals(random, directions, 8 * hidden) * 0.2 if number % 2 else None,
            np.full(batch, steps - 1, np.int32) if number % 5 == 4 else None, *state,
            reals(random, directions, 3 * hidden) * 0.2 if number % 7 == 6 else None,
            random.uniform(0.002, 0.01, shape).astype(np.float32), zeros,
            random.uniform(0.002, 0.01, shape).astype(np.float32), zeros], attributes, {
                "weights": (1, 2, 3, 8, 9, 10, 11)}


# ---- quantizing ----

WIDTHS = (np.uint8, np.int8, np.uint16, np.int16)


@cases("QuantizeLinear", 8)
def quantize(random, number):
    dtype = pick(number, *WIDTHS)
    real = pick(number // 4, np.float32, np.float16)
    size = 100 if dtype in BYTES else 20000
    if number % 3 == 0:
        return [reals(random, 2, 5, 3, dtype=real) * 3, (random.uniform(0.5, 2, 5) / size).astype(real),
                bytes_of(random, dtype, 5)], {"axis": 1}
    return [reals(random, 4, 9, dtype=real) * 3, np.array(3 / size, real), zero(random, dtype)], {}


@cases("DequantizeLinear", 10)
def dequantize(random, number):
    dtype = pick(number, *WIDTHS, np.int32)
    real = pick(number // 5, np.float32, np.float16)
    x = random.integers(-9999, 9999, (2, 5, 3)).astype(dtype) if dtype == np.int32 else bytes_of(random, dtype, 2, 5, 3)
    if number % 3 == 0:
        return [x, random.uniform(0.001, 0.1, 5).astype(real), random.integers(0, 100, 5).astype(dtype)], {"axis": 1}
    return [x, np.array(0.001, real), np.array(0 if dtype == np.int32 else 7, dtype)], {}


@cases("DequantizeLinear", 8)
def dequantize_nibbles(random, number):
    kind = pick(number, ml_dtypes.int4, ml_dtypes.uint4)
    low = -8 if number % 2 == 0 else 0
    shape = (5,) if number // 2 % 2 else ()
    x, zeros = (random.integers(low, low + 16, s).astype(np.int8).astype(kind) for s in ((2, 5, 3), shape))
    return [x, random.uniform(0.01, 0.1, shape).astype(np.float32), np.asarray(zeros, kind)], \
        {"axis": 1} if shape else {}, {"weights": (0, 2), "constant": True}


# ---- what optimizers fuse ----

@cases("Gelu")
@cases("QuickGelu")
@cases("FastGelu")
def gelu(random, number):
    shape = pick(number, (3, 5), (2, 3, 8), (1000,), (1, 1, 1, 7))
    return [reals(random, *shape) * 3], {}


@cases("FastGelu")
@cases("BiasGelu")
def bias_gelu(random, number):
    shape = pick(number, (3, 5), (2, 3, 8), (1000,), (1, 1, 1, 7))
    return [reals(random, *shape) * 3, reals(random, shape[-1])], {}


@cases("QuickGelu", 4)
def quick(random, number):
    return gelu(random, number)[0], {"alpha": pick(number, 1.0, 1.702, 0.5, -1.0)}


@cases("FusedMatMul", 24)
def fused_mat_mul(random, number):
    batch = pick(number, (), (2,), (2, 3))
    m, k, n = pick(number // 3, (3, 4, 5), (1, 8, 2), (6, 1, 3))
    trans_a, trans_b = number // 2 % 2, number // 4 % 2
    batch_a = bool(batch) and number % 8 == 5
    a = [*batch, k, m] if trans_a else [*batch, m, k]
    if batch_a:
        a = [a[-2], *a[:-2], a[-1]]
    return [reals(random, *a), reals(random, *batch, *((n, k) if trans_b else (k, n)))], {
        "transA": trans_a, "transB": trans_b, "alpha": pick(number, 1.0, 0.125), "transBatchA": int(batch_a)}, {
            "ranked": True, "weights": (1,)}


@cases("TransposeMatMul")
def transpose_mat_mul(random, number):
    trans_a, trans_b = number % 2, number // 2 % 2
    return [reals(random, 2, *((4, 3) if trans_a else (3, 4))), reals(random, 2, *((5, 4) if trans_b else (4, 5)))], {
        "transA": trans_a, "transB": trans_b, "alpha": pick(number // 4, 1.0, 0.5)}, {"ranked": True}


GEMM_ACTIVATIONS = [{"activation": "Relu"}, {"activation": "LeakyRelu", "activation_alpha": 0.1},
                    {"activation": "Sigmoid"}, {"activation": "Tanh"}, {"activation": "Elu", "activation_alpha": 0.5},
                    {"activation": "HardSigmoid", "activation_alpha": 0.3, "activation_beta": 0.4},
                    {"activation": "Softplus"}, {"activation": "Softsign"},
                    {"activation": "ThresholdedRelu", "activation_alpha": 0.3},
                    {"activation": "Selu", "activation_alpha": 1.5, "activation_gamma": 1.1}]


@cases("FusedGemm", 20)
def fused_gemm(random, number):
    trans_a, trans_b = number % 2, number // 2 % 2
    return [reals(random, *((4, 3) if trans_a else (3, 4))), reals(random, *((5, 4) if trans_b else (4, 5))),
            pick(number, reals(random, 5), None, reals(random, 3, 1))], {
                "transA": trans_a, "transB": trans_b, "alpha": 0.5, "beta": 2.0, **pick(number, *GEMM_ACTIVATIONS)}


@cases("FusedConv", 16)
def fused_conv(random, number):
    activation = pick(number, {"activation": "Relu"}, {"activation": "LeakyRelu", "activation_params": [0.1]},
                      {"activation": "Clip", "activation_params": [-0.5, 0.7]}, {"activation": "Sigmoid"},
                      {"activation": "Tanh"}, {"activation": "HardSigmoid", "activation_params": [0.2, 0.5]}, {})
    shape = pick(number // 2, {}, {"pads": [1, 1, 1, 1]}, {"strides": [2, 2]}, {"group": 2})
    group = shape.get("group", 1)
    x = reals(random, 2, 4, 7, 6)
    y = {"pads": (7, 6), "strides": (3, 2)}.get(next(iter(shape), ""), (5, 4))
    z = reals(random, 2, 6, *y) if number % 3 == 0 else None
    bias = reals(random, 6) if number % 2 or z is not None else None
    return [x, reals(random, 6, 4 // group, 3, 3), bias, z], {"kernel_shape": [3, 3], **shape, **activation}, {
        "weights": (1, 2)}


@cases("SkipLayerNormalization", 12)
def skip_norm(random, number):
    b, s, h = pick(number, (2, 3, 8), (1, 1, 16), (3, 5, 7))
    skip = pick(number // 3, (b, s, h), (1, s, h), (s, h))
    extra = {"outputs": pick(number, ["o0"], ["o0", "", "", "o3"])}
    return [reals(random, b, s, h), reals(random, *skip), reals(random, h), reals(random, h) if number % 4 else None,
            reals(random, h) if number % 5 else None], {"epsilon": pick(number, 1e-12, 1e-5)}, extra


@cases("SkipSimplifiedLayerNormalization", 8)
def skip_simplified(random, number):
    b, s, h = pick(number, (2, 3, 8), (1, 1, 16), (3, 5, 7))
    extra = {"outputs": pick(number, ["o0"], ["o0", "", "", "o3"])}
    return [reals(random, b, s, h), reals(random, b, s, h), reals(random, h),
            reals(random, h) if number % 5 else None], {"epsilon": pick(number, 1e-12, 1e-5)}, extra


@cases("SimplifiedLayerNormalization", 8, domain="")
def simplified(random, number):
    shape = pick(number, (2, 3, 8), (5, 16), (1, 2, 3, 4))
    dtype = pick(number // 3, np.float32, np.float32, np.float64)
    return [reals(random, *shape, dtype=dtype), reals(random, shape[-1], dtype=dtype)], {
        "epsilon": pick(number, 1e-6, 1e-3), "axis": -1}, {"outputs": pick(number // 2, 1, 2) if dtype == np.float32 else 1}


@cases("EmbedLayerNormalization", 12)
def embed(random, number):
    b, s, h = pick(number, (2, 3, 8), (1, 1, 16), (3, 5, 4))
    ids = random.integers(0, 20, (b, s)).astype(np.int32)
    segments = number % 3 != 2
    mask = (np.arange(s) < random.integers(1, s + 1, (b, 1))).astype(np.int32) if number % 4 else None
    places = random.integers(0, 9, pick(number, (b, s), (1, s))).astype(np.int32) if number % 5 == 3 else None
    return [ids, random.integers(0, 2, (b, s)).astype(np.int32) if segments else None, reals(random, 20, h),
            reals(random, 9, h), reals(random, 2, h) if segments else None, reals(random, h), reals(random, h), mask,
            places], {"epsilon": pick(number, 1e-12, 1e-5)}, {"outputs": pick(number, 2, 3), "weights": (2, 3, 4, 5, 6)}


@cases("QEmbedLayerNormalization", 8, outputs=2)
def q_embed(random, number):
    b, s, h = pick(number, (2, 3, 8), (1, 1, 16), (3, 5, 4))
    dtype = pick(number, *BYTES)
    segments = number % 3 != 2
    ids = random.integers(0, 20, (b, s)).astype(np.int32)
    mask = (np.arange(s) < random.integers(1, s + 1, (b, 1))).astype(np.int32) if number % 4 else None
    tables = [bytes_of(random, dtype, *shape) for shape in ((20, h), (9, h), (2, h), (h,), (h,))]
    scales = [scale(random) for _ in tables]
    zeros = [zero(random, dtype) for _ in tables]
    for part in (tables, scales, zeros):
        part[2] = part[2] if segments else None
    return [ids, random.integers(0, 2, (b, s)).astype(np.int32) if segments else None, *tables, mask, *scales,
            *zeros], {}


# ---- attention ----

def random_mask(random, kind, b, s, t):
    """Padding masks of a kind; a first key is never masked, but where the sequence starts later."""
    ends = random.integers(1, t + 1, b).astype(np.int32)
    starts = (random.integers(0, t, b) % ends).astype(np.int32)
    two = (np.arange(t) < ends[:, None]).astype(np.int32)
    three = np.tile(two[:, None], (1, s, 1)) * random.integers(0, 2, (b, s, t)).astype(np.int32)
    three[:, :, 0] = 1
    return {None: None, "ends": ends, "bounds": np.concatenate([ends, starts]), "two": two, "three": three}[kind]


ATTENTION = [(2, 3, 2, 4), (1, 1, 3, 8), (2, 7, 1, 5), (3, 5, 4, 2)]  # batch, rows, heads, size


@cases("Attention", 40)
def attention(random, number):
    b, s, n, h = pick(number, *ATTENTION)
    kind = pick(number // 4, None, "ends", "bounds", "two", "three")
    past = 4 if number % 3 == 1 and kind != "bounds" else 0
    inputs = 6
    sizes = [n * h, n * h, n * h]
    attributes = {"num_heads": n}
    if number % 5 == 2 and not past:
        sizes[2] = n * 3
        attributes["qkv_hidden_sizes"] = sizes
    if number % 4 == 3:
        attributes["unidirectional"] = 1
    if number % 7 == 3:
        attributes["scale"] = 0.3
    if number % 6 == 5:
        attributes["mask_filter_value"] = -50.0
    bias = reals(random, *pick(number, (b, n), (1, n), (1, 1)), s, s) if number % 9 == 4 and not past else None
    return [reals(random, b, s, inputs), reals(random, inputs, sum(sizes)), reals(random, sum(sizes)),
            random_mask(random, kind, b, s, s + past), reals(random, 2, b, n, past, h) if past else None, bias],  \
        attributes, {"outputs": 2 if past or number % 3 == 2 and len(set(sizes)) == 1 else 1, "weights": (1, 2)}


@cases("QAttention", 24)
def q_attention(random, number):
    b, s, n, h = pick(number, *ATTENTION)
    kind = pick(number // 4, None, "ends", "bounds", "two", "three")
    past = 4 if number % 3 == 1 and kind != "bounds" else 0
    dtype, weight = np.uint8, pick(number, *BYTES)  # onnxruntime has no inputs of int8
    columns = 3 * n * h if number % 5 == 2 else 1
    zeros = np.zeros(columns, weight) if columns > 1 else bytes_of(random, weight, 1, narrow=True)
    shape = () if columns == 1 else (columns,)
    return [bytes_of(random, dtype, b, s, 6), bytes_of(random, weight, 6, 3 * n * h, narrow=True),
            reals(random, 3 * n * h), np.array(0.02, np.float32),
            random.uniform(0.005, 0.02, columns).astype(np.float32).reshape(shape),
            random_mask(random, kind, b, s, s + past), zero(random, dtype), zeros.reshape(shape),
            reals(random, 2, b, n, past, h) if past else None], {
                "num_heads": n, "unidirectional": int(number % 4 == 3)}, {
                    "outputs": 2 if past else 1, "weights": (1, 2, 4, 7)}


@cases("MultiHeadAttention", 40)
def multi_head(random, number):
    b, s, n, h = pick(number, *ATTENTION)
    cross = number % 5 == 3
    past = 4 if number % 3 == 1 and not cross else 0
    keys = 6 if cross else s
    size = 3 if number % 4 == 2 and not past else h
    kind = pick(number // 3, None, "ends", "two", "three")
    apart = cross and number % 2
    key = reals(random, b, n, keys, h) if apart else reals(random, b, keys, n * h)
    value = reals(random, b, n, keys, h) if apart else reals(random, b, keys, n * size)
    bias = reals(random, 2 * n * h + n * (h if apart else size)) if number % 2 == 0 else None
    scores = reals(random, *pick(number, (b, n), (1, n), (1, 1)), s, keys + past) if number % 7 == 4 else None
    attributes = {"num_heads": n}
    if number % 6 == 5 and not cross:
        attributes["unidirectional"] = 1
    if number % 7 == 3:
        attributes["scale"] = 0.3
    return [reals(random, b, s, n * h), key, value, bias, random_mask(random, kind, b, s, keys + past), scores,
            *([reals(random, b, n, past, h) for _ in range(2)] if past else [None, None])], attributes, {
                "outputs": 3 if past else 1}


@pytest.mark.parametrize("packed", ["qkv", "kv"])
def test_packed_heads(packed):
    """onnxruntime packs for other processors only."""
    random = np.random.default_rng(4)
    q, k, v = (reals(random, 2, 3, 4, 5) for _ in range(3))
    flat = [x.reshape(2, 3, 20) for x in (q, k, v)]
    inputs = [np.stack([q, k, v], 3)] if packed == "qkv" else [flat[0], np.stack([k, v], 3)]
    answers = []
    for given in (inputs, flat):
        model, feeds = build("MultiHeadAttention", given, {"num_heads": 4}, "com.microsoft")
        with libinfer.load(model) as ours:
            answers += ours.run(feeds).values()
    close(*answers)


@cases("RotaryEmbedding", 20)
def rotary(random, number):
    b, s, n, h = pick(number, (2, 3, 2, 8), (1, 1, 3, 16), (2, 7, 1, 4), (3, 5, 4, 32))
    part = h // 2 if number % 5 == 2 else 0
    apart = number % 2
    angles = random.uniform(0, 6, (20, (part or h) // 2)).astype(np.float32)
    positions = np.array([3]) if number % 3 == 0 else random.integers(0, 20, (b, s))
    heads = n if part or number % 4 > 1 else 0
    x = reals(random, b, n, s, h) if apart else reals(random, b, s, n * h)
    return [x, positions.astype(np.int64), np.cos(angles), np.sin(angles)], {
        "interleaved": number // 2 % 2, "num_heads": heads, "rotary_embedding_dim": part}, {
            "weights": (2, 3), "ranked": not heads}


@cases("GroupQueryAttention", 48)
def group_query(random, number):
    """A prompt, or a step of generation from a cache that is as long as it has to be, or longer."""
    b, n, groups, h = pick(number, (1, 4, 2, 16), (2, 2, 2, 32), (1, 6, 2, 16), (3, 4, 1, 16))
    prompt = number // 4 % 2 == 0
    rows = pick(number, 5, 3, 1) if prompt else pick(number // 8, 1, 1, 3 if b == 1 else 1)
    lengths = random.integers(1, 7, b) + rows
    total = rows if prompt else int(lengths.max())
    if prompt:
        lengths[:] = rows
    room = (rows + 1) * (number // 8 % 2)
    past = 0 if prompt else total - rows + room
    caches = [reals(random, b, groups, past, h) for _ in range(2)]
    for cache in caches:
        for i in range(b):
            cache[i, :, max(int(lengths[i]) - rows, 0):] = 0
    if prompt and number % 3 == 0:
        caches = [None, None]
    packed = number % 5 == 2
    parts = [reals(random, b, rows, heads * h) for heads in (n, groups, groups)]
    attributes = {"num_heads": n, "kv_num_heads": groups}
    turn = number % 3 != 2
    angles = random.uniform(0, 6, (30, h // 2)).astype(np.float32)
    if turn:
        attributes |= {"do_rotary": 1, "rotary_interleaved": number // 3 % 2}
    if number % 7 == 3:
        attributes["scale"] = 0.3
    if number % 7 == 4:
        attributes["softcap"] = 2.0
    if number % 5 == 3:
        attributes["local_window_size"] = 3
    if number % 11 == 5:
        attributes["smooth_softmax"] = 1
    sink = reals(random, n) if number % 11 == 7 else None
    bias = reals(random, pick(number, 1, b), pick(number, n, 1), rows, total) if number % 9 == 4 else None
    return [np.concatenate(parts, 2) if packed else parts[0], *([None, None] if packed else parts[1:]), *caches,
            (lengths - 1).astype(np.int32), np.array(total, np.int32),
            *([np.cos(angles), np.sin(angles)] if turn else [None, None]), None, bias, sink], attributes, {
                "outputs": 3, "weights": (7, 8)}


# ---- what converters emit ----

@cases("ExpandDims")
def expand_dims(random, number):
    shape = pick(number, (2, 3), (4,), (2, 1, 3))
    axis = pick(number, 0, 1, -1, -2)
    return [reals(random, *shape), np.array(pick(number // 4, axis, [axis]), np.int32).reshape(())], {}, {
        "weights": (1,)}


@cases("GatherND")
def gather_nd(random, number):
    index = pick(number, np.int32, np.int64)
    shape = pick(number // 2, (3, 1), (2, 2), (2, 3, 1), (4, 3))
    data = pick(number // 2, reals(random, 4, 4, 4), random.integers(0, 9, (4, 4, 4)))
    return [data, random.integers(0, 4, shape).astype(index)], {}


@cases("Trilu")
def trilu(random, number):
    k = np.array(number - 4, np.int64) if number % 3 else None
    return [pick(number, reals(random, 2, 4, 5), random.integers(0, 9, (4, 4))), k], {"upper": number // 2 % 2}


@cases("Range")
def range_(random, number):
    dtype = pick(number, np.float32, np.int64, np.int32, np.float64, np.int16)
    shape = pick(number // 2, (), (1,))
    numbers = pick(number, (0, 7, 2), (5, -3, -1), (2, 9, None), (1, 1, 1))
    return [None if v is None else np.full(shape, v, dtype) for v in numbers], {}


@cases("Pad", 12)
def pad(random, number):
    mode = pick(number, "constant", "reflect", "edge")
    pads = np.array(pick(number // 3, [1, 0, 2, 1], [0, 2, 0, 0], [0, 1, 1, 2]), np.int64)
    if mode == "constant" and number % 2:
        pads = np.array([-1, 1, 0, -2], np.int64)
    value = np.array(pick(number, 2.5, [1.5]), np.float32) if mode == "constant" and number % 4 else None
    return [reals(random, 3, 4), pads.reshape(pick(number, (4,), (1, 4))), value], {"mode": mode}, {"weights": (1, 2)}


@cases("Unique", outputs=3)
def unique(random, number):
    return [random.integers(0, 6, pick(number, 9, 1, 30, 0)).astype(np.float32)], {}


@cases("CDist", 12)
def distances(random, number):
    dtype = pick(number, np.float32, np.float64)
    m, k, n = pick(number, (3, 5, 4), (1, 40, 7), (6, 1, 1))
    return [reals(random, m, n, dtype=dtype), reals(random, k, n, dtype=dtype)], {
        "metric": pick(number // 2, "euclidean", "sqeuclidean")}, {"weights": (1,)}


@cases("Inverse", 8)
def inverse(random, number):
    n = pick(number, 3, 1, 6, 20)
    dtype = pick(number, np.float32, np.float64)
    return [(reals(random, *pick(number // 2, (), (3,), (2, 2)), n, n) + 4 * np.eye(n)).astype(dtype)], {}


@cases("MurmurHash3", 16)
def murmur(random, number):
    dtype = pick(number, np.int32, np.int64, np.float32, np.float64, np.uint32, np.uint64, object)
    x = np.array([["", "a", "ab"], ["abc", "abcd", "Grüße und mehr"]], object) if dtype is object else \
        (random.normal(size=(2, 5)) * 1e6).astype(np.int64).astype(dtype)
    return [x], {"seed": pick(number // 3, 0, 42, 2 ** 31), "positive": pick(number // 2, 1, 0)}


@cases("CropAndResize", 12)
def crop(random, number):
    boxes = np.array([[0, 0, 1, 1], [0.1, 0.2, 0.9, 0.7], [-0.2, -0.1, 1.2, 1.3], [0.9, 0.8, 0.1, 0.2]], np.float32)
    size = pick(number, (3, 4), (1, 1), (5, 1), (2, 7))
    return [reals(random, 2, 3, 4, 5), boxes, random.integers(0, 2, 4).astype(np.int32), np.array(size, np.int32)], {
        "mode": pick(number // 4, "bilinear", "nearest"), "extrapolation_value": pick(number, 0.0, 7.5)}, {
            "weights": (1, 2, 3)}


TOKENS = [{"separators": [" "]}, {"separators": [" ", ","]}, {"separators": [""]}, {"tokenexp": "."},
          {"tokenexp": "[a-zA-Z]+|[0-9]+"}, {"tokenexp": "a|ab|aab"}, {"separators": ["X|XY", "a*"]},
          {"separators": ["\\b"]}, {"separators": ["^ ", " $", "[.,] ?"]}, {"tokenexp": "^.", "mincharnum": 1},
          {"tokenexp": "\\w+", "mincharnum": 2}, {"separators": ["[0-9]"], "mincharnum": 3}, {"tokenexp": "a*"},
          {"separators": ["o", " ", ""]}, {"tokenexp": "(?i)A(b)?"}, {"separators": ["é", "(ß|e)+"]}]
TEXTS = [["hello world", "a  b, c", ""], [" ab12cd3 aabXYbXc, d ", "foo bar."], ["Grüße, héé", "naïve"],
         [["a b", "c"], ["d e f", ""]], ["", ""], [" aab ab b", "x\ny"]]


@cases("Tokenizer", 96)
def tokenizer(random, number):
    attributes = {"mincharnum": 1, **TOKENS[number % 16]}
    return [np.array(TEXTS[number // 16], object)], {
        "mark": number // 3 % 2, "pad_value": pick(number, "#", "", "<pad>"), **attributes}


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_no_texts(shape):
    attributes = {"mark": 1, "pad_value": "", "mincharnum": 1, "separators": [" "]}
    model, feeds = build("Tokenizer", [np.zeros(shape, object)], attributes, "com.microsoft")
    with libinfer.load(model) as ours:
        assert np.shape(next(iter(ours.run(feeds).values()))) == onnxruntime_runs(model, feeds)[0].shape


@pytest.mark.parametrize("attributes", [{}, {"separators": ["("]}, {"tokenexp": ""}, {"tokenexp": "(a)\\1"},
                                        {"separators": [" "], "mincharnum": 0}, {"tokenexp": ".", "mincharnum": 2}],
                         ids=str)
def test_tokenizers_that_cannot_be(attributes):
    given = {"mark": 0, "pad_value": "", "mincharnum": 1, **attributes}
    with pytest.raises(libinfer.InferError):
        libinfer.load(build("Tokenizer", [np.array(["a"], object)], given, "com.microsoft")[0])


DOCUMENTS = ["this is the first document", "This document, is the second one!", "and the third_ones", "is this the first?"]


@pytest.mark.parametrize("vectorizer", [CountVectorizer(), CountVectorizer(lowercase=False, binary=True),
                                        TfidfVectorizer(ngram_range=(1, 2)), CountVectorizer(token_pattern="[a-z]+"),
                                        TfidfVectorizer(analyzer="char", ngram_range=(1, 2))], ids=str)
@pytest.mark.filterwarnings("ignore")
def test_vectorizers_like_scikit_learn(vectorizer):
    """As skl2onnx converts them; onnxruntime wants a locale for these."""
    expected = vectorizer.fit_transform(DOCUMENTS).toarray()
    model = skl2onnx.to_onnx(vectorizer, initial_types=[("t", StringTensorType([None, 1]))])
    with libinfer.load(model.SerializeToString()) as ours:
        got = next(iter(ours.run({"t": np.array(DOCUMENTS, object).reshape(-1, 1)}).values()))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)


# ---- narrow types, which onnxruntime has on other processors ----

HALVES = [("MatMulNBits", n_bits), ("SkipLayerNormalization", skip_norm), ("GroupQueryAttention", group_query),
          ("MultiHeadAttention", multi_head), ("Attention", attention), ("FusedMatMul", fused_mat_mul),
          ("BiasGelu", bias_gelu), ("RotaryEmbedding", rotary), ("QuickGelu", quick), ("CropAndResize", crop)]


@pytest.mark.parametrize(("op", "make"), HALVES, ids=[op for op, _ in HALVES])
@pytest.mark.parametrize("number", [0, 1, 4, 5])
def test_half(op, make, number):
    inputs, attributes, *more = make(np.random.default_rng(number), number)
    outputs = more[0].get("outputs", 1) if more else 1
    answers = []
    for kind in (np.float16, np.float32):
        given = [x.astype(np.float16).astype(kind) if x is not None and x.dtype == np.float32 else x for x in inputs]
        model, feeds = build(op, given, attributes, "com.microsoft", outputs=outputs)
        with libinfer.load(model) as ours:
            answers.append(list(ours.run(feeds).values()))
    for half, full in zip(*answers):
        assert half.dtype == np.float16
        np.testing.assert_allclose(half, full, rtol=0.01, atol=0.01 * np.abs(full).max())


test_operator = pytest.mark.parametrize(("op", "make", "number", "how"), CASES)(compare)
