"""The ctypes declarations against the header itself."""

import ctypes
import re
import subprocess

import pytest

from libinfer import _ffi


def declarations(root):
    """Name, result and parameters of every INFER_API function, as C text."""
    text = re.sub(r"/\*.*?\*/", "", (root / "include" / "infer.h").read_text(), flags=re.S)
    found = {}
    for result, name, parameters in re.findall(
        r"INFER_API\s+([\w\s\*]+?)\s*(\binfer_\w+)\s*\(([^)]*)\)\s*;", text
    ):
        inner = " ".join(parameters.split())
        found[name] = (
            " ".join(result.split()),
            [] if inner == "void" else [p.strip() for p in inner.split(",")],
        )
    return found


SCALARS = {
    "void": None,
    "size_t": ctypes.c_size_t,
    "uint32_t": ctypes.c_uint32,
    "int": ctypes.c_int,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "infer_status": ctypes.c_int,
    "infer_type": ctypes.c_int,
    "infer_ownership": ctypes.c_int,
}
HANDLES = {"infer_model", "infer_context", "infer_pool"}


def expected(text):
    """The ctypes type that a C type (with a parameter's name behind it or not) must have."""
    text = re.sub(r"\bconst\b", "", text)
    stars = text.count("*")
    words = text.replace("*", " ").split()
    base = words[0]
    if base in HANDLES or base == "void":
        if stars == 0:
            return None
        return ctypes.c_void_p if stars == 1 else ctypes.POINTER(ctypes.c_void_p)
    if base == "char":
        return ctypes.c_char_p if stars == 1 else ctypes.POINTER(ctypes.c_char_p)
    if base == "infer_node_observer":
        return _ffi.OBSERVER
    if base == "infer_missing_operator":
        return _ffi.MISSING
    kind = _ffi.STRUCTURES.get(base) or SCALARS[base]
    for _ in range(stars):
        kind = ctypes.POINTER(kind)
    return kind


def test_every_function_is_declared_and_no_other(root):
    header = declarations(root)
    assert len(header) > 40
    assert set(header) == set(_ffi.FUNCTIONS)


def test_results_and_parameters_are_those_of_the_header(root):
    for name, (result, parameters) in declarations(root).items():
        function = getattr(_ffi.lib, name)
        assert function.restype == expected(result), name
        assert list(function.argtypes) == [expected(p) for p in parameters], name


def test_constants_are_those_of_the_header(root):
    text = (root / "include" / "infer.h").read_text()
    types = {name.lower(): int(n) for name, n in re.findall(r"INFER_TYPE_(\w+) = (\d+)", text)}
    assert types == _ffi.TYPES
    links = {name.lower(): int(n) for name, n in re.findall(r"INFER_LINK_(\w+) = (\d+)", text)}
    assert links == _ffi.LINKS
    cpus = {name.lower(): int(n.rstrip("u"), 0)
            for name, n in re.findall(r"#define INFER_CPU_(\w+)\s+(\w+)", text)}
    assert cpus == _ffi.CPU


def test_statuses_have_an_exception_each(root):
    from libinfer import errors

    text = (root / "include" / "infer.h").read_text()
    statuses = {int(n): name for name, n in re.findall(r"(INFER_ERROR_\w+) = (\d+)", text)}
    assert set(statuses) == set(errors.BY_STATUS)
    for number, name in statuses.items():
        assert errors.BY_STATUS[number]("x").name == name


def test_structures_have_the_layout_that_the_compiler_gives(root, tmp_path):
    lines = []
    for name, kind in _ffi.STRUCTURES.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        for field, _ in kind._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
    source = tmp_path / "layout.c"
    source.write_text("#include <stdio.h>\n#include \"infer.h\"\nint main(void) {\n"
                      + "\n".join(lines) + "\nreturn 0; }\n")
    program = tmp_path / "layout"
    try:
        subprocess.run(["cc", "-I", str(root / "include"), str(source), "-o", str(program)], check=True)
    except FileNotFoundError:
        pytest.skip("no C compiler")
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    measured = dict(line.split() for line in printed.splitlines())
    for name, kind in _ffi.STRUCTURES.items():
        assert ctypes.sizeof(kind) == int(measured.pop(name)), name
        for field, _ in kind._fields_:
            assert getattr(kind, field).offset == int(measured.pop(f"{name}.{field}")), field
    assert not measured


def test_structures_name_every_field_of_the_header(root):
    text = re.sub(r"/\*.*?\*/", "", (root / "include" / "infer.h").read_text(), flags=re.S)
    for name, kind in _ffi.STRUCTURES.items():
        body = re.search(r"struct %s \{(.*?)\n\}" % name, text, re.S).group(1)
        fields = [
            re.search(r"\(\*(\w+)\)", line).group(1) if "(*" in line else
            re.search(r"(\w+)\s*$", line).group(1)
            for line in (part.strip() for part in body.split(";")) if line
        ]
        assert fields == [field for field, _ in kind._fields_], name
