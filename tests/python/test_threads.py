"""Operators whose work is large enough to be cut: onnxruntime's answers, and the same bits however many threads."""

import numpy as np
import pytest

import libinfer
from microsoft import build, bytes_of, close, onnxruntime_runs, reals

CASES = []


def case(op, inputs, domain="", outputs=1, constants=(), name="", **attributes):
    CASES.append(pytest.param(op, inputs, attributes, domain, outputs, constants, id=f"{op}{name and '-'}{name}"))


def numbers(seed, *shape, dtype=np.float32):
    return reals(np.random.default_rng(seed), *shape).astype(dtype)


# ---- recurrent: (steps, batch), inputs, hidden ----

CELLS = {"RNN": (1, 2), "GRU": (3, 2), "LSTM": (4, 3)}  # gates, outputs


def cell(op, steps, batch, size, hidden, direction, constant=True, more=False, dtype=np.float32, **attributes):
    gates, outputs = CELLS[op]
    directions = 2 if direction == "bidirectional" else 1
    inputs = [numbers(1, steps, batch, size, dtype=dtype),
              *(numbers(n, directions, gates * hidden, n, dtype=dtype) / dtype(n) for n in (size, hidden)),
              numbers(2, directions, 2 * gates * hidden, dtype=dtype)]
    if more:
        inputs += [np.arange(batch, dtype=np.int32) % steps + 1, numbers(3, directions, batch, hidden, dtype=dtype)]
    case(op, inputs, outputs=outputs, constants=(1, 2, 3) if constant else (), direction=direction, hidden_size=hidden,
         name=f"{steps}x{batch}x{size}x{hidden}-{direction}-{dtype.__name__}{'' if constant else '-given'}",
         **attributes)


for op, wide in {"RNN": 470, "GRU": 330, "LSTM": 232}.items():
    cell(op, 29, 1, 40, 72, "bidirectional")  # two directions
    cell(op, 5, 1, 70, wide, "forward", more=True)  # products of each step
    cell(op, 40, 7, 24, 40, "reverse", more=True)  # groups of samples
    cell(op, 20, 9, 24, 40, "bidirectional", more=True)
    cell(op, 20, 9, 24, 40, "bidirectional", more=True, dtype=np.float64)
    cell(op, 25, 5, 33, 50, "bidirectional", constant=False, more=True)
    cell(op, 5, 1, 400, wide, "forward", constant=False)
cell("GRU", 5, 1, 70, 330, "forward", linear_before_reset=1)
cell("GRU", 20, 7, 24, 40, "bidirectional", more=True, linear_before_reset=1)


def bytes_cell(steps, batch, size, hidden, direction, constant=True, per_column=False):
    random = np.random.default_rng(hidden)
    directions = 2 if direction == "bidirectional" else 1
    shape = (directions, 4 * hidden) if per_column else (directions,)
    scales = [random.uniform(0.002, 0.01, shape).astype(np.float32) for _ in range(2)]
    zeros = np.zeros(shape, np.int8)
    case("DynamicQuantizeLSTM",
         [reals(random, steps, batch, size), *(bytes_of(random, np.int8, directions, n, 4 * hidden, narrow=True)
                                               for n in (size, hidden)),
          reals(random, directions, 8 * hidden) * 0.2, None, None, None, None, scales[0], zeros, scales[1], zeros],
         domain="com.microsoft", outputs=3, constants=(1, 2, 3, 8, 9, 10, 11) if constant else (), direction=direction,
         hidden_size=hidden, name=f"{steps}x{batch}x{size}x{hidden}-{direction}-{constant}-{per_column}")


bytes_cell(6, 3, 60, 100, "bidirectional")
bytes_cell(6, 3, 60, 100, "bidirectional", constant=False)
bytes_cell(5, 1, 300, 520, "forward")
bytes_cell(5, 1, 300, 520, "reverse", per_column=True)

# ---- reductions: kept in front, behind, between, none of them long ----

AXES = [((300, 401), [1]), ((300, 401), [0]), ((37, 50, 61), [0, 2]), ((37, 50, 61), [1]), ((20000, 7), [1]), ((3, 70000), [1])]
for op in ("Sum", "Mean", "Max", "Min", "L1", "L2", "LogSumExp", "SumSquare"):
    for shape, axes in AXES:
        case(f"Reduce{op}", [numbers(4, *shape), np.array(axes)], constants=(1,), keepdims=0,
             name="x".join(map(str, shape)) + f"-{axes}")
case("ReduceSum", [np.arange(120000).reshape(300, 400), np.array([1])], constants=(1,), name="int64")

# ---- normalizations ----

for dtype in (np.float32, np.float64):
    kind = dtype.__name__
    case("LayerNormalization", [numbers(5, 200, 301, dtype=dtype), numbers(6, 301, dtype=dtype), numbers(7, 301, dtype=dtype)],
         name=kind)
    case("InstanceNormalization", [numbers(8, 3, 20, 40, 41, dtype=dtype), numbers(9, 20, dtype=dtype),
                                   numbers(10, 20, dtype=dtype)], name=kind)
    case("BatchNormalization", [numbers(12, 3, 20, 40, 41, dtype=dtype), *(numbers(n, 20, dtype=dtype) for n in (13, 14, 15)),
                                abs(numbers(16, 20, dtype=dtype)) + dtype(0.1)], name=kind)
    for axis in (0, 1, -1):
        case("Softmax", [numbers(17, 30, 57, 61, dtype=dtype)], name=f"{kind}-{axis}", axis=axis)
case("LayerNormalization", [numbers(5, 200, 301), numbers(6, 301), numbers(7, 301)], outputs=3, name="moments")
case("GroupNormalization", [numbers(11, 3, 20, 40, 41), numbers(9, 20), numbers(10, 20)], num_groups=5)
case("LRN", [numbers(18, 3, 21, 40, 41)], size=5, alpha=0.1)
case("LpNormalization", [numbers(19, 60, 70, 31)], axis=1)
case("MeanVarianceNormalization", [numbers(20, 5, 30, 40, 41)])

# ---- quantization ----

case("DynamicQuantizeLinear", [numbers(21, 300, 401)], outputs=3)
case("QuantizeLinear", [numbers(22, 300, 401), np.float32(0.03), np.uint8(100)], name="tensor")
case("QuantizeLinear", [numbers(22, 30, 40, 101), abs(numbers(23, 40)) + np.float32(0.01), np.zeros(40, np.int8)], axis=1,
     name="axis")
case("DequantizeLinear", [np.arange(300 * 401).reshape(300, 401).astype(np.int8), abs(numbers(24, 401)), np.zeros(401, np.int8)],
     name="rows")
case("DequantizeLinear", [np.arange(300 * 400).reshape(300, 400).astype(np.int8), numbers(25, 300, 25), np.zeros((300, 25), np.int8)],
     axis=1, block_size=16, name="blocks")


def judged(op, inputs, attributes, domain, outputs, constants):
    """What onnxruntime makes of it, in float where it has no double of the operator."""
    if op in {*CELLS, "InstanceNormalization"}:
        inputs = [v.astype(np.float32) if v is not None and v.dtype == np.float64 else v for v in inputs]
    return onnxruntime_runs(*build(op, inputs, attributes, domain, outputs=outputs, constants=constants))


@pytest.mark.parametrize(("op", "inputs", "attributes", "domain", "outputs", "constants"), CASES)
def test_threads(op, inputs, attributes, domain, outputs, constants):
    model, feeds = build(op, inputs, attributes, domain, outputs=outputs, constants=constants)
    with libinfer.load(model, threads=1) as one:
        wanted = list(one.run(feeds).values())
    for got, expected in zip(wanted, judged(op, inputs, attributes, domain, outputs, constants), strict=True):
        close(got.astype(expected.dtype), expected)
    for threads in (2, 3, 5):
        with libinfer.load(model, threads=threads) as many:
            for got, expected in zip(many.run(feeds).values(), wanted, strict=True):
                assert got.dtype == expected.dtype
                assert got.tobytes() == expected.tobytes(), threads
