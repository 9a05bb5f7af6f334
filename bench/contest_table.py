"""The contest on a terminal: a line for each race as it ends, then the starts, then the summary."""

import statistics

from tools import table

LINE = "{:34} {:>5} {:>9} {:>9} {:>9} {:>18} {:>12} {:>11} {:>9} {:>9} {:>9} {:>8}"


def time_text(ns):
    for limit, unit, digits in ((1e3, 1, "ns"), (1e6, 1e3, "us"), (1e9, 1e6, "ms"), (float("inf"), 1e9, "s")):
        if ns < limit:
            return f"{ns / unit:.3g} {digits}"
    return "-"


def head():
    print("models: medians of rounds in turns; xB: rows, xT: threads")
    print(LINE.format("", "", "libinfer", "ort", "openvino", "other", "to best", "within", "p99", "best's", "machine",
                      "apart"), flush=True)


def ratio_text(found):
    """A ratio is no gain where the rounds of the two overlap."""
    if "verdict" not in found:
        return "-", "-"
    ratio = found["ratio"]
    sign = "=" if found["verdict"] == "even" else ""
    return f"{sign}{ratio['median']:.2f}", f"{ratio['low']:.2f}-{ratio['high']:.2f}"


def machine_text(found):
    shares = [(found[name], word) for name, word in (("of_fma", "fma"), ("of_reading", "read")) if name in found]
    return "{:.0f}% {}".format(100 * max(shares)[0], max(shares)[1]) if shares else "-"


def cell(found, name):
    if name in found["runtimes"]:
        return time_text(found["runtimes"][name]["median"])
    return "refused" if name in found["refused"] else "-"


def races(name, result):
    if "failed" in result:
        print(f"{name:34} {result['failed']}", flush=True)
        return
    for found in result["races"]:
        runtimes = found["runtimes"]
        others = {key: values["median"] for key, values in runtimes.items()
                  if key not in ("libinfer", "onnxruntime", "openvino")}
        other = min(others, key=others.get, default=None)
        ratio, within = ratio_text(found)
        ours, best = runtimes.get("libinfer"), runtimes.get(found.get("best_peer"))
        worked = f"{ours['threads']}" if ours else "?"
        asked = str(found["asked_threads"])
        apart = ours and ours["difference"]
        print(LINE.format(
            name, f"{found['batch']}/{asked}{'' if worked == asked else '*'}", cell(found, "libinfer"),
            cell(found, "onnxruntime"), cell(found, "openvino"),
            f"{other.replace('compiled-', '')} {time_text(others[other])}" if other else "-", ratio, within,
            time_text(ours["p99"]) if ours else "-", time_text(best["p99"]) if best else "-", machine_text(found),
            "-" if apart is None else f"{apart:.0e}"), flush=True)
        for key in ("libinfer", "onnxruntime"):
            if key in found["refused"]:
                print(f"    {key}: {found['refused'][key][:150]}")
        if "ended" in found:
            print(f"    ended: {found['ended']}")
    dear = [f"{one['operator']} x{one['nodes']} {100 * one['share']:.0f}%" for one in result.get("operators", [])[:4]]
    if dear:
        print(f"    libinfer's time: {', '.join(dear)}", flush=True)


def starts(report):
    rows = []
    for name, result in report.items():
        for runtime, values in result.get("starts", {}).items():
            size = result.get("image_bytes") if runtime == "libinfer-image" else result["file_bytes"]
            rows.append([name, runtime, f"{values['library_ms']:.2f}", f"{values['load_ms']:.2f}", f"{values['first_ms']:.2f}",
                         f"{values['library_ms'] + values['load_ms'] + values['first_ms']:.2f}",
                         f"{values['peak_kb'] / 1024:.1f}", f"{size / 1e6:.2f}"])
    table("starts: one thread, each in processes of their own",
          ["", "runtime", "library ms", "load ms", "first answer ms", "together ms", "peak MiB", "file MB"], rows)


def summary(report, seconds):
    groups = {}
    for name, result in report.items():
        for found in result.get("races", []):
            if "verdict" in found:
                groups.setdefault((found["asked_threads"], found["batch"]), []).append((found["ratio"]["median"], found["verdict"]))
    rows = [[f"{threads} threads, batch {batch}", len(found), f"{statistics.geometric_mean(ratio for ratio, _ in found):.2f}",
             *(sum(verdict == word for _, verdict in found) for word in ("faster", "even", "slower"))]
            for (threads, batch), found in sorted(groups.items())]
    table("libinfer against the best peer of each model", ["", "models", "mean ratio", "faster", "even", "slower"], rows,
          "ratio: the best peer's time over libinfer's, the median of the rounds' ratios; mean: geometric",
          "=: the rounds of the two overlap, so it is neither a gain nor a loss",
          "within: holds four of five rounds' ratios; apart: from onnxruntime's answers, as a part of the largest",
          "machine: the share of what the processor multiplies, or of the time to read the weights, the larger one",
          "*: libinfer worked in one thread", f"it took {seconds:.0f} s")
