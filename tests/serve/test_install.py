"""A handler of one's own, built from what is installed with the command in docs/serve.md."""

import os
import re
import shlex
import subprocess

import pytest

from mock_runtime import EXE, ROOT

BUILD = EXE.parents[2]


@pytest.fixture
def installed(tmp_path):
    if not (BUILD / "meson-info").is_dir():
        pytest.skip(f"{BUILD} is not a build directory")
    if "INTERP" in subprocess.run(["readelf", "-lW", EXE], check=True, capture_output=True, text=True).stdout:
        pytest.skip("this build is not static")
    subprocess.run(["meson", "install", "-C", str(BUILD), "--destdir", str(tmp_path / "root"), "--no-rebuild"],
                   check=True, stdout=subprocess.DEVNULL)
    return tmp_path / "root"


def test_own_handler_from_what_is_installed(installed, runtime, model, tmp_path):
    text = (ROOT / "docs" / "serve.md").read_text()
    [command] = re.findall(r"```sh\n(cc .*?)```", text, re.S)
    header = next(installed.rglob("serve.h"))
    library = next(installed.rglob("libinfer_serve.a"))
    words = [str(ROOT / "bindings/serve/example" / word) if word == "house.c" else word
             for word in shlex.split(command.replace("\\\n", " "))]
    words = [f"-I{header.parent}" if word.startswith("-I") else word for word in words]
    words = [f"-L{library.parent}" if word.startswith("-L") else word for word in words]
    subprocess.run([*words, f"-I{next(installed.rglob('infer.h')).parent}", "-Wl,--no-warnings"], cwd=tmp_path,
                   check=True)
    path = model({"format": "libinfer-linear", "version": 1, "coefficients": [[0, 0, 1, 2, 3]], "intercepts": [9]})
    r = runtime().start("--model", path, exe=tmp_path / "bootstrap")
    assert r.invoke({"area_m2": 1, "rooms": 1, "city": "Basel"})[1] == {"price": 22000.0, "currency": "CHF"}


def test_runs_on_an_empty_file_system(installed, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    folder = next(installed.rglob("infer-serve")).parent
    out = subprocess.run(["chroot", folder, "/infer-serve", "--version"], capture_output=True, text=True)
    assert out.returncode == 0 and out.stdout.startswith("infer-serve ")
