"""Weights rounded on request: the same answers as from weights that were rounded by hand, in less memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx.reference
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import libinfer

CPU_FLAGS = Path("/proc/cpuinfo").read_text().split()
RANDOM = np.random.default_rng(11)
W = RANDOM.normal(size=(96, 83)).astype(np.float32)
V = RANDOM.normal(size=(60, 83)).astype(np.float32)
V[7] = 0
X = RANDOM.normal(size=(5, 96)).astype(np.float32)


def model_of(w, v):
    """Tanh(x w) v^T + 1."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["t"]),
             helper.make_node("Gemm", ["t", "v", "one"], ["y"], transB=1)]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", None]) for n in "xy"]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:],
                              [numpy_helper.from_array(w, "w"), numpy_helper.from_array(v, "v"),
                               numpy_helper.from_array(np.ones(60, np.float32), "one")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def to_bf16(w):
    bits = w.view(np.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32)


def to_int8(w):
    """Columns are those of w."""
    scale = (np.abs(w).max(0) / np.float32(127)).astype(np.float32)
    scale = np.where(scale == 0, np.float32(1), scale)
    return (np.rint(w / scale) * scale).astype(np.float32)


def rounded(kind):
    return (to_bf16(W), to_bf16(V)) if kind == "bf16" else (to_int8(W), to_int8(V.T).T.copy())


@pytest.mark.parametrize("kind, size, error", [("bf16", 0.5, 2e-2), ("int8", 0.25, 8e-2)])
@pytest.mark.parametrize("rows", [1, 5])
def test_rounded_weights(kind, size, error, rows):
    given, narrow = libinfer.load(model_of(W, V)), libinfer.load(model_of(W, V), weights=kind)
    x = {"x": X[:rows]}
    by_hand = onnx.reference.ReferenceEvaluator(model_of(*rounded(kind))).run(None, x)[0]
    answer = narrow.run(x)["y"]
    np.testing.assert_allclose(answer, by_hand, rtol=1e-4, atol=1e-4)
    difference = np.abs(answer - given.run(x)["y"]).max() / np.abs(by_hand).max()
    assert 1e-5 < difference < error
    assert len(narrow.to_bytes()) < (size + 0.15) * len(given.to_bytes())
    for options in ({"threads": 3}, {"cpu": "scalar"}, {"cpu": "avx2"}):
        other = libinfer.load(model_of(W, V), weights=kind, **options).run(x)["y"]
        np.testing.assert_allclose(other, answer, rtol=1e-5, atol=1e-5)
    assert (libinfer.load(narrow.to_bytes()).run(x)["y"] == answer).all()


@pytest.mark.parametrize("activation", ["Identity", "Relu", "Tanh"])
@pytest.mark.parametrize("rows", [1, 7, 8, 17, 33, 300])
@pytest.mark.parametrize("k, n", [(96, 83), (600, 40), (33, 130)])
def test_products_in_bfloat16(activation, rows, k, n):
    """Both sides rounded, or the weights alone: as onnxruntime has it of numbers rounded by hand."""
    w, bias = RANDOM.normal(size=(k, n)).astype(np.float32), RANDOM.normal(size=n).astype(np.float32)
    x = RANDOM.normal(size=(rows, k)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"]), helper.make_node(activation, ["z"], ["y"])]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]) for name in "xy"]

    def data(w):
        graph = helper.make_graph(nodes, "g", ports[:1], ports[1:],
                                  [numpy_helper.from_array(w, "w"), numpy_helper.from_array(bias, "b")])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                 ir_version=8).SerializeToString()

    session = onnxruntime.InferenceSession(data(to_bf16(w)), providers=["CPUExecutionProvider"])
    by_hand = [session.run(None, {"x": a})[0] for a in (to_bf16(x), x)]
    bound = 2.0 ** -20 * (np.abs(x) @ np.abs(w) + np.abs(bias)) + 1e-6
    answers = {}
    for cpu in ("", "scalar", "avx2", "avx512"):
        model = libinfer.load(data(w), weights="bf16", cpu=cpu)
        assert "MatMulHalf" in [node.op for node in model.nodes]
        answers[cpu] = model.run({"x": x})["y"]
        several = libinfer.load(model.to_bytes(), cpu=cpu, threads=3)
        assert (several.run({"x": x})["y"] == answers[cpu]).all()
        assert any((np.abs(answers[cpu] - hand) <= bound).all() for hand in by_hand)
    assert (np.abs(answers["scalar"] - by_hand[rows < 8]) <= bound).all()
    # Weights that bfloat16 holds anyway are no request.
    exact = libinfer.load(data(to_bf16(w)))
    assert "MatMulHalf" not in [node.op for node in exact.nodes]
    assert (np.abs(exact.run({"x": x})["y"] - by_hand[1]) <= bound).all()


# Says whether the process has asked for tiles: after loading, after a run of floats, of few rows, of
# many, and whether that gave the bits of a process that may not use them.
ASKS = """
import ctypes, sys
import numpy as np, libinfer
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p]

def asked():
    mask = ctypes.c_uint64()
    failed = libc.syscall(158, 0x1022, ctypes.addressof(mask))  # arch_prctl, ARCH_GET_XCOMP_PERM
    return not failed and bool(mask.value >> 18 & 1)

class Stack(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

if sys.argv[2] == "refused":  # its signal stack is too small for tiles
    room = ctypes.create_string_buffer(8192)
    assert libc.sigaltstack(ctypes.byref(Stack(ctypes.addressof(room), 0, 8192)), None) == 0
data = open(sys.argv[1], "rb").read()
x = np.random.default_rng(1).normal(size=(64, 96)).astype(np.float32)
floats, model = libinfer.load(data), libinfer.load(data, weights="bf16")
wide = libinfer.load(data, weights="bf16", cpu=["avx2", "avx512", "avx512_vnni", "avx512_bf16"])
said = [asked()]
for m, rows in ((floats, 64), (wide, 64), (model, 1), (model, 64)):
    y = m.run({"x": x[:rows]})["y"]
    said.append(asked())
print(*said, (y == wide.run({"x": x})["y"]).all())
"""


@pytest.mark.skipif("amx_bf16" not in CPU_FLAGS, reason="a processor without AMX")
@pytest.mark.parametrize("kind", ["given", "refused"])
def test_who_asks_for_tiles(kind, tmp_path):
    (tmp_path / "m.onnx").write_bytes(model_of(W, V).SerializeToString())
    done = subprocess.run([sys.executable, "-c", ASKS, tmp_path / "m.onnx", kind], capture_output=True,
                          text=True, check=True)
    given = kind == "given"
    assert done.stdout.split() == [str(s) for s in (False, False, False, False, given, not given)]


def test_what_is_wrong():
    with pytest.raises(libinfer.InferArgumentError):
        libinfer.load(model_of(W, V), weights="int4")
    image = libinfer.load(model_of(W, V)).to_bytes()
    with pytest.raises(libinfer.InferUnsupportedError):
        libinfer.load(image, weights="int8")


def test_numbers_without_an_end():
    """Infinities and NaN survive rounding to bfloat16; a column of them is left alone by integers."""
    w = W.copy()
    w[3, 4], w[5, 6] = np.inf, np.nan
    for kind in ("bf16", "int8"):
        y = libinfer.load(model_of(w, V), weights=kind).run({"x": X})["y"]
        expected = onnx.reference.ReferenceEvaluator(model_of(w, V)).run(None, {"x": X})[0]
        assert (np.isnan(y) == np.isnan(expected)).all()
