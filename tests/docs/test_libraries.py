"""Libraries of others: nothing links them, a static program has those that it names, messages name the others."""

import re
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

RUN = r"""
#include "infer.h"
#include <stdio.h>
int main(int argc, char **argv) {
    static unsigned char bytes[1 << 16];
    FILE *file = argc > 2 ? fopen(argv[2], "rb") : NULL;
    int64_t size = file ? (int64_t)fread(bytes, 1, sizeof bytes, file) : 0;
    infer_value in = {.type = INFER_TYPE_UINT8, .rank = 1, .shape = &size, .data = bytes, .count = (size_t)size};
    infer_value out = {.data = NULL};
    infer_model *model;
    infer_context *context;
    if (infer_load(argv[1], &model) != INFER_OK || infer_context_new(model, &context) != INFER_OK ||
        infer_run(context, NULL, &in, 1, NULL, &out, 1) != INFER_OK)
        return fprintf(stderr, "%s\n", infer_last_error()), 1;
    printf("%zu\n", out.count);
    return 0;
}
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "run.c").write_text(RUN)
    graph = helper.make_graph([helper.make_node("ImageDecoder", ["x"], ["y"])], "g",
                              [helper.make_tensor_value_info("x", TensorProto.UINT8, [None])],
                              [helper.make_tensor_value_info("y", TensorProto.UINT8, [None, None, 3])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "model.onnx")
    for form in ("WEBP", "PNG", "BMP"):
        Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / form, form)
    return tmp_path


def run(files, program, form):
    return subprocess.run([program, files / "model.onnx", files / form], capture_output=True, text=True)


def compiled(files, root, *arguments):
    exe = files / "run"
    subprocess.run(["gcc", "-O1", f"-I{root / 'include'}", files / "run.c", "-o", exe, *map(str, arguments)], check=True,
                   stderr=subprocess.DEVNULL)
    return exe


def test_static_program(files, root, build):
    common = ["-static", build / "libinfer.a"]
    system = ["-lprotobuf-c", "-ljansson", "-lm", "-lpthread"]
    program = compiled(files, root, *common, *system)
    assert run(files, program, "BMP").stdout == "36\n"
    assert "libwebp.so.7 is needed, but this static program was linked without it" in run(files, program, "WEBP").stderr
    program = compiled(files, root, "-Wl,-u,WebPGetInfo", "-Wl,-u,WebPDecodeRGBInto", *common, "-lwebp", *system)
    assert run(files, program, "WEBP").stdout == "36\n"
    assert "libpng16.so.16 is needed" in run(files, program, "PNG").stderr


def test_shared_library(files, root, build):
    program = compiled(files, root, f"-L{build}", "-linfer", f"-Wl,-rpath,{build}")
    for form in ("WEBP", "PNG", "BMP"):
        assert run(files, program, form).stdout == "36\n"
    names = subprocess.run(["objdump", "-p", str(build / "libinfer.so")], check=True, capture_output=True, text=True).stdout
    needed = set(re.findall(r"NEEDED\s+(\S+)", names))
    assert not [n for n in needed if re.match("lib(jpeg|png|webp|tiff|openjp2|pcre2|utf8proc)", n)]
    undefined = subprocess.run(["nm", "-D", "--undefined-only", str(build / "libinfer.so")], check=True,
                               capture_output=True, text=True).stdout
    assert not re.search(r"\b(jpeg_|png_|WebP|TIFF|opj_|pcre2_|utf8proc_)", undefined)
