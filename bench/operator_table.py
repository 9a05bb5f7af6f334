"""Operators one by one beside ONNX Runtime: a model of a single node each, with sizes that models have.

Both take turns in one process and one thread (programs/contest.c). What takes a model most of its time is measured with
models (contest.py); this finds what is slow elsewhere: before them, behind them, and in models nobody tried yet.
"""

import fnmatch
import math
import statistics
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import contest
import feeding
from tools import table

ROWS, IMAGE = (128, 768), (1, 64, 56, 56)  # what a transformer and a convolutional network pass on
random = np.random.default_rng(5)


@dataclass
class Case:
    name: str
    op: str
    inputs: list
    constants: list = field(default_factory=list)  # of further inputs
    attributes: dict = field(default_factory=dict)
    outputs: int = 1
    domain: str = ""


def floats(*shape, dtype=np.float32):
    return random.standard_normal(shape).astype(dtype)


def positive(*shape, dtype=np.float32):
    return np.abs(floats(*shape, dtype=dtype)) + dtype(0.25)


def integers(*shape, dtype=np.int64, low=1, high=100):
    return random.integers(low, high, shape).astype(dtype)


def bools(*shape):
    return random.integers(0, 2, shape).astype(bool)


def elementwise():
    for op in ("Abs", "Neg", "Floor", "Ceil", "Round", "Sign", "Reciprocal", "Exp", "Sin", "Cos", "Tan", "Atan", "Erf", "Sigmoid",
               "Tanh", "Relu", "Softplus", "Softsign", "Elu", "Selu", "Celu", "LeakyRelu", "ThresholdedRelu", "HardSigmoid",
               "HardSwish", "Mish", "Gelu", "IsNaN", "IsInf", "Identity"):
        yield Case(op, op, [floats(*IMAGE)])
    for op in ("Sqrt", "Log"):
        yield Case(op, op, [positive(*IMAGE)])
    for op in ("Acos", "Asin"):
        yield Case(op, op, [np.tanh(floats(*IMAGE))])
    yield Case("Not", "Not", [bools(*ROWS)])
    yield Case("Clip", "Clip", [floats(*ROWS)], [np.float32(-1), np.float32(1)])
    for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu", "Mod"):
        kinds = {"": ROWS, "a channel": (64, 1, 1), "a row": (768,), "one number": (1,)}
        for kind, shape in kinds.items():
            x = positive(*(IMAGE if kind == "a channel" else ROWS))
            yield Case(f"{op} {kind}".strip(), op, [x, positive(*shape)], attributes={"fmod": 1} if op == "Mod" else {})
    for op in ("Add", "Sub", "Mul", "Div", "Max", "Min"):
        for dtype in (np.int32, np.int64, np.float64, np.float16):
            make = integers if np.dtype(dtype).kind == "i" else positive
            yield Case(f"{op} {dtype.__name__}", op, [make(*ROWS, dtype=dtype), make(*ROWS, dtype=dtype)])
    for op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"):
        yield Case(op, op, [floats(*ROWS), floats(*ROWS)])
        yield Case(f"{op} one number", op, [floats(*ROWS), floats(1)])
        yield Case(f"{op} int64", op, [integers(*ROWS), integers(*ROWS)])
    for op in ("And", "Or", "Xor"):
        yield Case(op, op, [bools(*ROWS), bools(*ROWS)])
    yield Case("Where", "Where", [bools(*ROWS), floats(*ROWS), floats(*ROWS)])
    yield Case("Where mask", "Where", [bools(1, 1, 128, 128), floats(1, 12, 128, 128), floats(1)])
    yield Case("Sum of 3", "Sum", [floats(*ROWS) for _ in range(3)])
    yield Case("Mean of 2", "Mean", [floats(*ROWS) for _ in range(2)])
    names = {np.float32: "FLOAT", np.float16: "FLOAT16", np.float64: "DOUBLE", np.int64: "INT64", np.int32: "INT32",
             np.uint8: "UINT8", np.bool_: "BOOL"}
    for one, other in ((np.float32, np.float16), (np.float32, np.int64), (np.float32, np.uint8), (np.float32, np.float64),
                       (np.float32, np.bool_), (np.int64, np.int32)):
        for a, b in ((one, other), (other, one)):
            yield Case(f"Cast {a.__name__} to {b.__name__}", "Cast", [positive(*ROWS).astype(a)],
                       attributes={"to": getattr(TensorProto, names[b])})


def reductions():
    for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
               "ReduceLogSumExp"):
        yield Case(f"{op} last", op, [positive(*ROWS)], [np.int64([-1])])
        yield Case(f"{op} first", op, [positive(*ROWS)], [np.int64([0])])
        yield Case(f"{op} all", op, [positive(*ROWS)])
    for op in ("ReduceSum", "ReduceMax"):
        yield Case(f"{op} int64", op, [integers(*ROWS)], [np.int64([-1])])
    yield Case("ReduceMean plane", "ReduceMean", [floats(*IMAGE)], [np.int64([2, 3])])
    yield Case("ReduceMean middle", "ReduceMean", [floats(8, *ROWS)], [np.int64([1])])
    yield Case("ArgMax last", "ArgMax", [floats(128, 1000)], attributes={"axis": -1})
    yield Case("ArgMax channels", "ArgMax", [floats(1, 21, 65, 65)], attributes={"axis": 1})
    for k in (1, 10, 500):
        yield Case(f"TopK {k} of 1000", "TopK", [floats(32, 1000)], [np.int64([k])], outputs=2)
    yield Case("Softmax", "Softmax", [floats(12, 128, 128)])
    yield Case("LogSoftmax", "LogSoftmax", [floats(*ROWS)])
    yield Case("CumSum last", "CumSum", [floats(*ROWS)], [np.int64(1)])
    yield Case("CumSum first", "CumSum", [floats(*ROWS)], [np.int64(0)])
    scale = [positive(64), floats(64)]
    yield Case("LayerNormalization", "LayerNormalization", [floats(*ROWS)], [positive(768), floats(768)])
    yield Case("InstanceNormalization", "InstanceNormalization", [floats(*IMAGE)], scale)
    yield Case("GroupNormalization", "GroupNormalization", [floats(*IMAGE)], scale, {"num_groups": 8})
    yield Case("BatchNormalization", "BatchNormalization", [floats(*IMAGE)], [*scale, floats(64), positive(64)])
    yield Case("LRN", "LRN", [floats(*IMAGE)], attributes={"size": 5})


def movement():
    for perm in ([0, 2, 1], [1, 0, 2], [2, 1, 0]):
        yield Case(f"Transpose {perm}", "Transpose", [floats(64, 96, 128)], attributes={"perm": perm})
    for dtype in (np.float32, np.uint8):
        yield Case(f"Transpose image {dtype.__name__}", "Transpose", [integers(1, 224, 224, 3, dtype=dtype)],
                   attributes={"perm": [0, 3, 1, 2]})
    yield Case("Concat rows", "Concat", [floats(*ROWS), floats(*ROWS)], attributes={"axis": 0})
    yield Case("Concat columns", "Concat", [floats(*ROWS), floats(*ROWS)], attributes={"axis": 1})
    yield Case("Split", "Split", [floats(*ROWS)], [np.int64([256] * 3)], {"axis": 1}, outputs=3)
    for name, bounds in {"rows": (10, 100, 0, 1), "columns": (10, 700, 1, 1), "every other": (0, 768, 1, 2),
                         "backwards": (-1, -10000, 1, -1)}.items():
        yield Case(f"Slice {name}", "Slice", [floats(*ROWS)], [np.int64([bound]) for bound in bounds])
    yield Case("Gather rows", "Gather", [floats(30000, 384), integers(128, high=30000)], attributes={"axis": 0})
    yield Case("GatherElements", "GatherElements", [floats(*ROWS), integers(128, 256, high=768)], attributes={"axis": 1})
    yield Case("GatherND", "GatherND", [floats(*ROWS), integers(1000, 2, high=128)])
    yield Case("ScatterElements", "ScatterElements", [floats(*ROWS), integers(128, 256, high=768), floats(128, 256)],
               attributes={"axis": 1})
    yield Case("ScatterND", "ScatterND", [floats(1000, 64), integers(500, 1, high=1000), floats(500, 64)])
    yield Case("Expand", "Expand", [floats(128, 1)], [np.int64(ROWS)])
    yield Case("Tile", "Tile", [floats(64, 128)], [np.int64([4, 6])])
    for mode in ("constant", "reflect", "edge"):
        yield Case(f"Pad {mode}", "Pad", [floats(*IMAGE)], [np.int64([0, 0, 1, 1] * 2)], {"mode": mode})
    none, twice = np.float32([]), np.float32([1, 1, 2, 2])
    for mode in ("nearest", "linear", "cubic"):
        yield Case(f"Resize {mode}", "Resize", [floats(1, 16, 28, 28)], [none, twice], {"mode": mode})
    yield Case("DepthToSpace", "DepthToSpace", [floats(1, 64, 28, 28)], attributes={"blocksize": 2})
    yield Case("OneHot", "OneHot", [integers(1000, low=0, high=50)], [np.int64(50), np.float32([0, 1])])
    yield Case("NonZero", "NonZero", [bools(*ROWS)])
    yield Case("Trilu", "Trilu", [floats(12, 128, 128)])


def windows_and_products():
    for name, pool in {"3 x 3, 2": ([3, 3], [2, 2], [1] * 4), "2 x 2, 2": ([2, 2], [2, 2], [0] * 4)}.items():
        for op in ("MaxPool", "AveragePool"):
            yield Case(f"{op} {name}", op, [floats(*IMAGE)],
                       attributes=dict(zip(("kernel_shape", "strides", "pads"), pool)))
    for op in ("GlobalAveragePool", "GlobalMaxPool"):
        yield Case(op, op, [floats(*IMAGE)])
    yield Case("Conv 3 x 3", "Conv", [floats(*IMAGE)], [floats(64, 64, 3, 3)], {"pads": [1] * 4})
    yield Case("Conv of three axes", "Conv", [floats(1, 8, 16, 28, 28)], [floats(16, 8, 3, 3, 3)], {"pads": [1] * 6})
    yield Case("ConvTranspose", "ConvTranspose", [floats(1, 64, 28, 28)], [floats(64, 32, 2, 2)], {"strides": [2, 2]})
    yield Case("MatMul", "MatMul", [floats(*ROWS), floats(768, 768)])
    yield Case("MatMul weights", "MatMul", [floats(*ROWS)], [floats(768, 768)])
    yield Case("MatMul heads", "MatMul", [floats(12, 128, 64), floats(12, 64, 128)])
    yield Case("MatMul float64", "MatMul", [floats(128, 256, dtype=np.float64)], [floats(256, 256, dtype=np.float64)])
    yield Case("MatMulInteger", "MatMulInteger", [integers(*ROWS, dtype=np.uint8)],
               [integers(768, 768, dtype=np.int8, low=-127)])
    yield Case("Gemm transposed", "Gemm", [floats(64, 512), floats(256, 512), floats(256)], attributes={"transB": 1})
    for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        weights = [floats(1, gates * 128, 64) / 8, floats(1, gates * 128, 128) / 12, floats(1, gates * 256)]
        yield Case(op, op, [floats(20, 1, 64)], weights, {"hidden_size": 128})
    yield Case("QuantizeLinear", "QuantizeLinear", [floats(*IMAGE)], [np.float32(0.02), np.uint8(128)])
    yield Case("DequantizeLinear", "DequantizeLinear", [integers(*IMAGE, dtype=np.uint8)], [np.float32(0.02), np.uint8(128)])
    yield Case("DynamicQuantizeLinear", "DynamicQuantizeLinear", [floats(*ROWS)], outputs=3)


def learners():
    ml, x = "ai.onnx.ml", floats(1000, 30)
    yield Case("Scaler", "Scaler", [x], attributes={"offset": [0.1] * 30, "scale": [2.0] * 30}, domain=ml)
    yield Case("Normalizer", "Normalizer", [x], attributes={"norm": "L2"}, domain=ml)
    yield Case("LinearClassifier", "LinearClassifier", [x], outputs=2, domain=ml, attributes={
        "coefficients": floats(90).tolist(), "intercepts": [0.1, 0.2, 0.3], "classlabels_ints": [0, 1, 2],
        "post_transform": "SOFTMAX"})
    yield Case("SVMRegressor", "SVMRegressor", [x[:100]], domain=ml, attributes={
        "kernel_type": "RBF", "kernel_params": [0.1, 0.0, 3.0], "n_supports": 200,
        "support_vectors": floats(6000).tolist(), "coefficients": floats(200).tolist(), "rho": [0.1]})


def cases():
    for family in (elementwise, reductions, movement, windows_and_products, learners):
        yield from family()


def write(case, model, feeds):
    names = [f"x{i}" for i in range(len(case.inputs))]
    constants = [numpy_helper.from_array(np.asarray(value), f"c{i}") for i, value in enumerate(case.constants)]
    outputs = [f"y{i}" for i in range(case.outputs)]
    node = helper.make_node(case.op, [*names, *(value.name for value in constants)], outputs, domain=case.domain,
                            **case.attributes)
    ports = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
             for name, value in zip(names, case.inputs)]
    graph = helper.make_graph([node], "operator", ports, [onnx.ValueInfoProto(name=name) for name in outputs], constants)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=opsets), str(model))
    feeding.write(feeds, [dict(zip(names, case.inputs))])


def run(bench, arguments):
    prepared = contest.program(bench)
    if prepared is None:
        print("operators: ONNX Runtime's header or OpenVINO's package is missing")
        return None
    exe, libraries = prepared
    model, feeds, report = bench.scratch / "operator.onnx", bench.scratch / "operator-feeds", {}
    for case in cases():
        if arguments.models and not any(fnmatch.fnmatch(case.name, f"*{pattern}*") for pattern in arguments.models):
            continue
        write(case, model, feeds)
        racers = {name: (libraries[name], model) for name in ("onnxruntime", "libinfer")}
        found = contest.race(bench, exe, racers, feeds, 1, arguments.seconds or bench.rounds(0.1, 0.03), bench.rounds(9, 5), 0)
        times = found["runtimes"]
        if len(times) < 2:
            print(f"{case.name}: {found['refused'] or found.get('ended')}", flush=True)
            continue
        ours, theirs = times["libinfer"], times["onnxruntime"]
        ratio = statistics.median(a / b for a, b in zip(theirs["rounds"], ours["rounds"]))
        report[case.name] = {"ns": ours["median"], "ort_ns": theirs["median"], "ratio": ratio, "apart": ours["difference"]}
    rows = sorted(report.items(), key=lambda item: item[1]["ratio"])
    mean = math.exp(statistics.mean(math.log(found["ratio"]) for found in report.values())) if report else 1
    table("operators beside ONNX Runtime, one thread: the slowest first", ["", "us", "ORT us", "ratio", "apart"],
          [[name, f"{found['ns'] / 1e3:.1f}", f"{found['ort_ns'] / 1e3:.1f}", f"{found['ratio']:.2f}",
            "-" if found["apart"] is None else f"{found['apart']:.0e}"] for name, found in rows],
          f"ratio: ONNX Runtime's time over libinfer's; of {len(rows)} the geometric mean is {mean:.2f}",
          "apart: from ONNX Runtime's answers, as a part of the largest")
    return report
