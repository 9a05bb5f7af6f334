"""Random shapes, axes and indices through operators that move elements, against the judges."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import libinfer

REDUCTIONS = ["none", "add", "mul", "max", "min"]


def by_onnxruntime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)


def by_reference(model, feeds):
    return ReferenceEvaluator(model).run(None, feeds)


def check(op, feeds, attributes, outputs=1, opset=21, judge=by_reference):
    values = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), [None] * v.ndim)
              for n, v in feeds.items()]
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, list(feeds), names, **attributes)
    graph = helper.make_graph([node], "g", values, [onnx.ValueInfoProto(name=n) for n in names])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    expected = judge(model, feeds)
    with libinfer.load(model.SerializeToString()) as ours:
        got = ours.run(feeds)
    for name, want in zip(names, expected):
        assert np.shape(got[name]) == np.shape(want), f"{op} {attributes}"
        np.testing.assert_allclose(got[name], want, rtol=1e-4, atol=1e-5, err_msg=f"{op} {attributes}")


def index_shape(random, shape, axis):
    return tuple(int(random.integers(1, 6 if i == axis % len(shape) else n + 1)) for i, n in enumerate(shape))


@pytest.mark.parametrize("seed", range(40))
def test_moves(seed):
    random = np.random.default_rng(seed)
    rank = int(random.integers(1, 6))
    shape = tuple(int(n) for n in random.integers(1, 5, rank))
    x = (random.normal(size=shape) * 5).astype(["float32", "int64", "float64", "int32"][seed % 4])
    axis = int(random.integers(-rank, rank))
    n = shape[axis]
    check("Tile", {"x": x, "repeats": random.integers(0, 4, rank)}, {})
    check("Expand", {"x": x, "shape": np.array([2, *shape])}, {})
    for mode in ("constant", "reflect", "edge", "wrap"):
        check("Pad", {"x": x, "pads": random.integers(0, 7, 2 * rank)}, {"mode": mode})
    pads = random.integers(0, 3, 2 * rank)
    pads[axis % rank] = -1 if n > 1 else 0
    check("Pad", {"x": x, "pads": pads, "v": x.ravel()[:1].reshape(())}, {}, judge=by_onnxruntime)
    check("Split", {"x": x, "split": random.multinomial(n, [1 / 3] * 3)}, {"axis": axis}, 3)
    check("Compress", {"x": x, "condition": random.random(n) < 0.5}, {"axis": axis})
    check("NonZero", {"x": x * (random.random(shape) < 0.5).astype(x.dtype)}, {})
    check("CumSum", {"x": x, "axis": np.array(axis)}, {"exclusive": seed % 2, "reverse": seed // 2 % 2})
    check("TopK", {"x": np.round(x), "k": np.array([int(random.integers(0, n + 1))])},
          {"axis": axis, "largest": seed % 2}, 2, judge=by_onnxruntime)
    for attributes in ({}, {"sorted": 0}, {"axis": axis}, {"axis": axis, "sorted": 0}):
        if x.dtype != np.int32:
            check("Unique", {"x": np.round(x / 5)}, attributes, 4, judge=by_onnxruntime)


@pytest.mark.parametrize("seed", range(40))
def test_gathers_and_scatters(seed):
    random = np.random.default_rng(seed)
    rank = int(random.integers(1, 5))
    shape = tuple(int(n) for n in random.integers(1, 5, rank))
    x = (random.normal(size=shape) * 5).astype(["float32", "int64"][seed % 2])
    axis = int(random.integers(-rank, rank))
    indices = random.integers(-shape[axis], shape[axis], index_shape(random, shape, axis))
    check("GatherElements", {"x": x, "i": indices}, {"axis": axis}, judge=by_onnxruntime)
    more = tuple(int(n) for n in random.integers(1, 4, random.integers(0, 3)))
    length = int(random.integers(1, rank + 1))
    places = np.stack([random.integers(-shape[k], shape[k], more) for k in range(length)], -1)
    check("GatherND", {"x": x, "i": places}, {}, judge=by_onnxruntime)
    for reduction in REDUCTIONS[1:]:  # without one, places must differ
        updates = {"u": random.normal(size=indices.shape).astype(x.dtype)}
        check("ScatterElements", {"x": x, "i": indices, **updates}, {"axis": axis, "reduction": reduction},
              opset=18, judge=by_onnxruntime)
        updates = {"u": random.normal(size=more + shape[length:]).astype(x.dtype)}
        check("ScatterND", {"x": x, "i": places, **updates}, {"reduction": reduction}, opset=18,
              judge=by_onnxruntime)


EQUATIONS = [
    ("ij,jk->ik", (3, 4), (4, 5)), ("...ij,...jk->...ik", (6, 1, 3, 4), (2, 4, 5)), ("ii->i", (4, 4)), ("ii", (4, 4)),
    ("ji", (3, 4)), ("i,j->ij", (5,), (3,)), ("bqhd,bkhd->bhqk", (2, 7, 3, 4), (2, 8, 3, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("i...->...", (2, 3, 4)), ("iij,jk->ik", (3, 3, 4), (4, 5)),
    ("ij,kl->", (3, 4), (2, 5)), ("abcd,dcbe->ea", (2, 3, 4, 5), (5, 4, 3, 6)), ("ij,j->i", (3, 1), (4,)),
    ("ijij->ij", (2, 3, 2, 3)), (",ij->ij", (), (2, 3)), ("ij,jk->ik", (3, 0), (0, 5)),
]


@pytest.mark.parametrize("equation, shapes", [(e, shapes) for e, *shapes in EQUATIONS])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8"])
def test_einsum(equation, shapes, dtype):
    random = np.random.default_rng(7)
    feeds = {f"x{i}": np.asarray(random.integers(0, 4, s)).astype(dtype) for i, s in enumerate(shapes)}
    check("Einsum", feeds, {"equation": equation})


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12, 37, 41, 97, 128, 400, 1009])
def test_transforms_of_any_length(n):
    random = np.random.default_rng(n)
    x = random.normal(size=(2, n, 3, 2))
    axis = {"l": np.array(n), "a": np.array(1)}
    for inverse in (0, 1):
        check("DFT", {"x": x, **axis}, {"inverse": inverse})
    check("DFT", {"x": x[..., :1], **axis, "l": np.array(n + 3)}, {"onesided": 1})
    check("DFT", {"x": x, **axis, "l": np.array(2 * n - 1)}, {"onesided": 1, "inverse": 1})


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 17, 20, 33])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 6, 7, 19, 32])
def test_turned(rows, columns):
    """Squares of four, and what is left beside and below them."""
    for dtype in ("float32", "int64", "uint8"):
        x = np.arange(2 * rows * columns).reshape(2, rows, columns).astype(dtype)
        check("Transpose", {"x": x}, {"perm": [0, 2, 1]})
