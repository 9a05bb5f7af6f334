"""What every group of benchmarks uses: the built library, a compiler, processes in turns, tables."""

import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "bench" / "programs"
STATIC_FLAGS = ["-static", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]


def output(command, **keywords):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True,
                          **keywords).stdout


def fallback(value, text):
    """A cell of a table: text says how to show a value that may be missing."""
    return "-" if value is None else format(value, text)


class Bench:
    """One run: where the library was built, a scratch folder, how patient it is."""

    def __init__(self, build, scratch, quick):
        self.build = Path(build).resolve()
        self.scratch = Path(scratch)
        self.quick = quick
        self.infer = self.build / "bindings" / "cli" / "infer"
        self.shared = self.build / "libinfer.so"
        self.static = self.build / "libinfer.a"
        # The Python package as it is when installed: compiled at its first use, found from anywhere.
        packages = self.scratch / "packages"
        shutil.copytree(ROOT / "bindings" / "python" / "libinfer", packages / "libinfer",
                        ignore=shutil.ignore_patterns("__pycache__"))
        # Nothing in a measured process may ask the network, nor find another library.
        self.environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "INFER_LIBRARY": str(self.shared),
                            "PYTHONPATH": str(packages)}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def rounds(self, many, few):
        return few if self.quick else many

    def run(self, command):
        return output(command, env=self.environment)

    def compile(self, name, *flags, program=None, strip=True):
        """A program of bench/programs."""
        exe = self.scratch / (program or name)
        # Includes first, libraries last, as the linker wants them.
        output(["gcc", "-O2", "-std=c11", f"-I{ROOT / 'include'}", f"-I{self.scratch}",
                PROGRAMS / f"{name}.c", "-o", exe, *flags])
        if strip:
            output(["strip", exe])
        return exe

    def static_flags(self):
        """A static program takes of libinfer what it names."""
        return [*STATIC_FLAGS, str(self.static), "-lprotobuf-c", "-lm", "-lpthread"]

    def shared_flags(self):
        return [str(self.shared), f"-Wl,-rpath,{self.build}", "-ldl", "-lm"]

    def start_times(self, commands, rounds, event=None):
        """Milliseconds of processes, in turns: {name: (every, command)} to {name: [(round, ms, answer)]}.

        They are whole processes, or, with an event's file, functions of AWS Lambda until their answer. A
        command runs in every N-th round only, so that slow ones do not take all the time."""
        launch = self.scratch / "launch"
        if not launch.exists():
            self.compile("launch", "-static")
        names = list(commands)
        with tempfile.NamedTemporaryFile("w", dir=self.scratch) as lines:
            for every, command in commands.values():
                lines.write("\t".join([str(every), *map(str, command)]) + "\n")
            lines.flush()
            text = self.run([launch, rounds, lines.name, *([event] if event else [])])
        times = {name: [] for name in names}
        for line in text.splitlines():
            number, ns, *answer = line.split(maxsplit=2)
            name = names[int(number)]
            times[name].append((len(times[name]) * commands[name][0], int(ns) / 1e6, "".join(answer)))
        return times

    def peak_kb(self, command):
        """Peak resident memory of a process in kB, the median of three; None without ptrace."""
        peak = self.scratch / "peak"
        if not peak.exists():
            self.compile("peak")
        try:
            return statistics.median(int(self.run([peak, *command])) for _ in range(3))
        except subprocess.CalledProcessError:
            return None


def table(title, columns, rows, *notes):
    """Prints a table: the first column to the left, the others to the right; cells are text."""
    widths = [max(len(str(row[i])) for row in [columns, *rows]) for i in range(len(columns))]
    print(f"\n{title}")
    for row in [columns, *rows]:
        cells = [str(cell).rjust(width) for cell, width in zip(row, widths)]
        print("  " + "   ".join([str(row[0]).ljust(widths[0]), *cells[1:]]))
    for note in notes:
        print(f"  {note}")
    print(flush=True)
