"""Runs every test of the project and counts what really ran.

Each suite writes JUnit XML; the last line adds it up: `N passed, N failed, N skipped`. A C test that
ends without its report (a crash, a sanitizer's finding) counts as one failure.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conformance import run as conformance

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
# Builds beside the plain one, without a warning: compiler, options, and the tests that run there (None: all).
BUILDS = {
    "asan": ("clang", ["-Db_sanitize=address,undefined", "-Db_lundef=false",
                       "-Dbuildtype=debugoptimized"], None),
    "tsan": ("clang", ["-Db_sanitize=thread", "-Db_lundef=false", "-Dbuildtype=debugoptimized"],
             ["test_exec", "test_pool", "test_threads"]),
    "openblas": ("gcc", ["-Dblas=openblas"], ["kernels_test_products", "test_api"]),
}
SCRIPTS = ["kernels_aarch64"]  # tests whose exit code is their report
MUTANTS_SECONDS = 60


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
    elif report is None and code == 0:
        count.passed += 1
    elif report is None or not count.add_report(suite, report):
        count.fail(suite, f"exit code {code} and no report")
    elif code != 0 and count.failed == before[1]:
        count.fail(suite, f"exit code {code} behind passed tests")
    ran = [now - then for now, then in zip((count.passed, count.failed, count.skipped), before)]
    print(f"{suite:38} {ran[0]:5} passed {ran[1]:3} failed {ran[2]:3} skipped"
          f" {time.monotonic() - started:6.1f} s", flush=True)
    if ran[1]:
        print(output[-6000:], flush=True)


def listed_tests(build, only=None):
    """The tests that meson knows in a build directory."""
    text = subprocess.run(["meson", "introspect", str(build), "--tests"], check=True, cwd=ROOT,
                          capture_output=True, text=True).stdout
    tests = sorted(json.loads(text), key=lambda test: test["name"])
    return [test for test in tests if only is None or test["name"] in only]


def c_programs(count, build, reports, only=None, without=()):
    """cmocka programs, and scripts without a report."""
    for test in listed_tests(build, only):
        name = test["name"]
        if name in without:
            continue
        report = None if name in SCRIPTS else reports / f"{build.name}-{name}.xml"
        env = {"CMOCKA_MESSAGE_OUTPUT": "XML", "CMOCKA_XML_FILE": str(report),
               "TEST_DATA": str(ROOT / "tests"), "ASAN_OPTIONS": "detect_leaks=1",
               "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
        run(count, f"{build.name} {name}", test["cmd"], report, env if report else None)


def onnx_suites(count, build, reports, scratch):
    """ONNX's own data, that of older releases in the plain build, and the ai.onnx.ml cases and converted models
    made here, through the C runner."""
    runner = next((build / "tests").rglob("onnx_runner"))
    suites = [conformance.installed()] if build != BUILD else list(conformance.suites())
    for version, data in suites:
        report = reports / f"{build.name}-onnx-{version}.xml"
        run(count, f"{build.name} onnx {version} test data",
            conformance.command(runner, version, data, report), report)
    for folder, name in ((scratch / "generate", "ai.onnx.ml cases"), (scratch / "pipelines", "converted models")):
        report = reports / f"{build.name}-{folder.name}.xml"
        run(count, f"{build.name} {name}", [str(runner), "--junit", str(report), str(folder)], report)


def onnx_variants(count, reports):
    """ONNX's data by slower kernels and without the passes over graphs, all that can be left out."""
    listed = re.findall(r'\{infer_graph_\w+, \w+, true, "([a-z-]+)"\}', (ROOT / "lib/graph/passes.c").read_text())
    passes = ",".join(sorted(set(listed)))
    variants = {"scalar": ["--cpu", "scalar", "--exclude", "light_*"], "avx2": ["--cpu", "avx2"],
                "without passes": ["--without", passes]}
    version, data = conformance.installed()
    for name, options in variants.items():
        report = reports / f"onnx-{name.replace(' ', '-')}.xml"
        run(count, f"onnx {version} test data, {name}",
            conformance.command(BUILD / "tests" / "onnx_runner", version, data, report, options), report)


def generate(scratch):
    """What suites of several builds read."""
    for module in ("generate", "pipelines"):
        subprocess.run([sys.executable, "-m", f"tests.ml.{module}", str(scratch / module)], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "tests/python/gen_seeds.py", str(scratch / "seeds"), str(BUILD / "infer")],
                   cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def fuzz_seeds(count, build, scratch):
    """The seeds of the fuzz targets, each through its target once."""
    seeds = scratch / "seeds"
    for kind in ("onnx", "json", "infer", "request", "picture", "pattern"):
        run(count, f"{build.name} seeds of fuzz_{kind}",
            [str(build / "tests" / "fuzz" / f"replay_{kind}"), str(seeds / kind)], None)


def python_environment(build=BUILD):
    """What the suites in Python are told; the handlers may be those of another build."""
    return {
        "INFER_LIBRARY": str(BUILD / "libinfer.so"),
        "INFER_EXE": str(BUILD / "infer"),
        "INFER_SERVE_EXE": str(build / "bindings" / "serve" / "infer-serve"),
        "INFER_NPM_DIR": str(ROOT / ".cache" / "npm"),
        "INFER_CARGO_LAMBDA": str(ROOT / ".cache" / "cargo-lambda" / "bin" / "cargo-lambda"),
        "INFER_SAM": str(ROOT / ".cache" / "sam" / "bin" / "sam"),
        "INFER_MOTO": str(ROOT / ".cache" / "moto" / "bin"),
        "PYTHONPATH": str(ROOT / "bindings" / "python"),
        "ORT_DISABLE_TELEMETRY": "1",
    }


def pytest_suite(count, name, reports, env, *arguments):
    report = reports / f"{name.replace(' ', '-')}.xml"
    run(count, f"pytest {name}", [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments,
                                  f"--junitxml={report}"], report, env)


def python_suites(count, reports):
    for suite in ("python", "cli", "serve", "docs", "conformance"):
        if not (ROOT / "tests" / suite).is_dir():
            continue
        pytest_suite(count, suite, reports, python_environment(), f"tests/{suite}")


def sanitized_handlers(count, build, reports, scratch):
    """The handlers' tests on a build with sanitizers, whose findings are files: no test can miss one. What judges
    runtimes, load and packages is left to the plain build."""
    found = scratch / "found"
    found.mkdir()
    env = {**python_environment(build), "INFER_SANITIZED": "1",
           "ASAN_OPTIONS": f"detect_leaks=1:log_path={found}/asan",
           "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:log_path={found}/ubsan"}
    left_out = [f"--ignore=tests/serve/test_{name}.py" for name in ("judges", "load", "sam", "page", "install")]
    pytest_suite(count, f"{build.name} serve", reports, env, "tests/serve", *left_out)
    for file in sorted(found.iterdir()):
        count.fail(f"{build.name} handlers", "a sanitizer's finding")
        print(file.read_text()[:6000], flush=True)


def build_in(name, compiler, options, only):
    directory = ROOT / f"build-{name}"
    if not (directory / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(directory), "-Dbench=false", "-Dwerror=true", *options],
                       cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "CC": compiler})
    programs = [os.path.relpath(test["cmd"][0], directory) for test in listed_tests(directory, only)]
    subprocess.run(["ninja", "-C", str(directory), "--quiet", *(programs if only else [])], check=True)
    return directory


def mutants(count, build):
    """Mutated models of ONNX's test data for a while (tests/fuzz/campaign.c)."""
    _, data = conformance.installed()
    run(count, f"{build.name} mutants", [str(build / "tests" / "fuzz" / "campaign"), "-j", "1", "--seconds",
                                         str(MUTANTS_SECONDS), str(data)], None,
        {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})


def starved(count, build, reports):
    """ONNX's models with every allocation failing in turn."""
    _, data = conformance.installed()
    report = reports / f"{build.name}-starved.xml"
    run(count, f"{build.name} failing allocations",
        [str(build / "tests" / "onnx_runner"), "--starve", "-j", "1", "--exclude", "light_*", "--junit", str(report),
         str(data)], report, {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"})


def plain_build(count, reports, scratch):
    c_programs(count, BUILD, reports)
    onnx_suites(count, BUILD, reports, scratch)
    onnx_variants(count, reports)
    fuzz_seeds(count, BUILD, scratch)
    python_suites(count, reports)


def other_builds(count, reports, scratch):
    for name, (compiler, options, tests) in BUILDS.items():
        try:
            directory = build_in(name, compiler, options, tests)
        except subprocess.CalledProcessError as error:
            count.fail(f"build-{name}", f"the build failed: {error}")
            continue
        c_programs(count, directory, reports, tests, SCRIPTS)
        if name == "asan":
            onnx_suites(count, directory, reports, scratch)
            fuzz_seeds(count, directory, scratch)
            starved(count, directory, reports)
            mutants(count, directory)
            sanitized_handlers(count, directory, reports, scratch)


def main():
    """Two lanes side by side, one for each core that the smallest machine has."""
    lanes = [Count(), Count()]
    scratch = Path(tempfile.mkdtemp(prefix="infer-test-"))
    reports = scratch / "reports"
    reports.mkdir()
    try:
        generate(scratch)
        with ThreadPoolExecutor(2) as pool:
            work = [pool.submit(lane, count, reports, scratch)
                    for lane, count in zip((plain_build, other_builds), lanes)]
            for future in work:
                future.result()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for failure in lanes[0].failures + lanes[1].failures:
        print("FAILED", failure)
    passed, failed, skipped = (sum(getattr(count, kind) for count in lanes) for kind in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
