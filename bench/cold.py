"""Cold start on AWS Lambda's protocol: from the start of a function's process to its first answer."""

import json
import statistics
import sys

import start
from tools import table

BASE = "empty static client"


def probability(text):
    """The positive class's probability in an answer, of whatever handler."""
    body = json.loads(json.loads(text)["body"])
    return body["probability"] if "probability" in body else body["probabilities"]["1"]


def run(bench):
    scratch = bench.scratch
    expected = start.prepare(bench)["logistic"]
    python = [sys.executable, scratch / "runtime.py"]
    serve = bench.build / "bindings" / "serve" / "infer-serve"
    functions = {
        BASE: (1, [bench.compile("client", "-static")]),
        "infer-serve, model.infer": (1, [serve, "--model", scratch / "model.infer"]),
        "infer-serve, model.onnx": (1, [serve, "--model", scratch / "model.onnx"]),
        "Python + libinfer": (10, [*python, "libinfer_handler"]),
        "Python + ONNX Runtime": (20, [*python, "onnxruntime_handler"]),
        "Python + scikit-learn (the tutorial's)": (20, [*python, "sklearn_handler"]),
    }
    times = bench.start_times(functions, bench.rounds(201, 41), scratch / "event.json")
    base = {turn: ms for turn, ms, _ in times[BASE]}
    report, rows = {}, []
    for name, runs in times.items():
        for _, _, answer in runs:
            if name != BASE and abs(probability(answer) - expected) > start.TOLERANCE:
                raise RuntimeError(f"{name} answers {answer}")
        report[name] = {"runs": len(runs), "ms": statistics.median(ms for _, ms, _ in runs),
                        "over_client_ms": statistics.median(ms - base[turn] for turn, ms, _ in runs)}
    tutorial = list(functions)[-1]
    for name, entry in report.items():
        entry["times_faster_than_tutorial"] = report[tutorial]["ms"] / entry["ms"]
        rows.append([name, f"{entry['ms']:.2f}", f"{entry['over_client_ms']:.2f}",
                     f"{entry['times_faster_than_tutorial']:.0f}", entry["runs"]])
    table("cold: a function on AWS Lambda's runtime API, from its start to its first answer",
          ["", "ms", "over client", "times the tutorial's", "runs"], rows,
          "limit: a static program that asks for an event and answers {}",
          f"every answer is within {start.TOLERANCE:g} of scikit-learn's")
    return report
