"""Pools over planes, row by row: drawn windows, judged by onnxruntime."""

import numpy as np
import onnxruntime
import pytest
from conftest import FLOAT
from onnx import helper

import libinfer

KINDS = [("MaxPool", np.uint8), ("MaxPool", np.int8), ("MaxPool", np.float32), ("AveragePool", np.float32)]


def drawn(random, op):
    """A window that meets the input, and the input's extents; of one axis or two."""
    rank = int(random.integers(1, 3))
    kernel, strides = random.integers(1, 6, rank), random.integers(1, 4, rank)
    dilations = random.integers(1, 3, rank)
    pads = [int(random.integers(0, k)) for k in (*kernel, *kernel)]
    reach = (kernel - 1) * dilations + 1
    extents = [int(random.integers(max(1, r - a - b), 40)) if r - a - b < 40 else 40
               for r, a, b in zip(reach, pads[:rank], pads[rank:], strict=True)]
    attributes = {"kernel_shape": kernel.tolist(), "strides": strides.tolist(), "pads": pads, "dilations": dilations.tolist(),
                  "ceil_mode": int(random.integers(0, 2))}
    if op == "AveragePool":
        attributes["count_include_pad"] = int(random.integers(0, 2))
    return attributes, extents


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("op, kind", KINDS)
@pytest.mark.parametrize("seed", range(40))
def test_drawn_windows(op, kind, seed, threads):
    random = np.random.default_rng([seed, len(op)])
    attributes, extents = drawn(random, op)
    shape = (2, 3, *extents)
    x = random.normal(size=shape).astype(kind) if kind == np.float32 else random.integers(
        np.iinfo(kind).min, np.iinfo(kind).max, shape, endpoint=True).astype(kind)
    element = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], **attributes)], "g",
                              [helper.make_tensor_value_info("x", element, shape)],
                              [helper.make_tensor_value_info("y", element, None)])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9).SerializeToString()
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    with libinfer.load(data, threads=threads) as model:
        actual = np.asarray(model.run({"x": x}, numpy=True)["y"])
    assert actual.shape == expected.shape
    if op == "AveragePool":
        np.testing.assert_allclose(actual, expected, **FLOAT)
    else:
        np.testing.assert_array_equal(actual, expected)
