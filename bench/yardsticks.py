"""The goals, and whether this run met them."""

from kernel_table import best_rows, operand_bytes
from tools import table

NOISE = 0.95  # of the peer's speed: as fast, within what repeats differ
ELEMENTS = (8, 1 << 20)
CACHE_BYTES = 64 << 20  # operands from here on lie in memory


class Verdicts:
    def __init__(self):
        self.report, self.rows = {}, []

    def add(self, name, value, text, target, met):
        self.report[name] = {"value": value, "target": target, "met": met}
        self.rows.append([name, text, target, "yes" if met else "NO"])

    def at_most(self, name, value, target, unit):
        self.add(name, value, f"{value:.4g} {unit}", f"at most {target:g} {unit}", value <= target)

    def at_least(self, name, value, target, unit):
        self.add(name, value, f"{value:.4g} {unit}", f"at least {target:g} {unit}", value >= target)


def start(verdicts, report):
    processes = report["processes"]
    static = [entry for name, entry in processes.items() if name.startswith("libinfer static")]
    verdicts.at_most("static start to first answer, over empty",
                     max(entry["over_empty_ms"] for entry in static), 1.0, "ms")
    if static[0]["peak_over_empty_kb"] is not None:
        verdicts.at_most("resident memory of it, over empty",
                         max(entry["peak_over_empty_kb"] for entry in static), 1024, "kB")


def cold(verdicts, report):
    ours = report["infer-serve, model.infer"]
    verdicts.at_most("cold start on AWS Lambda, over an empty client", ours["over_client_ms"], 3.0, "ms")
    verdicts.at_least("cold start, against the tutorial's handler", ours["times_faster_than_tutorial"], 100, "x")


def serve(verdicts, report):
    ours, peer = report["infer-serve"], report["FastAPI + ONNX Runtime, uvicorn"]
    verdicts.at_least("HTTP requests, against FastAPI + ONNX Runtime", report["ratio"], 10, "x")
    verdicts.at_most("the slowest hundredth of them, against FastAPI's", ours["p99_ms"] / peer["p99_ms"], 1, "x")
    verdicts.at_most("time in the handler", report["handler_us"], 15, "us")
    verdicts.at_most("resident memory under load", ours["resident_kb"], 4096, "kB")


def warm(verdicts, report):
    for name, target in (("linear n=30", 50), ("logistic n=30", 30), ("softmax 784x10", 8)):
        verdicts.at_least(f"{name}, against ONNX Runtime", report[name]["ratio"], target, "x")


def opening(verdicts, report):
    small, large = report["1 MB"], report["1 GB"]
    verdicts.at_most("opening 1 GB over 1 MB, beyond the system calls",
                     (large["over_limit_ns"] - small["over_limit_ns"]) / 1000, 0.5, "us")


def sizes(verdicts, report):
    verdicts.at_most("static program over empty, linear models",
                     report["static program over empty, linear models"], 150, "kB")


def kernels(verdicts, report):
    cases = best_rows(report["rows"])
    for kind in ("dot", "matvec"):
        against, memory = {}, {}
        for (kernel, m, n, k), variants in cases.items():
            if not kernel.startswith(kind):
                continue
            label = f"{kernel[-3:]} {n}x{k}" if kind == "matvec" else f"{kernel[-3:]} {k}"
            if ELEMENTS[0] <= n * k <= ELEMENTS[1] and variants["ours"]["times_openblas"]:
                against[label] = variants["ours"]["times_openblas"]
            if operand_bytes(kernel, m, n, k) >= CACHE_BYTES and variants["ours"]["of_limit"]:
                memory[label] = 100 * variants["ours"]["of_limit"]
        if against:
            worst = min(against, key=against.get)
            verdicts.at_least(f"{kind} 8 .. 1M against OpenBLAS, slowest: {worst}", against[worst], NOISE, "x")
        if memory:
            worst = min(memory, key=memory.get)
            verdicts.at_least(f"{kind} out of cache against reading, slowest: {worst}", memory[worst], 90, "%")


def run(report):
    verdicts = Verdicts()
    for name, judge in (("start", start), ("cold", cold), ("serve", serve), ("warm", warm), ("opening", opening), ("sizes", sizes),
                        ("kernels", kernels)):
        if report.get(name):
            judge(verdicts, report[name])
    if verdicts.rows:
        table("yardsticks", ["", "reached", "target", "met"], verdicts.rows)
    return verdicts.report
