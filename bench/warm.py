"""One row, warm: infer_predict beside ONNX Runtime's C API and beside reading the weights."""

import re
import shutil
import subprocess

import models
import peer
from tools import fallback, table

TOLERANCE = 1e-5


def instructions(bench, exe, count, *arguments):
    """Instructions of one prediction, counted by callgrind inside the function that predicts."""
    if not shutil.which("valgrind"):
        return None
    command = ["valgrind", "--tool=callgrind", "--toggle-collect=predict", "--callgrind-out-file=/dev/null",
               str(exe), str(count), *map(str, arguments)]
    text = subprocess.run(command, capture_output=True, text=True, env=bench.environment).stderr
    found = re.search(r"Collected : (\d+)", text)
    return int(found[1]) / count if found else None


def run(bench):
    flags = peer.flags()
    if flags is None:
        return None
    native = bench.shared_flags() + flags
    exe = bench.compile("warm", "-march=native", *native)
    calls = bench.compile("calls", *native, strip=False)
    report, rows = {}, []
    for name, make in models.ALL.items():
        path = bench.scratch / "warm.onnx"
        make(path)
        text = bench.run([exe, path, peer.library(), bench.rounds(101, 21)])
        ours, theirs, limit, worst = map(float, text.split())
        if worst > TOLERANCE:
            raise RuntimeError(f"{name}: the answers differ by {worst}")
        counted = instructions(bench, calls, 1000, path)
        # It takes valgrind a quarter of a minute to start ONNX Runtime.
        peer_counted = None if bench.quick else instructions(bench, calls, 100, path, peer.library())
        report[name] = {"libinfer_ns": ours, "onnxruntime_ns": theirs, "ratio": theirs / ours,
                        "limit_ns": limit, "times_limit": ours / limit, "largest_difference": worst,
                        "instructions": counted, "onnxruntime_instructions": peer_counted}
        rows.append([name, f"{ours:.1f}", f"{theirs:.0f}", f"{theirs / ours:.1f}", f"{limit:.1f}",
                     f"{ours / limit:.2f}", fallback(counted, ".0f"), fallback(peer_counted, ".0f"),
                     f"{worst:.1e}"])
    table("warm: one row through infer_predict and through ONNX Runtime's Run, one thread",
          ["", "libinfer ns", "peer ns", "ratio", "limit ns", "of limit", "instructions", "peer's",
           "difference"], rows,
          "limit: calling a function that only reads the weights and the row",
          "instructions: of one prediction, counted by callgrind (AVX2, also where the machine has more)")
    return report
