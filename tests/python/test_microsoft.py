"""com.microsoft: what quantization tools emit, against onnxruntime (see microsoft.py)."""

import ml_dtypes
import numpy as np
import pytest

import libinfer
from microsoft import build, BYTES, bytes_of, Cases, close, pick, reals, scale, SHAPES, zero

cases = Cases()


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


test_operator = cases.test()
