"""A linear model over HTTP keep-alive, one core for the server: requests a second beside FastAPI's."""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import start
from tools import table

CONNECTIONS = 64
PEER = "FastAPI + ONNX Runtime, uvicorn"
UNITS = {"us": 1e-3, "ms": 1, "s": 1e3}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def post(port, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.loads(reply.read())


class Server:
    """A server bound to the first core, up once it has answered."""

    def __init__(self, bench, command, body):
        self.port = free_port()
        words = [str(word).replace("PORT", str(self.port)) for word in command]
        self.process = subprocess.Popen(["taskset", "-c", "0", *words], env=bench.environment, cwd=bench.scratch,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.answer = post(self.port, body)
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"{words[0]} does not serve")

    def resident_kb(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def handler_us(port):
    """Microseconds from the first byte of a request to its answer, the mean since the server's start."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    total, count = (float(re.search(rf"^http_request_duration_seconds_{name} (\S+)", text, re.M)[1])
                    for name in ("sum", "count"))
    return total / count * 1e6


def load(bench, port, seconds):
    """Requests a second, the slowest hundredth in ms, and requests that failed."""
    text = bench.run(["taskset", "-c", str(min(1, os.cpu_count() - 1)), "wrk", "-t1", f"-c{CONNECTIONS}",
                      f"-d{seconds}s", "--latency", "-s", bench.scratch / "post.lua",
                      f"http://127.0.0.1:{port}/predict"])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    failed += sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), float(value) * UNITS[unit], failed


def run(bench):
    if not shutil.which("wrk"):
        print("\nserve: wrk is not installed\n")
        return None
    expected = start.prepare(bench)["logistic"]
    body = (bench.scratch / "event.json").read_bytes()
    (bench.scratch / "post.lua").write_text(
        f"wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\nwrk.body = [[{body.decode()}]]\n")
    serve = bench.build / "bindings" / "serve" / "infer-serve"
    commands = {
        "infer-serve": [serve, "--platform", "http", "--model", bench.scratch / "model.infer", "--port", "PORT"],
        PEER: [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--port", "PORT", "--log-level", "warning"],
    }
    servers = {name: Server(bench, command, body) for name, command in commands.items()}
    try:
        for name, server in servers.items():
            answer = server.answer.get("probability") or server.answer["probabilities"]["1"]
            if abs(answer - expected) > start.TOLERANCE:
                raise RuntimeError(f"{name} answers {server.answer}")
        turns = {name: [] for name in servers}
        for _ in range(bench.rounds(5, 3)):
            for name, server in servers.items():
                turns[name].append(load(bench, server.port, bench.rounds(3, 1)))
        report = {name: {"requests_per_second": statistics.median(rate for rate, _, _ in runs),
                         "p99_ms": statistics.median(p99 for _, p99, _ in runs),
                         "failed": sum(failed for _, _, failed in runs),
                         "resident_kb": servers[name].resident_kb()} for name, runs in turns.items()}
        ratios = [ours[0] / theirs[0] for ours, theirs in zip(turns["infer-serve"], turns[PEER])]
        report["ratio"] = statistics.median(ratios)
        report["handler_us"] = handler_us(servers["infer-serve"].port)
    finally:
        for server in servers.values():
            server.stop()
    rows = [[name, f"{report[name]['requests_per_second']:.0f}", f"{report[name]['p99_ms']:.2f}",
             report[name]["failed"], report[name]["resident_kb"]] for name in servers]
    table("serve: a logistic model with 30 features over HTTP keep-alive, one core for the server",
          ["", "requests/s", "p99 ms", "failed", "resident kB"], rows,
          f"{CONNECTIONS} connections of wrk on the other core; ratio {report['ratio']:.1f}, the median of turns",
          f"{report['handler_us']:.1f} us from the first byte of a request to its answer, the prediction included")
    return report
