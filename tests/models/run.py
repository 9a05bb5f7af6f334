"""Runs real models of the Python and npm registries with onnxruntime and with libinfer, and compares.

`./dev models [PATTERN...]` runs the entries of table.py whose names match. Each model has a process of its own,
so that a crash costs one model, and a time limit. The last line counts: `N passed, N failed, N skipped`.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("INFER_LIBRARY", str(ROOT / "build" / "libinfer.so"))
sys.path.insert(0, str(ROOT / "bindings" / "python"))

PEERS = ("libinfer", "libinfer-image", "onnxruntime-plain")
RESULT = "result "


def table(derived):
    import table as entries

    models = list(entries.MODELS)
    if derived:
        import quantize

        models += quantize.models(entries)
    return models, entries.PACKAGES


# ---- one model, in a process of its own ----


def onnxruntime_runner(source, optimized):
    """feeds -> outputs by name. A lone input may be called None."""
    import onnxruntime as ort

    def session_of(precise):
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        # Where the processor has no instruction for products of bytes, sums of two saturate at 16 bits without this.
        options.add_session_config_entry("session.x64quantprecision", precise)
        if not optimized:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return ort.InferenceSession(source if isinstance(source, bytes) else str(source), options,
                                    providers=["CPUExecutionProvider"])

    try:
        session = session_of("1")
    except Exception:  # it fails on some models that load otherwise
        session = session_of("0")
    lone = session.get_inputs()[0].name
    names = [value.name for value in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, {
        lone if name is None else name: value for name, value in feeds.items()})))


def moved(value):
    """Floats off by up to four units in the last place, each its own way."""
    import numpy as np

    if value.dtype.kind != "f":
        return value
    off = np.random.default_rng(value.size).uniform(-1, 1, value.shape) * 4 * np.finfo(value.dtype).eps / 2
    return (value * (1 + off)).astype(value.dtype)


def nudged(run):
    """The same from inputs that are a little off."""
    return lambda feeds: run({name: moved(value) for name, value in feeds.items()})


def nudged_model(source):
    """A model whose floating-point weights are a little off, for what takes integers."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(str(source))
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            weight.CopyFrom(numpy_helper.from_array(moved(numpy_helper.to_array(weight)), weight.name))
    return model.SerializeToString()


def takes_floats(source):
    import onnx

    model = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(str(source))
    weights = {weight.name for weight in model.graph.initializer}
    return any(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
               for value in model.graph.input if value.name not in weights)


def libinfer_runner(source, through_image):
    import libinfer

    model = libinfer.load(source)
    if through_image:
        model = libinfer.load(model.to_bytes())
    lone = model.inputs[0].name
    return lambda feeds: model.run({lone if name is None else name: value for name, value in feeds.items()},
                                   numpy=True)


def answers(model, data, runs, quick):
    found = []
    for answer in model.play(runs, data, quick):
        print("at", answer.label, flush=True)
        found.append(answer)
    return found


def play_one(name, peer, quick, derived):
    """Plays one entry with both runtimes; the last line it prints is the result."""
    import compare
    import fetch

    models, packages = table(derived)
    model = next(model for model in models if model.name == name)
    result = {"name": name, "runs": 0, "why": ""}

    def stage(what):
        print("at", what, flush=True)
        result["stage"] = what

    try:
        stage("fetching")
        sources, data = fetch.files(model, packages)
        if model.build:
            stage("building")
            sources = model.build(data)
        stage("onnxruntime")
        expected = answers(model, data, [onnxruntime_runner(source, True) for source in sources], quick)
        result.update(runs=len(expected), says=[f"{a.label}: {a.says}" for a in expected if a.says])
        if not quick or len(expected) > 1:
            result["alive"] = compare.alive(expected)
        stage(f"loading with {peer}")
        runs = [onnxruntime_runner(source, False) if peer == "onnxruntime-plain" else
                libinfer_runner(source, peer == "libinfer-image") for source in sources]
        stage(f"running with {peer}")
        actual = answers(model, data, runs, quick)
        plain = moved = None
        if model.rounds:
            stage("onnxruntime without optimization")
            both = [[onnxruntime_runner(source, optimized) for source in sources] for optimized in (True, False)]
            plain = answers(model, data, both[1], quick)
            if all(takes_floats(source) for source in sources):
                near = [[nudged(run) for run in runs] for runs in both]
            else:
                near = [[onnxruntime_runner(nudged_model(source), optimized) for source in sources]
                        for optimized in (True, False)]
            moved = [answers(model, data, runs, quick) for runs in near]
        stage("comparing")
        try:
            tally = compare.compare(expected, actual, plain, moved)
        except compare.Difference:
            if not model.rounds or peer == "onnxruntime-plain":
                raise
            stage("comparing node by node")
            import nodes

            tally = nodes.compare(model, data, sources, quick)
        result.update(elements=tally.elements, worst=tally.worst, near_zero=tally.near_zero, stepped=tally.stepped)
    except Exception as error:  # whatever it is, it is this model's result
        text = str(error).strip() or type(error).__name__
        kind = "" if isinstance(error, (compare.Difference, fetch.FetchError)) else f"{type(error).__name__}: "
        result["why"] = f"{result['stage']}: {kind}{' '.join(text.split())[:500]}"
    print(RESULT + json.dumps(result), flush=True)


# ---- all models ----


def judge(name, arguments):
    """The result of one entry: what its process said, or how it ended."""
    command = [sys.executable, __file__, "--one", name, "--peer", arguments.peer]
    command += [flag for flag in ("--quick", "--derived") if getattr(arguments, flag[2:])]
    started = time.monotonic()
    try:
        process = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 timeout=arguments.timeout)
        output, ending = process.stdout, f"exit code {process.returncode}"
        if process.returncode < 0:
            ending = f"signal {-process.returncode}"
    except subprocess.TimeoutExpired as error:
        output, ending = error.stdout or "", f"no end after {arguments.timeout} s"
        output = output.decode() if isinstance(output, bytes) else output
    lines = output.splitlines()
    if lines and lines[-1].startswith(RESULT):
        result = json.loads(lines[-1][len(RESULT):])
    else:
        places = [line[3:] for line in lines if line.startswith("at ")]
        result = {"name": name, "runs": 0, "why": f"{ending}, {'; '.join(places[-2:]) or 'nothing said'}"}
    result["seconds"] = time.monotonic() - started
    return result


def row(result):
    alive = f"{100 * result['alive']:.3g}%" if "alive" in result else "-"
    worst = f"{result['worst']:.2g}" if "worst" in result else "-"
    return (f"{result['name']:36} {result['runs']:4} {result.get('elements', 0):9} {alive:>6} {worst:>8}"
            f" {result.get('near_zero', 0):7} {result.get('stepped', 0):7} {result['seconds']:6.1f} s  {result['why'] or 'passed'}")


def junit(path, results):
    suite = ElementTree.Element("testsuite", name="models", tests=str(len(results)),
                                failures=str(sum(bool(result["why"]) for result in results)))
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", classname="models", name=result["name"],
                                      time=f"{result['seconds']:.3f}")
        if result["why"]:
            ElementTree.SubElement(case, "failure", message=result["why"])
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def print_operators(models, packages):
    """The operators of each model and of all: what a runtime needs to run them."""
    import fetch
    import operators

    found = {}
    for model in models:
        sources, data = fetch.files(model, packages)
        for place, source in enumerate(model.build(data) if model.build else sources):
            name = model.name if len(sources) < 2 else f"{model.name}/{Path(source).stem}"
            found[name] = operators.describe(name, source)
    operators.summary(found)


def print_markdown(models, packages):
    """The table of docs/models.md: model, operators, what is compared."""
    import re

    import fetch
    import onnx
    import operators

    print("| model | from | operators | inputs |\n|---|---|---|---|")
    for model in models:
        sources, data = fetch.files(model, packages)
        sources = model.build(data) if model.build else sources
        names = set()
        for source in sources:
            proto = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(
                str(source), load_external_data=False)
            names |= {operator for _, operator, _ in operators.usages(proto)} - {"Constant"}
        runs = [onnxruntime_runner(source, True) for source in sources]
        labels = [re.sub(r" (step|number) \d+", "", answer.label) for answer in model.play(runs, data, False)]
        files = ", ".join(Path(member).name for member in model.members) or "built"
        print(f"| {model.name} | {model.package}: {files} | {' '.join(sorted(names))} | "
              f"{', '.join(dict.fromkeys(labels))} |", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev models", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", help="names of models, with * and ?; without any, all")
    parser.add_argument("--quick", action="store_true", help="one size of each model")
    parser.add_argument("--derived", action="store_true", help="with what onnxruntime's tools make of some")
    parser.add_argument("--operators", action="store_true", help="print the operators of the models and end")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/models.md and end")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--says", action="store_true", help="print what the models' answers mean")
    parser.add_argument("--peer", choices=PEERS, default=PEERS[0],
                        help="libinfer-image: through a prepared image; onnxruntime-plain: onnxruntime without "
                             "optimization, for what can be expected")
    parser.add_argument("--junit", help="write a JUnit report there")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="models at a time")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one model")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        play_one(arguments.one, arguments.peer, arguments.quick, arguments.derived)
        return 0
    models, packages = table(arguments.derived)
    if arguments.patterns:
        models = [model for model in models
                  if any(fnmatch.fnmatch(model.name, f"*{pattern}*") for pattern in arguments.patterns)]
    if arguments.list:
        print("\n".join(f"{model.name:36} {model.field:20} {model.package}" for model in models))
        return 0
    if arguments.operators:
        print_operators(models, packages)
        return 0
    if arguments.markdown:
        print_markdown(models, packages)
        return 0
    print(f"{'model':36} {'runs':>4} {'elements':>9} {'alive':>6} {'worst':>8} {'by atol':>7} {'by step':>7} {'time':>8}  result")
    results = []
    with ThreadPoolExecutor(max(arguments.jobs or 1, 1)) as pool:
        for result in pool.map(lambda model: judge(model.name, arguments), models):
            results.append(result)
            print(row(result), flush=True)
            if arguments.says:
                for line in result.get("says", []):
                    print("     ", line)
    if arguments.junit:
        junit(arguments.junit, results)
    failed = sum(bool(result["why"]) for result in results)
    print(f"{len(results) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
