"""The contest of models: libinfer, ONNX Runtime, OpenVINO and what else knows a model, in turns in one process.

`./dev bench models` runs the suite of suite.py with programs/contest.c. Starts, and the memory they take, are measured
in processes of their own.
"""

import json
import statistics
import subprocess
import time
from pathlib import Path

import contest_table
import peer
import suite
import where
from tools import ROOT

TINY = 1 << 14  # bytes of weights below which reading them is no limit
NEAR = 1e-3  # answers farther apart than this, as a part of the largest, are not the same


def openvino_folder():
    try:
        import openvino
    except ImportError:
        return None
    return Path(openvino.__file__).parent


def program(bench):
    """The contest's program and the libraries of its runtimes; None without ONNX Runtime's header."""
    flags, openvino = peer.flags(), openvino_folder()
    if flags is None or openvino is None:
        return None
    folder = ROOT / "bench" / "programs"
    sources = [*(folder / f"contest_{name}.c" for name in ("feeds", "infer", "onnxruntime", "openvino", "trees")),
               ROOT / "bindings" / "cli" / "limits.c"]
    exe = bench.compile("contest", "-O3", f"-I{ROOT / 'bindings' / 'cli'}", "-isystem", openvino / "include",
                        *sources, *flags, strip=False)
    libraries = {"libinfer": bench.shared, "onnxruntime": peer.library(),
                 "openvino": next((openvino / "libs").glob("libopenvino_c.so*"))}
    return exe, libraries


def call(bench, command, seconds):
    """The lines of the program, split; whatever ends it early is a refusal of the last one named."""
    try:
        process = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=bench.environment,
                                 timeout=seconds)
    except subprocess.TimeoutExpired:
        return [["ended", f"no end after {seconds:.0f} s"]]
    lines = [line.split("\t") for line in process.stdout.splitlines()]
    if process.returncode:
        lines.append(["ended", f"exit code {process.returncode}: {process.stderr.strip()[-200:]}"])
    return lines


def spread(values):
    """Median, and the bounds that hold four of five rounds."""
    values = sorted(values)
    cut = len(values) // 10
    return {"median": statistics.median(values), "low": values[cut], "high": values[-1 - cut]}


def race(bench, exe, racers, feeds, threads, seconds, rounds, weights):
    lines = call(bench, [exe, "race", feeds, threads, seconds, rounds, max(weights, 4096),
                         *(f"{name}={library}={model}" for name, (library, model) in racers.items())],
                 300 + 10 * seconds * len(racers))
    turns, found, limits = {}, {"refused": {}, "runtimes": {}}, []
    for kind, *fields in lines:
        if kind == "round":
            turns.setdefault(fields[0], []).append(float(fields[1]))
        elif kind == "limit":
            limits.append(tuple(map(float, fields)))
        elif kind == "refused":
            found["refused"][fields[0]] = fields[1]
        elif kind == "ended":
            found["ended"] = fields[0]
        elif kind == "calls":
            name, p99, samples, together, apart, worked = fields
            found["runtimes"][name] = {**spread(turns[name]), "rounds": turns[name], "p99": float(p99),
                                       "samples": int(samples), "together": int(together),
                                       "difference": None if apart in ("nan", "-nan") else float(apart),
                                       "threads": int(worked)}
    if limits:
        found["fma_per_ns"] = max(limit[0] for limit in limits) * threads
        found["read_ns"] = min(limit[1] for limit in limits)
    return found


def judge(found, macs, linear, weights):
    """Adds the best peer, the rounds' ratios to it, and the share of the machine."""
    runtimes = found["runtimes"]
    ours = runtimes.get("libinfer")
    rivals = {name: values for name, values in runtimes.items()
              if name != "libinfer" and (values["difference"] or 0) <= NEAR}
    if not ours or not rivals:
        return
    best = min(rivals, key=lambda name: rivals[name]["median"])
    found["best_peer"] = best
    found["ratio"] = spread([theirs / mine for theirs, mine in zip(rivals[best]["rounds"], ours["rounds"])])
    apart = ours["high"] < rivals[best]["low"], rivals[best]["high"] < ours["low"]
    found["verdict"] = "faster" if apart[0] else "slower" if apart[1] else "even"
    if "fma_per_ns" not in found:
        return
    if macs:
        found["of_fma"] = macs / found["fma_per_ns"] / ours["median"]
    if (macs or linear) and weights >= TINY and found["asked_threads"] == 1:
        found["of_reading"] = found["read_ns"] / ours["median"]


def starts(bench, exe, racers, feeds, times):
    """Opening the library, loading, the first answer, peak memory: each in processes of their own, in turns."""
    measured, refused = {}, {}
    for _ in range(times):
        for name, (library, model) in racers.items():
            if name in refused:
                continue
            for kind, *fields in call(bench, [exe, "once", f"{name}={library}={model}", feeds, 1], 300):
                if kind == "once":
                    measured.setdefault(name, []).append([float(field) for field in fields])
                else:
                    refused[name] = fields[-1]
    names = ("library_ms", "load_ms", "first_ms", "peak_kb", "threads", "before_kb", "loaded_kb", "faults", "held_kb")
    return {name: dict(zip(names, map(statistics.median, zip(*runs)))) for name, runs in measured.items()}


def measure(bench, exe, libraries, entry, arguments):
    folder, facts = suite.made(entry)
    model, image = folder / "model.onnx", bench.scratch / "model.infer"
    racers = {name: (libraries[name], model) for name in ("onnxruntime", "libinfer", "openvino")}
    racers.update(suite.peers(folder))
    result = {"field": entry.field, "file_bytes": model.stat().st_size, "weights": facts["weights"], "races": []}
    for batch, about in facts["batches"].items():
        if int(batch) not in arguments.batch:
            continue
        for threads in arguments.threads:
            feeds = folder / f"feeds-{batch}"
            found = race(bench, exe, racers, feeds, threads, arguments.seconds or bench.rounds(4, 0.3), bench.rounds(20, 5),
                         facts["weights"])
            found.update(batch=int(batch), asked_threads=threads, **about)
            judge(found, about["macs"], entry.field == "linear", facts["weights"])
            result["races"].append(found)
    runners = dict(racers)
    made = subprocess.run([str(bench.infer), "compile", str(model), "-o", str(image)], capture_output=True, text=True)
    if made.returncode == 0:
        runners["libinfer-image"] = (libraries["libinfer"], image)
        result["image_bytes"] = image.stat().st_size
    if "libinfer" in result["races"][0]["runtimes"] and entry.field not in ("linear", "trees"):
        nodes = where.times(model, where.read(folder / "feeds-1", 2))
        result["operators"] = [{"operator": op, "share": share, "nodes": count} for share, op, count in where.operators(nodes)]
    result["starts"] = starts(bench, exe, runners, folder / "feeds-1", bench.rounds(5, 1))
    image.unlink(missing_ok=True)
    return result


def run(bench, arguments):
    prepared = program(bench)
    if prepared is None:
        print("models: ONNX Runtime's header or OpenVINO's package is missing")
        return None
    where.prepare(bench.shared)
    report, started = {}, time.monotonic()
    contest_table.head()
    for entry in suite.chosen(arguments.models):
        try:
            report[entry.name] = measure(bench, *prepared, entry, arguments)
        except Exception as error:  # it costs this model, not the others
            report[entry.name] = {"field": entry.field, "failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        contest_table.races(entry.name, report[entry.name])
        if arguments.json:
            Path(arguments.json).write_text(json.dumps({"models": report}, indent=1) + "\n")
    contest_table.starts(report)
    contest_table.summary(report, time.monotonic() - started)
    return report
