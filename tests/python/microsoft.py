"""What the tests of com.microsoft share: small models of one operator, and what onnxruntime makes of them.

Integers must be the same, floats within 1e-4 relative or 1e-5 of the largest number."""

import zlib

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import libinfer

onnxruntime.set_default_logger_severity(4)
HALF = {"float16": (2e-3, 2e-3)}


class Cases:
    """Functions of (random, number of the case) that give inputs (None: absent), attributes and more."""

    def __init__(self):
        self.list = []

    def __call__(self, op, count=8, domain="com.microsoft", **how):
        def register(make):
            self.list.extend(pytest.param(op, make, i, {"domain": domain, **how}, id=f"{op}-{make.__name__}-{i}")
                             for i in range(count))
            return make
        return register

    def test(self):
        def test_operator(op, make, number, how):
            compare(op, make, number, how)
        return pytest.mark.parametrize(("op", "make", "number", "how"), self.list)(test_operator)


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
