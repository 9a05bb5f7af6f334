"""The README's examples, compiled and run as they stand; installation and pkg-config."""

import os
import re
import subprocess
import sys

JSON = """{"format": "libinfer-linear", "version": 1, "coefficients": [[0.5, -0.25, 1]],
"intercepts": [0.1], "link": "logistic", "classes": [0, 1]}"""


def blocks(root, language):
    return re.findall(rf"```{language}\n(.*?)```", (root / "README.md").read_text(), re.S)


def test_c_example(tmp_path, root, build):
    (tmp_path / "example.c").write_text(blocks(root, "c")[0])
    (tmp_path / "model.json").write_text(JSON)
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "example.c", f"-I{root / 'include'}",
                    str(build / "libinfer.so"), f"-Wl,-rpath,{build}", "-o", "example"],
                   cwd=tmp_path, check=True)
    out = subprocess.run(["./example", "model.json"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert abs(float(out.stdout.split()[1]) - 0.52497919) < 1e-6  # 1 / (1 + exp(-0.1))
    missing = subprocess.run(["./example", "none.onnx"], cwd=tmp_path, capture_output=True, text=True)
    assert missing.returncode == 1 and "none.onnx" in missing.stderr


def test_python_example(root):
    out = subprocess.run([sys.executable, "-c", blocks(root, "python")[0]], check=True, capture_output=True,
                         text=True).stdout
    assert "0.524979" in out  # 0.5 - 0.5 + 0.1


def test_shell_example(tmp_path, root, build):
    (tmp_path / "model.onnx").write_text(JSON)  # formats are recognised by content
    script = next(block for block in blocks(root, "sh") if block.startswith("infer "))
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, check=True,
                   env={**os.environ, "PATH": f"{build}:{os.environ['PATH']}"})


def test_install_and_pkg_config(tmp_path, root, build):
    subprocess.run(["meson", "install", "-C", str(build), "--destdir", str(tmp_path), "--no-rebuild"], check=True,
                   stdout=subprocess.DEVNULL)
    pc = next(tmp_path.rglob("infer.pc"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": str(tmp_path)}
    (tmp_path / "example.c").write_text(blocks(root, "c")[0])
    (tmp_path / "model.json").write_text(JSON)
    for mode in ([], ["--static"]):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", *mode, "infer"], env=env, check=True,
                               capture_output=True, text=True).stdout.split()
        library = next(tmp_path.rglob("libinfer.so")).parent
        if mode:
            flags = [str(library / "libinfer.a") if f == "-linfer" else f for f in flags]
        subprocess.run(["gcc", "example.c", "-o", "example", *flags, f"-Wl,-rpath,{library}"], cwd=tmp_path,
                       check=True)
        subprocess.run(["./example", "model.json"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
