"""The program without operators: prepared linear models only, in fewer bytes."""

import subprocess

import pytest

from conftest import LOGISTIC
from mock_runtime import EXE

LINEAR_EXE = EXE.with_name("infer-serve-linear")
INFER = EXE.parents[1] / "cli" / "infer"


def compiled(path, to):
    subprocess.run([INFER, "compile", "-q", path, "-o", to], check=True)
    return to


def test_linear_program_answers_as_the_other(runtime, model, tmp_path):
    path = compiled(model(LOGISTIC), tmp_path / "m.infer")
    answers = [runtime().start("--model", path, exe=exe).invoke({"instances": [[1, 2, 3], [-1, 0, 1]]})
               for exe in (EXE, LINEAR_EXE)]
    assert answers[0] == answers[1] and answers[0][0] == 200


@pytest.mark.parametrize("kind, reason", [("json", "prepared"), ("graph", "is a graph")])
def test_linear_program_says_what_it_cannot_open(runtime, model, tmp_path, kind, reason):
    path = model(LOGISTIC)
    if kind == "graph":
        helper = pytest.importorskip("onnx.helper")
        import onnx
        ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy"]
        graph = helper.make_graph([helper.make_node("Exp", ["x"], ["y"])], "g", ports[:1], ports[1:])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
                  tmp_path / "m.onnx")
        path = compiled(tmp_path / "m.onnx", tmp_path / "m.infer")
    r = runtime().start("--model", path, exe=LINEAR_EXE)
    where, _, report, _ = r.answer()
    assert where == "/runtime/init/error" and reason in report["errorMessage"]
    assert r.process.wait(10) == 1


def test_linear_program_refuses_tensors(runtime, model, tmp_path):
    path = compiled(model(LOGISTIC), tmp_path / "m.infer")
    assert runtime().start("--model", path, exe=LINEAR_EXE).invoke({"inputs": {}})[0] == 501


@pytest.mark.parametrize("exe, limit", [(EXE, 3_500_000), (LINEAR_EXE, 1_500_000)])
def test_programs_stay_small(exe, limit, tmp_path):
    """What is deployed has everything in it: libc, HTTP, TLS, pictures."""
    if b"__asan_init" in exe.read_bytes():
        pytest.skip("built with sanitizers")
    subprocess.run(["strip", exe, "-o", tmp_path / "stripped"], check=True)
    assert (tmp_path / "stripped").stat().st_size < limit
