"""Runs ONNX's test data through the C runner, straight from each model and through its saved image.

    run.py [--release VERSION|all] [--runner PROGRAM] [--junit FILE] [PATTERN...]

The data is that of the installed onnx package, or of an older release, whose wheel is fetched into the cache.
Cases that an older release has wrong stand in docs/conformance.md and are left out.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "onnx-data"
INSIDE = "onnx/backend/test/data"

# Release: Python, ABI and platform of the wheel, and its SHA-256.
RELEASES = {
    "1.2.3": ("36", "cp36m", "manylinux1_x86_64",
              "fc00c794889c473706e15294c1ff25163a4a407bbc71dc5eed426aaa24e390d6"),
    "1.5.0": ("36", "cp36m", "manylinux1_x86_64",
              "f6202b2b5e353f98cba793cc52d449e578cc242968e89a4c6cfc73fa2591e926"),
    "1.8.1": ("38", "cp38", "manylinux2010_x86_64",
              "cd18c7499162dd2c8c7e45669f2e7096012b9054b59670c26c5f1239b5c50ce4"),
    "1.12.0": ("310", "cp310", "manylinux_2_17_x86_64",
               "9fd2f4e23078df197bb76a59b9cd8f5a43a6ad2edc035edb3ecfb9042093e05a"),
    "1.16.0": ("311", "cp311", "manylinux_2_17_x86_64",
               "0e60ca76ac24b65c25860d0f2d2cdd96d6320d062a01dd8ce87c5743603789b8"),
}


def installed():
    import onnx

    return onnx.__version__, Path(onnx.__file__).parent.parent / INSIDE


def fetched(version):
    """The data of an older release; fetches its wheel where it is not there."""
    python, abi, platform, digest = RELEASES[version]
    folder = CACHE / version
    if not (folder / INSIDE).is_dir():
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check",
                        f"onnx=={version}", "--only-binary=:all:", "--no-deps", "--python-version", python,
                        "--abi", abi, "--platform", platform, "-d", str(folder)], check=True)
        (wheel,) = folder.glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{wheel} is not the file that was expected")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [n for n in archive.namelist() if n.startswith(INSIDE)])
        wheel.unlink()
    return folder / INSIDE


def left_out(version):
    """The cases of a release that the table in docs/conformance.md names."""
    page = (ROOT / "docs" / "conformance.md").read_text()
    rows = re.findall(r"^\| ([\d., ]+) \| (.+?) \|", page, re.M)
    return [case for releases, cases in rows if version in releases.split(", ")
            for case in re.findall(r"`([^`]+)`", cases)]


def command(runner, version, data, junit=None, options=()):
    excluded = [word for case in left_out(version) for word in ("--exclude", case)]
    report = ["--junit", str(junit)] if junit else []
    return [str(runner), "-j", str(os.cpu_count() or 1), *report, *options, *excluded, str(data)]


def suites():
    """Version and folder of the installed data and of every older release."""
    yield installed()
    for version in RELEASES:
        yield version, fetched(version)


def main():
    parser = argparse.ArgumentParser(prog="./dev conformance")
    parser.add_argument("--release", choices=[*RELEASES, "all"])
    parser.add_argument("--runner", default=str(ROOT / "build" / "tests" / "onnx_runner"))
    parser.add_argument("--junit")
    parser.add_argument("--cpu", choices=["scalar", "avx2", "avx512", "neon"], help="kernels of this tier alone")
    parser.add_argument("--without", metavar="PASSES", help="passes to leave out, with commas between")
    parser.add_argument("pattern", nargs="*")
    given = parser.parse_args()
    if given.release == "all":
        runs = list(suites())
    else:
        runs = [(given.release, fetched(given.release)) if given.release else installed()]
    options = [word for name in ("cpu", "without") if getattr(given, name) for word in (f"--{name}", getattr(given, name))]
    worst = 0
    for version, data in runs:
        if len(runs) > 1:
            print(f"onnx {version}", flush=True)
        worst = max(worst, subprocess.run([*command(given.runner, version, data, given.junit, options),
                                           *given.pattern]).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
