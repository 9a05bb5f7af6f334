"""The benchmark harness: every figure beside its peer and its limit, in turns, in one run."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import cold  # noqa: E402
import contest  # noqa: E402
import kernel_table  # noqa: E402
import loads  # noqa: E402
import opening  # noqa: E402
import operator_table  # noqa: E402
import serving  # noqa: E402
import sizes  # noqa: E402
import start  # noqa: E402
import warm  # noqa: E402
import yardsticks  # noqa: E402
from tools import ROOT, Bench  # noqa: E402

GROUPS = {
    "start": start.run,
    "cold": cold.run,
    "serve": serving.run,
    "warm": warm.run,
    "opening": opening.run,
    "sizes": sizes.run,
    "loading": sizes.loading,
    "kernels": kernel_table.run,
}
NAMED = {"models": contest.run, "operators": operator_table.run, "loads": loads.run}  # only where they are asked for: they take long


def machine():
    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    return {"processor": names[0] if names else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release()}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("groups", metavar="GROUP", nargs="*", help=f"only these: {', '.join(GROUPS)}; or: {', '.join(NAMED)}")
    parser.add_argument("--json", metavar="FILE", help="where the figures go (BUILD/bench.json)")
    parser.add_argument("--build", metavar="DIR", default=ROOT / "build", help="a build directory (build)")
    parser.add_argument("--models", metavar="PATTERN", action="append", default=[],
                        help="of the models: names or fields, with * and ?; may be given again")
    parser.add_argument("--threads", metavar="N", type=int, nargs="+", default=[1, 2],
                        help="of the models: threads of a run (1 2)")
    parser.add_argument("--batch", metavar="N", type=int, nargs="+", default=[1, 8],
                        help="of the models: rows at a time (1 8)")
    parser.add_argument("--seconds", type=float, help="of the models: for each runtime of a race (4; quick 0.3)")
    arguments = parser.parse_intermixed_args()
    for name in arguments.groups:
        if name not in GROUPS and name not in NAMED:
            parser.error(f"there is no group {name}: {', '.join((*GROUPS, *NAMED))}")
    report = {"machine": machine(), "quick": arguments.quick}
    print("{processor}, {cores} cores, Linux {kernel}".format(**report["machine"]))
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.build) as scratch:
        bench = Bench(arguments.build, scratch, arguments.quick)
        for name in arguments.groups or GROUPS:
            try:
                report[name] = NAMED[name](bench, arguments) if name in NAMED else GROUPS[name](bench)
            except subprocess.CalledProcessError as error:
                sys.exit(f"{name}: {' '.join(map(str, error.cmd))} failed\n{error.stderr or ''}")
        report["yardsticks"] = yardsticks.run(report)
        target = Path(arguments.json) if arguments.json else bench.build / "bench.json"
    target.write_text(json.dumps(report, indent=2) + "\n")
    print(f"figures: {target}")


if __name__ == "__main__":
    main()
