"""Elementwise loops over the types that models use most: every type and kind of broadcast, judged by onnxruntime."""

import numpy as np
import onnxruntime
import pytest
from onnx import helper

import libinfer

random = np.random.default_rng(5)
SIZES = [1, 3, 16, 255, 256, 1025]
TYPES = [np.bool_, np.uint8, np.int8, np.int32, np.int64, np.float32]


def some(dtype, *shape):
    """Numbers of the whole range of a type, few of them different, with those at its ends."""
    if dtype == np.bool_:
        return random.integers(0, 2, shape).astype(dtype)
    if dtype == np.float32:
        pool = np.array([0, -0.0, 1.5, -2.25, np.inf, -np.inf, np.nan, 2**24 + 2], dtype)
    else:
        ends = np.iinfo(dtype)
        pool = np.array([0, 1, 7, ends.min, ends.max, ends.max // 3, ends.min // 3 - 1 if ends.min else 9], dtype)
    return random.choice(pool, shape)


def check(op, *inputs, output, **attributes):
    names = [f"x{i}" for i in range(len(inputs))]
    ports = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
             for name, x in zip(names, inputs)]
    y = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(np.dtype(output)), None)
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "g", ports, [y])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9).SerializeToString()
    feeds = dict(zip(names, inputs))
    expected, = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, feeds)
    got = libinfer.load(data).run(feeds, numpy=True)["y"]
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("to", TYPES)
@pytest.mark.parametrize("kind", TYPES)
def test_cast(kind, to, size):
    x = some(kind, size)
    if kind == np.float32: # others are no integers
        x = random.integers(-100 if to in (np.int8, np.int32, np.int64) else 0, 100, size).astype(kind)
    check("Cast", x, output=to, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))


SHAPES = [((1,), (1,)), ((257,), (257,)), ((5, 33), (33,)), ((1,), (4, 31)), ((6, 1), (6, 70)), ((2, 3, 1), (1, 1, 257))]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("kind", [np.bool_, np.int32, np.int64, np.float32])
def test_equal(kind, shapes):
    a, b = (some(kind, *shape) for shape in shapes)
    check("Equal", a, b, output=np.bool_)
    check("Equal", b, a, output=np.bool_)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("op", ["Max", "Min"])
@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float32])
def test_order(kind, op, shapes):
    """NaN wins, wherever it is."""
    a, b = (some(kind, *shape) for shape in shapes)
    check(op, a, b, output=kind)
    check(op, b, a, some(kind, *shapes[1]), output=kind)
