"""What loading holds: at most 2.2 times a model's size, however its weights are stored and used."""

import subprocess
import sys

import numpy
import onnx
import pytest
from onnx import helper, numpy_helper

ROWS, COLUMNS = 4096, 4096
SIZE = 4 * ROWS * COLUMNS
RATIO = 2.2

# The peak resident set (VmHWM starts anew with a program) before and after loading.
PROGRAM = """
import sys, libinfer
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) * 1024
before = peak()
with libinfer.load(sys.argv[1]):
    print(peak() - before)
"""


def forms():
    """Each form: nodes, initializers, whether the weights lie beside the model."""
    weights = numpy.ones((ROWS, COLUMNS), numpy.float32)
    tensor = numpy_helper.from_array(weights, "W")
    product = [helper.make_node("MatMul", ["x", "W"], ["y"])]
    yield "gemm", [helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)], [tensor], False
    yield "matmul", product, [tensor], False
    yield "external data", product, [tensor], True
    yield "float_data", product, [helper.make_tensor("W", 1, weights.shape, weights.ravel())], False
    yield "constant node", [helper.make_node("Constant", [], ["W"], value=tensor), *product], [], False
    yield "transposed", [helper.make_node("Transpose", ["W"], ["t"], perm=[1, 0]),
                         helper.make_node("MatMul", ["x", "t"], ["y"])], [tensor], False


@pytest.mark.parametrize("nodes, initializers, external", [pytest.param(*form[1:], id=form[0])
                                                           for form in forms()])
def test_peak_memory(tmp_path, nodes, initializers, external):
    value = [helper.make_tensor_value_info(name, 1, [None, ROWS]) for name in "xy"]
    model = helper.make_model(helper.make_graph(nodes, "g", value[:1], value[1:], initializers),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path), save_as_external_data=external, location="weights.bin")
    result = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True,
                            check=True)
    assert SIZE < int(result.stdout) <= RATIO * SIZE
