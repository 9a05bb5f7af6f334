"""What loading and running hold, in pages: at most 2.2 times an ONNX file while it is loaded, however its weights are
stored and used; at most the image, the context and 4 MiB when it runs."""

import subprocess
import sys

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROWS, COLUMNS = 4096, 4096
RATIO = 2.2
BESIDE = 4 << 20

# The peak resident set (VmHWM starts anew with a program) before and after loading: what pages of the file, of the
# library and of memory were touched. Nothing here depends on how fast the machine is.
LOAD = """
import sys, libinfer
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) * 1024
before = peak()
with libinfer.load(sys.argv[1]):
    print(peak() - before)
"""

RUN = """
import sys, numpy, libinfer
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) * 1024
x = numpy.ones([int(word) for word in sys.argv[2:]], numpy.float32)
before = peak()
with libinfer.load(sys.argv[1]) as model:
    y = model.run({"x": x})["y"]
    print(peak() - before - y.nbytes, *model.memory)
"""


def measure(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def convolution():
    """With a norm that is folded into it."""
    weights = numpy.ones((1024, 1024, 3, 3), numpy.float32)
    norm = [numpy_helper.from_array(numpy.ones(1024, numpy.float32), name) for name in "smbv"]
    return ([helper.make_node("Conv", ["x", "W"], ["c"], pads=[1] * 4),
             helper.make_node("BatchNormalization", ["c", *"smbv"], ["y"])],
            [numpy_helper.from_array(weights, "W"), *norm], [1, 1024, 14, 14])


def integers(*readers):
    q = numpy.arange(8192 * 4096, dtype=numpy.int32).astype(numpy.int8).reshape(8192, 4096)
    scale = numpy.full((8192, 1), 0.01, numpy.float32)
    return ([helper.make_node("Cast", ["q"], ["f"], to=TensorProto.FLOAT), helper.make_node("Mul", ["f", "s"], ["W"]),
             *readers], [numpy_helper.from_array(q, "q"), numpy_helper.from_array(scale, "s")])


def forms():
    """Each form: nodes, initializers, whether the weights lie beside the model, the shape of x."""
    weights = numpy.ones((ROWS, COLUMNS), numpy.float32)
    tensor = numpy_helper.from_array(weights, "W")
    product = [helper.make_node("MatMul", ["x", "W"], ["y"])]
    x = [None, ROWS]
    yield "gemm", [helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)], [tensor], False, x
    yield "matmul", product, [tensor], False, x
    yield "external data", product, [tensor], True, x
    yield "float_data", product, [helper.make_tensor("W", 1, weights.shape, weights.ravel())], False, x
    yield "constant node", [helper.make_node("Constant", [], ["W"], value=tensor), *product], [], False, x
    yield "transposed", [helper.make_node("Transpose", ["W"], ["t"], perm=[1, 0]),
                         helper.make_node("MatMul", ["x", "t"], ["y"])], [tensor], False, x
    yield "rows in another order", [*(helper.make_node("Slice", ["W", *ends], [f"r{i}"]) for i, ends in enumerate(
        [["half", "rows", "axis"], ["zero", "half", "axis"]])), helper.make_node("Concat", ["r0", "r1"], ["j"], axis=0),
        helper.make_node("Unsqueeze", ["j", "axis"], ["u"]), helper.make_node("Squeeze", ["u", "axis"], ["s"]),
        helper.make_node("MatMul", ["x", "s"], ["y"])], [tensor, *(numpy_helper.from_array(numpy.array([n]), name) for
        name, n in {"zero": 0, "half": ROWS // 2, "rows": ROWS, "axis": 0}.items())], False, x
    nodes, tensors, shape = convolution()
    yield "convolution", nodes, tensors, False, shape
    yield "integers of a table", *integers(helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64),
                                           helper.make_node("Gather", ["W", "i"], ["y"])), False, [None]
    yield "integers of a product", *integers(helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)), False, x


def save(path, nodes, initializers, shape, external=False):
    ports = [helper.make_tensor_value_info("x", 1, shape), helper.make_tensor_value_info("y", 1, None)]
    model = helper.make_model(helper.make_graph(nodes, "g", ports[:1], ports[1:], initializers),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path), save_as_external_data=external, location="weights.bin")


@pytest.mark.parametrize("nodes, initializers, external, shape", [pytest.param(*form[1:], id=form[0])
                                                                  for form in forms()])
def test_peak_of_loading(tmp_path, nodes, initializers, external, shape):
    path = tmp_path / "model.onnx"
    save(path, nodes, initializers, shape, external)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    peak = int(measure(LOAD, path)[0])
    assert size < peak <= RATIO * size


@pytest.mark.parametrize("kind", ["product", "convolution"])
def test_peak_of_running(tmp_path, kind):
    path, image = tmp_path / "model.onnx", tmp_path / "model.infer"
    nodes, tensors, shape = convolution() if kind == "convolution" else (
        [helper.make_node("MatMul", ["x", "W"], ["y"])],
        [numpy_helper.from_array(numpy.ones((ROWS, COLUMNS), numpy.float32), "W")], [256, ROWS])
    save(path, nodes, tensors, shape)
    libinfer = pytest.importorskip("libinfer")
    libinfer.load(path).save(image)
    peak, context, exact = measure(RUN, image, *shape)
    assert exact == "True"
    assert int(peak) <= image.stat().st_size + int(context) + BESIDE
