"""Runs every test of the project and counts what really ran.

Each suite writes JUnit XML; the last line adds it up: `N passed, N failed, N skipped`. A C test that
ends without its report (a crash, a sanitizer's finding) counts as one failure.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
SANITIZERS = {
    "asan": ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debugoptimized"],
    "tsan": ["-Db_sanitize=thread", "-Db_lundef=false", "-Dbuildtype=debugoptimized"],
}
TSAN_PROGRAMS = ["test_threads"]


class Count:
    """What ran, and the names of what failed."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def fail(self, name, reason):
        self.failed += 1
        self.failures.append(f"{name}: {reason}")

    def add_report(self, suite, path):
        """Adds a JUnit file; returns whether it was there and whole."""
        try:
            root = ElementTree.parse(path).getroot()
        except (OSError, ElementTree.ParseError):
            return False
        for case in root.iter("testcase"):
            name = f"{suite}: {case.get('classname') or ''} {case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                node = case.find("failure") if case.find("failure") is not None else case.find("error")
                text = (node.get("message") or node.text or "").strip().splitlines()
                self.fail(name, text[0] if text else "failed")
            elif case.find("skipped") is not None:
                self.skipped += 1
            else:
                self.passed += 1
        return True


def run(count, suite, command, report, env=None, timeout=900):
    """Runs one suite and reads its report."""
    started = time.monotonic()
    before = (count.passed, count.failed, count.skipped)
    try:
        result = subprocess.run(command, env={**os.environ, **(env or {})}, cwd=ROOT, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        code, output = result.returncode, result.stdout
    except subprocess.TimeoutExpired as error:
        code, output = -1, f"no end after {timeout} s\n{error.stdout or ''}"
    if code == 77:
        count.skipped += 1
    elif not count.add_report(suite, report):
        if code != 0 or report is not None:
            count.fail(suite, f"exit code {code} and no report")
        else:
            count.passed += 1
    elif code != 0 and count.failed == before[1]:
        count.fail(suite, f"exit code {code} behind passed tests")
    ran = [now - then for now, then in zip((count.passed, count.failed, count.skipped), before)]
    print(f"{suite:38} {ran[0]:5} passed {ran[1]:3} failed {ran[2]:3} skipped"
          f" {time.monotonic() - started:6.1f} s", flush=True)
    if ran[1]:
        print(output[-6000:], flush=True)


def c_programs(count, build, reports, only=None):
    """The cmocka programs of a build directory."""
    for program in sorted((build / "tests").rglob("test_*")):
        if not program.is_file() or not os.access(program, os.X_OK) or program.suffix:
            continue
        if only is not None and program.name not in only:
            continue
        report = reports / f"{build.name}-{program.name}.xml"
        env = {"CMOCKA_MESSAGE_OUTPUT": "XML", "CMOCKA_XML_FILE": str(report),
               "TEST_DATA": str(ROOT / "tests"), "ASAN_OPTIONS": "detect_leaks=1",
               "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
        run(count, f"{build.name} {program.name}", [str(program)], report, env)


def onnx_suites(count, build, reports, scratch):
    """ONNX's own data, and the ai.onnx.ml cases made here, through the C runner."""
    import onnx.backend.test

    data = Path(onnx.backend.test.__file__).parent / "data" / "node"
    ml = scratch / "ml"
    subprocess.run([sys.executable, "tests/python/gen_ml_cases.py", str(ml)], cwd=ROOT, check=True)
    supported = (ROOT / "tests" / "operators.txt").read_text().split()
    ops = scratch / "operators.txt"
    ops.write_text("\n".join(supported) + "\n")
    runner = next((build / "tests").rglob("onnx_runner"))
    for name, root in (("onnx node data", data), ("ai.onnx.ml cases", ml)):
        report = reports / f"{build.name}-{name.replace(' ', '-')}.xml"
        run(count, f"{build.name} {name}",
            [str(runner), "--ops", str(ops), "--junit", str(report), str(root)], report)


def python_suites(count, reports):
    env = {
        "INFER_LIBRARY": str(BUILD / "libinfer.so"),
        "INFER_EXE": str(BUILD / "infer"),
        "INFER_SERVE_EXE": str(BUILD / "bindings" / "serve" / "infer-serve"),
        "INFER_NPM_DIR": str(ROOT / ".cache" / "npm"),
        "PYTHONPATH": str(ROOT / "bindings" / "python"),
        "ORT_DISABLE_TELEMETRY": "1",
    }
    for suite in ("python", "cli", "serve", "docs"):
        if not (ROOT / "tests" / suite).is_dir():
            continue
        report = reports / f"{suite}.xml"
        run(count, f"pytest {suite}",
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{suite}",
             f"--junitxml={report}"], report, env)


def build_in(name, options, compiler):
    directory = ROOT / f"build-{name}"
    if not (directory / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(directory), "-Dbench=false", *options], cwd=ROOT,
                       check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "CC": compiler})
    subprocess.run(["ninja", "-C", str(directory), "--quiet"], check=True)
    return directory


def main():
    count = Count()
    scratch = Path(tempfile.mkdtemp(prefix="infer-test-"))
    reports = scratch / "reports"
    reports.mkdir()
    try:
        c_programs(count, BUILD, reports)
        onnx_suites(count, BUILD, reports, scratch)
        python_suites(count, reports)
        for name, options in SANITIZERS.items():
            try:
                directory = build_in(name, options, "clang")
            except subprocess.CalledProcessError as error:
                count.fail(f"build-{name}", f"the build failed: {error}")
                continue
            c_programs(count, directory, reports, TSAN_PROGRAMS if name == "tsan" else None)
            if name == "asan":
                onnx_suites(count, directory, reports, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for failure in count.failures:
        print("FAILED", failure)
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
