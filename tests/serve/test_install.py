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


def build_handler(installed, source, folder):
    """Compiles with the command in docs/serve.md; only the places differ."""
    text = (ROOT / "docs" / "serve.md").read_text()
    [command] = re.findall(r"```sh\n(cc .*?)```", text, re.S)
    include = next(installed.rglob("infer.h")).parent
    library = next(installed.rglob("libinfer_serve.a")).parent
    words = [str(source) if word == "house.c" else word
             for word in shlex.split(command.replace("\\\n", " "))]
    words = [f"-I{include / 'infer'}" if word.startswith("-I") else word for word in words]
    words = [f"-L{library}" if word.startswith("-L") else word for word in words]
    subprocess.run([*words, f"-I{include}", "-Wall", "-Wextra", "-Werror", "-Wl,--no-warnings"], cwd=folder,
                   check=True)
    return folder / "bootstrap"


def test_own_handler_from_what_is_installed(installed, runtime, model, tmp_path):
    bootstrap = build_handler(installed, ROOT / "bindings/serve/example/house.c", tmp_path)
    path = model({"format": "libinfer-linear", "version": 1, "coefficients": [[0, 0, 1, 2, 3]], "intercepts": [9]})
    r = runtime().start("--model", path, exe=bootstrap)
    assert r.invoke({"area_m2": 1, "rooms": 1, "city": "Basel"})[1] == {"price": 22000.0, "currency": "CHF"}


def test_handler_of_the_readme(installed, runtime, model, tmp_path):
    source = tmp_path / "readme.c"
    source.write_text(re.findall(r"```c\n(#include <infer/serve.h>.*?)```", (ROOT / "README.md").read_text(), re.S)[0])
    bootstrap = build_handler(installed, source, tmp_path)
    path = model({"format": "libinfer-linear", "version": 1, "coefficients": [[2]], "intercepts": [1]})
    r = runtime().start("--model", path, exe=bootstrap)
    assert r.invoke({"fahrenheit": 77})[1] == {"prediction": 51.0}
    assert r.invoke({"fahrenheit": "77"})[0] == 422


def test_runs_on_an_empty_file_system(installed, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    folder = next(installed.rglob("infer-serve")).parent
    out = subprocess.run(["chroot", folder, "/infer-serve", "--version"], capture_output=True, text=True)
    assert out.returncode == 0 and out.stdout.startswith("infer-serve ")
