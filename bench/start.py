"""Process start to first answer: whole processes in turns, their memory, what they ship."""

import json
import statistics
import sys
from pathlib import Path

import models
import peer
from tools import ROOT, fallback, table

HANDLERS = ROOT / "bench" / "handlers"
BASE = "empty static program"
TOLERANCE = 1e-5


def prepare(bench):
    """The models in every form, and the row that everybody answers; returns the two answers."""
    import joblib

    scratch = bench.scratch
    pipeline, data = models.breast_cancer()
    linear = models.linear_regression()
    row = [float(value) for value in data.data[20]]
    models.export(pipeline, 30, scratch / "model.onnx")
    models.export(linear, 30, scratch / "linear.onnx")
    joblib.dump(pipeline, scratch / "model.joblib")
    (scratch / "event.json").write_text(json.dumps({"features": row}))
    (scratch / "row.h").write_text("static const float row[] = {%s};\n" % ", ".join(f"{v!r}f" for v in row))
    for handler in HANDLERS.glob("*.py"):
        (scratch / handler.name).write_text(handler.read_text())
    for name in ("model", "linear"):
        bench.run([bench.infer, "compile", scratch / f"{name}.onnx", "-o", scratch / f"{name}.infer"])
    return {"logistic": float(pipeline.predict_proba([row])[0, 1]), "linear": float(linear.predict([row])[0])}


def packages_kb(*names):
    """What Python packages take, with the libraries that wheels put beside them."""
    site = Path(next(path for path in sys.path if path.endswith("site-packages")))
    folders = [site / name for name in names] + [site / f"{name}.libs" for name in names]
    return sum(path.stat().st_size for folder in folders if folder.is_dir()
               for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts) / 1024


def contenders(bench):
    """{name: (every N-th round, command, kB shipped beside the interpreter, model kind or None)}"""
    scratch = bench.scratch
    kb = lambda *paths: sum(Path(path).resolve().stat().st_size for path in paths) / 1024  # noqa: E731
    empty = bench.compile("empty", "-static")
    empty_shared = bench.compile("empty", program="empty_shared")
    number = bench.compile("number", "-lm")
    static = bench.compile("once", *bench.static_flags(), program="once_static")
    shared = bench.compile("once", *bench.shared_flags(), program="once_shared")
    loading = bench.compile("once", "-DLOAD=infer_load", *bench.shared_flags(), program="once_load")
    library = scratch / "libinfer.stripped.so"
    bench.run(["strip", "-o", library, bench.shared.resolve()])
    model, linear = scratch / "model.infer", scratch / "linear.infer"
    found = {
        BASE: (1, [empty], kb(empty), None),
        "empty program": (1, [empty_shared], kb(empty_shared), None),
        "program that prints exp(-1)": (1, [number], kb(number), None),
        "libinfer static, linear": (1, [static, linear], kb(static), "linear"),
        "libinfer static, logistic": (1, [static, model], kb(static), "logistic"),
        "libinfer.so, linear": (1, [shared, linear], kb(shared, library), "linear"),
        "libinfer.so, logistic": (1, [shared, model], kb(shared, library), "logistic"),
        "libinfer.so, logistic.onnx": (1, [loading, scratch / "model.onnx"], kb(loading, library), "logistic"),
    }
    flags = peer.flags()
    if flags:
        other = bench.compile("once_onnxruntime", *flags)
        command = [other, peer.library(), scratch / "model.onnx", "x", "probabilities", 2]
        found["ONNX Runtime, C API"] = (8, command, kb(other, peer.library()), "logistic")
    python = sys.executable
    package = ROOT / "bindings" / "python" / "libinfer"
    found.update({
        "Python, nothing": (8, [python, "-c", "pass"], 0, None),
        "Python + libinfer": (8, [python, scratch / "libinfer_handler.py"],
                              kb(library, *package.glob("*.py")), "logistic"),
        "Python + ONNX Runtime": (25, [python, scratch / "onnxruntime_handler.py"],
                                  packages_kb("onnxruntime", "numpy"), "logistic"),
        "Python + scikit-learn": (25, [python, scratch / "sklearn_handler.py"],
                                  packages_kb("sklearn", "scikit_learn", "scipy", "numpy", "joblib",
                                              "threadpoolctl"), "logistic"),
    })
    return found


def check_answers(bench, found, expected):
    for name, (_, command, _, kind) in found.items():
        if kind is None:
            continue
        value = float(bench.run(command))
        if abs(value - expected[kind]) > TOLERANCE:
            raise RuntimeError(f"{name} answers {value} instead of {expected[kind]}")


def run(bench):
    expected = prepare(bench)
    found = contenders(bench)
    check_answers(bench, found, expected)
    rounds = bench.rounds(201, 51)
    times = bench.start_times({name: (every, command) for name, (every, command, _, _) in found.items()},
                              rounds)
    base = {turn: ms for turn, ms, _ in times[BASE]}
    memory = {name: bench.peak_kb(command) for name, (_, command, _, _) in found.items()}
    report, rows = {"rounds": rounds, "answers": expected, "processes": {}}, []
    for name, (_, command, shipped, _) in found.items():
        over_kb = None if memory[name] is None else memory[name] - memory[BASE]
        entry = {
            "runs": len(times[name]),
            "ms": statistics.median(ms for _, ms, _ in times[name]),
            "over_empty_ms": statistics.median(ms - base[turn] for turn, ms, _ in times[name]),
            "peak_kb": memory[name],
            "peak_over_empty_kb": over_kb,
            "shipped_kb": shipped,
        }
        report["processes"][name] = entry
        rows.append([name, f"{entry['ms']:.2f}", f"{entry['over_empty_ms']:.3f}",
                     f"{entry['ms'] / report['processes'][BASE]['ms']:.2f}", entry["runs"],
                     fallback(entry["peak_kb"], ".0f"), fallback(over_kb, ".0f"), f"{shipped:.0f}"])
    table("start: a whole process, from its start to its first answer",
          ["", "ms", "over empty", "ratio", "runs", "peak kB", "over empty", "ships kB"], rows,
          "over empty: median of the differences from the empty static program of the same round",
          "limit: the empty static program, which starts and ends and does nothing",
          f"every answer is within {TOLERANCE:g} of scikit-learn's")
    return report
