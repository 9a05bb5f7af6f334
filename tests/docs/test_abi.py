"""The ABI: header, version script and library name the same functions, and the header stands alone."""

import re
import subprocess

import onnx
import pytest
from onnx import helper

import libinfer

MAX_STATIC_OVERHEAD = 150 * 1024  # bytes a static program with a linear model may add
MAX_LIBRARY = 2 * 1024 * 1024  # stripped


def listed(root):
    return (root / "tests" / "abi" / "symbols.txt").read_text().split()


def test_header_declares_the_list(root):
    header = (root / "include" / "infer.h").read_text()
    declared = re.findall(r"INFER_API [^;]*?\b(infer_\w+)\(", header, re.S)
    assert sorted(set(declared)) == listed(root)


def test_library_exports_the_list(root, build):
    out = subprocess.run(["nm", "-D", "--defined-only", str(build / "libinfer.so")], check=True,
                         capture_output=True, text=True).stdout
    names = sorted(line.split()[2].split("@")[0] for line in out.splitlines() if line.split()[1] == "T")
    assert names == listed(root)


def test_globals_of_the_archive_have_the_prefix(build):
    out = subprocess.run(["nm", "-g", "--defined-only", str(build / "libinfer.a")], check=True,
                         capture_output=True, text=True).stdout
    names = {line.split()[2] for line in out.splitlines() if len(line.split()) == 3}
    assert names and not [n for n in names if not n.startswith("infer_")]


@pytest.mark.parametrize("compiler, standard", [("gcc", "c11"), ("clang", "c11"), ("g++", "c++17")])
def test_header_alone(root, compiler, standard):
    language = "c++" if "++" in compiler else "c"
    subprocess.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror",
                    "-fsyntax-only", "-x", language, str(root / "include" / "infer.h")], check=True)


def test_every_operator_of_onnx_is_there():
    names = {(o.domain, o.name) for o in libinfer.operators()}
    assert {(s.domain, s.name) for s in onnx.defs.get_all_schemas_with_history()} - names == set()


ONCE = r"""
#include "infer.h"
int main(int argc, char **argv) {
    infer_model *model;
    float row[30] = {0}, answer[2];
    if (argc < 2 || infer_open(argv[1], &model) != INFER_OK)
        return 1;
    if (infer_predict(model, row, 30, answer, 2) != INFER_OK)
        return 2;
    infer_free(model);
    return 0;
}
"""


def static_program(tmp_path, root, name, source, *libraries):
    path, exe = tmp_path / f"{name}.c", tmp_path / name
    path.write_text(source)
    subprocess.run(["gcc", "-O2", "-static", "-ffunction-sections", "-Wl,--gc-sections",
                    f"-I{root / 'include'}", str(path), "-o", str(exe), *libraries], check=True)
    subprocess.run(["strip", str(exe)], check=True)
    return exe


def test_static_program_is_small(tmp_path, root, build):
    empty = static_program(tmp_path, root, "empty", "int main(void) { return 0; }\n")
    once = static_program(tmp_path, root, "once", ONCE, str(build / "libinfer.a"), "-lm", "-lpthread")
    assert once.stat().st_size - empty.stat().st_size <= MAX_STATIC_OVERHEAD


LOAD = r"""
#include "infer.h"
#include <stdio.h>
int main(int argc, char **argv) {
    infer_model *model;
    const float row[2] = {1, 2};
    float answer;
    if (argc < 2 || infer_load(argv[1], &model) != INFER_OK ||
        infer_predict(model, row, 2, &answer, 1) != INFER_OK)
        return fprintf(stderr, "%s\n", infer_last_error()), 1;
    printf("%g\n", answer);
    infer_free(model);
    return 0;
}
"""


def test_static_program_loads_graphs(tmp_path, root, build):
    """infer_load alone brings the operators along."""
    nodes = [helper.make_node("Sqrt", ["x"], ["h"]), helper.make_node("ReduceSum", ["h"], ["y"])]
    value = [helper.make_tensor_value_info(name, 1, dims) for name, dims in (("x", [1, 2]), ("y", [1, 1]))]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
              tmp_path / "model.onnx")
    program = static_program(tmp_path, root, "load", LOAD, str(build / "libinfer.a"), "-lprotobuf-c",
                             "-ljansson", "-lm", "-lpthread")
    result = subprocess.run([program, tmp_path / "model.onnx"], check=True, capture_output=True, text=True)
    assert float(result.stdout) == pytest.approx(1 + 2 ** 0.5, rel=1e-5)


def test_library_is_small(tmp_path, build):
    copy = tmp_path / "libinfer.so"
    subprocess.run(["strip", "-o", str(copy), str(build / "libinfer.so")], check=True)
    assert copy.stat().st_size <= MAX_LIBRARY
