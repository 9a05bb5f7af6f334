"""`pip install ./bindings/python`: the package carries its library and works alone."""

import os
import subprocess
import sys

PROGRAM = """
import sys
sys.modules["numpy"] = None  # as on a machine without it
import libinfer
assert libinfer.__file__.startswith(sys.argv[1]), libinfer.__file__
with libinfer.linear([[2.0, -1.0]], [0.5], classes=["no", "yes"]) as model:
    print(model.predict([[1.0, 1.0], [-1.0, 1.0]]))
"""


def test_wheel(root, tmp_path):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", str(tmp_path), str(root / "bindings" / "python")], check=True)
    assert (tmp_path / "libinfer" / "libinfer.so").exists()
    assert (tmp_path / "libinfer" / "py.typed").exists()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INFER_")}
    environment["PYTHONPATH"] = str(tmp_path)
    result = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, check=True,
                            capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout.strip() == "['yes', 'no']"
